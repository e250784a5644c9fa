package manifest

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A ReplicationController whose template changes rolls like a Deployment.
var replicationControllerKind = kind{
	version: "v1", name: "ReplicationController",
	empty: func() typed { return &corev1.ReplicationController{} },
	check: func(c *check, t typed) { c.replicationController(t.(*corev1.ReplicationController).Spec) },
	add: func(a *assembly, m Meta, o *object) {
		spec := o.typed.(*corev1.ReplicationController).Spec
		n := replicasOf(spec.Replicas)
		s := rolling(n, nil, nil, spec.MinReadySeconds)
		s.OnFailure = or(m.Annotations[AnnotationOnFailure], OnFailureRollback)
		a.workload(m, o, pods{"spec.template", spec.Template.ObjectMeta, spec.Template.Spec}, n, s)
	},
}

func (c *check) replicationController(spec corev1.ReplicationControllerSpec) {
	c.notNegative("spec.replicas", spec.Replicas)
	c.notNegative("spec.minReadySeconds", &spec.MinReadySeconds)
	if spec.Template == nil {
		c.refuse("spec.template", "is missing; write the pods' labels and spec")
		return
	}
	selector := spec.Selector
	if len(selector) == 0 {
		selector = spec.Template.Labels // as Kubernetes defaults it
	}
	c.selector(&metav1.LabelSelector{MatchLabels: selector}, spec.Template.Labels)
	c.template(*spec.Template)
}
