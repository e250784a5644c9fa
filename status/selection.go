package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// Selection is what of a report is asked for. The zero value asks for all of it.
type Selection struct {
	Namespace string // empty for all
	// Labels choose what has them, or has pods that do; nil chooses all.
	Labels labels.Selector
	// Kinds are those that are asked for whole, Objects those that are asked for by name; with neither it is everything.
	Kinds   []string
	Objects []manifest.ID
	// Events says that what happened to them lately is asked for too.
	Events bool
}

// Whole says whether nothing is left out.
func (s Selection) Whole() bool {
	return s.Namespace == "" && s.Labels == nil && !s.named()
}

func (s Selection) named() bool { return len(s.Kinds)+len(s.Objects) > 0 }

// asks says whether an object is asked for by its kind or its name.
func (s Selection) asks(id manifest.ID) bool {
	return !s.named() || slices.Contains(s.Kinds, id.Kind) || slices.Contains(s.Objects, id)
}

// holds says whether an object's namespace, and its labels or those of its pods, are asked for.
func (s Selection) holds(namespace string, sets ...map[string]string) bool {
	if s.Namespace != "" && namespace != s.Namespace {
		return false
	}
	return s.Labels == nil || slices.ContainsFunc(sets, func(m map[string]string) bool { return s.Labels.Matches(labels.Set(m)) })
}

// Only keeps what is asked for. Of hosts and keys nothing is kept that is not asked for by kind or by name; what does not load
// stays unless another object is meant.
func (r Report) Only(s Selection) Report {
	if s.Whole() {
		return r
	}
	sets := labelsOf(r.want)
	var workloads []Workload
	for _, w := range r.Workloads {
		if w, any := s.workload(w, sets[w.ID]); any {
			workloads = append(workloads, w)
		}
	}
	r.Workloads = workloads
	r.Nodes = kept(r.Nodes, func(n Node) bool { return s.named() && s.asks(n.id()) && s.holds(s.Namespace, sets[n.id()]...) })
	r.Services = kept(r.Services, func(x Service) bool { return s.asks(x.ID) && s.holds(x.Namespace, sets[x.ID]...) })
	r.Policies = kept(r.Policies, func(x Policy) bool { return s.asks(x.ID) && s.holds(x.Namespace, sets[x.ID]...) })
	r.Entries = kept(r.Entries, func(x Entry) bool { return s.asks(x.ID) && s.holds(x.Namespace, x.Labels) })
	r.Claims = kept(r.Claims, func(c plan.Claim) bool { return s.asks(c.ID) && s.holds(c.ID.Namespace, sets[c.ID]...) })
	concerns := func(p manifest.Problem) bool {
		return !s.named() || slices.ContainsFunc(s.Objects, func(id manifest.ID) bool { return p.Object == id.Kind+"/"+id.Name })
	}
	r.Keys, r.selected, r.eventful = nil, true, s.Events
	r.Problems, r.Notices = kept(r.Problems, concerns), kept(r.Notices, concerns)
	return r
}

// workload is what is asked for of one, if anything is: itself with its pods, or some of its pods.
func (s Selection) workload(w Workload, sets []map[string]string) (Workload, bool) {
	if (s.asks(w.ID) || s.asks(w.called())) && s.holds(w.ID.Namespace, append(podLabels(w), sets...)...) {
		return w, true
	}
	w.partial = true
	w.Pods = kept(w.Pods, func(p Pod) bool { return s.named() && s.asks(p.id(w)) && s.holds(w.ID.Namespace, p.Birth.Labels) })
	return w, len(w.Pods) > 0
}

func podLabels(w Workload) (sets []map[string]string) {
	for _, p := range w.Pods {
		sets = append(sets, p.Birth.Labels)
	}
	return sets
}

func (n Node) id() manifest.ID { return manifest.ID{Kind: "Node", Name: n.Name} }

