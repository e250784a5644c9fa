package manifest

import (
	"fmt"
	"slices"
)

// lost is an object that does not load and keeps the form that loaded last, whatever becomes of its file: a Service, which holds up nobody else, for its
// file is not in error; or a NetworkPolicy, whose file may have been in error when it was changed last.
type lost struct {
	ID
	file string
}

func (l lost) asks() Question { return Question{about: stood, file: l.file, app: l.ID} }

// lost are those of HEAD that do not load, and those that did not in what stands in for a file of HEAD, sorted.
func (h History) lost() (all []lost) {
	add := func(failed map[ID]string) {
		for id, file := range failed {
			if mayBeLost(id) && id.Name != "" && !slices.ContainsFunc(all, func(l lost) bool { return l.ID == id }) {
				all = append(all, lost{id, file})
			}
		}
	}
	add(h.Head.failed)
	for _, file := range slices.Concat(h.Head.broken(), sorted(h.Head.foreign)) {
		if past := h.whole(file); past != nil {
			add(past.failed)
		}
	}
	sortByID(all, func(l lost) ID { return l.ID })
	return all
}

func mayBeLost(id ID) bool { return id.Kind == aService || id.Kind == aPolicy }

// lastForms adds to want the last form of each that does not load. That of a NetworkPolicy goes before the one that its file had when all of it loaded:
// it may have been another one since.
func (h History) lastForms(want *Set) {
	want.Services, want.NetworkPolicies = slices.Clone(want.Services), slices.Clone(want.NetworkPolicies)
	for _, l := range h.lost() {
		past := h.answer(l.asks())
		if past == nil {
			continue
		}
		why := fmt.Sprintf("%s, so its form of %s stays", h.whyLost(l), short(past.Commit))
		for _, old := range past.Services {
			if old.Held = why; !slices.ContainsFunc(want.Services, func(s Service) bool { return s.ID == l.ID }) {
				want.Services = append(want.Services, old)
			}
		}
		for _, old := range past.NetworkPolicies {
			if old.Held = why; !slices.ContainsFunc(h.Head.NetworkPolicies, func(p NetworkPolicy) bool { return p.ID == l.ID }) {
				want.NetworkPolicies = append(slices.DeleteFunc(want.NetworkPolicies, func(p NetworkPolicy) bool { return p.ID == l.ID }), old)
			}
		}
	}
	sortByID(want.Services, func(s Service) ID { return s.ID })
	sortByID(want.NetworkPolicies, func(p NetworkPolicy) ID { return p.ID })
}

// whyLost is what is wrong with the object, or with its file.
func (h History) whyLost(l lost) string {
	for _, p := range h.Head.Problems {
		if p.File == l.file && (p.Lost || p.breaks()) && p.Object == l.Kind+"/"+l.Name {
			return fmt.Sprintf("%s does not load at %s (%s)", p.Origin, short(h.Head.Commit), p.brief())
		}
	}
	return fmt.Sprintf("%s does not load at %s", l.file, short(h.Head.Commit))
}

// lostIn are those of a file that did not load in it.
func (s Set) lostIn(file string) map[ID]string {
	in := map[ID]string{}
	for id, at := range s.failed {
		if mayBeLost(id) && at == file {
			in[id] = file
		}
	}
	return in
}

// lastForm is what a commit says to the question of an object's last form: it loads there; or it is not there, and nothing that is hidden can
// hold it.
func (q Question) lastForm(s Set) (answer Set, done bool) {
	for _, svc := range s.Services {
		if svc.ID == q.app {
			return Set{Commit: s.Commit, Services: []Service{svc}}, true
		}
	}
	for _, p := range s.NetworkPolicies {
		if p.ID == q.app {
			return Set{Commit: s.Commit, NetworkPolicies: []NetworkPolicy{p}}, true
		}
	}
	return Set{}, !s.Has(q.app) && s.Foreign(q.file) == nil && len(s.broken()) == 0
}
