package door

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/node/route"
)

// table is a route.Table as requests are looked up in it.
type table struct {
	ports            map[uint16]hosts
	trusted, proxied []netip.Prefix
	log              bool
	pods             map[podKey]bool
	stats            map[statKey]*stat
	times            map[string]*times
	backends         map[backendKey]*backend // one of each
	none             *rule                   // of what no rule matches
}

// hosts are those of a port, the most specific first.
type hosts struct {
	exact map[string]*host
	wild  map[string]*host // by what follows the first label, with its dot
	deep  []*host          // by length, longest first
	any   *host
}

type host struct {
	key   string
	end   string // of names below a wildcard
	rules []*rule
}

// rule is a route.DoorRule with what is made of it once.
type rule struct {
	*route.DoorRule
	path       *regexp.Regexp
	prefix     string // Path without its last slash
	to         string // Rewrite.Path for Expand
	headers    []value
	query      []value
	request    headers
	answer     headers
	backends   []*backend
	weight     int // of all backends
	stat       *stat
	times      *times
	unworkable bool // an expression of it is none
}

type value struct {
	route.DoorValue
	is *regexp.Regexp
}

// compile makes a table that requests are looked up in. A Door's mu is held, or it is not there yet.
func (d *Door) compile(t *route.Table) *table {
	n := &table{ports: map[uint16]hosts{}, pods: map[podKey]bool{}, stats: map[statKey]*stat{}, times: map[string]*times{}, backends: map[backendKey]*backend{}}
	n.none = &rule{DoorRule: &route.DoorRule{}}
	d.meter(n, n.none)
	if t == nil || t.Doors == nil {
		return n
	}
	n.trusted, n.proxied, n.log = t.Doors.Trusted, t.Doors.Proxied, t.Doors.Log
	seen := map[*route.DoorRule]*rule{}
	for i := range t.Doors.Ports {
		p := &t.Doors.Ports[i]
		all := hosts{exact: map[string]*host{}, wild: map[string]*host{}}
		for j := range p.Hosts {
			h := &p.Hosts[j]
			one := &host{key: h.Key}
			for k := range h.Rules {
				r := &h.Rules[k]
				if seen[r] == nil {
					seen[r] = d.rule(n, t, r)
				}
				one.rules = append(one.rules, seen[r])
			}
			all.add(h, one)
		}
		slices.SortStableFunc(all.deep, func(a, b *host) int { return len(b.end) - len(a.end) })
		n.ports[p.Port] = all
	}
	return n
}

func (all *hosts) add(h *route.DoorHost, one *host) {
	end, wild := strings.CutPrefix(strings.ToLower(h.Name), "*")
	one.end = end
	switch {
	case h.Name == "":
		all.any = one
	case wild && h.Deep:
		all.deep = append(all.deep, one)
	case wild:
		all.wild[end] = one
	default:
		all.exact[end] = one
	}
}

// find is what is served under a name; nil is nothing.
func (all *hosts) find(name string) *host {
	if h := all.exact[name]; h != nil {
		return h
	}
	if i := strings.IndexByte(name, '.'); i > 0 {
		if h := all.wild[name[i:]]; h != nil {
			return h
		}
	}
	for _, h := range all.deep {
		if strings.HasSuffix(name, h.end) && len(name) > len(h.end) {
			return h
		}
	}
	return all.any
}

// groups are the places of a rewrite's path that stand for groups; another dollar is itself.
var groups = regexp.MustCompile(`\$\d|\$`)

func (d *Door) rule(n *table, t *route.Table, from *route.DoorRule) *rule {
	r := &rule{DoorRule: from, prefix: strings.TrimSuffix(from.Match.Path, "/"), request: headersOf(from.Request), answer: headersOf(from.Answer)}
	if from.Match.Kind == route.Regexp {
		r.path = d.expression(r, "(?i)^(?:"+from.Match.Path+")")
	}
	for _, v := range from.Match.Headers {
		v.Name = http.CanonicalHeaderKey(v.Name)
		r.headers = append(r.headers, d.value(r, v))
	}
	for _, v := range from.Match.Query {
		r.query = append(r.query, d.value(r, v))
	}
	if w := r.rewrite(); w != nil {
		r.to = groups.ReplaceAllStringFunc(w.Path, func(s string) string {
			if s == "$" {
				return "$$"
			}
			return "${" + s[1:] + "}"
		})
	}
	for i := range from.To {
		b := d.backend(n, t, r, &from.To[i])
		n.backends[b.key()] = b
		r.backends, r.weight = append(r.backends, b), r.weight+b.Weight
	}
	d.meter(n, r)
	return r
}

// rewrite is what is done with the path, for pods or for a redirect.
func (r *rule) rewrite() *route.DoorRewrite {
	if r.Redirect != nil && !r.Redirect.Plain {
		return r.Redirect.Path
	}
	return r.Rewrite
}

func (d *Door) value(r *rule, v route.DoorValue) value {
	if v.Kind != route.Regexp {
		return value{DoorValue: v}
	}
	return value{v, d.expression(r, "^(?:"+v.Value+")$")}
}

// expression is the text compiled. A rule with one that is none matches nothing.
func (d *Door) expression(r *rule, text string) *regexp.Regexp {
	is, err := regexp.Compile(text)
	if err != nil {
		d.log.Warnf("%s: %s: no request matches this rule: write an expression that RE2 knows", r.From, err)
		r.unworkable = true
	}
	return is
}

func (v value) holds(text string) bool {
	if v.is != nil {
		return v.is.MatchString(text)
	}
	return v.Value == text
}

// find is the first rule of the host that matches; nil is none.
func (h *host) find(r *http.Request, path string) *rule {
	var query url.Values
	for _, one := range h.rules {
		if len(one.query) > 0 && query == nil {
			query = r.URL.Query()
		}
		if one.matches(r, path, query) {
			return one
		}
	}
	return nil
}

func (r *rule) matches(q *http.Request, path string, query url.Values) bool {
	if r.unworkable || r.Match.Method != "" && r.Match.Method != q.Method || !r.leads(path) {
		return false
	}
	for _, v := range r.headers {
		all := q.Header[v.Name]
		if v.Name == "Host" {
			all = []string{q.Host}
		}
		if len(all) == 0 || !v.holds(strings.Join(all, ",")) {
			return false
		}
	}
	for _, v := range r.query {
		if all := query[v.Name]; len(all) == 0 || !v.holds(all[0]) {
			return false
		}
	}
	return true
}

func (r *rule) leads(path string) bool {
	switch r.Match.Kind {
	case route.Exact:
		return path == r.Match.Path
	case route.Regexp:
		return r.path.MatchString(path)
	}
	return strings.HasPrefix(path, r.prefix) && (len(path) == len(r.prefix) || path[len(r.prefix)] == '/')
}
