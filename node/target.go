package node

import corev1 "k8s.io/api/core/v1"

// Target is what a probe is run against.
type Target struct {
	IP    string                 // of the pod; where it has the host's network, of the host
	ID    string                 // of the container
	Ports []corev1.ContainerPort // of the container: a probe may name them
}

// Answer is what one run of a probe came to.
type Answer struct {
	OK   bool
	Void bool   // nothing was learnt about the container, for a reason that lies with the host or with us: it counts for nothing
	Why  string // unless OK: in few words of our own, with none of what was sent, run, answered or printed
}
