package manifest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// podSpec checks what the pods are made of, as the Kubernetes API server does.
func (c *check) podSpec(path string, s corev1.PodSpec, policies ...string) {
	if s.RestartPolicy != "" {
		c.oneOf(under(path, "restartPolicy"), string(s.RestartPolicy), policies...)
	}
	if g := s.TerminationGracePeriodSeconds; g != nil && *g < 0 {
		c.refuse(under(path, "terminationGracePeriodSeconds"), "%d is less than 0", *g)
	}
	c.labels(under(path, "nodeSelector"), s.NodeSelector)
	if s.NodeName != "" {
		c.refuseAll(under(path, "nodeName"), util.IsDNS1123Subdomain(s.NodeName))
	}
	if s.ServiceAccountName != "" {
		c.refuseAll(under(path, "serviceAccountName"), util.IsDNS1123Subdomain(s.ServiceAccountName))
	}
	c.podContext(under(path, "securityContext"), s)
	c.names(path, s)
	if s.ShareProcessNamespace != nil && *s.ShareProcessNamespace && s.HostPID {
		c.refuse(under(path, "shareProcessNamespace"), "stands beside hostPID, which shares more; keep one of them")
	}
	for i, ref := range s.ImagePullSecrets {
		c.named(under(item(under(path, "imagePullSecrets"), i), "name"), ref.Name)
	}
	c.affinity(under(path, "affinity"), s.Affinity)
	c.spread(under(path, "topologySpreadConstraints"), s.TopologySpreadConstraints)
	for i, t := range s.Tolerations {
		c.toleration(item(under(path, "tolerations"), i), t)
	}
	c.volumes(under(path, "volumes"), s)
	c.containers(path, s)
}

func (c *check) containers(path string, s corev1.PodSpec) {
	if len(s.Containers) == 0 {
		c.refuse(under(path, "containers"), "is missing; a pod needs at least one container")
	}
	names := map[string]bool{}
	ports := map[string]bool{}
	for i, k := range s.InitContainers {
		at := item(under(path, "initContainers"), i)
		c.oneContainer(at, k, s, names)
		c.restartPolicy(under(at, "restartPolicy"), k, true)
		c.initContainer(at, k)
		if isSidecar(k) || !s.HostNetwork { // one that has ended listens to nothing, but what Podman publishes is the pod's for ever
			c.hostPorts(under(at, "ports"), k, s.HostNetwork, ports)
		}
	}
	for i, k := range s.Containers {
		at := item(under(path, "containers"), i)
		c.oneContainer(at, k, s, names)
		c.restartPolicy(under(at, "restartPolicy"), k, false)
		c.hostPorts(under(at, "ports"), k, s.HostNetwork, ports)
	}
}

// oneContainer checks what is the same for init containers and others.
func (c *check) oneContainer(at string, k corev1.Container, s corev1.PodSpec, names map[string]bool) {
	if names[k.Name] && k.Name != "" {
		c.refuse(under(at, "name"), "%q is taken by another container", k.Name)
	}
	names[k.Name] = true
	c.container(at, k, s)
}

// ids checks a user and a group.
func (c *check) ids(path string, user, group *int64) {
	if user != nil {
		c.refuseAll(under(path, "runAsUser"), util.IsValidUserID(*user))
	}
	if group != nil {
		c.refuseAll(under(path, "runAsGroup"), util.IsValidGroupID(*group))
	}
}

// toleration checks that it is one that can match a taint.
func (c *check) toleration(path string, t corev1.Toleration) {
	if t.Key != "" {
		c.refuseAll(under(path, "key"), util.IsQualifiedName(t.Key))
	}
	if t.Effect != "" {
		c.oneOf(under(path, "effect"), string(t.Effect), "NoSchedule", "PreferNoSchedule", "NoExecute")
	}
	switch t.Operator {
	case "", corev1.TolerationOpEqual:
		c.refuseAll(under(path, "value"), util.IsValidLabelValue(t.Value))
		if t.Key == "" {
			c.refuse(under(path, "operator"), "must be Exists when key is empty")
		}
	case corev1.TolerationOpExists:
		if t.Value != "" {
			c.refuse(under(path, "value"), "must be empty when operator is Exists")
		}
	default:
		c.oneOf(under(path, "operator"), string(t.Operator), "Equal", "Exists")
	}
	// kubectl exports two with a time limit that every pod of a cluster gets; here they match nothing.
	if t.TolerationSeconds != nil && !strings.HasPrefix(t.Key, "node.kubernetes.io/") {
		c.refuse(under(path, "tolerationSeconds"), "is not supported yet; remove it")
	}
}

// hostPorts checks that no two containers of a pod ask for the same port of the host.
func (c *check) hostPorts(path string, container corev1.Container, hostNetwork bool, taken map[string]bool) {
	for i, p := range container.Ports {
		if hostNetwork && p.HostPort == 0 {
			p.HostPort = p.ContainerPort
		}
		if hostNetwork && p.HostPort != p.ContainerPort {
			c.refuse(under(item(path, i), "hostPort"), "must be the containerPort, %d, when hostNetwork is true", p.ContainerPort)
		}
		key := hostPort(p)
		if p.HostPort != 0 && taken[key] {
			c.refuse(item(path, i), "host port %s is taken by another port of the pod", key)
		}
		taken[key] = true
	}
}

// hostPort is how a port of the host is written: 80/tcp or 192.0.2.1:80/tcp.
func hostPort(p corev1.ContainerPort) string {
	at := ""
	if p.HostIP != "" {
		at = p.HostIP + ":"
	}
	return at + decimal(p.HostPort) + "/" + strings.ToLower(or(string(p.Protocol), "TCP"))
}
