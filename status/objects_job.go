package status

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// progress is how many pods are ready of those asked for; of a Job, how many completions succeeded.
func (w Workload) progress() string {
	switch {
	case w.Job == nil:
		return fmt.Sprintf("%d/%d", w.Ready, w.Replicas)
	case w.Job.Completions == 0:
		return fmt.Sprintf("%d/1 of %d", w.Job.Succeeded, w.Replicas)
	}
	return fmt.Sprintf("%d/%d", w.Job.Succeeded, w.Job.Completions)
}

// took is how long a Job ran, or has run until now; empty for one that has not begun and for what is no Job.
func (w Workload) took(now time.Time) string {
	if w.Job == nil || w.Job.Started.IsZero() {
		return ""
	}
	if !w.Job.Ended.IsZero() {
		return "ran for " + Age(w.Job.Ended.Sub(w.Job.Started))
	}
	return "runs for " + Age(now.Sub(w.Job.Started))
}

func (l *lister) job(w Workload) {
	j, ok := l.object(w).(*batchv1.Job)
	if !ok {
		j = &batchv1.Job{}
	}
	j.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	l.meta(&j.ObjectMeta, w)
	if w.Job != nil {
		j.Status = l.jobStatus(w)
	}
	l.add(j)
}

func (l *lister) jobStatus(w Workload) batchv1.JobStatus {
	s := w.Job
	ready, terminating := int32(s.Ready), int32(s.Terminating)
	st := batchv1.JobStatus{
		Active: int32(s.Active), Ready: &ready, Terminating: &terminating, Succeeded: int32(s.Succeeded), Failed: int32(s.Failed),
		CompletedIndexes: s.CompletedIndexes,
	}
	if s.FailedIndexes != "" {
		st.FailedIndexes = &s.FailedIndexes
	}
	if !s.Started.IsZero() {
		at := stamp(s.Started)
		st.StartTime = &at
	}
	condition := func(kind batchv1.JobConditionType, reason, message string) {
		c := batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message}
		c.LastTransitionTime, c.LastProbeTime = stamp(s.Ended), stamp(s.Ended)
		st.Conditions = append(st.Conditions, c)
	}
	switch {
	case s.Complete:
		at := stamp(s.Ended)
		st.CompletionTime = &at
		condition(batchv1.JobSuccessCriteriaMet, s.Reason, s.Message)
		condition(batchv1.JobComplete, s.Reason, s.Message)
	case s.Broken:
		condition(batchv1.JobFailureTarget, s.Reason, s.Message)
		condition(batchv1.JobFailed, s.Reason, s.Message)
	case s.Suspended:
		condition(batchv1.JobSuspended, "JobSuspended", w.Why)
	}
	return st
}
