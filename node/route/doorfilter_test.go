package route_test

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func ruleOf(t *testing.T, rule string, grants ...manifest.ReferenceGrant) (route.DoorRule, route.Doored) {
	t.Helper()
	table, said := doorsOf(route.DoorWant{Gateways: []manifest.Gateway{gatewayOf("web", allHTTP)}, Routes: []manifest.HTTPRoute{to("web", "", rule)}, Grants: grants}, nil)
	return table.Doors.Ports[0].Hosts[0].Rules[0], said["HTTPRoute/default/web"]
}

func TestBackendsOfRoutes(t *testing.T) {
	allows := "from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}]\nto: [{group: '', kind: Service}]"
	shop, own := grant("shop/web", allows), grant("default/web", allows)
	for _, c := range []struct {
		name, backends, want, refs string
		why                        []string
		grants                     []manifest.ReferenceGrant
	}{
		{"weights", "{name: v1, port: 80, weight: 9}, {name: v2, port: 80}, {name: v3, port: 80, weight: 0}", "Prefix / -> v1:80*9 v2:80 v3:80*0", "True ResolvedRefs", nil, nil},
		{"one that is not there", "{name: v1, port: 80}, {name: gone, port: 80}", "Prefix / -> v1:80 gone:80=500", "False BackendNotFound", []string{"Service default/gone is not there: its requests for any host are answered 500"}, nil},
		{"a port that is not there", "{name: v1, port: 81}", "Prefix / -> v1:81=500", "False BackendNotFound", []string{"Service default/v1 has no port 81: its requests for any host are answered 500"}, nil},
		{"another kind", "{name: v1, kind: Pod, port: 80}", "Prefix / -> v1:80=500", "False InvalidKind", []string{"backend v1 is no Service: name one: its requests for any host are answered 500"}, nil},
		{"not granted", "{name: db, namespace: shop, port: 80}", "Prefix / -> db:80=500", "False RefNotPermitted", []string{"Service shop/db is in another namespace, and no ReferenceGrant there allows HTTPRoutes of default to lead to it: its requests for any host are answered 500"}, nil},
		{"not by its own namespace", "{name: db, namespace: shop, port: 80}", "Prefix / -> db:80=500", "False RefNotPermitted", []string{"Service shop/db is in another namespace, and no ReferenceGrant there allows HTTPRoutes of default to lead to it: its requests for any host are answered 500"}, []manifest.ReferenceGrant{own}},
		{"granted", "{name: db, namespace: shop, port: 80}", "Prefix / -> db:80", "True ResolvedRefs", nil, []manifest.ReferenceGrant{shop}},
		{"none", "", "Prefix / -> 500", "True ResolvedRefs", []string{"the rule leads nowhere: it has no backendRefs with a weight: its requests for any host are answered 500"}, nil},
		{"no weight", "{name: v1, port: 80, weight: 0}", "Prefix / -> 500", "True ResolvedRefs", []string{"the rule leads nowhere: it has no backendRefs with a weight: its requests for any host are answered 500"}, nil},
	} {
		rule, said := ruleOf(t, "- {backendRefs: ["+c.backends+"]}", c.grants...)
		same(t, c.name, c.want, shownRule(rule))
		same(t, c.name, c.why, said.Why)
		same(t, c.name, []string{"Accepted=True Accepted", "ResolvedRefs=" + c.refs}, conditions(said.Parents[0].Conditions))
	}
}

