package manifest

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// Net says which addresses the cluster has for its pods and Services. The zero value is none: pods have the addresses that their host's Podman
// gives them, and Services are not served.
type Net struct {
	Pods    netip.Prefix // ranges are given out of it to Nodes that name none
	Virtual netip.Prefix // of Services
	Domain  string       // of names: "cluster.local"
	// Outside are the addresses that Services may ask for as externalIPs and loadBalancerIP, beside those of nodes.
	Outside []netip.Prefix
}

// Layout is the version of how pods are joined to networks now.
func (n Net) Layout() int {
	if !n.Pods.IsValid() {
		return NetworkLayout
	}
	return NetworkOwn
}

// NetworkOwn is the layout of pods that have an address from the plan, in the cluster's own network.
const NetworkOwn = 2

// Service is a name and an address for the pods that its selector chooses in its namespace, or for the addresses that Endpoints name.
type Service struct {
	Meta
	Headless        bool           // it has no address of its own: its name leads to the pods
	ClusterIP       netip.Addr     // the address that it asks for; the zero address leaves that open
	External        string         // the outside name that it stands for: it is of type ExternalName, and has neither address nor ports
	NodePorts       bool           // each of its ports has one of nodes, asked for or not: it is of type NodePort, or LoadBalancer
	Balanced        bool           // it is of type LoadBalancer: its ports are at the addresses of all nodes, or at those of Outside where it asks for some
	Outside         []netip.Addr   // addresses that it asks for beside its own: externalIPs, loadBalancerIP. Sorted
	Sources         []netip.Prefix // who may come by ports of nodes and addresses outside; none is everybody
	Health          bool           // each node says at a port whether it has pods of it: of type LoadBalancer, with NearOutside
	HealthPort      uint16         // that it asks for, for that; 0 leaves it open
	Selector        map[string]string
	Ports           []ServicePort
	Holds           int  // seconds for which a client is sent where he was sent last; 0: each connection goes anywhere
	Near            bool // internalTrafficPolicy Local: its address leads to pods of the same node alone
	NearOutside     bool // externalTrafficPolicy Local: ports of nodes and addresses outside do
	PrefersNear     bool // trafficDistribution PreferSameNode: where the node has some of its pods, they alone are asked, and
	PrefersZone     bool // PreferSameZone, PreferClose: else those in its zone, if there are some
	PublishNotReady bool
	Fixed           []Fixed         // of one without a selector: what Endpoints and EndpointSlices say, in their order. History.Want fills it in
	Object          *corev1.Service // as decoded, for status
}

// Fixed is an address that somebody wrote down for requests to be sent to.
type Fixed struct {
	IP       netip.Addr
	Ports    map[string]uint16 // by the name of the Service's port and its protocol, "http/tcp", "/udp"
	Ready    bool
	Ending   bool   // it is not Ready, and answers still: it is asked where no other one is Ready
	Hostname string // by which a headless Service names it
	Node     string // on which it is said to be; empty where nothing is said
	From     Meta   // which Endpoints or EndpointSlice
}

// ServicePort is one by which a Service is reached.
type ServicePort struct {
	Name        string
	Protocol    string // "tcp" or "udp"
	Port        uint16
	Target      intstr.IntOrString // the pod's port, by number or by its name
	NodePort    uint16             // that it asks for; 0 leaves that open in a Service with NodePorts, and is none in others
	AppProtocol string
}

// aService is the kind's name.
const aService = "Service"

var serviceKind = kind{
	version: "v1", name: aService, meek: true,
	empty: func() typed { return &corev1.Service{} },
	check: func(c *check, t typed) { c.service(t.(*corev1.Service)) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.Services = append(a.set.Services, serviceOf(m, o.typed.(*corev1.Service)))
	},
}

// Ports of nodes that Services may ask for, as Kubernetes has them.
const (
	FirstNodePort = 30000
	LastNodePort  = 32767
)

func init() {
	built[typeOf[corev1.ServiceSpec]()] = "ports selector clusterIP clusterIPs type publishNotReadyAddresses ipFamilies ipFamilyPolicy sessionAffinity sessionAffinityConfig " +
		"internalTrafficPolicy externalTrafficPolicy trafficDistribution externalIPs loadBalancerIP loadBalancerSourceRanges loadBalancerClass healthCheckNodePort " +
		"allocateLoadBalancerNodePorts"
	idle[typeOf[corev1.ServiceSpec]()] = map[string]string{
		"externalName": "only type ExternalName has a use for it",
	}
}

