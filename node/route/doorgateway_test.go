package route_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

const allHTTP = "listeners: [{name: web, port: 80, protocol: HTTP}]"

// to is a route of Gateway web with those rules.
func to(id, hostnames, rules string) manifest.HTTPRoute {
	spec := "parentRefs: [{name: web}]\n"
	if hostnames != "" {
		spec += "hostnames: [" + hostnames + "]\n"
	}
	return httpRoute(id, spec+"rules:\n"+strings.TrimSpace(rules))
}

func path(of, service string) string {
	kind := "PathPrefix"
	if exact, is := strings.CutPrefix(of, "="); is {
		kind, of = "Exact", exact
	}
	return fmt.Sprintf("- {matches: [{path: {type: %s, value: %s}}], backendRefs: [{name: %s, port: 80}]}\n", kind, of, service)
}

// conditions are TYPE=STATUS REASON.
func conditions(all []route.DoorCondition) (words []string) {
	for _, c := range all {
		words = append(words, c.Type+"="+c.Status+" "+c.Reason)
	}
	return words
}

// The cases are those of the Gateway API's conformance tests HTTPRoutePathMatchOrder, HTTPRouteMatching and HTTPRouteMatchingAcrossRoutes.
func TestMatchesAreAskedAsTheGatewayAPISays(t *testing.T) {
	for _, c := range []struct {
		name   string
		routes []manifest.HTTPRoute
		want   []string
	}{
		{"paths", []manifest.HTTPRoute{to("web", "", path("=/match", "v1")+path("=/match/exact", "v2")+path("=/match/exact/one", "v3")+path("/match/", "v3")+path("/match/prefix/", "v1")+path("/match/prefix/one", "v2"))}, []string{
			"80 any Exact /match/exact/one -> v3:80", "80 any Exact /match/exact -> v2:80", "80 any Exact /match -> v1:80",
			"80 any Prefix /match/prefix/one -> v2:80", "80 any Prefix /match/prefix -> v1:80", "80 any Prefix /match -> v3:80",
		}},
		{"across routes", []manifest.HTTPRoute{
			to("part1", "example.com, example.net", "- {matches: [{path: {value: /}}, {headers: [{name: version, value: one}]}], backendRefs: [{name: v1, port: 80}]}"),
			to("part2", "example.com", "- {matches: [{path: {value: /v2}}, {headers: [{name: version, value: two}]}], backendRefs: [{name: v2, port: 80}]}"),
		}, []string{
			"80 example.com Prefix /v2 -> v2:80", "80 example.com Prefix / version=one -> v1:80", "80 example.com Prefix / version=two -> v2:80", "80 example.com Prefix / -> v1:80",
			"80 example.net Prefix / version=one -> v1:80", "80 example.net Prefix / -> v1:80",
		}},
		{"methods, headers, parameters", []manifest.HTTPRoute{to("web", "", `
- {matches: [{path: {value: /a}, queryParams: [{name: q, value: "1"}, {name: r, value: "2"}]}], backendRefs: [{name: v1, port: 80}]}
- {matches: [{path: {value: /a}, headers: [{name: h, value: "1"}]}], backendRefs: [{name: v2, port: 80}]}
- {matches: [{path: {value: /a}, headers: [{name: h, value: "1"}], queryParams: [{name: q, value: "1"}]}], backendRefs: [{name: v2, port: 80}]}
- {matches: [{path: {value: /a}, method: GET}], backendRefs: [{name: v3, port: 80}]}
- {matches: [{path: {value: /a}, headers: [{name: h, value: "1"}, {name: H, value: "2"}, {name: i, value: "3"}]}], backendRefs: [{name: v2, port: 80}]}
`)}, []string{
			"80 any GET Prefix /a -> v3:80", "80 any Prefix /a h=1 i=3 -> v2:80", "80 any Prefix /a h=1 q=1 -> v2:80", "80 any Prefix /a h=1 -> v2:80", "80 any Prefix /a q=1 r=2 -> v1:80",
		}},
		{"the first of equals in a route", []manifest.HTTPRoute{to("web", "", path("/", "v1")+path("/", "v2"))}, []string{"80 any Prefix / -> v1:80"}},
		{"the first of equal routes by name", []manifest.HTTPRoute{to("b", "", path("/", "v1")), to("a", "", path("/", "v2"))}, []string{"80 any Prefix / -> v2:80"}},
		{"names before wildcards, which are asked then", []manifest.HTTPRoute{to("a", `"*.example.com"`, path("/a", "v1")), to("b", "foo.example.com", path("/b", "v2")), to("c", "", path("/c", "v3"))}, []string{
			"80 foo.example.com Prefix /b -> v2:80", "80 foo.example.com Prefix /a -> v1:80", "80 foo.example.com Prefix /c -> v3:80",
			"80 **.example.com Prefix /a -> v1:80", "80 **.example.com Prefix /c -> v3:80", "80 any Prefix /c -> v3:80",
		}},
	} {
		table, _ := doorsOf(route.DoorWant{Gateways: []manifest.Gateway{gatewayOf("web", allHTTP)}, Routes: c.routes}, nil)
		same(t, c.name, c.want, shown(table))
	}
}

