package manifest

import (
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// anIngress is the kind's name.
const anIngress = "Ingress"

var ingressKind = kind{
	version: "networking.k8s.io/v1", name: anIngress, meek: true,
	empty: func() typed { return &networkingv1.Ingress{} },
	check: func(c *check, t typed) { c.ingress(t.(*networkingv1.Ingress)) },
	add: func(a *assembly, m Meta, o *object) {
		in := o.typed.(*networkingv1.Ingress)
		manner := mannerOf(o.check(), in)
		a.set.Ingresses = append(a.set.Ingresses, Ingress{Meta: m, Manner: manner, Object: in})
	},
}

// AnnotationIngressClass is the older way to name the class: an Ingress has it, or spec.ingressClassName, or both alike.
const AnnotationIngressClass = "kubernetes.io/ingress.class"

// ingress checks an Ingress as the Kubernetes API server does, and its annotations.
func (c *check) ingress(o *networkingv1.Ingress) {
	s := o.Spec
	if len(s.Rules) == 0 && s.DefaultBackend == nil {
		c.refuse("spec", "leads nowhere; write rules, or defaultBackend")
	}
	c.ingressClassName(o)
	if s.DefaultBackend != nil {
		c.backend("spec.defaultBackend", *s.DefaultBackend)
	}
	for i, t := range s.TLS {
		at := item("spec.tls", i)
		for k, host := range t.Hosts {
			c.ingressHost(item(under(at, "hosts"), k), host)
		}
		if t.SecretName != "" {
			c.refuseName(under(at, "secretName"), t.SecretName, util.IsDNS1123Subdomain(t.SecretName))
		}
	}
	manner := mannerOf(c, o)
	groups := 0
	for i, r := range s.Rules {
		groups = max(groups, c.ingressRule(item("spec.rules", i), r, manner.Regexp))
	}
	c.rewriteGroups(manner.Rewrite, groups)
}

func (c *check) ingressClassName(o *networkingv1.Ingress) {
	const path = "spec.ingressClassName"
	older := o.Annotations[AnnotationIngressClass]
	if name := o.Spec.IngressClassName; name != nil {
		c.refuseName(path, *name, util.IsDNS1123Subdomain(*name))
		if older != "" && older != *name {
			c.refuse(keyed("metadata.annotations", AnnotationIngressClass), "%q is not spec.ingressClassName, which is %q; remove this one", older, *name)
		}
	}
}

// ingressHost refuses what is no name of a host, nor such a name with * in place of its first label.
func (c *check) ingressHost(at, host string) {
	_, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		c.refuse(at, "%q is an address, and no host's name; write a name, or leave the host out for all of them", host)
	case strings.Contains(host, "*"):
		c.refuseName(at, host, util.IsWildcardDNS1123Subdomain(host))
	default:
		c.refuseName(at, host, util.IsDNS1123Subdomain(host))
	}
}

// ingressRule checks a rule, and says how many groups the regular expression has that has most of them.
func (c *check) ingressRule(at string, r networkingv1.IngressRule, regular bool) (groups int) {
	if r.Host != "" {
		c.ingressHost(under(at, "host"), r.Host)
	}
	if r.HTTP == nil {
		return 0
	}
	list := under(at, "http.paths")
	if len(r.HTTP.Paths) == 0 {
		c.refuse(list, "is missing; write some, for example [{path: /, pathType: Prefix, backend: …}], or remove http to have the default backend")
	}
	for i, p := range r.HTTP.Paths {
		c.backend(under(item(list, i), "backend"), p.Backend)
		groups = max(groups, c.ingressPath(item(list, i), p, regular))
	}
	return groups
}

// plainPath is a path in which nothing has a meaning of its own in a regular expression.
var plainPath = regexp.MustCompile(`^[^$()*+?\[\]{}^|\\]*$`)

func (c *check) ingressPath(at string, p networkingv1.HTTPIngressPath, regular bool) (groups int) {
	path, kind := under(at, "path"), under(at, "pathType")
	if p.PathType == nil {
		c.refuse(kind, "is missing; write Prefix, Exact or ImplementationSpecific")
		return 0
	}
	specific := *p.PathType == networkingv1.PathTypeImplementationSpecific
	c.oneOf(kind, string(*p.PathType), "Prefix", "Exact", "ImplementationSpecific")
	switch {
	case specific && p.Path == "":
	case !strings.HasPrefix(p.Path, "/"):
		c.refuse(path, "%q does not begin with /; write where it stands below the host, for example /", p.Path)
	case specific && regular:
		return c.regularPath(path, p.Path)
	case specific && strings.HasSuffix(p.Path, "/*"):
		c.notice(path, "the * is taken for itself; write the path without it, with pathType Prefix, for all that is below")
	case regular && !plainPath.MatchString(p.Path):
		c.refuse(kind, "%s takes %q for its letters, and no regular expression; write ImplementationSpecific", *p.PathType, p.Path)
		return mostGroups
	case !specific:
		c.straightPath(path, p.Path)
	}
	return 0
}

// straightPath refuses a path that no request has, once dots and double slashes are taken out of it.
func (c *check) straightPath(at, path string) {
	for _, part := range []string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(path, part) {
			c.refuse(at, "%q has %s in it, which no path is asked by; write the path without", path, part)
		}
	}
	for _, end := range []string{"/..", "/."} {
		if strings.HasSuffix(path, end) {
			c.refuse(at, "%q ends in %s, which no path is asked by; write the path without", path, end)
		}
	}
}

func (c *check) regularPath(at, path string) (groups int) {
	re, err := syntax.Parse(path, syntax.Perl|syntax.FoldCase)
	if err != nil {
		c.refuse(at, "%q is no regular expression as RE2 has them, without looking ahead or back (%v)", path, err)
		return 0
	}
	return re.MaxCap()
}

// backend checks where requests go.
func (c *check) backend(at string, b networkingv1.IngressBackend) {
	switch {
	case b.Resource != nil:
		c.refuse(under(at, "resource"), "nothing but a Service can be asked; write service, with name and port")
		return
	case b.Service == nil:
		c.refuse(at, "is nobody; write service, with name and port")
		return
	}
	name, port := under(at, "service.name"), under(at, "service.port")
	if b.Service.Name == "" {
		c.refuse(name, "is missing; write the name of a Service of the Ingress' namespace")
	} else {
		c.refuseName(name, b.Service.Name, util.IsDNS1035Label(b.Service.Name))
	}
	switch p := b.Service.Port; {
	case p.Name != "" && p.Number != 0:
		c.refuse(under(port, "name"), "goes with no number; remove one of the two")
	case p.Name != "":
		c.refuseName(under(port, "name"), p.Name, util.IsValidPortName(p.Name))
	case p.Number != 0:
		c.portNumber(under(port, "number"), p.Number)
	default:
		c.refuse(port, "is missing; write the name or the number of one of the Service's ports")
	}
}
