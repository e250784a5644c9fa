package status

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// Preview is a plan put for people before it is acted on: what goes, what comes, and why.
type Preview struct {
	Report    Report
	Deletions []plan.Action // what a prune removes and files nobody names any more
	Actions   []plan.Action // the rest, in the plan's order
	Moves     []Move        // of requests to Services
	Rulings   []Ruling      // of NetworkPolicies
	Wake      time.Time
}

// PreviewOf sorts a World's plan into deletions and the rest.
func PreviewOf(w World) Preview {
	p := Preview{Report: Of(w), Moves: moves(w), Rulings: rulings(w), Wake: w.Plan.Wake}
	for _, a := range w.Plan.Actions {
		if deletion(w.Plan, a) {
			p.Deletions = append(p.Deletions, a)
		} else {
			p.Actions = append(p.Actions, a)
		}
	}
	return p
}

func deletion(p plan.Plan, a plan.Action) bool {
	return a.Verb == plan.Delete || a.Verb == plan.Stop && !live.IsOwn(a.App) && stateOf(p.Apps, a.App) == plan.Pruning
}

func stateOf(apps []plan.App, id manifest.ID) plan.State {
	for _, app := range apps {
		if app.ID == id {
			return app.State
		}
	}
	return plan.Pruning
}

// Changes says whether acting would change anything, now or in the passes that follow. What is suspended or held is
// listed and is not a change; nor is what is done about node sides, which no commit asks for.
func (p Preview) Changes() bool {
	if slices.ContainsFunc(slices.Concat(p.Deletions, p.Actions), func(a plan.Action) bool { return !live.IsOwn(a.App) }) {
		return true
	}
	return changing(p.Moves)+ruling(p.Rulings) > 0 || slices.ContainsFunc(p.Report.Workloads, func(w Workload) bool {
		return w.State == plan.Progressing || w.State == plan.Pruning
	})
}

// Line is one action as the plan, the log and the stories say it: node, verb, name, why.
func Line(a plan.Action) string {
	line := fmt.Sprintf("%s %s %s", dash(a.Node), a.Verb, a.Name)
	if a.Why != "" {
		line += ": " + a.Why
	}
	return line
}

// Text writes deletions first, then the other actions, what becomes of requests to Services and of NetworkPolicies, the workloads that are not as asked for, and a summary line.
func (p Preview) Text(w io.Writer, look Look) {
	p.Report.headline(w, look)
	p.actions(w, look, "deletions", p.Deletions, Red)
	p.actions(w, look, "next", p.Actions, "")
	writeMoves(w, look, p.Moves)
	writeRulings(w, look, p.Rulings)
	p.moving(w, look)
	_, _ = fmt.Fprintln(w)
	p.Report.nodeTroubles(w, look)
	p.Report.writeNotes(w, look)
	look.lines(w, "", p.Summary(), Bold)
}

