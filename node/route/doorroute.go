package route

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/podkeep/podkeep/manifest"
)

// serveRoutes claims what HTTPRoutes ask for at the hosts of listeners.
func (b *doorBuild) serveRoutes(all []*gateway) {
	byName := map[string]*gateway{}
	for _, g := range all {
		byName[g.id()] = g
		for _, l := range g.listeners {
			b.certify(l)
			if b.unservedListener(l).reason == "" {
				b.giveKey(l, l.host)
			}
		}
	}
	for _, r := range b.routesInOrder() {
		b.attach(r, byName)
	}
	for _, g := range all {
		for _, l := range g.listeners {
			if b.unservedListener(l).reason == "" {
				b.spread(l)
			}
		}
	}
	for _, g := range all {
		for _, l := range g.listeners {
			if b.unservedListener(l).reason == "" {
				b.nameOthers(l)
			}
		}
	}
}

func (b *doorBuild) routesInOrder() (all []*manifest.HTTPRoute) {
	for n := range b.Routes {
		all = append(all, &b.Routes[n])
	}
	slices.SortFunc(all, func(a, o *manifest.HTTPRoute) int {
		return cmp.Or(cmp.Compare(a.Namespace, o.Namespace), cmp.Compare(a.Name, o.Name))
	})
	return all
}

// giveKey has a host of a listener, with the listener's certificate unless another one's is there, which the host had before.
func (b *doorBuild) giveKey(l *listener, host string) {
	at := l.at(host)
	h, key := b.host(at), l.key(host)
	h.next = cmp.Or(h.next, key)
	switch had := b.before.key(at); {
	case key == "" || h.key == key:
	case h.key == "", secretOf(had) == secretOf(key) && secretOf(had) != secretOf(h.key):
		h.key = key
	default:
		l.of.d.say("listener %s: the certificate of %s at port %d is %s already: name the same Secret there and here", l.Name, anyHost(host), l.Port, secretOf(h.key))
	}
}

// parentOf is what is said of a route at one of those that it names.
func parentOf(r *manifest.HTTPRoute, ref gatewayv1.ParentReference) DooredParent {
	p := DooredParent{Namespace: r.Namespace, Name: string(ref.Name)}
	if ref.Namespace != nil {
		p.Namespace = string(*ref.Namespace)
	}
	if ref.SectionName != nil {
		p.Section = string(*ref.SectionName)
	}
	if ref.Port != nil {
		p.Port = *ref.Port
	}
	return p
}

func isGateway(ref gatewayv1.ParentReference) bool {
	return (ref.Group == nil || *ref.Group == gatewayv1.GroupName) && (ref.Kind == nil || *ref.Kind == kindGateway)
}

// attach has a route's rules at the listeners of its parents that take it.
func (b *doorBuild) attach(r *manifest.HTTPRoute, gateways map[string]*gateway) {
	d := b.of(kindHTTPRoute, &r.Meta)
	if !d.Ours {
		return
	}
	made := b.routeRules(r, d)
	for _, ref := range r.Object.Spec.ParentRefs {
		p := parentOf(r, ref)
		g, id := gateways[keyOf(p.Namespace, p.Name)], "Gateway "+keyOf(p.Namespace, p.Name)
		if !isGateway(ref) || g == nil && b.said[kindGateway+"/"+p.Namespace+"/"+p.Name] != nil {
			continue // it is another controller's
		}
		against := reason{}
		var to []*listener
		if g == nil {
			against = reason{"NoMatchingParent", id + " is not there"}
		} else {
			to, against = b.takers(r, g, p)
		}
		if len(made.good) == 0 && made.dropped != "" && against.reason == "" {
			against = reason{"UnsupportedValue", made.dropped}
		}
		p.Conditions = []DoorCondition{verdict("Accepted", "Accepted", against.reason, against.message), verdict("ResolvedRefs", "ResolvedRefs", made.refs.reason, made.refs.message)}
		if against.reason != "" {
			d.say("%s: %s", id, against.message)
		} else if made.dropped != "" {
			p.Conditions = append(p.Conditions, DoorCondition{Type: "PartiallyInvalid", Status: "True", Reason: "UnsupportedValue", Message: made.dropped})
		}
		d.Parents = append(d.Parents, p)
		for _, l := range to {
			if why := b.unservedListener(l); why.reason != "" {
				d.say("%s: listener %s is not served: %s", id, l.Name, why.message)
			}
			if !l.attached[d.from()] {
				l.attached[d.from()] = true
				b.attachTo(l, r, d, made)
			}
		}
	}
	if b.frozen[d.from()] != nil {
		b.freeze(d)
	}
}

