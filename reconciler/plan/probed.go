package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// What the node side of a host knows: whether its pods are ready, and how what ended there is started again. While it is not heard, a pod with
// probes is as one on a silent node, so that nothing is stopped or replaced for want of a word.

// missable says whether nobody misses the workload's pods, so that it does not matter who knows how they are: it left HEAD, runs to its end, or has
// no replicas.
func missable(wl *manifest.Workload) bool { return wl == nil || wl.Job != nil || wl.Replicas == 0 }

// seen says whether it is known how the pod is.
func (p *pod) seen() bool { return p.node.reach == answers && p.verdict.State != health.Unheard }

// unseen is why that is not known.
func (p *pod) unseen() string {
	if p.node.reach == answers {
		return p.verdict.Why
	}
	return "the node is " + p.node.silence()
}

// unheeded is what podkeep has no word of.
func (p *pod) unheeded() string {
	if p.node.reach == answers {
		return fmt.Sprintf("the node side of %s says nothing of %s", p.node.Name, p.Name)
	}
	return p.node.Name + " is silent"
}

// tended says whether the node side starts it again when it ends; nobody else does then. What is half made is not its own.
func (p *pod) tended() bool {
	return p.node.Side.Heard() && len(p.Containers) == len(p.Expect) && slices.Contains(p.node.Side.Tends, p.Name)
}

// often is after how many restarts in a row a pod is said to fail again and again: back-off has come to its end then. patient is for how long
// one may not be ready, while no deadline counts, until that is said to be a failure.
const (
	often   = 6
	patient = 10 * time.Minute
)

// failing is what a pod's failures make of the workload, and why: a pod of a revision in force, or of one that no deadline rejects.
func (k *work) failing() (State, string) {
	policy := k.wl.Revision.Spec.RestartPolicy
	if k.step.Phase != rollout.Steady && (k.step.Phase != rollout.Rolling || policy != corev1.RestartPolicyOnFailure && policy != corev1.RestartPolicyNever) {
		return k.app.State, k.app.Why
	}
	for _, p := range slices.Concat(k.kept, k.extra) {
		since := p.verdict.Since
		switch {
		case p.Rev != k.wl.Revision.Rev:
		case p.verdict.Row >= often:
			return Failed, fmt.Sprintf("%s on %s fails again and again: %s; push a revision that works", p.Name, p.node.Name, p.verdict.Why)
		case !p.seen() || p.verdict.Ready() || since.IsZero() || since.After(k.now) || p.verdict.State == health.Crashed && !p.tended():
		case p.Unprobed != "":
			return Held, fmt.Sprintf("%s on %s: %s; give the host a node side, or push a revision without probes", p.Name, p.node.Name, p.verdict.Why)
		case k.now.Before(since.Add(patient)):
			k.wake(since.Add(patient))
		default:
			return Failed, fmt.Sprintf("%s on %s is not ready since %s: %s; push a revision that works", p.Name, p.node.Name,
				since.UTC().Format(time.DateTime), p.verdict.Why)
		}
	}
	return k.app.State, k.app.Why
}

// mute is of which pod nobody knows how it is, while nothing that is timed changes that.
func (k *work) mute() string {
	for _, p := range k.kept {
		if p.node.reach != answers || p.verdict.State != health.Unheard {
			continue
		}
		switch due := k.sideDue(p); {
		case p.node.Side.Heard() && !slices.Contains(p.node.Side.Tends, p.Name):
			k.wake(k.now.Add(telling))
		case k.now.Before(due):
			k.wake(due)
		default:
			return fmt.Sprintf("whether %s on %s is ready is not known: %s; see there what podman logs says of it", p.Name, p.node.Name,
				cmp.Or(k.plan.Sides[p.node.Name], p.node.lacksSide(), "its node side says nothing of it"))
		}
	}
	return ""
}

// telling is how soon a node side has heard at the latest which pods to look after.
const telling = 10 * time.Second

// sideDue is until when a node side that says nothing of a pod may yet, by itself or because it is begun anew.
func (w *world) sideDue(p *pod) (due time.Time) {
	n := p.node
	for _, side := range n.sides {
		if at := side.Created.Add(deaf); at.After(due) {
			due = at
		}
	}
	if at := p.verdict.Since.Add(deaf); n.Side.Heard() && at.After(due) {
		due = at
	}
	if at := w.now.Add(deaf - n.Side.Silent); n.Side.Silent > 0 && at.After(due) {
		due = at
	}
	if len(n.sides) == 0 && n.sideTrouble(w.sidePod(n).Name) == "" {
		return w.now.Add(deaf)
	}
	return due
}
