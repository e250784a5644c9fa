package manifest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// isSidecar says whether the init container runs as long as the pod does.
func isSidecar(k corev1.Container) bool {
	return k.RestartPolicy != nil && *k.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// restartPolicy checks a container's own, which makes a sidecar of an init container and is nothing on another.
func (c *check) restartPolicy(at string, k corev1.Container, init bool) {
	switch {
	case k.RestartPolicy == nil:
	case !init:
		c.refuse(at, "is for init containers, which it makes sidecars; the restartPolicy of the pod says when this one is started again")
	case !isSidecar(k):
		c.refuse(at, "%q is not Always; leave it out for a container that runs to its end", *k.RestartPolicy)
	}
}

// initContainer checks what one that runs to its end cannot have.
func (c *check) initContainer(at string, k corev1.Container) {
	if isSidecar(k) {
		return
	}
	c.onlySidecars(under(at, "lifecycle"), k.Lifecycle != nil)
	c.onlySidecars(under(at, "livenessProbe"), k.LivenessProbe != nil)
	c.onlySidecars(under(at, "readinessProbe"), k.ReadinessProbe != nil)
	c.onlySidecars(under(at, "startupProbe"), k.StartupProbe != nil)
}

func (c *check) onlySidecars(at string, set bool) {
	if set {
		c.refuse(at, "means nothing on an init container that runs to its end; remove it, or make a sidecar of it with restartPolicy: Always")
	}
}

// containerNames are the names of all containers, init ones first.
func containerNames(s corev1.PodSpec) []string {
	var names []string
	for _, k := range slices.Concat(s.InitContainers, s.Containers) {
		names = append(names, k.Name)
	}
	return names
}

// eachContainer calls for every container of the spec, in the order in which they start, with its path.
func eachContainer(at string, s *corev1.PodSpec, do func(at string, k *corev1.Container)) {
	for i := range s.InitContainers {
		do(item(under(at, "initContainers"), i), &s.InitContainers[i])
	}
	for i := range s.Containers {
		do(item(under(at, "containers"), i), &s.Containers[i])
	}
}
