package devfleet_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
)

// What `make demo` runs, on a fleet of another name.
func TestTheDemoRunsToItsEnd(t *testing.T) {
	t.Parallel()
	const fleet = "fl-demo"
	podkeep := podkeep(t)
	t.Cleanup(func() {
		if err := devfleet.Down(context.Background(), fleet, ""); err != nil {
			t.Error(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), podkeep, "dev", "demo", "--name", fleet, "--example", "../examples/hello", "--listen", freeAddress(t))
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, said := range []string{
		"hello from fl-demo-hello-", "good morning from fl-demo-hello-", "localhost/hello:v9", "was rejected", "https://hello.example.org/", "good day from fl-demo-hello-",
		"aborted by you@example.com: nobody laughed", "good evening from fl-demo-hello-", "That is it.",
	} {
		if !strings.Contains(string(out), said) {
			t.Errorf("the demo does not say %q:\n%s", said, out)
		}
	}
	if n := strings.Count(string(out), "None failed."); n != 7 {
		t.Errorf("of seven scenes in which the Service is asked %d say that no request failed:\n%s", n, out)
	}
	if out, err := exec.Command(podkeep, "dev", "down", "--name", fleet).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := devfleet.Open(fleet, ""); err == nil {
		t.Error("the fleet is still there")
	}
}
