package manifest

import appsv1 "k8s.io/api/apps/v1"

// A ReplicaSet whose template changes rolls like a Deployment.
var replicaSetKind = kind{
	version: "apps/v1", name: "ReplicaSet",
	empty: func() typed { return &appsv1.ReplicaSet{} },
	check: func(c *check, t typed) {
		spec := t.(*appsv1.ReplicaSet).Spec
		c.notNegative("spec.replicas", spec.Replicas)
		c.notNegative("spec.minReadySeconds", &spec.MinReadySeconds)
		c.selector(spec.Selector, spec.Template.Labels)
		c.template(spec.Template)
	},
	add: func(a *assembly, m Meta, o *object) {
		spec := o.typed.(*appsv1.ReplicaSet).Spec
		n := replicasOf(spec.Replicas)
		s := rolling(n, nil, nil, spec.MinReadySeconds)
		s.OnFailure = or(m.Annotations[AnnotationOnFailure], OnFailureRollback)
		a.workload(m, o, pods{"spec.template", spec.Template.ObjectMeta, spec.Template.Spec}, n, s)
	},
}
