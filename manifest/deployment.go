package manifest

import (
	"math"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

var deploymentKind = kind{
	version: "apps/v1", name: "Deployment",
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
	c.notNegative("spec.progressDeadlineSeconds", d.Spec.ProgressDeadlineSeconds)
	if p := d.Spec.ProgressDeadlineSeconds; p != nil && *p >= 0 && *p <= d.Spec.MinReadySeconds {
		c.refuse("spec.progressDeadlineSeconds", "%d is not more than minReadySeconds, which is %d", *p, d.Spec.MinReadySeconds)
	}
	if d.Spec.ProgressDeadlineSeconds == nil && d.Spec.MinReadySeconds >= defaultDeadline {
		c.refuse("spec.minReadySeconds", "%d is not less than progressDeadlineSeconds, which is %d unless you write it",
			d.Spec.MinReadySeconds, defaultDeadline)
	}
	c.selector(d.Spec.Selector, d.Spec.Template.Labels)
	c.strategy(d.Spec.Strategy)
	c.template(d.Spec.Template)
}

// defaultDeadline is progressDeadlineSeconds when it is not written.
const defaultDeadline = 600

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
	if p := d.Spec.ProgressDeadlineSeconds; p != nil {
		s.Deadline = time.Duration(*p) * time.Second
		if *p == math.MaxInt32 { // Kubernetes' word for none
			s.Deadline = 0
		}
	}
	return s
}
