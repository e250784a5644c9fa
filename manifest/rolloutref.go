package manifest

import (
	"fmt"
	"slices"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// lead is a Rollout that names a Deployment as its workloadRef.
type lead struct {
	Meta
	*object
	rollout *argo.Rollout
}

// deploymentOf is the Deployment of that name in a Rollout's namespace.
func deploymentOf(rollout Meta, name string) ID {
	return ID{Kind: aDeployment, Namespace: rollout.Namespace, Name: name}
}

// deployment is the one that it names.
func (l lead) deployment() ID { return deploymentOf(l.Meta, l.rollout.Spec.WorkloadRef.Name) }

// noteUnled remembers the Deployment over which a Rollout stands that does not load, as far as it can be read.
func (f *file) noteUnled(doc document, rollout Meta) {
	spec := doc.get("spec")
	if rollout.Kind != aRollout || spec == nil {
		return
	}
	ref := get(spec, "workloadRef")
	if ref == nil || textOf(get(ref, "name")) == "" {
		return
	}
	if f.unled == nil {
		f.unled = map[ID]Meta{}
	}
	f.unled[deploymentOf(rollout, textOf(get(ref, "name")))] = rollout
}

// lead puts each Rollout over the Deployment that it names: its strategy, and how many pods there are.
func (a *assembly) lead() {
	of, led := map[ID][]Meta{}, map[ID]ID{}
	for _, l := range a.leads {
		of[l.deployment()] = append(of[l.deployment()], l.Meta)
	}
	for _, l := range a.leads {
		c, n := l.check(), replicasOf(l.rollout.Spec.Replicas)
		w := a.leadable(c, l, of[l.deployment()], n)
		if c.broken() {
			a.fail(l.object, c)
			continue
		}
		d := w.Annotations[AnnotationOnFailure]
		w.Strategy, w.Replicas, w.By = rolloutStrategy(l.rollout, l.Namespace, n), n, &By{Meta: l.Meta, Object: l.typed}
		if l.Annotations[AnnotationOnFailure] == "" && d != "" {
			w.Strategy.OnFailure = d
		}
		w.Suspended = w.Suspended || l.Suspended
		led[l.ID] = w.ID
	}
	a.passNeeds(led)
}

// leadable is the Deployment's workload, which is there unless something is refused. all are the Rollouts that name it.
func (a *assembly) leadable(c *check, l lead, all []Meta, replicas int) *Workload {
	id := l.deployment()
	i := slices.IndexFunc(a.set.Workloads, func(w Workload) bool { return w.ID == id })
	if i < 0 {
		c.refuse(refPath+".name", "%s", a.whyNot(id))
		return nil
	}
	w := &a.set.Workloads[i]
	if len(all) > 1 {
		other := all[0]
		if other.ID == l.ID {
			other = all[1]
		}
		c.refuse(refPath+".name", "%s has %s over it too, %s, so neither counts; remove one of them", id.said(), other.ID.said(), other.Origin)
	}
	if s := l.rollout.Spec.Selector; s != nil {
		c.selector(s, w.Revision.Labels)
	}
	for _, name := range ClaimsOf(w.Revision.Spec) {
		if why := a.jams(ClaimID(w.Namespace, name), replicas); why != "" {
			c.refuse(refPath, "%s", why)
		}
	}
	return w
}

// whyNot says why an object that is named is not among those that loaded.
func (a *assembly) whyNot(id ID) string {
	if file := a.set.failed[id]; file != "" {
		return fmt.Sprintf("%s does not load, see %s", id.said(), file)
	}
	return a.lacks(id)
}

// passNeeds lets what waits for a Rollout wait for the Deployment that it is over.
func (a *assembly) passNeeds(led map[ID]ID) {
	for i := range a.set.Workloads {
		w := &a.set.Workloads[i]
		w.Needs = slices.Clone(w.Needs)
		for j, need := range w.Needs {
			if d, over := led[need]; over {
				w.Needs[j] = d
			}
		}
	}
}

// holdUnled leaves out each Deployment over which a Rollout stands that does not load. By itself it would roll at once, and to as many pods as
// it says, which may be none: it keeps its form, as the Rollout does.
func (a *assembly) holdUnled() {
	a.set.Workloads = slices.DeleteFunc(a.set.Workloads, func(w Workload) bool {
		by, unled := a.unled[w.ID]
		if !unled {
			return false
		}
		a.set.failed[w.ID] = by.File
		a.set.Problems = append(a.set.Problems, Problem{Origin: w.Origin, Object: w.Kind + "/" + w.Name, Notice: true,
			Text: fmt.Sprintf("nothing changes of it: %s, %s, has it as workloadRef and does not load", by.ID.said(), by.Origin)})
		return true
	})
}

// leads says whether a Rollout that the keeper keeps is over the past form of a workload. HEAD's form would go on without it.
func (k keeper) leads(old *Workload) bool {
	if old.By == nil || !k.keeps(&old.By.Meta) {
		return false
	}
	_, failed := k.head.failed[old.By.ID]
	return failed || !k.head.Has(old.By.ID)
}
