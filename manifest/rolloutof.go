package manifest

import (
	"strconv"
	"time"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// defaultDelay is scaleDownDelaySeconds and abortScaleDownDelaySeconds when they are not written.
const defaultDelay = 30

// rolloutStrategy is how a Rollout of n pods in a namespace that passed its checks goes from one revision to the next.
func rolloutStrategy(r *argo.Rollout, namespace string, n int) Strategy {
	spec := r.Spec
	s := blueGreenStrategy(spec.Strategy.BlueGreen, n, spec.MinReadySeconds)
	if canary := spec.Strategy.Canary; canary != nil {
		s = canaryStrategy(canary, namespace, n, spec.MinReadySeconds)
	}
	s.Paused, s.Deadline = spec.Paused, deadlineOf(spec.ProgressDeadlineSeconds)
	s.OnFailure = r.Annotations[AnnotationOnFailure]
	switch {
	case s.OnFailure != "":
	case spec.ProgressDeadlineAbort:
		s.OnFailure = OnFailureRollback
	default:
		s.OnFailure = OnFailureReport
	}
	if w := spec.RollbackWindow; w != nil {
		revisions := int(w.Revisions)
		s.Rollout.Window = &revisions
	}
	if spec.RestartAt != nil {
		s.Rollout.RestartAt = spec.RestartAt.Time
	}
	return s
}

func canaryStrategy(c *argo.CanaryStrategy, namespace string, n int, minReady int32) Strategy {
	s := rolling(n, c.MaxSurge, c.MaxUnavailable, minReady)
	s.Type = Canary
	s.Rollout = &Rollout{
		CanaryService: c.CanaryService, StableService: c.StableService, AntiAffinity: apartOf(c.AntiAffinity),
		Shares: sharesOf(c.TrafficRouting, namespace), New: roleMetaOf(c.CanaryMetadata), Stable: roleMetaOf(c.StableMetadata), Threshold: thresholdOf(c.ReplicaProgressThreshold),
	}
	for _, step := range c.Steps {
		s.Rollout.Steps = append(s.Rollout.Steps, stepOf(step))
	}
	return s
}

// blueGreenStrategy surges by one pod where it moves or restarts; how many pods stand beside each other while it rolls is its own affair.
func blueGreenStrategy(b *argo.BlueGreenStrategy, n int, minReady int32) Strategy {
	if b == nil {
		return Strategy{}
	}
	one := intstr.FromInt32(1)
	s := rolling(n, &one, b.MaxUnavailable, minReady)
	s.Type = BlueGreen
	s.Rollout = &Rollout{
		ActiveService: b.ActiveService, PreviewService: b.PreviewService, AntiAffinity: apartOf(b.AntiAffinity),
		New: roleMetaOf(b.PreviewMetadata), Stable: roleMetaOf(b.ActiveMetadata),
		AutoPromotion: b.AutoPromotionEnabled == nil || *b.AutoPromotionEnabled, AutoAfter: time.Duration(b.AutoPromotionSeconds) * time.Second,
		Delay: delayOf(b.ScaleDownDelaySeconds), AbortDelay: delayOf(b.AbortScaleDownDelaySeconds),
	}
	if p := b.PreviewReplicaCount; p != nil {
		s.Rollout.PreviewReplicas = min(int(*p), n)
	}
	if l := b.ScaleDownDelayRevisionLimit; l != nil {
		limit := int(*l)
		s.Rollout.DelayRevisions = &limit
	}
	return s
}

func delayOf(seconds *int32) time.Duration {
	if seconds == nil {
		return defaultDelay * time.Second
	}
	return time.Duration(*seconds) * time.Second
}

func stepOf(step argo.CanaryStep) (made Step) {
	if w := step.SetWeight; w != nil {
		weight := int(*w)
		made.Weight = &weight
	}
	if p := step.Pause; p != nil {
		made.Pause = &Pause{}
		if p.Duration != nil {
			made.Pause.Ends = true
			made.Pause.Duration, _ = durationOf(*p.Duration)
		}
	}
	return made
}

// durationOf reads seconds, in digits, or a text with units such as 10m. It says whether it is either.
func durationOf(v intstr.IntOrString) (time.Duration, bool) {
	if v.Type == intstr.Int {
		return time.Duration(v.IntVal) * time.Second, true
	}
	if n, err := strconv.ParseInt(v.StrVal, 10, 32); err == nil {
		return time.Duration(n) * time.Second, true
	}
	d, err := time.ParseDuration(v.StrVal)
	return d, err == nil
}

func apartOf(a *argo.AntiAffinity) *Apart {
	switch {
	case a == nil:
		return nil
	case a.RequiredDuringSchedulingIgnoredDuringExecution != nil:
		return &Apart{Required: true}
	}
	return &Apart{Weight: int(a.PreferredDuringSchedulingIgnoredDuringExecution.Weight)}
}

func roleMetaOf(m *argo.PodTemplateMetadata) RoleMeta {
	if m == nil {
		return RoleMeta{}
	}
	return RoleMeta{Labels: m.Labels, Annotations: m.Annotations}
}

func thresholdOf(t *argo.ReplicaProgressThreshold) *Threshold {
	switch {
	case t == nil:
		return nil
	case t.Type == argo.ProgressTypePercentage:
		return &Threshold{Percent: int(t.Value)}
	}
	return &Threshold{Pods: int(t.Value)}
}
