package manifest

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A Service is reached from outside by ports of nodes, by its own ports at the addresses of all nodes, or at addresses that it asks for.

// addressLists are the annotations by which MetalLB is told which addresses a Service of type LoadBalancer is to have: IPv4 addresses with a comma
// between them.
var addressLists = []string{"metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"}

// sourceList is an annotation that says what loadBalancerSourceRanges does, where that says nothing.
const sourceList = corev1.AnnotationLoadBalancerSourceRangesKey

// SSHPort is TCP, of hosts, and no Service has it at their addresses.
const SSHPort = 22

func isBalanced(s corev1.ServiceSpec) bool { return s.Type == corev1.ServiceTypeLoadBalancer }

// isOutside says whether anybody reaches the Service from outside, and its externalTrafficPolicy means something.
func isOutside(s corev1.ServiceSpec) bool {
	return isBalanced(s) || s.Type == corev1.ServiceTypeNodePort || len(s.ExternalIPs) > 0
}

// written is what an object says in one place.
type written struct{ path, text string }

// outside checks what a Service says of who reaches it from outside, and where.
func (c *check) outside(o *corev1.Service) {
	s := o.Spec
	for _, a := range addressesOf(o) {
		c.outsideIP(a.path, a.text)
	}
	switch {
	case isBalanced(s):
		c.sources(o)
	case s.LoadBalancerIP != "":
		c.refuse("spec.loadBalancerIP", "is for a Service with type: LoadBalancer; write that, or remove this")
	case len(s.LoadBalancerSourceRanges) > 0:
		c.refuse("spec.loadBalancerSourceRanges", "is for a Service with type: LoadBalancer; write that, or limit who comes in with the hosts' firewall")
	}
	switch {
	case len(s.ExternalIPs) == 0:
	case s.Type == corev1.ServiceTypeExternalName:
		c.refuse("spec.externalIPs", "go with no ExternalName, which is only a name; remove one of the two")
	case s.ClusterIP == corev1.ClusterIPNone:
		c.refuse("spec.externalIPs", "go with no clusterIP: None: a headless Service is only a name; remove one of the two")
	}
	if s.LoadBalancerClass != nil {
		c.refuse("spec.loadBalancerClass", "%s is nobody here; remove it: podkeep itself leads to the pods what comes to the hosts", *s.LoadBalancerClass)
	}
	c.healthPort(s)
	for i, p := range s.Ports {
		if isBalanced(s) && len(addressesOf(o)) == 0 && p.Port == SSHPort && cmp.Or(p.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP {
			c.refuse(under(item("spec.ports", i), "port"), "%d/TCP is the hosts' own, for SSH; write another one here, with targetPort: %d, or an address that is no host's as loadBalancerIP", SSHPort, targetOf(p))
		}
	}
}

func targetOf(p corev1.ServicePort) int { return cmp.Or(p.TargetPort.IntValue(), int(p.Port)) }

func (c *check) outsideIP(path, text string) {
	ip, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		c.refuse(path, "%q is no IPv4 address; write one of a node's, or of --external-cidr", text)
	case !ip.Is4():
		c.refuse(path, "%s is no IPv4 address, and there are no others yet; remove it", ip)
	case IsNoHosts(ip):
		c.refuse(path, "%s is an address at which nobody reaches a host; write one of a node's, or of --external-cidr", ip)
	}
}

// IsNoHosts says whether an IPv4 address is one by which no host is reached from others: of loopback, of a link, of many or of none.
func IsNoHosts(ip netip.Addr) bool {
	const future = 240 // and above: what no one has, and broadcast
	b := ip.As4()
	return b[0] == 0 || b[0] >= future || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast()
}

