package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Thought is one pass of thinking, from what was read and seen to the plan. Its facts are put together once.
type Thought struct {
	w    *world
	have live.Snapshot
}

// Think begins a thought. What is still to be read for it Lacks says; Plan ends it.
func Think(want manifest.History, have live.Snapshot, now time.Time) Thought {
	return Thought{facts(want, have, now), have}
}

// Plan is what Make makes of the same snapshot and time, and of the history: the one that the thought began with, and in At what it lacked.
func (t Thought) Plan(want manifest.History) Plan {
	t.w.h = want
	t.w.addPods()
	return t.w.make()
}

// Need is a revision whose form thinking lacks, and the commits that may have it: those first from which HEAD descends.
type Need struct {
	App     manifest.ID
	Rev     string
	Commits []string
}

// Lacks says which revisions are in use whose form, with the content of its config, is neither HEAD's nor on a node under a trusted key:
// those of pods, and those that a rollout was last begun to and that were last promoted or done. Of what left HEAD it asks too where it stood.
// What is asked for and found belongs in want.At.
func (t Thought) Lacks() []Need {
	w, have := t.w, t.have
	named := w.named(have)
	var needs []Need
	for app, revs := range named {
		for rev, commits := range revs {
			if len(commits) > 0 && w.lacks(app, rev) {
				needs = append(needs, Need{app, rev, w.likeliest(commits)})
			}
		}
	}
	slices.SortFunc(needs, func(a, b Need) int {
		return cmp.Or(cmp.Compare(a.App.String(), b.App.String()), cmp.Compare(a.Rev, b.Rev))
	})
	return needs
}

// named are the revisions in use, by workload, with the commits at which pods and receipts name them.
func (w *world) named(have live.Snapshot) map[manifest.ID]map[string]map[string]bool {
	named := map[manifest.ID]map[string]map[string]bool{}
	use := func(app manifest.ID, rev string) {
		if rev == "" {
			return
		}
		if named[app] == nil {
			named[app] = map[string]map[string]bool{}
		}
		if named[app][rev] == nil {
			named[app][rev] = map[string]bool{}
		}
	}
	for _, n := range have.Nodes {
		for _, p := range n.Pods {
			use(p.App, p.Rev)
		}
	}
	for app, l := range w.receipts.Ledgers {
		for _, r := range []*live.Receipt{l.Top(), l.Stable(), l.Newest(live.Done)} {
			if r != nil {
				use(app, r.Rev)
			}
		}
	}
	at := func(app manifest.ID, rev, commit string) {
		if commits := named[app][rev]; commits != nil && commit != "" {
			commits[commit] = true
		}
	}
	for _, n := range have.Nodes {
		for _, p := range n.Pods {
			at(p.App, p.Rev, p.Commit)
		}
		for _, r := range n.Receipts {
			at(r.App, r.Rev, r.Commit)
		}
	}
	return named
}

func (w *world) lacks(app manifest.ID, rev string) bool {
	wl := find(w.want, app)
	if wl == nil { // its file is asked for as well
		return true
	}
	if wl.Revision.Rev == rev {
		return false
	}
	f, ok := w.formOnNode(app, rev)
	return !ok || len(f.lacking()) > 0
}

func (w *world) likeliest(commits map[string]bool) []string {
	all := sorted(commits)
	slices.SortStableFunc(all, func(a, b string) int {
		switch {
		case w.h.Ancestor[a] == w.h.Ancestor[b]:
			return 0
		case w.h.Ancestor[a]:
			return -1
		}
		return 1
	})
	return all
}
