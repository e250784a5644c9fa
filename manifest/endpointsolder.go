//lint:file-ignore SA1019 people write Endpoints still, and they are read

package manifest

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

var endpointsKind = kind{
	version: "v1", name: "Endpoints",
	empty: func() typed { return &corev1.Endpoints{} },
	check: func(c *check, t typed) { c.endpoints(t.(*corev1.Endpoints)) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.Endpoints = append(a.set.Endpoints, endpointsOf(m, o.typed.(*corev1.Endpoints)))
	},
}

// endpoints checks an Endpoints as the Kubernetes API server does.
func (c *check) endpoints(o *corev1.Endpoints) {
	if passedOver(o) {
		c.unused("metadata.labels", "has the label %s, by which it counts for no Service in Kubernetes either", discoveryv1.LabelSkipMirror)
	}
	for i, s := range o.Subsets {
		at := item("subsets", i)
		if len(s.Addresses)+len(s.NotReadyAddresses) == 0 {
			c.refuse(at, "has no addresses; write some, or remove it")
		}
		for k, a := range s.Addresses {
			c.endpointAddress(item(under(at, "addresses"), k), a)
		}
		for k, a := range s.NotReadyAddresses {
			c.endpointAddress(item(under(at, "notReadyAddresses"), k), a)
		}
		c.endpointPorts(under(at, "ports"), slicePorts(s.Ports))
	}
}

func (c *check) endpointAddress(at string, a corev1.EndpointAddress) {
	c.endpointIP(under(at, "ip"), a.IP)
	c.endpointNames(at, a.Hostname, a.NodeName)
}

// passedOver says whether Kubernetes makes no EndpointSlice of it.
func passedOver(o *corev1.Endpoints) bool { return o.Labels[discoveryv1.LabelSkipMirror] == "true" }

// endpointsOf are the addresses of an object that passed its checks. It is called as its Service.
func endpointsOf(m Meta, o *corev1.Endpoints) Endpoints {
	all := Endpoints{Meta: m}
	if passedOver(o) {
		return all
	}
	all.Service = m.Name
	for _, s := range o.Subsets {
		ports := fixedPorts(slicePorts(s.Ports))
		add := func(a corev1.EndpointAddress, ready bool) {
			all.Fixed = append(all.Fixed, Fixed{IP: netip.MustParseAddr(a.IP), Ports: ports, Ready: ready, Hostname: a.Hostname, Node: text(a.NodeName), From: m})
		}
		for _, a := range s.Addresses {
			add(a, true)
		}
		for _, a := range s.NotReadyAddresses {
			add(a, false)
		}
	}
	return all
}

func slicePorts(ports []corev1.EndpointPort) (all []discoveryv1.EndpointPort) {
	for _, p := range ports {
		all = append(all, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &p.Protocol, Port: &p.Port, AppProtocol: p.AppProtocol})
	}
	return all
}
