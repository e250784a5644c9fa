package manifest

import (
	"net/netip"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// NetworkPolicy says who may speak to the pods that it selects in its namespace, and to whom these may speak. What any policy allows is allowed.
type NetworkPolicy struct {
	Meta
	Pods            labels.Selector
	Ingress, Egress bool // the pods are spoken to, or speak, as policies allow and not otherwise
	In, Out         []PolicyRule
	Object          *networkingv1.NetworkPolicy // as decoded, for status
}

// PolicyRule allows any of the peers any of the ports.
type PolicyRule struct {
	Peers []PolicyPeer // none: everybody
	Ports []PolicyPort // none: all
}

// PolicyPeer is pods, or a range of addresses.
type PolicyPeer struct {
	Namespaces labels.Selector // of the pods; nil: the policy's own
	Pods       labels.Selector // nil for a range
	Block      netip.Prefix    // of IPv4, without those in
	Except     []netip.Prefix
}

// PolicyPort are ports of whom is spoken to.
type PolicyPort struct {
	Protocol    string // "tcp", "udp" or "sctp"
	Name        string // of a container's port; empty: those
	First, Last uint16 // between these; a name's are none
}

// aPolicy is the kind's name.
const aPolicy = "NetworkPolicy"

// Unruled are the NetworkPolicies that do not load, and of which no earlier form stands in, sorted: they hold nobody.
func (s Set) Unruled() (all []ID) {
	for id := range s.failed {
		if id.Kind == aPolicy && id.Name != "" && !slices.ContainsFunc(s.NetworkPolicies, func(p NetworkPolicy) bool { return p.ID == id }) {
			all = append(all, id)
		}
	}
	sortByID(all, func(id ID) ID { return id })
	return all
}

var networkPolicyKind = kind{
	version: "networking.k8s.io/v1", name: aPolicy,
	empty: func() typed { return &networkingv1.NetworkPolicy{} },
	check: func(c *check, t typed) { c.networkPolicy(t.(*networkingv1.NetworkPolicy).Spec) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.NetworkPolicies = append(a.set.NetworkPolicies, networkPolicyOf(m, o.typed.(*networkingv1.NetworkPolicy)))
	},
}

// networkPolicy checks a policy as the Kubernetes API server does.
func (c *check) networkPolicy(s networkingv1.NetworkPolicySpec) {
	c.labelSelector("spec.podSelector", &s.PodSelector)
	c.policyTypes(s)
	for i, rule := range s.Ingress {
		c.policyRule(item("spec.ingress", i), "from", rule.From, rule.Ports)
	}
	for i, rule := range s.Egress {
		c.policyRule(item("spec.egress", i), "to", rule.To, rule.Ports)
	}
}

func (c *check) policyTypes(s networkingv1.NetworkPolicySpec) {
	const path = "spec.policyTypes"
	for i, t := range s.PolicyTypes {
		if slices.Contains(s.PolicyTypes[:i], t) {
			c.refuse(item(path, i), "%s is written twice; remove this one", t)
			continue
		}
		c.oneOf(item(path, i), string(t), "Ingress", "Egress")
	}
	ingress, egress := directions(s)
	if len(s.Ingress) > 0 && !ingress {
		c.notice("spec.ingress", "has no effect: policyTypes does not name Ingress; name it, or remove this")
	}
	if len(s.Egress) > 0 && !egress {
		c.notice("spec.egress", "has no effect: policyTypes does not name Egress; name it, or remove this")
	}
}

// directions are those in which the policy's pods are spoken to, or speak, as policies allow alone.
func directions(s networkingv1.NetworkPolicySpec) (ingress, egress bool) {
	if len(s.PolicyTypes) == 0 {
		return true, len(s.Egress) > 0
	}
	return slices.Contains(s.PolicyTypes, networkingv1.PolicyTypeIngress), slices.Contains(s.PolicyTypes, networkingv1.PolicyTypeEgress)
}

func (c *check) policyRule(at, side string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
	for i, p := range peers {
		c.policyPeer(item(under(at, side), i), p)
	}
	for i, p := range ports {
		c.policyPort(item(under(at, "ports"), i), p)
	}
}

func (c *check) policyPeer(at string, p networkingv1.NetworkPolicyPeer) {
	c.labelSelector(under(at, "podSelector"), p.PodSelector)
	c.labelSelector(under(at, "namespaceSelector"), p.NamespaceSelector)
	switch pods := p.PodSelector != nil || p.NamespaceSelector != nil; {
	case p.IPBlock == nil && !pods:
		c.refuse(at, "is nobody; write podSelector, namespaceSelector, both, or ipBlock")
	case p.IPBlock != nil && pods:
		c.refuse(under(at, "ipBlock"), "goes with no selector; write it as another item of the list")
	case p.IPBlock != nil:
		c.ipBlock(under(at, "ipBlock"), *p.IPBlock)
	}
}

func (c *check) ipBlock(at string, b networkingv1.IPBlock) {
	cidr, ok := c.cidr(under(at, "cidr"), b.CIDR)
	if !ok {
		return
	}
	if !cidr.Addr().Is4() {
		c.notice(under(at, "cidr"), "pods have IPv4 addresses alone: nobody speaks with them from there, or is spoken to")
	}
	for i, text := range b.Except {
		path := item(under(at, "except"), i)
		if except, ok := c.cidr(path, text); ok && (!inside(except, cidr) || except == cidr) {
			c.refuse(path, "%s is no part of %s; write a smaller range that lies in it, or remove it", except, cidr)
		}
	}
}

// cidr reads a range of addresses.
func (c *check) cidr(at, text string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	switch {
	case text == "":
		c.refuse(at, "is missing; write a range such as 192.0.2.0/24")
	case err != nil || p.Addr().Is4In6():
		c.refuse(at, "%q is no range of addresses; write one such as 192.0.2.0/24, or 192.0.2.1/32 for a single one", text)
		return netip.Prefix{}, false
	}
	return p.Masked(), err == nil
}

func inside(p, of netip.Prefix) bool { return of.Bits() <= p.Bits() && of.Contains(p.Addr()) }

func (c *check) policyPort(at string, p networkingv1.NetworkPolicyPort) {
	if p.Protocol != nil {
		c.oneOf(under(at, "protocol"), string(*p.Protocol), "TCP", "UDP", "SCTP")
	}
	end := under(at, "endPort")
	switch {
	case p.Port == nil:
		if p.EndPort != nil {
			c.refuse(end, "stands here alone; write the first port as port too")
		}
	case p.Port.Type == intstr.String:
		c.refuseName(under(at, "port"), p.Port.StrVal, util.IsValidPortName(p.Port.StrVal))
		if p.EndPort != nil {
			c.refuse(end, "goes with no name; write both ports as numbers")
		}
	default:
		c.portNumber(under(at, "port"), p.Port.IntVal)
		if p.EndPort != nil && (*p.EndPort < p.Port.IntVal || *p.EndPort > 65535) {
			c.refuse(end, "%d is not between port, which is %d, and 65535", *p.EndPort, p.Port.IntVal)
		}
	}
}

// networkPolicyOf is the policy of an object that passed its checks.
func networkPolicyOf(m Meta, o *networkingv1.NetworkPolicy) NetworkPolicy {
	p := NetworkPolicy{Meta: m, Pods: labelsOf(&o.Spec.PodSelector), Object: o}
	p.Ingress, p.Egress = directions(o.Spec)
	for _, r := range o.Spec.Ingress {
		p.In = append(p.In, PolicyRule{peersOf(r.From), policyPortsOf(r.Ports)})
	}
	for _, r := range o.Spec.Egress {
		p.Out = append(p.Out, PolicyRule{peersOf(r.To), policyPortsOf(r.Ports)})
	}
	return p
}

// labelsOf is nil for none, and one that selects everything for an empty one.
func labelsOf(s *metav1.LabelSelector) labels.Selector {
	if s == nil {
		return nil
	}
	made, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing() // what passed the checks has none
	}
	return made
}

