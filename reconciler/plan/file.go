package plan

import "github.com/podkeep/podkeep/live"

// collectFiles deletes config and forms that nothing on a node can need any more: no pod there, no revision that HEAD asks for or
// could go back to, and none that this very plan runs there.
func (w *world) collectFiles() {
	needed := w.neededRevs()
	planned := map[string][]Action{}
	for _, a := range w.plan.Actions {
		planned[a.Node] = append(planned[a.Node], a)
	}
	for _, n := range w.answering() {
		if len(n.Files) > 0 {
			w.collectOn(n, needed, planned[n.Name])
		}
	}
}

// collectOn deletes what is not needed on one node. A form that is kept keeps its config.
func (w *world) collectOn(n *node, needed map[revision]bool, planned []Action) {
	here, named := map[revision]bool{}, map[string]bool{}
	for _, p := range n.Pods {
		here[revision{p.App.String(), p.Rev}] = true
	}
	config := map[string]bool{}
	keep := func(names string) {
		for _, name := range live.Split(names) {
			config[name] = true
		}
	}
	for _, a := range planned {
		if a.Verb == Put {
			named[a.Name] = true
			keep(a.File.Labels[live.LabelFiles])
		}
		if a.Verb == Run {
			here[revision{a.App.String(), a.Pod.Labels[live.LabelRev]}] = true
		}
	}
	for _, f := range n.Files {
		if named[f.Name] || here[revisionOf(f)] || needed[revisionOf(f)] {
			keep(f.Labels[live.LabelFiles])
		}
	}
	for _, f := range n.Files {
		if _, identity := live.ParseHost(f); identity {
			continue
		}
		if w.ours(f.Labels[live.LabelSource]) && !named[f.Name] && !here[revisionOf(f)] && !needed[revisionOf(f)] && !config[f.Name] {
			w.plan.Actions = append(w.plan.Actions, Action{
				Node: n.Name, Verb: Delete, Name: f.Name, Why: "no pod and no revision needs it here",
			})
		}
	}
}

// revision is what a form is of: app and rev.
type revision struct{ app, rev string }

func revisionOf(f live.File) revision {
	return revision{f.Labels[live.LabelApp], f.Labels[live.LabelRev]}
}

// neededRevs are every revision that HEAD asks for and every last promoted one.
func (w *world) neededRevs() map[revision]bool {
	needed := map[revision]bool{}
	for _, wl := range w.want.Workloads {
		needed[revision{wl.ID.String(), wl.Revision.Rev}] = true
	}
	for app, l := range w.receipts {
		if find(w.want, app) == nil {
			continue
		}
		if top := l.Top(); top != nil {
			needed[revision{app.String(), top.Rev}] = true
		}
		if stable := l.Stable(); stable != nil {
			needed[revision{app.String(), stable.Rev}] = true
		}
	}
	return needed
}
