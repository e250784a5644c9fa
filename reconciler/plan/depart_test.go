package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// left is a Node that left HEAD, of commit z9 at last.
func left(t *testing.T, name string) manifest.Node { return commit(t, "z9", nodes(name)).Nodes[0] }

// doneAt says that a Node was seen empty after the commit.
func doneAt(n manifest.Node, commit string) live.Receipt {
	r := live.Receipt{App: manifest.ID{Kind: "Node", Name: n.Name}, Verb: live.Done, Gen: 1, Node: n.FormerName(), Host: "i3", Steps: commit, Time: noon.Add(-time.Hour), Source: source, Signer: key}
	r.File = r.Name(key)
	return r
}

// done is what a plan does, a line an action.
func done(p Plan) (lines []string) {
	for _, a := range p.Actions {
		name := a.Name
		if a.File != nil && a.File.Labels[live.LabelReceipt] != "" {
			name = a.File.Labels[live.LabelReceipt] + " " + a.App.Short()
		}
		lines = append(lines, strings.Join([]string{a.Node, string(a.Verb), name}, " "))
	}
	return lines
}

func TestAHostThatLeftGitIsClearedInSteps(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	web := fleet(nil, promoted(head, "web"), "n1").Nodes[0].Receipts
	for i := range web {
		web[i].File = web[i].Verb
	}
	config := live.File{Name: "cfg-1", Labels: map[string]string{live.LabelSource: source}}
	alien := live.File{Name: "cfg-2", Labels: map[string]string{live.LabelSource: "git.example.com/old"}}
	empty := was("i3", "old")
	for _, c := range []struct {
		claim  string
		change func(*live.Snapshot) // of n1, n2 and old
		want   []string
		gone   string
	}{
		{"nothing while a pod is there", func(s *live.Snapshot) { s.Nodes[2].Pods = []live.Pod{running(head, "web", 1)} }, []string{"old stop " + running(head, "web", 1).Name}, ""},
		{"what is needed is copied before it goes", func(s *live.Snapshot) { s.Nodes[0].Receipts, s.Nodes[1].Receipts = nil, nil },
			[]string{"n1 put began web", "n2 put began web", "n1 put promoted web", "n2 put promoted web"}, ""},
		{"seen on one is not enough where there are two", func(s *live.Snapshot) { s.Nodes[1].Receipts = nil }, []string{"n2 put began web", "n2 put promoted web"}, ""},
		{"seen on two", func(*live.Snapshot) {}, []string{"old delete began", "old delete promoted"}, ""},
		{"config goes, what another source made stays", func(s *live.Snapshot) { s.Nodes[2].Files = append(empty, config, alien) }, []string{"old delete cfg-1", "old delete began", "old delete promoted"}, ""},
		{"then it is written down", func(s *live.Snapshot) { s.Nodes[2].Receipts = nil }, []string{"n1 put done node/old", "n2 put done node/old"}, ""},
		{"nothing is while it does not answer", func(s *live.Snapshot) { s.Nodes[2].Receipts, s.Nodes[2].Silent = nil, time.Second }, nil, ""},
		{"nor while a file does not load, in which it may be", func(s *live.Snapshot) { s.Nodes[2].Receipts = nil }, nil, ""},
		{"then the identity goes", func(s *live.Snapshot) {
			s.Nodes[0].Receipts = append(web, doneAt(left(t, "old"), "z9"))
			s.Nodes[2].Receipts = nil
		},
			[]string{"n2 put done node/old", "old delete host"}, ""},
		{"and it is done", func(s *live.Snapshot) { both(s, append(web, doneAt(left(t, "old"), "z9"))); s.Nodes[2].Files = nil }, nil, "old"},
		{"an identity stays with the volume of a claim", func(s *live.Snapshot) {
			both(s, append(web, doneAt(left(t, "old"), "z9")))
			s.Nodes[2].Volumes = []string{"default/data"}
		}, nil, "old"},
		{"one on which a pod is again is not done", func(s *live.Snapshot) {
			both(s, append(web, doneAt(left(t, "old"), "z9")))
			s.Nodes[2].Pods = []live.Pod{running(head, "web", 1)}
		}, []string{"old stop " + running(head, "web", 1).Name}, ""},
		{"nor does one go that is another's by now", func(s *live.Snapshot) {
			both(s, append(web, doneAt(left(t, "old"), "z9")))
			s.Nodes[2].Files = was("i4", "old")
		}, nil, "old"},
		{"one that is switched off before that is done too", func(s *live.Snapshot) {
			both(s, append(web, doneAt(left(t, "old"), "z9")))
			s.Nodes[2].Silent = time.Hour
		}, nil, "old"},
		{"but not one that came back and left again", func(s *live.Snapshot) { both(s, append(web, doneAt(left(t, "old"), "y8"))); s.Nodes[2].Receipts = nil },
			[]string{"n1 put done node/old", "n2 put done node/old"}, ""},
	} {
		have := hosts(map[string][]live.File{"n1": was("i1", "n1"), "n2": was("i2", "n2"), "old": empty}, "n1", "n2", "old")
		have.Nodes[0].Pods = []live.Pod{running(head, "web", 0)}
		for i := range have.Nodes {
			have.Nodes[i].Receipts = web
		}
		c.change(&have)
		h := keyed(head, left(t, "old"))
		if strings.HasPrefix(c.claim, "nor while a file") {
			h.Head = manifest.Assemble(manifest.Info{Commit: "a1", Time: noon}, []manifest.Parsed{
				manifest.Parse("f0.yaml", []byte(nodes("n1", "n2"))), manifest.Parse("f1.yaml", []byte(deployment("web", 1, ""))), manifest.Parse("f2.yaml", []byte("kind: [")),
			})
		}
		plan := Make(h, have, noon)
		got := done(plan)
		slices.Sort(got)
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" || strings.Join(plan.Departed, " ") != c.gone {
			t.Errorf("%s: departed %q\n%s\n%s", c.claim, plan.Departed, diff, plan)
		}
	}
}

