package manifest

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// Bounds that Kubernetes has too, but for mostCompletions, which it has only for some Jobs.
const (
	mostCompletions   = 100_000
	mostPolicyRules   = 20
	mostExitCodes     = 255
	defaultBackoff    = 6
	ownJobController  = "kubernetes.io/job-controller"
	perIndexUnlimited = math.MaxInt32
)

// Labels and annotations by which Kubernetes' Job controller knows its pods. What kubectl exports of them is dropped: the plan
// gives each pod its own.
const (
	LabelJobName         = batchv1.JobNameLabel
	LabelControllerUID   = batchv1.ControllerUidLabel
	AnnotationCompletion = batchv1.JobCompletionIndexAnnotation
	oldLabelJobName      = "job-name"
	oldLabelController   = "controller-uid"
)

var jobKind = kind{
	version: "batch/v1", name: "Job",
	empty: func() typed { return &batchv1.Job{} },
	check: func(c *check, t typed) { c.job(t.(*batchv1.Job)) },
	add:   func(a *assembly, m Meta, o *object) { a.job(m, o, o.typed.(*batchv1.Job)) },
}

// job adds a Job. Its rev is that of its template, completions and completionMode: what is asked for to be done. How
// many at once, for how long and how often are no part of it.
func (a *assembly) job(m Meta, o *object, j *batchv1.Job) {
	spec := defaultedJob(j.Spec)
	meta := j.Spec.Template.ObjectMeta
	meta.Labels = without(meta.Labels, oldLabelJobName, LabelJobName, oldLabelController, LabelControllerUID)
	n := int(*spec.Parallelism)
	if spec.Completions != nil {
		n = min(n, int(*spec.Completions))
	}
	before := len(a.set.Workloads)
	a.workload(m, o, pods{at: "spec.template", meta: meta, spec: j.Spec.Template.Spec}, n, Strategy{
		Type: Recreate, MaxUnavailable: n, OnFailure: OnFailureHold,
	})
	if len(a.set.Workloads) == before {
		return
	}
	w := &a.set.Workloads[before]
	w.Job = &Job{Spec: spec, Hook: hookOf(m.Annotations)}
	w.setRev(jobRev(w.Revision.Rev, spec))
}

func jobRev(template string, spec batchv1.JobSpec) string {
	completions := "1" // a work queue's too, so that parallelism alone changes nothing
	if spec.Completions != nil {
		completions = decimal(*spec.Completions)
	}
	text := strings.Join([]string{template, completions, string(*spec.CompletionMode)}, "\x00")
	return fmt.Sprintf("v1-%x", sha256.Sum256([]byte(text)))[:23]
}

// defaultedJob is the spec with Kubernetes' defaults. Completions stay nil for a work queue, whose pods know by themselves when
// all is done.
func defaultedJob(spec batchv1.JobSpec) batchv1.JobSpec {
	s := *spec.DeepCopy()
	if s.Parallelism == nil && s.Completions == nil {
		s.Completions = ptr(int32(1))
	}
	if s.Parallelism == nil {
		s.Parallelism = ptr(int32(1))
	}
	switch {
	case s.BackoffLimit != nil:
	case s.BackoffLimitPerIndex != nil:
		s.BackoffLimit = ptr(int32(perIndexUnlimited))
	default:
		s.BackoffLimit = ptr(int32(defaultBackoff))
	}
	if s.CompletionMode == nil {
		s.CompletionMode = ptr(batchv1.NonIndexedCompletion)
	}
	if s.Suspend == nil {
		s.Suspend = ptr(false)
	}
	if s.PodReplacementPolicy == nil {
		s.PodReplacementPolicy = ptr(batchv1.TerminatingOrFailed)
		if s.PodFailurePolicy != nil {
			s.PodReplacementPolicy = ptr(batchv1.Failed)
		}
	}
	s.Template, s.Selector = corev1.PodTemplateSpec{}, nil
	return s
}

func ptr[T any](v T) *T { return &v }

// Indexed says whether each of the Job's pods has its own completion index.
func (j Job) Indexed() bool { return *j.Spec.CompletionMode == batchv1.IndexedCompletion }

