package plan

import (
	"slices"
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

func TestWhatComesOfASilenceIsAmongTheNotesToo(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"))
	for silence, then := range map[time.Duration]string{
		0: "", time.Second: "its pods count as there until 12:00:29", time.Hour: "longer than its grace of 30s",
	} {
		have := fleet(nil, nil, "n1", "n2")
		have.Watched, have.Nodes[1].Silent = 2*time.Hour, silence
		p := Make(history(head), have, noon)
		said, ok := p.Silent["n2"]
		if said.Then != then || ok != (silence > 0) || ok && (!slices.Contains(p.Notes, said.Note) || !strings.Contains(said.Note, then)) {
			t.Errorf("silent for %v: %q, want %q: %q", silence, said, then, p.Notes)
		}
	}
}
