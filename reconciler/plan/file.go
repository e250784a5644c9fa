package plan

import "github.com/podkeep/podkeep/live"

// collectFiles deletes config and forms that nothing on a node can need any more: no pod there, no revision that HEAD asks for or
// could go back to, and none that this very plan runs there.
func (w *world) collectFiles() {
	needed := w.neededRevs()
	for _, n := range w.answering() {
		here := map[string]bool{}
		for _, p := range n.Pods {
			here[live.RevFile(p.App, p.Rev)] = true
		}
		for name := range n.asked(w.plan.Actions) {
			here[name] = true
		}
		w.collectOn(n, func(file string) bool { return here[file] || needed[file] })
	}
}

// collectOn deletes what is not needed on one node. A form that is kept keeps its config.
func (w *world) collectOn(n *node, keep func(revFile string) bool) {
	config := map[string]bool{}
	for _, f := range n.Files {
		if f.Labels[live.LabelObject] != "" && keep(f.Name) {
			for _, name := range live.Split(f.Labels[live.LabelFiles]) {
				config[name] = true
			}
		}
	}
	for _, a := range w.plan.Actions {
		if a.Node == n.Name && a.Verb == Put {
			config[a.Name] = true
			for _, name := range live.Split(a.File.Labels[live.LabelFiles]) {
				config[name] = true
			}
		}
	}
	for _, f := range n.Files {
		if config[f.Name] || keep(f.Name) || f.Labels[live.LabelSource] != w.h.Source && !w.h.Adopt {
			continue
		}
		w.plan.Actions = append(w.plan.Actions, Action{
			Node: n.Name, Verb: Delete, Name: f.Name, Why: "no pod and no revision needs it here",
		})
	}
}

// asked are the rev Files of the pods that the plan runs on the node.
func (n *node) asked(actions []Action) map[string]bool {
	names := map[string]bool{}
	for _, a := range actions {
		if a.Node == n.Name && a.Verb == Run {
			names[live.RevFile(a.App, a.Pod.Labels[live.LabelRev])] = true
		}
	}
	return names
}

// neededRevs are the rev Files of every revision that HEAD asks for and of every last promoted one.
func (w *world) neededRevs() map[string]bool {
	needed := map[string]bool{}
	for _, wl := range w.want.Workloads {
		needed[live.RevFile(wl.ID, wl.Revision.Rev)] = true
	}
	for app, receipts := range w.receipts {
		var top, promoted live.Receipt
		for _, r := range receipts {
			if r.Gen > top.Gen {
				top = r
			}
			if r.Verb == live.Promoted && r.Gen > promoted.Gen {
				promoted = r
			}
		}
		if find(w.want, app) != nil {
			needed[live.RevFile(app, top.Rev)] = true
			needed[live.RevFile(app, promoted.Rev)] = true
		}
	}
	return needed
}
