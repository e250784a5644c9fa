package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func endpoints(name, subsets string) string {
	return "apiVersion: v1\nkind: Endpoints\nmetadata: {name: " + name + "}\nsubsets:\n" + strings.TrimSpace(subsets) + "\n"
}

func slice(name, of, rest string) string {
	return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name + ", labels: {kubernetes.io/service-name: " + of + "}}\naddressType: IPv4\n" + strings.TrimSpace(rest) + "\n"
}

// toldFixed are the addresses of the Services that choose no pods, a line each.
func toldFixed(all []Service) string {
	var lines []string
	for _, s := range all {
		for _, f := range s.Fixed {
			line := s.Name + " " + f.IP.String()
			for _, port := range slices.Sorted(maps.Keys(f.Ports)) {
				line += fmt.Sprintf(" %s=%d", port, f.Ports[port])
			}
			for _, is := range []struct {
				so   bool
				word string
			}{{!f.Ready, "not ready"}, {f.Ending, "ending"}, {f.Hostname != "", "called " + f.Hostname}, {f.Node != "", "on " + f.Node}} {
				if is.so {
					line += " " + is.word
				}
			}
			lines = append(lines, line+" of "+f.From.Kind)
		}
	}
	return strings.Join(lines, "\n")
}

func TestAddressesThatAreWrittenDownAreTheServices(t *testing.T) {
	db := service("db", "ports: [{name: pg, port: 5432}, {name: web, port: 80}]") + "---\n"
	for name, c := range map[string]struct{ text, want string }{
		"a slice":                {slice("db-1", "db", "ports: [{name: pg, port: 5432}]\nendpoints: [{addresses: [192.0.2.7]}]"), "db 192.0.2.7 pg/tcp=5432 of EndpointSlice"},
		"a port without a name":  {slice("db-1", "db", "ports: [{port: 5432, protocol: UDP}]\nendpoints: [{addresses: [192.0.2.7]}]"), "db 192.0.2.7 /udp=5432 of EndpointSlice"},
		"no ports":               {slice("db-1", "db", "endpoints: [{addresses: [192.0.2.7]}]"), "db 192.0.2.7 of EndpointSlice"},
		"no endpoints":           {slice("db-1", "db", "endpoints: []\nports: []"), ""},
		"all that can be said":   {slice("db-1", "db", "endpoints: [{addresses: [192.0.2.7], hostname: a, nodeName: n1, zone: z, targetRef: {kind: Pod, name: a}, conditions: {ready: true, serving: true, terminating: false}}]"), "db 192.0.2.7 called a on n1 of EndpointSlice"},
		"not ready":              {slice("db-1", "db", "endpoints: [{addresses: [192.0.2.7], conditions: {ready: false}}]"), "db 192.0.2.7 not ready of EndpointSlice"},
		"about to end":           {slice("db-1", "db", "endpoints: [{addresses: [192.0.2.7], conditions: {ready: false, serving: true, terminating: true}}]"), "db 192.0.2.7 not ready ending of EndpointSlice"},
		"ended":                  {slice("db-1", "db", "endpoints: [{addresses: [192.0.2.7], conditions: {ready: false, terminating: true}}]"), "db 192.0.2.7 not ready of EndpointSlice"},
		"subsets":                {endpoints("db", "- addresses: [{ip: 192.0.2.7, hostname: a, nodeName: n1, targetRef: {kind: Pod, name: a}}]\n  notReadyAddresses: [{ip: 192.0.2.8}]\n  ports: [{name: pg, port: 5432, appProtocol: pg}, {name: web, port: 81, protocol: TCP}]\n- addresses: [{ip: 192.0.2.9}]"), "db 192.0.2.7 pg/tcp=5432 web/tcp=81 called a on n1 of Endpoints\ndb 192.0.2.8 pg/tcp=5432 web/tcp=81 not ready of Endpoints\ndb 192.0.2.9 of Endpoints"},
		"what kubectl exports":   {strings.Replace(endpoints("db", "- addresses: [{ip: 192.0.2.7}]"), "{name: db}", "{name: db, uid: a, creationTimestamp: null, annotations: {endpoints.kubernetes.io/last-change-trigger-time: a}}", 1), "db 192.0.2.7 of Endpoints"},
		"all that are called so": {slice("b", "db", "endpoints: [{addresses: [192.0.2.9]}]") + "---\n" + slice("a", "db", "endpoints: [{addresses: [192.0.2.8]}]") + "---\n" + endpoints("db", "- addresses: [{ip: 192.0.2.7}]"), "db 192.0.2.8 of EndpointSlice\ndb 192.0.2.9 of EndpointSlice\ndb 192.0.2.7 of Endpoints"},
	} {
		h := History{Head: load(t, "x.yaml", db+c.text)}
		if got := toldFixed(h.Want().Services); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if len(h.Head.Services[0].Fixed) > 0 {
			t.Errorf("%s: HEAD was changed", name)
		}
	}
}

