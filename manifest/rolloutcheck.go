package manifest

import (
	"fmt"
	"reflect"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	canaryPath    = "spec.strategy.canary"
	blueGreenPath = "spec.strategy.blueGreen"
	refPath       = "spec.workloadRef"
)

func init() {
	built[typeOf[argo.RolloutSpec]()] = "replicas selector template workloadRef minReadySeconds rollbackWindow strategy paused " +
		"progressDeadlineSeconds progressDeadlineAbort restartAt"
	built[typeOf[argo.CanaryStrategy]()] = "canaryService stableService trafficRouting steps maxUnavailable maxSurge antiAffinity canaryMetadata stableMetadata " +
		"replicaProgressThreshold"
	built[typeOf[argo.CanaryStep]()] = "setWeight pause"
	built[typeOf[argo.BlueGreenStrategy]()] = "activeService previewService previewReplicaCount autoPromotionEnabled autoPromotionSeconds " +
		"maxUnavailable scaleDownDelaySeconds scaleDownDelayRevisionLimit antiAffinity previewMetadata activeMetadata abortScaleDownDelaySeconds"
	built[typeOf[argo.ObjectRef]()] = "apiVersion kind name"
	idle[typeOf[argo.RolloutSpec]()] = map[string]string{
		"revisionHistoryLimit": "Git is the history",
		"analysis":             "no runs of an analysis are kept: there are none",
	}
	idle[typeOf[argo.ObjectRef]()] = map[string]string{
		"scaleDown": "the Deployment's pods are the Rollout's, so there are none to scale down",
	}
	noticed[typeOf[argo.CanaryStrategy]()] = map[string]string{
		"abortScaleDownDelaySeconds":  noDelay,
		"scaleDownDelayRevisionLimit": noDelay,
	}
	instead[typeOf[argo.CanaryStrategy]()] = map[string]string{
		"analysis":              decideYourself,
		"scaleDownDelaySeconds": "old pods go as new ones are available, once nobody sends them requests any more",
		"dynamicStableScale":    "stable pods go anyway as the canary grows",
		"minPodsPerReplicaSet":  "replicas and the weights say how many pods there are",
		"pingPong":              "canaryService and stableService each lead to their own pods",
	}
	instead[typeOf[argo.CanaryStep]()] = map[string]string{
		"analysis":       decideYourself,
		"experiment":     "setWeight starts pods of the new revision, and canaryService leads to them alone",
		"setCanaryScale": "setWeight says how many pods are new",
		"setHeaderRoute": noHeaderRoute,
		"setMirrorRoute": "canaryService leads to the new pods alone",
		"plugin":         "no program of others decides here; pause: {} waits for whoever does",
	}
	instead[typeOf[argo.BlueGreenStrategy]()] = map[string]string{
		"prePromotionAnalysis":  "autoPromotionEnabled: false waits for whoever has looked at the new pods",
		"postPromotionAnalysis": "a git revert switches back, at once within scaleDownDelaySeconds",
	}
}

const (
	weightsAreCounts = "weights are kept by numbers of pods, as where Argo Rollouts has no trafficRouting"
	decideYourself   = "a step pause: {} waits for whoever decides, and progressDeadlineAbort: true goes back where pods do not become available"
	noDelay          = "means nothing here: pods of a canary go at once"
)

// rollout checks a Rollout as Argo Rollouts does.
func (c *check) rollout(r *argo.Rollout) {
	s := r.Spec
	c.notNegative("spec.replicas", s.Replicas)
	c.notNegative("spec.minReadySeconds", &s.MinReadySeconds)
	c.notNegative("spec.revisionHistoryLimit", s.RevisionHistoryLimit)
	c.deadline(s.ProgressDeadlineSeconds, s.MinReadySeconds)
	if w := s.RollbackWindow; w != nil {
		c.notNegative("spec.rollbackWindow.revisions", &w.Revisions)
	}
	c.rolloutPods(r)
	switch canary, blueGreen := s.Strategy.Canary, s.Strategy.BlueGreen; {
	case canary != nil && blueGreen != nil:
		c.refuse("spec.strategy", "has both canary and blueGreen; remove one of them")
	case canary != nil:
		c.canary(canary)
	case blueGreen != nil:
		c.blueGreen(blueGreen, s)
	case !c.torn[canaryPath] && !c.torn[blueGreenPath]:
		c.refuse("spec.strategy", "is missing; write canary with its steps, canary: {} for a rolling update, or blueGreen")
	}
}

