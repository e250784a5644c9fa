package manifest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A bare Pod is a workload of one that stops before it starts anew.
var podKind = kind{
	version: "v1", name: "Pod",
	empty: func() typed { return &corev1.Pod{} },
	check: func(c *check, t typed) {
		c.podSpec("spec", t.(*corev1.Pod).Spec, "Always", "OnFailure", "Never")
	},
	add: func(a *assembly, m Meta, o *object) {
		p := o.typed.(*corev1.Pod).DeepCopy()
		p.Annotations = podAnnotations(p.Annotations)
		s := rolling(1, nil, nil, 0)
		s.MaxSurge, s.MaxUnavailable = 0, 1
		s.OnFailure = or(m.Annotations[AnnotationOnFailure], OnFailureRollback)
		a.workload(m, o, pods{"", p.ObjectMeta, p.Spec}, 1, s)
	},
}

// podAnnotations are those that are the pod's own: what podkeep and kubectl were told is not part of what it is made of.
func podAnnotations(all map[string]string) map[string]string {
	drop := []string{lastApplied}
	for key := range all {
		if strings.HasPrefix(key, ownPrefix) {
			drop = append(drop, key)
		}
	}
	return without(all, drop...)
}