// sources checks who may come from outside. To pass over a range lets in fewer, unless it was the last.
func (c *check) sources(o *corev1.Service) {
	list, some := rangesOf(o), false
	for _, r := range list {
		p, ok := c.cidr(r.path, r.text)
		some = some || !ok || p.Addr().Is4()
		if ok && !p.Addr().Is4() {
			c.notice(r.path, "there is only IPv4 yet: nobody comes from there")
		}
	}
	if len(list) > 0 && !some {
		c.refuse(above(list[0].path), "names no IPv4 addresses, and there are no others yet; write who may come, such as 192.0.2.0/24")
	}
}

func (c *check) healthPort(s corev1.ServiceSpec) {
	const path = "spec.healthCheckNodePort"
	n := s.HealthCheckNodePort
	switch {
	case n == 0:
	case !asksHealth(s):
		c.refuse(path, "is for a Service with type: LoadBalancer and externalTrafficPolicy: Local; write those, or remove this")
	case n < FirstNodePort || n > LastNodePort:
		c.refuse(path, "%d is not between %d and %d; remove it to have one chosen", n, FirstNodePort, LastNodePort)
	default:
		for i, p := range s.Ports {
			if p.NodePort == n && cmp.Or(p.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP {
				c.refuse(path, "%d is %s's nodePort too; each port has its own", n, item("ports", i))
			}
		}
	}
}

func asksHealth(s corev1.ServiceSpec) bool {
	return isBalanced(s) && s.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

// addressesOf are the addresses that a Service asks for beside its own.
func addressesOf(o *corev1.Service) (all []written) {
	for i, ip := range o.Spec.ExternalIPs {
		all = append(all, written{item("spec.externalIPs", i), ip})
	}
	if !isBalanced(o.Spec) {
		return all
	}
	if ip := o.Spec.LoadBalancerIP; ip != "" {
		all = append(all, written{"spec.loadBalancerIP", ip})
	}
	for _, key := range addressLists {
		all = append(all, listed(o, key)...)
	}
	return all
}

// rangesOf are those of who may come from outside.
func rangesOf(o *corev1.Service) (all []written) {
	for i, r := range o.Spec.LoadBalancerSourceRanges {
		all = append(all, written{item("spec.loadBalancerSourceRanges", i), strings.TrimSpace(r)})
	}
	if len(all) == 0 {
		return listed(o, sourceList)
	}
	return all
}

// listed are the words of an annotation that are parted by commas.
func listed(o *corev1.Service, key string) (all []written) {
	if text := o.Annotations[key]; strings.TrimSpace(text) != "" {
		for word := range strings.SplitSeq(text, ",") {
			all = append(all, written{keyed("metadata.annotations", key), strings.TrimSpace(word)})
		}
	}
	return all
}

// outsideOf has the Service be reached from outside as the object says, which passed its checks.
func (s *Service) outsideOf(o *corev1.Service) {
	no := o.Spec.AllocateLoadBalancerNodePorts
	s.Balanced = isBalanced(o.Spec)
	s.NodePorts = o.Spec.Type == corev1.ServiceTypeNodePort || s.Balanced && (no == nil || *no)
	s.NearOutside = o.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	s.Health, s.HealthPort = asksHealth(o.Spec), uint16(o.Spec.HealthCheckNodePort)
	for _, a := range addressesOf(o) {
		s.Outside = append(s.Outside, netip.MustParseAddr(a.text))
	}
	slices.SortFunc(s.Outside, netip.Addr.Compare)
	s.Outside = slices.Compact(s.Outside)
	if s.Balanced {
		s.Sources = sourcesOf(o)
	}
}

// sourcesOf are those ranges, sorted, none within another; none at all where everybody may come.
func sourcesOf(o *corev1.Service) (all []netip.Prefix) {
	var ranges []netip.Prefix
	for _, r := range rangesOf(o) {
		if p := netip.MustParsePrefix(r.text).Masked(); p.Addr().Is4() {
			ranges = append(ranges, p)
		}
	}
	slices.SortFunc(ranges, netip.Prefix.Compare)
	for _, p := range ranges {
		if p.Bits() == 0 {
			return nil
		}
		if len(all) == 0 || !inside(p, all[len(all)-1]) {
			all = append(all, p)
		}
	}
	return all
}
