package fake

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

const (
	opening = 2 * time.Second  // from a door's begin until it has its ports
	waiting = 10 * time.Second // how long a node side waits for a door to serve by a table: then it hears that door no more
)

// Freeze has the doors that run on a host do nothing new, or go on. What they have open they serve.
func (w *World) Freeze(name string, frozen bool) {
	w.on(name, func(h *host) {
		if h.frozen, h.dropped = (time.Time{}), (time.Time{}); frozen {
			h.frozen = w.now()
		}
		h.serve(w.now())
	})
}

// Doors are those that run on a host, whether or not anybody hears so.
func (w *World) Doors(name, cluster string) (all []live.Door) {
	w.on(name, func(h *host) { all = h.doors(cluster, w.now()) })
	return all
}

// doors are what a host's node side says of the doors that run. All that have begun go by the table that the host routes by. Of those, the one of the highest
// version listens at the table's ports, but for those at which the host itself does, and the others leave.
func (h *host) doors(cluster string, now time.Time) (all []live.Door) {
	t := h.tables[cluster].has
	for name := range h.pods {
		c := h.door(name, cluster)
		if c == nil || h.drops(c, now) {
			continue
		}
		d := live.Door{Pod: name, Version: h.pods[name].read.Side}
		if h.opened(c, now) {
			d.Number = t.number()
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b live.Door) int { return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(a.Pod, b.Pod)) })
	first := slices.IndexFunc(all, func(d live.Door) bool { return d.Number > 0 })
	for i := range all {
		all[i].Leaving = first >= 0 && i > first
		if i == first && t.says.Doors != nil && slices.Contains(t.says.Doors.Nodes, t.node) {
			h.open(&all[i], t.says.Doors.Ports)
		}
	}
	slices.SortFunc(all, func(a, b live.Door) int { return cmp.Compare(a.Pod, b.Pod) })
	return all
}

func (h *host) open(d *live.Door, ports []route.DoorPort) {
	for _, p := range ports {
		if slices.Contains(h.listens, route.HostPort{Port: p.Port, Protocol: "tcp"}) {
			d.Troubles = append(d.Troubles, fmt.Sprintf("port %d: the host has it already", p.Port))
			continue
		}
		d.Ports = append(d.Ports, p.Port)
	}
}

// door is the container of a pod that is a door which runs, or nil.
func (h *host) door(name, cluster string) *container {
	p := h.pods[name]
	if p.read == nil || p.read.App != live.DoorApp || p.read.Cluster != cluster {
		return nil
	}
	if i := slices.IndexFunc(p.containers, func(c *container) bool { return c.state == live.Running }); i >= 0 {
		return p.containers[i]
	}
	return nil
}

// since is from when on a door has been frozen, by the clock of the world; never where it is not.
func (h *host) since(c *container) (time.Time, bool) {
	return h.frozen, !h.frozen.IsZero() && !c.started.Add(-h.skew).After(h.frozen)
}

// opened says whether a door has begun.
func (h *host) opened(c *container, now time.Time) bool {
	at := c.started.Add(opening - h.skew)
	since, frozen := h.since(c)
	return !now.Before(at) && !(frozen && since.Before(at))
}

// drops says whether the node side hears a frozen door no more.
func (h *host) drops(c *container, now time.Time) bool {
	at := h.drop(c, now)
	return !at.IsZero() && !now.Before(at)
}

// drop is from when on the node side does not hear a frozen door; zero where nobody knows that yet.
func (h *host) drop(c *container, now time.Time) time.Time {
	switch _, frozen := h.since(c); {
	case !frozen:
		return time.Time{}
	case h.opened(c, now):
		return h.dropped
	}
	return c.started.Add(waiting - h.skew)
}

// mute are the doors that run and are not heard, and for how long.
func (h *host) mute(cluster string, now time.Time) map[string]time.Duration {
	all := map[string]time.Duration{}
	for name := range h.pods {
		if c := h.door(name, cluster); c != nil && h.drops(c, now) {
			all[name] = now.Sub(h.drop(c, now))
		}
	}
	return all
}

// serve has the host go by a table that it was given, once no door is waited for.
func (h *host) serve(now time.Time) {
	for _, cluster := range slices.Sorted(maps.Keys(h.tables)) {
		r := h.tables[cluster]
		if r.has == r.taken || h.late || h.side(cluster) == nil || now.Before(h.awaits(cluster, r.since, now)) {
			continue
		}
		if h.dropped.IsZero() && !h.frozen.IsZero() {
			h.dropped = now
		}
		h.routes(cluster, routing{has: r.taken, taken: r.taken, told: r.told, since: r.since})
	}
}

// awaits is until when a table that was given at a time waits for frozen doors; zero where there are none.
func (h *host) awaits(cluster string, since, now time.Time) time.Time {
	for name := range h.pods {
		if c := h.door(name, cluster); c != nil && h.opened(c, now) && !h.drops(c, now) {
			if _, frozen := h.since(c); frozen {
				return since.Add(waiting)
			}
		}
	}
	return time.Time{}
}

// turns is when the next thing changes at a host's doors by itself.
func (h *host) turns(now time.Time) (next time.Time) {
	later := func(at time.Time) {
		if at.After(now) {
			next = sooner(next, at)
		}
	}
	for cluster, r := range h.tables {
		for name := range h.pods {
			if c := h.door(name, cluster); c != nil {
				later(c.started.Add(opening - h.skew))
				if _, frozen := h.since(c); frozen && !h.opened(c, now) {
					later(c.started.Add(waiting - h.skew))
				}
			}
		}
		if r.has != r.taken && !h.late {
			later(h.awaits(cluster, r.since, now))
		}
	}
	return next
}
