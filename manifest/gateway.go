package manifest

import (
	"fmt"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// aGateway is the kind's name.
const aGateway = "Gateway"

var gatewayKind = kind{
	version: gatewayNow, also: []string{gatewayOlder}, name: aGateway, meek: true,
	empty: func() typed { return &gatewayv1.Gateway{} },
	check: func(c *check, t typed) { c.gateway(t.(*gatewayv1.Gateway)) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.Gateways = append(a.set.Gateways, Gateway{Meta: m, ACME: asksACME(m.Annotations), Object: o.typed.(*gatewayv1.Gateway)})
	},
}

// Bounds of the API: listeners of a Gateway; certificates of each, and kinds of routes that it says it takes.
const (
	mostListeners    = 64
	mostCertificates = 64
	mostAllowedKinds = 8
)

func init() {
	built[typeOf[gatewayv1.GatewaySpec]()] = "gatewayClassName listeners infrastructure"
	harmless[typeOf[gatewayv1.GatewaySpec]()] = map[string][]string{
		"allowedListeners": {`{"namespaces":{"from":"None"}}`},
		"defaultScope":     {`"None"`},
	}
	instead[typeOf[gatewayv1.GatewaySpec]()] = map[string]string{
		"addresses":        "listeners are at the addresses of all nodes that have a door; label " + DoorLabel + " of Nodes says which have",
		"allowedListeners": "write the listeners here",
		"tls":              "clients are not asked for certificates, and pods are shown none",
		"defaultScope":     "name the Gateway in each route's parentRefs",
	}
	noticed[typeOf[gatewayv1.GatewayInfrastructure]()] = map[string]string{
		"labels":      "nothing is made for a Gateway alone that could have labels or annotations",
		"annotations": "nothing is made for a Gateway alone that could have labels or annotations",
	}
	built[typeOf[gatewayv1.GatewayInfrastructure]()] = "labels annotations"
	instead[typeOf[gatewayv1.GatewayInfrastructure]()] = map[string]string{"parametersRef": "flags of whoever runs podkeep say how doors are set up"}
	built[typeOf[gatewayv1.ListenerTLSConfig]()] = "mode certificateRefs"
	instead[typeOf[gatewayv1.ListenerTLSConfig]()] = map[string]string{"options": "doors speak TLS 1.2 and 1.3"}
}

// gateway fills in what a Gateway's CustomResourceDefinition fills in, and checks it as that does.
func (c *check) gateway(o *gatewayv1.Gateway) {
	if value := o.Annotations[issuing[0]]; value != "" {
		c.oneOf(keyed("metadata.annotations", issuing[0]), value, "true", "false")
	}
	c.refName("spec.gatewayClassName", string(o.Spec.GatewayClassName), DoorClass)
	const path = "spec.listeners"
	all := o.Spec.Listeners
	if len(all) == 0 {
		c.refuse(path, "is missing; write at least one, such as {name: http, protocol: HTTP, port: 80}")
	}
	c.atMost(path, len(all), mostListeners)
	names, places := map[gatewayv1.SectionName]bool{}, map[string]bool{}
	for i := range all {
		l, at := &all[i], item(path, i)
		c.listener(at, l)
		if names[l.Name] {
			c.refuse(under(at, "name"), "%s is another listener's too; give each its own", l.Name)
		}
		names[l.Name] = l.Name != ""
		place := fmt.Sprint(l.Port, l.Protocol, hostOf(l))
		if places[place] {
			c.refuse(at, "another listener has the same port, protocol and hostname; change one, or remove it")
		}
		places[place] = true
	}
}

// hostOf is a listener's hostname; empty for all.
func hostOf(l *gatewayv1.Listener) string {
	if l.Hostname == nil {
		return ""
	}
	return string(*l.Hostname)
}

func (c *check) listener(at string, l *gatewayv1.Listener) {
	c.sectionName(under(at, "name"), string(l.Name))
	c.portNumber(under(at, "port"), l.Port)
	if l.Hostname != nil {
		c.hostname(under(at, "hostname"), string(*l.Hostname), true)
	}
	allowed := under(at, "allowedRoutes")
	c.allowedNamespaces(under(allowed, "namespaces"), l)
	switch tls := under(at, "tls"); l.Protocol {
	case gatewayv1.HTTPProtocolType:
		if l.TLS != nil {
			c.refuse(tls, "goes with no protocol HTTP; remove it, or write protocol: HTTPS")
		}
		c.allowedKinds(under(allowed, "kinds"), l.AllowedRoutes.Kinds)
	case gatewayv1.HTTPSProtocolType:
		c.terminates(tls, l.TLS)
		c.allowedKinds(under(allowed, "kinds"), l.AllowedRoutes.Kinds)
	case gatewayv1.TLSProtocolType, gatewayv1.TCPProtocolType, gatewayv1.UDPProtocolType:
		c.undone(under(at, "protocol"), "listener %s is not opened: protocol %s is not supported yet; write HTTP or HTTPS, or remove the listener: a Service of type LoadBalancer opens any port", l.Name, l.Protocol)
	default:
		c.oneOf(under(at, "protocol"), string(l.Protocol), "HTTP", "HTTPS")
	}
}

// terminates checks how a listener ends TLS.
func (c *check) terminates(at string, tls *gatewayv1.ListenerTLSConfig) {
	if tls == nil {
		c.refuse(at, "is missing; write the Secret that holds the certificate, such as {certificateRefs: [{name: shop-tls}]}")
		return
	}
	fill(&tls.Mode, gatewayv1.TLSModeTerminate)
	if *tls.Mode != gatewayv1.TLSModeTerminate {
		c.oneOf(under(at, "mode"), string(*tls.Mode), string(gatewayv1.TLSModeTerminate))
	}
	refs := under(at, "certificateRefs")
	if len(tls.CertificateRefs) == 0 {
		c.refuse(refs, "is missing; name the Secret that holds the certificate, such as {name: shop-tls}")
	}
	c.atMost(refs, len(tls.CertificateRefs), mostCertificates)
	for i := range tls.CertificateRefs {
		r, at := &tls.CertificateRefs[i], item(refs, i)
		fill(&r.Group, "")
		fill(&r.Kind, "Secret")
		c.refKind(at, string(*r.Group), string(*r.Kind), "", "Secret", "certificates are in Secrets")
		c.refName(under(at, "name"), string(r.Name), "shop-tls")
		c.refNamespace(under(at, "namespace"), r.Namespace)
	}
}

// allowedNamespaces checks whose routes a listener takes.
func (c *check) allowedNamespaces(at string, l *gatewayv1.Listener) {
	fill(&l.AllowedRoutes, gatewayv1.AllowedRoutes{})
	fill(&l.AllowedRoutes.Namespaces, gatewayv1.RouteNamespaces{})
	from := l.AllowedRoutes.Namespaces
	fill(&from.From, gatewayv1.NamespacesFromSame)
	c.oneOf(under(at, "from"), string(*from.From), "Same", "All", "Selector")
	c.labelSelector(under(at, "selector"), from.Selector)
	switch selects := *from.From == gatewayv1.NamespacesFromSelector; {
	case selects && from.Selector == nil:
		c.refuse(under(at, "selector"), "is missing; write the labels of the Namespaces that are meant, or from: All")
	case !selects && from.Selector != nil:
		c.notice(under(at, "selector"), "has no effect: write from: Selector, or remove it")
	}
}

// allowedKinds checks which kinds of routes it takes.
func (c *check) allowedKinds(at string, all []gatewayv1.RouteGroupKind) {
	c.atMost(at, len(all), mostAllowedKinds)
	for i := range all {
		k, at := &all[i], item(at, i)
		fill(&k.Group, gatewayGroup)
		switch {
		case k.Kind == "":
			c.refuse(under(at, "kind"), "is missing; write %s", anHTTPRoute)
		case *k.Group != gatewayGroup || k.Kind != anHTTPRoute:
			c.notice(at, strings.TrimPrefix(fmt.Sprintf("%s/%s", *k.Group, k.Kind), "/")+" is not supported yet: only HTTPRoutes attach to listeners")
		}
	}
}

// gateways says which Gateways nobody serves, for their class is another controller's.
func (a *assembly) gateways(byID map[ID]*object) {
	ours := map[string]bool{DoorClass: true}
	for _, class := range a.set.GatewayClasses {
		ours[class.Name] = ours[class.Name] || class.Ours
	}
	for _, g := range a.set.Gateways {
		name := string(g.Object.Spec.GatewayClassName)
		_, failed := a.set.failed[ID{Kind: aGatewayClass, Name: name}]
		if ours[name] || failed || a.unreadable != "" {
			continue
		}
		c := byID[g.ID].check()
		c.unused("spec.gatewayClassName", "no GatewayClass %s says that it is for %s; write %s, or such a GatewayClass", name, GatewayController, DoorClass)
		a.set.Problems = append(a.set.Problems, c.found...)
	}
}
