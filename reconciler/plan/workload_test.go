package plan

import (
	"slices"
	"testing"

	"github.com/podkeep/podkeep/live"
)

// Slot 0 of two runs on n1 and, since n1 was silent for long, on n2 as well.
func TestOfTwoPodsInOneSlotNoneGoesThatTheFloorNeeds(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 2, ""))
	for _, c := range []struct {
		claim string
		ill   bool // the pod of the other slot
		stops int
	}{
		{"one is too many", false, 1},
		{"both are needed while the other slot has none that is available", true, 0},
	} {
		t.Run(c.claim, func(t *testing.T) {
			other := running(head, "web", 1)
			if c.ill {
				other.Containers[0].State = live.Exited
			}
			have := fleet(map[string][]live.Pod{"n1": {running(head, "web", 0), other}, "n2": {running(head, "web", 0)}}, promoted(head, "web"), "n1", "n2")
			plan := Make(history(head), have, noon)
			stops := slices.DeleteFunc(plan.Actions, func(a Action) bool { return a.Verb != Stop })
			if len(stops) != c.stops {
				t.Errorf("want %d stops:\n%s", c.stops, plan)
			}
		})
	}
}

func TestWhatEndsIsReplacedBeforeItIsGone(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("web", 2, ""))
	ends := running(head, "web", 1)
	ends.Stopping = true
	have := fleet(map[string][]live.Pod{"n1": {running(head, "web", 0), ends}}, promoted(head, "web"), "n1")
	if plan := Make(history(head), have, noon); !slices.Equal(doneTo(plan), []string{"run web-2"}) {
		t.Errorf("%s", plan)
	}
}
