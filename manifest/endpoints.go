package manifest

import (
	"cmp"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// Endpoints are addresses that somebody wrote down for a Service without a selector: kind Endpoints or EndpointSlice. All that name one Service count.
type Endpoints struct {
	Meta
	Service string // of its namespace; empty where nothing is done for it
	Fixed   []Fixed
}

var endpointsKind = kind{
	version: "v1", name: "Endpoints",
	empty: func() typed { return &corev1.Endpoints{} },
	check: func(c *check, t typed) { c.endpoints(t.(*corev1.Endpoints)) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.Endpoints = append(a.set.Endpoints, endpointsOf(m, o.typed.(*corev1.Endpoints)))
	},
}

var endpointSliceKind = kind{
	version: "discovery.k8s.io/v1", name: "EndpointSlice",
	empty: func() typed { return &discoveryv1.EndpointSlice{} },
	check: func(c *check, t typed) { c.endpointSlice(t.(*discoveryv1.EndpointSlice)) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.Endpoints = append(a.set.Endpoints, endpointSliceOf(m, o.typed.(*discoveryv1.EndpointSlice)))
	},
}

func init() {
	built[typeOf[corev1.EndpointAddress]()] = "ip hostname nodeName"
	built[typeOf[discoveryv1.Endpoint]()] = "addresses conditions hostname nodeName"
	idle[typeOf[corev1.EndpointAddress]()] = map[string]string{"targetRef": whoIsThere}
	idle[typeOf[discoveryv1.Endpoint]()] = map[string]string{"targetRef": whoIsThere, "zone": "the node says in which zone it stands"}
	noticed[typeOf[discoveryv1.Endpoint]()] = map[string]string{
		"hints":              "hints are not followed: trafficDistribution of the Service and nodeName here say who is asked by whom",
		"deprecatedTopology": "is not followed, as in Kubernetes: nodeName says on which node it is",
	}
}

const whoIsThere = "requests go to the address, whoever has it"

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

// endpointSlice checks an EndpointSlice as the Kubernetes API server does.
func (c *check) endpointSlice(o *discoveryv1.EndpointSlice) {
	switch o.AddressType {
	case discoveryv1.AddressTypeIPv4:
	case discoveryv1.AddressTypeIPv6:
		c.unused("addressType", "is of addressType IPv6, and there is only IPv4 yet")
		return
	case discoveryv1.AddressTypeFQDN:
		c.unused("addressType", "is of addressType FQDN, which leads nowhere in Kubernetes either; a Service with type: ExternalName stands for an outside name")
		return
	case "":
		c.refuse("addressType", "is missing; write IPv4")
	default:
		c.oneOf("addressType", string(o.AddressType), "IPv4", "IPv6", "FQDN")
	}
	if o.Labels[discoveryv1.LabelServiceName] == "" {
		c.unused("metadata.labels", "names no Service; write the label %s", discoveryv1.LabelServiceName)
	}
	for i, e := range o.Endpoints {
		c.endpoint(item("endpoints", i), e)
	}
	c.endpointPorts("ports", o.Ports)
}

func (c *check) endpoint(at string, e discoveryv1.Endpoint) {
	path := under(at, "addresses")
	switch len(e.Addresses) {
	case 0:
		c.refuse(path, "is missing; write the address that is asked, for example [192.0.2.1]")
	case 1:
	default:
		c.notice(path, "the first of an endpoint's addresses alone is asked; write an endpoint for each that is another's")
	}
	for i, ip := range e.Addresses {
		c.endpointIP(item(path, i), ip)
	}
	c.endpointNames(at, text(e.Hostname), e.NodeName)
}

// endpointIP checks an address that requests are to be sent to.
func (c *check) endpointIP(path, text string) {
	ip, err := netip.ParseAddr(text)
	switch {
	case text == "":
		c.refuse(path, "is missing; write the address that is asked")
	case err != nil:
		c.refuse(path, "%q is no IPv4 address", text)
	case !ip.Is4():
		c.refuse(path, "%s is no IPv4 address, and there are no others yet; remove it", ip)
	case IsNoHosts(ip):
		c.refuse(path, "%s is an address at which nobody reaches a host; write one at which the nodes do", ip)
	}
}

func (c *check) endpointNames(at, hostname string, node *string) {
	if hostname != "" {
		c.refuseName(under(at, "hostname"), hostname, util.IsDNS1123Label(hostname))
	}
	if node != nil {
		c.refuseName(under(at, "nodeName"), *node, util.IsDNS1123Subdomain(*node))
	}
}

func (c *check) endpointPorts(path string, ports []discoveryv1.EndpointPort) {
	seen := map[string]int{}
	for i, p := range ports {
		at, name := item(path, i), text(p.Name)
		first, twice := seen[name]
		switch seen[name] = i; {
		case name == "" && len(ports) > 1:
			c.refuse(under(at, "name"), "is missing; of several ports each needs the name that it has in the Service")
		case twice:
			c.refuse(under(at, "name"), "%s is %s's too; each port has its own", name, item("ports", first))
		case name != "":
			c.refuseName(under(at, "name"), name, util.IsDNS1123Label(name))
		}
		c.endpointProtocol(under(at, "protocol"), text(p.Protocol))
		if p.Port == nil {
			c.notice(under(at, "port"), "no Service leads to a port without a number; write it")
		} else {
			c.portNumber(under(at, "port"), *p.Port)
		}
		if p.AppProtocol != nil {
			c.refuseName(under(at, "appProtocol"), *p.AppProtocol, util.IsQualifiedName(*p.AppProtocol))
		}
	}
}

func (c *check) endpointProtocol(path, protocol string) {
	switch protocol {
	case "":
	case string(corev1.ProtocolSCTP):
		c.refuse(path, "SCTP is not supported yet; write TCP or UDP")
	default:
		c.oneOf(path, protocol, "TCP", "UDP")
	}
}

// text is what is written, or nothing.
func text[T ~string](s *T) string {
	if s == nil {
		return ""
	}
	return string(*s)
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

// endpointSliceOf are the addresses of an object that passed its checks.
func endpointSliceOf(m Meta, o *discoveryv1.EndpointSlice) Endpoints {
	all := Endpoints{Meta: m}
	if o.AddressType != discoveryv1.AddressTypeIPv4 {
		return all
	}
	all.Service = o.Labels[discoveryv1.LabelServiceName]
	is := func(condition *bool) bool { return condition != nil && *condition }
	ports := fixedPorts(o.Ports)
	for _, e := range o.Endpoints {
		f := Fixed{IP: netip.MustParseAddr(e.Addresses[0]), Ports: ports, Hostname: text(e.Hostname), Node: text(e.NodeName), From: m}
		f.Ready = e.Conditions.Ready == nil || *e.Conditions.Ready
		f.Ending = !f.Ready && is(e.Conditions.Serving) && is(e.Conditions.Terminating)
		all.Fixed = append(all.Fixed, f)
	}
	return all
}

func slicePorts(ports []corev1.EndpointPort) (all []discoveryv1.EndpointPort) {
	for _, p := range ports {
		all = append(all, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &p.Protocol, Port: &p.Port, AppProtocol: p.AppProtocol})
	}
	return all
}

func fixedPorts(ports []discoveryv1.EndpointPort) map[string]uint16 {
	all := map[string]uint16{}
	for _, p := range ports {
		if p.Port != nil {
			all[text(p.Name)+"/"+strings.ToLower(cmp.Or(text(p.Protocol), "TCP"))] = uint16(*p.Port)
		}
	}
	return all
}

// endpoints says of those that lead nowhere why.
func (a *assembly) endpoints(byID map[ID]*object) {
	services := map[ID]Service{}
	for _, s := range a.set.Services {
		services[s.ID] = s
	}
	for _, e := range a.set.Endpoints {
		id := ID{Kind: aService, Namespace: e.Namespace, Name: e.Service}
		c := byID[e.ID].check()
		switch s, there := services[id]; {
		case e.Service == "", a.set.failed[id] != "":
		case !there:
			c.notice("metadata.name", "leads nowhere yet: "+a.lacks(id))
		case s.External != "":
			c.unused("metadata.name", "%s is a name for %s, and leads to no address; remove one of the two", id.said(), s.External)
		case len(s.Selector) > 0:
			c.unused("metadata.name", "the selector of %s chooses its pods, %s; remove one of the two", id.said(), s.Origin)
		}
		a.set.Problems = append(a.set.Problems, c.found...)
	}
}

// writtenDown gives Services that choose no pods the addresses that somebody wrote down for them.
func (s Set) writtenDown() {
	of := map[ID][]Fixed{}
	for _, e := range s.Endpoints {
		id := ID{Kind: aService, Namespace: e.Namespace, Name: e.Service}
		of[id] = append(of[id], e.Fixed...)
	}
	for i := range s.Services {
		if svc := &s.Services[i]; svc.External == "" && len(svc.Selector) == 0 {
			svc.Fixed = of[svc.ID]
		}
	}
}