func (p Preview) actions(w io.Writer, look Look, title string, actions []plan.Action, paint Paint) {
	if len(actions) == 0 {
		return
	}
	var rows [][]cell
	for _, a := range merged(actions) {
		row := plain(dash(a.Node), string(a.Verb), a.Name, a.Why)
		row[1].paint = paintOfVerb(a.Verb)
		if paint != "" {
			row[2].paint = paint
		}
		rows = append(rows, row)
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", look.Paint(Bold, title))
	look.table(w, []string{"NODE", "VERB", "NAME", "WHY"}, rows)
}

// merged has one action for what is to be done on several nodes alike: their names, or how many there are.
func merged(actions []plan.Action) []plan.Action {
	type key struct {
		verb      plan.Verb
		name, why string
	}
	nodes := map[key][]string{}
	for _, a := range actions {
		k := key{a.Verb, a.Name, a.Why}
		nodes[k] = append(nodes[k], a.Node)
	}
	var list []plan.Action
	for _, a := range actions {
		k := key{a.Verb, a.Name, a.Why}
		on := nodes[k]
		if on == nil {
			continue
		}
		nodes[k] = nil
		if a.Node = strings.Join(on, ","); len(on) > 3 {
			a.Node = plural(len(on), "node")
		}
		list = append(list, a)
	}
	return list
}

func paintOfVerb(v plan.Verb) Paint {
	switch v {
	case plan.Stop, plan.Delete:
		return Red
	case plan.Run:
		return Green
	default:
		return Dim
	}
}

// moving lists the workloads that are not converged: what the next actions are steps of.
func (p Preview) moving(w io.Writer, look Look) {
	var rows [][]cell
	for _, app := range p.Report.Workloads {
		if app.State == plan.Converged {
			continue
		}
		row := plain(app.ID.Short(), what(app), string(app.State), Revs(app.App), app.whys(p.Report.Now, true))
		row[2].paint = paintOf(app.State)
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", look.Paint(Bold, "workloads"))
	look.table(w, []string{"NAME", "CHANGE", "STATE", "REV", "WHY"}, rows)
}

// what happens to a workload, in a few words.
func what(w Workload) string {
	switch {
	case w.State == plan.Pruning:
		return fmt.Sprintf("remove %d", w.Total)
	case w.State == plan.Suspended, w.State == plan.Failed, w.State == plan.Paused, w.State == plan.Held:
		return "none"
	case w.Total == 0:
		return fmt.Sprintf("create %d", w.Replicas)
	case w.Updated < w.Total && w.Stable != w.Rev:
		return fmt.Sprintf("update %d of %d", w.Replicas-min(w.Updated, w.Replicas), w.Replicas)
	case w.Total != w.Replicas:
		return fmt.Sprintf("scale %d to %d", w.Total, w.Replicas)
	default:
		return "settle"
	}
}

// nodeTroubles says what is to be said of nodes, once of those of which it is the same.
func (r Report) nodeTroubles(w io.Writer, look Look) {
	of := map[string][]string{}
	for _, n := range r.Nodes {
		of[n.Why] = append(of[n.Why], n.Name)
	}
	for _, n := range r.Nodes {
		names := of[n.Why]
		if n.Why == "" || names[0] != n.Name {
			continue
		}
		who := "node "
		if len(names) > 1 {
			who = "nodes "
		}
		look.lines(w, "", who+strings.Join(names, ", ")+": "+n.Why, Yellow)
	}
}

// Summary is one line: how many workloads change, and how many actions come next.
func (p Preview) Summary() string {
	counts := map[plan.Verb]int{}
	for _, a := range append(slices.Clone(p.Deletions), p.Actions...) {
		counts[a.Verb]++
	}
	var parts []string
	for _, v := range []plan.Verb{plan.Stop, plan.Delete, plan.Pull, plan.Run, plan.Put} {
		if counts[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[v], v))
		}
	}
	works, still := p.count()
	line := "nothing to do"
	if p.Changes() || len(parts) > 0 {
		line = plural(works, "workload") + " to change"
		if len(parts) > 0 {
			line += "; next: " + strings.Join(parts, ", ")
		}
		if n := changing(p.Moves); n > 0 {
			line += "; " + plural(n, "Service") + " to change"
		}
		if n := ruling(p.Rulings); n > 0 {
			line += "; " + policiesOf(n) + " to change"
		}
	}
	if len(still) > 0 {
		line += "; " + strings.Join(still, ", ")
	}
	if len(p.Report.Problems) > 0 {
		line += "; " + p.Refused()
	}
	return line
}

// Refused counts what does not load.
func (p Preview) Refused() string {
	return plural(len(p.Report.Problems), "problem") + " in the manifests"
}

// count gives how many workloads change, and says of those that stand still how many do so and how.
func (p Preview) count() (changing int, still []string) {
	states := map[plan.State]int{}
	acted := map[manifest.ID]bool{}
	for _, a := range append(slices.Clone(p.Deletions), p.Actions...) {
		acted[a.App] = true
	}
	for _, w := range p.Report.Workloads {
		if acted[w.ID] || w.State == plan.Progressing || w.State == plan.Pruning {
			changing++
		}
		states[w.State]++
	}
	for _, s := range []plan.State{plan.Failed, plan.Held, plan.Paused, plan.Suspended} {
		if states[s] > 0 {
			still = append(still, fmt.Sprintf("%d %s", states[s], strings.ToLower(string(s))))
		}
	}
	return changing, still
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
