package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

func TestNodesThatFellSilentTogetherAreGivenUpOnceTheyAreCordoned(t *testing.T) {
	for _, c := range []struct {
		claim    string
		cordoned []string
		moves    bool
	}{
		{"they are waited for", nil, false},
		{"no more, once somebody took charge of them", []string{"n2", "n3"}, true},
		{"nor of one of the two, which leaves one that is silent alone", []string{"n3"}, true},
	} {
		t.Run(c.claim, func(t *testing.T) {
			text := nodes("n1", "n2", "n3")
			for _, name := range c.cordoned {
				text = strings.Replace(text, name+".sock", name+".sock, unschedulable: true", 1)
			}
			head := commit(t, "a1", text, deployment("web", 1, ""))
			have := fleet(map[string][]live.Pod{"n2": {running(head, "web", 0)}}, promoted(head, "web"), "n1", "n2", "n3")
			have.Watched, have.Nodes[1].Silent, have.Nodes[2].Silent = 2*time.Hour, time.Hour, time.Hour
			if plan := Make(history(head), have, noon); runs(plan, "web") != c.moves {
				t.Errorf("%s", plan)
			}
		})
	}
}
