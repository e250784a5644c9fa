package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// What is on its way gets there, or says which person has to do what. It is held where hosts that fell silent together may run it, and where
// it waits for a place, or for others, while nothing is under way that could help.

// holdIdle holds the workloads that do not get any further by themselves.
func (w *world) holdIdle() {
	var idle []*App
	busy := false
	for i := range w.plan.Apps {
		a := &w.plan.Apps[i]
		if a.State != Progressing && a.State != Pruning {
			continue
		}
		switch names := w.quiet(a.ID); {
		case len(names) > 0:
			a.State, a.Awaits = Held, names
			a.Why = w.blackout(names) + ": bring back what can be, and cordon the rest with a commit; then it goes on without those"
		case w.resting[a.ID] != "":
			idle = append(idle, a)
		default:
			busy = true
		}
	}
	if busy || len(idle) == 0 || w.moves() {
		return
	}
	for _, a := range idle {
		a.State, a.Why, a.Awaits = Held, w.resting[a.ID], w.together
		a.Waits = slices.DeleteFunc(a.Waits, func(wait string) bool { return strings.HasSuffix(a.Why, wait) })
	}
}

// moves says whether the fleet is about to be another: something is done, a pod is ending, a node may be back soon or says how big it is.
func (w *world) moves() bool {
	return slices.ContainsFunc(w.plan.Actions, func(a Action) bool { return !live.IsOwn(a.App) }) || slices.ContainsFunc(w.nodes, func(n *node) bool {
		if n.reach != answers {
			return n.reach == silent && !w.blackedOut(n)
		}
		return n.host != nil && n.host.Awaited || n.joining || slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return p.Stopping })
	})
}

// quiet are the nodes among those that fell silent together which may run pods of the workload, or have the data of its claims.
func (w *world) quiet(app manifest.ID) (names []string) {
	if len(w.together) == 0 {
		return nil
	}
	for _, p := range w.everyPod(app) {
		if w.blackedOut(p.node) {
			names = append(names, p.node.Name)
		}
	}
	if wl := find(w.want, app); wl != nil {
		for _, c := range w.claimsOf(formOf(*wl)) {
			if c.home != nil && w.blackedOut(c.home) {
				names = append(names, c.home.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (w *world) blackedOut(n *node) bool { return slices.Contains(w.together, n.Name) }

// blackout says that some of the nodes that fell silent together did so.
func (w *world) blackout(names []string) string {
	others := slices.DeleteFunc(slices.Clone(w.together), func(name string) bool { return slices.Contains(names, name) })
	switch {
	case len(others) > 0:
		return fmt.Sprintf("%s fell silent together with %s", strings.Join(names, ", "), strings.Join(others, ", "))
	case len(names) == 1: // the others are late, or it answers pings
		return names[0] + " fell silent"
	}
	return strings.Join(names, ", ") + " fell silent together"
}
