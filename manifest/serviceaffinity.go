package manifest

import corev1 "k8s.io/api/core/v1"

// sessionAffinity checks for how long clients keep their pod.
func (c *check) sessionAffinity(s corev1.ServiceSpec) {
	const path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
	if s.SessionAffinity != "" {
		c.oneOf("spec.sessionAffinity", string(s.SessionAffinity), "None", "ClientIP")
	}
	config := s.SessionAffinityConfig
	switch {
	case config == nil:
	case s.SessionAffinity != corev1.ServiceAffinityClientIP:
		c.refuse("spec.sessionAffinityConfig", "is for a Service with sessionAffinity: ClientIP; write that, or remove this")
	case config.ClientIP == nil || config.ClientIP.TimeoutSeconds == nil:
	case *config.ClientIP.TimeoutSeconds < 1 || *config.ClientIP.TimeoutSeconds > mostHeld:
		c.refuse(path, "%d is not between 1 and %d; remove it for %d", *config.ClientIP.TimeoutSeconds, mostHeld, corev1.DefaultClientIPServiceAffinitySeconds)
	}
}

// mostHeld is for how many seconds a client may keep its pod, as Kubernetes has it: a day.
const mostHeld = 86400

// holdsOf is for how many seconds a client keeps its pod after its last connection; 0 where each connection goes anywhere.
func holdsOf(s corev1.ServiceSpec) int {
	if s.SessionAffinity != corev1.ServiceAffinityClientIP || s.ClusterIP == corev1.ClusterIPNone {
		return 0
	}
	if c := s.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		return int(*c.ClientIP.TimeoutSeconds)
	}
	return int(corev1.DefaultClientIPServiceAffinitySeconds)
}
