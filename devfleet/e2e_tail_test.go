package devfleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
)

const counting = "localhost/counting:1"

// What people ask pods for, on real nodes, one of them over SSH.
func TestPodsAreTalkedTo(t *testing.T) {
	t.Parallel()
	s := talk(t, "fl-talk", 2, "n2")
	s.Run("an image is loaded from a file into every node", func(t *testing.T) {
		for _, n := range s.fleet.Nodes {
			if out, err := s.fleet.Output(t.Context(), n.Name, "podman", "image", "exists", counting); err != nil {
				t.Errorf("%s: %v %s", n.Name, err, out)
			}
		}
	})
	s.deploys("count", 2, "[term]")
	s.podkeep("sync")
	s.Run("the log of the attempt before a restart is there", func(t *testing.T) {
		s.deploys("crash", 1, `[say, hello, exit, "3"]`)
		controller := s.command("run", "--listen", freeAddress(t))
		s.ok(controller.Start())
		defer func() { _ = controller.Process.Kill(); _ = controller.Wait() }()
		s.await(func() error {
			if out := s.said("logs", "-p", "deployment/crash"); out != "hello\n" {
				return fmt.Errorf("%q", out)
			}
			return nil
		})
	})
	for slot := range 2 {
		pod := s.pod(slot)
		s.Run("a command's streams and exit code come back from "+pod, func(t *testing.T) {
			cmd := s.command("exec", "-i", pod, "--", "/app", "say", "hello", "err", "oops", "echo", "exit", "7")
			var out, errOut bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("to the end"), &out, &errOut
			err := cmd.Run()
			var ended *exec.ExitError
			if !errors.As(err, &ended) || ended.ExitCode() != 7 || out.String() != "hello\nto the end" || errOut.String() != "oops\n" {
				t.Errorf("%v: %q, %q", err, out.String(), errOut.String())
			}
		})
	}
}

// The figure of issue 3: 20 pods, 10,000 lines a second in all.
func TestFollowingLosesNoLine(t *testing.T) {
	t.Parallel()
	const pods, lines, rate = 20, 12_000, 500
	s := talk(t, "fl-tail", 3, "n1", "n2", "n3")
	s.deploys("count", pods, fmt.Sprintf(`[count, "%d", "%d", term]`, lines, rate))
	tally := &tally{next: map[string]int{}}
	follow := s.command("logs", "-f", "deployment/count")
	var complaints bytes.Buffer
	follow.Stdout, follow.Stderr = tally, &complaints
	s.ok(follow.Start())
	defer func() { _ = follow.Process.Kill(); _ = follow.Wait() }()

	s.podkeep("sync")
	tally.reaches(s.stage, pods*lines/4)
	early := anonymous(t, follow.Process.Pid)
	s.ok(s.fleet.KillService(t.Context(), "n1"))
	s.ok(s.fleet.Heal(t.Context(), "n1"))
	tally.reaches(s.stage, pods*lines)
	late := anonymous(t, follow.Process.Pid)
	s.ok(follow.Process.Signal(syscall.SIGINT))
	if err := follow.Wait(); err != nil {
		t.Errorf("%v: %s", err, &complaints)
	}
	tally.check(t, pods, lines)
	t.Logf("anonymous memory: %d KiB at a quarter, %d KiB at the end", early, late)
	if late > early+16<<10 {
		t.Errorf("memory grew from %d to %d KiB", early, late)
	}
}

// talker is a fleet and a directory of manifests, without a controller.
type talker struct {
	*stage
	dir string
}

