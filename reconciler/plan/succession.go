package plan

import (
	"slices"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Succession. A Rollout in the place of a Deployment, or a Deployment in that of a Rollout, is the same workload under another kind: pods that run
// are of older revisions of it, and go as those do. They keep the name and the label that they were born with, and what takes the place of a
// lost one has them too.

// kindred are the kinds of which one may succeed another under one name.
var kindred = []string{"Deployment", "ReplicaSet", "ReplicationController", "Rollout"}

// inherit finds out which workloads that left HEAD have an heir there. An heir has their pods, and what is written down of them, until it was
// promoted itself and none of those pods is left.
func (w *world) inherit() {
	w.plan.Heirs = map[manifest.ID]manifest.ID{}
	for app, left := range w.leftovers() {
		wl := w.successor(app)
		if wl != nil && (left.pods > 0 || w.succeeds(wl.ID, app)) && selectsAll(wl, left.sure) && !w.never(app, left.keep) {
			w.plan.Heirs[app] = wl.ID
		}
	}
	for _, heir := range w.plan.Heirs {
		w.receipts.Join(heir, w.predecessors(heir))
	}
}

// leftover is what there is of a workload: how many pods, and those of them that are what they say.
type leftover struct {
	pods int
	sure []live.Pod
	keep bool // one of those is never pruned
}

// leftovers are what there is of each object of which there is something written down, and of each workload that left HEAD.
func (w *world) leftovers() map[manifest.ID]leftover {
	all := map[manifest.ID]leftover{}
	for app := range w.receipts.Ledgers {
		all[app] = leftover{}
	}
	for _, n := range w.nodes {
		for _, p := range n.Pods {
			if !w.ours(p.Source) || find(w.want, p.App) != nil {
				continue
			}
			left := all[p.App]
			left.pods++
			if w.sure(n, p) {
				left.sure, left.keep = append(left.sure, p), left.keep || p.Keep
			}
			all[p.App] = left
		}
	}
	return all
}

// successor is the only workload of HEAD that may take the place of one that left it, or nil.
func (w *world) successor(app manifest.ID) (heir *manifest.Workload) {
	if !slices.Contains(kindred, app.Kind) || find(w.want, app) != nil {
		return nil
	}
	for _, kind := range kindred {
		app.Kind = kind
		if wl := find(w.want, app); wl != nil {
			if heir != nil {
				return nil
			}
			heir = wl
		}
	}
	return heir
}

// succeeds says whether a workload without a promotion of its own began in the place of another: after all that is written down of that one.
func (w *world) succeeds(heir, app manifest.ID) bool {
	own, began := w.receipts.Ledgers[heir], 0
	for _, r := range own {
		if r.Verb == live.Began && (began == 0 || r.Gen < began) {
			began = r.Gen
		}
	}
	return own.Newest(live.Promoted) == nil && began > w.receipts.Ledgers[app].Gen()
}

// heir is the workload that a pod or a receipt of app counts for.
func (w *world) heir(app manifest.ID) manifest.ID {
	if heir, ok := w.plan.Heirs[app]; ok {
		return heir
	}
	return app
}

// predecessors are the workloads whose heir this one is.
func (w *world) predecessors(heir manifest.ID) (all []manifest.ID) {
	for _, kind := range kindred {
		app := manifest.ID{Kind: kind, Namespace: heir.Namespace, Name: heir.Name}
		if of, ok := w.plan.Heirs[app]; ok && of == heir {
			all = append(all, app)
		}
	}
	return all
}

// disputed says why it is not certain that the workload left Git whose place this one is to take.
func (w *world) disputed(heir manifest.ID) string {
	for _, kind := range kindred {
		app := manifest.ID{Kind: kind, Namespace: heir.Namespace, Name: heir.Name}
		if wl := find(w.want, app); wl != nil && app != heir && wl.Held != "" {
			return app.String() + " may still be in Git: " + wl.Held
		}
	}
	for _, app := range w.predecessors(heir) {
		for _, why := range []string{w.mayPrune(), w.keepsPods(app)} {
			if why != "" {
				return "it takes the place of " + app.String() + ", which stays: " + why
			}
		}
	}
	return ""
}

// selectsAll says whether a workload's selector chooses all these pods.
func selectsAll(wl *manifest.Workload, pods []live.Pod) bool {
	selector, err := metav1.LabelSelectorAsSelector(selectorOf(wl))
	return err == nil && !slices.ContainsFunc(pods, func(p live.Pod) bool { return !selector.Matches(labels.Set(p.Birth.Labels)) })
}

func selectorOf(wl *manifest.Workload) *metav1.LabelSelector {
	switch o := wl.Object.(type) {
	case *appsv1.Deployment:
		return o.Spec.Selector
	case *appsv1.ReplicaSet:
		return o.Spec.Selector
	case *argo.Rollout:
		return o.Spec.Selector
	case *corev1.ReplicationController:
		if len(o.Spec.Selector) > 0 {
			return &metav1.LabelSelector{MatchLabels: o.Spec.Selector}
		}
	}
	return &metav1.LabelSelector{MatchLabels: wl.Revision.Labels}
}
