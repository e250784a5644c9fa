package reconciler

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func TestOnlyWhatReceiptsNameBesideTheHeadIsAskedFor(t *testing.T) {
	b := newBed("n1")
	on := func(commits ...string) (n live.Node) {
		for _, c := range commits {
			n.Receipts = append(n.Receipts, live.Receipt{App: web, Commit: c})
		}
		return n
	}
	s := live.Snapshot{Nodes: []live.Node{on("c1", "a", "b"), on("b", "", "a")}}
	for _, c := range []struct {
		r    *reader
		s    live.Snapshot
		want map[manifest.ID][]string
		err  bool
	}{
		{&reader{Options: Options{Source: past{b.shelf}}, of: "c1"}, s, map[manifest.ID][]string{web: {"a", "b"}}, false},
		{&reader{Options: Options{Source: past{b.shelf}}, of: "c1"}, live.Snapshot{Nodes: []live.Node{on("c1")}}, nil, false},
		{&reader{Options: Options{Source: past{b.shelf}}, of: "lost"}, s, nil, true},
		{&reader{Options: Options{Source: b.shelf}, of: "c1"}, s, nil, false},
	} {
		var h manifest.History
		got := c.r.renewed(t.Context(), &h, c.s)
		if diff := cmp.Diff(c.want, got); diff != "" || strings.Contains(h.Err, "what came anew") != c.err {
			t.Errorf("%s: %q\n%s", c.r.of, h.Err, diff)
		}
	}
}