func both(s *live.Snapshot, receipts []live.Receipt) {
	s.Nodes[0].Receipts, s.Nodes[1].Receipts, s.Nodes[2].Receipts = receipts, receipts, nil
}

func TestThatANodeWasDoneIsForgottenOnceItIsBack(t *testing.T) {
	other := left(t, "n1")
	other.ProviderID = "podman+ssh://root@192.0.2.1"
	for _, c := range []struct {
		claim string
		node  manifest.Node
		want  []string
	}{
		{"HEAD holds it", left(t, "n1"), []string{"n1 delete " + doneAt(left(t, "n1"), "z9").File}},
		{"HEAD holds one of that name, which is another machine", other, nil},
		{"HEAD holds none of that name", left(t, "old"), nil},
	} {
		have := hosts(map[string][]live.File{"n1": was("i1", "n1")}, "n1")
		have.Nodes[0].Receipts = []live.Receipt{doneAt(c.node, "z9")}
		if diff := cmp.Diff(c.want, done(Make(keyed(commit(t, "a1", nodes("n1"))), have, noon))); diff != "" {
			t.Errorf("%s:\n%s", c.claim, diff)
		}
	}
}

// A Node that left Git may never answer again. What is removed from Git later is collected all the same, and nobody asks it for Jobs.
func TestANodeThatLeftGitAndNeverAnswersHoldsUpNothing(t *testing.T) {
	before := commit(t, "a0", nodes("n1"), deployment("web", 1, ""))
	for silence, collected := range map[time.Duration]bool{time.Second: false, time.Hour: true} {
		have := hosts(map[string][]live.File{"n1": was("i1", "n1")}, "n1", "old")
		have.Nodes[0].Receipts = fleet(nil, promoted(before, "web"), "n1").Nodes[0].Receipts
		have.Nodes[1].Silent = silence
		h := keyed(commit(t, "a1", nodes("n1")), left(t, "old"))
		h.Ancestor["a0"] = true
		plan := Make(h, have, noon)
		if (len(plan.Actions) == 2) != collected || !slices.Contains(plan.Notes, "old left Git and does not answer: held until it can be drained") {
			t.Errorf("silent for %s:\n%s", silence, plan)
		}
	}
}

func TestWhatExitedOnANodeThatLeftGitIsStartedElsewhere(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("web", 1, ""))
	p := running(head, "web", 0)
	p.Containers[0].State = live.Exited
	have := fleet(map[string][]live.Pod{"old": {p}}, promoted(head, "web"), "n1", "old")
	plan := Make(keyed(head, left(t, "old")), have, noon)
	if got := done(plan); !slices.Contains(got, "n1 run "+p.Name) || slices.Contains(got, "old run "+p.Name) {
		t.Errorf("%s", plan)
	}
}

func TestNothingIsPlacedOnANodeThatLeftGit(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("web", 2, ""))
	plan := Make(keyed(head, left(t, "old")), fleet(nil, promoted(head, "web"), "n1", "old"), noon)
	starts := slices.DeleteFunc(plan.Actions, func(a Action) bool { return a.Verb != Run || a.Node != "n1" })
	if len(starts) != 2 {
		t.Errorf("%s", plan)
	}
}
