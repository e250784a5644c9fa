package manifest

import (
	"strings"
	"testing"
)

// routeOf is a route of one rule.
func routeOf(rule string) string {
	return ofKind("HTTPRoute", "parentRefs: [{name: web}]\nrules:\n- "+strings.ReplaceAll(rule, "\n", "\n  "))
}

func TestWhatAnHTTPRouteLeavesOutIsFilledIn(t *testing.T) {
	const parent = `{"parentRefs":[{"group":"gateway.networking.k8s.io","kind":"Gateway","name":"web"}],"rules":[{`
	const all = `"matches":[{"path":{"type":"PathPrefix","value":"/"}}]`
	const web = `"backendRefs":[{"group":"","kind":"Service","name":"web","port":80,"weight":1}]`
	for name, c := range map[string]struct{ rule, want string }{
		"a backend": {"backendRefs: [{name: web, port: 80}]", all + "," + web},
		"no share":  {"backendRefs: [{name: web, port: 80, weight: 0, namespace: n}]", all + `,"backendRefs":[{"group":"","kind":"Service","name":"web","namespace":"n","port":80,"weight":0}]`},
		"a path":    {"matches: [{path: {value: /a}}]\nbackendRefs: [{name: web, port: 80}]", `"matches":[{"path":{"type":"PathPrefix","value":"/a"}}],` + web},
		"more than a path": {"matches: [{path: {type: RegularExpression, value: '/v[0-9]+'}, method: GET, headers: [{name: A, value: b}], queryParams: [{name: c, value: d.*, type: RegularExpression}]}]\nbackendRefs: [{name: web, port: 80}]",
			`"matches":[{"path":{"type":"RegularExpression","value":"/v[0-9]+"},"headers":[{"type":"Exact","name":"A","value":"b"}],"queryParams":[{"type":"RegularExpression","name":"c","value":"d.*"}],"method":"GET"}],` + web},
		"a redirect": {"filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]", all + `,"filters":[{"type":"RequestRedirect","requestRedirect":{"scheme":"https","statusCode":302}}]`},
		"a prefix in place of one": {"matches: [{path: {value: /a}}]\nfilters: [{type: URLRewrite, urlRewrite: {hostname: b.org, path: {type: ReplacePrefixMatch, replacePrefixMatch: ''}}}]\nbackendRefs: [{name: web, port: 80}]",
			`"matches":[{"path":{"type":"PathPrefix","value":"/a"}}],"filters":[{"type":"URLRewrite","urlRewrite":{"hostname":"b.org","path":{"type":"ReplacePrefixMatch","replacePrefixMatch":""}}}],` + web},
		"headers of a backend": {"backendRefs: [{name: web, port: 80, filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: A, value: b}], remove: [C]}}]}]",
			all + `,"backendRefs":[{"group":"","kind":"Service","name":"web","port":80,"weight":1,"filters":[{"type":"ResponseHeaderModifier","responseHeaderModifier":{"add":[{"name":"A","value":"b"}],"remove":["C"]}}]}]`},
		"times":            {"name: a\nbackendRefs: [{name: web, port: 80}]\ntimeouts: {request: 1m30s, backendRequest: 500ms}", `"name":"a",` + all + "," + web + `,"timeouts":{"request":"1m30s","backendRequest":"500ms"}`},
		"time without end": {"backendRefs: [{name: web, port: 80}]\ntimeouts: {request: 0s, backendRequest: 1h}", all + "," + web + `,"timeouts":{"request":"0s","backendRequest":"1h"}`},
	} {
		for _, version := range []string{"/v1\n", "/v1beta1\n"} {
			if got := toldDoor(t, load(t, "x.yaml", strings.Replace(routeOf(c.rule), "/v1\n", version, 1))); got != parent+c.want+"}]}" {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, parent+c.want+"}]}")
			}
		}
	}
}

