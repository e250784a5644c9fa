package names

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/podkeep/podkeep/node/route"
)

// table is a cluster of two nodes with a Service of each sort in namespace shop.
func table() *route.Table {
	ip := netip.MustParseAddr
	return &route.Table{
		Number: 7, Domain: "cluster.local", Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"),
		Nodes: []route.Node{{Name: "n1", Range: netip.MustParsePrefix("10.42.1.0/24")}, {Name: "n2", Range: netip.MustParsePrefix("10.42.2.0/24")}, {Name: "n3"}},
		Services: []route.Service{
			{Namespace: "empty", Name: "none"},
			{Namespace: "shop", Name: "db", Ports: []route.Port{{Name: "pg", Protocol: "tcp", Port: 5432}, {Protocol: "tcp", Port: 9187}}, Endpoints: []route.Endpoint{
				{Node: "n1", Pod: "db-0", IP: ip("10.42.1.5"), Ports: []uint16{5432, 9187}, Hostname: "db-0"},
				{Node: "n2", Pod: "db-1", IP: ip("10.42.2.5"), Ports: []uint16{5433, 0}, Hostname: "db-1", Weight: 3},
				{Node: "n2", Pod: "db-x", IP: ip("10.42.2.6"), Ports: []uint16{5432, 9187}},
			}},
			{Namespace: "shop", Name: "idle", IP: ip("10.43.0.8"), Ports: []route.Port{{Name: "http", Protocol: "tcp", Port: 80}}},
			{Namespace: "shop", Name: "none", Ports: []route.Port{{Name: "http", Protocol: "tcp", Port: 80}}},
			{Namespace: "shop", Name: "web", IP: ip("10.43.0.7"), Ports: []route.Port{{Name: "http", Protocol: "tcp", Port: 80}, {Name: "quic", Protocol: "udp", Port: 443}, {Protocol: "tcp", Port: 81}},
				Endpoints: []route.Endpoint{{Node: "n1", Pod: "web-0", IP: ip("10.42.1.9"), Ports: []uint16{8080, 8443, 81}, Hostname: "web-0"}}},
			{Namespace: "tour", Name: "away", External: "www.Example.com"},
			{Namespace: "tour", Name: "dot", External: "example.com."},
			{Namespace: "tour", Name: "lost", External: "nope.shop.svc.cluster.local"},
			{Namespace: "tour", Name: "near", External: "web.shop.svc.cluster.local"},
			{Namespace: "tour", Name: "pair", Endpoints: []route.Endpoint{
				{Node: "n1", Pod: "pair-0", IP: ip("10.42.1.7"), Hostname: "one"}, {Node: "n2", Pod: "pair-1", IP: ip("10.42.2.7"), Hostname: "one"},
			}},
			{Namespace: "tour", Name: "round", External: "round.tour.svc.cluster.local"},
			{Namespace: "tour", Name: "twice", External: "away.tour.svc.cluster.local"},
		},
	}
}

// asked is what a query "TYPE NAME" is.
func asked(t *testing.T, query string) *dns.Msg {
	t.Helper()
	kind, name, _ := strings.Cut(query, " ")
	if dns.StringToType[kind] == 0 {
		t.Fatalf("%s: no type", query)
	}
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
}

