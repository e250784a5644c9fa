package manifest

import corev1 "k8s.io/api/core/v1"

// spread takes constraints that are wishes, with a notice, and refuses those that must hold.
func (c *check) spread(at string, constraints []corev1.TopologySpreadConstraint) {
	for i, t := range constraints {
		here := item(at, i)
		if t.WhenUnsatisfiable == corev1.ScheduleAnyway {
			c.notice(here, preferencesWait)
			continue
		}
		c.refuse(under(here, "whenUnsatisfiable"), "is not supported yet but for ScheduleAnyway; write that: pods of a workload are spread over nodes as far as there is room")
	}
}
