package manifest

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

func decimal(n int32) string { return strconv.Itoa(int(n)) }

func (c *check) container(at string, k corev1.Container, s corev1.PodSpec) {
	if k.Name == "" {
		c.refuse(under(at, "name"), "is missing; give the container a name")
	} else {
		c.refuseAll(under(at, "name"), util.IsDNS1123Label(k.Name))
	}
	c.image(under(at, "image"), k.Image)
	if k.ImagePullPolicy != "" {
		c.oneOf(under(at, "imagePullPolicy"), string(k.ImagePullPolicy), "Always", "IfNotPresent", "Never")
	}
	c.ports(under(at, "ports"), k.Ports)
	c.resources(under(at, "resources"), k.Resources)
	c.mounts(under(at, "volumeMounts"), k, s.Volumes)
	c.env(at, k, s)
	c.context(under(at, "securityContext"), k.SecurityContext, s.SecurityContext)
	c.lifecycle(under(at, "lifecycle"), k.Lifecycle, s)
	c.probes(at, k)
	c.resizePolicy(under(at, "resizePolicy"), k.ResizePolicy)
}

func (c *check) image(at, image string) {
	switch {
	case image == "":
		c.refuse(at, "is missing; write the image to run")
	case isPlaceholder(image):
		c.refuse(at, "%q is a placeholder, and nothing fills it in here; write the image to run", image)
	case strings.TrimSpace(image) != image:
		c.refuse(at, "begins or ends with a space")
	default:
		if _, why := ExpandImage(image); why != "" {
			c.refuse(at, "%q %s", image, why)
		}
	}
}

func (c *check) ports(at string, ports []corev1.ContainerPort) {
	names := map[string]bool{}
	for i, p := range ports {
		here := item(at, i)
		c.refuseAll(under(here, "containerPort"), util.IsValidPortNum(int(p.ContainerPort)))
		if p.HostPort != 0 {
			c.refuseAll(under(here, "hostPort"), util.IsValidPortNum(int(p.HostPort)))
		}
		if _, err := netip.ParseAddr(p.HostIP); p.HostIP != "" && err != nil {
			c.refuse(under(here, "hostIP"), "%q is not an IP address", p.HostIP)
		}
		if p.Protocol != "" {
			c.oneOf(under(here, "protocol"), string(p.Protocol), "TCP", "UDP", "SCTP")
		}
		if p.Name == "" {
			continue
		}
		c.refuseAll(under(here, "name"), util.IsValidPortName(p.Name))
		if names[p.Name] {
			c.refuse(under(here, "name"), "%q is taken by another port", p.Name)
		}
		names[p.Name] = true
	}
}

// memoryFloor is less than the smallest runtime takes for itself before the program begins.
const memoryFloor = 512 << 10

// inMebi is what somebody may have meant who wrote thousandths of bytes, or bytes.
func inMebi(amount string) string {
	number := strings.TrimRight(amount, "m")
	if n, err := strconv.Atoi(number); err != nil || n > 1<<16 {
		return "; write for example 64Mi"
	}
	return "; did you mean " + number + "Mi?"
}

// resources checks that amounts are of what podkeep hands out, and requests within limits.
func (c *check) resources(at string, r corev1.ResourceRequirements) {
	for _, name := range amounts(r.Limits) {
		c.resource(keyed(under(at, "limits"), name), name, r.Limits)
	}
	if memory := r.Limits.Memory(); memory.Sign() > 0 && memory.Value() < memoryFloor {
		c.refuse(keyed(under(at, "limits"), "memory"), "%s is less than any container can start with%s", memory.String(), inMebi(memory.String()))
	}
	for _, name := range amounts(r.Requests) {
		here := keyed(under(at, "requests"), name)
		request, limit := r.Requests[corev1.ResourceName(name)], r.Limits[corev1.ResourceName(name)]
		_, limited := r.Limits[corev1.ResourceName(name)]
		if !limited || !isExtended(name) { // else it is said of the limit
			c.resource(here, name, r.Requests)
		}
		switch {
		case limited && request.Cmp(limit) > 0:
			c.refuse(here, "%s is more than the limit, %s", request.String(), limit.String())
		case !limited && slices.Contains(gpus, name):
			c.refuse(here, "is for limits; write it there too")
		}
	}
}

func (c *check) resource(at, name string, in corev1.ResourceList) {
	amount := in[corev1.ResourceName(name)]
	switch {
	case strings.HasPrefix(name, devicePrefix):
		c.device(at, name, amount)
	case slices.Contains(gpus, name):
		c.gpu(at, amount)
	case amount.Sign() < 0:
		c.refuse(at, "%s is less than 0", amount.String())
	case name == string(corev1.ResourceEphemeralStorage):
		c.notice(at, "what a container writes to the disk is neither counted nor bounded; an emptyDir with medium: Memory and a sizeLimit is")
	case strings.HasPrefix(name, corev1.ResourceHugePagesPrefix):
		c.refuse(at, "%s is not supported yet; remove it: huge pages are the host's", name)
	case isExtended(name):
		c.refuse(at, "%s is not supported yet; remove it: limit %snet.tun: 1 gives a container the node's /dev/net/tun, and %s its GPUs", name, devicePrefix, strings.Join(gpus, " or "))
	case name != string(corev1.ResourceCPU) && name != string(corev1.ResourceMemory):
		c.refuse(at, "%s is not supported yet; remove it: cpu and memory are%s", name, didYouMean(name, []string{"cpu", "memory"}))
	}
}

