package node

import corev1 "k8s.io/api/core/v1"

// Target is the running container that a probe asks.
type Target struct {
	Pod, Container, ContainerID string
	IP                          string // the pod's; empty while it has none
	Spec                        corev1.Container
}

// Answer is what a probe came to. Why says, of one that failed, how, with no word of what was answered.
type Answer struct {
	OK  bool
	Why string
}
