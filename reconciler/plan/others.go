package plan

import (
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// Another source's doors, and what is sent to its pods. Hosts go by one table, in which a pod of a source that is neither ours nor taken over has no place. So
// none is made while one in force sends requests to such a pod, or has doors of that source serve: its Services would all be down until a person adopts it.

// leaveDoors sets doors of other sources apart.
func (w *world) leaveDoors() {
	for _, n := range w.nodes {
		all := n.doors
		n.doors = nil
		for _, p := range all {
			if w.ours(p.Source) {
				n.doors = append(n.doors, p)
			} else {
				n.otherDoors = append(n.otherDoors, p)
			}
		}
	}
}

// othersDoor is why no door of ours may be begun on a node where one of another source is.
func (n *node) othersDoor() string {
	source := n.otherDoors[0].Source
	return fmt.Sprintf("a door of source %s is there: podkeep adopt %s takes it over", source, source)
}

// yield is why no table is made for another source's sake. What is asked for here does not come into force for it.
func (w *world) yield() string {
	why := w.othersServed()
	w.plan.Yields = why != ""
	if s := w.want; why != "" && len(s.Services)+len(s.NetworkPolicies)+len(s.Ingresses)+len(s.Gateways) > 0 {
		w.note("hosts route as before: " + why)
	}
	return why
}

// othersServed says of which other source requests go to pods, or doors serve. What no trusted key signed counts only while no table in force is believed: else one
// host could hold up all the others.
func (w *world) othersServed() string {
	const what = "hosts send requests to what source %s has on %s, and would not by a table of this source: "
	if len(w.net.served) > 0 {
		if source, _, on := w.servedBy(w.net.before, w.sure); source != "" {
			return fmt.Sprintf(what+"podkeep adopt %s takes it over", source, names(on), source)
		}
		return ""
	}
	signed := func(_ *node, p live.Pod) bool { return p.Signer != "" }
	for _, n := range w.nodes {
		if source, signer, on := w.servedBy(n.Side.Serves, signed); source != "" {
			return fmt.Sprintf(what+"podkeep trust %s and podkeep adopt %s take it over", source, names(on), live.ShortKey(signer), source)
		}
	}
	return ""
}

// servedBy is the other source whose pods or doors a table serves, as far as they count, with a key that signed one, and where they are; of several the first by
// name. A table that names a pod of ours is none of another source's.
func (w *world) servedBy(t *route.Table, counts func(*node, live.Pod) bool) (source, signer string, on []string) {
	if t == nil {
		return "", "", nil
	}
	doors := t.Doors != nil && w.othersAsk(t.Doors)
	signers, nodes := map[string]string{}, map[string][]string{}
	for _, n := range w.nodes {
		served := slices.DeleteFunc(slices.Clone(n.Pods), func(p live.Pod) bool { return !w.names(t, n.Name, p.Name) })
		if doors && slices.Contains(t.Doors.Nodes, n.Name) {
			served = append(served, n.otherDoors...)
		}
		for _, p := range served {
			switch {
			case n.reach == lost || !counts(n, p):
			case w.ours(p.Source):
				return "", "", nil
			default:
				signers[p.Source], nodes[p.Source] = p.Signer, append(nodes[p.Source], n.Name)
			}
		}
	}
	if len(nodes) > 0 {
		source = sorted(nodes)[0]
	}
	return source, signers[source], slices.Compact(nodes[source])
}

// othersAsk says whether doors serve something that is not asked for here: a door of another source may serve by a table of ours.
func (w *world) othersAsk(d *route.Doors) bool {
	ours := map[string]bool{}
	for _, i := range w.want.Ingresses {
		ours[i.ID.String()] = true
	}
	for _, r := range w.want.HTTPRoutes {
		ours[r.ID.String()] = true
	}
	return slices.ContainsFunc(d.Ports, func(p route.DoorPort) bool {
		return slices.ContainsFunc(p.Hosts, func(h route.DoorHost) bool {
			return slices.ContainsFunc(h.Rules, func(r route.DoorRule) bool { return !ours[r.From] })
		})
	})
}
