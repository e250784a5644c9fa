package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// Move is what becomes of requests to a Service.
type Move struct {
	Service string `json:"service"` // namespace/name; empty when all are meant
	What    string `json:"what"`
	Change  bool   `json:"change"` // it is otherwise now
}

// moves has one for each Service that comes, goes, is not served, or is to lead elsewhere than the newest table in force has it. That pods of the
// same workloads come and go behind one is nothing to be said.
func moves(w World) (all []Move) {
	services := w.History.Want().Services
	if w.Plan.Unrouted != "" {
		if len(services) > 0 {
			all = append(all, Move{What: plural(len(services), "Service") + ": " + unrouted(w)})
		}
		return all
	}
	t := traffic{World: w, works: w.History.Want().Workloads, pods: podsByApp(w), app: map[onNode]manifest.ID{}}
	for app, pods := range t.pods {
		for _, p := range pods {
			t.app[onNode{p.Node, p.Name}] = app
		}
	}
	for i, s := range services {
		had, has := w.Plan.Before.Service(s.Namespace, s.Name), w.Plan.Table.Service(s.Namespace, s.Name)
		switch what := t.change(s, had, has, w.Plan.Services[i]); {
		case what != "":
			all = append(all, Move{s.Namespace + "/" + s.Name, what, w.Plan.Before != nil && (had != nil || has != nil)})
		case has != nil && denied(s, *has):
			all = append(all, Move{s.Namespace + "/" + s.Name, w.Plan.Services[i].Why, false})
		}
	}
	if w.Plan.Before == nil {
		return all
	}
	for _, had := range w.Plan.Before.Services {
		if !slices.ContainsFunc(services, func(s manifest.Service) bool { return s.Namespace == had.Namespace && s.Name == had.Name }) {
			what := append([]string{"goes: " + reached(had) + " answers no more"}, opens(w, &had, nil)...)
			all = append(all, Move{had.Namespace + "/" + had.Name, strings.Join(what, "; "), true})
		}
	}
	return all
}

type onNode struct{ node, pod string }

// traffic is what changes are told by: what is asked for, the pods there are, and whose each is.
type traffic struct {
	World
	works []manifest.Workload
	pods  map[manifest.ID][]Pod
	app   map[onNode]manifest.ID
}

// chosen are the names of the workloads whose pods a Service chooses, there or not.
func (t traffic) chosen(s manifest.Service) string {
	all := map[manifest.ID]bool{}
	for _, wl := range t.works {
		all[wl.ID] = wl.Namespace == s.Namespace && route.Has(wl.Revision.Labels, s.Selector)
	}
	maps.DeleteFunc(all, func(_ manifest.ID, is bool) bool { return !is })
	return lacking(all, nil)
}

// change is what becomes of one Service, empty when nothing does.
func (t traffic) change(s manifest.Service, had, has *route.Service, b route.Built) string {
	switch {
	case has == nil && had == nil:
		return "is not served: " + b.Why
	case has == nil:
		return "is not served any more: " + b.Why
	case had == nil && s.External != "":
		return "comes: " + reached(*has)
	case had == nil && b.Selected == 0 && t.chosen(s) != "":
		return t.comes(has, "the pods of "+t.chosen(s)+", once they are there", strings.TrimSuffix(b.Why, route.ChoosesNone))
	case had == nil:
		what := plural(len(has.Endpoints), "pod")
		if len(s.Selector) == 0 {
			what = cmp.Or(less(podless(has), nil), "nothing")
		}
		return t.comes(has, what, b.Why)
	}
	var all []string
	if reached(*had) != reached(*has) {
		all = append(all, reached(*has)+" takes the place of "+reached(*had))
	} else if retargets(had, has) {
		all = append(all, notEmpty("leads to other ports of its pods", b.Why)...)
	}
	all = append(all, opens(t.World, had, has)...)
	before, after := t.behind(had), t.behind(has)
	for app := range before {
		if !slices.ContainsFunc(t.pods[app], func(p Pod) bool { return route.Has(p.Birth.Labels, s.Selector) }) {
			continue
		}
		after[app] = true
	}
	was, is := podless(had), podless(has)
	if gain := strings.Join(notEmpty(lacking(after, before), less(is, was)), ", "); gain != "" {
		all = append(all, "leads to "+gain+" too")
	}
	if lose := strings.Join(notEmpty(lacking(before, after), less(was, is)), ", "); lose != "" {
		all = append(all, "leads to "+lose+" no more")
	}
	if b.Selected == 0 && len(had.Endpoints) > 0 || len(all) > 0 && denied(s, *has) {
		all = append(all, b.Why)
	}
	return strings.Join(all, "; ")
}

func (t traffic) comes(has *route.Service, to, why string) string {
	all := append([]string{"comes: " + reached(*has) + " leads to " + to}, opens(t.World, nil, has)...)
	return strings.Join(notEmpty(append(all, why)...), "; ")
}

// behind are the workloads whose pods are sent its requests.
func (t traffic) behind(s *route.Service) map[manifest.ID]bool {
	all := map[manifest.ID]bool{}
	for _, e := range s.Endpoints {
		if app, there := t.app[onNode{e.Node, e.Pod}]; there {
			all[app] = true
		}
	}
	return all
}

// podless are the addresses behind a Service that are nobody's pods', with their ports.
func podless(s *route.Service) (all []string) {
	for _, e := range s.Endpoints {
		if e.Pod == "" {
			all = append(all, targetOf(e))
		}
	}
	return all
}

// less are those that the other ones lack, the first few by name.
func less(some, other []string) string {
	var all []string
	for _, s := range some {
		if !slices.Contains(other, s) {
			all = append(all, s)
		}
	}
	if more := len(all) - shown; more > 0 {
		all = append(all[:shown], fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, ", ")
}

// lacking are the names of those that the other ones lack.
func lacking(some, other map[manifest.ID]bool) string {
	var all []string
	for app := range some {
		if !other[app] {
			all = append(all, app.Short())
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// retargets says whether pods stay behind the Service and other ports of theirs are behind its own.
func retargets(had, has *route.Service) bool {
	ports := map[onNode][]uint16{}
	for _, e := range had.Endpoints {
		if e.Pod != "" {
			ports[onNode{e.Node, e.Pod}] = e.Ports
		}
	}
	return slices.ContainsFunc(has.Endpoints, func(e route.Endpoint) bool {
		was, there := ports[onNode{e.Node, e.Pod}]
		return there && !slices.Equal(was, e.Ports)
	})
}

// reached is where a Service is reached: its address with its ports.
func reached(s route.Service) string {
	at := "its name"
	switch {
	case s.External != "":
		at = "a name for " + s.External
	case s.IP.IsValid():
		at = s.IP.String()
	}
	if ports := portsOf(s); ports != "" {
		at += " (" + ports + ")"
	}
	return at
}

func writeMoves(w io.Writer, look Look, moves []Move) {
	var rows [][]cell
	for _, m := range moves {
		rows = append(rows, plain(dash(strings.TrimPrefix(m.Service, "default/")), m.What))
	}
	look.section(w, "traffic", "SERVICE", rows)
}

// section is what becomes of each of a kind; nothing where nothing does.
func (l Look) section(w io.Writer, title, kind string, rows [][]cell) {
	if len(rows) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", l.Paint(Bold, title))
	l.table(w, []string{kind, "WHAT"}, rows)
}

// changing says how many Services are reached otherwise, or lead elsewhere, than now.
func changing(moves []Move) (n int) {
	for _, m := range moves {
		if m.Change {
			n++
		}
	}
	return n
}
