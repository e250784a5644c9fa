package manifest

import (
	"fmt"
	"maps"
	"slices"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// role is a Service that a Rollout names, by the field that names it.
type role struct{ field, service string }

// roles are the Services that the workload's Rollout names.
func (w Workload) roles() (all []role) {
	r := w.Strategy.Rollout
	if r == nil {
		return nil
	}
	for _, one := range []role{
		{canaryPath + ".canaryService", r.CanaryService}, {canaryPath + ".stableService", r.StableService},
		{blueGreenPath + ".activeService", r.ActiveService}, {blueGreenPath + ".previewService", r.PreviewService},
	} {
		if one.service != "" {
			all = append(all, one)
		}
	}
	return all
}

// rolloutID is the Rollout by which the workload rolls.
func (w Workload) rolloutID() ID {
	if w.By != nil {
		return w.By.ID
	}
	return w.ID
}

// rollouts refuses those whose Services or pods are not theirs to have.
func (a *assembly) rollouts(byID map[ID]*object) {
	named := map[ID][]Meta{} // the Rollouts that name a Service
	for _, w := range a.set.Workloads {
		for _, role := range w.roles() {
			id := ID{Kind: aService, Namespace: w.Namespace, Name: role.service}
			named[id] = append(named[id], byID[w.rolloutID()].Meta)
		}
	}
	refused := map[ID]bool{}
	for _, w := range a.set.Workloads {
		if w.Strategy.Rollout == nil {
			continue
		}
		o := byID[w.rolloutID()]
		c := o.check()
		for _, role := range w.roles() {
			a.role(c, w, role, named)
		}
		a.shares(c, w)
		a.ownPods(c, w)
		a.roleLabels(c, w)
		if c.broken() {
			a.fail(o, c)
			refused[w.ID] = true
		} else {
			a.set.Problems = append(a.set.Problems, c.found...)
		}
	}
	a.set.Workloads = slices.DeleteFunc(a.set.Workloads, func(w Workload) bool { return refused[w.ID] && w.By == nil })
}

// role refuses a Service that is not there, does not lead to the Rollout's pods, or leads to another's.
func (a *assembly) role(c *check, w Workload, r role, named map[ID][]Meta) {
	id := ID{Kind: aService, Namespace: w.Namespace, Name: r.service}
	i := slices.IndexFunc(a.set.Services, func(s Service) bool { return s.ID == id })
	if i < 0 {
		c.refuse(r.field, "%s", a.whyNot(id))
		return
	}
	for _, other := range named[id] {
		if other.ID != w.rolloutID() {
			c.refuse(r.field, "%s is named by %s too, %s, so neither has it; give each its own", id.said(), other.ID.said(), other.Origin)
			return
		}
	}
	selector := a.set.Services[i].Selector
	switch _, argos := selector[argo.DefaultRolloutUniqueLabelKey]; {
	case len(selector) == 0:
		c.refuse(r.field, "%s chooses no pods; it has to choose these: write a selector", id.said())
	case argos:
		c.refuse(r.field, "%s selects on %s, which Argo Rollouts wrote there; remove that label", id.said(), argo.DefaultRolloutUniqueLabelKey)
	case !chooses(selector, w.Revision.Labels):
		c.refuse(r.field, "%s selects %q, and the template's labels are %q; it has to choose these pods", id.said(), labels.Set(selector), labels.Set(w.Revision.Labels))
	}
}

func chooses(selector, of map[string]string) bool {
	return labels.SelectorFromSet(selector).Matches(labels.Set(of))
}

// ownPods refuses a Rollout whose pods another workload selects while it selects that one's.
func (a *assembly) ownPods(c *check, w Workload) {
	mine, field := selectorOf(w.Object), "spec.selector"
	if w.By != nil {
		field = refPath + ".name"
	}
	for _, other := range a.set.Workloads {
		if other.ID == w.ID || other.Namespace != w.Namespace || !mine.Matches(labels.Set(other.Revision.Labels)) {
			continue
		}
		if theirs := selectorOf(other.Object); theirs != nil && theirs.Matches(labels.Set(w.Revision.Labels)) {
			c.refuse(field, "%s, %s, selects the same pods; remove it, or give the pods of each a label of their own", other.ID.said(), other.Origin)
			return
		}
	}
}

// selectorOf is what a workload selects its pods by, or nil.
func selectorOf(o runtime.Object) labels.Selector {
	var s *metav1.LabelSelector
	switch o := o.(type) {
	case *appsv1.Deployment:
		s = o.Spec.Selector
	case *appsv1.ReplicaSet:
		s = o.Spec.Selector
	case *argo.Rollout:
		s = o.Spec.Selector
	case *corev1.ReplicationController:
		if s = metav1.SetAsLabelSelector(o.Spec.Selector); len(o.Spec.Selector) == 0 {
			s = metav1.SetAsLabelSelector(o.Spec.Template.Labels)
		}
	default:
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil { // it passed its checks
		return nil
	}
	return selector
}

// roleLabels refuses labels of one role that the selector does not match, and gives notice of a Service that goes by them: they stay with a
// pod as long as it lives.
func (a *assembly) roleLabels(c *check, w Workload) {
	r, path := w.Strategy.Rollout, canaryPath
	fields := []string{".canaryMetadata", ".stableMetadata"}
	if w.Strategy.Type == BlueGreen {
		path, fields = blueGreenPath, []string{".previewMetadata", ".activeMetadata"}
	}
	for i, more := range []map[string]string{r.New.Labels, r.Stable.Labels} {
		if len(more) == 0 {
			continue
		}
		field, all := path+fields[i]+".labels", map[string]string{}
		maps.Copy(all, w.Revision.Labels)
		maps.Copy(all, more)
		if s := selectorOf(w.Object); !s.Matches(labels.Set(all)) {
			c.refuse(field, "%s does not match the pods that have them; leave out what it goes by", s)
		}
		for _, svc := range a.set.Services {
			if svc.Namespace == w.Namespace && chooses(svc.Selector, all) != chooses(svc.Selector, w.Revision.Labels) {
				c.notice(field, fmt.Sprintf("%s goes by them: a pod has them from its start to its end, whatever it becomes; name the Service as one of the Rollout's instead", svc.ID.said()))
			}
		}
	}
}
