package manifest

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// httpMatch fills in a match's defaults, and checks it.
func (c *check) httpMatch(at string, m *gatewayv1.HTTPRouteMatch) {
	fill(&m.Path, gatewayv1.HTTPPathMatch{})
	fill(&m.Path.Type, gatewayv1.PathMatchPathPrefix)
	fill(&m.Path.Value, "/")
	c.pathMatch(under(at, "path"), *m.Path.Type, *m.Path.Value)
	if m.Method != nil {
		c.oneOf(under(at, "method"), string(*m.Method), "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
	}
	headers, params := under(at, "headers"), under(at, "queryParams")
	c.atMost(headers, len(m.Headers), mostConditions)
	c.atMost(params, len(m.QueryParams), mostConditions)
	names := map[string]bool{}
	for i := range m.Headers {
		h, at := &m.Headers[i], item(headers, i)
		fill(&h.Type, gatewayv1.HeaderMatchExact)
		c.condition(at, names, strings.ToLower(string(h.Name)), string(*h.Type), h.Value, longestHeader)
	}
	names = map[string]bool{}
	for i := range m.QueryParams {
		q, at := &m.QueryParams[i], item(params, i)
		fill(&q.Type, gatewayv1.QueryParamMatchExact)
		c.condition(at, names, string(q.Name), string(*q.Type), q.Value, longestQuery)
	}
}

// condition checks what a header or a parameter is to be. Names has those of the same match before it.
func (c *check) condition(at string, names map[string]bool, name, kind, value string, longest int) {
	c.headerName(under(at, "name"), name)
	if names[name] && name != "" {
		c.refuse(under(at, "name"), "%s is there twice; write one condition of each name", name)
	}
	names[name] = true
	c.oneOf(under(at, "type"), kind, "Exact", "RegularExpression")
	c.valueText(under(at, "value"), value, longest)
	if kind == "RegularExpression" && len(value) <= longest {
		c.regularExpression(under(at, "value"), value)
	}
}

// valueText checks a value that must be there.
func (c *check) valueText(path, value string, longest int) {
	switch {
	case value == "":
		c.refuse(path, "is missing; write a value")
	case len(value) > longest:
		c.refuse(path, "has %d bytes, and %d are the most", len(value), longest)
	}
}

var pathText = regexp.MustCompile(`^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$`)

func (c *check) pathMatch(at string, kind gatewayv1.PathMatchType, value string) {
	path := under(at, "value")
	c.oneOf(under(at, "type"), string(kind), "Exact", "PathPrefix", "RegularExpression")
	if len(value) > longestPath {
		c.refuse(path, "has %d bytes, and %d are the most", len(value), longestPath)
		return
	}
	if kind == gatewayv1.PathMatchRegularExpression {
		c.regularExpression(path, value)
		return
	}
	if !strings.HasPrefix(value, "/") {
		c.refuse(path, "%q does not begin with /; write the whole path", value)
		return
	}
	is, why := decodedPath(value)
	for _, never := range []string{"//", "/./", "/../", "%2f", "%2F", "#"} {
		if strings.Contains(value, never) || never[0] == '/' && strings.Contains(is, never) {
			c.refuse(path, "%q has %s in it, which no path has that is compared; write it without", value, never)
			return
		}
	}
	switch {
	case strings.HasSuffix(is, "/.") || strings.HasSuffix(is, "/.."):
		c.refuse(path, "%q ends in dots, which no path does that is compared; write it without", value)
	case !pathText.MatchString(value):
		c.refuse(path, "%q has letters that no path has; write them as %%XX", value)
	case why != "":
		c.refuse(path, "%q %s", value, why)
	}
}

// decodedPath is a path with what its %XX stand for; why says that they stand for nothing that a path holds.
func decodedPath(value string) (is, why string) {
	is, err := url.PathUnescape(value)
	switch {
	case err != nil:
		return value, "has a % that stands for nothing; write it as %25"
	case !utf8.ValidString(is) || strings.ContainsFunc(is, unicode.IsControl):
		return is, "stands for what is no text of UTF-8, or for control characters; write it without"
	}
	return is, ""
}

// unbuiltFilters are types of filters that are not built, and what to do instead.
var unbuiltFilters = map[gatewayv1.HTTPRouteFilterType]string{
	gatewayv1.HTTPRouteFilterRequestMirror: "no request is sent to two Services",
	gatewayv1.HTTPRouteFilterExtensionRef:  "there are no filters of podkeep's own; an Ingress has more, by its annotations",
	gatewayv1.HTTPRouteFilterCORS:          "let the program answer, or write an Ingress with annotation nginx.ingress.kubernetes.io/enable-cors",
	gatewayv1.HTTPRouteFilterExternalAuth:  "let the program ask who it is, or write an Ingress with annotation nginx.ingress.kubernetes.io/auth-secret",
}

// filters checks those of a rule with its matches, or those of a single backend, which has none.
func (c *check) filters(at string, all []gatewayv1.HTTPRouteFilter, matches []gatewayv1.HTTPRouteMatch) {
	seen := map[gatewayv1.HTTPRouteFilterType]bool{}
	for i := range all {
		f, here := &all[i], item(at, i)
		path := under(here, "type")
		if why := unbuiltFilters[f.Type]; why != "" {
			c.refuse(path, "%s is not supported yet; remove the filter: %s", f.Type, why)
			continue
		}
		c.filter(here, f, matches)
		answers := f.Type == gatewayv1.HTTPRouteFilterRequestRedirect || f.Type == gatewayv1.HTTPRouteFilterURLRewrite
		switch {
		case f.Type == "":
		case seen[f.Type]:
			c.refuse(path, "%s is there twice; write all of it in one filter", f.Type)
		case answers && matches == nil:
			c.refuse(path, "%s is not supported for a single backend; write it in the filters of the rule", f.Type)
		case answers && (seen[gatewayv1.HTTPRouteFilterRequestRedirect] || seen[gatewayv1.HTTPRouteFilterURLRewrite]):
			c.refuse(path, "RequestRedirect and URLRewrite do not go together; remove one of the two")
		}
		seen[f.Type] = true
	}
}

func (c *check) filter(at string, f *gatewayv1.HTTPRouteFilter, matches []gatewayv1.HTTPRouteMatch) {
	fields := []struct {
		name string
		of   gatewayv1.HTTPRouteFilterType
		set  bool
	}{
		{"requestHeaderModifier", gatewayv1.HTTPRouteFilterRequestHeaderModifier, f.RequestHeaderModifier != nil},
		{"responseHeaderModifier", gatewayv1.HTTPRouteFilterResponseHeaderModifier, f.ResponseHeaderModifier != nil},
		{"requestRedirect", gatewayv1.HTTPRouteFilterRequestRedirect, f.RequestRedirect != nil},
		{"urlRewrite", gatewayv1.HTTPRouteFilterURLRewrite, f.URLRewrite != nil},
		{"requestMirror", gatewayv1.HTTPRouteFilterRequestMirror, f.RequestMirror != nil},
		{"extensionRef", gatewayv1.HTTPRouteFilterExtensionRef, f.ExtensionRef != nil},
		{"cors", gatewayv1.HTTPRouteFilterCORS, f.CORS != nil},
		{"externalAuth", gatewayv1.HTTPRouteFilterExternalAuth, f.ExternalAuth != nil},
	}
	c.oneOf(under(at, "type"), string(f.Type), "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite")
	for _, field := range fields {
		switch {
		case field.set && f.Type != field.of && f.Type != "":
			c.refuse(under(at, field.name), "goes with type: %s, and this filter is of type %s; remove one of the two", field.of, f.Type)
		case !field.set && f.Type == field.of:
			c.refuse(under(at, field.name), "is missing; write what the filter is to do")
		}
	}
	c.headerFilter(under(at, "requestHeaderModifier"), f.RequestHeaderModifier, true)
	c.headerFilter(under(at, "responseHeaderModifier"), f.ResponseHeaderModifier, false)
	c.redirect(under(at, "requestRedirect"), f.RequestRedirect, matches)
	if w := f.URLRewrite; w != nil {
		if w.Hostname != nil {
			c.hostname(under(at, "urlRewrite.hostname"), string(*w.Hostname), false)
		}
		c.pathModifier(under(at, "urlRewrite.path"), w.Path, matches)
	}
}

func (c *check) headerFilter(at string, f *gatewayv1.HTTPHeaderFilter, asked bool) {
	if f == nil {
		return
	}
	c.headerValues(under(at, "set"), f.Set, asked)
	c.headerValues(under(at, "add"), f.Add, asked)
	c.atMost(under(at, "remove"), len(f.Remove), mostHeaders)
	for i, name := range f.Remove {
		c.changedName(item(under(at, "remove"), i), name, asked)
	}
}

// HopHeaders are the headers of one connection, which are not passed on.
var HopHeaders = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// changedName checks the name of a header that a filter changes, of what is asked or of the answer. Where a request or an answer ends, no filter says.
func (c *check) changedName(path, name string, asked bool) {
	is := func(other string) bool { return strings.EqualFold(name, other) }
	switch {
	case asked && is("Host"):
		c.refuse(path, "%s is no header that a filter changes; write urlRewrite.hostname", name)
	case is("Content-Length") || slices.ContainsFunc(HopHeaders, is):
		c.refuse(path, "%s is of one connection, and each door writes its own; remove it", name)
	default:
		c.headerName(path, name)
	}
}

func (c *check) headerValues(at string, all []gatewayv1.HTTPHeader, asked bool) {
	c.atMost(at, len(all), mostHeaders)
	names := map[string]bool{}
	for i, h := range all {
		here, name := item(at, i), strings.ToLower(string(h.Name))
		c.changedName(under(here, "name"), string(h.Name), asked)
		if names[name] && name != "" {
			c.refuse(under(here, "name"), "%s is there twice; write one value, with commas between several", h.Name)
		}
		names[name] = true
		c.valueText(under(here, "value"), h.Value, longestHeader)
		if strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			c.refuse(under(here, "value"), "has a line break or another control character, which no header has; remove it")
		}
	}
}

