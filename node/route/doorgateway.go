package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/podkeep/podkeep/manifest"
)

// gateway is a Gateway of ours.
type gateway struct {
	*manifest.Gateway
	d         *Doored
	listeners []*listener
}

func (g *gateway) id() string { return keyOf(g.Namespace, g.Name) }

// gatewaysOf are the Gateways of a class of ours, in order. Of all, and of all classes, something is said.
func (b *doorBuild) gatewaysOf() (all []*gateway) {
	for n := range b.GatewayClasses {
		c := &b.GatewayClasses[n]
		d := b.of(kindGatewayClass, &c.Meta)
		if d.Ours = c.Ours; d.Ours {
			d.Conditions = []DoorCondition{granted("Accepted", "Accepted")}
		} else {
			d.say("it is another controller's: write controllerName: %s to have its Gateways served", manifest.GatewayController)
		}
	}
	for n := range b.Gateways {
		g := &gateway{Gateway: &b.Gateways[n], d: b.of(kindGateway, &b.Gateways[n].Meta)}
		if why := b.otherClass(g); why != "" {
			g.d.say("%s", why)
			continue
		}
		g.d.Ours = true
		if g.Suspended {
			g.d.say("it is suspended: what was served by it stays as it was")
		}
		g.listen()
		all = append(all, g)
	}
	for n := range b.Routes {
		r := &b.Routes[n]
		d := b.of(kindHTTPRoute, &r.Meta)
		for _, ref := range r.Object.Spec.ParentRefs {
			p := parentOf(r, ref)
			g := b.said[kindGateway+"/"+p.Namespace+"/"+p.Name]
			d.Ours = d.Ours || isGateway(ref) && (g == nil || g.Ours)
		}
		if !d.Ours {
			d.say("none of its parents is a Gateway of a class of ours: name one in parentRefs whose gatewayClassName is %s to have it served", manifest.DoorClass)
		}
	}
	slices.SortFunc(all, func(a, o *gateway) int { return byObject(a.d, o.d) })
	return all
}

// otherClass is why a Gateway is another controller's; empty where it is ours.
func (b *doorBuild) otherClass(g *gateway) string {
	class := string(g.Object.Spec.GatewayClassName)
	if class == manifest.DoorClass {
		return ""
	}
	n := slices.IndexFunc(b.GatewayClasses, func(c manifest.GatewayClass) bool { return c.Name == class })
	switch {
	case n < 0:
		return fmt.Sprintf("GatewayClass %s is not in Git, so it is another controller's: write gatewayClassName: %s to have it served", class, manifest.DoorClass)
	case !b.GatewayClasses[n].Ours:
		return fmt.Sprintf("it is of class %s, which is another controller's: write gatewayClassName: %s to have it served", class, manifest.DoorClass)
	}
	return ""
}

// listener is a port of a Gateway, for one host name or a wildcard, or all.
type listener struct {
	gatewayv1.Listener
	of       *gateway
	host     string
	refused  string // why it is none that doors have, and
	conflict string // the reason of the condition, where it is like another one of its Gateway
	kinds    []string
	refs     reason // what is amiss with what it refers to
	pairs    []pair
	kept     string // by what name it has a certificate that is not among pairs
	attached map[string]bool
	claims   map[string][]claim // by host
}

// reason is a condition's, with its message. The zero value is that all is well.
type reason struct{ reason, message string }

// or is the reason, if there is one, else the other.
func (r reason) or(code, format string, args ...any) reason {
	if r.reason != "" {
		return r
	}
	return reason{code, fmt.Sprintf(format, args...)}
}

func (l *listener) tls() bool { return l.Protocol == gatewayv1.HTTPSProtocolType }

func (l *listener) at(host string) doorName {
	return doorName{uint16(l.Port), host, isWild(host)}
}

// listen makes the Gateway's listeners. Of those that are alike none is served; those that doors do not have take nothing from others.
func (g *gateway) listen() {
	protocols, alike := map[gatewayv1.PortNumber]map[gatewayv1.ProtocolType]bool{}, map[doorName]int{}
	for _, one := range g.Object.Spec.Listeners {
		l := &listener{Listener: one, of: g, attached: map[string]bool{}, claims: map[string][]claim{}}
		if one.Hostname != nil {
			l.host = string(*one.Hostname)
		}
		if l.Protocol != gatewayv1.HTTPProtocolType && !l.tls() {
			l.refused = fmt.Sprintf("protocol %s is none that doors speak: write HTTP or HTTPS", l.Protocol)
		} else if t := one.TLS; l.tls() && t != nil && t.Mode != nil && *t.Mode != gatewayv1.TLSModeTerminate {
			l.refused = fmt.Sprintf("tls mode %s is none that doors have: write Terminate", *t.Mode)
		}
		g.listeners = append(g.listeners, l)
		if l.refused != "" {
			continue
		}
		l.takes()
		if protocols[l.Port] == nil {
			protocols[l.Port] = map[gatewayv1.ProtocolType]bool{}
		}
		protocols[l.Port][l.Protocol] = true
		alike[l.at(l.host)]++
	}
	for _, l := range g.listeners {
		switch {
		case l.refused != "":
		case len(protocols[l.Port]) > 1:
			l.conflict = "ProtocolConflict"
		case alike[l.at(l.host)] > 1:
			l.conflict = "HostnameConflict"
		}
	}
}

