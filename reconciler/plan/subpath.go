package plan

import (
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// peril is why a pod must not start on a node now: a container could put a link in the place of a subPath, which Podman follows
// whenever a container starts. HEAD alone has no such pods side by side; older forms, and pods that left HEAD, may. Stuck says that
// no time mends it.
type peril struct {
	why   string
	stuck bool
}

// perilOf says whether the pod's own form, or a pod that is on the node or is begun there by this plan, is a peril to it, or it to that pod.
// So no two such pods are ever on a node together, whichever of them starts, or starts again, first.
func (w *world) perilOf(n *node, p live.Pod, f form) peril {
	mine := mountsOf(p, f)
	for _, sub := range mine {
		for _, by := range mine {
			if by.Undermines(sub) {
				return peril{fmt.Sprintf("its container %s %s; change that in Git", by.Container, by.Threat(sub)), true}
			}
		}
	}
	mine = slices.DeleteFunc(mine, func(m manifest.Mount) bool { return !m.Shared() })
	if len(mine) == 0 {
		return peril{}
	}
	for _, other := range n.Pods {
		if other.Name == p.Name || ended(other) || !mayShare(mine, p, other) {
			continue
		}
		if why := w.between(mine, p, other); why != "" {
			stays := !other.Stopping && w.stays(w.heir(other.App))
			return peril{why + untilGone(other.Name, n.Name, stays), stays}
		}
	}
	for _, b := range n.begun {
		if why := clash(mine, p.Name, b.mounts, b.name); b.name != p.Name && why != "" {
			return peril{why: why + untilGone(b.name, n.Name, false)}
		}
	}
	return peril{}
}

// endangered says why a pod must not start on a node, or start again. One that is over starts nothing.
func (k *work) endangered(n *node, p live.Pod, f form) string {
	if live.Over(p.Restart, p.Init, p.Containers) {
		return ""
	}
	found := k.perilOf(n, p, f)
	if found.why != "" && !k.peril.stuck {
		k.peril = found
	}
	return found.why
}

// between is the peril between a pod that is to start and one that is there.
func (w *world) between(mine []manifest.Mount, p, other live.Pod) string {
	f, ok := w.form(other.App, other.Rev)
	if ok {
		return clash(mine, p.Name, mountsOf(other, f), other.Name)
	}
	i := slices.IndexFunc(mine, func(m manifest.Mount) bool {
		return m.SubPath != "" && mayShare([]manifest.Mount{m}, p, other)
	})
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("%s may mount %s and replace subPath %s of it: its form is neither in Git nor on a node", other.Name, mine[i].Of, mine[i].SubPath)
}

// mayShare says whether the other pod can have any of the mounts: a claim is its namespace's.
func mayShare(mine []manifest.Mount, p, other live.Pod) bool {
	return other.App.Namespace == p.App.Namespace || slices.ContainsFunc(mine, func(m manifest.Mount) bool { return m.Of == manifest.TheNode })
}

// clash is what one of two pods could do to a subPath of the other.
func clash(mine []manifest.Mount, me string, theirs []manifest.Mount, them string) string {
	for _, a := range mine {
		for _, b := range theirs {
			switch {
			case b.Undermines(a):
				return them + " " + b.Threat(a)
			case a.Undermines(b):
				return me + " " + a.Threat(b) + ", which " + them + " has"
			}
		}
	}
	return ""
}

// untilGone says how the peril from a pod ends.
func untilGone(pod, node string, stays bool) string {
	if stays {
		return fmt.Sprintf("; remove %s from %s by hand, or give the two a volume each", pod, node)
	}
	return fmt.Sprintf("; waits until %s is gone", pod)
}

// stays says whether pods of a workload, if they are not those that HEAD asks for, go only when somebody does something.
func (w *world) stays(app manifest.ID) bool {
	if wl := find(w.want, app); wl != nil {
		return wl.Suspended || w.failed(wl) != ""
	}
	return w.h.Head.Failed(app) != "" || w.unpruned(w.doubtful(app)) != "" || w.keepsPods(app) != ""
}

// ended says that nothing of the pod runs, or ever will.
func ended(p live.Pod) bool {
	return len(p.Containers) == len(p.Expect) && live.Over(p.Restart, p.Init, p.Containers) &&
		!slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.State == live.Running || c.State == live.Paused })
}

func mountsOf(p live.Pod, f form) []manifest.Mount {
	r := f.Revision
	if p.App.Kind == "Job" {
		r = live.JobForm(r, p, true)
	}
	return r.Mounts(p.Name)
}

// begun is a pod that this plan runs on a node.
type begun struct {
	name   string
	mounts []manifest.Mount
}
