package status

import (
	"cmp"
	"time"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// strategy is how the workload goes from one revision to the next; the zero value once it left HEAD.
func (w Workload) strategy() manifest.Strategy {
	if w.want == nil {
		return manifest.Strategy{}
	}
	return w.want.Strategy
}

// canary and blueGreen say which strategy of a Rollout it has, if any.
func (w Workload) canary() bool    { return w.strategy().Type == manifest.Canary }
func (w Workload) blueGreen() bool { return w.strategy().Type == manifest.BlueGreen }

// way is how far its newest rollout is; the zero value where nothing is said of that.
func (w Workload) way() plan.Rollout {
	if w.Rollout == nil {
		return plan.Rollout{}
	}
	return *w.Rollout
}

// by is the Rollout that puts its strategy over it; the zero ID where there is none.
func (w Workload) by() manifest.ID {
	if w.want == nil || w.want.By == nil {
		return manifest.ID{}
	}
	return w.want.By.ID
}

// called is how a person says its name: a Rollout's that is over it.
func (w Workload) called() manifest.ID { return cmp.Or(w.by(), w.ID) }

// promoted says whether HEAD's revision is the stable one.
func (w Workload) promoted() bool { return w.Rev != "" && w.Rev == w.Stable }

// aborted says whether HEAD's revision was rejected and is gone back from.
func (w Workload) aborted() bool {
	way := w.way()
	return way.Failed != "" && !w.promoted() && (way.Aborted || w.strategy().OnFailure != manifest.OnFailureHold)
}

// done is how many steps of a canary are: all after the last one, none of what was rejected.
func (w Workload) done() int {
	steps := len(w.steps())
	switch {
	case w.promoted() || w.way().Fast != "":
		return steps
	case w.aborted() || !w.begun:
		return 0
	}
	return min(w.way().Step, steps)
}

// steps are a canary's.
func (w Workload) steps() []manifest.Step {
	if !w.canary() || w.strategy().Rollout == nil {
		return nil
	}
	return w.strategy().Rollout.Steps
}

// weight is what the revision asked for is to have of 100 now: all once it is stable, or where it is the first, nothing once it was rejected.
func (w Workload) weight() int {
	switch {
	case w.promoted() || w.first:
		return 100
	case w.aborted():
		return 0
	}
	return w.way().Weight
}

// of are the pods of a revision.
func (w Workload) of(rev string) plan.RolloutPods {
	for _, p := range w.way().Pods {
		if p.Rev == rev {
			return p
		}
	}
	return plan.RolloutPods{Rev: rev}
}

// serving are the pods of blue-green that its active Service leads to, and of a canary all.
func (w Workload) serving() plan.RolloutPods {
	if active := w.leads(activeService); active != "" {
		return w.of(active)
	}
	return plan.RolloutPods{Have: w.Total, Ready: w.Ready, Avail: w.Available}
}

// restarting says whether pods are to be replaced that are older than spec.restartAt.
func (w Workload) restarting(now time.Time) bool {
	at := w.restartAt()
	return !at.IsZero() && !at.After(now) && !w.restarted(now)
}

func (w Workload) restartAt() time.Time {
	if r := w.strategy().Rollout; r != nil {
		return r.RestartAt
	}
	return time.Time{}
}

// restarted says whether spec.restartAt has come and no pod is older.
func (w Workload) restarted(now time.Time) bool {
	at := w.restartAt()
	return !at.IsZero() && !at.After(now) && !oldest(w.Pods).Before(at)
}

// phase is Argo Rollouts' word for how a Rollout stands, and its message, by the rules that it has for them.
func (w Workload) phase(now time.Time) (argo.RolloutPhase, string) {
	if broken, why := w.degraded(); broken != "" {
		return argo.RolloutPhaseDegraded, broken + ": " + why
	}
	way, serves := w.way(), w.serving()
	switch {
	case way.Pause == rollout.PausedByPerson:
		return argo.RolloutPhasePaused, "manually paused"
	case way.Pause != "":
		return argo.RolloutPhasePaused, way.Pause
	case w.State == plan.Paused, w.State == plan.Suspended:
		return argo.RolloutPhasePaused, w.Why
	case w.State == plan.Held:
		return argo.RolloutPhaseProgressing, w.Why
	case w.restarting(now):
		return argo.RolloutPhaseProgressing, "rollout is restarting"
	case w.Updated < w.Replicas:
		return argo.RolloutPhaseProgressing, "more replicas need to be updated"
	case serves.Avail < w.Replicas:
		return argo.RolloutPhaseProgressing, "updated replicas are still becoming available"
	case w.blueGreen() && w.leads(activeService) != w.Rev:
		return argo.RolloutPhaseProgressing, "active service cutover pending"
	case w.blueGreen() && !w.promoted():
		return argo.RolloutPhaseProgressing, "waiting for post-promotion verification to complete"
	case !w.blueGreen() && w.Total > w.Updated:
		return argo.RolloutPhaseProgressing, "old replicas are pending termination"
	case !w.promoted():
		return argo.RolloutPhaseProgressing, "waiting for all steps to complete"
	}
	return argo.RolloutPhaseHealthy, ""
}

// Healthy says whether a workload's newest rollout has reached its end, though pods of an older revision may stay for a while.
func Healthy(w World, id manifest.ID) bool {
	for _, x := range Of(w).Workloads {
		if phase, _ := x.phase(w.Now); x.ID == id && x.Rollout != nil {
			return phase == argo.RolloutPhaseHealthy
		}
	}
	return false
}

// Reasons of Argo Rollouts' conditions.
const (
	invalidSpec    = "InvalidSpec"
	rolloutAborted = "RolloutAborted"
	timedOut       = "ProgressDeadlineExceeded"
)

// degraded is Argo Rollouts' reason for a Rollout that is not well, and the fact; empty for one that is.
func (w Workload) degraded() (reason, why string) {
	way := w.way()
	switch {
	case w.want != nil && w.want.Held != "":
		return invalidSpec, w.want.Held
	case w.aborted():
		return rolloutAborted, way.Failed
	case way.Failed != "" && !w.promoted():
		return timedOut, way.Failed
	case way.Late != "":
		return timedOut, way.Late
	case w.State == plan.Failed:
		return timedOut, w.Why
	}
	return "", ""
}
