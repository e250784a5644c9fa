package devfleet_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
)

// diesHow makes TestTheOwnerOfAFleetDies that owner.
const diesHow = "DEVFLEET_TEST_DIES"

// An owner that ends as no test should leaves no fleet, no controller and no file. So it does when its reaper ended with it,
// once somebody makes another fleet.
func TestAFleetGoesWithItsOwner(t *testing.T) {
	for _, how := range []string{"killed", "panics", "killed with its reaper"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestTheOwnerOfAFleetDies$", "-test.v")
			cmd.Env = append(os.Environ(), diesHow+"="+how)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := ""
			lines := bufio.NewScanner(out)
			for lines.Scan() && lines.Text() != "its fleet is up" {
				said += lines.Text() + "\n"
			}
			owned := devfleet.OwnedBy(cmd.Process.Pid)
			if all := strings.Join(owned(), "\n"); !strings.Contains(all, "podkeep run") {
				t.Errorf("it runs no controller but %q, and said:\n%s", all, said)
			}
			if how == "killed with its reaper" {
				reaper := devfleet.ReaperOf(cmd.Process.Pid)
				if reaper == 0 {
					t.Fatal("it has no reaper")
				}
				_ = syscall.Kill(reaper, syscall.SIGKILL)
			}
			if how != "panics" {
				_ = cmd.Process.Kill()
			}
			_ = in.Close() // which it waits for
			for lines.Scan() {
				said += lines.Text() + "\n"
			}
			if err := cmd.Wait(); err == nil {
				t.Errorf("it ended well:\n%s", said)
			}
			if how == "killed with its reaper" {
				another(t)
			}
			(&stage{T: t}).await(func() error {
				if left := append(devfleet.Traces(t, "fl-orphan"), owned()...); len(left) > 0 {
					return fmt.Errorf("left behind: %q", left)
				}
				return nil
			})
		})
	}
}

// another makes a fleet and removes it.
func another(t *testing.T) {
	t.Helper()
	if _, err := devfleet.Up(t.Context(), devfleet.Options{Name: "fl-another", Nodes: 1}); err != nil {
		t.Error(err)
	}
	if err := devfleet.Down(t.Context(), "fl-another", ""); err != nil {
		t.Error(err)
	}
}

func TestTheOwnerOfAFleetDies(t *testing.T) {
	how := os.Getenv(diesHow)
	if how == "" {
		t.Skip("for another test")
	}
	s := raise(t, "fl-orphan")
	s.start()
	s.converges(s.push("hello, three times"))
	fmt.Println("its fleet is up")
	_, _ = os.Stdin.Read(make([]byte, 1))
	if how == "panics" {
		go panic("as it was told to")
	}
	select {}
}
