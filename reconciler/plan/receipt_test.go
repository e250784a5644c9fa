package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func TestAReceiptFromBeforeItsObjectCameAnewIsVoid(t *testing.T) {
	head := commit(t, "c3", nodes("n1"), deployment("web", 1, ""))
	web := *find(head, manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"})
	held := head
	held.Workloads = []manifest.Workload{web}
	held.Workloads[0].Revision.Commit = "a1" // its file does not load, and an old form stands in
	claim := manifest.ID{Kind: claimKind, Namespace: "default", Name: "web"}
	for name, c := range map[string]struct {
		want manifest.Set
		r    live.Receipt
		void bool
	}{
		"from before":               {head, live.Receipt{App: web.ID, Verb: live.Failed, Commit: "a1"}, true},
		"from since":                {head, live.Receipt{App: web.ID, Verb: live.Failed, Commit: "c3"}, false},
		"of another branch":         {head, live.Receipt{App: web.ID, Verb: live.Failed, Commit: "x9"}, false},
		"of an object that left":    {commit(t, "d4", nodes("n1")), live.Receipt{App: web.ID, Verb: live.Done, Commit: "a1"}, true},
		"of the form in force":      {held, live.Receipt{App: web.ID, Verb: live.Began, Commit: "a1"}, false},
		"of a volume":               {head, live.Receipt{App: claim, Verb: live.Made, Commit: "a1"}, false},
		"of a Node":                 {head, live.Receipt{App: manifest.ID{Kind: "Node", Name: "n1"}, Verb: live.Done, Commit: "a1"}, false},
		"of one that others have":   {head, live.Receipt{App: manifest.ID{Kind: "Pod", Name: "x"}, Verb: live.Began, Commit: "a1"}, false},
		"of a takeover from others": {head, live.Receipt{App: web.ID, Verb: live.Adopted, Commit: "a1"}, false},
	} {
		h := manifest.History{Head: c.want, Renewed: map[manifest.ID][]string{
			web.ID: {"a1", "b2"}, claim: {"a1"}, {Kind: "Node", Name: "n1"}: {"a1"},
		}}
		w := &world{h: h, want: c.want}
		if got := w.void(c.r); got != c.void {
			t.Errorf("%s: void is %t", name, got)
		}
	}
}

// A new life's receipt may have the name that an old one's has: the old one goes first.
func TestAVoidReceiptGoesBeforeOneOfItsNameIsPut(t *testing.T) {
	head := commit(t, "c3", nodes("n1"), deployment("web", 1, ""))
	web := find(head, manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"})
	old := live.Receipt{App: web.ID, Verb: live.Began, Rev: web.Revision.Rev, Gen: 1, Step: 1, Commit: "a1", Time: noon.Add(-time.Hour)}
	h := history(head)
	old.Source = h.Source
	old.File = old.Name(key)
	h.Renewed, h.Ancestor["a1"] = map[manifest.ID][]string{web.ID: {"a1"}}, true
	p := Make(h, fleet(nil, []live.Receipt{old}, "n1"), noon)
	if got := p.String(); strings.Contains(got, "put ") || !strings.Contains(got, "delete "+old.File) {
		t.Errorf("the old one is to go, and nothing to be put under its name yet:\n%s", got)
	}
	if got := Make(h, fleet(nil, nil, "n1"), noon).String(); !strings.Contains(got, "put    "+old.File) {
		t.Errorf("it begins anew:\n%s", got)
	}
}
