package manifest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// devicePrefix begins the name of a resource that is a device of the node: podkeep.io/dev.net.tun is /dev/net/tun.
const devicePrefix = "podkeep.io/dev."

// Devices are the paths of the node's devices that a container's limits ask for, sorted.
func Devices(r corev1.ResourceRequirements) (paths []string) {
	for _, name := range amounts(r.Limits) {
		if device, ok := strings.CutPrefix(name, devicePrefix); ok {
			paths = append(paths, "/dev/"+strings.ReplaceAll(device, ".", "/"))
		}
	}
	return paths
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