// The cases are those of the conformance test HTTPRouteHostnameIntersection.
func TestARouteIsServedUnderTheHostsThatItsListenersHaveToo(t *testing.T) {
	g := gatewayOf("web", `
listeners:
- {name: listener-1, port: 80, protocol: HTTP, hostname: very.specific.com}
- {name: listener-2, port: 80, protocol: HTTP, hostname: "*.wildcard.io"}
- {name: listener-3, port: 80, protocol: HTTP, hostname: "*.anotherwildcard.io"}
`)
	table, said := doorsOf(route.DoorWant{Gateways: []manifest.Gateway{g}, Routes: []manifest.HTTPRoute{
		to("s1", `non.matching.com, "*.nonmatchingwildcard.io", very.specific.com`, path("/s1", "v1")),
		to("s2", `non.matching.com, wildcard.io, foo.wildcard.io, foo.bar.wildcard.io`, path("/s2", "v2")),
		to("s3", `non.matching.com, "*.specific.com"`, path("/s3", "v3")),
		to("s4", `"*.anotherwildcard.io"`, path("/s4", "v1")),
		to("s5", `specific.but.wrong.com, wildcard.io`, path("/s5", "v2")),
	}}, nil)
	same(t, "rules", []string{
		"80 foo.bar.wildcard.io Prefix /s2 -> v2:80", "80 foo.wildcard.io Prefix /s2 -> v2:80",
		"80 very.specific.com Prefix /s1 -> v1:80", "80 very.specific.com Prefix /s3 -> v3:80", "80 **.anotherwildcard.io Prefix /s4 -> v1:80",
	}, shown(table))
	same(t, "what does not meet", []string{"Accepted=False NoMatchingListenerHostname", "ResolvedRefs=True ResolvedRefs"}, conditions(said["HTTPRoute/default/s5"].Parents[0].Conditions))
	same(t, "what does", []string{"Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"}, conditions(said["HTTPRoute/default/s1"].Parents[0].Conditions))
	var attached []int
	for _, l := range said["Gateway/default/web"].Listeners {
		attached = append(attached, l.Attached)
		same(t, l.Name, []string{"HTTPRoute"}, l.Kinds)
	}
	same(t, "attached", []int{2, 1, 1}, attached)
	same(t, "hosts", []string{"foo.bar.wildcard.io", "foo.wildcard.io"}, said["HTTPRoute/default/s2"].Hosts)
}

// The case is that of the conformance test GatewayHTTPListenerIsolation.
func TestRequestsComeByTheListenerForTheFewestNames(t *testing.T) {
	g := gatewayOf("web", `
listeners:
- {name: any, port: 80, protocol: HTTP}
- {name: wild, port: 80, protocol: HTTP, hostname: "*.example.com"}
- {name: foo, port: 80, protocol: HTTP, hostname: "*.foo.example.com"}
- {name: abc, port: 80, protocol: HTTP, hostname: abc.foo.example.com}
`)
	var routes []manifest.HTTPRoute
	for _, name := range strings.Fields("any wild foo abc") {
		routes = append(routes, httpRoute(name, "parentRefs: [{name: web, sectionName: "+name+"}]\nrules:\n"+path("/"+name, "v1")))
	}
	routes = append(routes, httpRoute("named", "parentRefs: [{name: web, sectionName: any}]\nhostnames: [bar.example.com, example.org]\nrules:\n"+path("/named", "v1")))
	table, _ := doorsOf(route.DoorWant{Gateways: []manifest.Gateway{g}, Routes: routes}, nil)
	same(t, "rules", []string{
		"80 abc.foo.example.com Prefix /abc -> v1:80", "80 example.org Prefix /named -> v1:80", "80 example.org Prefix /any -> v1:80",
		"80 **.foo.example.com Prefix /foo -> v1:80", "80 **.example.com Prefix /wild -> v1:80", "80 any Prefix /any -> v1:80",
	}, shown(table))
}

