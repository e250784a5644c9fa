package names

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/podkeep/podkeep/node/route"
)

const (
	ttl    = 5       // seconds for which an answer may be kept, one that there is nothing too
	schema = "1.1.0" // of the Kubernetes DNS specification
	onward = 8       // names that lead to other names, one after the other, until it is thought that they never end
)

// zone is what a table says of names, as one node answers them. It is never changed, but for the answers that are at hand.
type zone struct {
	domain   string // "cluster.local."
	serial   uint32
	own      netip.Addr // the node's, at which it answers
	inside   []netip.Prefix
	services map[string]map[string]route.Service // by namespace and name
	reverse  map[netip.Addr][]string             // what addresses are called
	quick    quick
}

func newZone(t *route.Table, node string) *zone {
	z := &zone{
		domain: dns.CanonicalName(t.Domain), serial: uint32(t.Number), inside: []netip.Prefix{t.Pods, t.Virtual},
		services: map[string]map[string]route.Service{}, reverse: map[netip.Addr][]string{},
	}
	if n, ok := t.Node(node); ok {
		z.own = n.Gateway()
	}
	for _, n := range t.Nodes {
		z.inside = append(z.inside, n.Range)
	}
	for _, s := range t.Services {
		of := z.services[s.Namespace]
		if of == nil {
			of = map[string]route.Service{}
			z.services[s.Namespace] = of
		}
		of[s.Name] = s
		z.call(s)
	}
	return z
}

// call gives the addresses of a Service their names.
func (z *zone) call(s route.Service) {
	if s.IP.IsValid() {
		z.reverse[s.IP] = append(z.reverse[s.IP], z.nameOf(s))
		return
	}
	for _, e := range s.Endpoints {
		z.reverse[e.IP] = append(z.reverse[e.IP], z.hostOf(s, e))
	}
}

func (z *zone) nameOf(s route.Service) string { return s.Name + "." + s.Namespace + ".svc." + z.domain }

// hostOf is what an endpoint of a headless Service is called.
func (z *zone) hostOf(s route.Service, e route.Endpoint) string { return label(e) + "." + z.nameOf(s) }

func label(e route.Endpoint) string {
	if e.Hostname != "" {
		return e.Hostname
	}
	return strings.ReplaceAll(e.IP.String(), ".", "-")
}

