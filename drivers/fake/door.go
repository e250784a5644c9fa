package fake

import (
	"cmp"
	"slices"

	"github.com/podkeep/podkeep/live"
)

// doors are what a host's node side says of the doors that run. All go by the table that the host routes by. The one of the highest version listens at its ports,
// and the others leave.
func (h *host) doors(cluster string) (all []live.Door) {
	t := h.tables[cluster].has
	for _, p := range h.pods {
		if p.read == nil || p.read.App != live.DoorApp || p.read.Cluster != cluster || !slices.ContainsFunc(p.containers, func(c *container) bool { return c.state == live.Running }) {
			continue
		}
		all = append(all, live.Door{Pod: p.name, Version: p.read.Side, Number: t.number()})
	}
	slices.SortFunc(all, func(a, b live.Door) int { return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(a.Pod, b.Pod)) })
	for i := range all {
		all[i].Leaving = i > 0
		if i == 0 && t.says != nil && t.says.Doors != nil && slices.Contains(t.says.Doors.Nodes, t.node) {
			for _, p := range t.says.Doors.Ports {
				all[i].Ports = append(all[i].Ports, p.Port)
			}
		}
	}
	slices.SortFunc(all, func(a, b live.Door) int { return cmp.Compare(a.Pod, b.Pod) })
	return all
}
