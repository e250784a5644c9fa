// Package docs_test runs what the README tells its readers to run, on real Podman.
package docs_test

import (
	"context"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
)

func TestMain(m *testing.M) {
	if err := devfleet.Own(); err != nil {
		log.Fatal(err)
	}
	os.Exit(m.Run())
}

func TestTheReadmesMinuteByHandWorks(t *testing.T) {
	out := does(t, "readme", minute(t))
	if strings.Count(out, "3/3") == 0 {
		t.Error("status never showed three of three pods")
	}
}

func TestTheVisitsExampleWorks(t *testing.T) {
	text := script(t, "../examples/visits/README.md")
	asks := `curl http://10.142.0.11:30080/`
	if !strings.Contains(text, asks) {
		t.Fatal("the example is not asked")
	}
	asked := `for i in $(seq 60); do curl -s --fail --max-time 5 "http://$(podkeep dev status | awk '$1 == "n1" {print $3}'):30080/"; done`
	out := does(t, "visits", strings.Replace(text, asks, asked, 1))
	if !strings.Contains(out, "v1: visit 60") {
		t.Error("sixty visits were not counted")
	}
}

func TestTheShopExampleWorks(t *testing.T) {
	const plain, secured = "curl -H 'Host: try.example.org' http://10.142.0.11/", "curl -i -H 'Host: shop.example.org' http://10.142.0.11/"
	text := script(t, "../examples/shop/README.md")
	for _, asks := range []string{plain, secured} {
		if !strings.Contains(text, asks) {
			t.Fatalf("the example is not asked by %s", asks)
		}
	}
	out := does(t, "shop", strings.ReplaceAll(strings.ReplaceAll(text, "http://10.142.0.11/", `"http://$(podkeep dev status | awk '$1 == "n1" {print $3}')/"`), "curl ", "curl -s --max-time 5 "))
	for _, want := range []string{"HTTP/1.1 308 ", "Location: https://shop.example.org/"} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q", want)
		}
	}
}

// script is all that a page tells its readers to run, after a build.
func script(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	all.WriteString("make build\nexport PATH=\"$PWD/bin:$PATH\"\n")
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		all.Write(m[1])
	}
	return all.String()
}

// does runs commands for readers on a fleet of that name, and gives what they print.
func does(t *testing.T, name, script string) string {
	t.Helper()
	if err := devfleet.Down(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := devfleet.Down(context.Background(), name, ""); err != nil {
			t.Error(err)
		}
	})
	script = strings.ReplaceAll(script, "podkeep dev ", "podkeep dev --name "+name+" ")
	script = strings.ReplaceAll(script, "/var/lib/podkeep-dev/dev/", filepath.Join(devfleet.Root, name)+"/")
	script = regexp.MustCompile("\npodkeep plan[^\n]*").ReplaceAllString(script, "$0 && exit 1 || test $$? -eq 2")
	fleet := filepath.Join(t.TempDir(), "fleet")
	script = strings.ReplaceAll(script, "main fleet\n", "main "+fleet+"\n")
	script = strings.ReplaceAll(script, " fleet/\ncd fleet\n", " "+fleet+"/\ncd "+fleet+"\n")

	cmd := exec.Command("bash", "-exo", "pipefail", "-c", script)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir(), "GIT_AUTHOR_NAME=reader", "GIT_AUTHOR_EMAIL=reader@localhost",
		"GIT_COMMITTER_NAME=reader", "GIT_COMMITTER_EMAIL=reader@localhost")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// minute is the README's block of commands to be run by hand.
func minute(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)## Sixty seconds by hand\n.*?```sh\n(.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("README.md: there are no sixty seconds by hand")
	}
	return string(m[1])
}
