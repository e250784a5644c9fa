package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
)

// rebooted has the init containers of a pod run again whose host went down under it, for what they prepared in memory is gone.
// Init containers that began since are left alone.
func (v Verdict) rebooted(p live.Pod) bool {
	var fell time.Time
	for _, c := range p.Containers {
		if c.Felled() && c.Started.After(fell) {
			fell = c.Started
		}
	}
	again := false
	for _, c := range p.Containers {
		if isInit(p, c.Name) && !isSidecar(p, c.Name) && c.Ended() && !c.Started.After(fell) {
			v.Attempt[c.Name] = live.Attempt(live.Restarts(c.Attempt)+1, 0)
			again = true
		}
	}
	return again
}

// pending is what the pod's main containers wait for, or "".
func pending(p live.Pod) string {
	for n, i := range p.Init {
		at := slices.IndexFunc(p.Containers, func(c live.Container) bool { return c.Name == i.Name })
		if at < 0 {
			return "init container " + i.Name + " is not there"
		}
		switch c := p.Containers[at]; {
		case i.Sidecar && c.State == live.Running, !i.Sidecar && c.Ended():
		case c.State == live.Paused:
			return said(p, c.Name) + " is paused by somebody"
		case c.State == live.Running:
			return fmt.Sprintf("init container %s runs (%d of %d)", c.Name, n+1, len(p.Init))
		default:
			return fmt.Sprintf("%s is %s", said(p, c.Name), c.State)
		}
	}
	return ""
}

// said is a container as a reason names it.
func said(p live.Pod, name string) string {
	switch {
	case isSidecar(p, name):
		return "sidecar " + name
	case isInit(p, name):
		return "init container " + name
	}
	return "container " + name
}

// goesOn says whether the container is to run as long as the pod does.
func goesOn(p live.Pod, name string) bool { return isSidecar(p, name) || !isInit(p, name) }

func isInit(p live.Pod, name string) bool {
	return slices.ContainsFunc(p.Init, func(i live.Init) bool { return i.Name == name })
}

func isSidecar(p live.Pod, name string) bool {
	return slices.Contains(p.Init, live.Init{Name: name, Sidecar: true})
}