func TestAddressesThatAreRefusedSayByWhichField(t *testing.T) {
	ip := func(ip string) string { return slice("s", "db", "endpoints: [{addresses: ['"+ip+"']}]") }
	port := func(ports string) string { return slice("s", "db", "endpoints: []\nports: ["+ports+"]") }
	one := func(more string) string { return slice("s", "db", "endpoints: [{addresses: [192.0.2.1], "+more+"}]") }
	const path = "endpoints[0].addresses[0]: "
	for name, c := range map[string]struct{ text, want string }{
		"no address":           {ip(""), path + "is missing; write the address that is asked"},
		"no addresses":         {slice("s", "db", "endpoints: [{addresses: []}]"), "endpoints[0].addresses: is missing; write the address that is asked, for example [192.0.2.1]"},
		"a name":               {ip("db.example.com"), path + `"db.example.com" is no IPv4 address`},
		"another family":       {ip("2001:db8::1"), path + "2001:db8::1 is no IPv4 address, and there are no others yet; remove it"},
		"the host itself":      {ip("127.0.0.1"), path + "127.0.0.1 is an address at which nobody reaches a host; write one at which the nodes do"},
		"a link's":             {ip("169.254.169.254"), path + "169.254.169.254 is an address at which nobody reaches a host; write one at which the nodes do"},
		"many at once":         {ip("239.1.2.3"), path + "239.1.2.3 is an address at which nobody reaches a host; write one at which the nodes do"},
		"everybody":            {ip("255.255.255.255"), path + "255.255.255.255 is an address at which nobody reaches a host; write one at which the nodes do"},
		"nobody":               {ip("0.0.0.0"), path + "0.0.0.0 is an address at which nobody reaches a host; write one at which the nodes do"},
		"a hostname":           {one("hostname: a.b"), `endpoints[0].hostname: "a.b": must not contain dots`},
		"a node":               {one("nodeName: N_1"), `endpoints[0].nodeName: "N_1": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character`},
		"a port of two":        {port("{name: a, port: 1}, {port: 2}"), "ports[1].name: is missing; of several ports each needs the name that it has in the Service"},
		"a name of two":        {port("{name: a, port: 1}, {name: a, port: 2}"), "ports[1].name: a is ports[0]'s too; each port has its own"},
		"no port":              {port("{name: a, port: 0}"), "ports[0].port: 0 is not between 1 and 65535"},
		"no name":              {port("{name: a.b, port: 1}"), `ports[0].name: "a.b": must not contain dots`},
		"SCTP":                 {port("{port: 1, protocol: SCTP}"), "ports[0].protocol: SCTP is not supported yet; write TCP or UDP"},
		"a protocol":           {port("{port: 1, protocol: tcp}"), `ports[0].protocol: "tcp" is not one of TCP, UDP; did you mean "TCP"?`},
		"what is spoken":       {port("{port: 1, appProtocol: 'a b'}"), `ports[0].appProtocol: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`},
		"no type of addresses": {strings.Replace(ip("192.0.2.1"), "addressType: IPv4", "", 1), "addressType: is missing; write IPv4"},
		"a type of nobody's":   {strings.Replace(ip("192.0.2.1"), "IPv4", "IP", 1), `addressType: "IP" is not one of IPv4, IPv6, FQDN`},
		"a subset of nobody":   {endpoints("db", "- ports: [{port: 1}]"), "subsets[0]: has no addresses; write some, or remove it"},
		"an address in one":    {endpoints("db", "- notReadyAddresses: [{ip: 127.0.0.2}]"), "subsets[0].notReadyAddresses[0].ip: 127.0.0.2 is an address at which nobody reaches a host; write one at which the nodes do"},
		"a port in one":        {endpoints("db", "- addresses: [{ip: 192.0.2.1}]\n  ports: [{name: a}]"), "subsets[0].ports[0].port: 0 is not between 1 and 65535"},
		"waiting":              {strings.Replace(ip("192.0.2.1"), "labels:", "annotations: {podkeep.io/suspend: 'true'}, labels:", 1), "metadata.annotations[podkeep.io/suspend]: means nothing on a EndpointSlice"},
		"a field of another's": {slice("s", "db", "endpoints: []\nsubsets: []"), `subsets: unknown field "subsets"`},
		"an API of the past":   {strings.Replace(ip("192.0.2.1"), "k8s.io/v1", "k8s.io/v1beta1", 1), "apiVersion: discovery.k8s.io/v1beta1 has no kind EndpointSlice; write discovery.k8s.io/v1"},
	} {
		s := set("c", "x.yaml", service("db", "ports: [{port: 80}]")+"---\n"+c.text)
		_, said, _ := strings.Cut(s.Problems[0].brief(), ": ")
		if len(s.Problems) != 1 || said != c.want || s.Problems[0].Notice || s.Problems[0].Line < 6 || len(s.Endpoints) > 0 {
			t.Errorf("%s: %v", name, s.Problems)
		}
	}
}

