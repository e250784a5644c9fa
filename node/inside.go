package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/reconciler/health"
)

// beyond says why a probe is not run, and what to write instead; "" when it is. From among the pods of a user's own Podman those pods are asked and
// nobody else: what is at such an address there is not what the manifest means.
func (s *side) beyond(p *pod, h corev1.ProbeHandler) string {
	const inside = "a user's own Podman has probes run from its pods' network, which "
	switch host := hostOf(h); {
	case !s.Inside || h.Exec != nil:
		return ""
	case p.made.Spec.HostNetwork:
		return inside + "does not reach the host's: write an exec probe, or leave hostNetwork out"
	case host != "" && host != p.IP:
		return inside + "reaches nothing but pods: leave host out"
	case p.IP == "":
		return inside + "the pod is not in: it is from before, and is once it is made anew (podkeep restart)"
	}
	return ""
}

// hostOf is where a probe asks to go, if not to the pod.
func hostOf(h corev1.ProbeHandler) string {
	switch {
	case h.HTTPGet != nil:
		return h.HTTPGet.Host
	case h.TCPSocket != nil:
		return h.TCPSocket.Host
	}
	return ""
}

// unwatched says which liveness probe of the pod is not run, and why. Of the others a container says so itself, since it waits for them.
func (s *side) unwatched(p *pod) string {
	for _, c := range p.containers {
		if c.spec.LivenessProbe == nil {
			continue
		}
		if why := s.beyond(p, c.spec.LivenessProbe.ProbeHandler); why != "" {
			return fmt.Sprintf("%s probe of %s is not run: %s", health.Liveness, c.spec.Name, why)
		}
	}
	return ""
}
