package fake

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
)

// Of the node side a host has only what can be seen of it: whether its pod runs, which pods it was told to tend, and what their probes come to,
// which their images decide. It ends a container that hangs. What it starts again, who tells the story has to play.

// forever is longer than any story.
const forever = 1 << 60

// Tend tells the node side of a host which pods of a source to look after, if it is heard. It is a write where that is another word than before.
func (w *World) Tend(name, cluster, source string, tend live.Tend) {
	w.on(name, func(h *host) {
		key := cluster + "/" + source
		had, told := h.tends[key]
		if h.cut || h.down || h.isDeaf(h.side(cluster)) || told && had.Equal(tend) {
			return
		}
		h.tends = maps.Clone(h.tends)
		if h.tends == nil {
			h.tends = map[string]live.Tend{}
		}
		h.tends[key] = tend
		w.writes++
	})
}

// Deaf has nobody hear the node side of a host, until it is heard again or begun anew. It goes on as before.
func (w *World) Deaf(name string, deaf bool) {
	w.on(name, func(h *host) {
		if h.deaf = (time.Time{}); deaf {
			h.deaf = w.now()
		}
	})
}

// Tended are the pods that the node side of a host looks after, with what their probes come to; none while it does not run.
func (w *World) Tended(name, cluster string) (pods []live.Pod) {
	n := w.Truth(name, cluster)
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[name]
	if h == nil || h.down {
		return nil
	}
	tended := h.busy(cluster)
	return slices.DeleteFunc(n.Pods, func(p live.Pod) bool { return !slices.Contains(tended, p.Name) })
}

// side is the node side's pod, if it runs.
func (h *host) side(cluster string) *pod {
	for _, p := range h.pods {
		if p.read != nil && p.read.App == live.SideApp && p.read.Cluster == cluster &&
			slices.ContainsFunc(p.containers, func(c *container) bool { return c.state == live.Running }) {
			return p
		}
	}
	return nil
}

// isDeaf says whether nobody hears a node side.
func (h *host) isDeaf(side *pod) bool {
	return side == nil || !h.deaf.IsZero() && !side.created.Add(-h.skew).After(h.deaf)
}

// tended are the pods that it was told to tend, that are there, and whose form is.
func (h *host) tended(cluster string) (names []string) { return h.tending(cluster, false) }

// busy are those of them to which it does more than probe them.
func (h *host) busy(cluster string) (names []string) { return h.tending(cluster, true) }

func (h *host) tending(cluster string, busy bool) (names []string) {
	if h.side(cluster) == nil {
		return nil
	}
	for key, tend := range h.tends {
		if !strings.HasPrefix(key, cluster+"/") {
			continue
		}
		for _, name := range tend.Pods {
			if p := h.pods[name]; p != nil && !(busy && slices.Contains(tend.Idle, name)) && p.read != nil && h.formed(p) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (h *host) formed(p *pod) bool {
	for _, f := range h.files {
		if f.whole && f.labels[live.LabelObject] != "" && f.labels[live.LabelRev] == p.read.Rev && f.labels[live.LabelApp] == p.read.App.String() {
			return true
		}
	}
	return false
}

// hang ends the tended containers whose liveness probe fails.
func (h *host) hang(now time.Time) {
	for _, p := range h.pods {
		for _, c := range p.containers {
			if at := h.hangs(p, c); !at.IsZero() && !now.Before(at) {
				c.end(h.stamp(now), 137)
			}
		}
	}
}

// hangs is from when on a tended container's liveness probe fails.
func (h *host) hangs(p *pod, c *container) time.Time {
	if c.is.Hangs == 0 || c.state != live.Running || !has(p, c, "liveness") || !slices.Contains(h.busy(p.read.Cluster), p.name) {
		return time.Time{}
	}
	return c.started.Add(c.is.Hangs - h.skew)
}

func has(p *pod, c *container, probe string) bool {
	return p.read != nil && slices.Contains(strings.Split(p.read.Birth.Probes[c.name], "+"), probe)
}

// probed is what the probes of a pod's containers come to, and when the next of that changes.
func (h *host) probed(p *pod, now time.Time) (all []live.Probed, next time.Time) {
	for _, c := range p.containers {
		if c.state != live.Running || p.read == nil || p.read.Birth.Probes[c.name] == "" {
			continue
		}
		w, at := c.probed(has(p, c, "startup"), has(p, c, "readiness"), c.started.Add(-h.skew), now)
		all = append(all, w)
		next = sooner(next, at)
	}
	slices.SortFunc(all, func(a, b live.Probed) int { return strings.Compare(a.Container, b.Container) })
	return all, next
}

// flaps is how often a container is ready and not ready before it is ready for good.
const flaps = 4

func (c *container) probed(startup, readiness bool, began, now time.Time) (w live.Probed, next time.Time) {
	w = live.Probed{Container: c.name, ID: c.id, Since: began}
	opens, readies := began, began
	if startup {
		opens = began.Add(c.is.Opens)
	}
	if readies = opens; readiness && began.Add(c.is.Readies).After(opens) {
		readies = began.Add(c.is.Readies)
	}
	w.Started, w.Ready = !now.Before(opens), !now.Before(readies)
	switch {
	case !w.Started:
		w.Why = "startup probe: connection refused"
		return w, opens
	case !w.Ready:
		w.Why = "readiness probe: 503"
		return w, readies
	}
	w.Since = readies
	if turn := c.is.Flaps; readiness && turn > 0 {
		n := min(now.Sub(readies)/turn, 2*flaps)
		w.Since = readies.Add(n * turn)
		if n < 2*flaps {
			next = w.Since.Add(turn)
		}
		if w.Ready = n%2 == 0; !w.Ready {
			w.Why = "readiness probe: 503"
		}
	}
	return w, next
}

// says lays over a host's list what its node side says.
func (h *host) says(n *live.Node, cluster string, now time.Time) {
	side := h.side(cluster)
	switch {
	case side == nil:
		return
	case h.isDeaf(side):
		n.Side = live.Side{Silent: max(now.Sub(h.deaf), time.Nanosecond), Why: "connection refused"}
		return
	}
	n.Side = live.Side{Version: side.read.Side, Tends: h.busy(cluster), Doors: h.doors(cluster, now), Mute: h.mute(cluster, now)}
	probed := h.tended(cluster)
	for i := range n.Pods {
		if p := &n.Pods[i]; slices.Contains(probed, p.Name) {
			p.Probed, _ = h.probed(h.pods[p.Name], now)
		}
	}
}

// sooner is the earlier of two times, either of which may be none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
