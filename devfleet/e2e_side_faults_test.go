package devfleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
)

// TestFaultsOfNodeSides has node sides fail in the ways they can. None of it begins a pod anew that was well, and each scene ends with
// probes that decide again, on one node or another: what fails again and again is begun anew ever later.
func TestFaultsOfNodeSides(t *testing.T) {
	s := sided(t, "side-faults")
	s.start()
	s.converges(s.push("probed"))

	s.scene("frozen", sideFrozen)
	s.scene("what it kept is gone", sideForgets)
	s.scene("what it knows cannot be written down", sideCannotWrite)
	s.scene("its image and its pod are removed", sideRemoved)
	s.scene("Podman is started anew, and no controller is there", sidePodmanAnew)
	s.scene("no controller, then two, then one", sideTwoControllers)
	s.scene("killed again and again while a rollout goes on", sideKilled)
	s.scene("a host that was restarted, and no controller is there", sideReboots)
}

func sideFrozen(s *stage) {
	before := s.three()
	s.signalSide("n1", "STOP")
	s.says("its node side is not heard")
	s.signalSide("n1", "CONT")
	s.decides("n1", before)
}

// sideForgets takes away what it kept, and then the process that knows it by heart.
func sideForgets(s *stage) {
	before := s.three()
	s.on("n2", "sh", "-c", `rm `+sideKept)
	s.signalSide("n2", "KILL")
	s.decides("n2", before)
}

// sideCannotWrite has its volume refuse the file that is to replace the one it keeps. It goes on from memory, and writes down what it knows once it can.
func sideCannotWrite(s *stage) {
	before := s.three()
	s.on("n2", "sh", "-c", `mkdir `+sideKept+`.new`)
	s.decides("n2", before)
	sick := s.podOn("n2").ID
	if kept := s.on("n2", "sh", "-c", `cat `+sideKept); strings.Contains(kept, sick) {
		s.Errorf("it was written down: %s", kept)
	}
	s.on("n2", "sh", "-c", `rmdir `+sideKept+`.new`)
	s.await(func() error {
		if kept := s.on("n2", "sh", "-c", `cat `+sideKept); !strings.Contains(kept, sick) {
			return fmt.Errorf("%s is not written down: %s", sick, kept)
		}
		return nil
	})
	s.signalSide("n2", "KILL")
	s.sides("n2")
	s.converges(s.head())
}

func sideRemoved(s *stage) {
	before := s.three()
	s.stop()
	s.on("n3", "sh", "-c", `c=`+sideOn+`; p=$(podman inspect --format '{{.Pod}}' $c); i=$(podman inspect --format '{{.ImageName}}' $c); podman pod rm --force $p; podman rmi $i`)
	if left := s.on("n3", "podman", "images", "--quiet", "--filter", "label="+live.LabelSide); left != "" {
		s.Fatalf("its image is there still: %s", left)
	}
	s.start()
	s.decides("n3", before)
}

// sideKilled has node sides die again and again while their pods are replaced. From then on the liveness probe is a command.
func sideKilled(s *stage) {
	s.edit("deployment.yaml", "livenessProbe: {httpGet: {path: /live, port: 8080}, periodSeconds: 1, failureThreshold: 3, timeoutSeconds: 5}",
		"livenessProbe: {exec: {command: [/app, live]}, periodSeconds: 1, failureThreshold: 3, timeoutSeconds: 30}")
	commit := s.push("another form, while node sides die")
	for range 6 {
		for _, n := range s.fleet.Nodes {
			s.signalSide(n.Name, "KILL")
		}
		s.sides("n1", "n2", "n3")
		up := 0
		for _, c := range s.byPod() {
			if c.State == "running" {
				up++
			}
		}
		if up < 3 {
			s.Errorf("%d of 3 are up", up)
		}
	}
	s.converges(commit)
	s.decides("n3", s.three())
}

// sideReboots has a host come up again with nobody there: Podman's own unit starts what it is to restart, and that the rest. Where systemd does not
// keep control groups, Podman adds no container to a pod from before, so that what fails then needs a controller.
func sideReboots(s *stage) {
	before := s.three()
	s.stop()
	s.ok(s.fleet.Reboot(s.Context(), "n1"))
	s.on("n1", "podman", "start", "--all", "--filter", "restart-policy=always")
	if now := s.three(); !slices.Equal(before, now) {
		s.Errorf("begun anew: %v, %v", before, now)
	}
	s.start()
	s.decides("n1", before)
}

func sidePodmanAnew(s *stage) {
	before := s.three()
	s.stop()
	s.ok(s.fleet.KillService(s.Context(), "n1"))
	s.ok(s.fleet.Heal(s.Context(), "n1"))
	s.begunAnew("n1", before)
	s.start()
	s.converges(s.head())
}

func sideTwoControllers(s *stage) {
	before := s.three()
	s.stop()
	second := s.with(s.T)
	second.listen, second.run = freeAddress(s.T), nil
	s.start()
	second.start()
	defer second.stop()
	for _, one := range []*stage{s, second} {
		one.converges(s.head())
		one.saysNoMore("not heard")
	}
	second.stop()
	s.decides("n2", before)
}

// sideOn is a node's own word for the container of its node side.
const sideOn = `$(podman ps --quiet --filter label=` + live.LabelSide + ` --filter label=` + live.LabelContainer + `)`

// sideKept is the file that it keeps.
const sideKept = `$(podman inspect --format '{{range .Mounts}}{{if eq .Destination "` + live.SideDir + `"}}{{.Source}}{{end}}{{end}}' ` + sideOn + `)/state.json`

// signalSide sends the node side's main process a signal. One that has just ended has none: 0 would be our own group of processes.
func (s *stage) signalSide(node, signal string) {
	s.Helper()
	s.on(node, "sh", "-c", `until pid=$(podman inspect --format '{{.State.Pid}}' `+sideOn+`) && [ "$pid" -gt 0 ]; do sleep 0.1; done; kill -`+signal+` $pid`)
}

// decides waits until the node side is heard and a liveness probe has its say on that node, when all that ran before still does.
func (s *stage) decides(node string, before []string) {
	s.Helper()
	s.sides("n1", "n2", "n3")
	s.saysNoMore("not heard")
	s.converges(s.head())
	s.begunAnew(node, before)
	s.converges(s.head())
}

// begunAnew checks that all that ran before still does, and waits until a liveness probe that fails on that node has its container begun anew,
// and no other.
func (s *stage) begunAnew(node string, before []string) {
	s.Helper()
	if now := s.three(); !slices.Equal(before, now) {
		s.Fatalf("begun anew without need: %v, %v", before, now)
	}
	sick := s.podOn(node)
	s.set(sick, "live=no")
	s.await(func() error {
		if c := s.byPod()[sick.PodName]; c.State != "running" || c.ID == sick.ID {
			return fmt.Errorf("%s is %s, attempt %s", sick.PodName, c.State, c.attempt())
		}
		return nil
	})
	for _, id := range s.three() {
		if id != s.podOn(node).ID && !slices.Contains(before, id) {
			s.Errorf("%s is another, before %v", id, before)
		}
	}
}
