package route

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// Doors are built from nothing each time. Objects claim rules at hosts of ports; then each host is settled: of two that claim the same the older has it, and
// what is left is put into the order in which it is matched.

// Bounds on what doors serve, so that a table with all of it can still be sent. Hosts are served in the order of their age, then their names; those beyond are
// answered 404, which their objects say.
const (
	mostDoorHosts   = 10_000  // of all ports together
	mostDoorValues  = 400_000 // in all rules; a rule with a path and a Service takes 20 of them
	mostDoorClaims  = 100_000 // rules before any is left out for another
	mostDoorReasons = 20      // that one object says
)

// doorBuild is doors in the making.
type doorBuild struct {
	*DoorWant
	want     *Want
	t        *Table // with its Services
	services map[string]*manifest.Service
	secrets  map[string]*manifest.Secret
	pairs    map[string]pair // by Secret
	spaces   map[string]map[string]string
	said     map[string]*Doored
	before   doorsBefore
	ports    map[uint16]*madePort
	hosts    map[doorName]*madeHost
	claims   int
	acme     bool            // some host's certificate is to be issued
	secured  map[string]bool // hosts for which an Ingress asks for TLS
	general  []general
	frozen   map[string]*Doored    // HTTPRoutes of which nothing new is served
	kept     map[doorName][]string // whose hosts they have
	named    map[string]bool       // hosts that rules of Ingresses name
}

// doorName is a host of a port.
type doorName struct {
	port uint16
	name string
	deep bool
}

// madePort is a port of hosts, and who asked for it.
type madePort struct {
	asks []portAsk
	tls  bool
	by   string // whose protocol it has
	why  string // it cannot be had
}

type portAsk struct {
	by  string
	tls bool
}

// madeHost is what is claimed of a host.
type madeHost struct {
	key     string
	frozen  bool   // key is what suspended objects have: it stays while a rule of theirs does
	next    string // by what name it has its certificate else
	ingress bool   // an Ingress names it: what Ingresses have for all hosts is there too
	claims  []claim
}

// claim is a rule that an object asks for at a host.
type claim struct {
	rule   *DoorRule
	by     *Doored
	tier   int    // rules of a lower one come first
	nth    int    // among those of its object
	frozen bool   // its object is suspended
	lack   string // what its object says of it where it is served
}

// Tiers of what is asked for at a host.
const (
	atHost      = 0                       // from here on come those of listeners' wildcards
	atAnyHost   = atHost + nameLength + 2 // rules without a host
	ownDefault  = atAnyHost + 1           // defaultBackend of an Ingress that names the host
	someDefault = ownDefault + 1          // that of another
)

// doors are what is served, nil where nothing is, and what is said of each object.
func (w *Want) doors(t *Table) (*Doors, []Doored) {
	if w.Doors == nil {
		return nil, nil
	}
	b := &doorBuild{
		DoorWant: w.Doors, want: w, t: t, services: map[string]*manifest.Service{}, secrets: map[string]*manifest.Secret{}, pairs: map[string]pair{}, spaces: map[string]map[string]string{},
		said: map[string]*Doored{}, before: lookBack(w.Before), ports: map[uint16]*madePort{}, hosts: map[doorName]*madeHost{}, kept: map[doorName][]string{},
	}
	for i := range w.Services {
		b.services[keyOf(w.Services[i].Namespace, w.Services[i].Name)] = &w.Services[i]
	}
	for i := range b.Secrets {
		b.secrets[keyOf(b.Secrets[i].Namespace, b.Secrets[i].Name)] = &b.Secrets[i]
	}
	for i := range b.Namespaces {
		b.spaces[b.Namespaces[i].Name] = b.Namespaces[i].Labels
	}
	ingresses, gateways := b.oursOf(), b.gatewaysOf()
	if b.Offer.HTTP == 0 && b.Offer.HTTPS == 0 {
		b.unserved()
		return nil, b.allSaid()
	}
	served := len(ingresses)+len(gateways) > 0
	b.findFrozen(gateways)
	b.askPorts(ingresses, gateways)
	b.settlePorts()
	b.serveIngresses(ingresses)
	b.serveRoutes(gateways)
	made := b.settle()
	b.tellGateways(gateways)
	all := b.allSaid()
	if !served {
		return nil, all
	}
	return made, all
}

