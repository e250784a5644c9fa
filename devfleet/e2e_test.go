package devfleet_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
)

// The main job, for real: pushes become pods on three nodes, and stay so through what happens to nodes and to
// the controller.
func TestTheFleetFollowsGit(t *testing.T) {
	t.Parallel()
	s := raise(t, "fl-e2e")
	foreign := s.on("n1", "podman", "run", "-d", "--pod", "new:foreign", "--label", "podkeep.io/cluster=another", "localhost/hello:v1")
	s.start()
	s.scene("a push becomes pods, one on each node", pushBecomesPods)
	s.scene("a changed ConfigMap rolls, and three serve throughout", configRolls)
	s.scene("an image that is nowhere is held with a reason, and the old pods go on", badImageIsHeld)
	s.scene("git revert undoes it without touching a pod", revertUndoes)
	s.scene("a pod removed by hand is put back", removedIsPutBack)
	s.scene("a new image rolls, and three serve throughout", imageRolls)
	s.scene("a node that goes dark keeps its pods for the grace, then they move, then the surplus goes", darkNode)
	s.scene("a frozen Podman stops nothing elsewhere", frozenNode)
	s.scene("a node that rebooted runs its pods again", rebootedNode)
	s.scene("a node that lost its disk gets everything back", wipedNode)
	s.scene("an image comes from a registry, and a registry that is away is held", registryPulls)
	s.scene("what is not podkeep's was never touched", func(s *stage) {
		if got := s.on("n1", "podman", "ps", "--quiet", "--no-trunc", "--filter", "id="+foreign); got != foreign {
			s.Errorf("the foreign container is gone: %q", got)
		}
	})
}

func pushBecomesPods(s *stage) {
	s.converges(s.push("hello, three times"))
	s.three()
	for _, n := range s.fleet.Nodes {
		if on, err := s.containers(n.Name); err != nil || len(on) != 1 {
			s.Errorf("%s: %d containers, want 1 (%v)", n.Name, len(on), err)
		}
	}
	said(s, "hello from", "version v1")
}

// said checks that three pods answer, each with all of the words.
func said(s *stage, words ...string) {
	s.Helper()
	answers := s.answers()
	if len(answers) != 3 {
		s.Errorf("%d pods answer, want 3: %q", len(answers), answers)
	}
	for _, a := range answers {
		for _, w := range words {
			if !strings.Contains(a, w) {
				s.Errorf("a pod says %q, want %q in it", a, w)
			}
		}
	}
}

func configRolls(s *stage) {
	before := s.three()
	least := s.least()
	s.edit("config.yaml", "greeting: hello", "greeting: good morning")
	s.converges(s.push("say good morning"))
	if n := least(); n < 3 {
		s.Errorf("only %d ran for a while, want 3 throughout", n)
	}
	for _, id := range s.three() {
		for _, old := range before {
			if id == old {
				s.Errorf("%s was not replaced", id)
			}
		}
	}
	said(s, "good morning from", "version v1")
}

func badImageIsHeld(s *stage) {
	before := s.three()
	s.edit("deployment.yaml", "localhost/hello:v1", "localhost/hello:v9")
	s.hurries("5")
	why := s.rejects(s.push("hello v9"))
	if !strings.Contains(why, "localhost/hello:v9") {
		s.Errorf("the reason does not name the image: %s", why)
	}
	if diff := cmp.Diff(before, s.three()); diff != "" {
		s.Error(diff)
	}
	said(s, "good morning from", "version v1")
}

func revertUndoes(s *stage) {
	before := s.three()
	s.command(s.path("work"), "git", "revert", "--no-edit", "HEAD")
	s.converges(s.pushHead())
	if diff := cmp.Diff(before, s.three()); diff != "" {
		s.Error(diff)
	}
}

func imageRolls(s *stage) {
	least := s.least()
	s.edit("deployment.yaml", "localhost/hello:v1", "localhost/hello:v2")
	s.converges(s.push("hello v2"))
	if n := least(); n < 3 {
		s.Errorf("only %d ran for a while, want 3 throughout", n)
	}
	s.three()
	said(s, "version v2")
}