// told is a reply in lines, sorted, without what is the same in all.
func told(m *dns.Msg) string {
	if m == nil {
		return "somebody else's"
	}
	lines := []string{}
	for section, all := range map[string][]dns.RR{"": m.Answer, "negative ": m.Ns, "extra ": m.Extra} {
		for _, rr := range all {
			if rr.Header().Rrtype != dns.TypeOPT {
				lines = append(lines, section+strings.Join(strings.Fields(strings.Replace(rr.String(), "\t5\tIN", "", 1)), " "))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(append([]string{dns.RcodeToString[m.Rcode]}, lines...), "\n")
}

func TestTheClustersNamesAreAsTheSpecificationSays(t *testing.T) {
	soa := func(name string) string {
		return fmt.Sprintf("\nnegative %s SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5", name)
	}
	nothing, absent := "NOERROR"+soa("cluster.local."), "NXDOMAIN"+soa("cluster.local.")
	const db = ".db.shop.svc.cluster.local."
	rows := []struct{ claim, query, want string }{
		{"the version of the schema (2.2 TXT)", "TXT dns-version.cluster.local", "NOERROR\ndns-version.cluster.local. TXT \"1.1.0\""},
		{"a Service has its address (2.3.1 A)", "A web.shop.svc.cluster.local", "NOERROR\nweb.shop.svc.cluster.local. A 10.43.0.7"},
		{"one without endpoints too", "A idle.shop.svc.cluster.local", "NOERROR\nidle.shop.svc.cluster.local. A 10.43.0.8"},
		{"in whatever letters (2.1 case)", "A WEB.Shop.svc.CLUSTER.local", "NOERROR\nWEB.Shop.svc.CLUSTER.local. A 10.43.0.7"},
		{"none of IPv6, and exists (2.3.1 AAAA)", "AAAA web.shop.svc.cluster.local", nothing},
		{"nor a TXT", "TXT web.shop.svc.cluster.local", nothing},
		{"a named port leads to it (2.3.2 SRV)", "SRV _http._tcp.web.shop.svc.cluster.local",
			"NOERROR\n_http._tcp.web.shop.svc.cluster.local. SRV 0 1 80 web.shop.svc.cluster.local.\nextra web.shop.svc.cluster.local. A 10.43.0.7"},
		{"by its own protocol", "SRV _quic._udp.web.shop.svc.cluster.local",
			"NOERROR\n_quic._udp.web.shop.svc.cluster.local. SRV 0 1 443 web.shop.svc.cluster.local.\nextra web.shop.svc.cluster.local. A 10.43.0.7"},
		{"and no other", "SRV _quic._tcp.web.shop.svc.cluster.local", absent},
		{"a port's name has no address, and exists", "A _http._tcp.web.shop.svc.cluster.local", nothing},
		{"so does what is above it", "SRV _tcp.web.shop.svc.cluster.local", nothing},
		{"and nothing without one", "SRV _udp.idle.shop.svc.cluster.local", absent},
		{"a port without a name has none (2.3.2 unnamed)", "SRV _81._tcp.web.shop.svc.cluster.local", absent},
		{"all ports stand under the Service's name", "SRV web.shop.svc.cluster.local", "NOERROR\nextra web.shop.svc.cluster.local. A 10.43.0.7\n" +
			"web.shop.svc.cluster.local. SRV 0 1 443 web.shop.svc.cluster.local.\nweb.shop.svc.cluster.local. SRV 0 1 80 web.shop.svc.cluster.local.\nweb.shop.svc.cluster.local. SRV 0 1 81 web.shop.svc.cluster.local."},
		{"its address has its name (2.3.3 PTR)", "PTR 7.0.43.10.in-addr.arpa", "NOERROR\n7.0.43.10.in-addr.arpa. PTR web.shop.svc.cluster.local."},
		{"another has none", "PTR 9.0.43.10.in-addr.arpa", "NXDOMAIN" + soa("9.0.43.10.in-addr.arpa.")},
		{"an address has no address", "A 7.0.43.10.in-addr.arpa", "NOERROR" + soa("7.0.43.10.in-addr.arpa.")},
		{"a pod behind it has no name there", "A web-0.web.shop.svc.cluster.local", absent},
		{"a headless Service has its endpoints' (2.4.1 A)", "A db.shop.svc.cluster.local",
			"NOERROR\ndb.shop.svc.cluster.local. A 10.42.1.5\ndb.shop.svc.cluster.local. A 10.42.2.5\ndb.shop.svc.cluster.local. A 10.42.2.6"},
		{"without any that is ready it is not there (2.4.1 NXDOMAIN)", "A none.shop.svc.cluster.local", absent},
		{"nor are its ports", "SRV _http._tcp.none.shop.svc.cluster.local", absent},
		{"an endpoint has its hostname (2.4.1 A of a hostname)", "A DB-0.db.shop.svc.cluster.local", "NOERROR\nDB-0" + db + " A 10.42.1.5"},
		{"or one of its address (2.1 hostname)", "A 10-42-2-6.db.shop.svc.cluster.local", "NOERROR\n10-42-2-6" + db + " A 10.42.2.6"},
		{"not both", "A 10-42-1-5.db.shop.svc.cluster.local", absent},
		{"or several theirs (2.4.1 A of a shared hostname)", "A one.pair.tour.svc.cluster.local",
			"NOERROR\none.pair.tour.svc.cluster.local. A 10.42.1.7\none.pair.tour.svc.cluster.local. A 10.42.2.7"},
		{"none of IPv6, and exists (2.4.1 AAAA of a hostname)", "AAAA db-0.db.shop.svc.cluster.local", nothing},
		{"nor have all together (2.4.1 AAAA)", "AAAA db.shop.svc.cluster.local", nothing},
		{"where there are none that is said of it too (2.4.1 AAAA NXDOMAIN)", "AAAA none.shop.svc.cluster.local", absent},
		{"nobody else's does", "A db-7.db.shop.svc.cluster.local", absent},
		{"a named port leads to each, by its own number (2.4.2 SRV)", "SRV _pg._tcp.db.shop.svc.cluster.local", "NOERROR\n" +
			"_pg._tcp" + db + " SRV 0 1 5432 10-42-2-6" + db + "\n_pg._tcp" + db + " SRV 0 1 5432 db-0" + db + "\n_pg._tcp" + db + " SRV 0 3 5433 db-1" + db +
			"\nextra 10-42-2-6" + db + " A 10.42.2.6\nextra db-0" + db + " A 10.42.1.5\nextra db-1" + db + " A 10.42.2.5"},
		{"a port without a name has none (2.4.2 unnamed)", "SRV _9187._tcp.db.shop.svc.cluster.local", absent},
		{"an endpoint's address has its name (2.4.3 PTR)", "PTR 5.1.42.10.in-addr.arpa", "NOERROR\n5.1.42.10.in-addr.arpa. PTR db-0" + db},
		{"a name of its address too", "PTR 6.2.42.10.in-addr.arpa", "NOERROR\n6.2.42.10.in-addr.arpa. PTR 10-42-2-6" + db},
		{"a pod behind a Service has none", "PTR 9.1.42.10.in-addr.arpa", "NXDOMAIN" + soa("9.1.42.10.in-addr.arpa.")},
		{"an outside name is named (2.5 CNAME)", "A away.tour.svc.cluster.local", "NOERROR\naway.tour.svc.cluster.local. CNAME www.Example.com."},
		{"whatever is asked (2.5 CNAME of AAAA)", "AAAA away.tour.svc.cluster.local", "NOERROR\naway.tour.svc.cluster.local. CNAME www.Example.com."},
		{"or of other kinds", "TXT away.tour.svc.cluster.local", "NOERROR\naway.tour.svc.cluster.local. CNAME www.Example.com."},
		{"itself too", "CNAME away.tour.svc.cluster.local", "NOERROR\naway.tour.svc.cluster.local. CNAME www.Example.com."},
		{"with a dot at its end or not", "AAAA dot.tour.svc.cluster.local", "NOERROR\ndot.tour.svc.cluster.local. CNAME example.com."},
		{"it has no ports", "SRV _http._tcp.away.tour.svc.cluster.local", absent},
		{"and no pods", "A a.away.tour.svc.cluster.local", absent},
		{"one of the cluster's is followed", "A near.tour.svc.cluster.local",
			"NOERROR\nnear.tour.svc.cluster.local. CNAME web.shop.svc.cluster.local.\nweb.shop.svc.cluster.local. A 10.43.0.7"},
		{"to what it has not", "AAAA near.tour.svc.cluster.local",
			"NOERROR\nnear.tour.svc.cluster.local. CNAME web.shop.svc.cluster.local." + soa("cluster.local.")},
		{"but not where it is all that is asked for", "CNAME near.tour.svc.cluster.local", "NOERROR\nnear.tour.svc.cluster.local. CNAME web.shop.svc.cluster.local."},
		{"to the end", "A twice.tour.svc.cluster.local",
			"NOERROR\naway.tour.svc.cluster.local. CNAME www.Example.com.\ntwice.tour.svc.cluster.local. CNAME away.tour.svc.cluster.local."},
		{"which may not be there", "A lost.tour.svc.cluster.local",
			"NXDOMAIN\nlost.tour.svc.cluster.local. CNAME nope.shop.svc.cluster.local." + soa("cluster.local.")},
		{"or never come", "A round.tour.svc.cluster.local", "SERVFAIL"},
		{"a pod's address is a name of old, which 1.1 has no more", "A 10-42-1-9.shop.pod.cluster.local", "NOERROR\n10-42-1-9.shop.pod.cluster.local. A 10.42.1.9"},
		{"it exists", "AAAA 10-42-1-9.shop.pod.cluster.local", nothing},
		{"an address is written as it is always written", "A 10-042-1-9.shop.pod.cluster.local", absent},
		{"and nothing stands below it", "A a.10-42-1-9.shop.pod.cluster.local", absent},
		{"a namespace of pods", "A shop.pod.cluster.local", nothing},
		{"but nobody's outside", "A 192-0-2-1.shop.pod.cluster.local", absent},

		{"a Service that is not there", "A nope.shop.svc.cluster.local", absent},
		{"a namespace that has a Service", "A shop.svc.cluster.local", nothing},
		{"one that has none", "A nope.svc.cluster.local", absent},
		{"what all stand under", "A svc.cluster.local", nothing},
		{"a name of outside below the domain, which search lists make", "A example.com.shop.svc.cluster.local", absent},
		{"and below that", "A example.com.cluster.local", absent},
		{"what a search list makes of a Service's name with its namespace", "A web.shop.tour.svc.cluster.local", absent},
		{"and of its full name", "AAAA web.shop.svc.cluster.local.tour.svc.cluster.local", absent},
		{"a wildcard, which the specification has no more", "A *.shop.svc.cluster.local", absent},
		{"the domain", "SOA cluster.local", "NOERROR\ncluster.local. SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5"},
		{"who answers for it", "NS cluster.local", "NOERROR\ncluster.local. NS ns.dns.cluster.local."},
		{"and where", "A ns.dns.cluster.local", "NOERROR\nns.dns.cluster.local. A 10.42.1.1"},
		{"no address of it", "A cluster.local", nothing},
		{"everything at once", "ANY web.shop.svc.cluster.local", "NOERROR\nextra web.shop.svc.cluster.local. A 10.43.0.7\nweb.shop.svc.cluster.local. A 10.43.0.7\n" +
			"web.shop.svc.cluster.local. SRV 0 1 443 web.shop.svc.cluster.local.\nweb.shop.svc.cluster.local. SRV 0 1 80 web.shop.svc.cluster.local.\nweb.shop.svc.cluster.local. SRV 0 1 81 web.shop.svc.cluster.local."},

		{"no address of IPv6 is the cluster's (2.3.3 PTR of IPv6, 2.4.3 PTR of IPv6)",
			"PTR 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "somebody else's"},
		{"a name outside", "A example.com", "somebody else's"},
		{"a domain that ends alike", "A web.mycluster.local", "somebody else's"},
		{"an address outside", "PTR 1.2.0.192.in-addr.arpa", "somebody else's"},
		{"part of an address", "PTR 43.10.in-addr.arpa", "somebody else's"},
	}
	for _, c := range rows {
		reply, mine := newZone(table(), "n1").reply(asked(t, c.query))
		if got := told(reply); got != c.want || mine != (reply != nil) {
			t.Errorf("%s: %s: got\n%s\nwant\n%s", c.claim, c.query, got, c.want)
		}
		if mine && !reply.Authoritative && reply.Rcode != dns.RcodeServerFailure {
			t.Errorf("%s: it is not sure", c.claim)
		}
		for _, rr := range slices.Concat(answers(reply)...) {
			if rr.Header().Ttl != 5 {
				t.Errorf("%s: %s", c.claim, rr)
			}
		}
	}
	for _, record := range specification {
		if !slices.ContainsFunc(rows, func(c struct{ claim, query, want string }) bool { return isOf(c.claim, record) }) {
			t.Errorf("no row is of %s", record)
		}
	}
}

// specification are the records of the Kubernetes DNS specification 1.1.0, by its sections. Those of IPv6 are there where a Service or a pod has an
// address of that, and none has.
var specification = []string{
	"2.1 case", "2.1 hostname", "2.2 TXT",
	"2.3.1 A", "2.3.1 AAAA", "2.3.2 SRV", "2.3.2 unnamed", "2.3.3 PTR", "2.3.3 PTR of IPv6",
	"2.4.1 A", "2.4.1 NXDOMAIN", "2.4.1 A of a hostname", "2.4.1 A of a shared hostname", "2.4.1 AAAA", "2.4.1 AAAA NXDOMAIN", "2.4.1 AAAA of a hostname",
	"2.4.2 SRV", "2.4.2 unnamed", "2.4.3 PTR", "2.4.3 PTR of IPv6",
	"2.5 CNAME", "2.5 CNAME of AAAA",
}

// isOf says whether a claim names the record, in parentheses at its end.
func isOf(claim, record string) bool {
	_, records, _ := strings.Cut(strings.TrimSuffix(claim, ")"), "(")
	return slices.Contains(strings.Split(records, ", "), record)
}

func answers(m *dns.Msg) [][]dns.RR {
	if m == nil {
		return nil
	}
	return [][]dns.RR{m.Answer, m.Ns, m.Extra}
}

func TestPodsOfOneHostnameShareIt(t *testing.T) {
	two := table()
	for i := range two.Services[1].Endpoints {
		two.Services[1].Endpoints[i].Hostname = "db"
	}
	z := newZone(two, "n1")
	reply, _ := z.reply(asked(t, "A db.db.shop.svc.cluster.local"))
	if got := told(reply); strings.Count(got, " A ") != 3 {
		t.Error(got)
	}
	reply, _ = z.reply(asked(t, "SRV _pg._tcp.db.shop.svc.cluster.local"))
	const name = "db.db.shop.svc.cluster.local."
	want := "NOERROR\n_pg._tcp.db.shop.svc.cluster.local. SRV 0 1 5432 " + name + "\n_pg._tcp.db.shop.svc.cluster.local. SRV 0 3 5433 " + name +
		"\nextra " + name + " A 10.42.1.5\nextra " + name + " A 10.42.2.5\nextra " + name + " A 10.42.2.6"
	if got := told(reply); got != want {
		t.Error(got)
	}
}

func TestAddressesOfNobodysPodsAreCalledAsPodsAre(t *testing.T) {
	one, end := table(), func(ip, hostname string, port uint16) route.Endpoint {
		return route.Endpoint{IP: netip.MustParseAddr(ip), Ports: []uint16{port}, Hostname: hostname}
	}
	one.Services = []route.Service{{Namespace: "shop", Name: "far", Ports: []route.Port{{Name: "pg", Protocol: "tcp", Port: 5432}}, Endpoints: []route.Endpoint{
		end("10.42.1.9", "", 5432), end("192.0.2.7", "a", 5432), end("10.42.1.9", "", 5433),
	}}}
	const far = ".far.shop.svc.cluster.local."
	for _, c := range []struct{ claim, query, want string }{
		{"each is in the Service's name, once", "A far.shop.svc.cluster.local", "NOERROR\nfar.shop.svc.cluster.local. A 10.42.1.9\nfar.shop.svc.cluster.local. A 192.0.2.7"},
		{"one has its hostname", "A a.far.shop.svc.cluster.local", "NOERROR\na" + far + " A 192.0.2.7"},
		{"each port leads there", "SRV _pg._tcp.far.shop.svc.cluster.local", "NOERROR\n_pg._tcp" + far + " SRV 0 1 5432 10-42-1-9" + far + "\n_pg._tcp" + far + " SRV 0 1 5432 a" + far +
			"\n_pg._tcp" + far + " SRV 0 1 5433 10-42-1-9" + far + "\nextra 10-42-1-9" + far + " A 10.42.1.9\nextra a" + far + " A 192.0.2.7"},
		{"a pod's address has one name", "PTR 9.1.42.10.in-addr.arpa", "NOERROR\n9.1.42.10.in-addr.arpa. PTR 10-42-1-9" + far},
		{"what an outside address is called is not the cluster's to say", "PTR 7.2.0.192.in-addr.arpa", "somebody else's"},
	} {
		reply, _ := newZone(one, "n1").reply(asked(t, c.query))
		if got := told(reply); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.claim, got, c.want)
		}
	}
}

func FuzzNames(f *testing.F) {
	z := newZone(table(), "n1")
	for _, name := range []string{"web.shop.svc.cluster.local.", "_http._tcp.web.shop.svc.cluster.local.", "1-2.shop.pod.cluster.local.", "7.0.43.10.in-addr.arpa.", ".", "cluster.local."} {
		f.Add(name, dns.TypeA)
		f.Add(name, dns.TypeSRV)
	}
	f.Fuzz(func(t *testing.T, name string, kind uint16) {
		if _, ok := dns.IsDomainName(name); !ok {
			return
		}
		r := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
		if reply, mine := z.reply(r); mine != (reply != nil) || mine && reply.Rcode == 0 && len(reply.Answer)+len(reply.Ns) == 0 {
			t.Errorf("%q: %v", name, reply)
		}
	})
}

func BenchmarkNames(b *testing.B) {
	z, r := newZone(table(), "n1"), new(dns.Msg).SetQuestion("web.shop.svc.cluster.local.", dns.TypeA)
	for b.Loop() {
		z.reply(r)
	}
}
