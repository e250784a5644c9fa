package status

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

var update = flag.Bool("update", os.Getenv("UPDATE_GOLDEN") != "", "rewrite the goldens")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-update rewrites it):\n%s", path, diff)
	}
}

func TestStatusIsWrittenAsTheGoldensSay(t *testing.T) {
	for _, c := range []struct {
		name  string
		world World
		look  Look
		wide  bool
	}{
		{"status.txt", fleet(), Look{}, false},
		{"status-wide.txt", fleet(), Look{}, true},
		{"status-100.txt", fleet(), Look{Width: 100}, false},
		{"status-60.txt", fleet(), Look{Width: 60}, true},
		{"status-colour.txt", fleet(), Look{Width: 100, Colour: true}, false},
		{"status-outage.txt", outage(), Look{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			Of(c.world).Text(&b, c.look, c.wide)
			golden(t, c.name, b.Bytes())
		})
	}
}

func TestAPlanIsWrittenAsTheGoldensSay(t *testing.T) {
	for name, look := range map[string]Look{"plan.txt": {}, "plan-80.txt": {Width: 80}} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			PreviewOf(fleet()).Text(&b, look)
			golden(t, name, b.Bytes())
		})
	}
	data, err := json.MarshalIndent(PreviewOf(fleet()).Document(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.json", append(data, '\n'))
}

func TestStatusIsAListOfKubernetesObjects(t *testing.T) {
	data, err := yaml.Marshal(List(fleet()))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "status.yaml", data)
}

func TestProgressFitsTheScreen(t *testing.T) {
	for _, lines := range []int{24, 6, 3} {
		var b bytes.Buffer
		Of(fleet()).Progress(&b, Look{Width: 100}, 12*time.Second, lines)
		if n := strings.Count(b.String(), "\n"); n > lines {
			t.Errorf("%d lines for a screen of %d:\n%s", n, lines, b.String())
		}
		if lines == 24 {
			golden(t, "progress.txt", b.Bytes())
		}
	}
}

func TestNoLineIsWiderThanTheTerminalUnlessAWordIs(t *testing.T) {
	for width := 40; width < 160; width++ {
		var b bytes.Buffer
		r := Of(fleet())
		r.Problems = nil
		r.Text(&b, Look{Width: width}, false)
		for _, line := range strings.Split(b.String(), "\n") {
			fixed := strings.HasPrefix(line, "NAME") || strings.HasPrefix(line, "NODE") || !strings.Contains(strings.TrimSpace(line), " ")
			if n := utf8.RuneCountInString(line); n > max(width, 90) && !fixed {
				t.Errorf("width %d: %d runes: %s", width, n, line)
			}
		}
	}
}

func TestNothingOfAReasonIsCut(t *testing.T) {
	for _, width := range []int{0, 40, 80, 120} {
		var b bytes.Buffer
		Of(fleet()).Text(&b, Look{Width: width}, true)
		seen := strings.Fields(b.String())
		for _, app := range fleet().Plan.Apps {
			for _, word := range strings.Fields(app.Why + " " + strings.Join(app.Waits, " ")) {
				if !contains(seen, word) {
					t.Errorf("width %d: %q of %s's reasons is missing", width, word, app.ID)
				}
			}
		}
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

func TestTheSameWorldIsWrittenTheSameWayTwice(t *testing.T) {
	first, err := json.Marshal(List(fleet()))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := json.Marshal(List(fleet()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatal(cmp.Diff(string(first), string(again)))
		}
	}
}

func TestNoSecretIsWritten(t *testing.T) {
	const value = "hunter2hunter2"
	w := fleet()
	w.History.Head.Secrets = []manifest.Secret{{Data: map[string]manifest.Bytes{"password": manifest.Bytes(value)}}}
	file := manifest.File{Name: "cfg-1", Data: manifest.Bytes(value)}
	w.History.Head.Workloads[0].Config = []manifest.File{file}
	w.Plan.Actions = append(w.Plan.Actions, plan.Action{Node: "edge-1", Verb: plan.Put, Name: "cfg-1", File: &file})
	var b bytes.Buffer
	Of(w).Text(&b, Look{}, true)
	PreviewOf(w).Text(&b, Look{})
	encoder := json.NewEncoder(&b)
	for _, v := range []any{List(w), PreviewOf(w).Document()} {
		if err := encoder.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, form := range []string{value, "aHVudGVyMmh1bnRlcjI"} {
		if strings.Contains(b.String(), form) {
			t.Errorf("%q is printed", form)
		}
	}
}

func TestAnAgeHasAtMostTwoUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 72 * time.Second: "1m12s", 2 * time.Minute: "2m", 59*time.Minute + 59*time.Second: "59m",
		90 * time.Minute: "1h30m", 11 * time.Hour: "11h", 47 * time.Hour: "47h", 80 * time.Hour: "3d",
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestWhatIsSuspendedFailedOrHeldIsNoChange(t *testing.T) {
	for state, want := range map[plan.State]bool{
		plan.Converged: false, plan.Suspended: false, plan.Paused: false, plan.Held: false, plan.Failed: false,
		plan.Progressing: true, plan.Pruning: true,
	} {
		p := PreviewOf(World{Plan: plan.Plan{Apps: []plan.App{{ID: appID("web"), State: state}}}})
		if p.Changes() != want {
			t.Errorf("%s: Changes() = %v", state, !want)
		}
	}
}
