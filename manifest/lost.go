package manifest

import (
	"fmt"
	"slices"
)

// lost is an object that does not load and holds up nobody else: its file is not in error. It keeps the form that loaded last, whatever
// becomes of its file.
type lost struct {
	ID
	file string
}

func (l lost) asks() Question { return Question{about: stood, file: l.file, app: l.ID} }

// lost are the Services of HEAD that do not load, and those that did not in what stands in for a file of HEAD, sorted.
func (h History) lost() (all []lost) {
	add := func(failed map[ID]string) {
		for id, file := range failed {
			if id.Kind == aService && id.Name != "" && !slices.ContainsFunc(all, func(l lost) bool { return l.ID == id }) {
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

// services are those that load, and the last form of those that do not.
func (h History) services(have []Service) []Service {
	out := slices.Clone(have)
	for _, l := range h.lost() {
		past := h.answer(l.asks())
		if past == nil || slices.ContainsFunc(have, func(s Service) bool { return s.ID == l.ID }) {
			continue
		}
		for _, old := range past.Services {
			old.Held = fmt.Sprintf("%s, so its form of %s stays", h.whyLost(l), short(past.Commit))
			out = append(out, old)
		}
	}
	sortByID(out, func(s Service) ID { return s.ID })
	return out
}

// whyLost is what is wrong with the object, or with its file.
func (h History) whyLost(l lost) string {
	for _, p := range h.Head.Problems {
		if p.File == l.file && p.Lost && p.Object == l.Kind+"/"+l.Name {
			return fmt.Sprintf("%s does not load at %s (%s)", p.Origin, short(h.Head.Commit), p.brief())
		}
	}
	return fmt.Sprintf("%s does not load at %s", l.file, short(h.Head.Commit))
}

// lostIn are the Services of a file that did not load in it.
func (s Set) lostIn(file string) map[ID]string {
	in := map[ID]string{}
	for id, at := range s.failed {
		if id.Kind == aService && at == file {
			in[id] = file
		}
	}
	return in
}

// lastForm is what a commit says to the question of a Service's last form: it loads there; or it is not there, and nothing that is hidden can
// hold it.
func (q Question) lastForm(s Set) (answer Set, done bool) {
	for _, svc := range s.Services {
		if svc.ID == q.app {
			return Set{Commit: s.Commit, Services: []Service{svc}}, true
		}
	}
	return Set{}, !s.Has(q.app) && s.Foreign(q.file) == nil && len(s.broken()) == 0
}
