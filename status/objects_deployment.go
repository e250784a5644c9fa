package status

import (
	"fmt"
	"slices"
	"strconv"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

func setUID(m *metav1.ObjectMeta, uid string) { m.UID = types.UID(uid) }

func (l *lister) deployment(w Workload) {
	d, ok := l.object(w).(*appsv1.Deployment)
	if !ok {
		d = &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: new(int32)}}
	}
	d.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}
	l.meta(&d.ObjectMeta, w)
	d.Status = appsv1.DeploymentStatus{
		Replicas: int32(w.Total), UpdatedReplicas: int32(w.Updated), ReadyReplicas: int32(w.Ready),
		AvailableReplicas: int32(w.Available), UnavailableReplicas: int32(max(0, w.Replicas-w.Available)),
		Conditions: []appsv1.DeploymentCondition{l.available(w), l.progressing(w)},
	}
	l.add(d)
}

// available is False only below what the strategy allows to be missing, as Kubernetes has it.
func (l *lister) available(w Workload) appsv1.DeploymentCondition {
	c := appsv1.DeploymentCondition{
		Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable",
		Message: fmt.Sprintf("%d of %d available", w.Available, w.Replicas),
	}
	if w.Available < w.Replicas-w.strategy().MaxUnavailable {
		c.Status, c.Reason = corev1.ConditionFalse, "MinimumReplicasUnavailable"
	}
	return l.timed(c, w)
}

func (l *lister) progressing(w Workload) appsv1.DeploymentCondition {
	c := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Message: w.Why}
	switch w.State {
	case plan.Converged:
		c.Reason = "NewReplicaSetAvailable"
	case plan.Progressing, plan.Pruning:
		c.Reason = "ReplicaSetUpdated"
	case plan.Failed:
		c.Status, c.Reason = corev1.ConditionFalse, "ProgressDeadlineExceeded"
	case plan.Paused:
		c.Status, c.Reason = corev1.ConditionUnknown, "DeploymentPaused"
	default:
		c.Status, c.Reason = corev1.ConditionUnknown, string(w.State)
	}
	return l.timed(c, w)
}

func (l *lister) timed(c appsv1.DeploymentCondition, w Workload) appsv1.DeploymentCondition {
	c.LastTransitionTime, c.LastUpdateTime = l.dated(w), l.dated(w)
	return c
}

// replicaSets are one for each revision that has pods, and one for the revision asked for; sorted by name.
func (l *lister) replicaSets(w Workload) []*appsv1.ReplicaSet {
	byRev := map[string][]Pod{}
	if w.Rev != "" {
		byRev[w.Rev] = nil
	}
	for _, p := range w.Pods {
		byRev[p.Rev] = append(byRev[p.Rev], p)
	}
	var sets []*appsv1.ReplicaSet
	for rev, pods := range byRev {
		sets = append(sets, l.replicaSet(w, rev, pods))
	}
	slices.SortFunc(sets, byName)
	return sets
}

func (l *lister) replicaSet(w Workload, rev string, pods []Pod) *appsv1.ReplicaSet {
	count := int32(len(pods))
	form := l.revisions[revisionKey{w.ID, rev}]
	labels := hashed(w.ID, form.Labels, rev)
	set := &appsv1.ReplicaSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
		ObjectMeta: metav1.ObjectMeta{
			Name: setName(w.ID, rev), Namespace: w.ID.Namespace, Labels: labels,
			Annotations: map[string]string{live.LabelRev: rev}, CreationTimestamp: stamp(oldest(pods)),
			OwnerReferences: []metav1.OwnerReference{l.owner(w.ID)},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: &count, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: form.Annotations}, Spec: form.Spec,
			},
		},
		Status: setStatus(pods),
	}
	setUID(&set.ObjectMeta, l.uid(w.ID, rev))
	if len(pods) > 0 {
		set.Annotations["deployment.kubernetes.io/revision"] = strconv.Itoa(pods[0].Gen)
		set.Annotations[live.LabelCommit] = pods[0].Commit
	}
	return set
}

func setStatus(pods []Pod) appsv1.ReplicaSetStatus {
	s := appsv1.ReplicaSetStatus{Replicas: int32(len(pods)), FullyLabeledReplicas: int32(len(pods))}
	for _, p := range pods {
		if p.State == Ready {
			s.ReadyReplicas++
			s.AvailableReplicas++
		}
	}
	return s
}

func setName(id manifest.ID, rev string) string { return id.Name + "-" + live.ShortRev(rev) }

// hashed is the template's labels and the revision's digits, under the name Kubernetes gives them.
func hashed(id manifest.ID, labels map[string]string, rev string) map[string]string {
	out := map[string]string{hashKey(id): live.ShortRev(rev)}
	for k, v := range labels {
		out[k] = v
	}
	return out
}

func (l *lister) owner(id manifest.ID) metav1.OwnerReference {
	yes, version := true, "apps/v1"
	switch id.Kind {
	case "ReplicationController":
		version = "v1"
	case "Job":
		version = "batch/v1"
	case "Rollout":
		version = argo.SchemeGroupVersion.String()
	}
	return metav1.OwnerReference{
		APIVersion: version, Kind: id.Kind, Name: id.Name, UID: types.UID(l.uid(id)), Controller: &yes,
	}
}
