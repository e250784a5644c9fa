package route_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func TestWhichIngressesAreOurs(t *testing.T) {
	class := func(name string) manifest.Ingress {
		i := toWeb("web", "", "Prefix", "/")
		i.Object.Spec.IngressClassName = &name
		return i
	}
	noted := toWeb("web", "", "Prefix", "/")
	noted.Annotations = map[string]string{"kubernetes.io/ingress.class": "nginx"}
	none := toWeb("web", "", "Prefix", "/")
	classes := []manifest.IngressClass{{Meta: meta("IngressClass", "/mine"), Ours: true}, {Meta: meta("IngressClass", "/nginx")}}
	theirs := []manifest.IngressClass{{Meta: meta("IngressClass", "/nginx"), Default: true}}
	for _, c := range []struct {
		name    string
		i       manifest.Ingress
		classes []manifest.IngressClass
		offer   []string
		ours    bool
	}{
		{"without a class", none, classes, nil, true},
		{"the default class is another's", none, theirs, nil, false},
		{"the default class is offered", none, theirs, []string{"nginx"}, true},
		{"podkeep", class("podkeep"), nil, nil, true},
		{"a class of ours in Git", class("mine"), classes, nil, true},
		{"a class of another's in Git", class("nginx"), classes, nil, false},
		{"a class that is offered", class("nginx"), classes, []string{"nginx"}, true},
		{"a class that nobody knows", class("traefik"), classes, []string{"nginx"}, false},
		{"by annotation", noted, classes, nil, false},
		{"by annotation, offered", noted, classes, []string{"nginx"}, true},
	} {
		o := offer
		o.Classes = c.offer
		table, said := doorsOf(route.DoorWant{Offer: o, Ingresses: []manifest.Ingress{c.i}, Classes: c.classes}, nil)
		if got := said["Ingress/default/web"]; got.Ours != c.ours || len(got.Why) > 0 == c.ours || table.Doors != nil != c.ours {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestPathsOfIngressesAreAskedInOrder(t *testing.T) {
	i := ingress("web", `
rules:
- host: shop.example.org
  http:
    paths:
    - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
    - {path: /a/, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
    - {path: /a/b, pathType: ImplementationSpecific, backend: {service: {name: v1, port: {number: 80}}}}
    - {path: /a, pathType: Exact, backend: {service: {name: v2, port: {number: 80}}}}
- http:
    paths:
    - {pathType: ImplementationSpecific, path: /any, backend: {service: {name: v3, port: {number: 80}}}}
- host: "*.example.org"
  http:
    paths:
    - {path: /wild, pathType: Prefix, backend: {service: {name: v1, port: {number: 80}}}}
`)
	rest := ingress("rest", "defaultBackend: {service: {name: api, port: {number: 80}}}")
	table, said := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{i, rest}}, nil)
	same(t, "rules", []string{
		"80 shop.example.org Exact /a -> v2:80",
		"80 shop.example.org Prefix /a/b -> v1:80",
		"80 shop.example.org Prefix /a -> api:80",
		"80 shop.example.org Prefix / -> web:80",
		"80 *.example.org Prefix /wild -> v1:80",
		"80 *.example.org Prefix /any -> v3:80",
		"80 *.example.org Prefix / -> api:80",
		"80 any Prefix /any -> v3:80",
		"80 any Prefix / -> api:80",
	}, shown(table))
	got := said["Ingress/default/web"]
	same(t, "hosts", []string{"*", "*.example.org", "shop.example.org"}, got.Hosts)
	same(t, "addresses", "[192.0.2.1 192.0.2.2]", fmt.Sprint(got.Addresses))
	same(t, "why", []string(nil), got.Why)
	same(t, "default", []string{"*"}, said["Ingress/default/rest"].Hosts)
}

func TestAnIngressOwnDefaultBackendIsAskedBeforeThoseOfOthers(t *testing.T) {
	own := ingress("shop", `
defaultBackend: {service: {name: v1, port: {number: 80}}}
rules: [{host: shop.example.org}]
`)
	other := ingress("all", "defaultBackend: {service: {name: api, port: {number: 80}}}")
	table, said := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{own, other}}, nil)
	same(t, "rules", []string{"80 shop.example.org Prefix / -> v1:80", "80 any Prefix / -> api:80"}, shown(table))
	same(t, "why", []string{"/ of any host is Ingress default/all's, which had it first: ask for another path or host, or remove it there"}, said["Ingress/default/shop"].Why)
}

