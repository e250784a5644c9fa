package plan

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
)

// The node side is in no commit. It is placed on every host that answers, tainted and cordoned ones too; neither waves, caps, suspension nor
// the budget of pruning touch it. It is replaced by a higher version only, on one host first, and leaves a host last.

// deaf is how long a node side, or a door, may run without being heard until it is begun anew.
const deaf = 5 * time.Minute

// restarting is how long Podman may take to start one again that ended.
const restarting = 30 * time.Second

// takeSides takes the node side's pods, those of doors, and its volumes out of a node's: nothing else is to know of them.
func (n *node) takeSides(offer manifest.SideOffer) {
	for _, p := range n.Pods {
		switch p.App {
		case live.SideApp:
			n.sides = append(n.sides, p)
		case live.DoorApp:
			n.doors = append(n.doors, p)
		}
	}
	for _, pods := range [][]live.Pod{n.sides, n.doors} {
		slices.SortStableFunc(pods, func(a, b live.Pod) int { return cmp.Compare(b.Side, a.Side) })
	}
	n.unserved, n.Pods = n.Unserved(offer), n.Judged(offer)
	volumes := len(n.Volumes)
	n.Volumes = slices.DeleteFunc(slices.Clone(n.Volumes), func(v string) bool {
		namespace, name, _ := strings.Cut(v, "/")
		return namespace == live.SideApp.Namespace && slices.Contains(live.SideClaims(), name)
	})
	n.littered = len(n.Volumes) < volumes
}

// placeSides says what is to be done about the node sides, and what stands between a node and its own.
func (w *world) placeSides() {
	if w.h.Side.Version == "" && !w.h.Side.Refused || w.hold != "" {
		return
	}
	w.plan.Sides = map[string]string{}
	first := w.firstToRise()
	for _, n := range w.nodes {
		if n.reach != answers {
			continue
		}
		why := w.placeSide(n, first)
		if why == "" && !w.h.Side.Refused && !n.gone {
			why = n.lacksSide()
		}
		if why != "" {
			w.plan.Sides[n.Name] = why
		}
	}
}

// firstToRise is the node on which a higher version is to be tried before others have it: none once it is heard somewhere, or where there is nothing lower.
func (w *world) firstToRise() string {
	first := ""
	for _, n := range w.nodes {
		if n.Side.Version == w.h.Side.Version {
			return ""
		}
		if n.reach != answers || n.gone || len(n.sides) == 0 || w.h.Side.Images[n.Facts.Arch] == "" {
			continue
		}
		if n.sides[0].Side == w.h.Side.Version { // it is being tried
			return n.Name
		}
		if n.sides[0].Side < w.h.Side.Version {
			first = cmp.Or(first, n.Name)
		}
	}
	return first
}

// placeSide does one node, and says what it waits for.
func (w *world) placeSide(n *node, first string) string {
	switch {
	case n.gone: // it leaves last, see clearOne
		return ""
	case w.h.Side.Refused:
		w.clearSide(n, "no node side is wanted on hosts")
		return ""
	case len(n.sides) == 0:
		return w.startSide(n)
	}
	for _, lower := range n.sides[1:] {
		w.stopSide(n, lower, "a node side of a higher version is here")
	}
	p := n.sides[0]
	switch {
	case p.Stopping:
		return ""
	case p.Side < w.h.Side.Version && w.h.Side.Images[n.Facts.Arch] != "":
		return w.raiseSide(n, p, first)
	case n.Side.Silent > 0:
		due := w.now.Add(deaf - n.Side.Silent)
		if born := p.Created.Add(deaf); born.After(due) {
			due = born
		}
		if !w.now.Before(due) {
			w.stopSide(n, p, fmt.Sprintf("has not been heard for %s", n.Side.Silent.Round(time.Second)))
			return ""
		}
		w.wake(due)
	}
	switch v := health.Of(p, w.now); {
	case v.State == health.Crashed: // Podman starts it again, and a second container beside that one would be a second node side
		if due := endedAt(p).Add(restarting); w.now.Before(due) {
			w.wake(due)
		} else {
			w.stopSide(n, p, "it ended, and Podman has not started it again")
		}
	case v.Run && p.Side == w.h.Side.Version:
		w.runSide(n, p, v.Attempt, v.Why)
	}
	return ""
}

// endedAt is when the one container of podkeep's own pod did.
func endedAt(p live.Pod) (at time.Time) {
	for _, c := range p.Containers {
		at = c.Finished
	}
	return at
}

// lacksSide says why the node side of a node is not heard.
func (n *node) lacksSide() string {
	switch {
	case n.Side.Heard() || len(n.sides) == 0:
		return ""
	case n.Side.Why != "":
		return "its node side is not heard: " + n.Side.Why
	}
	return "its node side is not heard yet"
}

// startSide gives a node its first node side.
func (w *world) startSide(n *node) string {
	if n.Facts.Arch == "" {
		return "it has not said yet which architecture it has"
	}
	if n.unserved != "" {
		return n.unserved
	}
	pod := w.sidePod(n)
	w.runSide(n, pod, nil, "every host has a node side")
	return n.sideTrouble(pod.Name)
}