// job checks a Job as the Kubernetes API server does.
func (c *check) job(j *batchv1.Job) {
	s := j.Spec
	for _, f := range []struct {
		field string
		n     *int32
	}{
		{"parallelism", s.Parallelism}, {"completions", s.Completions}, {"backoffLimit", s.BackoffLimit},
		{"backoffLimitPerIndex", s.BackoffLimitPerIndex}, {"maxFailedIndexes", s.MaxFailedIndexes},
		{"ttlSecondsAfterFinished", s.TTLSecondsAfterFinished},
	} {
		c.notNegative("spec."+f.field, f.n)
	}
	if d := s.ActiveDeadlineSeconds; d != nil && *d <= 0 {
		c.refuse("spec.activeDeadlineSeconds", "%d is not more than 0; remove it to have no deadline", *d)
	}
	if s.Completions != nil && *s.Completions > mostCompletions {
		c.refuse("spec.completions", "%d is more than %d, which is as many as podkeep keeps count of", *s.Completions, mostCompletions)
	}
	if s.ManagedBy != nil && *s.ManagedBy != ownJobController {
		c.refuse("spec.managedBy", "%q would leave the Job to another controller, and there is none; remove it", *s.ManagedBy)
	}
	c.completionMode(j)
	c.perIndex(s)
	c.podReplacement(s)
	if s.PodFailurePolicy != nil {
		c.podFailurePolicy(s)
	}
	if s.SuccessPolicy != nil {
		c.successPolicy(s)
	}
	c.templateMeta("spec.template.metadata", s.Template.ObjectMeta)
	if s.Template.Spec.RestartPolicy == "" {
		c.refuse("spec.template.spec.restartPolicy", "is missing, and Always is not for a Job; write Never or OnFailure")
	}
	c.podSpec("spec.template.spec", s.Template.Spec, "OnFailure", "Never")
}

func indexed(s batchv1.JobSpec) bool {
	return s.CompletionMode != nil && *s.CompletionMode == batchv1.IndexedCompletion
}

func (c *check) completionMode(j *batchv1.Job) {
	s := j.Spec
	if s.CompletionMode != nil {
		c.oneOf("spec.completionMode", string(*s.CompletionMode), "NonIndexed", "Indexed")
	}
	if !indexed(s) {
		return
	}
	if s.Completions == nil {
		c.refuse("spec.completions", "is missing; an Indexed Job needs to know how many indexes it has")
		return
	}
	host := fmt.Sprintf("%s-%d", j.Name, max(0, *s.Completions-1))
	if len(util.IsDNS1123Label(host)) > 0 {
		c.refuse("metadata.name", "%q would be the hostname of a pod, and is no DNS label of at most 63 letters; choose a shorter name without dots", host)
	}
}

func (c *check) perIndex(s batchv1.JobSpec) {
	if s.BackoffLimitPerIndex != nil {
		if !indexed(s) {
			c.refuse("spec.backoffLimitPerIndex", "needs completionMode: Indexed; write that, or backoffLimit")
		}
		if s.Template.Spec.RestartPolicy == corev1.RestartPolicyOnFailure {
			c.refuse("spec.backoffLimitPerIndex", "needs restartPolicy: Never in the template")
		}
	}
	switch m := s.MaxFailedIndexes; {
	case m == nil:
	case s.BackoffLimitPerIndex == nil:
		c.refuse("spec.maxFailedIndexes", "needs backoffLimitPerIndex; add that or remove this")
	case s.Completions != nil && *m > *s.Completions:
		c.refuse("spec.maxFailedIndexes", "%d is more than completions, which is %d", *m, *s.Completions)
	}
}

func (c *check) podReplacement(s batchv1.JobSpec) {
	p := s.PodReplacementPolicy
	if p == nil {
		return
	}
	c.oneOf("spec.podReplacementPolicy", string(*p), "TerminatingOrFailed", "Failed")
	if s.PodFailurePolicy != nil && *p == batchv1.TerminatingOrFailed {
		c.refuse("spec.podReplacementPolicy", "must be Failed where there is a podFailurePolicy")
	}
}

func (c *check) podFailurePolicy(s batchv1.JobSpec) {
	const path = "spec.podFailurePolicy"
	if s.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		c.refuse(path, "needs restartPolicy: Never in the template")
	}
	if len(s.PodFailurePolicy.Rules) > mostPolicyRules {
		c.refuse(path+".rules", "are more than %d", mostPolicyRules)
	}
	for i, r := range s.PodFailurePolicy.Rules {
		at := item(path+".rules", i)
		c.oneOf(at+".action", string(r.Action), "FailJob", "FailIndex", "Ignore", "Count")
		if r.Action == batchv1.PodFailurePolicyActionFailIndex && s.BackoffLimitPerIndex == nil {
			c.refuse(at+".action", "FailIndex needs backoffLimitPerIndex")
		}
		switch {
		case r.OnExitCodes == nil && len(r.OnPodConditions) == 0:
			c.refuse(at, "says no case; write onExitCodes or onPodConditions")
		case r.OnExitCodes != nil && len(r.OnPodConditions) > 0:
			c.refuse(at, "has both onExitCodes and onPodConditions; make two rules of it")
		case r.OnExitCodes != nil:
			c.exitCodes(at+".onExitCodes", *r.OnExitCodes, s.Template.Spec)
		}
		for k, p := range r.OnPodConditions {
			c.podCondition(item(at+".onPodConditions", k), p)
		}
	}
}

