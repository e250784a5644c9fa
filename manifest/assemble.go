package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

// Assemble makes a Set of all manifest files of one commit: it refuses what is there twice, resolves references to ConfigMaps
// and Secrets, and renders revisions. The order of files does not matter. An object with a Problem is left out; its neighbours stay.
func Assemble(info Info, files []Parsed) Set {
	a := &assembly{
		set: Set{
			Commit: info.Commit, Parent: info.Parent, Time: info.Time, Author: info.Author,
			failed: map[ID]string{}, held: map[string][]ID{}, foreign: map[string]foreign{},
		},
		origins: map[ID]Origin{}, configs: map[ID]config{}, suspended: map[string]bool{}, stems: map[string]Meta{},
		bound: map[ID]string{}, claimants: map[string][]ID{}, disks: map[string]*corev1.PersistentVolume{},
		exclusive: map[ID]bool{}, users: map[ID]ID{}, mounted: map[ID]mounted{}, ways: map[string][]Meta{}, unled: map[ID]Meta{}, once: map[ID]bool{},
		room: maxVariables, admission: info.Admission,
	}
	a.set.Subject, _, _ = strings.Cut(strings.TrimSpace(info.Message), "\n")
	a.set.AllowPrune = allowsPrune(info.Message)
	files = slices.Clone(files)
	slices.SortFunc(files, func(x, y Parsed) int { return cmp.Compare(x.Path, y.Path) })
	files = untemplated(kustomized(files))
	objects := a.collect(files)
	for _, o := range objects {
		m := o.Meta
		m.Commit = info.Commit
		m.Suspended = m.Suspended || a.suspended[m.Namespace]
		o.kind.add(a, m, o)
	}
	a.set.origins = a.origins
	a.together(objects)
	a.digest()
	a.sort()
	return a.set
}

// assembly is a Set in the making.
type assembly struct {
	set        Set
	origins    map[ID]Origin
	configs    map[ID]config
	suspended  map[string]bool // namespaces
	stems      map[string]Meta // what pods are called but for rev and slot
	ranges     []podRange
	bound      map[ID]string   // the PersistentVolume that a claim names
	claimants  map[string][]ID // and the claims that name one
	disks      map[string]*corev1.PersistentVolume
	exclusive  map[ID]bool    // claims for one pod at a time
	once       map[ID]bool    // those and others that are not made to be shared
	users      map[ID]ID      // the workload that has such a claim
	mounted    map[ID]mounted // what others may mount too
	leads      []lead
	unled      map[ID]Meta // Deployments over which a Rollout stands that does not load
	ways       map[string][]Meta
	unreadable string // a file that may hold anything
	admission  Admission
	room       int // bytes that further variables and files of volumes may take, see maxVariables
}

// collect gathers the objects, without those that are there twice, and what others need to know of them.
func (a *assembly) collect(files []Parsed) []*object {
	var all []*object
	for _, f := range files {
		if len(all)+len(f.objects) > maxTogether {
			text := fmt.Sprintf("there are more than %d objects in the manifests, so this file's are not read: split them over several --path", maxTogether)
			f = Parsed{Path: f.Path, Problems: []Problem{{Origin: Origin{f.Path, 1}, Text: text}}}
		}
		a.set.Problems = append(a.set.Problems, f.Problems...)
		if isSigners(f.Path) {
			a.addSigners(f)
			continue
		}
		a.set.Files = append(a.set.Files, f.Path)
		if f.foreign != nil {
			a.set.foreign[f.Path] = *f.foreign
		}
		for _, id := range f.failed {
			a.set.failed[id] = f.Path
		}
		maps.Copy(a.unled, f.unled)
		if a.unreadable == "" && slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Object == "" && p.breaks() }) {
			a.unreadable = f.Path
		}
		for i := range f.objects {
			all = append(all, &f.objects[i])
		}
	}
	return a.single(all)
}

// single leaves out those of which there are two, both: nobody can tell which is meant.
func (a *assembly) single(all []*object) (single []*object) {
	of := map[ID][]*object{}
	for _, o := range all {
		of[o.ID] = append(of[o.ID], o)
	}
	for _, o := range all {
		if o.Kind == "Namespace" && o.Suspended {
			a.suspended[o.Name] = true
		}
		same := of[o.ID]
		if len(same) == 1 {
			a.register(o)
			single = append(single, o)
			continue
		}
		c, other := o.check(), same[0]
		if other == o {
			other = same[1]
		}
		c.refuse("metadata.name", "%s is in %s too, so neither counts; remove one of them", o.ID.said(), other.Origin)
		a.fail(o, c)
		a.origins[o.ID] = o.Origin
	}
	return single
}