func peersOf(written []networkingv1.NetworkPolicyPeer) (all []PolicyPeer) {
	for _, p := range written {
		peer := PolicyPeer{Namespaces: labelsOf(p.NamespaceSelector), Pods: labelsOf(p.PodSelector)}
		if peer.Pods == nil && peer.Namespaces != nil {
			peer.Pods = labels.Everything()
		}
		if p.IPBlock != nil {
			peer.Block = netip.MustParsePrefix(p.IPBlock.CIDR).Masked()
			for _, e := range p.IPBlock.Except {
				peer.Except = append(peer.Except, netip.MustParsePrefix(e).Masked())
			}
		}
		all = append(all, peer)
	}
	return all
}

func policyPortsOf(written []networkingv1.NetworkPolicyPort) (all []PolicyPort) {
	for _, p := range written {
		port := PolicyPort{Protocol: "tcp"}
		if p.Protocol != nil {
			port.Protocol = strings.ToLower(string(*p.Protocol))
		}
		switch {
		case p.Port == nil:
			port.Last = 65535
		case p.Port.Type == intstr.String:
			port.Name = p.Port.StrVal
		default:
			port.First = uint16(p.Port.IntVal)
			port.Last = port.First
			if p.EndPort != nil {
				port.Last = uint16(*p.EndPort)
			}
		}
		all = append(all, port)
	}
	return all
}
