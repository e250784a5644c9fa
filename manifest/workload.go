package manifest

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// pods are what a workload makes its pods of: a template, or a bare Pod itself. at is the path of it in the object.
type pods struct {
	at   string
	meta metav1.ObjectMeta
	spec corev1.PodSpec
}

func replicasOf(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

func (c *check) notNegative(path string, n *int32) {
	if n != nil && *n < 0 {
		c.refuse(path, "%d is less than 0", *n)
	}
}

// selector checks that the workload selects the pods it makes, and not all there are.
func (c *check) selector(s *metav1.LabelSelector, of map[string]string) {
	const path = "spec.selector"
	if s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		c.refuse(path, "is missing; write matchLabels that the template's labels match")
		return
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	switch {
	case err != nil:
		c.refuse(path, "%s", err)
	case !selector.Matches(labels.Set(of)):
		c.refuse(path, "%s does not match the template's labels, which are %q", selector, labels.Set(of))
	}
}

// template checks the template of pods that are to run for ever.
func (c *check) template(t corev1.PodTemplateSpec) {
	c.templateMeta("spec.template.metadata", t.ObjectMeta)
	c.podSpec("spec.template.spec", t.Spec, "Always")
}