func (p Pod) id(w Workload) manifest.ID {
	return manifest.ID{Kind: "Pod", Namespace: w.ID.Namespace, Name: p.Name}
}

// Objects are all that a report tells of, sorted. Of what does not load the namespace may not be known.
func (r Report) Objects() []manifest.ID {
	seen := map[manifest.ID]bool{}
	for _, w := range r.Workloads {
		seen[w.ID], seen[w.called()] = true, true
		for _, p := range w.Pods {
			seen[p.id(w)] = true
		}
	}
	for _, n := range r.Nodes {
		seen[n.id()] = true
	}
	for _, x := range r.Services {
		seen[x.ID] = true
	}
	for _, x := range r.Policies {
		seen[x.ID] = true
	}
	for _, x := range r.Entries {
		seen[x.ID] = true
	}
	for _, c := range r.Claims {
		seen[c.ID] = true
	}
	names := map[string]bool{}
	for id := range seen {
		names[id.Kind+"/"+id.Name] = true
	}
	for _, p := range r.Problems {
		if kind, name, ok := strings.Cut(p.Object, "/"); ok && !names[p.Object] {
			seen[manifest.ID{Kind: kind, Name: name}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b manifest.ID) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
}

func kept[T any](list []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !keep(x) })
}

// labelsOf are the labels of each object that is asked for: its own and, of a workload, those that its pods are to have.
func labelsOf(want manifest.Set) map[manifest.ID][]map[string]string {
	all := map[manifest.ID][]map[string]string{}
	for _, w := range want.Workloads {
		all[w.ID] = append(all[w.ID], w.Labels, w.Revision.Labels)
		if w.By != nil {
			all[w.ID] = append(all[w.ID], w.By.Labels)
		}
	}
	for _, n := range want.Nodes {
		all[n.ID] = append(all[n.ID], n.Labels)
	}
	for _, s := range want.Services {
		all[s.ID] = append(all[s.ID], s.Labels)
	}
	for _, p := range want.NetworkPolicies {
		all[p.ID] = append(all[p.ID], p.Labels)
	}
	for _, c := range want.Claims {
		all[c.ID] = append(all[c.ID], c.Labels)
	}
	return all
}

// Stamp is the same for two reports in which nothing has changed but ages.
func (r Report) Stamp() string {
	var b strings.Builder
	say := func(what ...any) { _, _ = fmt.Fprintln(&b, what...) }
	say(r.Head.Commit, worded(r.Errors...), r.Problems, r.Notices, r.Claims)
	for _, w := range r.Workloads {
		say(w.ID, w.State, w.Rev, w.Stable, w.Replicas, w.Updated, w.Ready, w.Available, w.Total, w.progress(), worded(w.Why), worded(w.Waits...))
		say(w.way().Step, w.way().Weight, w.way().Pause, w.way().Decide)
		for _, p := range w.Pods {
			say(p.Name, p.Node, p.State, p.Ready, p.Restarts, p.IP, worded(p.Why))
		}
	}
	for _, x := range r.Services {
		say(x.ID, x.address(), x.ports(), x.Sent, x.Selected, x.Why, x.Leads, x.Lags)
		if x.Made != nil {
			say(x.Made.Endpoints)
		}
	}
	for _, x := range r.Policies {
		say(x.ID, x.holds(), x.inForce(), x.Allows, worded(x.Whys...))
	}
	for _, x := range r.Entries {
		say(x.ID, x.Doored, x.Nodes, x.InForce, x.Reached, x.ledBy(), worded(x.Whys...), worded(x.Lags...))
	}
	for _, n := range r.Nodes {
		say(n.Name, n.State, n.Marks, n.Used, len(n.Pods), worded(n.Why))
	}
	say(worded(r.Notes...))
	return b.String()
}

// worded are lines without their figures, since many of those count seconds.
func worded(lines ...string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, strings.Join(lines, "\n"))
}
