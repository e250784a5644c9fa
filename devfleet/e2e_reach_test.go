package devfleet_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestPodsAreReachedFromTheDesk has three nodes, one over SSH, each in a network of its own that this test's is not.
func TestPodsAreReachedFromTheDesk(t *testing.T) {
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
	s.scene("a command that is interrupted ends in its container", func(s *stage) {
		for _, pod := range s.podByNode() {
			s.interrupts(pod)
		}
	})
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

// interrupts has podkeep run a command in a pod that does not end, interrupts it, and wants nothing of it left.
func (s *stage) interrupts(pod string) {
	s.Helper()
	mark := "http://127.0.0.1:8080/" + pod
	cmd := s.podkeep("exec", pod)
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
	if left := running("/app", mark); len(left) > 0 || !strings.Contains(said.String(), "interrupted; the command was ended") {
		s.Errorf("processes %v are left; it said %s", left, said.String())
	}
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
