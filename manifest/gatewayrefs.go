package manifest

import (
	"net/netip"
	"regexp"
	"regexp/syntax"

	util "k8s.io/apimachinery/pkg/util/validation"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// fill gives an optional field its default.
func fill[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// atMost refuses a list that is longer than the API allows. Of such a one no more need be said.
func (c *check) atMost(path string, n, most int) bool {
	if n > most {
		c.refuse(path, "has %d items, and %d are the most; write the others in another object", n, most)
	}
	return n <= most
}

// refName checks the name of an object that is referred to.
func (c *check) refName(path, name, example string) {
	if name == "" {
		c.refuse(path, "is missing; write a name, such as %s", example)
		return
	}
	c.refuseName(path, name, util.IsDNS1123Subdomain(name))
}

// sectionName checks the name of a listener, or of a rule.
func (c *check) sectionName(path, name string) { c.refName(path, name, "http") }

func (c *check) refNamespace(path string, name *gatewayv1.Namespace) {
	if name != nil {
		c.refuseName(path, string(*name), util.IsDNS1123Label(string(*name)))
	}
}

// refKind refuses a reference to another kind than the one that can be referred to there, and says why.
func (c *check) refKind(at, group, kind, wantGroup, wantKind, why string) bool {
	switch {
	case group == wantGroup && kind == wantKind:
		return true
	case kind == wantKind:
		c.refuse(under(at, "group"), "%q is not supported; remove it: %s", group, why)
	default:
		c.refuse(under(at, "kind"), "%s is not supported; write %s: %s", kind, wantKind, why)
	}
	return false
}

// hostname checks a name that requests are for. A wildcard stands for one label or more.
func (c *check) hostname(path, name string, wild bool) {
	_, err := netip.ParseAddr(name)
	switch isWild := len(name) > 0 && name[0] == '*'; {
	case name == "":
		c.refuse(path, "is empty; write a name, or remove it")
	case err == nil:
		c.refuse(path, "%s is an address; write a name, or remove it", name)
	case isWild && !wild:
		c.refuse(path, "%q is a wildcard, and one name is meant; write it", name)
	case isWild:
		c.refuseName(path, name, util.IsWildcardDNS1123Subdomain(name))
	default:
		c.refuseName(path, name, util.IsDNS1123Subdomain(name))
	}
}

// longestHeaderName is how many bytes the name of a header or parameter may have.
const longestHeaderName = 256

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+\\-.^_\x60|~]+$")

// headerName checks the name of a header or a parameter.
func (c *check) headerName(path, name string) {
	switch {
	case name == "":
		c.refuse(path, "is missing; write a name")
	case len(name) > longestHeaderName || !headerName.MatchString(name):
		c.refuse(path, "%q is no name of a header or parameter; write up to %d letters, digits and -", name, longestHeaderName)
	}
}

// mostSteps is how large a regular expression may be once its repetitions are written out: (abc){1000} is 6,000 steps. Each takes memory in all doors.
const mostSteps = 10_000

// regularExpression finds mistakes in one. It is not written out for that.
func (c *check) regularExpression(path, text string) {
	switch read, err := syntax.Parse(text, syntax.Perl); {
	case err != nil:
		c.refuse(path, "%q is no regular expression that RE2 knows: %v", text, err)
	case steps(read) > mostSteps:
		c.refuse(path, "repeats so much that it is larger than %d steps; write smaller counts, or * in their place", mostSteps)
	}
}

func steps(of *syntax.Regexp) int {
	n := 1 + len(of.Rune)
	for _, part := range of.Sub {
		n += steps(part)
	}
	if of.Op == syntax.OpRepeat {
		n *= max(of.Min, of.Max, 1)
	}
	return n
}