func TestAddressesThatLeadNowhereSayWhy(t *testing.T) {
	one := func(labels string) string {
		return strings.Replace(slice("s", "db", "endpoints: [{addresses: [192.0.2.1]}]"), "{kubernetes.io/service-name: db}", labels, 1)
	}
	const its, unused = "{kubernetes.io/service-name: db}", "EndpointSlice/s: nothing is done for it: "
	db := service("db", "ports: [{port: 80}]")
	for name, c := range map[string]struct {
		service, text, want string
		refused             bool
	}{
		"its Service is not there": {strings.Replace(db, "name: db", "name: dbs", 1), one(its), `EndpointSlice/s: metadata.name: leads nowhere yet: Service/default/db is not in the repository; add it; did you mean "dbs"?`, false},
		"nor in its namespace":     {strings.Replace(db, "name: db", "name: db, namespace: shop", 1), one(its), `EndpointSlice/s: metadata.name: leads nowhere yet: Service/default/db is not in the repository; add it`, false},
		"it names none":            {db, one("{}"), unused + "names no Service; write the label kubernetes.io/service-name", true},
		"that chooses its pods":    {service("db", "selector: {app: db}\nports: [{port: 80}]"), one(its), unused + "the selector of Service/default/db chooses its pods, x.yaml:1; remove one of the two", true},
		"that is another's name":   {service("db", "type: ExternalName\nexternalName: db.example.com"), one(its), unused + "Service/default/db is a name for db.example.com, and leads to no address; remove one of the two", true},
		"IPv6":                     {db, strings.NewReplacer("IPv4", "IPv6", "192.0.2.1", "'2001:db8::1'").Replace(one(its)), unused + "is of addressType IPv6, and there is only IPv4 yet", true},
		"names":                    {db, strings.NewReplacer("IPv4", "FQDN", "192.0.2.1", "a.example.com").Replace(one(its)), unused + "is of addressType FQDN, which leads nowhere in Kubernetes either; a Service with type: ExternalName stands for an outside name", true},
		"passed over": {db, strings.Replace(endpoints("db", "- addresses: [{ip: 192.0.2.1}]"), "{name: db}", "{name: db, labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}}", 1),
			"Endpoints/db: nothing is done for it: has the label endpointslice.kubernetes.io/skip-mirror, by which it counts for no Service in Kubernetes either", true},
	} {
		s := set("c", "x.yaml", c.service+"---\n"+c.text)
		if len(s.Problems) != 1 || s.Problems[0].brief() != c.want || s.Problems[0].Hides() || s.Problems[0].Refuses() != c.refused || s.Problems[0].Line < 7 {
			t.Errorf("%s: %v", name, s.Problems)
		}
		if got := toldFixed(History{Head: s}.Want().Services); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, c := range map[string]struct{ more, want string }{
		"hints":          {"endpoints: [{addresses: [192.0.2.1], hints: {forZones: [{name: a}]}}]", "endpoints[0].hints: hints are not followed: trafficDistribution of the Service and nodeName here say who is asked by whom"},
		"the old way":    {"endpoints: [{addresses: [192.0.2.1], deprecatedTopology: {a: b}}]", "endpoints[0].deprecatedTopology: is not followed, as in Kubernetes: nodeName says on which node it is"},
		"more addresses": {"endpoints: [{addresses: [192.0.2.1, 192.0.2.2]}]", "endpoints[0].addresses: the first of an endpoint's addresses alone is asked; write an endpoint for each that is another's"},
		"any port":       {"endpoints: [{addresses: [192.0.2.1]}]\nports: [{name: a}]", "ports[0].port: no Service leads to a port without a number; write it"},
	} {
		s := set("c", "x.yaml", db+"---\n"+slice("s", "db", c.more))
		if len(s.Problems) != 1 || s.Problems[0].brief() != "EndpointSlice/s: "+c.want || s.Problems[0].Refuses() {
			t.Errorf("%s: %v", name, s.Problems)
		}
		if got := toldFixed(History{Head: s}.Want().Services); got != "db 192.0.2.1 of EndpointSlice" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAddressesThatDoNotLoadKeepTheirLastForm(t *testing.T) {
	db := service("db", "ports: [{port: 80}]")
	good := func(ip string) string { return slice("s", "db", "endpoints: [{addresses: ["+ip+"]}]") }
	for name, c := range map[string]struct {
		head Set
		line []Set
		want string
	}{
		"the field is refused":    {set("h", "db.yaml", db, "s.yaml", good("127.0.0.1")), []Set{set("p", "db.yaml", db, "s.yaml", good("192.0.2.1"))}, "db 192.0.2.1 of EndpointSlice"},
		"its file breaks":         {set("h", "db.yaml", db, "s.yaml", torn), []Set{set("p", "db.yaml", db, "s.yaml", good("192.0.2.1"))}, "db 192.0.2.1 of EndpointSlice"},
		"its file is damaged":     {set("h", "db.yaml", db, "s.yaml", "oid: 1"), []Set{set("p", "db.yaml", db, "s.yaml", good("192.0.2.1"))}, "db 192.0.2.1 of EndpointSlice"},
		"its Service's file does": {set("h", "db.yaml", torn, "s.yaml", good("192.0.2.2")), []Set{set("p", "db.yaml", db, "s.yaml", good("192.0.2.1"))}, "db 192.0.2.2 of EndpointSlice"},
		"its Service does not load": {set("h", "db.yaml", service("db", "ports: [{port: 0}]"), "s.yaml", good("192.0.2.2")), []Set{set("p", "db.yaml", db, "s.yaml", good("192.0.2.1"))},
			"db 192.0.2.2 of EndpointSlice"},
		"it never loaded":  {set("h", "db.yaml", db, "s.yaml", good("127.0.0.1")), []Set{set("p", "db.yaml", db)}, ""},
		"it was taken out": {set("h", "db.yaml", db), []Set{set("p", "db.yaml", db, "s.yaml", good("192.0.2.1"))}, ""},
	} {
		if got := toldFixed(c.head.After(c.line...).Want().Services); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
