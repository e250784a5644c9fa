package plan

import (
	"reflect"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// collectFiles deletes config and forms that nothing on a node can need any more: no pod there, no revision that HEAD asks for or
// could go back to, and none that this very plan runs there.
func (w *world) collectFiles() {
	needed := w.neededRevs()
	planned := map[string][]Action{}
	for _, a := range w.plan.Actions {
		planned[a.Node] = append(planned[a.Node], a)
	}
	for _, n := range w.answering() {
		if len(n.Files)+len(n.Pods) > 0 {
			w.collectOn(n, needed, planned[n.Name])
		}
	}
}

// collectOn deletes what is not needed on one node. A form that is kept keeps its config, and so does a pod whose form a person removed: where
// that is nowhere to be found, no config goes.
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
			here[revision{a.Pod.Labels[live.LabelApp], a.Pod.Labels[live.LabelRev]}] = true
		}
	}
	w.renewForms(n, func(r revision) bool { return here[r] || needed[r] })
	w.addProbes(n)
	formed, unknown := map[revision]bool{}, false
	for _, f := range n.Files {
		if named[f.Name] || here[revisionOf(f)] || needed[revisionOf(f)] {
			keep(f.Labels[live.LabelFiles])
			formed[revisionOf(f)] = w.trusts(f.Signer)
		}
	}
	for _, p := range n.Pods {
		if formed[revision{p.App.String(), p.Rev}] || ended(p) || !w.ours(p.Source) {
			continue
		}
		f, ok := w.form(p.App, p.Rev)
		unknown = unknown || !ok
		for _, name := range f.Files {
			config[name] = true
		}
	}
	for _, f := range n.Files {
		if _, identity := live.ParseHost(f); identity {
			continue
		}
		why := "no pod and no revision needs it here"
		switch {
		case !w.ours(f.Labels[live.LabelSource]) || named[f.Name]:
			continue
		case isForm(f) && !w.trusts(f.Signer):
			if why = "says the same as one that a trusted key signed"; !w.redundant(n, f) {
				continue
			}
		case here[revisionOf(f)] || needed[revisionOf(f)] || config[f.Name], unknown && !isForm(f):
			continue
		}
		w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Delete, Name: f.Name, Why: why})
	}
}

// redundant says whether a form that is not believed says the same as one of the controller's own there.
func (w *world) redundant(n *node, f live.File) bool {
	return slices.ContainsFunc(n.Files, func(own live.File) bool {
		return own.Signer == w.h.Key && w.trusts(own.Signer) && revisionOf(own) == revisionOf(f) && sameForm(own, f)
	})
}

// sameForm says whether two Files hold one revision, of whatever commit.
func sameForm(a, b live.File) bool {
	r, ok := live.ParseForm(a.Labels)
	s, also := live.ParseForm(b.Labels)
	r.Commit, s.Commit = "", ""
	return ok && also && reflect.DeepEqual(r, s)
}

// renewForms puts each form that a node needs, and that another trusted key signed, under the controller's own, so that the other one's
// may be trusted no more some day.
func (w *world) renewForms(n *node, needed func(revision) bool) {
	for _, f := range n.Files {
		if w.h.Key == "" || !isForm(f) || f.Signer == w.h.Key || !w.trusts(f.Signer) || !w.ours(f.Labels[live.LabelSource]) || !needed(revisionOf(f)) {
			continue
		}
		app, err := manifest.ParseID(f.Labels[live.LabelApp])
		if err != nil || n.has(live.RevFile(app, f.Labels[live.LabelRev], w.h.Key)) {
			continue
		}
		if form, ok := w.form(app, f.Labels[live.LabelRev]); ok {
			file := w.revFile(form)
			n.host.Files[file.Name] = true
			w.put(n, app, &file, "put again under this controller's key")
		}
	}
}

// addProbes has the form of each pod with probes have them, so that the node side can run them: an older podkeep left them out. A File is never
// changed, so that one goes before it comes again.
func (w *world) addProbes(n *node) {
	for _, p := range n.Pods {
		if len(p.Birth.Probes) == 0 {
			continue
		}
		name := live.RevFile(p.App, p.Rev, w.h.Key)
		i := slices.IndexFunc(n.Files, func(f live.File) bool { return f.Name == name })
		if p.Asked || w.h.Key == "" || !w.ours(p.Source) || n.has(name) != (i >= 0) || i >= 0 && n.Files[i].Labels[live.LabelProbes] != "" {
			continue
		}
		form, ok := w.form(p.App, p.Rev)
		if !ok || !form.HasProbes() {
			continue
		}
		if file := w.revFile(form); i < 0 {
			n.host.Files[name] = true
			w.put(n, p.App, &file, "the node side needs the probes of "+p.Name)
		} else {
			delete(n.host.Files, name)
			w.drop(n, name, "it is put again with its probes")
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
		l := w.receipts.Of(wl.ID)
		for _, r := range []*live.Receipt{l.Top(), l.Stable()} {
			if r != nil {
				needed[revision{r.App.String(), r.Rev}] = true
			}
		}
	}
	return needed
}