func TestAnHTTPRouteThatIsRefusedSaysByWhichField(t *testing.T) {
	const to = "backendRefs: [{name: web, port: 80}]\n"
	spec := func(spec string) string {
		return ofKind("HTTPRoute", spec+"\nrules: [{backendRefs: [{name: web, port: 80}]}]")
	}
	match := func(m string) string { return routeOf(to + "matches: [" + m + "]") }
	path := func(kind, value string) string { return match("{path: {type: " + kind + ", value: '" + value + "'}}") }
	filter := func(f string) string { return routeOf(to + "filters: [" + f + "]") }
	backend := func(b string) string { return routeOf("backendRefs: [" + b + "]") }
	newPath := func(p string) string {
		return filter("{type: URLRewrite, urlRewrite: {path: {type: " + p + "}}}")
	}
	const atNew = "spec.rules[0].filters[0].urlRewrite.path."
	const at, atFilter = "spec.rules[0].matches[0].", "spec.rules[0].filters[0]."
	const needsOne = "ReplacePrefixMatch needs a rule with one match, whose path is of type PathPrefix; part the rule, or write ReplaceFullPath"
	for name, c := range map[string]struct{ text, want string }{
		"a Service as parent":        {spec("parentRefs: [{group: '', kind: Service, name: web}]"), "spec.parentRefs[0].kind: Service is not supported; write Gateway: requests come by Gateways alone"},
		"a parent without name":      {spec("parentRefs: [{}]"), "spec.parentRefs[0].name: is missing; write a name, such as web"},
		"a parent's port":            {spec("parentRefs: [{name: web, port: 0}]"), "spec.parentRefs[0].port: 0 is not between 1 and 65535"},
		"a parent twice":             {spec("parentRefs: [{name: web}, {name: web}]"), "spec.parentRefs[1]: is there twice; remove one, or write another sectionName"},
		"a parent, and part of it":   {spec("parentRefs: [{name: web}, {name: web, sectionName: a}]"), "spec.parentRefs[1]: another one names the same Gateway; write sectionName in both, or port in both"},
		"a default parent":           {spec("parentRefs: [{name: web}]\nuseDefaultGateways: All"), `spec.useDefaultGateways: is not supported yet; remove it or write "None": name the Gateway in parentRefs`},
		"an address as hostname":     {spec("parentRefs: [{name: web}]\nhostnames: ['::1']"), "spec.hostnames[0]: ::1 is an address; write a name, or remove it"},
		"a rule's name twice":        {ofKind("HTTPRoute", "parentRefs: [{name: web}]\nrules: [{name: a, backendRefs: [{name: web, port: 80}]}, {name: a, backendRefs: [{name: web, port: 80}]}]"), "spec.rules[1].name: a is another rule's too; give each its own"},
		"a path of nobody's":         {path("Prefix", "/a"), `spec.rules[0].matches[0].path.type: "Prefix" is not one of Exact, PathPrefix, RegularExpression`},
		"a path without /":           {path("Exact", "a"), at + `path.value: "a" does not begin with /; write the whole path`},
		"an empty path":              {path("PathPrefix", ""), at + `path.value: "" does not begin with /; write the whole path`},
		"a path with //":             {path("Exact", "/a//b"), at + `path.value: "/a//b" has // in it, which no path has that is compared; write it without`},
		"a path that climbs":         {path("Exact", "/a/../b"), at + `path.value: "/a/../b" has /../ in it, which no path has that is compared; write it without`},
		"a path with a slash in it":  {path("PathPrefix", "/a%2Fb"), at + `path.value: "/a%2Fb" has %2F in it, which no path has that is compared; write it without`},
		"a path that ends in dots":   {path("PathPrefix", "/a/.."), at + `path.value: "/a/.." ends in dots, which no path does that is compared; write it without`},
		"letters of no path":         {path("Exact", "/ä"), at + `path.value: "/ä" has letters that no path has; write them as %XX`},
		"climbing by %XX":            {path("Exact", "/a/%2e%2E/b"), at + `path.value: "/a/%2e%2E/b" has /../ in it, which no path has that is compared; write it without`},
		"dots by %XX":                {path("PathPrefix", "/a/%2E"), at + `path.value: "/a/%2E" ends in dots, which no path does that is compared; write it without`},
		"%XX that is no text":        {path("Exact", "/a%00"), at + `path.value: "/a%00" stands for what is no text of UTF-8, or for control characters; write it without`},
		"%XX of another alphabet":    {path("PathPrefix", "/caf%E9"), at + `path.value: "/caf%E9" stands for what is no text of UTF-8, or for control characters; write it without`},
		"no expression":              {path("RegularExpression", "/(a"), at + "path.value: \"/(a\" is no regular expression that RE2 knows: error parsing regexp: missing closing ): `/(a`"},
		"a look behind":              {match("{headers: [{name: a, type: RegularExpression, value: '(?<=a)b'}]}"), at + "headers[0].value: \"(?<=a)b\" is no regular expression that RE2 knows: error parsing regexp: invalid named capture: `(?<=a)b`"},
		"a method in small letters":  {match("{method: get}"), at + `method: "get" is not one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH; did you mean "GET"?`},
		"no header's name":           {match("{headers: [{name: 'a b', value: c}]}"), at + `headers[0].name: "a b" is no name of a header or parameter; write up to 256 letters, digits and -`},
		"a header without value":     {match("{headers: [{name: a}]}"), at + "headers[0].value: is missing; write a value"},
		"a header twice":             {match("{headers: [{name: a, value: b}, {name: A, value: c}]}"), at + "headers[1].name: a is there twice; write one condition of each name"},
		"a parameter twice":          {match("{queryParams: [{name: a, value: b}, {name: a, value: c}]}"), at + "queryParams[1].name: a is there twice; write one condition of each name"},
		"a parameter of nobody's":    {match("{queryParams: [{name: a, value: b, type: Prefix}]}"), at + `queryParams[0].type: "Prefix" is not one of Exact, RegularExpression`},
		"no filter's type":           {filter("{}"), atFilter + "type: is missing; write RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite"},
		"a filter of nobody's":       {filter("{type: URLRewrites}"), atFilter + `type: "URLRewrites" is not one of RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite; did you mean "URLRewrite"?`},
		"a filter without field":     {filter("{type: URLRewrite}"), atFilter + "urlRewrite: is missing; write what the filter is to do"},
		"a filter of two":            {filter("{type: URLRewrite, urlRewrite: {}, cors: {}}"), atFilter + "cors: goes with type: CORS, and this filter is of type URLRewrite; remove one of the two"},
		"a mirror":                   {filter("{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}}}"), atFilter + "type: RequestMirror is not supported yet; remove the filter: no request is sent to two Services"},
		"another's filter":           {filter("{type: ExtensionRef, extensionRef: {group: a, kind: b, name: c}}"), atFilter + "type: ExtensionRef is not supported yet; remove the filter: there are no filters of podkeep's own; an Ingress has more, by its annotations"},
		"CORS":                       {filter("{type: CORS, cors: {}}"), atFilter + "type: CORS is not supported yet; remove the filter: let the program answer, or write an Ingress with annotation nginx.ingress.kubernetes.io/enable-cors"},
		"a login":                    {filter("{type: ExternalAuth, externalAuth: {protocol: HTTP}}"), atFilter + "type: ExternalAuth is not supported yet; remove the filter: let the program ask who it is, or write an Ingress with annotation nginx.ingress.kubernetes.io/auth-secret"},
		"a filter twice":             {filter("{type: RequestHeaderModifier, requestHeaderModifier: {}}, {type: RequestHeaderModifier, requestHeaderModifier: {}}"), "spec.rules[0].filters[1].type: RequestHeaderModifier is there twice; write all of it in one filter"},
		"a header set twice":         {filter("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}, {name: A, value: c}]}}"), atFilter + "requestHeaderModifier.set[1].name: A is there twice; write one value, with commas between several"},
		"a header with a line break": {filter(`{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: a, value: "b\nC: d"}]}}`), atFilter + "requestHeaderModifier.add[0].value: has a line break or another control character, which no header has; remove it"},
		"a host as a header":         {filter("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: host, value: b}]}}"), atFilter + "requestHeaderModifier.set[0].name: host is no header that a filter changes; write urlRewrite.hostname"},
		"a host that is removed":     {filter("{type: RequestHeaderModifier, requestHeaderModifier: {remove: [Host]}}"), atFilter + "requestHeaderModifier.remove[0]: Host is no header that a filter changes; write urlRewrite.hostname"},
		"a host of one backend":      {backend("{name: b, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: Host, value: b}]}}]}"), "spec.rules[0].backendRefs[0].filters[0].requestHeaderModifier.add[0].name: Host is no header that a filter changes; write urlRewrite.hostname"},
		"an encoding of one backend": {backend("{name: b, port: 80, filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: transfer-encoding, value: chunked}]}}]}"), "spec.rules[0].backendRefs[0].filters[0].responseHeaderModifier.set[0].name: transfer-encoding is of one connection, and each door writes its own; remove it"},
		"no name to remove":          {filter("{type: ResponseHeaderModifier, responseHeaderModifier: {remove: ['']}}"), atFilter + "responseHeaderModifier.remove[0]: is missing; write a name"},
		"a redirect that is none":    {routeOf("filters: [{type: RequestRedirect, requestRedirect: {statusCode: 200}}]"), atFilter + "requestRedirect.statusCode: 200 is neither 301 nor 302"},
		"a redirect to nowhere":      {routeOf("filters: [{type: RequestRedirect, requestRedirect: {scheme: ftp}}]"), atFilter + `requestRedirect.scheme: "ftp" is not one of http, https`},
		"a redirect to a wildcard":   {routeOf("filters: [{type: RequestRedirect, requestRedirect: {hostname: '*.a.org'}}]"), atFilter + `requestRedirect.hostname: "*.a.org" is a wildcard, and one name is meant; write it`},
		"a redirect, and a backend":  {filter("{type: RequestRedirect, requestRedirect: {}}"), "spec.rules[0].backendRefs: go with no filter RequestRedirect, which answers by itself; remove one of the two"},
		"both":                       {routeOf("filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]"), "spec.rules[0].filters[1].type: RequestRedirect and URLRewrite do not go together; remove one of the two"},
		"a prefix of no prefix":      {routeOf(to + "matches: [{path: {type: Exact, value: /a}}]\nfilters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]"), atFilter + "urlRewrite.path.type: " + needsOne},
		"a prefix of two":            {routeOf("matches: [{path: {value: /a}}, {path: {value: /b}}]\nfilters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]"), atFilter + "requestRedirect.path.type: " + needsOne},
		"no new path":                {filter("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath}}}"), atFilter + "urlRewrite.path.replaceFullPath: is missing; write the new path"},
		"another's new path":         {filter("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /a, replacePrefixMatch: /b}}}"), atFilter + "urlRewrite.path.replacePrefixMatch: goes with type: ReplacePrefixMatch alone; remove it, or write that type"},
		"a new path without /":       {filter("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: a}}}"), atFilter + `urlRewrite.path.replaceFullPath: "a" does not begin with /; write the whole path`},
		"a new path with a query":    {newPath("ReplaceFullPath, replaceFullPath: '/a?b'"), atNew + `replaceFullPath: "/a?b" has ? in it, which no path has that is made anew; write it without`},
		"a new path with #":          {newPath("ReplacePrefixMatch, replacePrefixMatch: '/a#b'"), atNew + `replacePrefixMatch: "/a#b" has # in it, which no path has that is made anew; write it without`},
		"a slash by %XX":             {newPath("ReplaceFullPath, replaceFullPath: /a%2fb"), atNew + `replaceFullPath: "/a%2fb" has %2f in it, which no path has that is made anew; write it without`},
		"half of a %XX":              {newPath("ReplaceFullPath, replaceFullPath: /100%"), atNew + `replaceFullPath: "/100%" has a % that stands for nothing; write it as %25`},
		"a new path that is no text": {newPath("ReplacePrefixMatch, replacePrefixMatch: /a%0d"), atNew + `replacePrefixMatch: "/a%0d" stands for what is no text of UTF-8, or for control characters; write it without`},
		"a bucket as backend":        {backend("{group: a.org, kind: Bucket, name: b}"), "spec.rules[0].backendRefs[0].kind: Bucket is not supported; write Service: requests are led to Services alone"},
		"a Service of another group": {backend("{group: a.org, name: b, port: 80}"), `spec.rules[0].backendRefs[0].group: "a.org" is not supported; remove it: requests are led to Services alone`},
		"no port":                    {backend("{name: b}"), "spec.rules[0].backendRefs[0].port: is missing; write the Service's port"},
		"a share below nothing":      {backend("{name: b, port: 80, weight: -1}"), "spec.rules[0].backendRefs[0].weight: -1 is not between 0 and 1000000"},
		"a backend that redirects":   {backend("{name: b, port: 80, filters: [{type: RequestRedirect, requestRedirect: {}}]}"), "spec.rules[0].backendRefs[0].filters[0].type: RequestRedirect is not supported for a single backend; write it in the filters of the rule"},
		"a time of nobody's":         {routeOf(to + "timeouts: {request: 1.5s}"), `spec.rules[0].timeouts.request: "1.5s" is no duration; write one such as 10s, 500ms or 1m30s`},
		"a time in small steps":      {routeOf(to + "timeouts: {backendRequest: 1us}"), `spec.rules[0].timeouts.backendRequest: "1us" is no duration; write one such as 10s, 500ms or 1m30s`},
		"a part above the whole":     {routeOf(to + "timeouts: {request: 1s, backendRequest: 2s}"), "spec.rules[0].timeouts.backendRequest: 2s is longer than request, which is 1s; write a shorter one"},
		"a retry":                    {routeOf(to + "retry: {attempts: 3}"), "spec.rules[0].retry: is not supported yet; remove it: what is safe to ask twice is asked again of another pod by itself"},
		"a session":                  {routeOf(to + "sessionPersistence: {type: Cookie}"), "spec.rules[0].sessionPersistence: is not supported yet; remove it: let the program keep sessions where all of its pods find them"},
		"a field of nobody's":        {routeOf(to + "match: []"), `spec.rules[0].match: unknown field "match"`},
		"a version of before":        {strings.Replace(routeOf(to), "/v1\n", "/v1alpha2\n", 1), "apiVersion: gateway.networking.k8s.io/v1alpha2 has no kind HTTPRoute; write gateway.networking.k8s.io/v1"},
	} {
		refusedAs(t, name, c.text, c.want)
	}
}

