package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func TestThePastIsAskedForWhatLivesAndForWhatWasRejected(t *testing.T) {
	was := commit(t, "a1", nodes("n1"), deployment("web", 1, ""), deployment("gone", 1, ""))
	head := commit(t, "b2", nodes("n1"), deployment("web", 1, ""))
	wl, gone := *find(head, webID), running(was, "gone", 0)
	failed := live.Receipt{App: webID, Verb: live.Failed, Rev: wl.Revision.Rev, Gen: 1, Commit: "a1"}
	at := func(commit string) live.Receipt { r := failed; r.Commit = commit; return r }
	older := failed
	older.Rev = "v1-older"
	theirs := gone
	theirs.Source = "git.example.com/old"
	left := []manifest.Question{manifest.LastStood(gone.App), manifest.AllowedSince(gone.App)}
	for name, c := range map[string]struct {
		pods     []live.Pod
		receipts []live.Receipt
		want     []manifest.Question
	}{
		"nothing is unknown":                       {[]live.Pod{running(head, "web", 0)}, promoted(head, "web"), nil},
		"where that stood of which there are pods": {[]live.Pod{gone, gone}, nil, left},
		"not what others have":                     {[]live.Pod{theirs}, nil, nil},
		"what was taken over":                      {[]live.Pod{theirs}, []live.Receipt{adopted(theirs.Source)}, left},
		"what was asked for since a rejection":     {nil, []live.Receipt{failed, failed}, []manifest.Question{manifest.ChangedSince(wl, "a1")}},
		"not of another revision":                  {nil, []live.Receipt{older}, nil},
		"not since HEAD itself":                    {nil, []live.Receipt{at("b2")}, nil},
		"not since what is no ancestor":            {nil, []live.Receipt{at("x9")}, nil},
	} {
		h := history(head)
		h.Ancestor["a1"] = true
		have := fleet(map[string][]live.Pod{"n1": c.pods}, c.receipts, "n1", "n2")
		if diff := cmp.Diff(c.want, Asks(h, have), cmpopts.EquateComparable(manifest.Question{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	damaged := history(commit(t, "b2", nodes("n1"), "replicas: 3\n"))
	damaged.Gone = commit(t, "a1", nodes("n1"), nodes("n2")).Nodes[1:]
	if diff := cmp.Diff([]manifest.Question{manifest.WholeFile("f1.yaml")}, Asks(damaged, live.Snapshot{}), cmpopts.EquateComparable(manifest.Question{})); diff != "" {
		t.Errorf("the file of a Node that left, which holds no object: %s", diff)
	}
	if asks := Asks(manifest.History{}, live.Snapshot{}); asks != nil {
		t.Errorf("without a HEAD: %v", asks)
	}
}

// What was read of the past may end anywhere: that the file was damaged in which a workload stood is known before what it was.
func TestWhatLeftADamagedFileStaysUntilItIsKnownWhatTheFileWas(t *testing.T) {
	stood := manifest.Assemble(manifest.Info{Commit: "a1", Time: noon}, []manifest.Parsed{
		manifest.Parse("n.yaml", []byte(nodes("n1"))), manifest.Parse("web.yaml", []byte(deployment("web", 1, ""))),
	})
	head := manifest.Assemble(manifest.Info{Commit: "b2", Time: noon}, []manifest.Parsed{
		manifest.Parse("n.yaml", []byte(nodes("n1"))), manifest.Parse("web.yaml", []byte("replicas: 3\n")),
	})
	have := fleet(map[string][]live.Pod{"n1": {running(stood, "web", 0)}}, promoted(stood, "web"), "n1")
	h := history(head)
	h.Ancestor["a1"] = true
	h = along(h, have, stood)
	if p := Make(h, have, noon); app(p, "web").State != Converged || len(p.Actions) > 0 {
		t.Errorf("its form stays: %s %s\n%s", app(p, "web").State, app(p, "web").Why, p)
	}
	delete(h.Past, manifest.WholeFile("web.yaml"))
	if p := Make(h, have, noon); app(p, "web").State != Held || !strings.Contains(app(p, "web").Why, "could not be read yet") || len(p.Actions) > 0 {
		t.Errorf("it is not known yet: %s %s\n%s", app(p, "web").State, app(p, "web").Why, p)
	}
}
