package plan

import (
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

const nodeKind = "Node"

// A Node that left HEAD is forgotten when its host was seen without a pod of ours and nothing of ours is left there: then it is written down, on
// the nodes of HEAD, that it is done. From there on it may be switched off, and nobody looks for it.

// depart takes the nodes that are done out of the world, and clears away who they were. One that has pods of ours again is not done.
func (w *world) depart() {
	w.nodes = slices.DeleteFunc(w.nodes, func(n *node) bool {
		done := w.done(n.want)
		if !n.gone || done == nil || w.occupied(n) {
			return false
		}
		if !w.mayForget(n, done.Host) {
			w.departs(n.Name)
			return true
		}
		for _, r := range n.records {
			w.drop(n, r.File, n.Name+" left Git and is done")
		}
		return true
	})
}

// mayForget says whether the identity of a host that is done can go, and is there to go. It stays with a claim's volume, and where it is
// another one by now, or where anything else of ours is: somebody uses the host again.
func (w *world) mayForget(n *node, host string) bool {
	other := func(f live.File) bool {
		_, is := live.ParseHost(f)
		return !is
	}
	return n.Known && n.Silent == 0 && n.id != "" && n.id == host &&
		len(n.Pods)+len(n.sides)+len(n.doors)+len(n.otherDoors)+len(n.Receipts)+len(n.Volumes) == 0 && !slices.ContainsFunc(n.Files, other)
}

func (w *world) departs(name string) { w.plan.Departed = append(w.plan.Departed, name) }

// done is where it is written down that the Node's host was seen empty after the last commit that held it, or nil.
func (w *world) done(n manifest.Node) *live.Receipt {
	for i, r := range w.receipts.Of(nodeID(n)) {
		if r.Verb == live.Done && r.Node == n.FormerName() && r.Steps == n.Commit {
			return &w.receipts.Of(nodeID(n))[i]
		}
	}
	return nil
}

// nodeID is whose receipts those of a Node are: of the name that it had in Git.
func nodeID(n manifest.Node) manifest.ID { return manifest.ID{Kind: nodeKind, Name: n.RealName()} }

// stayAway says which of the Nodes that nobody looked at this time need not be looked at the next time either: what let them go is there still.
func (w *world) stayAway(have live.Snapshot) {
	for _, g := range w.h.Gone {
		seen := slices.ContainsFunc(have.Nodes, func(n live.Node) bool { return n.Name == g.Name })
		known := func(n *node) bool { return !n.gone && n.wasReached(g.Way()) }
		if !seen && (w.done(g) != nil || slices.ContainsFunc(w.nodes, known)) {
			w.departs(g.Name)
		}
	}
}

// clearGone empties the hosts that left HEAD, and writes down which are done.
func (w *world) clearGone() {
	if w.mayPrune() != "" {
		return
	}
	for _, n := range w.nodes {
		if n.gone && n.hidden == "" && n.maybe == "" && n.reach == answers && !w.occupied(n) {
			w.clearOne(n)
		}
		if !n.gone && n.reach == answers {
			w.settleWays(n)
		}
	}
}

// settleWays writes down of the ways by which a host of HEAD was reached before that nothing is behind them any more. The host's own records say so
// too, for as long as its disk lives.
func (w *world) settleWays(n *node) {
	written := map[manifest.ID]int{}
	for _, g := range w.h.Gone {
		if id := nodeID(g); n.wasReached(g.Way()) && n.want.Way() != g.Way() && w.done(g) == nil {
			written[id]++
			w.putReceipt(live.Receipt{
				App: id, Verb: live.Done, Gen: w.receipts.Of(id).Gen() + written[id], Host: n.id, Node: g.FormerName(), Steps: g.Commit, Time: w.now,
				Why: g.Name + " was a way to " + n.Name,
			})
		}
	}
}

// occupied says whether pods of ours are there.
func (w *world) occupied(n *node) bool {
	return slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return w.ours(p.Source) })
}

func (w *world) clearOne(n *node) {
	edits, left := w.receipts.Clear(n.Name, w.needs)
	w.edit(edits)
	for _, f := range n.Files {
		if _, is := live.ParseHost(f); !is && w.ours(f.Labels[live.LabelSource]) {
			w.drop(n, f.Name, n.Name+" left Git and runs no pod any more")
			left++
		}
	}
	if left == 0 && !w.clearSide(n, n.Name+" left Git and was seen empty") {
		for i, place := range append([]manifest.Node{n.want}, w.before(n)...) {
			w.putReceipt(live.Receipt{
				App: nodeID(n.want), Verb: live.Done, Gen: w.receipts.Of(nodeID(n.want)).Gen() + 1 + i, Host: n.id, Node: place.FormerName(), Steps: place.Commit,
				Time: w.now, Why: place.Name + " left Git and was seen empty",
			})
		}
	}
}

// before are the other ways by which the same Node led to the same host before it left.
func (w *world) before(n *node) (places []manifest.Node) {
	for _, g := range w.h.Gone {
		if g.RealName() == n.want.RealName() && g.Name != n.Name && n.wasReached(g.Way()) && w.lookup(g.Name) == nil && w.done(g) == nil {
			places = append(places, g)
		}
	}
	return places
}

// needsDone says whether it need be known still that a Node was done: HEAD does not hold it again, and no later receipt says the same.
func (w *world) needsDone(r live.Receipt) bool {
	back := slices.ContainsFunc(w.want.Nodes, func(n manifest.Node) bool { return n.FormerName() == r.Node })
	return !back && !slices.ContainsFunc(w.receipts.Of(r.App), func(later live.Receipt) bool {
		return later.Node == r.Node && later.Gen > r.Gen
	})
}
