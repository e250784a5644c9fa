package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Mount is one volumeMount of a pod: which directory of what its container sees, and whether it may write there. Files of ConfigMaps
// and Secrets, and what the downward API writes, are not among mounts: no container can write them.
type Mount struct {
	Container, Path string // the container, and where it has the volume
	Of              string // what holds the directory: volume NAME, claim NAMESPACE/NAME or the node
	SubPath         string // as the manifest writes it, or ""
	Writable        bool
	dirs            []string // the way from Of to the directory
	field           string   // of the spec: containers[0].volumeMounts[1].subPath
}

// Shared says whether other pods may mount what it is of.
func (m Mount) Shared() bool { return !strings.HasPrefix(m.Of, "volume ") }

// anyPod stands for the name of a pod that nobody knows yet. A directory whose name holds it may be any directory.
const anyPod = "\x00"

// Undermines says whether the container of m can put a symbolic link in the place of a directory on the way to sub, which has a
// subPath. Podman would follow it when sub's container starts, out of the volume and to anywhere on the node. That is so where
// m may write to a directory above sub's own. What m does beside or below that, or in that very directory, is harmless.
func (m Mount) Undermines(sub Mount) bool {
	if sub.SubPath == "" || !m.Writable || m.Of != sub.Of || len(m.dirs) >= len(sub.dirs) {
		return false
	}
	for i, dir := range m.dirs {
		if dir != sub.dirs[i] && !strings.Contains(dir+sub.dirs[i], anyPod) {
			return false
		}
	}
	return true
}

// Threat is what m, which undermines sub, can do, as the second half of a sentence.
func (m Mount) Threat(sub Mount) string {
	return fmt.Sprintf("mounts %s at %s and may write there: it could put a link to anywhere on the node in the place of %s",
		m.said(), m.Path, sub.said())
}

func (m Mount) said() string {
	switch dir := strings.Join(m.dirs, "/"); {
	case m.Of == TheNode:
		return "/" + strings.ReplaceAll(dir, anyPod, "NAME") + " of the node"
	case m.SubPath != "":
		return "subPath " + m.SubPath + " of " + m.Of
	}
	return "all of " + m.Of
}

// TheNode is what a hostPath is of.
const TheNode = "the node"

// Mounts are the mounts of the pod of that name.
func (r Revision) Mounts(name string) (all []Mount) {
	of := map[string]corev1.Volume{}
	for _, v := range r.Spec.Volumes {
		of[v.Name] = v
	}
	written := slices.Concat(r.Spec.InitContainers, r.Spec.Containers)
	spec := r.Spec
	if slices.ContainsFunc(written, expresses) {
		spec = r.Pod(name, nil, nil).Spec
	}
	n := 0
	eachContainer("", &spec, func(at string, k *corev1.Container) {
		for i, m := range k.VolumeMounts {
			expr := written[n].VolumeMounts[i].SubPathExpr
			if mount, ok := r.mount(of[m.Name], m, expr); ok {
				mount.Container, mount.field = k.Name, under(item(under(at, "volumeMounts"), i), fieldOf(expr))
				all = append(all, mount)
			}
		}
		n++
	})
	return all
}

// expresses says whether a subPath of the container may differ from pod to pod.
func expresses(k corev1.Container) bool {
	return slices.ContainsFunc(k.VolumeMounts, func(m corev1.VolumeMount) bool { return m.SubPathExpr != "" })
}

func fieldOf(expr string) string {
	if expr != "" {
		return "subPathExpr"
	}
	return "subPath"
}

// mount is a mount of a volume in which containers can make links; any other is not ok.
func (r Revision) mount(v corev1.Volume, m corev1.VolumeMount, expr string) (Mount, bool) {
	below := path.Clean("/" + m.SubPath)
	out := Mount{Path: m.MountPath, Writable: !m.ReadOnly}
	if below != "/" {
		out.SubPath = or(expr, m.SubPath)
	}
	switch {
	case v.Secret != nil || v.DownwardAPI != nil:
		return out, false
	case v.HostPath != nil:
		out.Of, below = TheNode, path.Join("/", v.HostPath.Path, below)
	case v.PersistentVolumeClaim != nil:
		out.Of = "claim " + r.App.Namespace + "/" + v.PersistentVolumeClaim.ClaimName
		out.Writable = out.Writable && !v.PersistentVolumeClaim.ReadOnly
	default:
		out.Of = "volume " + v.Name
	}
	if below != "/" {
		out.dirs = strings.Split(below[1:], "/")
	}
	return out, true
}

// besideIt is what to write instead.
const besideIt = "mount the volume whole here and use a path in it, or write readOnly: true there, or give each a volume, or a subPath beside the other's, of its own"

// mounted are the shared mounts of a workload's pods. at is the path of their spec in the object.
type mounted struct {
	Meta
	at     string
	mounts []Mount
}

// checkMounts refuses a subPath that a container of the same workload undermines. What is shared is remembered.
func (a *assembly) checkMounts(c *check, m Meta, r Revision, at string) {
	all := r.Mounts(anyPod)
	for _, sub := range all {
		if i := slices.IndexFunc(all, func(by Mount) bool { return by.Undermines(sub) }); i >= 0 {
			by := all[i]
			c.refuse(under(at, sub.field), "container %s, line %d, %s; %s", by.Container, c.at(above(under(at, by.field))), by.Threat(sub), besideIt)
		}
	}
	if shared := slices.DeleteFunc(all, func(m Mount) bool { return !m.Shared() }); len(shared) > 0 {
		a.mounted[m.ID] = mounted{m, at, shared}
	}
}

// writer is a mount of a workload by which things can be replaced.
type writer struct {
	Meta
	Mount
}

// writers are all shared mounts that can be written, by what they are of.
func (a *assembly) writers() map[string][]writer {
	all := map[string][]writer{}
	for _, w := range a.set.Workloads {
		for _, m := range a.mounted[w.ID].mounts {
			if m.Writable {
				all[m.Of] = append(all[m.Of], writer{w.Meta, m})
			}
		}
	}
	return all
}

// undermined refuses a subPath of a workload that pods of another one undermine.
func (a *assembly) undermined(c *check, w mounted, writers map[string][]writer) {
	for _, sub := range w.mounts {
		others := writers[sub.Of]
		if i := slices.IndexFunc(others, func(by writer) bool { return by.ID != w.ID && by.Undermines(sub) }); i >= 0 {
			by := others[i]
			c.refuse(under(w.at, sub.field), "container %s of %s, %s, %s; %s", by.Container, by.ID.said(), by.Origin, by.Threat(sub), besideIt)
		}
	}
}
