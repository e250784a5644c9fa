package status

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// rolloutObject is the Rollout whose pods a workload's are, with the status that Argo Rollouts gives one. Where that names a hash, it is the digits of a
// revision.
func (l *lister) rolloutObject(w Workload) {
	o := &argo.Rollout{}
	declared := l.object(w)
	if w.want != nil && w.want.By != nil && w.want.By.Object != nil {
		declared = w.want.By.Object.DeepCopyObject()
	}
	if r, ok := declared.(*argo.Rollout); ok {
		o = r
	}
	o.Spec.TemplateResolvedFromRef = o.Spec.WorkloadRef != nil // neither is in the manifest then, nor is it here
	o.Spec.SelectorResolvedFromRef = o.Spec.WorkloadRef != nil && o.Spec.Selector == nil
	o.TypeMeta = metav1.TypeMeta{APIVersion: argo.SchemeGroupVersion.String(), Kind: "Rollout"}
	l.meta(&o.ObjectMeta, w)
	o.Name = w.called().Name
	setUID(&o.ObjectMeta, l.uid(w.called()))
	o.Generation = int64(w.way().Gen)
	o.Annotations["rollout.argoproj.io/revision"] = strconv.Itoa(w.way().Gen)
	o.Status = l.rolloutStatus(w, l.selector(w, o))
	l.add(o)
}

// selector chooses all pods of a Rollout: its own, or that of the Deployment that it names.
func (l *lister) selector(w Workload, o *argo.Rollout) *metav1.LabelSelector {
	if d, ok := l.object(w).(*appsv1.Deployment); ok && o.Spec.Selector == nil {
		return d.Spec.Selector
	}
	return o.Spec.Selector
}

func (l *lister) rolloutStatus(w Workload, selector *metav1.LabelSelector) argo.RolloutStatus {
	way, serves := w.way(), w.serving()
	s := argo.RolloutStatus{
		ObservedGeneration: strconv.Itoa(way.Gen), CurrentPodHash: live.ShortRev(w.Rev), StableRS: live.ShortRev(w.Stable),
		Replicas: int32(w.Total), UpdatedReplicas: int32(w.Updated), HPAReplicas: int32(serves.Have),
		ReadyReplicas: int32(serves.Ready), AvailableReplicas: int32(serves.Avail),
		Abort: w.aborted(), PromoteFull: l.promotesFull(w),
	}
	if w.want != nil && w.want.By != nil {
		s.WorkloadObservedGeneration = s.ObservedGeneration
	}
	if r, ok := l.receipt(w, live.Failed); ok && s.Abort {
		s.AbortedAt = new(stamp(r.Time))
	}
	if w.restarted(l.Now) {
		s.RestartedAt = new(stamp(w.restartAt()))
	}
	if way.Pause != "" && way.Pause != rollout.PausedByPerson && !s.Abort {
		s.ControllerPause = true
		s.PauseConditions = []argo.PauseCondition{{Reason: argo.PauseReason(way.Pause), StartTime: stamp(way.Since)}}
	}
	if w.canary() {
		s.CurrentStepHash = w.strategy().StepsDigest()
		s.Canary.Weights = w.weights()
	}
	if len(w.steps()) > 0 {
		s.CurrentStepIndex = new(int32(w.done()))
	}
	if w.blueGreen() {
		s.BlueGreen = l.blueGreen(w)
		selector = narrowed(selector, hashKey(w.ID), s.BlueGreen.ActiveSelector)
	}
	s.Selector = metav1.FormatLabelSelector(selector)
	phase, message := w.phase(l.Now)
	s.Phase, s.Message = phase, message
	s.Conditions = l.rolloutConditions(w)
	return s
}

// weights are how requests are shared between the two Services of a canary; nil where nothing shares them.
func (w Workload) weights() *argo.TrafficWeights {
	if by, _ := w.shares(); len(by) == 0 {
		return nil
	}
	to := func(role string, part int) argo.WeightDestination {
		return argo.WeightDestination{Weight: int32(part), ServiceName: w.service(role), PodTemplateHash: live.ShortRev(w.leads(role))}
	}
	part := w.way().Share
	return &argo.TrafficWeights{Canary: to(canaryService, part), Stable: to(stableService, 100-part)}
}

func (l *lister) blueGreen(w Workload) argo.BlueGreenStatus {
	done, _ := l.Plan.Ledgers[w.ID].Steps(w.strategy().StepsDigest())
	fewer := w.strategy().Rollout != nil && w.strategy().Rollout.PreviewReplicas > 0
	return argo.BlueGreenStatus{
		PreviewSelector: live.ShortRev(w.leads(previewService)), ActiveSelector: live.ShortRev(w.leads(activeService)),
		ScaleUpPreviewCheckPoint: fewer && done > 1 && !w.promoted(),
	}
}

