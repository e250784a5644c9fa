package manifest

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// podContext checks the securityContext of a pod.
func (c *check) podContext(at string, s corev1.PodSpec) {
	sc := s.SecurityContext
	if sc == nil {
		return
	}
	c.ids(at, sc.RunAsUser, sc.RunAsGroup)
	c.notRoot(at, sc.RunAsNonRoot, sc.RunAsUser)
	c.seccomp(under(at, "seccompProfile"), sc.SeccompProfile)
	for i, group := range sc.SupplementalGroups {
		c.refuseAll(item(under(at, "supplementalGroups"), i), util.IsValidGroupID(group))
	}
	if sc.FSGroup != nil {
		c.refuseAll(under(at, "fsGroup"), util.IsValidGroupID(*sc.FSGroup))
	}
	c.sysctls(under(at, "sysctls"), sc.Sysctls, s)
}

// sysctls checks that each kernel parameter is one that belongs to the pod and not to its host.
func (c *check) sysctls(at string, sysctls []corev1.Sysctl, s corev1.PodSpec) {
	taken := map[string]bool{}
	for i, sysctl := range sysctls {
		here := under(item(at, i), "name")
		name := strings.ReplaceAll(sysctl.Name, "/", ".")
		ofNetwork := strings.HasPrefix(name, "net.")
		ofIPC := strings.HasPrefix(name, "kernel.shm") || strings.HasPrefix(name, "kernel.msg") || strings.HasPrefix(name, "fs.mqueue.") || name == "kernel.sem"
		switch {
		case strings.Contains(sysctl.Name, "/"):
			c.refuse(here, "%q has slashes; write %s", sysctl.Name, name)
		case !ofNetwork && !ofIPC:
			c.refuse(here, "%q would change the whole host; a pod has net.*, kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* of its own", sysctl.Name)
		case ofNetwork && s.HostNetwork:
			c.refuse(here, "%q would change the host, whose network the pod has; remove it or hostNetwork", sysctl.Name)
		case ofIPC && s.HostIPC:
			c.refuse(here, "%q would change the host, whose IPC the pod has; remove it or hostIPC", sysctl.Name)
		case taken[name]:
			c.refuse(here, "%q is written twice", sysctl.Name)
		}
		taken[name] = true
	}
}

// context checks the securityContext of a container.
func (c *check) context(at string, sc *corev1.SecurityContext, pod *corev1.PodSecurityContext) {
	if sc == nil {
		return
	}
	c.ids(at, sc.RunAsUser, sc.RunAsGroup)
	nonRoot, user := sc.RunAsNonRoot, sc.RunAsUser
	if pod != nil {
		nonRoot, user = either(nonRoot, pod.RunAsNonRoot), either(user, pod.RunAsUser)
	}
	c.notRoot(at, nonRoot, user)
	c.capabilities(under(at, "capabilities"), sc.Capabilities)
	c.seccomp(under(at, "seccompProfile"), sc.SeccompProfile)
	c.escalation(under(at, "allowPrivilegeEscalation"), sc)
}

// notRoot refuses what every start would refuse.
func (c *check) notRoot(at string, nonRoot *bool, user *int64) {
	if nonRoot != nil && *nonRoot && user != nil && *user == 0 {
		c.refuse(under(at, "runAsUser"), "0 is root, and runAsNonRoot is true; change one of them")
	}
}

func (c *check) escalation(at string, sc *corev1.SecurityContext) {
	if sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation {
		return
	}
	if sc.Privileged != nil && *sc.Privileged {
		c.refuse(at, "cannot be false on a privileged container")
	}
	if sc.Capabilities != nil && slices.ContainsFunc(sc.Capabilities.Add, isSysAdmin) {
		c.refuse(at, "cannot be false with capability SYS_ADMIN")
	}
}

func isSysAdmin(name corev1.Capability) bool {
	return strings.TrimPrefix(string(name), "CAP_") == "SYS_ADMIN"
}

func (c *check) seccomp(at string, p *corev1.SeccompProfile) {
	if p == nil {
		return
	}
	c.oneOf(under(at, "type"), string(p.Type), "RuntimeDefault", "Unconfined", "Localhost")
	const what = "the profile's path below /var/lib/kubelet/seccomp on the hosts"
	local, has := p.Type == corev1.SeccompProfileTypeLocalhost, p.LocalhostProfile != nil && *p.LocalhostProfile != ""
	switch at := under(at, "localhostProfile"); {
	case local && !has:
		c.refuse(at, "is missing; write %s", what)
	case has && !local:
		c.refuse(at, "goes with type Localhost only; change the type or remove it")
	case local:
		c.inside(at, *p.LocalhostProfile)
	}
}

// inside checks that a path stays below where it begins.
func (c *check) inside(at, p string) {
	if p == "" || path.IsAbs(p) || slices.Contains(strings.Split(p, "/"), "..") {
		c.refuse(at, "%q is not a relative path without ..", p)
	}
}

// either is the first of two that is written.
func either[T any](first, second *T) *T {
	if first != nil {
		return first
	}
	return second
}
