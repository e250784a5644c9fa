package route

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/podkeep/podkeep/manifest"
)

// longestSilence is how long one read from a pod, or a write to it, may take where its route says that it may take for ever.
const longestSilence = 24 * 60 * time.Minute

// routeRules are a route's, one for each match.
type routeRules struct {
	all     []DoorRule
	good    []int  // indexes of the spec's rules that doors can do
	dropped string // says which they cannot
	refs    reason // what is amiss with what they refer to
}

func (b *doorBuild) routeRules(r *manifest.HTTPRoute, d *Doored) (made routeRules) {
	hosts := "any host"
	if n := r.Object.Spec.Hostnames; len(n) > 0 {
		var names []string
		for _, name := range n[:min(3, len(n))] {
			names = append(names, string(name))
		}
		hosts = named(names)
	}
	rules := r.Object.Spec.Rules
	if len(rules) == 0 {
		rules = []gatewayv1.HTTPRouteRule{{}}
	}
	for n, rule := range rules {
		base, why := b.routeRule(r, d, rule, hosts, &made.refs)
		matches := rule.Matches
		if len(matches) == 0 {
			matches = []gatewayv1.HTTPRouteMatch{{}}
		}
		var some []DoorRule
		for _, m := range matches {
			match, bad := matchOf(m)
			if why = cmp.Or(why, bad); bad != "" {
				continue
			}
			one := base
			one.Match = match
			some = append(some, one)
		}
		if why != "" {
			text := fmt.Sprintf("Dropped Rule %d: %s", n, why)
			made.dropped = strings.TrimPrefix(made.dropped+"; "+text, "; ")
			d.say("rules[%d]: %s: its requests are answered 500", n, why)
			for i := range some {
				some[i] = DoorRule{From: d.from(), Match: some[i].Match, Status: 500, Why: why}
			}
		} else {
			made.good = append(made.good, n)
		}
		made.all = append(made.all, some...)
	}
	return made
}

// routeRule is a rule without its match; why says that doors cannot do it.
func (b *doorBuild) routeRule(r *manifest.HTTPRoute, d *Doored, rule gatewayv1.HTTPRouteRule, hosts string, refs *reason) (made DoorRule, why string) {
	made = DoorRule{From: d.from()}
	for _, f := range rule.Filters {
		if why := filter(&made, f); why != "" {
			return made, why
		}
	}
	if t := rule.Timeouts; t != nil {
		made.Whole, made.Attempt = duration(t.Request), duration(t.BackendRequest)
		if t.Request != nil && made.Whole == 0 || t.BackendRequest != nil && made.Attempt == 0 {
			made.Read, made.Send = longestSilence, longestSilence
		}
	}
	if made.Redirect != nil {
		return made, ""
	}
	for _, ref := range rule.BackendRefs {
		to, against := b.backendOf(r, ref)
		if against.reason != "" {
			*refs = refs.or(against.reason, "%s", against.message)
		}
		if against.message != "" {
			made.Why = against.message
			d.say("%s: its requests for %s are answered %d", against.message, hosts, to.Status)
		}
		made.To = append(made.To, to)
	}
	b.share(r.ID, made.To)
	if !slices.ContainsFunc(made.To, func(to DoorBackend) bool { return to.Weight > 0 }) {
		made.Status, made.To = 500, nil
		made.Why = cmp.Or(made.Why, "the rule leads nowhere: it has no backendRefs with a weight")
		d.say("%s: its requests for %s are answered 500", made.Why, hosts)
	}
	return made, ""
}

// backendOf is a backend of a route, and what is amiss with it.
func (b *doorBuild) backendOf(r *manifest.HTTPRoute, ref gatewayv1.HTTPBackendRef) (to DoorBackend, against reason) {
	namespace, name := r.Namespace, string(ref.Name)
	if ref.Namespace != nil {
		namespace = string(*ref.Namespace)
	}
	port := backendPort{}
	if ref.Port != nil {
		port.number = uint16(*ref.Port)
	}
	to, there, why := b.backend(namespace, name, port)
	switch {
	case ref.Group != nil && *ref.Group != "" || ref.Kind != nil && *ref.Kind != "Service":
		to.Status, against = 500, reason{"InvalidKind", fmt.Sprintf("backend %s is no Service: name one", name)}
	case !b.granted(kindHTTPRoute, r.Namespace, "Service", namespace, name):
		to.Status, against = 500, reason{"RefNotPermitted", fmt.Sprintf("Service %s is in another namespace, and no ReferenceGrant there allows HTTPRoutes of %s to lead to it", keyOf(namespace, name), r.Namespace)}
	case why != "" && !there:
		to.Status, against = 500, reason{"BackendNotFound", why}
	case why != "":
		to.Status, against = 503, reason{"", why}
	}
	if ref.Weight != nil {
		to.Weight = int(*ref.Weight)
	}
	var changed DoorRule
	for _, f := range ref.Filters {
		bad := filter(&changed, f)
		if bad == "" && f.RequestHeaderModifier == nil && f.ResponseHeaderModifier == nil {
			bad = fmt.Sprintf("filter %s is none that a backend may have: write it for the rule", f.Type)
		}
		if bad != "" && to.Status == 0 {
			to.Status, against = 500, reason{"", bad}
		}
	}
	to.Request, to.Answer = changed.Request, changed.Answer
	return to, against
}