// narrowed chooses the pods of one revision alone, among those that a selector chooses.
func narrowed(selector *metav1.LabelSelector, key, hash string) *metav1.LabelSelector {
	if selector == nil || hash == "" {
		return selector
	}
	return metav1.CloneSelectorAndAddLabel(selector, key, hash)
}

// promotesFull says whether the newest rollout, which is under way, takes no notice of steps because somebody said so.
func (l *lister) promotesFull(w Workload) bool {
	if w.promoted() || w.way().Failed != "" {
		return false
	}
	book := l.Plan.Ledgers[w.ID]
	began := book.InTop(live.Began)
	return slices.ContainsFunc(l.History.Decisions, func(d manifest.Decision) bool {
		if d.Verb != "promote-full" || d.App != w.ID || d.Rev != w.Rev {
			return false
		}
		atFirst := began != nil && slices.Contains(began.Answers, d.ID()) // of a try before this one, unless it began with it
		return !atFirst || strings.HasPrefix(began.Steps, "fast")
	})
}

func (l *lister) rolloutConditions(w Workload) []argo.RolloutCondition {
	at := l.dated(w)
	condition := func(kind argo.RolloutConditionType, is bool, reason, message string) argo.RolloutCondition {
		c := argo.RolloutCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message, LastUpdateTime: at, LastTransitionTime: at}
		if is {
			c.Status = corev1.ConditionTrue
		}
		return c
	}
	phase, _ := w.phase(l.Now)
	healthy, available := phase == argo.RolloutPhaseHealthy, w.serving().Avail >= w.Replicas
	paused := condition(argo.RolloutPaused, phase == argo.RolloutPhasePaused, "RolloutPaused", "Rollout is paused")
	if since := w.way().Since; phase == argo.RolloutPhasePaused && !since.IsZero() {
		paused.LastTransitionTime, paused.LastUpdateTime = stamp(since), stamp(since)
	}
	all := []argo.RolloutCondition{
		condition(argo.RolloutAvailable, available, "AvailableReason", map[bool]string{
			true: "Rollout has minimum availability", false: "Rollout does not have minimum availability",
		}[available]),
		l.rolloutProgressing(w, condition(argo.RolloutProgressing, true, "", w.Why)),
		paused,
		condition(argo.RolloutCompleted, w.promoted(), "RolloutCompleted", "RolloutCompleted"),
		condition(argo.RolloutHealthy, healthy, "RolloutHealthy", map[bool]string{true: "Rollout is healthy", false: "Rollout is not healthy"}[healthy]),
	}
	if reason, why := w.degraded(); reason == invalidSpec {
		all = append(all, condition(argo.InvalidSpec, true, invalidSpec, why))
	}
	return all
}

func (l *lister) rolloutProgressing(w Workload, c argo.RolloutCondition) argo.RolloutCondition {
	phase, _ := w.phase(l.Now)
	reason, why := w.degraded()
	switch {
	case reason == rolloutAborted:
		c.Status, c.Reason = corev1.ConditionFalse, reason
		c.Message = fmt.Sprintf("Rollout aborted update to revision %d: %s", w.way().Gen, why)
	case reason == timedOut:
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, reason, why
	case phase == argo.RolloutPhasePaused:
		c.Status, c.Reason = corev1.ConditionUnknown, "RolloutPaused"
	case w.State == plan.Held:
		c.Status, c.Reason = corev1.ConditionUnknown, string(w.State)
	case phase == argo.RolloutPhaseHealthy:
		c.Reason = "NewReplicaSetAvailable"
	case w.promoted():
		c.Reason = "ReplicaSetNotAvailable"
	default:
		c.Reason = "ReplicaSetUpdated"
	}
	return c
}

// dated is when the newest thing was written down of the revision; without one its pods' birth.
func (l *lister) dated(w Workload) metav1.Time {
	at := w.Since
	if r, ok := l.receipt(w, live.Began, live.Stepped, live.Switched, live.Promoted, live.Failed, live.Halted, live.Resumed); ok {
		at = r.Time
	}
	return stamp(at)
}

// hashKey is the label that tells pods of one revision from those of others, as its kind has it.
func hashKey(id manifest.ID) string {
	if id.Kind == "Rollout" {
		return argo.DefaultRolloutUniqueLabelKey
	}
	return appsv1.DefaultDeploymentUniqueLabelKey
}
