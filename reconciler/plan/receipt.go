package plan

import (
	"slices"
	"sort"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Limits of what podkeep does by itself.
const (
	maxRolling   = 10              // workloads between two revisions at once
	loopLimit    = 3               // rollouts of one workload that begin at one commit
	keptGens     = 10              // generations whose receipts are kept
	clockSlack   = 2 * time.Second // by how much corrected clocks may disagree
	pruneAtLeast = 3               // a commit may always remove this many workloads
)

// putReceipt writes a receipt down on every node that answers. Under a hold none is written: it would be the one that ends it.
func (w *world) putReceipt(r live.Receipt) {
	if w.hold != "" {
		return
	}
	file := w.receiptFile(r)
	for _, n := range w.answering() {
		w.put(n, r.App, file, r.Verb+": "+r.Why)
	}
}

func (w *world) receiptFile(r live.Receipt) *manifest.File {
	r.Source = w.h.Source
	return &manifest.File{Name: r.Name(w.h.Key), Labels: r.Labels(w.h.Cluster), Data: manifest.Bytes(r.Verb)}
}

func (w *world) put(n *node, app manifest.ID, file *manifest.File, why string) {
	w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Put, Name: file.Name, App: app, Why: why, File: file})
}

// copyReceipts brings every receipt that is still needed to every node that lacks it, and collects the others.
func (w *world) copyReceipts() {
	apps := make([]manifest.ID, 0, len(w.receipts))
	for app := range w.receipts {
		apps = append(apps, app)
	}
	sort.Slice(apps, func(i, j int) bool { return apps[i].Less(apps[j]) })
	nodes := w.answering()
	held := map[string]map[string]bool{}
	for _, n := range nodes {
		held[n.Name] = map[string]bool{}
		for _, r := range n.Receipts {
			if r.Source = w.h.Source; w.trusts(r.Signer) {
				held[n.Name][r.Name("")] = true
			}
		}
	}
	for _, app := range apps {
		if w.alien[app] != "" {
			continue
		}
		keep := w.keeps(app)
		for _, r := range w.receipts[app] {
			for _, n := range nodes {
				switch have := held[n.Name][r.Name("")]; {
				case keep(r) && !have:
					w.put(n, app, w.receiptFile(r), "copied to a node that lacks it")
				case !keep(r) && have:
					w.plan.Actions = append(w.plan.Actions, Action{
						Node: n.Name, Verb: Delete, Name: r.File, App: app, Why: "the receipt is not needed any more",
					})
				}
			}
		}
	}
}

// keeps says which receipts of a workload are still needed: those of its newest generations and of the last promotion. None,
// when it left HEAD and has no pods, and no silent node can have any.
func (w *world) keeps(app manifest.ID) func(live.Receipt) bool {
	if app == SourceID {
		return func(live.Receipt) bool { return true }
	}
	if app.Kind == claimKind && w.forgets(app) {
		return func(live.Receipt) bool { return false }
	}
	if app.Kind != "Node" && app.Kind != claimKind && find(w.want, app) == nil && len(w.everyPod(app)) == 0 && !w.anySilent() && w.mayPrune() == "" {
		return func(live.Receipt) bool { return false }
	}
	var gens []int
	promoted := 0
	for _, r := range w.receipts[app] {
		if !slices.Contains(gens, r.Gen) {
			gens = append(gens, r.Gen)
		}
		if r.Verb == live.Promoted {
			promoted = max(promoted, r.Gen)
		}
	}
	sort.Sort(sort.Reverse(sort.IntSlice(gens)))
	gens = gens[:min(keptGens, len(gens))]
	return func(r live.Receipt) bool {
		if r.Verb == live.Tallied && !w.keepsTally(r) || w.outdated(r) {
			return false
		}
		return r.Gen == promoted || slices.Contains(gens, r.Gen)
	}
}

// outdated says whether a halt or a resumption is not the newest of its generation: what was before it is in force no more.
func (w *world) outdated(r live.Receipt) bool {
	halts := func(r live.Receipt) bool { return r.Verb == live.Halted || r.Verb == live.Resumed }
	return halts(r) && slices.ContainsFunc(w.receipts[r.App], func(other live.Receipt) bool {
		return halts(other) && other.Gen == r.Gen && other.Rev == r.Rev &&
			(other.Step > r.Step || other.Step == r.Step && other.Verb == live.Resumed && r.Verb == live.Halted)
	})
}

// moved says whether, since HEAD's revision of a workload was rejected, a commit asked for another one and a later one came
// back to it. Then it gets another chance.
func (w *world) moved(wl *manifest.Workload) bool {
	failed := w.rejection(wl)
	if failed == nil {
		return false
	}
	for _, set := range w.h.Line {
		if set.Commit == failed.Commit {
			return false
		}
		then := find(set, wl.ID)
		refused, _ := manifest.Refusals(set.Problems)
		if then == nil && len(refused) == 0 && set.Foreign(wl.File) == nil || then != nil && then.Revision.Rev != wl.Revision.Rev {
			return w.descends(failed.Commit)
		}
	}
	return false
}

// descends says whether commit is among the ancestors at hand, or known to be one.
func (w *world) descends(commit string) bool {
	return w.h.Ancestor[commit] || w.descendsInLine(commit)
}

// rejection is the failed receipt that holds HEAD's revision of a workload, or nil.
func (w *world) rejection(wl *manifest.Workload) *live.Receipt {
	var failed *live.Receipt
	gen := 0
	for i, r := range w.receipts[wl.ID] {
		gen = max(gen, r.Gen)
		if r.Verb == live.Failed && r.Rev == wl.Revision.Rev && (failed == nil || r.Gen > failed.Gen) {
			failed = &w.receipts[wl.ID][i]
		}
	}
	if failed == nil || failed.Gen < gen || failed.Commit == wl.Revision.Commit {
		return nil
	}
	return failed
}