func TestNoFilterSaysWhereARequestOrAnAnswerEnds(t *testing.T) {
	for _, name := range append([]string{"Content-Length", "content-length", "tE"}, HopHeaders...) {
		for _, which := range []string{"request", "response"} {
			for change, field := range map[string]string{"set: [{name: NAME, value: '5'}]": "set[0].name", "add: [{name: NAME, value: '5'}]": "add[0].name", "remove: [NAME]": "remove[0]"} {
				kind := strings.ToUpper(which[:1]) + which[1:] + "HeaderModifier"
				text := routeOf("backendRefs: [{name: web, port: 80}]\nfilters: [{type: " + kind + ", " + which + "HeaderModifier: {" + strings.ReplaceAll(change, "NAME", name) + "}}]")
				refusedAs(t, name, text, "spec.rules[0].filters[0]."+which+"HeaderModifier."+field+": "+name+" is of one connection, and each door writes its own; remove it")
			}
		}
	}
	load(t, "x.yaml", routeOf("backendRefs: [{name: web, port: 80}]\nfilters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: Host, value: a}]}}]"))
}

func TestAnHTTPRouteSaysWhatLeadsNowhere(t *testing.T) {
	noticedAs(t, "no parent", ofKind("HTTPRoute", "rules: [{backendRefs: [{name: web, port: 80}]}]"), "nothing is done for it: names no Gateway; write parentRefs, such as [{name: web}]")
	noticedAs(t, "no backend", routeOf("matches: [{path: {value: /a}}]"), "spec.rules[0]: leads to no Service, so its requests are answered with 500; write backendRefs, or a filter RequestRedirect")
}

func TestARegularExpressionThatRepeatsTooMuchIsRefused(t *testing.T) {
	for text, fits := range map[string]bool{
		"/v[0-9]+(/.*)?": true, "/a{1000}": true, "/(abcdef){1000}": true, "/(abcdefghij){1000}": false, "/(.{30}){30,33}": true, "/((abcdefghij){10}){100}": false,
		"/(" + strings.Repeat("a", 1000) + "){900}": false,
	} {
		rule := "backendRefs: [{name: web, port: 80}]\nmatches: [{path: {type: RegularExpression, value: '" + text + "'}}]"
		if !fits {
			refusedAs(t, text, routeOf(rule), "spec.rules[0].matches[0].path.value: repeats so much that it is larger than 10000 steps; write smaller counts, or * in their place")
		} else if s := load(t, "x.yaml", routeOf(rule)); len(s.HTTPRoutes) != 1 {
			t.Error(text)
		}
	}
}
