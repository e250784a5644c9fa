package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// Limits of what podkeep does by itself.
const (
	maxRolling   = 10              // workloads between two revisions at once
	loopLimit    = 3               // rollouts of one workload that begin at one commit
	clockSlack   = 2 * time.Second // by how much corrected clocks may disagree
	pruneAtLeast = 3               // a commit may always remove this many workloads
)

// readReceipts joins what all nodes show. What another source wrote is its own.
func (w *world) readReceipts() {
	nodes := make([]ledger.Node, 0, len(w.nodes))
	for _, n := range w.nodes {
		nodes = append(nodes, ledger.Node{Name: n.Name, Host: cmp.Or(n.id, n.want.Name), Receipts: n.Receipts, Troubles: n.Troubles})
	}
	w.receipts = ledger.Read(nodes, ledger.Rules{
		Cluster: w.h.Cluster, Source: w.h.Source, Key: w.h.Key, Ours: w.ours, Trusts: w.trusts, Void: w.void, Called: w.nowCalled,
	})
	for _, r := range w.receipts.Foreign {
		w.isAlien(r.App, r.Source, r.Signer)
	}
}

// keeps says whether a node, by name, is one of HEAD, and may keep receipts.
func (w *world) keeps(name string) ledger.Reach {
	if n := w.lookup(name); n != nil && !n.gone {
		return [...]ledger.Reach{answers: ledger.Here, silent: ledger.Silent, lost: ledger.Lost}[n.reach]
	}
	return ledger.Gone
}

// void says whether a receipt is of an earlier life of its object: Git took the object out since, and it came anew. A host that was away
// for long, or one that shows old Files again, brings back no generation, no end of a Job and no rejection from then. What speaks of a volume or
// of a host outlives the object on purpose. What names the form in force is never void, wherever that form is from.
func (w *world) void(r live.Receipt) bool {
	if r.App.Kind == claimKind || r.App.Kind == nodeKind || r.Verb == live.Adopted || !slices.Contains(w.h.Renewed[r.App], r.Commit) {
		return false
	}
	wl := find(w.want, r.App)
	return wl == nil || wl.Revision.Commit != r.Commit
}

// putReceipt writes a receipt down. Under a hold none is written: it would be the one that ends it.
func (w *world) putReceipt(r live.Receipt) {
	if w.hold == "" {
		w.edit(w.receipts.Put(r))
	}
}

// tidyReceipts copies and collects them. What another source has something of is left alone.
func (w *world) tidyReceipts() {
	w.edit(w.receipts.Tidy(func(app manifest.ID) func(live.Receipt) bool {
		if w.alien[app] != "" {
			return nil
		}
		return w.needs(app)
	}))
}

func (w *world) edit(edits []ledger.Edit) {
	for _, e := range edits {
		a := Action{Node: e.Node, Verb: Put, Name: e.Name, App: e.App, Why: e.Why, File: e.File}
		if e.File == nil {
			a.Verb = Delete
		}
		w.plan.Actions = append(w.plan.Actions, a)
	}
}

func (w *world) put(n *node, app manifest.ID, file *manifest.File, why string) {
	w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Put, Name: file.Name, App: app, Why: why, File: file})
}

// needs says which receipts of an object are still needed: none, when it left HEAD and has no pods, and no silent node can have any.
func (w *world) needs(app manifest.ID) func(live.Receipt) bool {
	none := func(live.Receipt) bool { return false }
	switch {
	case app == SourceID:
		return func(live.Receipt) bool { return true }
	case app.Kind == nodeKind:
		return w.needsDone
	case app.Kind == claimKind && w.forgets(app):
		return none
	case app.Kind != claimKind && find(w.want, app) == nil && w.heir(app) == app && len(w.everyPod(app)) == 0 && !w.anySilent() && w.mayPrune() == "":
		return none
	}
	return w.receipts.Of(app).Needed()
}
