package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Refuses says whether something that was asked for is not done: all but a notice about a field, or about what holds no object.
func (p Problem) Refuses() bool { return !p.Notice || p.Lost || p.Field == "" && p.Object != "" }

// breaks says that the object is lost by the problem.
func (p Problem) breaks() bool { return !p.Notice }

// Hides says whether objects may be lost by the problem, so that what is asked for is not known in full.
func (p Problem) Hides() bool { return p.breaks() && !isSigners(p.File) }

// Refusals parts problems into those that refuse something and those that only say something. Of the refusals those of workloads come
// first, and kinds that are not built last. Where many objects have the same notice it stands once, at the first of them, and says how
// many there are.
func Refusals(all []Problem) (refusals, notices []Problem) {
	for _, p := range gathered(all) {
		if p.Refuses() {
			refusals = append(refusals, p)
		} else {
			notices = append(notices, p)
		}
	}
	slices.SortStableFunc(refusals, func(a, b Problem) int { return cmp.Compare(a.rank(), b.rank()) })
	return refusals, notices
}

func (p Problem) rank() int {
	kind, _, _ := strings.Cut(p.Object, "/")
	switch {
	case !p.breaks():
		return 2
	case slices.Contains(waved, kind):
		return 0
	}
	return 1
}

// gathered has each notice once, at its first place. An object has none twice.
func gathered(all []Problem) []Problem {
	var out []Problem
	seen := map[string]*repeats{}
	for _, p := range all {
		if p.breaks() {
			out = append(out, p)
			continue
		}
		key := fmt.Sprint(p.Refuses(), p.Text)
		if seen[key] == nil {
			seen[key] = &repeats{at: len(out), files: map[string]bool{}}
			out = append(out, p)
		}
		seen[key].objects++
		seen[key].files[p.File] = true
	}
	for _, r := range seen {
		out[r.at].Text += r.String()
	}
	return out
}

// repeats are the objects that have one notice, the first of which stands at at.
type repeats struct {
	at, objects int
	files       map[string]bool
}

func (r repeats) String() string {
	switch n := len(r.files); {
	case r.objects == 1:
		return ""
	case n == 1:
		return fmt.Sprintf("; %d objects, this is the first", r.objects)
	default:
		return fmt.Sprintf("; %d objects in %d files, this is the first", r.objects, n)
	}
}