func removedIsPutBack(s *stage) {
	before := s.three()
	pods := s.on("n2", "podman", "pod", "ps", "--quiet", "--filter", "label=podkeep.io/cluster=e2e")
	s.on("n2", "podman", "pod", "rm", "--force", pods)
	s.await(func() error {
		if all, err := s.containers(); err != nil || len(all) != 3 {
			return fmt.Errorf("%d containers (%v)", len(all), err)
		}
		return nil
	})
	kept := 0
	for _, id := range s.three() {
		for _, old := range before {
			if id == old {
				kept++
			}
		}
	}
	if kept != 2 {
		s.Errorf("%d of the other two were left alone", kept)
	}
}

// darkNode waits while the node has its grace, and ends that with a commit.
func darkNode(s *stage) {
	others := s.census("n1", "n3")
	s.ok(s.fleet.Kill(s.Context(), "n2"))
	s.says("n2 silent for", "its pods count as there until", "2/3")
	if diff := cmp.Diff(others, s.census("n1", "n3")); diff != "" {
		s.Error(diff)
	}
	s.graces("1s")
	commit := s.push("n2 has been waited for long enough")
	s.says(commit[:7], "n2 silent for", "longer than its grace of 1s")
	s.three("n1", "n3")
	s.graces("15m")
	commit = s.push("wait for nodes")
	s.ok(s.fleet.Heal(s.Context(), "n2"))
	s.three()
	s.converges(commit)
}

func frozenNode(s *stage) {
	s.ok(s.fleet.Freeze("n1"))
	s.edit("config.yaml", "good morning", "good day")
	commit := s.push("say good day")
	s.await(func() error {
		all, err := s.containers("n2", "n3")
		if err != nil {
			return err
		}
		revs := map[string]int{}
		for _, c := range all {
			revs[c.rev()]++
		}
		if len(revs) < 2 {
			return fmt.Errorf("nothing rolls on n2 and n3: %v", revs)
		}
		return nil
	})
	s.ok(s.fleet.Thaw("n1"))
	s.converges(commit)
	s.three()
	said(s, "good day from")
}

func rebootedNode(s *stage) {
	s.ok(s.fleet.Reboot(s.Context(), "n3"))
	s.three()
	said(s, "good day from")
}

func wipedNode(s *stage) {
	s.ok(s.fleet.Wipe(s.Context(), "n2"))
	for ref, version := range map[string]string{"localhost/hello:v1": "v1", "localhost/hello:v2": "v2"} {
		s.ok(s.fleet.LoadImage(s.Context(), "n2", s.image(ref, version)))
	}
	s.three()
	s.await(func() error {
		if secrets := s.on("n2", "podman", "secret", "ls", "--format", "{{.Name}}"); !strings.Contains(secrets, "receipt-") {
			return fmt.Errorf("n2 has no receipts: %q", secrets)
		}
		return nil
	})
}

func registryPulls(s *stage) {
	serve := serveRegistry(s)
	ref := s.fleet.Registry() + "/hello:v3"
	s.edit("deployment.yaml", "image: localhost/hello:v2", "image: "+ref)
	s.edit("deployment.yaml", "imagePullPolicy: Never", "imagePullPolicy: Always")
	s.hurries("5")
	why := s.rejects(s.push("hello v3 from a registry that is away"))
	if !strings.Contains(why, s.fleet.Registry()) {
		s.Errorf("the reason does not name the registry: %s", why)
	}
	said(s, "version v2")

	stop := serve()
	defer stop()
	s.ok(s.fleet.LoadImage(s.Context(), "n1", s.image("localhost/hello:v3", "v3")))
	s.on("n1", "podman", "push", "--tls-verify=false", "localhost/hello:v3", ref)
	s.edit("deployment.yaml", "imagePullPolicy: Always", "imagePullPolicy: IfNotPresent")
	s.hurries("600")
	s.converges(s.push("the registry is back"))
	s.three()
	said(s, "version v3")
}

// serveRegistry gives a function that starts a registry on the fleet's bridge; that gives one that stops it.
func serveRegistry(s *stage) func() func() {
	return func() func() {
		listener, err := net.Listen("tcp", s.fleet.Registry())
		s.ok(err)
		server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(listener) }()
		return func() { _ = server.Close(); <-done }
	}
}
