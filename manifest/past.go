package manifest

import (
	"cmp"
	"slices"
)

// about is what a Question is about.
type about int

const (
	aFile   about = iota // where a file loaded, or was not there
	signers              // where the file of signers did
	anApp                // where a workload stood
	leave                // which commit allows pruning, no older than the one that took the workload out
	change               // which commit since another one asked for another revision of a workload
	stood                // where an object that keeps its last form loaded, unless it was taken out since (see lost)
)

// Question is one thing that is asked of HEAD's first-parent line. What answers it is the nearest ancestor of which it is true. The answer
// does not change with HEAD, but for commits that come in between.
type Question struct {
	about      about
	file       string
	app        ID
	rev, since string
}

// WholeFile asks where a file was neither in error nor damaged. It may not have been there.
func WholeFile(file string) Question { return Question{about: aFile, file: file} }

// LastStood asks where a workload stood last.
func LastStood(app ID) Question { return Question{about: anApp, app: app} }

// AllowedSince asks for leave to prune a workload, given by the commit that took it out or a later one.
func AllowedSince(app ID) Question { return Question{about: leave, app: app} }

// ChangedSince asks whether another revision of the workload was asked for, or none, since a commit. A file that did not load or was
// damaged then says nothing.
func ChangedSince(wl Workload, commit string) Question {
	return Question{about: change, file: wl.File, app: wl.ID, rev: wl.Revision.Rev, since: commit}
}

// Compare orders questions.
func (q Question) Compare(other Question) int {
	return cmp.Or(cmp.Compare(q.about, other.about), cmp.Compare(q.file, other.file), compareID(q.app, other.app), cmp.Compare(q.rev, other.rev),
		cmp.Compare(q.since, other.since))
}

// Of is what an ancestor of head says to the question, once none that is nearer has ended it: if done with a commit, that is the answer, and
// holds no more of s than was asked for; if done without one, no older commit is the answer either.
func (q Question) Of(s, head Set) (answer Set, done bool) {
	switch q.about {
	case aFile:
		if s.wholeIn(q.file) {
			return s.standIn(q.file, head), true
		}
	case signers:
		if !s.signersLost {
			return Set{Commit: s.Commit, Signers: s.Signers}, true
		}
	case anApp:
		if s.workload(q.app) != nil {
			return s.Excerpt(map[ID]bool{q.app: true}, nil), true
		}
	case leave:
		if s.workload(q.app) != nil {
			return Set{}, true
		}
		if s.AllowPrune {
			return Set{Commit: s.Commit}, true
		}
	case stood:
		return q.lastForm(s)
	case change:
		if s.Commit == q.since {
			return Set{}, true
		}
		if q.changed(s) {
			return Set{Commit: s.Commit}, true
		}
	}
	return Set{}, false
}

func (q Question) changed(s Set) bool {
	if then := s.workload(q.app); then != nil {
		return then.Revision.Rev != q.rev
	}
	return s.Foreign(q.file) == nil && !slices.ContainsFunc(s.Problems, Problem.Refuses)
}

// workload is the one of that ID, or nil.
func (s Set) workload(id ID) *Workload {
	i, there := slices.BinarySearchFunc(s.Workloads, id, func(w Workload, id ID) int { return compareID(w.ID, id) })
	if !there {
		return nil
	}
	return &s.Workloads[i]
}

// wholeIn says whether the file is neither in error nor damaged.
func (s Set) wholeIn(file string) bool {
	return s.Foreign(file) == nil && !slices.ContainsFunc(s.Problems, func(p Problem) bool { return p.File == file && p.Hides() })
}

// standIn is as much of a commit as may stand in for a file of head.
func (s Set) standIn(file string, head Set) Set {
	k := newKeeper(&s, &head, file)
	part := s.Excerpt(nil, []string{file})
	part.Files = s.Files
	part.Namespaces = pick(s.Namespaces, func(x *Namespace) bool { return k.keeps(&x.Meta) })
	part.Nodes = pick(s.Nodes, func(x *Node) bool { return k.keeps(&x.Meta) })
	part.Workloads = pick(s.Workloads, func(x *Workload) bool { return k.keeps(&x.Meta) || k.mayComplete(x.ID) || k.leads(x) })
	part.ConfigMaps = pick(s.ConfigMaps, func(x *ConfigMap) bool { return k.keeps(&x.Meta) })
	part.Claims = pick(s.Claims, func(x *Claim) bool { return k.keeps(&x.Meta) })
	part.Secrets = pick(s.Secrets, func(x *Secret) bool { return k.keeps(&x.Meta) })
	part.Services = pick(s.Services, func(x *Service) bool { return k.keeps(&x.Meta) })
	part.Endpoints = pick(s.Endpoints, func(x *Endpoints) bool { return k.keeps(&x.Meta) })
	part.NetworkPolicies = pick(s.NetworkPolicies, func(x *NetworkPolicy) bool { return k.keeps(&x.Meta) })
	part.Ingresses = pick(s.Ingresses, func(x *Ingress) bool { return k.keeps(&x.Meta) })
	part.IngressClasses = pick(s.IngressClasses, func(x *IngressClass) bool { return k.keeps(&x.Meta) })
	part.GatewayClasses = pick(s.GatewayClasses, func(x *GatewayClass) bool { return k.keeps(&x.Meta) })
	part.Gateways = pick(s.Gateways, func(x *Gateway) bool { return k.keeps(&x.Meta) })
	part.HTTPRoutes = pick(s.HTTPRoutes, func(x *HTTPRoute) bool { return k.keeps(&x.Meta) })
	part.ReferenceGrants = pick(s.ReferenceGrants, func(x *ReferenceGrant) bool { return k.keeps(&x.Meta) })
	part.failed = s.lostIn(file)
	return part
}