// service checks a Service as the Kubernetes API server does.
func (c *check) service(o *corev1.Service) {
	s := o.Spec
	c.outside(o)
	switch s.Type {
	case corev1.ServiceTypeExternalName:
		c.externalName(s)
		return
	case "":
	default:
		c.oneOf("spec.type", string(s.Type), "ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
	}
	c.labels("spec.selector", s.Selector)
	c.clusterIP(s)
	c.ipFamilies(s)
	c.sessionAffinity(s)
	c.trafficPolicies(s)
	c.trafficDistribution(s)
	c.servicePorts(s)
}

func (c *check) clusterIP(s corev1.ServiceSpec) {
	const path, list = "spec.clusterIP", "spec.clusterIPs"
	switch ip, err := netip.ParseAddr(s.ClusterIP); {
	case s.ClusterIP == "":
	case s.ClusterIP == corev1.ClusterIPNone:
		if s.Type == corev1.ServiceTypeNodePort || isBalanced(s) {
			c.refuse(path, "None goes with no %s: a headless Service has no address that a port could lead to; remove one of the two", s.Type)
		}
	case err != nil:
		c.refuse(path, "%q is neither an IPv4 address nor None; remove it to have one chosen", s.ClusterIP)
	case !ip.Is4():
		c.refuse(path, "%s is no IPv4 address, and there are no others yet; remove it to have one chosen", ip)
	}
	for i, ip := range s.ClusterIPs {
		switch {
		case i > 0:
			c.refuse(item(list, i), "one address is all that is supported yet; remove this one")
		case s.ClusterIP == "":
			c.refuse(item(list, i), "stands here alone; write it as clusterIP too")
		case ip != s.ClusterIP:
			c.refuse(item(list, i), "%q is not clusterIP, which is %s; remove one of them", ip, s.ClusterIP)
		}
	}
}

func (c *check) ipFamilies(s corev1.ServiceSpec) {
	const path, list = "spec.ipFamilyPolicy", "spec.ipFamilies"
	if p := s.IPFamilyPolicy; p != nil {
		switch *p {
		case corev1.IPFamilyPolicyRequireDualStack:
			c.refuse(path, "RequireDualStack cannot be had: there is only IPv4 yet; write PreferDualStack")
		case corev1.IPFamilyPolicyPreferDualStack:
			c.notice(path, "there is only IPv4 yet: the Service has no IPv6 address")
		default:
			c.oneOf(path, string(*p), "SingleStack", "PreferDualStack")
		}
	}
	for i, family := range s.IPFamilies {
		switch {
		case slices.Contains(s.IPFamilies[:i], family):
			c.refuse(item(list, i), "is written twice; remove this one")
		case family == corev1.IPv6Protocol && i > 0 && s.IPFamilyPolicy != nil && *s.IPFamilyPolicy == corev1.IPFamilyPolicyPreferDualStack: // the policy's notice says it
		case family == corev1.IPv6Protocol:
			c.refuse(item(list, i), "there is only IPv4 yet; remove this one")
		default:
			c.oneOf(item(list, i), string(family), "IPv4")
		}
	}
}

func (c *check) servicePorts(s corev1.ServiceSpec) {
	const path = "spec.ports"
	if len(s.Ports) == 0 && s.ClusterIP != corev1.ClusterIPNone {
		c.refuse(path, "is missing; write by which ports it is reached, for example [{port: 80}], or clusterIP: None if it is only a name")
	}
	c.eachPort(s)
}

// eachPort checks the ports that are there.
func (c *check) eachPort(s corev1.ServiceSpec) {
	const path = "spec.ports"
	seen := map[string]int{}
	once := func(i int, field, what string) {
		at := under(item(path, i), field)
		if first, twice := seen[field+" "+what]; twice {
			c.refuse(at, "%s is %s's too; each port has its own", what, item("ports", first))
			return
		}
		seen[field+" "+what] = i
	}
	for i, p := range s.Ports {
		at := item(path, i)
		c.servicePort(at, s, p)
		if p.Name != "" {
			once(i, "name", p.Name)
		}
		protocol := cmp.Or(string(p.Protocol), "TCP")
		once(i, "port", fmt.Sprintf("%d/%s", p.Port, protocol))
		if p.NodePort != 0 {
			once(i, "nodePort", fmt.Sprintf("%d/%s", p.NodePort, protocol))
		}
	}
}

func (c *check) servicePort(at string, s corev1.ServiceSpec, p corev1.ServicePort) {
	switch {
	case p.Name != "":
		c.refuseName(under(at, "name"), p.Name, util.IsDNS1123Label(p.Name))
	case len(s.Ports) > 1:
		c.refuse(under(at, "name"), "is missing; of several ports each needs a name")
	}
	switch p.Protocol {
	case "":
	case corev1.ProtocolSCTP:
		c.refuse(under(at, "protocol"), "SCTP is not supported yet; write TCP or UDP")
	default:
		c.oneOf(under(at, "protocol"), string(p.Protocol), "TCP", "UDP")
	}
	c.portNumber(under(at, "port"), p.Port)
	switch t := p.TargetPort; {
	case t.Type == intstr.String && t.StrVal != "":
		c.refuseName(under(at, "targetPort"), t.StrVal, util.IsValidPortName(t.StrVal))
	case t.IntVal != 0:
		c.portNumber(under(at, "targetPort"), t.IntVal)
	}
	if p.AppProtocol != nil {
		c.refuseName(under(at, "appProtocol"), *p.AppProtocol, util.IsQualifiedName(*p.AppProtocol))
	}
	switch {
	case p.NodePort == 0:
	case s.Type != corev1.ServiceTypeNodePort && !isBalanced(s):
		c.refuse(under(at, "nodePort"), "is for a Service with type: NodePort or LoadBalancer; write that, or remove this")
	case p.NodePort < FirstNodePort || p.NodePort > LastNodePort:
		c.refuse(under(at, "nodePort"), "%d is not between %d and %d; remove it to have one chosen", p.NodePort, FirstNodePort, LastNodePort)
	}
}

func (c *check) portNumber(path string, n int32) {
	if len(util.IsValidPortNum(int(n))) > 0 {
		c.refuse(path, "%d is not between 1 and 65535", n)
	}
}

// serviceOf is the Service of an object that passed its checks.
func serviceOf(m Meta, o *corev1.Service) Service {
	s := o.Spec
	if s.Type == corev1.ServiceTypeExternalName {
		return Service{Meta: m, Headless: true, External: s.ExternalName, Object: o}
	}
	svc := Service{
		Meta: m, Headless: s.ClusterIP == corev1.ClusterIPNone, Selector: s.Selector,
		Near: isNear(s), Holds: holdsOf(s), PublishNotReady: s.PublishNotReadyAddresses, Object: o,
	}
	svc.PrefersNear, svc.PrefersZone = prefers(s)
	svc.outsideOf(o)
	if !svc.Headless && s.ClusterIP != "" {
		svc.ClusterIP = netip.MustParseAddr(s.ClusterIP)
	}
	for _, p := range s.Ports {
		svc.Ports = append(svc.Ports, portOf(p))
	}
	return svc
}

func portOf(p corev1.ServicePort) ServicePort {
	target := p.TargetPort
	if target.IntVal == 0 && target.StrVal == "" {
		target = intstr.FromInt32(p.Port)
	}
	port := ServicePort{
		Name: p.Name, Protocol: strings.ToLower(cmp.Or(string(p.Protocol), "TCP")), Port: uint16(p.Port), Target: target, NodePort: uint16(p.NodePort),
	}
	if p.AppProtocol != nil {
		port.AppProtocol = *p.AppProtocol
	}
	return port
}

// asked are the things that only one Service can have, each with the field that asks for it.
func (s Service) asked() map[string]string {
	all := map[string]string{}
	if s.ClusterIP.IsValid() {
		all["clusterIP "+s.ClusterIP.String()] = "spec.clusterIP"
	}
	for i, p := range s.Ports {
		if p.NodePort != 0 {
			all[fmt.Sprintf("nodePort %d/%s", p.NodePort, strings.ToUpper(p.Protocol))] = under(item("spec.ports", i), "nodePort")
		}
	}
	if s.HealthPort != 0 {
		all[fmt.Sprintf("nodePort %d/TCP", s.HealthPort)] = "spec.healthCheckNodePort"
	}
	return all
}

// services refuses those that ask for what another asks for, both: nobody can tell whose it is.
func (a *assembly) services(byID map[ID]*object) {
	of := map[string][]Meta{}
	for _, s := range a.set.Services {
		for _, what := range sorted(s.asked()) {
			of[what] = append(of[what], s.Meta)
		}
	}
	a.set.Services = slices.DeleteFunc(a.set.Services, func(s Service) bool {
		c, asked := byID[s.ID].check(), s.asked()
		for _, what := range sorted(asked) {
			for _, other := range of[what] {
				if other.ID != s.ID {
					c.refuse(asked[what], "%s is asked for by %s too, %s, so neither has it; write another in one of them", afterSpace(what), other.ID, other.Origin)
					break
				}
			}
		}
		if len(c.found) == 0 {
			return false
		}
		a.fail(byID[s.ID], c)
		return true
	})
}

func afterSpace(s string) string {
	_, after, _ := strings.Cut(s, " ")
	return after
}