func TestWhatAnnotationsAsk(t *testing.T) {
	yes, no, body := true, false, int64(1024)
	base := func(m manifest.Manner, kind string, paths ...string) manifest.Ingress {
		i := toWeb("web", "shop.example.org", kind, paths...)
		i.Manner = m
		return i
	}
	rule := func(i manifest.Ingress, n int) route.DoorRule {
		table, _ := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{i}}, nil)
		return table.Doors.Ports[0].Hosts[0].Rules[n]
	}
	specific := "ImplementationSpecific"
	plain := rule(base(manifest.Manner{}, "Prefix", "/a"), 0)
	web := func(change func(*route.DoorBackend)) []route.DoorBackend {
		to := plain.To[0]
		change(&to)
		return []route.DoorBackend{to}
	}
	for _, c := range []struct {
		name string
		i    manifest.Ingress
		want func(*route.DoorRule)
	}{
		{"a rewrite", base(manifest.Manner{Rewrite: "/x"}, "Prefix", "/a"), func(r *route.DoorRule) { r.Rewrite = &route.DoorRewrite{Kind: route.Exact, Path: "/x"} }},
		{"a rewrite by groups", base(manifest.Manner{Rewrite: "/x/$2", Regexp: true}, specific, "/a(/|$)(.*)"), func(r *route.DoorRule) {
			r.Match = route.DoorMatch{Kind: route.Regexp, Path: "/a(/|$)(.*)"}
			r.Rewrite = &route.DoorRewrite{Kind: route.Regexp, Path: "/x/$2"}
		}},
		{"groups where there is none", base(manifest.Manner{Rewrite: "/$1", Regexp: true}, "Prefix", "/a"), func(r *route.DoorRule) { r.Rewrite = &route.DoorRewrite{Kind: route.Exact, Path: "/"} }},
		{"who may", base(manifest.Manner{Allow: prefixes("10.0.0.0/8"), Deny: prefixes("10.1.0.0/16")}, "Prefix", "/a"), func(r *route.DoorRule) { r.Allow, r.Deny = prefixes("10.0.0.0/8"), prefixes("10.1.0.0/16") }},
		{"sizes and times", base(manifest.Manner{Body: &body, Connect: time.Second, Read: 2 * time.Second, Send: 3 * time.Second, Once: true}, "Prefix", "/a"), func(r *route.DoorRule) {
			r.Body, r.Connect, r.Read, r.Send, r.Once = 1024, time.Second, 2*time.Second, 3*time.Second, true
		}},
		{"a host and a prefix that pods see", base(manifest.Manner{Host: "in.example.org", Prefix: "/p"}, "Prefix", "/a"), func(r *route.DoorRule) {
			r.To = web(func(to *route.DoorBackend) { to.Host = "in.example.org" })
			r.Request.Set = []route.DoorValue{{Name: "X-Forwarded-Prefix", Value: "/p"}}
		}},
		{"gRPC", base(manifest.Manner{Protocol: "GRPC"}, "Prefix", "/a"), func(r *route.DoorRule) { r.To = web(func(to *route.DoorBackend) { to.Protocol = "h2c" }) }},
		{"gRPC over TLS", base(manifest.Manner{Protocol: "GRPCS"}, "Prefix", "/a"), func(r *route.DoorRule) { r.To = web(func(to *route.DoorBackend) { to.Protocol = "h2" }) }},
		{"HTTPS", base(manifest.Manner{Protocol: "HTTPS"}, "Prefix", "/a"), func(r *route.DoorRule) { r.To = web(func(to *route.DoorBackend) { to.Protocol = "https" }) }},
		{"CORS", base(manifest.Manner{CORS: &manifest.CORS{Origins: []string{"*"}, MaxAge: 5, Credentials: true}}, "Prefix", "/a"), func(r *route.DoorRule) {
			r.CORS = &route.DoorCORS{Origins: []string{"*"}, MaxAge: 5}
		}},
		{"CORS with cookies", base(manifest.Manner{CORS: &manifest.CORS{Origins: []string{"https://*.example.org"}, Credentials: true}}, "Prefix", "/a"), func(r *route.DoorRule) {
			r.CORS = &route.DoorCORS{Origins: []string{"https://*.example.org"}, Credentials: true}
		}},
		{"a redirect", base(manifest.Manner{Redirect: "https://else.example.org", RedirectCode: 301}, "Prefix", "/a"), func(r *route.DoorRule) {
			r.To, r.Redirect = nil, &route.DoorRedirect{Whole: "https://else.example.org", Code: 301}
		}},
		{"HTTPS wherever", base(manifest.Manner{ForceHTTPS: true, HTTPS: &no}, "Prefix", "/a"), func(r *route.DoorRule) { r.Redirect = &route.DoorRedirect{Scheme: "https", Code: 308, Plain: true} }},
		{"HTTPS where there is none", base(manifest.Manner{HTTPS: &yes}, "Prefix", "/a"), func(r *route.DoorRule) {}},
	} {
		want := plain
		c.want(&want)
		same(t, c.name, want, rule(c.i, 0))
	}
	bad := base(manifest.Manner{Regexp: true}, specific, "/a(?=b)")
	table, said := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{bad}}, nil)
	same(t, "no RE2", []string(nil), shown(table))
	same(t, "no RE2", []string{"path /a(?=b) of shop.example.org is not served: it is no regular expression (RE2): error parsing regexp: invalid or unsupported Perl syntax: `(?=`"}, said["Ingress/default/web"].Why)
}