func TestWhichRoutesAListenerTakes(t *testing.T) {
	for _, c := range []struct{ listener, parent, want string }{
		{"", "{name: web, namespace: default}", "Accepted=False NotAllowedByListeners"},
		{"allowedRoutes: {namespaces: {from: All}}", "{name: web, namespace: default}", "Accepted=True Accepted"},
		{"allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: shop}}}}", "{name: web, namespace: default}", "Accepted=True Accepted"},
		{"allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}", "{name: web, namespace: default}", "Accepted=True Accepted"},
		{"allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: other}}}}", "{name: web, namespace: default}", "Accepted=False NotAllowedByListeners"},
		{"allowedRoutes: {namespaces: {from: All}, kinds: [{kind: TCPRoute}]}", "{name: web, namespace: default}", "Accepted=False NotAllowedByListeners"},
		{"allowedRoutes: {namespaces: {from: All}}", "{name: web, namespace: default, sectionName: main, port: 80}", "Accepted=True Accepted"},
		{"allowedRoutes: {namespaces: {from: All}}", "{name: web, namespace: default, sectionName: other}", "Accepted=False NoMatchingParent"},
		{"allowedRoutes: {namespaces: {from: All}}", "{name: web, namespace: default, port: 81}", "Accepted=False NoMatchingParent"},
		{"allowedRoutes: {namespaces: {from: All}}", "{name: gone}", "Accepted=False NoMatchingParent"},
	} {
		g := gatewayOf("web", "listeners:\n- name: main\n  port: 80\n  protocol: HTTP\n  "+c.listener)
		r := httpRoute("shop/web", "parentRefs: ["+c.parent+"]\nrules:\n"+path("/", "db"))
		_, said := doorsOf(route.DoorWant{Gateways: []manifest.Gateway{g}, Routes: []manifest.HTTPRoute{r}, Namespaces: []manifest.Namespace{{Meta: manifest.Meta{ID: manifest.ID{Kind: "Namespace", Name: "shop"}, Labels: map[string]string{"team": "shop"}}}}}, nil)
		got := said["HTTPRoute/shop/web"]
		same(t, c.listener+c.parent, c.want, conditions(got.Parents[0].Conditions)[0])
		if len(got.Why) == 0 != strings.HasSuffix(c.want, "Accepted") {
			t.Errorf("%s %s: %v", c.listener, c.parent, got.Why)
		}
	}
}