// mayComplete says whether the past form of a workload may have to stand in because the file held its config: HEAD's form does without it,
// or is not there, and another file's stands in.
func (k keeper) mayComplete(id ID) bool {
	if wl := k.head.workload(id); wl != nil {
		return k.lacks(wl)
	}
	return slices.ContainsFunc(k.past.below(k.file), func(held ID) bool { return held.Kind == "ConfigMap" || held.Kind == "Secret" })
}

func pick[T any](all []T, wanted func(*T) bool) (some []T) {
	for i := range all {
		if wanted(&all[i]) {
			some = append(some, all[i])
		}
	}
	return some
}

// answer is what the line said to a question, or nil: it was not asked yet, or no commit answers it.
func (h History) answer(q Question) *Set {
	if s := h.Past[q]; s.Commit != "" {
		return &s
	}
	return nil
}

// Stood is a workload in the nearest ancestor where it stood, as far as that is known, or nil.
func (h History) Stood(app ID) *Workload {
	if s := h.answer(LastStood(app)); s != nil {
		return s.workload(app)
	}
	return nil
}

// Allowed says whether HEAD, or another commit that is not older than the one that took the workload out, allows pruning.
func (h History) Allowed(app ID) bool {
	return h.Head.AllowPrune || h.answer(AllowedSince(app)) != nil
}

// Changed says whether a commit between HEAD and an older one asked for another revision of the workload, or for none.
func (h History) Changed(wl Workload, since string) bool {
	return h.answer(ChangedSince(wl, since)) != nil
}

// Asks are the questions that Want has: what each file that does not load was before, and each in which no object stands, if it held one in
// a commit that something live was born of; the last form of each of those that mayBeLost names and that does not load; and whom the last file of signers named that loaded.
func (h History) Asks() (all []Question) {
	if h.Head.signersLost {
		all = append(all, Question{about: signers})
	}
	for _, file := range h.Head.broken() {
		all = append(all, WholeFile(file))
	}
	for _, l := range h.lost() {
		all = append(all, l.asks())
	}
	for _, file := range sorted(h.Head.foreign) {
		for commit, set := range h.At {
			if h.Ancestor[commit] && set.holdsMore(file, h.Head) {
				all = append(all, WholeFile(file))
				break
			}
		}
	}
	return all
}

// AsksOf are the questions about a workload that left HEAD: where it stood, and what its file was if that is damaged; or, where it never
// stood, what any was that nobody can have meant to be what it is.
func (h History) AsksOf(app ID) []Question {
	all := []Question{LastStood(app), AllowedSince(app)}
	if wl := h.Stood(app); wl != nil {
		return append(all, h.AsksIfDamaged(wl.File)...)
	}
	if _, asked := h.Past[LastStood(app)]; asked {
		for _, file := range sorted(h.Head.foreign) {
			if h.Head.foreign[file].hollow {
				all = append(all, WholeFile(file))
			}
		}
	}
	return all
}

// AsksIfDamaged is the question what a file was in which no object stands now.
func (h History) AsksIfDamaged(file string) []Question {
	p := h.Head.Foreign(file)
	if p == nil {
		return nil
	}
	return []Question{WholeFile(p.File)}
}

// Unread says whether no object stands in a file, and what it was before could not be asked yet.
func (h History) Unread(file string) bool {
	p := h.Head.Foreign(file)
	if p == nil {
		return false
	}
	_, asked := h.Past[WholeFile(p.File)]
	return !asked
}

// After is the history in which at is HEAD and the line is of these commits, nearest first.
func (at Set) After(line ...Set) History {
	h := History{Head: at, Past: map[Question]Set{}}
	asks := h.Asks()
	for file := range at.foreign {
		asks = append(asks, WholeFile(file))
	}
	for known := -1; known < len(h.Past); asks = h.Asks() { // what is answered may raise more
		known = len(h.Past)
		for _, q := range asks {
			for i, done := 0, false; i < len(line) && !done; i++ {
				h.Past[q], done = q.Of(line[i], at)
			}
		}
	}
	return h
}
