package manifest

import corev1 "k8s.io/api/core/v1"

// trafficPolicies checks whether nodes lead to all pods, or to their own alone.
func (c *check) trafficPolicies(s corev1.ServiceSpec) {
	const path = "spec.externalTrafficPolicy"
	if p := s.InternalTrafficPolicy; p != nil {
		c.oneOf("spec.internalTrafficPolicy", string(*p), "Cluster", "Local")
	}
	switch {
	case s.ExternalTrafficPolicy == "":
	case isOutside(s):
		c.oneOf(path, string(s.ExternalTrafficPolicy), "Cluster", "Local")
	case s.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyCluster:
		c.refuse(path, "is for a Service with type: NodePort or LoadBalancer, or with externalIPs; write one of these, or remove this")
	}
}

// trafficDistribution checks whether near pods are preferred.
func (c *check) trafficDistribution(s corev1.ServiceSpec) {
	const path = "spec.trafficDistribution"
	if s.TrafficDistribution == nil {
		return
	}
	switch d := *s.TrafficDistribution; d {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
		c.refuse(path, "%s is not supported yet; remove it, or write PreferSameNode", d)
	default:
		c.oneOf(path, d, corev1.ServiceTrafficDistributionPreferSameNode)
	}
}

// prefersNear says whether pods of the same node are asked where there are some.
func prefersNear(s corev1.ServiceSpec) bool {
	return s.TrafficDistribution != nil && *s.TrafficDistribution == corev1.ServiceTrafficDistributionPreferSameNode && s.ClusterIP != corev1.ClusterIPNone
}

// isNear says whether the Service's address leads to pods of the same node alone.
func isNear(s corev1.ServiceSpec) bool {
	p := s.InternalTrafficPolicy
	return p != nil && *p == corev1.ServiceInternalTrafficPolicyLocal && s.ClusterIP != corev1.ClusterIPNone
}