// has says whether an address is a pod's, a Service's or a node's among its pods.
func (z *zone) has(ip netip.Addr) bool {
	return slices.ContainsFunc(z.inside, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// found is what stands under one name.
type found struct {
	there         bool // the name exists, though nothing may stand under it that was asked for
	answer, extra []dns.RR
}

// reply is what the zone says to a query. mine is false where the name is none of the cluster's, and somebody else is to be asked. Names that
// stand for others are followed as long as those are the cluster's too; leadsOut says where the last one leads.
func (z *zone) reply(r *dns.Msg) (reply *dns.Msg, mine bool) {
	q := r.Question[0]
	f, negative, mine := z.find(q)
	if !mine {
		return nil, false
	}
	reply = new(dns.Msg).SetReply(r)
	reply.Authoritative = true
	for range onward {
		reply.Answer, reply.Extra = append(reply.Answer, f.answer...), append(reply.Extra, f.extra...)
		if !f.there {
			reply.Rcode = dns.RcodeNameError
		}
		if len(f.answer) == 0 {
			reply.Ns = []dns.RR{negative}
		}
		out := leadsOut(reply)
		if out == "" {
			return reply, true
		}
		q.Name = out
		if f, negative, mine = z.find(q); !mine {
			return reply, true
		}
	}
	return new(dns.Msg).SetRcode(r, dns.RcodeServerFailure), true
}

// leadsOut is the name by which a reply goes on, and which it says nothing of; "" where it says all that was asked.
func leadsOut(reply *dns.Msg) string {
	if len(reply.Answer) == 0 || len(reply.Ns) > 0 || asks(reply.Question[0], dns.TypeCNAME) {
		return ""
	}
	if last, is := reply.Answer[len(reply.Answer)-1].(*dns.CNAME); is {
		return last.Target
	}
	return ""
}

// find is what stands under the name that is asked for, and the record that bounds for how long nothing does. mine is false as in reply.
func (z *zone) find(q dns.Question) (f found, negative dns.RR, mine bool) {
	labels, within := z.below(q.Name)
	ip, isReverse := addressOf(q.Name)
	switch {
	case within:
		return z.at(q, labels), z.soa(z.domain), true
	case isReverse && z.has(ip):
		return z.called(q, ip), z.soa(q.Name), true
	}
	return found{}, nil, false
}

// below are the labels of a name below the domain, in small letters.
func (z *zone) below(name string) (labels []string, within bool) {
	name = strings.ToLower(name)
	if name == z.domain {
		return nil, true
	}
	rest, within := strings.CutSuffix(name, "."+z.domain)
	return strings.Split(rest, "."), within
}

// at is what stands under a name of the domain.
func (z *zone) at(q dns.Question, labels []string) found {
	last := len(labels) - 1
	switch {
	case last < 0:
		return found{there: true, answer: slices.Concat(only(q, z.soa(q.Name)), only(q, &dns.NS{Hdr: head(q.Name, dns.TypeNS), Ns: z.server()}))}
	case labels[last] == "svc":
		return z.atServices(q, labels[:last])
	case labels[last] == "pod":
		return z.atPods(q, labels[:last])
	case last == 0 && labels[0] == "dns-version":
		return found{there: true, answer: only(q, &dns.TXT{Hdr: head(q.Name, dns.TypeTXT), Txt: []string{schema}})}
	case strings.EqualFold(q.Name, z.server()):
		return found{there: z.own.IsValid(), answer: addresses(q, q.Name, z.own)}
	}
	return found{there: last == 0 && labels[0] == "dns"}
}

// server is what the node that answers is called.
func (z *zone) server() string { return "ns.dns." + z.domain }

func (z *zone) soa(name string) dns.RR {
	return &dns.SOA{
		Hdr: head(name, dns.TypeSOA), Ns: z.server(), Mbox: "hostmaster." + z.domain, Serial: z.serial,
		Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
	}
}

// atServices is what stands under [[port.proto or host.]service.]namespace.
func (z *zone) atServices(q dns.Question, labels []string) found {
	if len(labels) == 0 {
		return found{there: true}
	}
	of, there := z.services[labels[len(labels)-1]]
	if len(labels) == 1 {
		return found{there: there}
	}
	s, there := of[labels[len(labels)-2]]
	headless := !s.IP.IsValid()
	switch {
	case there && s.External != "" && len(labels) == 2:
		return found{there: true, answer: []dns.RR{&dns.CNAME{Hdr: head(q.Name, dns.TypeCNAME), Target: dns.Fqdn(s.External)}}}
	case !there, s.External != "", headless && len(s.Endpoints) == 0:
		return found{}
	}
	switch rest := labels[:len(labels)-2]; {
	case len(rest) == 0:
		return z.service(q, s)
	case len(rest) == 1 && strings.HasPrefix(rest[0], "_"):
		return found{there: slices.ContainsFunc(s.Ports, func(p route.Port) bool { return p.Name != "" && "_"+p.Protocol == rest[0] })}
	case len(rest) == 1 && headless:
		return host(q, s, rest[0])
	case len(rest) == 2:
		return z.ports(q, s, func(p route.Port) bool { return p.Name != "" && "_"+p.Name == rest[0] && "_"+p.Protocol == rest[1] })
	}
	return found{}
}

// service is what stands under its name: its address, or those of its endpoints, and all its ports.
func (z *zone) service(q dns.Question, s route.Service) found {
	f := found{there: true}
	if asks(q, dns.TypeSRV) {
		f = z.ports(q, s, func(route.Port) bool { return true })
		f.there = true
	}
	if s.IP.IsValid() {
		f.answer = append(f.answer, addresses(q, q.Name, s.IP)...)
		return f
	}
	for _, ip := range ipsOf(s.Endpoints) {
		f.answer = append(f.answer, addresses(q, q.Name, ip)...)
	}
	return f
}

// ipsOf are the addresses of endpoints, each once.
func ipsOf(all []route.Endpoint) []netip.Addr {
	ips := make([]netip.Addr, 0, len(all))
	for _, e := range all {
		ips = append(ips, e.IP)
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return slices.Compact(ips)
}

// host is what stands under the name of an endpoint.
func host(q dns.Question, s route.Service, name string) (f found) {
	for _, ip := range ipsOf(slices.DeleteFunc(slices.Clone(s.Endpoints), func(e route.Endpoint) bool { return label(e) != name })) {
		f.there = true
		f.answer = append(f.answer, addresses(q, q.Name, ip)...)
	}
	return f
}

// ports are those of a Service that are asked for, with the addresses of what they lead to.
func (z *zone) ports(q dns.Question, s route.Service, asked func(route.Port) bool) (f found) {
	for i, p := range s.Ports {
		if !asked(p) {
			continue
		}
		f.there = true
		if !asks(q, dns.TypeSRV) {
			continue
		}
		if s.IP.IsValid() {
			f.lead(q.Name, p.Port, 1, z.nameOf(s), s.IP)
			continue
		}
		for _, e := range s.Endpoints {
			if i < len(e.Ports) && e.Ports[i] != 0 {
				f.lead(q.Name, e.Ports[i], max(1, e.Weight), z.hostOf(s, e), e.IP)
			}
		}
	}
	f.answer, f.extra = dns.Dedup(f.answer, nil), dns.Dedup(f.extra, nil)
	return f
}

// lead adds that a port leads to a host, and the address of that.
func (f *found) lead(name string, port uint16, weight int, host string, ip netip.Addr) {
	srv := &dns.SRV{Hdr: head(name, dns.TypeSRV), Weight: uint16(min(weight, 1<<16-1)), Port: port, Target: host}
	a := addresses(dns.Question{Qtype: dns.TypeA}, host, ip)
	f.answer, f.extra = append(f.answer, srv), append(f.extra, a...)
}

// atPods is what stands under [address.]namespace.pod, the address with dashes: what clients of old look for. Whose it is nobody says.
func (z *zone) atPods(q dns.Question, labels []string) found {
	if len(labels) < 2 {
		return found{there: true}
	}
	ip, err := netip.ParseAddr(strings.ReplaceAll(labels[0], "-", "."))
	if len(labels) > 2 || err != nil || !z.has(ip) {
		return found{}
	}
	return found{there: true, answer: addresses(q, q.Name, ip)}
}

// called is what an address is called.
func (z *zone) called(q dns.Question, ip netip.Addr) (f found) {
	for _, name := range z.reverse[ip] {
		f.there = true
		f.answer = append(f.answer, only(q, &dns.PTR{Hdr: head(q.Name, dns.TypePTR), Ptr: name})...)
	}
	f.answer = dns.Dedup(f.answer, nil)
	return f
}

// addressOf is the address that a name of in-addr.arpa stands for.
func addressOf(name string) (netip.Addr, bool) {
	text, is := strings.CutSuffix(strings.ToLower(name), ".in-addr.arpa.")
	parts := strings.Split(text, ".")
	if !is || len(parts) != 4 {
		return netip.Addr{}, false
	}
	var bytes [4]byte
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return netip.Addr{}, false
		}
		bytes[3-i] = byte(n)
	}
	return netip.AddrFrom4(bytes), true
}

func head(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

func asks(q dns.Question, kind uint16) bool { return q.Qtype == kind || q.Qtype == dns.TypeANY }

// only is the record if it is of a kind that is asked for.
func only(q dns.Question, rr dns.RR) []dns.RR {
	if !asks(q, rr.Header().Rrtype) {
		return nil
	}
	return []dns.RR{rr}
}

// addresses is an address under a name, if one is asked for and there is one.
func addresses(q dns.Question, name string, ip netip.Addr) []dns.RR {
	if !asks(q, dns.TypeA) || !ip.Is4() {
		return nil
	}
	return []dns.RR{&dns.A{Hdr: head(name, dns.TypeA), A: ip.AsSlice()}}
}
