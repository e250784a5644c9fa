package manifest

import (
	"regexp"
	"slices"
	"time"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// anHTTPRoute is the kind's name.
const anHTTPRoute = "HTTPRoute"

var httpRouteKind = kind{
	version: gatewayNow, also: []string{gatewayOlder}, name: anHTTPRoute, meek: true,
	empty: func() typed { return &gatewayv1.HTTPRoute{} },
	check: func(c *check, t typed) { c.httpRoute(&t.(*gatewayv1.HTTPRoute).Spec) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.HTTPRoutes = append(a.set.HTTPRoutes, HTTPRoute{Meta: m, Object: o.typed.(*gatewayv1.HTTPRoute)})
	},
}

// Bounds of the API, of an HTTPRoute.
const (
	mostParents    = 32
	mostHostnames  = 16
	mostRules      = 16
	mostMatches    = 64  // of a rule
	mostMatchesAll = 128 // of all rules
	mostConditions = 16  // headers that one match names, and parameters
	mostBackends   = 16
	mostHeaders    = 16 // that a filter sets, and adds, and removes
	mostWeight     = 1_000_000
	longestPath    = 1024 // bytes
	longestQuery   = 1024
	longestHeader  = 4096
)

func init() {
	built[typeOf[gatewayv1.HTTPRouteSpec]()] = "parentRefs hostnames rules"
	harmless[typeOf[gatewayv1.HTTPRouteSpec]()] = map[string][]string{"useDefaultGateways": {`"None"`}}
	instead[typeOf[gatewayv1.HTTPRouteSpec]()] = map[string]string{"useDefaultGateways": "name the Gateway in parentRefs"}
	built[typeOf[gatewayv1.HTTPRouteRule]()] = "name matches filters backendRefs timeouts"
	instead[typeOf[gatewayv1.HTTPRouteRule]()] = map[string]string{
		"retry":              "what is safe to ask twice is asked again of another pod by itself",
		"sessionPersistence": "let the program keep sessions where all of its pods find them",
	}
}

// httpRoute fills in what an HTTPRoute's CustomResourceDefinition fills in, and checks it as that does.
func (c *check) httpRoute(s *gatewayv1.HTTPRouteSpec) {
	c.parents(s.ParentRefs)
	c.atMost("spec.hostnames", len(s.Hostnames), mostHostnames)
	for i, name := range s.Hostnames {
		c.hostname(item("spec.hostnames", i), string(name), true)
	}
	if len(s.Rules) == 0 {
		s.Rules = []gatewayv1.HTTPRouteRule{{}}
	}
	const path = "spec.rules"
	c.atMost(path, len(s.Rules), mostRules)
	matches, names := 0, map[gatewayv1.SectionName]bool{}
	for i := range s.Rules {
		r, at := &s.Rules[i], item(path, i)
		if r.Name != nil {
			c.sectionName(under(at, "name"), string(*r.Name))
			if names[*r.Name] {
				c.refuse(under(at, "name"), "%s is another rule's too; give each its own", *r.Name)
			}
			names[*r.Name] = true
		}
		c.httpRule(at, r)
		matches += len(r.Matches)
	}
	if matches > mostMatchesAll {
		c.refuse(path, "have %d matches together, and %d are the most; write some in another HTTPRoute", matches, mostMatchesAll)
	}
}

// parents checks to which Gateways a route attaches.
func (c *check) parents(all []gatewayv1.ParentReference) {
	const path = "spec.parentRefs"
	if len(all) == 0 {
		c.unused(path, "names no Gateway; write parentRefs, such as [{name: web}]")
	}
	if !c.atMost(path, len(all), mostParents) {
		return
	}
	for i := range all {
		p, at := &all[i], item(path, i)
		fill(&p.Group, gatewayGroup)
		fill(&p.Kind, aGateway)
		c.refKind(at, string(*p.Group), string(*p.Kind), gatewayGroup, aGateway, "requests come by Gateways alone")
		c.refName(under(at, "name"), string(p.Name), "web")
		c.refNamespace(under(at, "namespace"), p.Namespace)
		if p.SectionName != nil {
			c.sectionName(under(at, "sectionName"), string(*p.SectionName))
		}
		if p.Port != nil {
			c.portNumber(under(at, "port"), *p.Port)
		}
		for _, other := range all[:i] {
			c.sameParent(at, *p, other)
		}
	}
}

// sameParent refuses two references to one Gateway that are not told apart.
func (c *check) sameParent(at string, p, other gatewayv1.ParentReference) {
	switch {
	case p.Name != other.Name || *p.Kind != *other.Kind || valueOf(p.Namespace) != valueOf(other.Namespace):
	case valueOf(p.SectionName) == valueOf(other.SectionName) && valueOf(p.Port) == valueOf(other.Port):
		c.refuse(at, "is there twice; remove one, or write another sectionName")
	case (p.SectionName == nil) != (other.SectionName == nil) || (p.Port == nil) != (other.Port == nil):
		c.refuse(at, "another one names the same Gateway; write sectionName in both, or port in both")
	}
}

// valueOf is an optional field's value, and the zero value where it is not written.
func valueOf[T any](field *T) (value T) {
	if field != nil {
		value = *field
	}
	return value
}

func (c *check) httpRule(at string, r *gatewayv1.HTTPRouteRule) {
	matches := under(at, "matches")
	c.atMost(matches, len(r.Matches), mostMatches)
	if len(r.Matches) == 0 {
		r.Matches = []gatewayv1.HTTPRouteMatch{{}}
	}
	for i := range r.Matches {
		c.httpMatch(item(matches, i), &r.Matches[i])
	}
	c.filters(under(at, "filters"), r.Filters, r.Matches)
	c.httpBackends(at, r)
	c.timeouts(under(at, "timeouts"), r.Timeouts)
}

// httpBackends checks to which Services a rule leads.
func (c *check) httpBackends(at string, r *gatewayv1.HTTPRouteRule) {
	path := under(at, "backendRefs")
	redirects := slices.ContainsFunc(r.Filters, func(f gatewayv1.HTTPRouteFilter) bool { return f.RequestRedirect != nil })
	switch n := len(r.BackendRefs); {
	case redirects && n > 0:
		c.refuse(path, "go with no filter RequestRedirect, which answers by itself; remove one of the two")
	case !redirects && n == 0:
		c.notice(at, "leads to no Service, so its requests are answered with 500; write backendRefs, or a filter RequestRedirect")
	}
	c.atMost(path, len(r.BackendRefs), mostBackends)
	for i := range r.BackendRefs {
		b, at := &r.BackendRefs[i], item(path, i)
		fill(&b.Group, "")
		fill(&b.Kind, aService)
		fill(&b.Weight, 1)
		if !c.refKind(at, string(*b.Group), string(*b.Kind), "", aService, "requests are led to Services alone") {
			continue
		}
		c.refName(under(at, "name"), string(b.Name), "web")
		c.refNamespace(under(at, "namespace"), b.Namespace)
		if b.Port == nil {
			c.refuse(under(at, "port"), "is missing; write the Service's port")
		} else {
			c.portNumber(under(at, "port"), *b.Port)
		}
		if *b.Weight < 0 || *b.Weight > mostWeight {
			c.refuse(under(at, "weight"), "%d is not between 0 and %d", *b.Weight, mostWeight)
		}
		c.filters(under(at, "filters"), b.Filters, nil)
	}
}

func (c *check) timeouts(at string, t *gatewayv1.HTTPRouteTimeouts) {
	if t == nil {
		return
	}
	whole, bounded := c.duration(under(at, "request"), t.Request)
	attempt, _ := c.duration(under(at, "backendRequest"), t.BackendRequest)
	if bounded && whole > 0 && attempt > whole {
		c.refuse(under(at, "backendRequest"), "%s is longer than request, which is %s; write a shorter one", *t.BackendRequest, *t.Request)
	}
}

var duration = regexp.MustCompile(`^([0-9]{1,5}(h|m|s|ms)){1,4}$`)

// duration reads one of the Gateway API, as GEP-2257 has it. It is not there where nothing is written.
func (c *check) duration(path string, text *gatewayv1.Duration) (time.Duration, bool) {
	if text == nil {
		return 0, false
	}
	d, err := time.ParseDuration(string(*text))
	if err != nil || !duration.MatchString(string(*text)) {
		c.refuse(path, "%q is no duration; write one such as 10s, 500ms or 1m30s", *text)
		return 0, false
	}
	return d, true
}