// rolloutPods checks what its pods are made of.
func (c *check) rolloutPods(r *argo.Rollout) {
	s := r.Spec
	switch written := canonical(reflect.ValueOf(s.Template)) != nil; {
	case s.WorkloadRef != nil && written:
		c.refuse("spec.template", "stands beside workloadRef, which says what the pods are made of; remove one of them")
	case s.WorkloadRef != nil:
		c.workloadRef(*s.WorkloadRef, r.Annotations)
	case !written:
		c.refuse("spec.template", "is missing; write what the pods are made of, or workloadRef with the Deployment that says so")
	default:
		c.selector(s.Selector, s.Template.Labels)
		c.template(s.Template)
	}
}

func (c *check) workloadRef(ref argo.ObjectRef, annotations map[string]string) {
	switch {
	case ref.Kind == "":
		c.refuse(refPath+".kind", "is missing; write Deployment")
	case ref.Kind != aDeployment:
		c.refuse(refPath+".kind", "%s is not supported; make a Deployment of it, or write its template here as spec.template", ref.Kind)
	case ref.APIVersion != deploymentKind.version:
		c.refuse(refPath+".apiVersion", "%s", wantVersion(deploymentKind, ref.APIVersion))
	}
	if ref.Name == "" {
		c.refuse(refPath+".name", "is missing; write which Deployment of the namespace says what the pods are made of")
	}
	if ref.ScaleDown != "" {
		c.oneOf(refPath+".scaleDown", ref.ScaleDown, argo.ScaleDownNever, argo.ScaleDownOnSuccess, argo.ScaleDownProgressively)
	}
	for _, key := range []string{AnnotationNeeds, AnnotationPrune} {
		if annotations[key] != "" {
			c.refuse(keyed("metadata.annotations", key), "means nothing beside workloadRef; write it on the Deployment")
		}
	}
	if annotations[AnnotationWave] != "" {
		c.notice(keyed("metadata.annotations", AnnotationWave), "means nothing beside workloadRef: the Deployment's wave counts")
	}
}

func (c *check) canary(s *argo.CanaryStrategy) {
	c.moves(canaryPath, s.MaxSurge, s.MaxUnavailable)
	c.sharing(s)
	if s.CanaryService != "" && s.CanaryService == s.StableService {
		c.refuse(canaryPath+".stableService", "%s is canaryService too, and each leads to pods of its own; write another, or remove one of them", s.StableService)
	}
	for i, step := range s.Steps {
		c.canaryStep(item(canaryPath+".steps", i), step)
	}
	c.apart(canaryPath+".antiAffinity", s.AntiAffinity)
	c.roleMeta(canaryPath+".canaryMetadata", s.CanaryMetadata)
	c.roleMeta(canaryPath+".stableMetadata", s.StableMetadata)
	c.threshold(canaryPath+".replicaProgressThreshold", s.ReplicaProgressThreshold)
}

func (c *check) canaryStep(path string, s argo.CanaryStep) {
	weight, pause := under(path, "setWeight"), under(path, "pause")
	switch {
	case s.SetWeight != nil && s.Pause != nil:
		c.refuse(path, "has both setWeight and pause; make two steps of it")
	case s.SetWeight != nil && (*s.SetWeight < 0 || *s.SetWeight > 100):
		c.refuse(weight, "%d is not between 0 and 100", *s.SetWeight)
	case s.Pause != nil:
		c.pause(under(pause, "duration"), *s.Pause)
	case s == argo.CanaryStep{} && !c.torn[path] && !c.torn[weight] && !c.torn[pause]:
		c.refuse(path, "does nothing; write for example setWeight: 20, or pause: {}")
	}
}

