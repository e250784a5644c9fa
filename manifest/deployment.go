package manifest

import appsv1 "k8s.io/api/apps/v1"

// aDeployment is the kind's name.
const aDeployment = "Deployment"

var deploymentKind = kind{
	version: "apps/v1", name: aDeployment,
	empty: func() typed { return &appsv1.Deployment{} },
	check: func(c *check, t typed) { c.deployment(t.(*appsv1.Deployment)) },
	add: func(a *assembly, m Meta, o *object) {
		d := o.typed.(*appsv1.Deployment)
		n := replicasOf(d.Spec.Replicas)
		a.workload(m, o, pods{"spec.template", d.Spec.Template.ObjectMeta, d.Spec.Template.Spec}, n, deploymentStrategy(d, n))
	},
}

func (c *check) deployment(d *appsv1.Deployment) {
	c.notNegative("spec.replicas", d.Spec.Replicas)
	c.notNegative("spec.minReadySeconds", &d.Spec.MinReadySeconds)
	c.notNegative("spec.revisionHistoryLimit", d.Spec.RevisionHistoryLimit)
	c.deadline(d.Spec.ProgressDeadlineSeconds, d.Spec.MinReadySeconds)
	c.selector(d.Spec.Selector, d.Spec.Template.Labels)
	c.strategy(d.Spec.Strategy)
	c.template(d.Spec.Template)
}

func deploymentStrategy(d *appsv1.Deployment, n int) Strategy {
	s := rolling(n, nil, nil, d.Spec.MinReadySeconds)
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		s = rolling(n, r.MaxSurge, r.MaxUnavailable, d.Spec.MinReadySeconds)
	}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		s.Type, s.MaxSurge, s.MaxUnavailable = Recreate, 0, n
	}
	s.Paused = d.Spec.Paused
	s.OnFailure = or(d.Annotations[AnnotationOnFailure], OnFailureRollback)
	s.Deadline = deadlineOf(d.Spec.ProgressDeadlineSeconds)
	return s
}