func TestHostsThatAnnotationsAdd(t *testing.T) {
	i := toWeb("web", "example.org", "Prefix", "/")
	i.Manner = manifest.Manner{AppRoot: "/app", WWW: true, Aliases: []string{"example.com"}}
	table, said := doorsOf(route.DoorWant{
		Ingresses: []manifest.Ingress{withTLS(i, "web-tls", "example.org")}, Secrets: []manifest.Secret{signed("web-tls", "example.org", "www.example.org")},
	}, nil)
	same(t, "rules", []string{
		"80 example.com Exact / -> 302 /app",
		"80 example.com Prefix / -> web:80",
		"80 example.org Exact / -> 302 /app",
		"80 example.org Prefix / -> 308 https web:80",
		"80 www.example.org Prefix / -> 308 example.org",
		"443 example.org Exact / -> 302 /app",
		"443 example.org Prefix / -> web:80",
		"443 www.example.org Prefix / -> 308 example.org",
	}, shown(table))
	same(t, "secure", []string{"example.org", "www.example.org"}, said["Ingress/default/web"].Secure)
	other := toWeb("www", "www.example.org", "Prefix", "/")
	i.Manner = manifest.Manner{WWW: true}
	table, _ = doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{i, other}}, nil)
	same(t, "another one has it", []string{"80 example.org Prefix / -> web:80", "80 www.example.org Prefix / -> web:80"}, shown(table))
}

func TestABackendThatCannotBeAskedIsAnswered503(t *testing.T) {
	external := manifest.Service{Meta: meta("Service", "far"), Headless: true, External: "far.example.org"}
	headless := service("many")
	headless.Headless = true
	app := func(name, protocol string) manifest.Service {
		return service(name, manifest.ServicePort{Protocol: "tcp", Port: 80, Target: intstr.FromInt32(1), AppProtocol: protocol})
	}
	services := []manifest.Service{external, app("h2c", "kubernetes.io/h2c"), headless, app("tls", "https"), app("ws", "kubernetes.io/ws")}
	for _, c := range []struct {
		backend  string
		status   int
		protocol string
		why      []string
	}{
		{"{name: gone, port: {number: 80}}", 503, "", []string{"Service default/gone is not there: requests for / of shop.example.org are answered 503"}},
		{"{name: many, port: {number: 81}}", 503, "", []string{"Service default/many has no port 81: requests for / of shop.example.org are answered 503"}},
		{"{name: many, port: {name: http}}", 503, "", []string{"Service default/many has no port called http: requests for / of shop.example.org are answered 503"}},
		{"{name: far, port: {number: 80}}", 503, "", []string{"Service default/far is of type ExternalName, which no door leads to; write down its addresses in an EndpointSlice of a Service without a selector: requests for / of shop.example.org are answered 503"}},
		{"{name: many, port: {number: 80}}", 0, "", nil},
		{"{name: h2c, port: {number: 80}}", 0, "h2c", nil},
		{"{name: tls, port: {number: 80}}", 0, "https", nil},
		{"{name: ws, port: {number: 80}}", 0, "", nil},
	} {
		i := ingress("web", "rules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: "+c.backend+"}}]}}]")
		table, _, said := route.Build(route.Want{Net: net, Services: services, Doors: &route.DoorWant{Offer: offer, Nodes: []string{"n1"}, Ingresses: []manifest.Ingress{i}}})
		to := table.Doors.Ports[0].Hosts[0].Rules[0].To[0]
		same(t, c.backend, c.why, said[0].Why)
		same(t, c.backend, []any{c.status, c.protocol}, []any{to.Status, to.Protocol})
	}
}