// askPorts notes who asks for which port of hosts.
func (b *doorBuild) askPorts(ingresses []*manifest.Ingress, gateways []*gateway) {
	for _, d := range b.frozen {
		b.askFrozen(d)
	}
	for _, i := range ingresses {
		if i.Suspended {
			b.askFrozen(b.of(kindIngress, &i.Meta))
			continue
		}
		b.ask(b.Offer.HTTP, false, byIngress)
		if len(i.Object.Spec.TLS) > 0 {
			b.ask(b.Offer.HTTPS, true, byIngress)
		}
	}
	for _, g := range gateways {
		for _, l := range g.listeners {
			if l.refused == "" && l.conflict == "" {
				b.ask(uint16(l.Port), l.tls(), "Gateway "+g.id())
			}
		}
	}
}

const byIngress = "the Ingresses"

func (b *doorBuild) ask(port uint16, tls bool, by string) {
	if port == 0 {
		return
	}
	if b.ports[port] == nil {
		b.ports[port] = &madePort{}
	}
	b.ports[port].asks = append(b.ports[port].asks, portAsk{by, tls})
}

// settlePorts decides what each port speaks: what it spoke before, if somebody still asks for that; else what Ingresses ask for, else the first Gateway.
func (b *doorBuild) settlePorts() {
	for number, p := range b.ports {
		p.why = b.unavailable(number)
		rank := func(a portAsk) int {
			tls, had := b.before.tls[number]
			switch {
			case had && tls == a.tls:
				return 0
			case a.by == byIngress:
				return 1
			}
			return 2
		}
		first := slices.MinFunc(p.asks, func(a, o portAsk) int { return cmp.Or(cmp.Compare(rank(a), rank(o)), cmp.Compare(a.by, o.by)) })
		p.tls, p.by = first.tls, first.by
	}
}

// unavailable is why doors cannot have a port of hosts; empty where they can.
func (b *doorBuild) unavailable(port uint16) string {
	if why := b.want.own(HostPort{port, "tcp"}); why != "" {
		return why
	}
	if port == b.Offer.Metrics {
		return "is the one at which doors tell their metrics"
	}
	for _, s := range b.t.Services {
		for _, p := range s.Ports {
			at := func(o Node) bool { return slices.Contains(p.Outside, o.Address) }
			if p.Protocol == "tcp" && (p.NodePort == port || p.Port == port && (p.Hosts || slices.ContainsFunc(b.t.Nodes, at))) {
				return "is Service " + keyOf(s.Namespace, s.Name) + "'s"
			}
		}
		if s.Health == port {
			return "is Service " + keyOf(s.Namespace, s.Name) + "'s"
		}
	}
	return ""
}

// open is why a port does not speak as somebody asks; empty where it does.
func (b *doorBuild) open(port uint16, tls bool) string {
	p := b.ports[port]
	switch {
	case p == nil:
		return "is not asked for"
	case p.why != "":
		return p.why
	case p.tls != tls && tls:
		return fmt.Sprintf("is without TLS, for %s", p.by)
	case p.tls != tls:
		return fmt.Sprintf("is with TLS, for %s", p.by)
	}
	return ""
}

// host is what is made of a host of a port.
func (b *doorBuild) host(at doorName) *madeHost {
	if b.hosts[at] == nil {
		b.hosts[at] = &madeHost{}
	}
	return b.hosts[at]
}

// claim asks for a rule at a host.
func (b *doorBuild) claim(at doorName, c claim) {
	if b.claims++; b.claims > mostDoorClaims {
		c.by.say("not all of it is served: all objects together ask for more than %d rules; have fewer hosts or paths", mostDoorClaims)
		return
	}
	h := b.host(at)
	h.claims = append(h.claims, c)
}