func (c *check) redirect(at string, r *gatewayv1.HTTPRequestRedirectFilter, matches []gatewayv1.HTTPRouteMatch) {
	if r == nil {
		return
	}
	fill(&r.StatusCode, 302)
	if *r.StatusCode != 301 && *r.StatusCode != 302 {
		c.refuse(under(at, "statusCode"), "%d is neither 301 nor 302", *r.StatusCode)
	}
	if r.Scheme != nil {
		c.oneOf(under(at, "scheme"), *r.Scheme, "http", "https")
	}
	if r.Hostname != nil {
		c.hostname(under(at, "hostname"), string(*r.Hostname), false)
	}
	if r.Port != nil {
		c.portNumber(under(at, "port"), *r.Port)
	}
	c.pathModifier(under(at, "path"), r.Path, matches)
}

func (c *check) pathModifier(at string, m *gatewayv1.HTTPPathModifier, matches []gatewayv1.HTTPRouteMatch) {
	if m == nil {
		return
	}
	const full, prefix = "replaceFullPath", "replacePrefixMatch"
	c.oneOf(under(at, "type"), string(m.Type), string(gatewayv1.FullPathHTTPPathModifier), string(gatewayv1.PrefixMatchHTTPPathModifier))
	c.newPath(under(at, full), m.ReplaceFullPath, m.Type, gatewayv1.FullPathHTTPPathModifier)
	c.newPath(under(at, prefix), m.ReplacePrefixMatch, m.Type, gatewayv1.PrefixMatchHTTPPathModifier)
	others := func(m gatewayv1.HTTPRouteMatch) bool { return *m.Path.Type != gatewayv1.PathMatchPathPrefix }
	if m.Type == gatewayv1.PrefixMatchHTTPPathModifier && matches != nil && (len(matches) != 1 || slices.ContainsFunc(matches, others)) {
		c.refuse(under(at, "type"), "ReplacePrefixMatch needs a rule with one match, whose path is of type PathPrefix; part the rule, or write ReplaceFullPath")
	}
}

// newPath checks what comes in place of a path. In place of a prefix nothing may come.
func (c *check) newPath(path string, value *string, kind, of gatewayv1.HTTPPathModifierType) {
	switch {
	case value == nil && kind == of:
		c.refuse(path, "is missing; write the new path")
	case value == nil:
	case kind != of && kind != "":
		c.refuse(path, "goes with type: %s alone; remove it, or write that type", of)
	case len(*value) > longestPath:
		c.refuse(path, "has %d bytes, and %d are the most", len(*value), longestPath)
	case !strings.HasPrefix(*value, "/") && (*value != "" || of == gatewayv1.FullPathHTTPPathModifier):
		c.refuse(path, "%q does not begin with /; write the whole path", *value)
	default:
		c.newPathText(path, *value)
	}
}

func (c *check) newPathText(path, value string) {
	for _, never := range []string{"?", "#", "%2f", "%2F"} {
		if strings.Contains(value, never) {
			c.refuse(path, "%q has %s in it, which no path has that is made anew; write it without", value, never)
			return
		}
	}
	if _, why := decodedPath(value); why != "" {
		c.refuse(path, "%q %s", value, why)
	}
}