func TestOfWhatAnotherHasNothingElseIsSaid(t *testing.T) {
	gone := ingress("zoo", "defaultBackend: {service: {name: gone, port: {number: 80}}}\nrules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}]}}]")
	_, _, said := route.Build(route.Want{Net: net, Services: []manifest.Service{service("web")}, Doors: &route.DoorWant{
		Offer: offer, Nodes: []string{"n1"}, Ingresses: []manifest.Ingress{gone, toWeb("web", "shop.example.org", "Prefix", "/")},
	}})
	same(t, "zoo", []string{"/ of shop.example.org is Ingress default/web's, which had it first: ask for another path or host, or remove it there", "Service default/gone is not there: requests for / of any host are answered 503"}, said[1].Why)
}

func TestAPortOfHostsIsAServicesOrTheDoors(t *testing.T) {
	lb := service("lb")
	lb.Balanced = true
	w := route.Want{Net: net, Services: []manifest.Service{lb, service("web")}, Doors: &route.DoorWant{Offer: offer, Nodes: []string{"n1"}, Ingresses: []manifest.Ingress{toWeb("web", "", "Prefix", "/")}}}
	table, _, said := route.Build(w)
	same(t, "the Service has it", []string{"port 80 of hosts is Service default/lb's: free it to have this served there"}, said[0].Why)
	same(t, "the Service has it", []string(nil), shown(table))
	w.Services = w.Services[1:]
	before, _, _ := route.Build(w)
	w.Services, w.Before = []manifest.Service{lb, service("web")}, &before
	table, services, _ := route.Build(w)
	same(t, "the doors have it", []string{"80 any Prefix / -> web:80"}, shown(table))
	same(t, "the doors have it", "hosts' port 80/tcp is one at which doors serve; ask for another, or for an address with loadBalancerIP", services[0].Why)
}

func TestMuchThatIsForAllHostsCostsNothingWhereAHostHasARuleForAll(t *testing.T) {
	wide := toWeb("wide", "", "Prefix", "/p")
	paths := &wide.Object.Spec.Rules[0].HTTP.Paths
	for i := range 10_000 {
		one := (*paths)[0]
		one.Path = fmt.Sprint("/p", i)
		*paths = append(*paths, one)
	}
	all := []manifest.Ingress{wide}
	for i := range 3000 {
		all = append(all, toWeb(fmt.Sprint("w", i), fmt.Sprintf("h%d.example.org", i), "Prefix", "/"))
	}
	table, _ := doorsOf(route.DoorWant{Ingresses: all}, nil)
	if hosts := table.Doors.Ports[0].Hosts; len(hosts) != 3001 || len(hosts[0].Rules) != 1 || len(hosts[3000].Rules) != 10_001 {
		t.Errorf("%d hosts", len(hosts))
	}
}

func TestAnIngressLeadsARolloutsShareToItsOtherService(t *testing.T) {
	i := toWeb("shop", "shop.example.org", "Prefix", "/")
	i.Manner.Host, i.Manner.Protocol = "inside.example.org", "GRPC"
	w := route.DoorWant{Ingresses: []manifest.Ingress{i}, Shares: []route.Share{{Of: i.ID, Namespace: "default", Service: "v2", Rest: "web", Part: 20}}}
	table, said := doorsOf(w, nil)
	backend := func(service string, weight int) route.DoorBackend {
		return route.DoorBackend{Namespace: "default", Service: service, Port: 80, Weight: weight, Host: "inside.example.org", Protocol: "h2c"}
	}
	same(t, "both", []route.DoorBackend{backend("web", 80), backend("v2", 20)}, table.Doors.Ports[0].Hosts[0].Rules[0].To)
	same(t, "both", []string(nil), said["Ingress/default/shop"].Why)
	w.Shares[0].Service = "gone"
	table, said = doorsOf(w, nil)
	same(t, "one that is not there", []route.DoorBackend{backend("web", 1)}, table.Doors.Ports[0].Hosts[0].Rules[0].To)
	same(t, "one that is not there", []string{"Service default/gone is not there: it has no share of the requests for / of shop.example.org"}, said["Ingress/default/shop"].Why)
}