func (a *assembly) register(o *object) {
	a.origins[o.ID] = o.Origin
	a.set.held[o.File] = append(a.set.held[o.File], o.ID)
	if cfg, ok := configOf(o); ok {
		a.configs[o.ID] = cfg
	}
	switch t := o.typed.(type) {
	case *corev1.PersistentVolumeClaim:
		a.exclusive[o.ID], a.once[o.ID] = Claim{Object: t}.Exclusive(), Claim{Object: t}.Once()
		if name := t.Spec.VolumeName; name != "" {
			a.bound[o.ID], a.claimants[name] = name, append(a.claimants[name], o.ID)
		}
	case *corev1.PersistentVolume:
		a.disks[o.Name] = t
	}
}

// fail leaves the object out.
func (a *assembly) fail(o *object, c *check) {
	a.set.failed[o.ID] = o.File
	if r, is := o.typed.(*argo.Rollout); is && r.Spec.WorkloadRef != nil {
		a.unled[deploymentOf(o.Meta, r.Spec.WorkloadRef.Name)] = o.Meta
	}
	a.set.Problems = append(a.set.Problems, o.kind.losing(c)...)
}

// workload renders what becomes pods.
func (a *assembly) workload(m Meta, o *object, p pods, replicas int, strategy Strategy) {
	c := o.check()
	a.distinct(c, m)
	a.claims(c, m, p, replicas, strategy)
	p.meta.Annotations = without(p.meta.Annotations, lastApplied)
	r := Revision{App: m.ID, Commit: m.Commit, Labels: p.meta.Labels, Annotations: p.meta.Annotations, Probes: probesOf(p.spec)}
	s := &sources{check: c, assembly: a, namespace: m.Namespace, pod: r, used: map[string]string{}, files: map[string]File{}, auths: map[string]File{}}
	r.Spec = s.render(p)
	r.Rev, r.Files = revOf(m.ID, p, s.used), sorted(s.files)
	if !c.broken() {
		r.checkSubPaths(c, under(p.at, "spec"))
	}
	if !c.broken() {
		a.checkMounts(c, m, r, under(p.at, "spec"))
	}
	if c.broken() {
		a.fail(o, c)
		return
	}
	w := Workload{
		Meta: m, Replicas: replicas, Strategy: strategy, Object: o.typed, Revision: r, secrets: s.secrets(),
		PruneDisabled: m.Annotations[AnnotationPrune] == "disabled", without: s.without,
	}
	for _, name := range w.Revision.Files {
		w.Config = append(w.Config, s.files[name])
	}
	for _, name := range sorted(s.auths) {
		if _, both := s.files[name]; !both {
			w.Config = append(w.Config, s.auths[name])
		}
	}
	w.setRev(r.Rev)
	if w.Revision.checkForm(c, under(p.at, "spec")); c.broken() {
		a.fail(o, c)
		return
	}
	a.set.Workloads = append(a.set.Workloads, w)
	a.set.Problems = append(a.set.Problems, c.found...)
}

// together refuses objects for what stands in others: what only one can have; an order in which they would wait for ever; and a subPath that
// is not safe from another's pods.
func (a *assembly) together(objects []*object) {
	byID := map[ID]*object{}
	for _, o := range objects {
		byID[o.ID] = o
	}
	refused := map[ID]bool{}
	writers := a.writers()
	a.services(byID)
	a.endpoints(byID)
	a.gateways(byID)
	a.lead()
	a.rollouts(byID)
	a.holdUnled()
	a.set.Nodes = slices.DeleteFunc(a.set.Nodes, func(n Node) bool {
		c := byID[n.ID].check()
		a.ownWay(c, n)
		a.ownRange(c, n)
		a.admittedAt(c, n)
		if len(c.found) > 0 {
			a.fail(byID[n.ID], c)
		}
		return len(c.found) > 0
	})
	for _, w := range slices.Clone(a.set.Workloads) {
		c := byID[w.ID].check()
		a.orderOne(c, w, byID)
		a.undermined(c, a.mounted[w.ID], writers)
		a.secure(c, w)
		if c.broken() {
			a.fail(byID[w.ID], c)
			refused[w.ID] = true
			continue
		}
		a.set.Problems = append(a.set.Problems, c.found...)
	}
	a.set.Workloads = slices.DeleteFunc(a.set.Workloads, func(w Workload) bool { return refused[w.ID] })
}

