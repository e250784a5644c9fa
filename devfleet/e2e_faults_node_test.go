package devfleet_test

import (
	"fmt"
	"strings"
)

// well waits until three run, and the controller says that all is as asked for and that every node answers.
func (s *stage) well() {
	s.Helper()
	s.three()
	s.converges(s.head())
	s.saysNoMore("Silent")
}

func downAndBack(s *stage) {
	before := s.census()
	s.ok(s.fleet.Kill(s.Context(), "n3"))
	s.says("n3 silent for", "its pods count as there until", "on n3: the node is silent for", "2/3")
	s.ok(s.fleet.Heal(s.Context(), "n3"))
	s.well()
	s.still(before)
}

func rebooted(s *stage) {
	s.stop()
	others, pod := s.census("n2", "n3"), s.podOn("n1").PodName
	s.ok(s.fleet.Reboot(s.Context(), "n1"))
	s.plans("n1", "run", pod, "container hello was cut off when its host was restarted")
	s.start()
	s.well()
	if now := s.podOn("n1"); now.PodName != pod {
		s.Errorf("%s runs on n1 now, it was %s", now.PodName, pod)
	}
	s.unharmed(others)
}

func rebootedBare(s *stage) {
	s.stop()
	others, gone := s.census("n2", "n3"), s.podOn("n1")
	s.ok(s.fleet.Reboot(s.Context(), "n1"))
	s.on("n1", "podman", "pod", "rm", "--force", gone.PodName)
	s.plans("run", gone.PodName, "asked for")
	s.start()
	s.well()
	s.unharmed(others)
}

func serviceRestarted(s *stage) {
	before := s.census()
	s.ok(s.fleet.KillService(s.Context(), "n1"))
	s.says("n1 silent for", "connection refused")
	s.ok(s.fleet.Heal(s.Context(), "n1"))
	s.well()
	s.still(before)
}

// diesWhileMaking kills the service when the pod is there and its container is not, or not for long.
func diesWhileMaking(s *stage) {
	s.stop()
	gone := s.podOn("n2")
	others := s.census().but(gone.PodName)
	s.on("n2", "podman", "pod", "rm", "--force", gone.PodName)
	node, err := s.fleet.Node("n2")
	s.ok(err)
	s.start()
	s.await(func() error {
		found, err := listed(node, `{"label":["podkeep.io/cluster=e2e"]}`)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("nothing is made on n2")
		}
		return err
	})
	s.ok(s.fleet.KillService(s.Context(), "n2"))
	s.says("silent for")
	s.ok(s.fleet.Heal(s.Context(), "n2"))
	s.well()
	s.unharmed(others)
}

func hangsInRollout(s *stage) {
	others := s.census("n1", "n3")
	least := s.least("n1", "n3")
	s.ok(s.fleet.Freeze("n2"))
	s.edit("config.yaml", "mood: calm", "mood: tense")
	commit := s.push("a tense mood")
	s.says("n2 silent for", "no answer", "on n2: the node is silent for")
	s.await(func() error {
		for id, was := range s.census("n1", "n3") {
			if others[id] == "" && strings.Contains(was, "running") {
				return nil
			}
		}
		return fmt.Errorf("nothing rolls on n1 and n3")
	})
	s.ok(s.fleet.Thaw("n2"))
	s.converges(commit)
	s.well()
	if n := least(); n < 2 {
		s.Errorf("only %d ran on n1 and n3 for a while, want 2 throughout", n)
	}
	s.edit("config.yaml", "mood: tense", "mood: calm")
	s.converges(s.push("calm after that"))
}

func podRemoved(s *stage) {
	s.stop()
	gone := s.podOn("n3")
	others := s.census().but(gone.PodName)
	s.on("n3", "podman", "pod", "rm", "--force", gone.PodName)
	s.plans("run", gone.PodName, "asked for")
	s.start()
	s.well()
	s.unharmed(others)
}

func containerKilled(s *stage) {
	killed := s.podOn("n1")
	others := s.census().but(killed.PodName)
	s.stop()
	s.on("n1", "podman", "kill", killed.ID)
	s.plans("n1", "run", killed.PodName, "exited with 137")
	s.start()
	s.well()
	again := s.podOn("n1")
	if again.PodName != killed.PodName || again.ID == killed.ID || again.attempt() == killed.attempt() {
		s.Errorf("%s has container %.12s at attempt %s, after %s had %.12s", again.PodName, again.ID, again.attempt(), killed.PodName, killed.ID)
	}
	s.unharmed(others)
}

// nameTaken makes a pod by hand that has the name of one of podkeep's.
func nameTaken(s *stage) {
	s.stop()
	ours := s.podOn("n2")
	s.on("n2", "podman", "pod", "rm", "--force", ours.PodName)
	s.on("n2", "podman", "run", "-d", "--pod", "new:"+ours.PodName, "localhost/hello:v1")
	before := s.census()
	s.start()
	s.says("pod " + ours.PodName + " is there and is not podkeep's: remove or rename it")
	s.three()
	s.unharmed(before)
	s.on("n2", "podman", "pod", "rm", "--force", ours.PodName)
	s.well()
}

// diskReplacedAndFull leaves n2 with a disk in memory that is small.
func diskReplacedAndFull(s *stage) {
	others := s.census("n1", "n3")
	s.ok(s.fleet.Replace(s.Context(), "n2", 64<<20))
	s.says("localhost/hello:v1", "n2")
	s.ok(s.fleet.LoadImage(s.Context(), "n2", s.image("localhost/hello:v1", "v1")))
	s.well()
	s.unharmed(others)
	// The new pod may be on n1 or n3; a rollout spreads again.
	s.edit("config.yaml", "mood: calm", "mood: roomy")
	s.converges(s.push("there is room"))
	s.well()

	s.stop()
	gone := s.podOn("n2")
	others = s.census().but(gone.PodName)
	disk := s.path("n2", "storage")
	s.on("n2", "podman", "pod", "rm", "--force", gone.PodName)
	s.on("n2", "sh", "-c", "cat /dev/zero >"+disk+"/filler || true")
	s.start()
	s.says("no space left on device")
	s.unharmed(others)
	s.on("n2", "rm", disk+"/filler")
	s.well()
	s.unharmed(others)
}