// sideTrouble is what keeps a node side from starting, as far as that was tried.
func (n *node) sideTrouble(pod string) string {
	for _, t := range n.Troubles {
		if t.Name == pod {
			return "its node side does not start: " + t.Why
		}
	}
	return ""
}

// raiseSide replaces a node side by a higher version, once that is heard elsewhere, or here if it is to be tried here. The image comes first.
func (w *world) raiseSide(n *node, old live.Pod, first string) string {
	to := fmt.Sprintf("version %s follows %s", w.h.Side.Version, old.Side)
	if first != "" && first != n.Name {
		return to + " once it is heard on " + first
	}
	if image := w.h.Side.Images[n.Facts.Arch]; n.Pulls && !slices.Contains(n.Images, image) {
		pod := w.sideOf(n, w.sidePod(n), nil)
		w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Pull, Name: pod.Name, App: live.SideApp, Why: to, Pod: &pod})
		return n.sideTrouble(pod.Name)
	}
	w.stopSide(n, old, to)
	return ""
}

// sidePod is the pod that is to be born. What else it is made of comes with its version.
func (w *world) sidePod(n *node) live.Pod {
	rev := fmt.Sprintf("v1-%x", sha256.Sum256([]byte(w.h.Side.Version+" "+w.h.Side.Images[n.Facts.Arch])))[:23]
	return live.Pod{
		Name: live.SideName(w.h.Cluster, rev), Cluster: w.h.Cluster, Source: w.h.Source, App: live.SideApp, Rev: rev, Gen: 1,
		Commit: w.h.Head.Commit, Expect: []string{live.SideContainer}, Restart: "Always", Side: w.h.Side.Version,
	}
}

func (w *world) sideOf(n *node, p live.Pod, attempt map[string]int) manifest.Pod {
	r := manifest.Revision{App: live.SideApp, Rev: p.Rev, Commit: p.Commit, Spec: live.SideSpec(w.h.Side.Images[n.Facts.Arch], w.h.Cluster)}
	pod := r.Pod(p.Name, live.PodLabels(p), attempt)
	pod.Make = live.SideClaims()
	return pod
}

func (w *world) runSide(n *node, p live.Pod, attempt map[string]int, why string) {
	pod := w.sideOf(n, p, attempt)
	w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Run, Name: p.Name, App: live.SideApp, Why: why, Pod: &pod})
}

func (w *world) stopSide(n *node, p live.Pod, why string) {
	if !p.Stopping {
		w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Stop, Name: p.Name, App: live.SideApp, Why: why})
	}
}

// clearSide takes the node side off a host, and what it leaves behind once no pod is in its network. It is false when there is none of it.
func (w *world) clearSide(n *node, why string) bool {
	if w.closeDoors(n, why) || w.routesStill(n) {
		return true
	}
	for _, p := range n.sides {
		w.stopSide(n, p, why)
	}
	joined := slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return p.Birth.Network == manifest.NetworkOwn })
	if len(n.sides) == 0 && n.littered && !joined {
		w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Delete, Name: live.SideLitter, App: live.SideApp, Why: why})
	}
	return len(n.sides) > 0 || n.littered
}

// ran says whether a pod ever did. Until then the controller sees to it, for it may have to be born with another address.
func ran(p live.Pod) bool {
	return slices.ContainsFunc(p.Containers, func(c live.Container) bool { return !c.Started.IsZero() })
}

// tend says which pods the node sides are to look after: ours, of workloads that are wanted, that ran once, but for what is being stopped. Those of a suspended
// workload are probed and no more, and so are those that are to stop: whether they are ready is asked until they do, for a stop may fail or be late.
func (w *world) tend(works []*work) {
	if w.plan.Sides == nil || w.h.Side.Refused {
		return
	}
	w.plan.Tend = map[string]live.Tend{}
	for _, n := range w.nodes {
		if n.reach == answers && len(n.sides) > 0 {
			w.plan.Tend[n.Name] = live.Tend{Node: n.Name}
		}
	}
	stops := map[[2]string]bool{}
	for _, a := range w.plan.Actions {
		stops[[2]string{a.Node, a.Name}] = a.Verb == Stop
	}
	for _, k := range works {
		for _, p := range w.everyPod(k.wl.ID) {
			tend, sided := w.plan.Tend[p.node.Name]
			if !sided || p.Stopping || !ran(p.Pod) {
				continue
			}
			tend.Pods = append(tend.Pods, p.Name)
			if k.wl.Suspended || stops[[2]string{p.node.Name, p.Name}] {
				tend.Idle = append(tend.Idle, p.Name)
			}
			w.plan.Tend[p.node.Name] = tend
		}
	}
	for _, tend := range w.plan.Tend {
		slices.Sort(tend.Pods)
		slices.Sort(tend.Idle)
	}
}