// distinct refuses a workload whose pods could have the names of another's: a Pod's and a Deployment's of one name, and those of Job a beside
// Deployment a of namespace job.
func (a *assembly) distinct(c *check, m Meta) {
	if other, taken := a.stems[m.Short()]; taken {
		c.refuse("metadata.name", "its pods would have the names of %s's, %s; rename one of them", other.ID, other.Origin)
		return
	}
	a.stems[m.Short()] = m
}

// node adds a Node.
func (a *assembly) node(n Node) {
	a.set.Nodes = append(a.set.Nodes, n)
	a.ways[n.Way()] = append(a.ways[n.Way()], n.Meta)
	if prefix, err := netip.ParsePrefix(n.PodCIDR); err == nil {
		a.ranges = append(a.ranges, podRange{n.Meta, prefix})
	}
}

// ownWay refuses a Node that is reached as another is.
func (a *assembly) ownWay(c *check, n Node) {
	for _, other := range a.ways[n.Way()] {
		if other.ID != n.ID {
			c.refuse("spec.providerID", "is %s's too, %s: one host is one Node, so neither counts; remove one of them, or write where this one is", other.ID.said(), other.Origin)
			return
		}
	}
}

// podRange is the range that a Node names for its pods.
type podRange struct {
	Meta
	netip.Prefix
}

// ownRange refuses a Node whose pods could have the addresses of another's.
func (a *assembly) ownRange(c *check, n Node) {
	prefix, err := netip.ParsePrefix(n.PodCIDR)
	if err != nil { // it names none
		return
	}
	for _, other := range a.ranges {
		if other.ID != n.ID && other.Overlaps(prefix) {
			c.refuse("spec.podCIDR", "%s overlaps %s of %s, %s, so neither counts; give each Node its own range", prefix, other.Prefix, other.ID.said(), other.Origin)
			return
		}
	}
}

func (a *assembly) sort() {
	sortByID(a.set.Namespaces, func(x Namespace) ID { return x.ID })
	sortByID(a.set.Nodes, func(x Node) ID { return x.ID })
	sortByID(a.set.Workloads, func(x Workload) ID { return x.ID })
	sortByID(a.set.ConfigMaps, func(x ConfigMap) ID { return x.ID })
	sortByID(a.set.Secrets, func(x Secret) ID { return x.ID })
	sortByID(a.set.Claims, func(x Claim) ID { return x.ID })
	sortByID(a.set.Services, func(x Service) ID { return x.ID })
	sortByID(a.set.Endpoints, func(x Endpoints) ID { return x.ID })
	sortByID(a.set.NetworkPolicies, func(x NetworkPolicy) ID { return x.ID })
	sortByID(a.set.Ingresses, func(x Ingress) ID { return x.ID })
	sortByID(a.set.IngressClasses, func(x IngressClass) ID { return x.ID })
	sortByID(a.set.GatewayClasses, func(x GatewayClass) ID { return x.ID })
	sortByID(a.set.Gateways, func(x Gateway) ID { return x.ID })
	sortByID(a.set.HTTPRoutes, func(x HTTPRoute) ID { return x.ID })
	sortByID(a.set.ReferenceGrants, func(x ReferenceGrant) ID { return x.ID })
	sortByPlace(a.set.Problems)
}

func sortByPlace(all []Problem) {
	slices.SortStableFunc(all, func(x, y Problem) int {
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
	})
}

func sortByID[T any](list []T, id func(T) ID) {
	slices.SortFunc(list, func(x, y T) int { return compareID(id(x), id(y)) })
}

// allowsPrune says whether the message ends in a block of trailers that has Allow-Prune: yes.
func allowsPrune(message string) bool {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(message, "\r\n", "\n")), "\n")
	for i := len(lines) - 1; i > 0 && strings.TrimSpace(lines[i]) != ""; i-- {
		key, value, _ := strings.Cut(lines[i], ":")
		if strings.EqualFold(key, "Allow-Prune") && strings.EqualFold(strings.TrimSpace(value), "yes") {
			return hasBody(lines[:i])
		}
	}
	return false
}

// hasBody says whether a blank line stands above: the subject is no trailer.
func hasBody(lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "" })
}

// short is a commit as people write it.
func short(commit string) string { return commit[:min(7, len(commit))] }

// said is the ID as a reason names it: without a namespace where there is none.
func (id ID) said() string { return strings.Replace(id.String(), "//", "/", 1) }

// brief is the problem without its place.
func (p Problem) brief() string {
	return strings.TrimPrefix(p.Error(), fmt.Sprintf("%s: ", p.Origin))
}