// settle makes doors of all claims.
func (b *doorBuild) settle() *Doors {
	d := &Doors{Nodes: b.Nodes, Trusted: orNil(b.Offer.Trusted), Proxied: orNil(b.Offer.Proxied), Log: b.Offer.Log, Metrics: b.Offer.Metrics}
	ports := map[uint16]*DoorPort{}
	for _, number := range slices.Sorted(maps.Keys(b.ports)) {
		if p := b.ports[number]; p.why == "" {
			ports[number] = &DoorPort{Port: number, TLS: p.tls}
		}
	}
	names := slices.SortedFunc(maps.Keys(b.hosts), func(a, o doorName) int { return cmp.Or(b.before.age(a)-b.before.age(o), byDoorName(a, o)) })
	hosts, values, full := 0, 0, false
	for _, at := range names {
		h, p := b.hosts[at], ports[at.port]
		if p == nil {
			continue
		}
		if full || hosts == mostDoorHosts {
			b.leaveOut(at, h)
			continue
		}
		if h.ingress && !h.closed() {
			h.claims = append(h.claims, b.tails(at)...)
		}
		kept, size := b.inOrder(at, h.claims)
		if full = values+size > mostDoorValues; full {
			b.leaveOut(at, h)
			continue
		}
		if h.frozen && !slices.ContainsFunc(kept, func(r ranked) bool { return r.frozen }) {
			h.key = h.next
		}
		hosts, values = hosts+1, values+size
		made := DoorHost{Name: at.name, Deep: at.deep, Key: h.key, Issuer: b.issuer(h.key)}
		for _, c := range kept {
			rule := *c.rule
			rule.Tier = c.tier
			made.Rules = append(made.Rules, rule)
		}
		b.acme = b.acme || strings.HasPrefix(h.key, acmePrefix)
		p.Hosts = append(p.Hosts, made)
		b.tellHost(at, made.Key != "" && p.TLS, kept)
	}
	if b.acme {
		d.ACME = &DoorACME{Directory: b.Offer.ACME.Directory, Email: b.Offer.ACME.Email, Roots: b.Offer.ACME.Roots}
		if number := b.Offer.HTTP; number != 0 && ports[number] == nil && b.ports[number] == nil && b.unavailable(number) == "" {
			ports[number] = &DoorPort{Port: number} // there the issuer of certificates asks
		}
	}
	for _, number := range slices.Sorted(maps.Keys(ports)) {
		p := ports[number]
		slices.SortFunc(p.Hosts, func(a, o DoorHost) int {
			return byDoorName(doorName{0, a.Name, a.Deep}, doorName{0, o.Name, o.Deep})
		})
		d.Ports = append(d.Ports, *p)
	}
	return d
}

// closed says whether nothing of what is for all hosts is ever asked here, however much that is.
func (h *madeHost) closed() bool {
	return slices.ContainsFunc(h.claims, func(c claim) bool { return c.tier < atAnyHost && c.rule.Match.all() })
}

// leaveOut says that a host is beyond what is served.
func (b *doorBuild) leaveOut(at doorName, h *madeHost) {
	for _, c := range h.claims {
		if c.tier == atHost {
			c.by.say("%s at port %d is not served: all together are more than %d hosts, or rules of more than %d values; have fewer hosts, paths or headers", anyHost(at.name), at.port, mostDoorHosts, mostDoorValues)
		}
	}
}

// tellHost has objects say that they are served under the host.
func (b *doorBuild) tellHost(at doorName, secure bool, kept []ranked) {
	for _, c := range kept {
		if c.tier != atHost && at.name != "" {
			continue
		}
		if c.lack != "" {
			c.by.say("%s", c.lack)
		}
		c.by.Hosts = append(c.by.Hosts, cmp.Or(at.name, "*"))
		if secure {
			c.by.Secure = append(c.by.Secure, cmp.Or(at.name, "*"))
		}
	}
}

// orNil is a list, or nil where it is empty: so a table says the same once it was sent.
func orNil[T any](all []T) []T {
	if len(all) == 0 {
		return nil
	}
	return all
}

func anyHost(name string) string { return cmp.Or(name, "any host") }