// filter has a rule do what a filter says; why says that doors cannot.
func filter(r *DoorRule, f gatewayv1.HTTPRouteFilter) (why string) {
	switch {
	case f.Type == gatewayv1.HTTPRouteFilterRequestHeaderModifier && f.RequestHeaderModifier != nil:
		r.Request = headersOf(f.RequestHeaderModifier)
	case f.Type == gatewayv1.HTTPRouteFilterResponseHeaderModifier && f.ResponseHeaderModifier != nil:
		r.Answer = headersOf(f.ResponseHeaderModifier)
	case f.Type == gatewayv1.HTTPRouteFilterURLRewrite && f.URLRewrite != nil:
		r.Rewrite = pathOf(f.URLRewrite.Path)
		if h := f.URLRewrite.Hostname; h != nil {
			if r.Rewrite == nil {
				r.Rewrite = &DoorRewrite{}
			}
			r.Rewrite.Host = string(*h)
		}
	case f.Type == gatewayv1.HTTPRouteFilterRequestRedirect && f.RequestRedirect != nil:
		r.Redirect = redirectOf(f.RequestRedirect)
	case f.Type == gatewayv1.HTTPRouteFilterCORS && f.CORS != nil:
		r.CORS = corsOf(f.CORS)
	default:
		return fmt.Sprintf("filter %s is none that doors have: remove it", f.Type)
	}
	if r.Redirect != nil && r.Rewrite != nil {
		return "filters RequestRedirect and URLRewrite exclude each other: remove one"
	}
	return ""
}

func headersOf(f *gatewayv1.HTTPHeaderFilter) (h DoorHeaders) {
	for _, v := range f.Set {
		h.Set = append(h.Set, DoorValue{Name: string(v.Name), Value: v.Value})
	}
	for _, v := range f.Add {
		h.Add = append(h.Add, DoorValue{Name: string(v.Name), Value: v.Value})
	}
	h.Remove = orNil(f.Remove)
	return h
}

func pathOf(p *gatewayv1.HTTPPathModifier) *DoorRewrite {
	switch {
	case p != nil && p.ReplaceFullPath != nil:
		return &DoorRewrite{Kind: Exact, Path: decoded(*p.ReplaceFullPath)}
	case p != nil && p.ReplacePrefixMatch != nil:
		return &DoorRewrite{Kind: Prefix, Path: decoded(*p.ReplacePrefixMatch)}
	}
	return nil
}

func redirectOf(f *gatewayv1.HTTPRequestRedirectFilter) *DoorRedirect {
	to := &DoorRedirect{Path: pathOf(f.Path), Code: 302}
	if f.Scheme != nil {
		to.Scheme = *f.Scheme
	}
	if f.Hostname != nil {
		to.Host = string(*f.Hostname)
	}
	if f.Port != nil {
		to.Port = uint16(*f.Port)
	}
	if f.StatusCode != nil {
		to.Code = *f.StatusCode
	}
	return to
}

func corsOf(f *gatewayv1.HTTPCORSFilter) *DoorCORS {
	c := &DoorCORS{Credentials: f.AllowCredentials != nil && *f.AllowCredentials, MaxAge: int(f.MaxAge)}
	for _, v := range f.AllowOrigins {
		c.Origins = append(c.Origins, string(v))
	}
	for _, v := range f.AllowMethods {
		c.Methods = append(c.Methods, string(v))
	}
	for _, v := range f.AllowHeaders {
		c.Headers = append(c.Headers, string(v))
	}
	for _, v := range f.ExposeHeaders {
		c.Exposed = append(c.Exposed, string(v))
	}
	return c
}

// duration is a time that was checked when it was read.
func duration(d *gatewayv1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	t, _ := time.ParseDuration(string(*d))
	return t
}

// decoded is a path, which was checked when it was read, as doors compare it and write it: with what its %XX stand for.
func decoded(path string) string {
	if is, err := url.PathUnescape(path); err == nil {
		return is
	}
	return path
}

// matchOf is which requests a match is for; why says that it cannot be known.
func matchOf(m gatewayv1.HTTPRouteMatch) (made DoorMatch, why string) {
	made = prefix("/")
	if m.Path != nil {
		kind, path := gatewayv1.PathMatchPathPrefix, "/"
		if m.Path.Type != nil {
			kind = *m.Path.Type
		}
		if m.Path.Value != nil {
			path = *m.Path.Value
		}
		switch kind {
		case gatewayv1.PathMatchExact:
			made = DoorMatch{Kind: Exact, Path: decoded(path)}
		case gatewayv1.PathMatchRegularExpression:
			made, why = DoorMatch{Kind: Regexp, Path: path}, expression(path)
		default:
			made = prefix(decoded(path))
		}
	}
	if m.Method != nil {
		made.Method = string(*m.Method)
	}
	value := func(name, text string, regular bool) DoorValue {
		v := DoorValue{Name: name, Value: text}
		if regular {
			v.Kind, why = Regexp, cmp.Or(why, expression(text))
		}
		return v
	}
	seen := map[string]bool{} // of names that come more than once the first counts
	for _, h := range m.Headers {
		if name := strings.ToLower(string(h.Name)); !seen[name] {
			seen[name] = true
			made.Headers = append(made.Headers, value(string(h.Name), h.Value, h.Type != nil && *h.Type == gatewayv1.HeaderMatchRegularExpression))
		}
	}
	clear(seen)
	for _, q := range m.QueryParams {
		if name := string(q.Name); !seen[name] {
			seen[name] = true
			made.Query = append(made.Query, value(name, q.Value, q.Type != nil && *q.Type == gatewayv1.QueryParamMatchRegularExpression))
		}
	}
	return made, why
}
