package plan

import (
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

const nodeKind = "Node"

// A Node that left HEAD is forgotten when its host was seen without a pod of ours and nothing of ours is left there: then it is written down, on
// the nodes of HEAD, that it is done. From there on it may be switched off, and nobody looks for it.

// depart takes the nodes that are done out of the world, and clears away who they were. An identity stays with a claim's volume.
func (w *world) depart() {
	w.nodes = slices.DeleteFunc(w.nodes, func(n *node) bool {
		if !n.gone || !w.isDone(n) {
			return false
		}
		left := 0
		for _, f := range n.Files {
			if _, is := live.ParseHost(f); is && w.ours(f.Labels[live.LabelSource]) && n.answersNow() && len(n.Volumes) == 0 {
				w.drop(n, f.Name, n.Name+" left Git and is done")
				left++
			}
		}
		if left == 0 {
			w.plan.Departed = append(w.plan.Departed, n.Name)
		}
		return true
	})
}

func (n *node) answersNow() bool { return n.Known && n.Silent == 0 }

// isDone says whether it is written down that the node was seen empty after the last commit that held it.
func (w *world) isDone(n *node) bool {
	return slices.ContainsFunc(w.receipts[nodeID(n)], func(r live.Receipt) bool {
		return r.Verb == live.Done && r.Node == n.want.FormerName() && r.Steps == n.want.Commit
	})
}

// nodeID is whose receipts those of a node are: of the name that it had in Git.
func nodeID(n *node) manifest.ID { return manifest.ID{Kind: nodeKind, Name: n.want.RealName()} }

// clearGone empties the hosts that left HEAD, and writes down which are done.
func (w *world) clearGone() {
	if w.mayPrune() != "" {
		return
	}
	for _, n := range w.nodes {
		if n.gone && n.hidden == "" && n.maybe == "" && n.reach == answers && !w.occupied(n) {
			w.clearOne(n)
		}
	}
}

// occupied says whether pods of ours are there.
func (w *world) occupied(n *node) bool {
	return slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return w.ours(p.Source) })
}

func (w *world) clearOne(n *node) {
	left := 0
	for _, r := range n.Receipts {
		if !w.ours(r.Source) {
			continue
		}
		left++
		if !w.keeps(r.App)(r) || w.elsewhere(r) {
			w.plan.Actions = append(w.plan.Actions, Action{
				Node: n.Name, Verb: Delete, Name: r.File, App: r.App, Why: n.Name + " left Git, and other nodes have what is needed of it",
			})
		}
	}
	for _, f := range n.Files {
		if _, is := live.ParseHost(f); !is && w.ours(f.Labels[live.LabelSource]) {
			w.drop(n, f.Name, n.Name+" left Git and runs no pod any more")
			left++
		}
	}
	if left == 0 {
		w.putReceipt(live.Receipt{
			App: nodeID(n), Verb: live.Done, Gen: w.receipts[nodeID(n)].Gen() + 1, Host: n.id, Node: n.want.FormerName(), Steps: n.want.Commit, Time: w.now,
			Why: n.Name + " left Git and was seen empty",
		})
	}
}

// elsewhere says whether a receipt was seen on two nodes of HEAD, or on the only one, or says nothing that counts.
func (w *world) elsewhere(r live.Receipt) bool {
	t := w.noted[w.transition(r)]
	return t == nil || t.seen() > 0 && t.seen() >= min(enough, len(w.answering()))
}

// keepsDone says whether it need be known still that a Node was done: HEAD does not hold it again, and no later receipt says the same.
func (w *world) keepsDone(r live.Receipt) bool {
	back := slices.ContainsFunc(w.want.Nodes, func(n manifest.Node) bool { return n.FormerName() == r.Node })
	return !back && !slices.ContainsFunc(w.receipts[r.App], func(later live.Receipt) bool {
		return later.Node == r.Node && later.Gen > r.Gen
	})
}