func talk(t *testing.T, name string, nodes int, ssh ...string) *talker {
	t.Helper()
	s := &talker{&stage{T: t, binary: podkeep(t)}, t.TempDir()}
	s.ok(devfleet.Down(t.Context(), name, ""))
	t.Cleanup(func() { s.ok(devfleet.Down(context.Background(), name, "")) })
	var err error
	s.fleet, err = devfleet.Up(t.Context(), devfleet.Options{Name: name, Nodes: nodes, SSH: ssh, Podman: os.Getenv("PODKEEP_TEST_PODMAN")})
	s.ok(err)
	s.put("nodes.yaml", string(s.fleet.Manifests()))
	s.put("counting.tar", string(image(t, counting, "../drivers/drivertest/testapp")))
	s.podkeep("image", "load", filepath.Join(s.dir, "counting.tar"))
	return s
}

func (s *talker) put(file, content string) {
	s.ok(os.WriteFile(filepath.Join(s.dir, file), []byte(content), 0o644))
}

func (s *talker) deploys(name string, replicas int, args string) {
	s.put(name+".yaml", fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: %[3]q, imagePullPolicy: Never, args: %[4]s}]
`, name, replicas, counting, args))
}

func (s *talker) command(verb string, args ...string) *exec.Cmd {
	at := 0
	if verb == "image" {
		at = 1
	}
	flags := []string{"--source", "dir:" + s.dir, "--ssh-key", s.fleet.Identity(), "--known-hosts", s.fleet.KnownHosts()}
	all := append([]string{verb}, args[:at]...)
	cmd := exec.Command(s.binary, append(append(all, flags...), args[at:]...)...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(s.fleet.Dir, "state"))
	return cmd
}

// podkeep runs a command that must succeed; said one that need not.
func (s *talker) podkeep(verb string, args ...string) {
	s.Helper()
	if out, err := s.command(verb, args...).CombinedOutput(); err != nil {
		s.Fatalf("%s: %v: %s", verb, err, out)
	}
}

func (s *talker) said(verb string, args ...string) string {
	out, _ := s.command(verb, args...).CombinedOutput()
	return string(out)
}

// pod is the name of the pod in a slot.
func (s *talker) pod(slot int) (name string) {
	s.Helper()
	s.await(func() error {
		for _, word := range strings.Fields(s.said("status", "-o", "wide")) {
			if strings.HasPrefix(word, "count-") && strings.HasSuffix(word, "-"+strconv.Itoa(slot)) {
				name = word
				return nil
			}
		}
		return fmt.Errorf("no pod in slot %d", slot)
	})
	return name
}

// tally counts numbered lines of many pods. What comes twice, out of turn or not at all is kept.
type tally struct {
	mu     sync.Mutex
	rest   []byte
	total  int
	next   map[string]int
	faults []string
}

func (c *tally) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest = append(c.rest, p...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			c.rest = append([]byte(nil), c.rest...)
			return len(p), nil
		}
		c.add(string(line))
		c.rest = rest
	}
}

func (c *tally) add(line string) {
	c.total++
	var pod string
	var n int
	if _, err := fmt.Sscanf(line, "%s line %d", &pod, &n); err != nil || n != c.next[pod]+1 {
		c.faults = append(c.faults, fmt.Sprintf("after line %d: %q", c.next[pod], line))
	}
	c.next[pod] = n
}

func (c *tally) reaches(s *stage, total int) {
	s.Helper()
	s.await(func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.total < total {
			return fmt.Errorf("%d lines of %d; %v", c.total, total, c.faults[:min(3, len(c.faults))])
		}
		return nil
	})
}

func (c *tally) check(t *testing.T, pods, lines int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.next) != pods || c.total != pods*lines || len(c.faults) > 0 {
		t.Errorf("%d pods, want %d; %d lines, want %d; out of turn: %v", len(c.next), pods, c.total, pods*lines, c.faults)
	}
	for pod, n := range c.next {
		if n != lines {
			t.Errorf("%s: %d lines", pod, n)
		}
	}
}

// anonymous is a process's memory that no file backs, in KiB.
func anonymous(t *testing.T, pid int) (size int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Sscanf(line, "RssAnon: %d", &size); err == nil {
			return size
		}
	}
	t.Fatal("/proc says no RssAnon")
	return 0
}
