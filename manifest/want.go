package manifest

import (
	"fmt"
	"slices"
)

// Want is what the fleet is to be: HEAD, and in place of what does not load there its form of the nearest first-parent
// ancestor where its file did. Such objects are Held, and say why.
//
// What a broken file may hold is not known, so three things are kept that HEAD lacks: what the same file held in that
// ancestor; if the file is new since, what stood in files that are gone since, for it may be one of those under another name; and
// every object that the file names and does not load, wherever it stood. A file that never loaded in all of Line holds nothing.
//
// A file that held objects and is blank now is treated alike, as far as Line reaches.
func (h History) Want() Set {
	want := h.Head
	broken := h.Head.broken()
	for _, file := range broken {
		if past := h.lastGood(file); past != nil {
			want = want.holding(past, h.Head, file, h.Head.whyBroken(file))
		}
	}
	for _, file := range h.Head.Blank {
		if past := h.lastFull(file); past != nil {
			want = want.holding(past, h.Head, file, fmt.Sprintf("%s is empty or no YAML at %s (delete it to remove what it held)", file, short(h.Head.Commit)))
		}
	}
	if len(broken)+len(h.Head.Blank) > 0 {
		want.inheritSuspend()
	}
	return want
}

// Broken are the files that do not load at HEAD, and of which Line does not reach back to a form that did. Until it does, or
// ends at the root, it is not known what they held.
func (h History) Broken() []string {
	return slices.DeleteFunc(h.Head.broken(), func(file string) bool { return h.lastGood(file) != nil })
}

// broken are the files with a problem that loses an object, sorted.
func (s Set) broken() []string {
	var files []string
	for _, p := range s.Problems {
		if p.breaks() {
			files = append(files, p.File)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// lastGood is the nearest ancestor where the file loaded, or was not there.
func (h History) lastGood(file string) *Set {
	for i := range h.Line {
		if !slices.Contains(h.Line[i].broken(), file) {
			return &h.Line[i]
		}
	}
	return nil
}

// keeper says which objects of the past stand in for those of one broken file.
type keeper struct {
	past, head *Set
	file, why  string
	renamed    bool // the file is new, and may be another one under a new name
}

// lastFull is the nearest ancestor where the file was neither blank nor broken, if it was there.
func (h History) lastFull(file string) *Set {
	for i := range h.Line {
		if s := &h.Line[i]; !slices.Contains(s.Blank, file) && !slices.Contains(s.broken(), file) {
			if slices.Contains(s.Files, file) {
				return s
			}
			return nil
		}
	}
	return nil
}

// whyBroken is the first problem that the file has.
func (s Set) whyBroken(file string) string {
	i := slices.IndexFunc(s.Problems, func(p Problem) bool { return p.File == file && p.breaks() })
	first := s.Problems[i]
	return fmt.Sprintf("%s does not load at %s (%s)", first.Origin, short(s.Commit), first.brief())
}

// holding is the set with the objects that past has and the file, of which why says what is wrong, may have had.
func (s Set) holding(past *Set, head Set, file, why string) Set {
	k := keeper{past: past, head: &head, file: file, renamed: !slices.Contains(past.Files, file)}
	k.why = fmt.Sprintf("%s, so its form of %s stays", why, short(past.Commit))
	s.Namespaces = hold(k, s.Namespaces, past.Namespaces, func(x *Namespace) *Meta { return &x.Meta })
	s.Nodes = hold(k, s.Nodes, past.Nodes, func(x *Node) *Meta { return &x.Meta })
	s.Workloads = hold(k, s.Workloads, past.Workloads, func(x *Workload) *Meta { return &x.Meta })
	s.ConfigMaps = hold(k, s.ConfigMaps, past.ConfigMaps, func(x *ConfigMap) *Meta { return &x.Meta })
	s.Claims = hold(k, s.Claims, past.Claims, func(x *Claim) *Meta { return &x.Meta })
	s.Secrets = hold(k, s.Secrets, past.Secrets, func(x *Secret) *Meta { return &x.Meta })
	return s
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
	if m.File == k.file || k.head.failed[m.ID] == k.file {
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
		m := &s.Workloads[i].Meta
		m.Suspended = m.Annotations[AnnotationSuspend] == "true" || suspended[m.Namespace]
	}
}
