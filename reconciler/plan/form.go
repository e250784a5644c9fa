package plan

import (
	"cmp"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// form is what pods of one revision are made of, and the content of its config as far as it can be had.
type form struct {
	manifest.Revision
	config map[string]manifest.File
}

func formOf(wl manifest.Workload) form {
	f := form{Revision: wl.Revision, config: map[string]manifest.File{}}
	for _, file := range wl.Config {
		f.config[file.Name] = file
	}
	return f
}

// form finds a revision of a workload, or of one whose heir it is.
func (w *world) form(app manifest.ID, rev string) (form, bool) {
	for _, of := range append([]manifest.ID{app}, w.predecessors(app)...) {
		if f, ok := w.formOf(of, rev); ok {
			return f, true
		}
	}
	return form{}, false
}

// formOf finds a revision: in HEAD, in those commits that live pods and receipts name from which HEAD descends, and at last in what was put on
// the nodes, under a trusted key, with the revision's first pod.
func (w *world) formOf(app manifest.ID, rev string) (form, bool) {
	if f, ok := formIn(w.want, app, rev); ok {
		return f, true
	}
	for _, commit := range sorted(w.h.At) {
		if f, ok := formIn(w.h.At[commit], app, rev); ok && w.h.Ancestor[commit] {
			return f, true
		}
	}
	return w.formOnNode(app, rev)
}

func formIn(set manifest.Set, app manifest.ID, rev string) (form, bool) {
	if wl := find(set, app); wl != nil && wl.Revision.Rev == rev {
		return formOf(*wl), true
	}
	return form{}, false
}

// find is the workload of that ID in a set, or nil. Sets are sorted by ID.
func find(set manifest.Set, app manifest.ID) *manifest.Workload {
	i := sort.Search(len(set.Workloads), func(i int) bool { return !set.Workloads[i].ID.Less(app) })
	if i < len(set.Workloads) && set.Workloads[i].ID == app {
		return &set.Workloads[i]
	}
	return nil
}

func (w *world) formOnNode(app manifest.ID, rev string) (form, bool) {
	if w.onNodes == nil {
		w.onNodes = map[revision][]live.File{}
		for _, n := range w.nodes {
			for _, file := range n.Files {
				if isForm(file) && w.trusts(file.Signer) {
					w.onNodes[revisionOf(file)] = append(w.onNodes[revisionOf(file)], file)
				}
			}
		}
		for _, files := range w.onNodes { // of several keys that say what it is our own counts first
			slices.SortStableFunc(files, func(a, b live.File) int {
				return cmp.Or(last(a.Signer != w.h.Key, b.Signer != w.h.Key), cmp.Compare(a.Name, b.Name))
			})
		}
	}
	for _, file := range w.onNodes[revision{app.String(), rev}] {
		if r, ok := live.ParseForm(file.Labels); ok {
			return form{Revision: r}, true
		}
	}
	return form{}, false
}

// lacking are the config Files of the form whose content is nowhere to be had.
func (f form) lacking() []string {
	var names []string
	for _, name := range f.Files {
		if _, ok := f.config[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

// revFile is the File that keeps a revision's form on the nodes.
func (w *world) revFile(f form) manifest.File {
	name := live.RevFile(f.App, f.Rev, w.h.Key)
	file, ok := w.forms[name]
	if !ok {
		file = manifest.File{Name: name, Labels: live.FormLabelsBy(&w.packer, f.Revision, w.h.Cluster, w.h.Source), Data: manifest.Bytes(name)}
		w.forms[name] = file
	}
	return file
}

// auth is what its images can be pulled with, as far as it is at hand.
func (f form) auth() (all []manifest.Bytes) {
	for _, ref := range f.Spec.ImagePullSecrets {
		if file, ok := f.config[ref.Name]; ok {
			all = append(all, file.Data)
		}
	}
	return all
}

// contents are those of the form's Files that are known.
func (f form) contents() (all []manifest.Bytes) {
	for _, name := range f.Files {
		if file, ok := f.config[name]; ok {
			all = append(all, file.Data)
		}
	}
	return all
}

// requests are what a pod reserves, as in Kubernetes: what its containers and sidecars request together, or what an init
// container requests beside the sidecars that run before it, whichever is more. Requests default to limits.
func requests(spec corev1.PodSpec) manifest.Resources {
	var sidecars, most manifest.Resources
	for _, c := range spec.InitContainers {
		at := add(sidecars, requestsOf(c))
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars = at
		}
		most = larger(most, at)
	}
	sum := sidecars
	for _, c := range spec.Containers {
		sum = add(sum, requestsOf(c))
	}
	return larger(most, sum)
}

func requestsOf(c corev1.Container) manifest.Resources {
	return manifest.Resources{
		MilliCPU: quantity(c.Resources, corev1.ResourceCPU), Memory: quantity(c.Resources, corev1.ResourceMemory),
	}
}

func add(a, b manifest.Resources) manifest.Resources {
	return manifest.Resources{MilliCPU: a.MilliCPU + b.MilliCPU, Memory: a.Memory + b.Memory}
}

func larger(a, b manifest.Resources) manifest.Resources {
	return manifest.Resources{MilliCPU: max(a.MilliCPU, b.MilliCPU), Memory: max(a.Memory, b.Memory)}
}

func quantity(r corev1.ResourceRequirements, name corev1.ResourceName) int64 {
	q, ok := r.Requests[name]
	if !ok {
		q = r.Limits[name]
	}
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}