func TestWhatComesOfListeners(t *testing.T) {
	tls := func(more string) string {
		return "listeners: [{name: a, port: 443, protocol: HTTPS, hostname: a.example.org, tls: {certificateRefs: [" + more + "]}}]"
	}
	beside := func(another string) string {
		return strings.TrimSuffix(tls("{name: web-tls}"), "]") + ", " + another + "]"
	}
	broken := signed("web-tls", "a.example.org")
	broken.Data["tls.key"] = signed("x").Data["tls.key"]
	good := []manifest.Secret{signed("web-tls", "a.example.org"), signed("shop/web-tls", "a.example.org")}
	fine := []string{"Accepted=True Accepted", "Conflicted=False NoConflicts", "ResolvedRefs=True ResolvedRefs", "Programmed=True Programmed"}
	unresolved := func(reason, programmed string) []string {
		return []string{fine[0], fine[1], "ResolvedRefs=False " + reason, programmed}
	}
	conflicted := func(reason string) []string {
		return []string{"Accepted=False " + reason, "Conflicted=True " + reason, fine[2], "Programmed=False Invalid"}
	}
	for _, c := range []struct {
		name, spec string
		secrets    []manifest.Secret
		want       []string // of the first listener
		gateway    string
	}{
		{"HTTP", allHTTP, nil, fine, "True Accepted, True Programmed"},
		{"HTTPS", tls("{name: web-tls}"), good, fine, "True Accepted, True Programmed"},
		{"no Secret", tls("{name: gone}"), good, unresolved("InvalidCertificateRef", "Programmed=False Invalid"), "True Accepted, False Invalid"},
		{"a broken Secret", tls("{name: web-tls}"), []manifest.Secret{broken}, unresolved("InvalidCertificateRef", "Programmed=False Invalid"), "True Accepted, False Invalid"},
		{"no certificate", "listeners: [{name: a, port: 443, protocol: HTTPS}]", nil, unresolved("InvalidCertificateRef", "Programmed=False Invalid"), "True Accepted, False Invalid"},
		{"another kind", tls("{name: web-tls, kind: ConfigMap}"), good, unresolved("InvalidCertificateRef", "Programmed=False Invalid"), "True Accepted, False Invalid"},
		{"one of two", tls("{name: gone}, {name: web-tls}"), good, unresolved("InvalidCertificateRef", "Programmed=True Programmed"), "True Accepted, True Programmed"},
		{"another namespace", tls("{name: web-tls, namespace: shop}"), good, unresolved("RefNotPermitted", "Programmed=False Invalid"), "True Accepted, False Invalid"},
		{"a kind that is none", "listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}, {kind: HTTPRoute}]}}]", nil, unresolved("InvalidRouteKinds", "Programmed=True Programmed"), "True Accepted, True Programmed"},
		{"another protocol", "listeners: [{name: a, port: 80, protocol: TCP}]", nil, []string{"Accepted=False UnsupportedProtocol", fine[1], fine[2], "Programmed=False Invalid"}, "False ListenersNotValid, False Invalid"},
		{"UDP at the port of HTTPS", beside("{name: b, port: 443, protocol: UDP}"), good, fine, "True ListenersNotValid, True Programmed"},
		{"TLS that goes through, at the port of HTTPS", beside("{name: b, port: 443, protocol: TLS, hostname: db.example.org, tls: {mode: Passthrough}}"), good, fine, "True ListenersNotValid, True Programmed"},
		{"two protocols", "listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTPS, hostname: x.org, tls: {certificateRefs: [{name: web-tls}]}}]", good, conflicted("ProtocolConflict"), "False ListenersNotValid, False Invalid"},
		{"two alike, and one", "listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}, {name: c, port: 81, protocol: HTTP}]", nil, conflicted("HostnameConflict"), "True ListenersNotValid, True Programmed"},
		{"the port of SSH", "listeners: [{name: a, port: 22, protocol: HTTP}]", nil, []string{"Accepted=False PortUnavailable", fine[1], fine[2], "Programmed=False Invalid"}, "False ListenersNotValid, False Invalid"},
		{"a port of Ingresses", "listeners: [{name: a, port: 8443, protocol: HTTP}]", nil, conflicted("ProtocolConflict"), "False ListenersNotValid, False Invalid"},
	} {
		w := route.DoorWant{Offer: manifest.DoorOffer{HTTP: 8080, HTTPS: 8443}, Gateways: []manifest.Gateway{gatewayOf("web", c.spec)}, Secrets: c.secrets,
			Ingresses: []manifest.Ingress{withTLS(toWeb("web", "i.example.org", "Prefix", "/"), "web-tls", "i.example.org")}}
		_, said := doorsOf(w, nil)
		got := said["Gateway/default/web"]
		same(t, c.name, c.want, conditions(got.Listeners[0].Conditions))
		same(t, c.name, c.gateway, fmt.Sprintf("%s %s, %s %s", got.Conditions[0].Status, got.Conditions[0].Reason, got.Conditions[1].Status, got.Conditions[1].Reason))
		if all := c.gateway == "True Accepted, True Programmed" && strings.Join(c.want, " ") == strings.Join(fine, " "); all != (len(got.Why) == 0) {
			t.Errorf("%s: it says %q", c.name, got.Why)
		}
	}
	allowed := grant("shop/web", "from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}]\nto: [{group: '', kind: Secret, name: web-tls}]")
	_, said := doorsOf(route.DoorWant{Gateways: []manifest.Gateway{gatewayOf("web", tls("{name: web-tls, namespace: shop}"))}, Secrets: good, Grants: []manifest.ReferenceGrant{allowed}}, nil)
	same(t, "granted", fine, conditions(said["Gateway/default/web"].Listeners[0].Conditions))
	same(t, "secure", []string{"a.example.org"}, said["Gateway/default/web"].Secure)
}

func TestClassesOfGateways(t *testing.T) {
	g := gatewayOf("web", allHTTP)
	g.Object.Spec.GatewayClassName = "mine"
	r := to("web", "", path("/", "v1"))
	w := route.DoorWant{Gateways: []manifest.Gateway{g}, Routes: []manifest.HTTPRoute{r}}
	table, said := doorsOf(w, nil)
	if table.Doors != nil || said["HTTPRoute/default/web"].Ours || len(said["HTTPRoute/default/web"].Parents) > 0 {
		t.Errorf("%+v", said)
	}
	same(t, "no class", []string{"GatewayClass mine is not in Git, so it is another controller's: write gatewayClassName: podkeep to have it served"}, said["Gateway/default/web"].Why)
	w.GatewayClasses = []manifest.GatewayClass{{Meta: meta("GatewayClass", "/mine"), Ours: true}}
	table, said = doorsOf(w, nil)
	same(t, "ours", []string{"80 any Prefix / -> v1:80"}, shown(table))
	same(t, "ours", []string{"Accepted=True Accepted"}, conditions(said["GatewayClass//mine"].Conditions))
}
