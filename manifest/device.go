package manifest

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// devicePrefix begins the name of a resource that is a device of the node: podkeep.io/dev.net.tun is /dev/net/tun.
const devicePrefix = "podkeep.io/dev."

// gpus are the resources that are devices of the node under the same name in CDI, whose files there the vendor's tools write: each has one
// called all.
var gpus = []string{"nvidia.com/gpu", "amd.com/gpu"}

// Devices are the node's devices that a container's limits ask for, sorted: a path, or a name of CDI such as nvidia.com/gpu=all.
func Devices(r corev1.ResourceRequirements) (devices []string) {
	for _, name := range amounts(r.Limits) {
		amount := r.Limits[corev1.ResourceName(name)]
		if device, ok := strings.CutPrefix(name, devicePrefix); ok {
			devices = append(devices, "/dev/"+strings.ReplaceAll(device, ".", "/"))
		} else if slices.Contains(gpus, name) && amount.Sign() > 0 {
			devices = append(devices, name+"=all")
		}
	}
	return devices
}

// gpu checks a number of GPUs.
func (c *check) gpu(at string, amount resource.Quantity) {
	if amount.Sign() < 0 || amount.MilliValue()%1000 != 0 {
		c.refuse(at, "%s is not a whole number", amount.String())
		return
	}
	c.notice(at, "a container that asks for GPUs is given all that its node's CDI files name, and nobody counts them; a nodeSelector or nodeName chooses a node that has some")
}

// device checks a resource that is one: there is one of it, and it is a limit.
func (c *check) device(at, name string, amount resource.Quantity) {
	switch device := strings.TrimPrefix(name, devicePrefix); {
	case len(util.IsQualifiedName(name)) > 0 || strings.Contains("."+device+".", ".."):
		c.refuse(at, "%s names no device; write for example %snet.tun for /dev/net/tun", name, devicePrefix)
	case amount.Cmp(resource.MustParse("1")) != 0:
		c.refuse(at, "%s is not 1; a node has a device, or has it not", amount.String())
	case strings.Contains(at, ".requests["):
		c.refuse(at, "is for limits; write it there")
	}
}
