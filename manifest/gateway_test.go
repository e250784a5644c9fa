package manifest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// ofKind is an object of the Gateway API called x, whose spec is that.
func ofKind(kind, spec string) string {
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: " + kind + "\nmetadata: {name: x}\nspec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n"
}

func gatewayOf(listeners string) string {
	return ofKind("Gateway", "gatewayClassName: podkeep\nlisteners: ["+listeners+"]")
}

// toldDoor is what of the Gateway API a set holds, as JSON, an object a line.
func toldDoor(t *testing.T, s Set) string {
	t.Helper()
	var specs []any
	for _, x := range s.GatewayClasses {
		specs = append(specs, x.Object.Spec)
	}
	for _, x := range s.Gateways {
		specs = append(specs, x.Object.Spec)
	}
	for _, x := range s.HTTPRoutes {
		specs = append(specs, x.Object.Spec)
	}
	for _, x := range s.ReferenceGrants {
		specs = append(specs, x.Object.Spec)
	}
	var lines []string
	for _, spec := range specs {
		text, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	return strings.Join(lines, "\n")
}

// refusedAs fails unless nothing loads, nobody is held up, and that is what is said, in so many lines.
func refusedAs(t *testing.T, name, text, want string) {
	t.Helper()
	s := set("c1", "x.yaml", text)
	var said []string
	for _, p := range s.Problems {
		if !p.Lost || !p.Refuses() || p.Hides() || p.Line < 1 {
			t.Errorf("%s: it holds up others, or stands nowhere: %+v", name, p)
		}
		_, without, _ := strings.Cut(p.brief(), "/x: ")
		said = append(said, without)
	}
	if got := strings.Join(said, "\n"); toldDoor(t, s) != "" || got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// noticedAs fails unless it loads, and that is said beside it.
func noticedAs(t *testing.T, name, text, want string) {
	t.Helper()
	s := set("c1", "x.yaml", text)
	if toldDoor(t, s) == "" || len(s.Problems) != 1 || !s.Problems[0].Notice || s.Problems[0].Lost || !strings.HasSuffix(s.Problems[0].brief(), "/x: "+want) {
		t.Errorf("%s: got %v, want %s", name, s.Problems, want)
	}
}

func TestWhatAGatewayLeavesOutIsFilledIn(t *testing.T) {
	const same = `"allowedRoutes":{"namespaces":{"from":"Same"}}`
	for name, c := range map[string]struct{ text, want string }{
		"a listener": {gatewayOf("{name: http, port: 80, protocol: HTTP}"),
			`{"gatewayClassName":"podkeep","listeners":[{"name":"http","port":80,"protocol":"HTTP",` + same + `}]}`},
		"one with TLS": {gatewayOf("{name: a, hostname: '*.example.org', port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c, namespace: n}]}}"),
			`{"gatewayClassName":"podkeep","listeners":[{"name":"a","hostname":"*.example.org","port":443,"protocol":"HTTPS",` +
				`"tls":{"mode":"Terminate","certificateRefs":[{"group":"","kind":"Secret","name":"c","namespace":"n"}]},` + same + `}]}`},
		"who may attach": {gatewayOf("{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}, kinds: [{kind: HTTPRoute}]}}"),
			`{"gatewayClassName":"podkeep","listeners":[{"name":"http","port":80,"protocol":"HTTP","allowedRoutes":{"namespaces":{"from":"Selector","selector":{"matchLabels":{"a":"b"}}},` +
				`"kinds":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute"}]}}]}`},
		"what is said of none": {ofKind("Gateway", "gatewayClassName: podkeep\ndefaultScope: None\nallowedListeners: {namespaces: {from: None}}\nlisteners: [{name: http, port: 80, protocol: HTTP}]"),
			`{"gatewayClassName":"podkeep","listeners":[{"name":"http","port":80,"protocol":"HTTP",` + same + `}],"allowedListeners":{"namespaces":{"from":"None"}},"defaultScope":"None"}`},
	} {
		if got := toldDoor(t, load(t, "x.yaml", c.text)); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestAGatewayThatIsRefusedSaysByWhichField(t *testing.T) {
	tls := func(tls string) string { return gatewayOf("{name: a, port: 443, protocol: HTTPS, tls: " + tls + "}") }
	http := func(more string) string { return gatewayOf("{name: a, port: 80, protocol: HTTP, " + more + "}") }
	beside := func(field string) string {
		return ofKind("Gateway", "gatewayClassName: podkeep\nlisteners: [{name: a, port: 80, protocol: HTTP}]\n"+field)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no class":               {ofKind("Gateway", "listeners: [{name: a, port: 80, protocol: HTTP}]"), "spec.gatewayClassName: is missing; write a name, such as podkeep"},
		"no listener":            {gatewayOf(""), "spec.listeners: is missing; write at least one, such as {name: http, protocol: HTTP, port: 80}"},
		"no name":                {gatewayOf("{port: 80, protocol: HTTP}"), "spec.listeners[0].name: is missing; write a name, such as http"},
		"no port":                {gatewayOf("{name: a, protocol: HTTP}"), "spec.listeners[0].port: 0 is not between 1 and 65535"},
		"no protocol":            {gatewayOf("{name: a, port: 80}"), "spec.listeners[0].protocol: is missing; write HTTP, HTTPS"},
		"a protocol of nobody's": {gatewayOf("{name: a, port: 80, protocol: http}"), `spec.listeners[0].protocol: "http" is not one of HTTP, HTTPS; did you mean "HTTP"?`},
		"one name twice":         {gatewayOf("{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}"), "spec.listeners[1].name: a is another listener's too; give each its own"},
		"one place twice": {gatewayOf("{name: a, port: 80, protocol: HTTP, hostname: a.org}, {name: b, port: 80, protocol: HTTP, hostname: a.org}"),
			"spec.listeners[1]: another listener has the same port, protocol and hostname; change one, or remove it"},
		"an address as hostname": {http("hostname: 192.0.2.1"), "spec.listeners[0].hostname: 192.0.2.1 is an address; write a name, or remove it"},
		"a lone wildcard": {http(`hostname: "*"`), `spec.listeners[0].hostname: "*": a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, ` +
			`which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character`},
		"TLS without certificates": {tls("{}"), "spec.listeners[0].tls.certificateRefs: is missing; name the Secret that holds the certificate, such as {name: shop-tls}"},
		"HTTPS without TLS": {gatewayOf("{name: a, port: 443, protocol: HTTPS}"),
			"spec.listeners[0].tls: is missing; write the Secret that holds the certificate, such as {certificateRefs: [{name: shop-tls}]}"},
		"HTTP with TLS":          {http("tls: {certificateRefs: [{name: c}]}"), "spec.listeners[0].tls: goes with no protocol HTTP; remove it, or write protocol: HTTPS"},
		"TLS passed on":          {tls("{mode: Passthrough, certificateRefs: [{name: c}]}"), `spec.listeners[0].tls.mode: "Passthrough" is not Terminate, which it must be here`},
		"options of TLS":         {tls("{certificateRefs: [{name: c}], options: {a.org/b: c}}"), "spec.listeners[0].tls.options: is not supported yet; remove it: doors speak TLS 1.2 and 1.3"},
		"no Secret":              {tls("{certificateRefs: [{kind: ConfigMap, name: c}]}"), "spec.listeners[0].tls.certificateRefs[0].kind: ConfigMap is not supported; write Secret: certificates are in Secrets"},
		"another group's Secret": {tls("{certificateRefs: [{group: a.org, name: c}]}"), `spec.listeners[0].tls.certificateRefs[0].group: "a.org" is not supported; remove it: certificates are in Secrets`},
		"routes from nowhere":    {http("allowedRoutes: {namespaces: {from: Other}}"), `spec.listeners[0].allowedRoutes.namespaces.from: "Other" is not one of Same, All, Selector`},
		"no selector": {http("allowedRoutes: {namespaces: {from: Selector}}"),
			"spec.listeners[0].allowedRoutes.namespaces.selector: is missing; write the labels of the Namespaces that are meant, or from: All"},
		"a kind without name": {http("allowedRoutes: {kinds: [{}]}"), "spec.listeners[0].allowedRoutes.kinds[0].kind: is missing; write HTTPRoute"},
		"addresses": {beside("addresses: [{value: 192.0.2.1}]"),
			"spec.addresses: is not supported yet; remove it: listeners are at the addresses of all nodes that have a door; label podkeep.io/ingress of Nodes says which have"},
		"clients' certificates": {beside("tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: a}]}}}}"),
			"spec.tls: is not supported yet; remove it: clients are not asked for certificates, and pods are shown none"},
		"listeners elsewhere": {beside("allowedListeners: {namespaces: {from: Same}}"),
			`spec.allowedListeners: is not supported yet; remove it or write {"namespaces":{"from":"None"}}: write the listeners here`},
		"a default":           {beside("defaultScope: All"), `spec.defaultScope: is not supported yet; remove it or write "None": name the Gateway in each route's parentRefs`},
		"parameters":          {beside("infrastructure: {parametersRef: {group: a.org, kind: B, name: c}}"), "spec.infrastructure.parametersRef: is not supported yet; remove it: flags of whoever runs podkeep say how doors are set up"},
		"a field of nobody's": {beside("listener: []"), `spec.listener: unknown field "listener"; did you mean "listeners"?`},
		"a word for ACME": {strings.Replace(http(""), "{name: x}", "{name: x, annotations: {kubernetes.io/tls-acme: please}}", 1),
			`metadata.annotations[kubernetes.io/tls-acme]: "please" is not one of true, false`},
		"suspending": {strings.Replace(http(""), "{name: x}", "{name: x, annotations: {podkeep.io/suspend: 'true'}}", 1),
			"metadata.annotations[podkeep.io/suspend]: means nothing on a Gateway"},
	} {
		refusedAs(t, name, c.text, c.want)
	}
}

func TestAGatewaySaysWhatOfItIsNotServed(t *testing.T) {
	const beside = "{name: a, port: 80, protocol: HTTP}"
	for name, c := range map[string]struct{ text, want string }{
		"a listener of TCP": {gatewayOf(beside + ", {name: b, port: 5432, protocol: TCP, allowedRoutes: {kinds: [{kind: TCPRoute}]}}"),
			"listener b is not opened: protocol TCP is not supported yet; write HTTP or HTTPS, or remove the listener: a Service of type LoadBalancer opens any port"},
		"one that passes TLS on": {gatewayOf(beside + ", {name: b, port: 443, protocol: TLS, tls: {mode: Passthrough}}"),
			"listener b is not opened: protocol TLS is not supported yet; write HTTP or HTTPS, or remove the listener: a Service of type LoadBalancer opens any port"},
		"routes of gRPC": {gatewayOf("{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}"),
			"spec.listeners[0].allowedRoutes.kinds[0]: gateway.networking.k8s.io/GRPCRoute is not supported yet: only HTTPRoutes attach to listeners"},
		"a selector of no use": {gatewayOf("{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All, selector: {}}}}"),
			"spec.listeners[0].allowedRoutes.namespaces.selector: has no effect: write from: Selector, or remove it"},
		"labels": {ofKind("Gateway", "gatewayClassName: podkeep\ninfrastructure: {labels: {a: b}}\nlisteners: ["+beside+"]"),
			"spec.infrastructure.labels: nothing is made for a Gateway alone that could have labels or annotations"},
		"another's class": {strings.Replace(gatewayOf(beside), "podkeep", "istio", 1),
			"nothing is done for it: no GatewayClass istio says that it is for podkeep.io/gateway; write podkeep, or such a GatewayClass"},
		"another's GatewayClass": {ofKind("GatewayClass", "controllerName: a.org/b\nparametersRef: {group: a.org, kind: B, name: c}"),
			"nothing is done for it: it is for controller a.org/b; write podkeep.io/gateway to have its Gateways served"},
	} {
		noticedAs(t, name, c.text, c.want)
	}
}

func TestAGatewayIsOfAClassOfOursWhereverThatStands(t *testing.T) {
	gateway := strings.Replace(gatewayOf("{name: a, port: 80, protocol: HTTP}"), "podkeep", "x", 1)
	class := ofKind("GatewayClass", "controllerName: podkeep.io/gateway\ndescription: ours")
	s := load(t, "a.yaml", gateway, "b.yaml", class)
	if len(s.Gateways) != 1 || len(s.GatewayClasses) != 1 || !s.GatewayClasses[0].Ours || s.GatewayClasses[0].Namespace != "" {
		t.Errorf("%+v", s.GatewayClasses)
	}
	broken := strings.Replace(class, "description", "descriptio", 1)
	if s := set("c", "a.yaml", gateway, "b.yaml", broken); len(s.Problems) != 1 || len(s.Gateways) != 1 {
		t.Errorf("whose the class is cannot be known: %v", s.Problems)
	}
	for name, c := range map[string]struct{ spec, want string }{
		"no controller":         {"{}", "spec.controllerName: is missing; write podkeep.io/gateway"},
		"a controller's name":   {"controllerName: podkeep", `spec.controllerName: "podkeep" is no controller's name; write podkeep.io/gateway`},
		"parameters":            {"controllerName: podkeep.io/gateway\nparametersRef: {group: a.org, kind: B, name: c}", "spec.parametersRef: is not supported yet; remove it: flags of whoever runs podkeep say how doors are set up"},
		"a long description":    {"controllerName: podkeep.io/gateway\ndescription: " + strings.Repeat("a", longestDescription+1), "spec.description: has more than 64 letters; write a shorter one"},
		"a controller too long": {"controllerName: a.org/" + strings.Repeat("a", longestControllerName), `spec.controllerName: "a.org/` + strings.Repeat("a", longestControllerName) + `" is no controller's name; write podkeep.io/gateway`},
	} {
		refusedAs(t, name, ofKind("GatewayClass", c.spec), c.want)
	}
}

func TestAGatewayAsksForCertificatesByItsAnnotations(t *testing.T) {
	for annotations, want := range map[string]bool{
		"": false, "kubernetes.io/tls-acme: 'false'": false, "kubernetes.io/tls-acme: 'true'": true,
		"cert-manager.io/issuer: a": true, "cert-manager.io/cluster-issuer: letsencrypt": true, "cert-manager.io/issuer: ''": false,
	} {
		s := load(t, "x.yaml", strings.Replace(gatewayOf("{name: a, port: 80, protocol: HTTP}"), "{name: x}", "{name: x, annotations: {"+annotations+"}}", 1))
		if s.Gateways[0].ACME != want {
			t.Errorf("%s: %v", annotations, s.Gateways[0].ACME)
		}
	}
}

func TestAReferenceGrantSaysWhatItAllows(t *testing.T) {
	grant := func(from, to string) string { return ofKind("ReferenceGrant", "from: ["+from+"]\nto: ["+to+"]") }
	const from, to = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a}", "{group: '', kind: Service}"
	const want = `{"from":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","namespace":"a"}],"to":[{"group":"","kind":"Service"}]}`
	for _, version := range []string{"/v1\n", "/v1beta1\n"} {
		if got := toldDoor(t, load(t, "x.yaml", strings.Replace(grant(from, to), "/v1\n", version, 1))); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"nobody":           {grant("", to), "spec.from: is missing; write who may refer, such as {group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}"},
		"to nothing":       {grant(from, ""), `spec.to: is missing; write to what, such as {group: "", kind: Service}`},
		"from nowhere":     {grant("{group: gateway.networking.k8s.io, kind: Gateway}", to), "spec.from[0].namespace: is missing; write from which namespace they may refer"},
		"no kind":          {grant("{group: gateway.networking.k8s.io, namespace: a}", to), "spec.from[0].kind: is missing; write HTTPRoute or Gateway"},
		"to what no kind":  {grant(from, "{group: ''}"), "spec.to[0].kind: is missing; write Service or Secret"},
		"to what no name":  {grant(from, "{group: '', kind: Service, name: ''}"), "spec.to[0].name: is missing; write a name, such as web"},
		"an older version": {strings.Replace(grant(from, to), "/v1\n", "/v1alpha2\n", 1), "apiVersion: gateway.networking.k8s.io/v1alpha2 has no kind ReferenceGrant; write gateway.networking.k8s.io/v1beta1"},
	} {
		refusedAs(t, name, c.text, c.want)
	}
	const none = ".kind: has no effect: HTTPRoutes refer to Services and Gateways to Secrets of other namespaces, and nothing else does"
	noticedAs(t, "from another kind", grant("{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: a}", to), "spec.from[0]"+none)
	noticedAs(t, "to a misspelt group", grant(from, "{group: core, kind: Service}"), "spec.to[0]"+none)
}

func TestWhatDoorsServeKeepsItsLastFormAndHoldsNobodyUp(t *testing.T) {
	good := map[string]string{
		"GatewayClass":   ofKind("GatewayClass", "controllerName: podkeep.io/gateway"),
		"Gateway":        gatewayOf("{name: a, port: 80, protocol: HTTP}"),
		"HTTPRoute":      routeOf("backendRefs: [{name: web, port: 80}]"),
		"ReferenceGrant": ofKind("ReferenceGrant", "from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a}]\nto: [{group: '', kind: Service}]"),
	}
	for kind, text := range good {
		typo, other := strings.Replace(text, "spec:", "spec:\n  typo: 1", 1), "---\n"+deployment("web", "nginx:2")
		for name, c := range map[string]struct {
			head Set
			line []Set
			want int
		}{
			"it loads":                       {set("h", "x.yaml", text), []Set{set("p", "x.yaml", text)}, 1},
			"a field is refused":             {set("h", "x.yaml", typo+other), []Set{set("p", "x.yaml", text)}, 1},
			"its file is torn":               {set("h", "x.yaml", torn), []Set{set("p", "x.yaml", text)}, 1},
			"it was taken out":               {set("h", "x.yaml", other), []Set{set("p", "x.yaml", text+other)}, 0},
			"it never loaded":                {set("h", "x.yaml", typo), []Set{set("p", "y.yaml", other)}, 0},
			"it came back, and did not load": {set("h", "x.yaml", typo), []Set{set("p2", "y.yaml", other), set("p", "x.yaml", text)}, 0},
		} {
			want := c.head.After(c.line...).Want()
			metas := []*Meta{}
			for i := range want.GatewayClasses {
				metas = append(metas, &want.GatewayClasses[i].Meta)
			}
			for i := range want.Gateways {
				metas = append(metas, &want.Gateways[i].Meta)
			}
			for i := range want.HTTPRoutes {
				metas = append(metas, &want.HTTPRoutes[i].Meta)
			}
			for i := range want.ReferenceGrants {
				metas = append(metas, &want.ReferenceGrants[i].Meta)
			}
			if len(metas) != c.want || c.want == 1 && (metas[0].Held == "") != (name == "it loads") {
				t.Errorf("%s: %s: %v", kind, name, metas)
			}
			if len(want.broken()) > 0 && name != "its file is torn" {
				t.Errorf("%s: %s: it holds up others: %v", kind, name, want.Problems)
			}
			if name == "a field is refused" && (len(want.Workloads) != 1 || want.Workloads[0].Held != "") {
				t.Errorf("%s: what stands beside it waits for it", kind)
			}
		}
	}
}

func TestTheGatewayAPIsBoundsAreExact(t *testing.T) {
	many := func(n int, format string) string {
		var all []string
		for i := range n {
			all = append(all, strings.ReplaceAll(format, "#", fmt.Sprint(i+1)))
		}
		return strings.Join(all, ", ")
	}
	rule := func(n int, field, format string) string {
		return routeOf("backendRefs: [{name: web, port: 80}]\n" + field + ": [" + many(n, format) + "]")
	}
	match := func(n int, field, format string) string {
		return routeOf("backendRefs: [{name: web, port: 80}]\nmatches: [{" + field + ": [" + many(n, format) + "]}]")
	}
	filter := func(n int, field, format string) string {
		return routeOf("backendRefs: [{name: web, port: 80}]\nfilters: [{type: RequestHeaderModifier, requestHeaderModifier: {" + field + ": [" + many(n, format) + "]}}]")
	}
	value := func(before, after string) func(int) string {
		return func(n int) string {
			return routeOf("backendRefs: [{name: web, port: 80}]\n" + before + strings.Repeat("a", n) + after)
		}
	}
	for name, c := range map[string]struct {
		most int
		of   func(n int) string
	}{
		"listeners": {mostListeners, func(n int) string { return gatewayOf(many(n, "{name: a#, port: #, protocol: HTTP}")) }},
		"certificates": {mostCertificates, func(n int) string {
			return gatewayOf("{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [" + many(n, "{name: a#}") + "]}}")
		}},
		"kinds": {mostAllowedKinds, func(n int) string {
			return gatewayOf("{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [" + many(n, "{kind: HTTPRoute}") + "]}}")
		}},
		"grants": {mostGranted, func(n int) string {
			return ofKind("ReferenceGrant", "to: [{group: '', kind: Service}]\nfrom: ["+many(n, "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a#}")+"]")
		}},
		"parents": {mostParents, func(n int) string {
			return ofKind("HTTPRoute", "rules: [{backendRefs: [{name: web, port: 80}]}]\nparentRefs: ["+many(n, "{name: a#}")+"]")
		}},
		"hostnames": {mostHostnames, func(n int) string {
			return ofKind("HTTPRoute", "parentRefs: [{name: a}]\nrules: [{backendRefs: [{name: web, port: 80}]}]\nhostnames: ["+many(n, "a#.org")+"]")
		}},
		"rules": {mostRules, func(n int) string {
			return ofKind("HTTPRoute", "parentRefs: [{name: a}]\nrules: ["+many(n, "{backendRefs: [{name: web, port: 80}]}")+"]")
		}},
		"matches of a rule": {mostMatches, func(n int) string { return rule(n, "matches", "{path: {value: /#}}") }},
		"matches together": {mostMatchesAll, func(n int) string {
			rest := "{backendRefs: [{name: web, port: 80}], matches: [" + many(n-2*mostMatches+1, "{path: {value: /#}}") + "]}"
			full := "{backendRefs: [{name: web, port: 80}], matches: [" + many(mostMatches, "{path: {value: /#}}") + "]}"
			short := "{backendRefs: [{name: web, port: 80}], matches: [" + many(mostMatches-1, "{path: {value: /#}}") + "]}"
			return ofKind("HTTPRoute", "parentRefs: [{name: a}]\nrules: ["+full+", "+short+", "+rest+"]")
		}},
		"headers":    {mostConditions, func(n int) string { return match(n, "headers", "{name: a#, value: b}") }},
		"parameters": {mostConditions, func(n int) string { return match(n, "queryParams", "{name: a#, value: b}") }},
		"backends": {mostBackends, func(n int) string {
			return ofKind("HTTPRoute", "parentRefs: [{name: a}]\nrules: [{backendRefs: ["+many(n, "{name: web#, port: 80}")+"]}]")
		}},
		"headers that are set":     {mostHeaders, func(n int) string { return filter(n, "set", "{name: a#, value: b}") }},
		"headers that are added":   {mostHeaders, func(n int) string { return filter(n, "add", "{name: a#, value: b}") }},
		"headers that are removed": {mostHeaders, func(n int) string { return filter(n, "remove", "a#") }},
		"a weight": {mostWeight, func(n int) string {
			return ofKind("HTTPRoute", fmt.Sprintf("parentRefs: [{name: a}]\nrules: [{backendRefs: [{name: web, port: 80, weight: %d}]}]", n))
		}},
		"a path":               {longestPath - 1, value("matches: [{path: {value: /", "}}]")},
		"a header":             {longestHeader, value("matches: [{headers: [{name: a, value: ", "}]}]")},
		"a parameter":          {longestQuery, value("matches: [{queryParams: [{name: a, value: ", "}]}]")},
		"a header's name":      {longestHeaderName, value("matches: [{headers: [{value: a, name: ", "}]}]")},
		"a header that is set": {longestHeader, value("filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: ", "}]}}]")},
		"a path in its place":  {longestPath - 1, value("filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /", "}}}]")},
		"a class' controller":  {longestControllerName, func(n int) string { return ofKind("GatewayClass", "controllerName: a/"+strings.Repeat("a", n-2)) }},
		"a class' description": {longestDescription, func(n int) string {
			return ofKind("GatewayClass", "controllerName: podkeep.io/gateway\ndescription: "+strings.Repeat("a", n))
		}},
		"a name of a namespace": {63, func(n int) string {
			return ofKind("HTTPRoute", "parentRefs: [{name: a, namespace: "+strings.Repeat("a", n)+"}]\nrules: [{backendRefs: [{name: web, port: 80}]}]")
		}},
	} {
		if s := set("c", "x.yaml", c.of(c.most)); toldDoor(t, s) == "" {
			t.Errorf("%s: %d: %v", name, c.most, s.Problems)
		}
		if s := set("c", "x.yaml", c.of(c.most+1)); len(s.Problems) != 1 || toldDoor(t, s) != "" {
			t.Errorf("%s: one more than %d: %v", name, c.most, s.Problems)
		}
	}
}