func (c *check) pause(path string, p argo.RolloutPause) {
	if p.Duration == nil {
		return
	}
	switch d, ok := durationOf(*p.Duration); {
	case !ok:
		c.refuse(path, "%q is no time; write seconds, such as 30, or a text such as 10m", p.Duration.String())
	case d < 0:
		c.refuse(path, "%s is less than 0", p.Duration.String())
	}
}

// apart checks how pods of two revisions are kept on different nodes.
func (c *check) apart(path string, a *argo.AntiAffinity) {
	if a == nil {
		return
	}
	const preferred, required = "preferredDuringSchedulingIgnoredDuringExecution", "requiredDuringSchedulingIgnoredDuringExecution"
	soft, hard := a.PreferredDuringSchedulingIgnoredDuringExecution, a.RequiredDuringSchedulingIgnoredDuringExecution
	switch {
	case soft != nil && hard != nil:
		c.refuse(path, "has both; remove one of them")
	case hard == nil && soft == nil && !c.torn[under(path, preferred)] && !c.torn[under(path, required)]:
		c.refuse(path, "says nothing; write %s: {}, or remove it", required)
	case soft != nil && (soft.Weight < 1 || soft.Weight > 100):
		c.refuse(under(under(path, preferred), "weight"), "%d is not between 1 and 100", soft.Weight)
	}
}

func (c *check) roleMeta(path string, m *argo.PodTemplateMetadata) {
	if m != nil {
		c.templateMeta(path, metav1.ObjectMeta{Labels: m.Labels, Annotations: m.Annotations})
	}
}

func (c *check) threshold(path string, t *argo.ReplicaProgressThreshold) {
	if t == nil {
		return
	}
	c.oneOf(under(path, "type"), string(t.Type), string(argo.ProgressTypePercentage), string(argo.ProgressTypePods))
	switch {
	case t.Value < 1:
		c.refuse(under(path, "value"), "%d is less than 1", t.Value)
	case t.Type == argo.ProgressTypePercentage && t.Value > 100:
		c.refuse(under(path, "value"), "%d%% is more than all", t.Value)
	}
}

// defaultHistory is revisionHistoryLimit of a Rollout when it is not written.
const defaultHistory = 10

func (c *check) blueGreen(s *argo.BlueGreenStrategy, of argo.RolloutSpec) {
	const path = blueGreenPath
	switch {
	case s.ActiveService == "":
		c.refuse(path+".activeService", "is missing; write the Service that leads to the pods that serve")
	case s.ActiveService == s.PreviewService:
		c.refuse(path+".previewService", "%s is activeService too, and each leads to pods of its own; write another, or remove previewService", s.PreviewService)
	}
	c.part(path+".maxUnavailable", s.MaxUnavailable)
	c.notNegative(path+".autoPromotionSeconds", &s.AutoPromotionSeconds)
	c.notNegative(path+".scaleDownDelaySeconds", s.ScaleDownDelaySeconds)
	c.notNegative(path+".abortScaleDownDelaySeconds", s.AbortScaleDownDelaySeconds)
	c.notNegative(path+".scaleDownDelayRevisionLimit", s.ScaleDownDelayRevisionLimit)
	switch n, replicas := s.PreviewReplicaCount, replicasOf(of.Replicas); {
	case n == nil:
	case *n < 1:
		c.refuse(path+".previewReplicaCount", "%d leaves nothing to look at; write 1 or more, or remove it to have all replicas", *n)
	case int(*n) > replicas && replicas > 0:
		c.notice(path+".previewReplicaCount", fmt.Sprintf("%d is more than replicas, so there are %d", *n, replicas))
	}
	limit, so := int32(defaultHistory), " unless you write it"
	if of.RevisionHistoryLimit != nil {
		limit, so = *of.RevisionHistoryLimit, ""
	}
	if n := s.ScaleDownDelayRevisionLimit; n != nil && *n > limit {
		c.refuse(path+".scaleDownDelayRevisionLimit", "%d is more than revisionHistoryLimit, which is %d%s", *n, limit, so)
	}
	c.apart(path+".antiAffinity", s.AntiAffinity)
	c.roleMeta(path+".previewMetadata", s.PreviewMetadata)
	c.roleMeta(path+".activeMetadata", s.ActiveMetadata)
}