// takes finds which kinds of routes the listener takes.
func (l *listener) takes() {
	if l.AllowedRoutes == nil || len(l.AllowedRoutes.Kinds) == 0 {
		l.kinds = []string{kindHTTPRoute}
		return
	}
	for _, k := range l.AllowedRoutes.Kinds {
		if (k.Group == nil || *k.Group == gatewayv1.GroupName) && k.Kind == kindHTTPRoute {
			l.kinds = []string{kindHTTPRoute}
		} else {
			l.refs = l.refs.or("InvalidRouteKinds", "routes of kind %s are none that doors serve: HTTPRoute is", k.Kind)
		}
	}
}

// certify finds the listener's certificates.
func (b *doorBuild) certify(l *listener) {
	if !l.tls() {
		return
	}
	var refs []gatewayv1.SecretObjectReference
	if l.TLS != nil {
		refs = l.TLS.CertificateRefs
	}
	missing := len(refs) == 0
	for _, ref := range refs {
		namespace := l.of.Namespace
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}
		id := keyOf(namespace, string(ref.Name))
		switch p := b.pair(namespace, string(ref.Name)); {
		case ref.Group != nil && *ref.Group != "" || ref.Kind != nil && *ref.Kind != "Secret":
			l.refs = l.refs.or("InvalidCertificateRef", "certificateRef %s is no Secret: name one", ref.Name)
		case !b.granted(kindGateway, l.of.Namespace, "Secret", namespace, string(ref.Name)):
			l.refs = l.refs.or("RefNotPermitted", "Secret %s is in another namespace, and no ReferenceGrant there allows Gateways of %s to have it", id, l.of.Namespace)
		case p.key != "":
			l.pairs = append(l.pairs, p)
		case !p.there && l.of.ACME:
			missing = true
		default:
			l.refs = l.refs.or("InvalidCertificateRef", "%s", p.why)
			if had := b.before.key(l.at(l.host)); p.there && secretOf(had) == id {
				l.kept = had
			}
		}
	}
	switch {
	case len(l.pairs) > 0 || !missing:
	case l.of.ACME:
		key, why := b.acmeKey(l.host)
		if l.kept = key; why != "" {
			l.refs = l.refs.or("InvalidCertificateRef", "%s", why)
		}
	default:
		l.refs = l.refs.or("InvalidCertificateRef", "it names no certificate: name a Secret in certificateRefs, or ask for a certificate with annotation kubernetes.io/tls-acme: \"true\" on the Gateway")
	}
	if p := l.pairs; len(p) > 0 && l.host != "" && !slices.ContainsFunc(p, func(p pair) bool { return p.names(l.host) }) {
		l.of.d.say("listener %s: no certificate of it names %s: clients will refuse it", l.Name, l.host)
	}
}

// key is by what name the listener has the certificate for a host: one that names it, else its first.
func (l *listener) key(host string) string {
	for _, p := range l.pairs {
		if p.names(host) {
			return p.key
		}
	}
	if len(l.pairs) > 0 {
		return l.pairs[0].key
	}
	return l.kept
}

// nameOthers has hosts of their own for what certificates beyond the listener's first name, so that they are found by the name that a client asks for. What is
// served there is what the listener's host has: a certificate asks for no host, and none that another one has is taken from it.
func (b *doorBuild) nameOthers(l *listener) {
	wide := b.hosts[l.at(l.host)]
	for _, p := range l.pairs[min(1, len(l.pairs)):] {
		for _, name := range p.leaf.DNSNames {
			at := l.at(strings.ToLower(name))
			if at.name == l.host || !covers(l.host, at.name) || l.isolated(at.name) || b.closer(at, l.host) {
				continue
			}
			b.giveKey(l, at.name)
			for _, c := range wide.claims {
				c.tier = max(c.tier, tailOf(l.host))
				b.claim(at, c)
			}
		}
	}
}

// closer says whether a name has a host, or a wildcard that covers it and fewer names than another one.
func (b *doorBuild) closer(at doorName, than string) bool {
	if b.hosts[at] != nil {
		return true
	}
	for name, next := at.name, !at.deep; ; next = false {
		_, rest, more := strings.Cut(strings.TrimPrefix(name, "*."), ".")
		name = "*." + rest
		switch {
		case !more:
			return false
		case next && b.hosts[doorName{at.port, name, false}] != nil:
			return true
		case name == than:
			return false
		case b.hosts[doorName{at.port, name, true}] != nil:
			return true
		}
	}
}

// granted says whether an object of one namespace may refer to one of another.
func (b *doorBuild) granted(kind, from, toKind, to, name string) bool {
	if from == to {
		return true
	}
	for _, g := range b.Grants {
		if g.Namespace != to {
			continue
		}
		asks := slices.ContainsFunc(g.Object.Spec.From, func(f grantFrom) bool {
			return f.Group == gatewayv1.GroupName && string(f.Kind) == kind && string(f.Namespace) == from
		})
		gives := slices.ContainsFunc(g.Object.Spec.To, func(t grantTo) bool {
			return t.Group == "" && string(t.Kind) == toKind && (t.Name == nil || cmp.Or(string(*t.Name), name) == name)
		})
		if asks && gives {
			return true
		}
	}
	return false
}