func (c *check) exitCodes(at string, r batchv1.PodFailurePolicyOnExitCodesRequirement, spec corev1.PodSpec) {
	c.oneOf(at+".operator", string(r.Operator), "In", "NotIn")
	switch {
	case len(r.Values) == 0:
		c.refuse(at+".values", "is empty; write the exit codes")
	case len(r.Values) > mostExitCodes:
		c.refuse(at+".values", "are more than %d", mostExitCodes)
	case !slices.IsSorted(r.Values) || len(slices.Compact(slices.Clone(r.Values))) < len(r.Values):
		c.refuse(at+".values", "must stand in order, each once")
	case r.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn && slices.Contains(r.Values, 0):
		c.refuse(at+".values", "0 is no failure; remove it")
	}
	if r.ContainerName == nil {
		return
	}
	var names []string
	for _, k := range slices.Concat(spec.InitContainers, spec.Containers) {
		names = append(names, k.Name)
	}
	if !slices.Contains(names, *r.ContainerName) {
		c.refuse(at+".containerName", "the template has no container %q%s", *r.ContainerName, didYouMean(*r.ContainerName, names))
	}
}

// podCondition refuses conditions that no pod here ever has.
func (c *check) podCondition(at string, p batchv1.PodFailurePolicyOnPodConditionsPattern) {
	if p.Type != corev1.DisruptionTarget {
		c.refuse(at+".type", "%q is a condition that no pod has here; DisruptionTarget is the one there is", p.Type)
	}
	if p.Status != "" && p.Status != corev1.ConditionTrue {
		c.refuse(at+".status", "%q never holds; write \"True\" or remove it", p.Status)
	}
}

func (c *check) successPolicy(s batchv1.JobSpec) {
	const path = "spec.successPolicy"
	if !indexed(s) {
		c.refuse(path, "needs completionMode: Indexed")
		return
	}
	rules := s.SuccessPolicy.Rules
	if len(rules) == 0 || len(rules) > mostPolicyRules {
		c.refuse(path+".rules", "must be 1 to %d, not %d", mostPolicyRules, len(rules))
	}
	for i, r := range rules {
		c.successRule(item(path+".rules", i), r, s.Completions)
	}
}

func (c *check) successRule(at string, r batchv1.SuccessPolicyRule, completions *int32) {
	if r.SucceededIndexes == nil && r.SucceededCount == nil {
		c.refuse(at, "says no case; write succeededIndexes or succeededCount")
	}
	if completions == nil {
		return
	}
	of, what := int(*completions), "completions"
	if r.SucceededIndexes != nil {
		set, err := ParseIndexes(*r.SucceededIndexes, of)
		if err != nil {
			c.refuse(at+".succeededIndexes", "%s", err)
			return
		}
		of, what = len(set), "the indexes of the rule"
	}
	if n := r.SucceededCount; n != nil && (*n < 1 || int(*n) > of) {
		c.refuse(at+".succeededCount", "%d is not between 1 and %d, the number of %s", *n, of, what)
	}
}

// ParseIndexes reads indexes as Kubernetes writes them, in order and without overlap: "0,2-4,7". Each is less than limit.
func ParseIndexes(text string, limit int) (map[int]bool, error) {
	set, last := map[int]bool{}, -1
	if text == "" {
		return set, nil
	}
	for _, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		low, err := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		switch {
		case cmp.Or(err, err2) != nil:
			return nil, fmt.Errorf(`%q is neither an index nor a range; write for example "0,2-4"`, part)
		case low <= last || high < low || isRange && high == low:
			return nil, fmt.Errorf("%q does not follow in order what stands before it", part)
		case high >= limit:
			return nil, fmt.Errorf("%q is not less than completions, which is %d", part, limit)
		}
		for i := low; i <= high; i++ {
			set[i] = true
		}
		last = high
	}
	return set, nil
}

// FormatIndexes is ParseIndexes' inverse.
func FormatIndexes(set map[int]bool) string {
	all := make([]int, 0, len(set))
	for i, in := range set {
		if in {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	var parts []string
	for i := 0; i < len(all); {
		k := i
		for k+1 < len(all) && all[k+1] == all[k]+1 {
			k++
		}
		part := strconv.Itoa(all[i])
		switch {
		case k == i+1:
			part += "," + strconv.Itoa(all[k])
		case k > i:
			part += "-" + strconv.Itoa(all[k])
		}
		parts = append(parts, part)
		i = k + 1
	}
	return strings.Join(parts, ",")
}

// noCronJob is what is said of a CronJob.
const noCronJob = "kind CronJob is not supported, and nothing runs for it; make it a Job, which runs once for each change of its template, " +
	"and let a timer push that change (or run the work from a timer of a host)"