func TestFiltersAndTimeouts(t *testing.T) {
	plain, _ := ruleOf(t, "- {backendRefs: [{name: v1, port: 80}]}")
	for _, c := range []struct {
		name, filters string
		want          func(*route.DoorRule)
	}{
		{"headers", "[{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}], remove: [c]}}, {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: d, value: e}]}}]", func(r *route.DoorRule) {
			r.Request = route.DoorHeaders{Set: []route.DoorValue{{Name: "a", Value: "b"}}, Remove: []string{"c"}}
			r.Answer = route.DoorHeaders{Add: []route.DoorValue{{Name: "d", Value: "e"}}}
		}},
		{"a whole path and a host", "[{type: URLRewrite, urlRewrite: {hostname: in.example.org, path: {type: ReplaceFullPath, replaceFullPath: /x}}}]", func(r *route.DoorRule) {
			r.Rewrite = &route.DoorRewrite{Host: "in.example.org", Kind: route.Exact, Path: "/x"}
		}},
		{"a host alone", "[{type: URLRewrite, urlRewrite: {hostname: in.example.org}}]", func(r *route.DoorRule) { r.Rewrite = &route.DoorRewrite{Host: "in.example.org"} }},
		{"a prefix", "[{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]", func(r *route.DoorRule) { r.Rewrite = &route.DoorRewrite{Kind: route.Prefix, Path: "/"} }},
		{"a redirect", "[{type: RequestRedirect, requestRedirect: {scheme: https, port: 8443, statusCode: 301, path: {type: ReplacePrefixMatch, replacePrefixMatch: /y}}}]", func(r *route.DoorRule) {
			r.To, r.Redirect = nil, &route.DoorRedirect{Scheme: "https", Port: 8443, Code: 301, Path: &route.DoorRewrite{Kind: route.Prefix, Path: "/y"}}
		}},
		{"a redirect of a host", "[{type: RequestRedirect, requestRedirect: {hostname: example.org}}]", func(r *route.DoorRule) { r.To, r.Redirect = nil, &route.DoorRedirect{Host: "example.org", Code: 302} }},
	} {
		want := plain
		c.want(&want)
		rule, _ := ruleOf(t, "- {filters: "+c.filters+", backendRefs: [{name: v1, port: 80}]}")
		same(t, c.name, want, rule)
	}
	rule, _ := ruleOf(t, "- {timeouts: {request: 10s, backendRequest: 1s500ms}, backendRefs: [{name: v1, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}]}]}")
	want := plain
	want.Whole, want.Attempt = 10*time.Second, 1500*time.Millisecond
	want.To = []route.DoorBackend{plain.To[0]}
	want.To[0].Request.Set = []route.DoorValue{{Name: "a", Value: "b"}}
	same(t, "times, and headers of a backend", want, rule)
	for timeouts, silence := range map[string]time.Duration{"request: 5m": 0, "request: 5m, backendRequest: 0s": 24 * time.Hour, "request: 0s": 24 * time.Hour, "backendRequest: 0s": 24 * time.Hour} {
		rule, _ := ruleOf(t, "- {timeouts: {"+timeouts+"}, backendRefs: [{name: v1, port: 80}]}")
		same(t, timeouts, []time.Duration{silence, silence}, []time.Duration{rule.Read, rule.Send})
	}
}

func TestARuleThatDoorsCannotDoIsAnswered500(t *testing.T) {
	rule, said := ruleOf(t, "- {filters: [{type: RequestMirror, requestMirror: {backendRef: {name: v2, port: 80}}}], backendRefs: [{name: v1, port: 80}]}\n"+path("/ok", "v1"))
	same(t, "the other is served", "Prefix /ok -> v1:80", shownRule(rule))
	same(t, "in part", []string{"Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs", "PartiallyInvalid=True UnsupportedValue"}, conditions(said.Parents[0].Conditions))
	same(t, "in part", "Dropped Rule 0: filter RequestMirror is none that doors have: remove it", said.Parents[0].Conditions[2].Message)
	rule, said = ruleOf(t, "- {filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {hostname: a.org}}]}")
	same(t, "all of it", "Prefix / -> 500", shownRule(rule))
	same(t, "all of it", "Accepted=False UnsupportedValue", conditions(said.Parents[0].Conditions)[0])
}

func TestARolloutsShareOfRequestsIsItsOwnWhateverTheRouteSays(t *testing.T) {
	id := manifest.ID{Kind: "HTTPRoute", Namespace: "default", Name: "r"}
	for _, c := range []struct {
		claim, backends string
		part            int
		weights         []int
	}{
		{"of two", "{name: v1, port: 80, weight: 100}, {name: v2, port: 80, weight: 0}", 20, []int{80, 20}},
		{"in either order", "{name: v2, port: 80}, {name: v1, port: 80}", 20, []int{20, 80}},
		{"where the route says none", "{name: v1, port: 80, weight: 0}, {name: v2, port: 80, weight: 0}", 5, []int{95, 5}},
		{"a third keeps its part", "{name: v1, port: 80, weight: 2}, {name: v3, port: 80, weight: 3}, {name: v2, port: 80, weight: 1}", 20, []int{240, 300, 60}},
		{"one that does not lead to both is as it says", "{name: v1, port: 80, weight: 7}, {name: v3, port: 80, weight: 3}", 20, []int{7, 3}},
	} {
		w := route.DoorWant{
			Gateways: []manifest.Gateway{gatewayOf("web", "listeners: [{name: a, port: 80, protocol: HTTP}]")},
			Routes:   []manifest.HTTPRoute{to("r", "", "- {backendRefs: ["+c.backends+"]}")},
			Shares:   []route.Share{{Of: id, Namespace: "default", Service: "v2", Rest: "v1", Part: c.part}},
		}
		table, _ := doorsOf(w, nil)
		var weights []int
		for _, to := range table.Doors.Ports[0].Hosts[0].Rules[0].To {
			weights = append(weights, to.Weight)
		}
		same(t, c.claim, c.weights, weights)
	}
	w := route.DoorWant{
		Gateways: []manifest.Gateway{gatewayOf("web", "listeners: [{name: a, port: 80, protocol: HTTP}]")},
		Routes:   []manifest.HTTPRoute{to("other", "", "- {backendRefs: [{name: v1, port: 80, weight: 9}, {name: v2, port: 80}]}")},
		Shares:   []route.Share{{Of: id, Namespace: "default", Service: "v2", Rest: "v1", Part: 20}},
	}
	table, _ := doorsOf(w, nil)
	same(t, "a route that is not named", 9, table.Doors.Ports[0].Hosts[0].Rules[0].To[0].Weight)
}
