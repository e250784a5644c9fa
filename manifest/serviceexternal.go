package manifest

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// externalName checks a Service that stands for an outside name. Its selector and ports are taken, as Kubernetes takes them, and lead nowhere.
func (c *check) externalName(s corev1.ServiceSpec) {
	const path = "spec.externalName"
	name := strings.TrimSuffix(s.ExternalName, ".")
	_, err := netip.ParseAddr(name)
	switch {
	case name == "":
		c.refuse(path, "is missing; write the outside name that this one stands for")
	case err == nil:
		c.refuse(path, "%q is an address, and no name; write a Service without type and selector, and an EndpointSlice with the address", name)
	default:
		c.refuseName(path, name, util.IsDNS1123Subdomain(name))
	}
	for _, f := range []struct {
		field   string
		written bool
	}{
		{"clusterIP", s.ClusterIP != ""}, {"clusterIPs", len(s.ClusterIPs) > 0},
		{"ipFamilyPolicy", s.IPFamilyPolicy != nil}, {"ipFamilies", len(s.IPFamilies) > 0},
	} {
		if f.written {
			c.refuse("spec."+f.field, "goes with no ExternalName, which has no address of the cluster's; remove one of the two")
		}
	}
	c.labels("spec.selector", s.Selector)
	c.sessionAffinity(s)
	c.trafficPolicies(s)
	c.trafficDistribution(s)
	c.eachPort(s)
}