// isExtended says whether a resource is one that somebody's plugin would hand out.
func isExtended(name string) bool {
	return strings.Contains(name, "/") && !strings.HasPrefix(name, devicePrefix) && !slices.Contains(gpus, name)
}

func (c *check) resizePolicy(at string, policies []corev1.ContainerResizePolicy) {
	for i, p := range policies {
		c.oneOf(under(item(at, i), "resourceName"), string(p.ResourceName), "cpu", "memory")
		c.oneOf(under(item(at, i), "restartPolicy"), string(p.RestartPolicy), "NotRequired", "RestartContainer")
	}
}

func amounts(list corev1.ResourceList) []string {
	names := map[string]bool{}
	for name := range list {
		names[string(name)] = true
	}
	return sorted(names)
}

func (c *check) mounts(at string, k corev1.Container, volumes []corev1.Volume) {
	of := map[string]corev1.Volume{}
	for _, v := range volumes {
		of[v.Name] = v
	}
	taken := map[string]bool{}
	for i, m := range k.VolumeMounts {
		here := item(at, i)
		volume, there := of[m.Name]
		switch {
		case m.Name == "":
			c.refuse(under(here, "name"), "is missing; write the name of a volume")
		case !there:
			c.refuse(under(here, "name"), "there is no volume %q%s", m.Name, didYouMean(m.Name, sorted(of)))
		}
		c.mountPath(under(here, "mountPath"), m.MountPath, taken)
		c.subPath(here, m)
		if field := partOf(m); field != "" && volume.EmptyDir != nil && volume.EmptyDir.Medium == corev1.StorageMediumMemory {
			c.refuse(under(here, field), "a part of a volume in memory cannot be mounted yet; mount the volume whole, or leave out its medium")
		}
		c.propagation(under(here, "mountPropagation"), m, k, volume)
		if m.RecursiveReadOnly != nil && *m.RecursiveReadOnly != corev1.RecursiveReadOnlyDisabled && !m.ReadOnly {
			c.refuse(under(here, "recursiveReadOnly"), "%q needs readOnly: true beside it", *m.RecursiveReadOnly)
		}
	}
}

// partOf is the field by which a mount is of a part of its volume, or "".
func partOf(m corev1.VolumeMount) string {
	switch {
	case m.SubPathExpr != "":
		return "subPathExpr"
	case m.SubPath != "":
		return "subPath"
	}
	return ""
}

func (c *check) subPath(at string, m corev1.VolumeMount) {
	if m.SubPath != "" {
		c.inside(under(at, "subPath"), m.SubPath)
	}
	switch {
	case m.SubPathExpr == "":
	case m.SubPath != "":
		c.refuse(under(at, "subPathExpr"), "stands beside subPath; keep one of them")
	default:
		c.inside(under(at, "subPathExpr"), m.SubPathExpr)
	}
}

// propagation checks that mounts go back and forth only where they can: between the host and a hostPath.
func (c *check) propagation(at string, m corev1.VolumeMount, k corev1.Container, v corev1.Volume) {
	if m.MountPropagation == nil {
		return
	}
	mode := *m.MountPropagation
	c.oneOf(at, string(mode), "None", "HostToContainer", "Bidirectional")
	privileged := k.SecurityContext != nil && k.SecurityContext.Privileged != nil && *k.SecurityContext.Privileged
	switch {
	case mode == corev1.MountPropagationBidirectional && !privileged:
		c.refuse(at, "Bidirectional needs securityContext.privileged: true")
	case mode != corev1.MountPropagationNone && v.Name != "" && v.HostPath == nil:
		c.refuse(at, "%s is for hostPath volumes; remove it or write None", mode)
	}
}

func (c *check) mountPath(at, dir string, taken map[string]bool) {
	switch {
	case dir == "":
		c.refuse(at, "is missing; write where to mount the volume")
	case !path.IsAbs(dir) || strings.Contains(dir, ":"):
		c.refuse(at, "%q is not an absolute path without colons", dir)
	case taken[path.Clean(dir)]:
		c.refuse(at, "%q is taken by another volume", dir)
	}
	taken[path.Clean(dir)] = true
}

// capabilities checks their names, and writes them in capitals: Podman takes any case, and with CAP_ or without, and a revision is not
// another for it.
func (c *check) capabilities(at string, caps *corev1.Capabilities) {
	if caps == nil {
		return
	}
	c.capabilityNames(under(at, "add"), caps.Add)
	c.capabilityNames(under(at, "drop"), caps.Drop)
}

func (c *check) capabilityNames(at string, names []corev1.Capability) {
	for i, name := range names {
		names[i] = corev1.Capability(strings.ToUpper(string(name)))
		if name == "" || strings.Trim(string(names[i]), "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
			c.refuse(item(at, i), "%q is not a capability such as NET_ADMIN or ALL", name)
		}
	}
}
