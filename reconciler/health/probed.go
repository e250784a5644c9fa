package health

import (
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
)

// Word is what the node side says of a container that has probes. ok is false while it has said nothing of it.
func Word(p live.Pod, c live.Container) (w live.Probed, ok bool) {
	i := slices.IndexFunc(p.Probed, func(w live.Probed) bool { return w.Container == c.Name && w.ID == c.ID })
	if i < 0 {
		return live.Probed{}, false
	}
	return p.Probed[i], true
}

// Serves says whether a container runs and its probes, if it has any, say that it is ready.
func Serves(p live.Pod, c live.Container) bool {
	if p.Birth.Probes[c.Name] == "" {
		return c.State == live.Running
	}
	w, ok := Word(p, c)
	return c.State == live.Running && ok && w.Ready
}

// givenUp is what a probe came to that had the container ended, to be added to how it ended.
func givenUp(p live.Pod, c live.Container) string {
	if w, ok := Word(p, c); ok && w.Ending != "" {
		return " (" + w.Why + ")"
	}
	return ""
}

// heldBack is the verdict on a pod of which a container waits though its turn has come: the startup probe of a sidecar before it has not
// succeeded. It has no State when nothing is held back.
func heldBack(p live.Pod, due string, now time.Time) (v Verdict) {
	for _, i := range p.Init {
		if i.Name == due {
			break
		}
		at := slices.IndexFunc(p.Containers, func(c live.Container) bool { return c.Name == i.Name })
		if at < 0 || !i.Sidecar || !has(p, i.Name, Startup) {
			continue
		}
		if v.State, v.Since, v.Why = probed(p, p.Containers[at], now); v.State == Starting || v.State == Unheard {
			return v
		}
	}
	return Verdict{}
}

// probed judges a container that runs and has probes. at is since when it is so.
func probed(p live.Pod, c live.Container, now time.Time) (s State, at time.Time, why string) {
	w, ok := Word(p, c)
	why = said(p, c.Name) + ": " + unready(p, w, ok)
	if at = w.Since; !ok {
		at = c.Started
	}
	if at.After(now) { // by a clock that was corrected since
		at = now
	}
	switch {
	case !ok && p.Unprobed == "":
		return Unheard, at, why
	case !ok || !w.Started:
		return Starting, at, why
	case !w.Ready:
		return Unready, at, why
	case !has(p, c.Name, Startup) && !has(p, c.Name, Readiness):
		at = c.Started.Add(Settle)
	}
	return Ready, at, ""
}

// unready says why a container with probes is not ready.
func unready(p live.Pod, w live.Probed, ok bool) string {
	switch {
	case ok && w.Why != "":
		return w.Why
	case ok && w.Started:
		return "its readiness probe has not succeeded yet"
	case ok:
		return "its startup probe has not succeeded yet"
	case p.Unprobed != "":
		return p.Unprobed
	case p.Unheard:
		return "the node side is not heard"
	}
	return "the node side has said nothing of it yet"
}

// has says whether a container has a probe of that kind.
func has(p live.Pod, container, kind string) bool {
	return slices.Contains(strings.Split(p.Birth.Probes[container], "+"), kind)
}
