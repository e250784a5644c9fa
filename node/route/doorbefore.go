package route

import (
	"slices"
	"strings"
)

// doorsBefore is what the doors of the table before serve.
type doorsBefore struct {
	doors *Doors
	tls   map[uint16]bool
	hosts map[doorName]*hostBefore
	keys  map[string]bool   // of certificates
	users map[string]string // of passwords, by Secret
}

// hostBefore is a host of the table before.
type hostBefore struct {
	key  string
	had  map[objectMatch]int // which rule, counted from 1, an object has for a match
	ages map[objectClass]int
}

// objectMatch is a match that an object has at a host, of its own or for more hosts than that.
type objectMatch struct {
	from, match string
	wide        bool
}

type objectClass struct {
	from  string
	class class
}

func lookBack(t *Table) doorsBefore {
	b := doorsBefore{tls: map[uint16]bool{}, hosts: map[doorName]*hostBefore{}, keys: map[string]bool{}, users: map[string]string{}}
	if t == nil || t.Doors == nil {
		return b
	}
	b.doors = t.Doors
	for _, p := range t.Doors.Ports {
		b.tls[p.Port] = p.TLS
		for _, h := range p.Hosts {
			had := &hostBefore{key: h.Key, had: map[objectMatch]int{}, ages: map[objectClass]int{}}
			b.keys[h.Key] = true
			for i, r := range h.Rules {
				secret, _, _ := strings.Cut(r.Users, "@")
				b.users[secret] = r.Users
				if k := (objectMatch{r.From, r.Match.spelled(), r.Tier > atHost}); had.had[k] == 0 {
					had.had[k] = i + 1
				}
				if k := (objectClass{r.From, r.Match.class()}); had.ages[k] == 0 {
					had.ages[k] = i + 1
				}
			}
			b.hosts[doorName{p.Port, h.Name, h.Deep}] = had
		}
	}
	return b
}

// age is 0 of a host that was there, else 1.
func (b doorsBefore) age(at doorName) int {
	if b.hosts[at] != nil {
		return 0
	}
	return 1
}

// key is by what name the host had its certificate.
func (b doorsBefore) key(at doorName) string {
	if h := b.hosts[at]; h != nil {
		return h.key
	}
	return ""
}

// place orders objects that have the same match: those that had it keep their order, new ones come after them.
func (h *hostBefore) place(of objectMatch) int {
	if h != nil {
		if i := h.had[of]; i > 0 {
			return i
		}
	}
	return 1 << 30
}

// age orders objects whose rules are equally particular: those that were there keep their order, new ones come after them.
func (h *hostBefore) age(from string, c class) int {
	if h != nil {
		if i := h.ages[objectClass{from, c}]; i > 0 {
			return i
		}
	}
	return 1 << 30
}

// freeze keeps what the table before has of an object that is suspended.
func (b *doorBuild) freeze(d *Doored) {
	d.say("it is suspended: what was served of it stays as it was")
	if b.before.doors == nil {
		return
	}
	for _, p := range b.before.doors.Ports {
		if b.open(p.Port, p.TLS) != "" {
			continue
		}
		for _, h := range p.Hosts {
			at := doorName{p.Port, h.Name, h.Deep}
			for i, r := range h.Rules {
				if r.From != d.from() {
					continue
				}
				b.claim(at, claim{rule: &h.Rules[i], by: d, tier: r.Tier, nth: i, frozen: true})
				if d.Kind == kindHTTPRoute {
					b.kept[at] = append(b.kept[at], d.from())
				}
				made := b.host(at)
				made.ingress = made.ingress || d.Kind == kindIngress
				if made.key == "" {
					made.key = b.still(h.Key)
					made.frozen = made.key != ""
				}
			}
		}
	}
}

// askFrozen asks for the ports that a suspended object has.
func (b *doorBuild) askFrozen(d *Doored) {
	if b.before.doors == nil {
		return
	}
	for _, p := range b.before.doors.Ports {
		if slices.ContainsFunc(p.Hosts, func(h DoorHost) bool {
			return slices.ContainsFunc(h.Rules, func(r DoorRule) bool { return r.From == d.from() })
		}) {
			b.ask(p.Port, p.TLS, d.id())
		}
	}
}

// still is the name of a certificate that a host had, if it can be had on.
func (b *doorBuild) still(key string) string {
	if strings.HasPrefix(key, acmePrefix) && b.Offer.ACME.Directory == "" {
		return ""
	}
	return key
}

// findFrozen finds the HTTPRoutes that are suspended, or attached to a Gateway that is.
func (b *doorBuild) findFrozen(gateways []*gateway) {
	b.frozen = map[string]*Doored{}
	for n := range b.Routes {
		r := &b.Routes[n]
		d := b.of(kindHTTPRoute, &r.Meta)
		still := r.Suspended
		for _, ref := range r.Object.Spec.ParentRefs {
			p := parentOf(r, ref)
			still = still || slices.ContainsFunc(gateways, func(g *gateway) bool {
				return g.Suspended && isGateway(ref) && g.Namespace == p.Namespace && g.Name == p.Name
			})
		}
		if still && d.Ours {
			b.frozen[d.from()] = d
		}
	}
}
