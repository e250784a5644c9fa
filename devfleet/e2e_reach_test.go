package devfleet_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestPodsAreReachedFromTheDesk has three nodes, one over SSH, each in a network of its own that this test's is not.
func TestPodsAreReachedFromTheDesk(t *testing.T) {
	t.Parallel()
	s := asked(t, "reach")
	s.scene("a Service is asked from a node, and its pods on every node from here", func(s *stage) {
		s.start()
		s.converges(s.push("reach"))
		s.service("hello")
		if said := s.prints("curl", "svc/hello"); said == "" {
			s.Error("nothing was answered")
		}
		for node, pod := range s.podByNode() {
			if said := s.prints("curl", "pod/"+pod+":8080/"); said == "" {
				s.Errorf("%s on %s answers nothing", pod, node)
			}
		}
	})
	s.scene("a forwarded port bears many connections, and goes on when its pod ends", func(s *stage) {
		port, pod, node, stop := s.forwards("svc/hello", ":80")
		s.many(port, 200)
		s.on(node, "podman", "pod", "rm", "--force", pod)
		s.many(port, 50)
		stop()
	})
	s.scene("files go into every pod and come out again", func(s *stage) {
		for _, pod := range s.podByNode() {
			s.copies(pod)
		}
	})
	s.scene("what pods and nodes use is measured", func(s *stage) {
		if n := len(s.uses("pods")); n != 6 {
			s.Errorf("%d pods are measured", n)
		}
		for _, u := range s.uses("nodes") {
			if u.Memory <= 0 || u.Memory > u.MemoryAll || u.Disk <= 0 || u.Disk > u.DiskAll {
				s.Errorf("%+v", u)
			}
		}
	})
	s.scene("a command that is interrupted ends in its container", func(s *stage) {
		for _, pod := range s.podByNode() {
			s.interrupts(pod)
			s.interrupts(pod, "--tty")
		}
	})
	s.scene("where no node side is it runs on, which is said", func(s *stage) {
		s.stop()
		for node, pod := range s.podByNode() {
			s.on(node, "sh", "-c", "podman pod rm --force $(podman pod ps --quiet --filter label=podkeep.io/side)")
			left, said := s.interrupted(pod)
			if len(left) != 1 || !strings.Contains(said, "interrupted; the command may run on: there is no node side") {
				s.Errorf("processes %v are left; it said %s", left, said)
			}
		}
	})
}

// copies has a directory go into a pod, and come out as it was.
func (s *stage) copies(pod string) {
	s.Helper()
	from, to := s.path("given"), s.path("taken-"+pod)
	s.ok(os.MkdirAll(filepath.Join(from, "below"), 0o700))
	s.ok(os.WriteFile(filepath.Join(from, "below", "run"), bytes.Repeat([]byte("word "), 1<<20), 0o750))
	s.ok(os.WriteFile(filepath.Join(from, "key"), []byte("k"), 0o600))
	s.prints("cp", from, pod+":/given")
	s.prints("cp", pod+":/given", to)
	if out, err := exec.Command("diff", "-r", from, to).CombinedOutput(); err != nil {
		s.Errorf("%v: %s", err, out)
	}
	for name, want := range map[string]os.FileMode{"below": 0o700, "below/run": 0o750, "key": 0o600} {
		if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode().Perm() != want {
			s.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// use is a line of podkeep top.
type use struct {
	Name                             string
	Memory, MemoryAll, Disk, DiskAll int64
}

func (s *stage) uses(of string) []use {
	s.Helper()
	var said struct{ Items []use }
	s.ok(json.Unmarshal([]byte(s.prints("top", of, "-o", "json")), &said))
	return said.Items
}

// prints is what a command prints.
func (s *stage) prints(args ...string) string {
	s.Helper()
	cmd := s.podkeep(args...)
	cmd.Stdout = nil
	said, err := cmd.Output()
	if err != nil {
		s.Fatalf("%v: %v", args, err)
	}
	return string(said)
}

// podByNode is one pod of hello's on each node.
func (s *stage) podByNode() map[string]string {
	s.Helper()
	pods := map[string]string{}
	for pod, c := range s.byPod() {
		pods[c.node] = pod
	}
	return pods
}

// forwards begins a forward to a Service, and gives the port here, the pod and its node, and what ends it.
func (s *stage) forwards(args ...string) (port, pod, node string, stop func()) {
	s.Helper()
	cmd := s.podkeep(append([]string{"port-forward"}, args...)...)
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	s.ok(err)
	s.ok(cmd.Start())
	stop = func() {
		s.ok(cmd.Process.Signal(syscall.SIGINT))
		s.ok(cmd.Wait())
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		s.Fatalf("it says nothing: %v", cmd.Wait())
	}
	said := lines.Text()
	var at string
	if _, err := fmt.Sscanf(said, "Forwarding from %s -> 8080 of %s on %s", &at, &pod, &node); err != nil {
		s.Fatalf("it says %q", said)
	}
	go func() { // until its output ends
		for lines.Scan() {
		}
	}()
	return strings.TrimPrefix(at, "127.0.0.1:"), pod, node, stop
}

// many asks so often at a time, each by a connection of its own, and wants all of it answered.
func (s *stage) many(port string, n int) {
	s.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var join sync.WaitGroup
	failed := make(chan error, n)
	for range n {
		join.Go(func() { failed <- askedAt(client, port) })
	}
	join.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			s.Fatal(err)
		}
	}
}

func askedAt(client *http.Client, port string) error {
	answer, err := client.Get("http://127.0.0.1:" + port + "/")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %w", answer.Status, err)
	}
	return nil
}

// interrupts wants nothing to be left of a command that was interrupted.
func (s *stage) interrupts(pod string, flags ...string) {
	s.Helper()
	if left, said := s.interrupted(pod, flags...); len(left) > 0 || !strings.Contains(said, "interrupted; the command was ended") {
		s.Errorf("processes %v are left; it said %s", left, said)
	}
}

// interrupted has podkeep run a command in a pod that does not end, interrupts it, and gives what is left of it, which it then ends.
func (s *stage) interrupted(pod string, flags ...string) (left []string, output string) {
	s.Helper()
	mark := "http://127.0.0.1:8080/" + pod
	cmd := s.podkeep(append([]string{"exec", pod}, flags...)...)
	cmd.Args = append(cmd.Args, "--", "/app", "load", mark)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = nil, &said
	s.ok(cmd.Start())
	s.await(func() error {
		if len(running("/app", mark)) != 1 {
			return errors.New("the command does not run yet")
		}
		return nil
	})
	s.ok(cmd.Process.Signal(syscall.SIGINT))
	var code *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &code) || code.ExitCode() != 130 {
		s.Errorf("it ended with %v", err)
	}
	left = running("/app", mark)
	for _, pid := range left {
		n, err := strconv.Atoi(pid)
		s.ok(err)
		s.ok(syscall.Kill(n, syscall.SIGKILL))
	}
	return left, said.String()
}

// running are the processes of a program that was given an argument. All nodes' are in one table here.
func running(program, argument string) (pids []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		text, _ := os.ReadFile(file)
		words := strings.Split(string(text), "\x00")
		if words[0] == program && slices.Contains(words, argument) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}
