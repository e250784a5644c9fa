package manifest

import (
	"fmt"
	"path"
	"slices"
)

// Want is what the fleet is to be: HEAD, and in place of what does not load there its form of the nearest first-parent
// ancestor where its file did. Such objects are Held, and say why.
//
// What a broken file may hold is not known, so three things are kept that HEAD lacks: what the same file held in that
// ancestor; if the file is new since, what stood in files that are gone since, for it may be one of those under another name; and
// every object that the file names and does not load, wherever it stood. A file that never loaded on all of the line holds nothing.
//
// A file that held objects and in which none stands now, nor only comments, was damaged: a Git LFS pointer, encrypted text, an HTML
// page, half a file. It is treated alike. A file that never held an object holds nothing. Asks says what the line is asked for.
func (h History) Want() Set {
	want, _ := h.want()
	return want
}

// Problems are HEAD's, and that of each damaged file whose objects Want keeps, sorted by place.
func (h History) Problems() []Problem {
	_, damaged := h.want()
	if len(damaged) == 0 {
		return h.sayWhoIsTrusted(h.Head.Problems)
	}
	all := slices.Concat(h.sayWhoIsTrusted(h.Head.Problems), damaged)
	sortByPlace(all)
	return all
}

func (h History) want() (want Set, damaged []Problem) {
	want = h.Head
	want.Signers = h.Signers()
	broken := h.Head.broken()
	for _, file := range broken {
		if past := h.whole(file); past != nil {
			want = want.holding(past, h.Head, file, h.Head.whyBroken(file))
		}
	}
	for _, file := range sorted(h.Head.foreign) {
		past := h.whole(file)
		if past == nil || !past.holdsMore(file, h.Head) {
			continue
		}
		p := h.Head.foreign[file].Problem
		want = want.holding(past, h.Head, file, fmt.Sprintf("%s %s at %s (restore it, or delete it to remove what it held)", p.Origin, p.Text, short(h.Head.Commit)))
		p.Text += fmt.Sprintf("; what it held at %s stays: restore it, or delete it to remove that", short(past.Commit))
		damaged = append(damaged, p)
	}
	if len(broken)+len(damaged) > 0 {
		want.inheritSuspend()
	}
	h.lastForms(&want)
	want.writtenDown()
	return want, damaged
}

// Excerpt is what a commit says of some workloads and files, those below such a path too, and nothing else: the whole Set may be let go.
func (s Set) Excerpt(apps map[ID]bool, files []string) Set {
	part := Set{Commit: s.Commit, Parent: s.Parent, Time: s.Time, held: map[string][]ID{}}
	for _, wl := range s.Workloads {
		if apps[wl.ID] {
			part.Workloads = append(part.Workloads, wl)
		}
	}
	for file, ids := range s.held {
		if slices.ContainsFunc(files, func(asked string) bool { return within(file, asked) }) {
			part.held[file] = ids
		}
	}
	return part
}

// Void are the files in which no object stands, sorted. What each held in the commits of History.At is asked by Asks.
func (s Set) Void() []string { return sorted(s.foreign) }

// Hollow is a file of HEAD that nobody can have meant to be what it is, neither a manifest nor any other YAML, and of which no other
// form is known; or nil. What such a file held is not known.
func (h History) Hollow() *Problem {
	for _, file := range sorted(h.Head.foreign) {
		if h.Head.foreign[file].hollow && h.whole(file) == nil {
			return h.Head.Foreign(file)
		}
	}
	return nil
}

// Foreign says what stands in a file that is there and holds no object, or in place of a directory in which it was: no word for deleting what it
// held. Of any other file it is nil.
func (s Set) Foreign(file string) *Problem {
	if f, ok := s.foreign[file]; ok {
		return &f.Problem
	}
	for dir := path.Dir(file); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if f := s.foreign[dir]; f.whole {
			return &f.Problem
		}
	}
	return nil
}

// holdsMore says whether the file held an object here that head has nowhere.
func (s Set) holdsMore(file string, head Set) bool {
	held := s.held[file]
	if head.foreign[file].whole {
		held = s.below(file)
	}
	return slices.ContainsFunc(held, func(id ID) bool { return !head.Has(id) })
}

// Has says whether the commit names the object, loaded or not.
func (s Set) Has(id ID) bool {
	_, failed := s.failed[id]
	_, held := s.origins[id]
	return failed || held
}

// Broken are the files that do not load at HEAD, and of which no form is known that did. It is not known what they held.
func (h History) Broken() []string {
	return slices.DeleteFunc(h.Head.broken(), func(file string) bool { return h.whole(file) != nil })
}

// Failed is the file that names an object which did not load, or "". That no ancestor's form of it loads either does not say that it
// never ran: an older podkeep may have taken what this one refuses.
func (s Set) Failed(id ID) string { return s.failed[id] }