// takers are the Gateway's listeners that take a route by one of its parentRefs; where none does, the reason says why.
func (b *doorBuild) takers(r *manifest.HTTPRoute, g *gateway, p DooredParent) (all []*listener, why reason) {
	named, allowed, refused := 0, 0, ""
	for _, l := range g.listeners {
		if p.Section != "" && p.Section != string(l.Name) || p.Port != 0 && p.Port != l.Port {
			continue
		}
		named++
		if l.refused != "" {
			refused = fmt.Sprintf("listener %s: %s", l.Name, l.refused)
			continue
		}
		if len(l.kinds) == 0 || !b.allows(l, r.Namespace) {
			continue
		}
		allowed++
		if len(hostsAt(l, r)) > 0 {
			all = append(all, l)
		}
	}
	switch {
	case len(all) > 0:
		return all, reason{}
	case named == 0:
		return nil, reason{"NoMatchingParent", "it has no listener of the sectionName and port that are asked for"}
	case allowed == 0 && refused != "":
		return nil, reason{"NotAllowedByListeners", refused}
	case allowed == 0:
		return nil, reason{"NotAllowedByListeners", fmt.Sprintf("no listener takes HTTPRoutes of namespace %s: its allowedRoutes say which it takes", r.Namespace)}
	}
	return nil, reason{"NoMatchingListenerHostname", "no listener is for one of its hostnames"}
}

// hostsAt are the hosts of which both the listener and the route are.
func hostsAt(l *listener, r *manifest.HTTPRoute) (hosts []string) {
	if len(r.Object.Spec.Hostnames) == 0 {
		return []string{l.host}
	}
	for _, name := range r.Object.Spec.Hostnames {
		if host, ok := shared(l.host, string(name)); ok {
			hosts = append(hosts, host)
		}
	}
	return unique(hosts)
}

func (b *doorBuild) attachTo(l *listener, r *manifest.HTTPRoute, d *Doored, made routeRules) {
	if b.unservedListener(l).reason != "" || b.frozen[d.from()] != nil {
		return
	}
	for _, host := range hostsAt(l, r) {
		if l.isolated(host) {
			continue
		}
		for nth := range made.all {
			l.claims[host] = append(l.claims[host], claim{rule: &made.all[nth], by: d, nth: nth})
		}
	}
}

// nameLength is that of the longest name of a host. The longer a wildcard is, the lower is the tier of its rules.
const nameLength = 253

// tailOf is the tier of a wildcard's rules at hosts that it covers.
func tailOf(wild string) int { return atHost + 1 + nameLength - len(wild) }

// spread claims a listener's rules. A request for a host that a route names, or named before it was suspended, is one for the wildcards that cover it too,
// where no rule of the host matches.
func (b *doorBuild) spread(l *listener) {
	var wide []string
	hosts := slices.Sorted(maps.Keys(l.claims))
	for _, host := range hosts {
		b.giveKey(l, host)
		if host == "" || isWild(host) {
			wide = append(wide, host)
		}
	}
	for at, from := range b.kept {
		if at.port == uint16(l.Port) && covers(l.host, at.name) && !l.isolated(at.name) && slices.ContainsFunc(from, func(id string) bool { return l.attached[id] }) {
			hosts = append(hosts, at.name)
		}
	}
	for _, host := range unique(hosts) {
		for _, c := range l.claims[host] {
			b.claim(l.at(host), c)
		}
		for _, w := range wide {
			if w == host || !covers(w, host) {
				continue
			}
			for _, c := range l.claims[w] {
				c.tier = tailOf(w)
				b.claim(l.at(host), c)
			}
		}
	}
}
