package devfleet_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

func rand8() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// census is every container of the fleet, infra and foreign ones too: its id, where it is, when it was started.
type census map[string]string

// census asks each node's Podman, or only those named.
func (s *stage) census(nodes ...string) census {
	s.Helper()
	all := census{}
	s.await(func() error {
		clear(all)
		for _, n := range s.fleet.Nodes {
			if len(nodes) > 0 && !slices.Contains(nodes, n.Name) {
				continue
			}
			found, err := listed(n, "{}")
			if err != nil {
				return err
			}
			for _, c := range found {
				all[c.ID] = fmt.Sprintf("%s %s in pod %s is %s since %d", n.Name, strings.Join(c.Names, ","), c.PodName, c.State, c.StartedAt)
			}
		}
		return nil
	})
	return all
}

// but is the census without the containers of a pod.
func (c census) but(pod string) census {
	rest := census{}
	for id, what := range c {
		if !strings.Contains(what, " in pod "+pod+" is ") {
			rest[id] = what
		}
	}
	return rest
}

// unharmed checks that all that was counted still runs, in the same containers, since the same times.
func (s *stage) unharmed(before census) {
	s.Helper()
	now := s.census()
	for id, was := range before {
		if now[id] != was {
			s.Errorf("harmed: %s; now %q", was, now[id])
		}
	}
}

// still checks that nothing at all has changed.
func (s *stage) still(before census) {
	s.Helper()
	if diff := cmp.Diff(before, s.census()); diff != "" {
		s.Error(diff)
	}
}

// says waits until the controller's status, as people read it, has all of the words; it gives the lines that do.
func (s *stage) says(words ...string) string {
	s.Helper()
	var text string
	s.await(func() error {
		var err error
		if text, err = s.status(); err != nil {
			return err
		}
		return lacks(text, words)
	})
	s.Log(quoted(text, words))
	return text
}

// says no more waits until the status has none of the words.
func (s *stage) saysNoMore(words ...string) {
	s.Helper()
	s.await(func() error {
		text, err := s.status()
		if err != nil {
			return err
		}
		for _, w := range words {
			if strings.Contains(text, w) {
				return fmt.Errorf("%q is said still:\n%s", w, text)
			}
		}
		return nil
	})
}

func lacks(text string, words []string) error {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return fmt.Errorf("%q is not said:\n%s", w, text)
		}
	}
	return nil
}

func quoted(text string, words []string) string {
	var said []string
	for line := range strings.Lines(text) {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) {
			said = append(said, strings.TrimSpace(line))
		}
	}
	return strings.Join(said, "\n")
}

func (s *stage) status() (string, error) { return statusAt(s.listen) }

func statusAt(address string) (string, error) {
	client := http.Client{Timeout: 2 * time.Minute}
	response, err := client.Get("http://" + address + "/status?o=wide")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// plans checks that `podkeep plan` says all of the words.
func (s *stage) plans(words ...string) {
	s.Helper()
	var out bytes.Buffer
	cmd := s.podkeep("plan")
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // its code says whether there are changes
	if err := lacks(out.String(), words); err != nil {
		s.Error(err)
	}
	s.Log(quoted(out.String(), words))
}

// head is the clone's commit.
func (s *stage) head() string {
	s.Helper()
	return s.command(s.path("work"), "git", "rev-parse", "HEAD")
}

// empty pushes a commit that changes nothing, and gives it.
func (s *stage) empty(message string) string {
	s.Helper()
	s.command(s.path("work"), "git", "commit", "--quiet", "--allow-empty", "-m", message)
	return s.pushHead()
}

// podOn is the one pod of hello on the node, with its container.
func (s *stage) podOn(node string) container {
	s.Helper()
	var one container
	s.await(func() error {
		found, err := s.containers(node)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("%s runs no hello", node)
		}
		if err == nil {
			one = found[0]
		}
		return err
	})
	return one
}