// broken are the files with a problem that loses an object, sorted.
func (s Set) broken() []string {
	var files []string
	for _, p := range s.Problems {
		if p.Hides() {
			files = append(files, p.File)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// keeper says which objects of the past stand in for those of one broken file.
type keeper struct {
	past, head *Set
	file, why  string
	renamed    bool // the file is new, and may be another one under a new name
}

// whole is the nearest ancestor where the file was neither foreign nor broken, as far as that is known. It may not have been there.
func (h History) whole(file string) *Set { return h.answer(WholeFile(file)) }

// whyBroken is the first problem that the file has.
func (s Set) whyBroken(file string) string {
	i := slices.IndexFunc(s.Problems, func(p Problem) bool { return p.File == file && p.breaks() })
	first := s.Problems[i]
	return fmt.Sprintf("%s does not load at %s (%s)", first.Origin, short(s.Commit), first.brief())
}

func newKeeper(past, head *Set, file string) keeper {
	return keeper{past: past, head: head, file: file, renamed: !slices.Contains(past.Files, file) && !head.foreign[file].whole}
}

// holding is the set with the objects that past has and the file, of which why says what is wrong, may have had.
func (s Set) holding(past *Set, head Set, file, why string) Set {
	k := newKeeper(past, &head, file)
	k.why = fmt.Sprintf("%s, so its form of %s stays", why, short(past.Commit))
	s.Namespaces = hold(k, s.Namespaces, past.Namespaces, func(x *Namespace) *Meta { return &x.Meta })
	s.Nodes = hold(k, s.Nodes, past.Nodes, func(x *Node) *Meta { return &x.Meta })
	s.Workloads = hold(k, s.Workloads, past.Workloads, func(x *Workload) *Meta { return &x.Meta })
	s.ConfigMaps = hold(k, s.ConfigMaps, past.ConfigMaps, func(x *ConfigMap) *Meta { return &x.Meta })
	s.Claims = hold(k, s.Claims, past.Claims, func(x *Claim) *Meta { return &x.Meta })
	s.Secrets = hold(k, s.Secrets, past.Secrets, func(x *Secret) *Meta { return &x.Meta })
	s.Services = hold(k, s.Services, past.Services, func(x *Service) *Meta { return &x.Meta })
	s.Endpoints = hold(k, s.Endpoints, past.Endpoints, func(x *Endpoints) *Meta { return &x.Meta })
	s.NetworkPolicies = hold(k, s.NetworkPolicies, past.NetworkPolicies, func(x *NetworkPolicy) *Meta { return &x.Meta })
	s.Ingresses = hold(k, s.Ingresses, past.Ingresses, metaOfIngress)
	s.IngressClasses = hold(k, s.IngressClasses, past.IngressClasses, metaOfIngressClass)
	s.GatewayClasses = hold(k, s.GatewayClasses, past.GatewayClasses, metaOfGatewayClass)
	s.Gateways = hold(k, s.Gateways, past.Gateways, metaOfGateway)
	s.HTTPRoutes = hold(k, s.HTTPRoutes, past.HTTPRoutes, metaOfRoute)
	s.ReferenceGrants = hold(k, s.ReferenceGrants, past.ReferenceGrants, metaOfGrant)
	k.complete(s.Workloads)
	return s
}

// complete puts the form of the past in place of each workload that does without what the file held: an optional ConfigMap or Secret, or the
// Rollout over it.
func (k keeper) complete(have []Workload) {
	for i := range have {
		old := k.past.workload(have[i].ID)
		if old != nil && (k.lacks(&have[i]) || k.leads(old)) {
			have[i] = *old
			have[i].Held = k.why
		}
	}
}

// lacks says whether a workload does without something optional that the file held.
func (k keeper) lacks(wl *Workload) bool {
	return slices.ContainsFunc(wl.without, func(id ID) bool { return slices.Contains(k.past.held[k.file], id) })
}

// hold adds to have those of past that it lacks and that the keeper keeps. have is not changed.
func hold[T any](k keeper, have, past []T, meta func(*T) *Meta) []T {
	there := map[ID]bool{}
	for i := range have {
		there[meta(&have[i]).ID] = true
	}
	out := slices.Clone(have)
	for _, x := range past {
		if m := meta(&x); !there[m.ID] && k.keeps(m) {
			m.Held = k.why
			out = append(out, x)
		}
	}
	sortByID(out, func(x T) ID { return meta(&x).ID })
	return out
}

func (k keeper) keeps(m *Meta) bool {
	if m.File == k.file || k.head.failed[m.ID] == k.file || k.head.foreign[k.file].whole && within(m.File, k.file) {
		return true
	}
	return k.renamed && !slices.Contains(k.head.Files, m.File)
}

// inheritSuspend lets the Namespaces of the set, held ones too, suspend what is in them.
func (s *Set) inheritSuspend() {
	suspended := map[string]bool{}
	for _, ns := range s.Namespaces {
		suspended[ns.Name] = ns.Annotations[AnnotationSuspend] == "true"
	}
	s.Workloads = slices.Clone(s.Workloads)
	for i := range s.Workloads {
		m, by := &s.Workloads[i].Meta, s.Workloads[i].By
		m.Suspended = m.Annotations[AnnotationSuspend] == "true" || suspended[m.Namespace] || by != nil && by.Annotations[AnnotationSuspend] == "true"
	}
}
