package route

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podkeep/podkeep/manifest"
)

// ruler makes the rules of one Ingress.
type ruler struct {
	b    *doorBuild
	id   manifest.ID
	kind manifest.Manner
	base DoorRule // without a match and a backend
}

func (b *doorBuild) ruler(i *manifest.Ingress) ruler {
	m, d := i.Manner, b.of(kindIngress, &i.Meta)
	base := DoorRule{
		From: d.from(), Realm: m.Realm, Allow: orNil(m.Allow), Deny: orNil(m.Deny), Once: m.Once, Connect: m.Connect, Read: m.Read, Send: m.Send,
	}
	if m.Body != nil {
		base.Body = *m.Body
	}
	if c := m.CORS; c != nil {
		base.CORS = &DoorCORS{Origins: orNil(c.Origins), Methods: orNil(c.Methods), Headers: orNil(c.Headers), Exposed: orNil(c.Exposed), MaxAge: c.MaxAge}
		base.CORS.Credentials = c.Credentials && !slices.Contains(c.Origins, "*") // else any site's pages may read what is answered to its visitors' cookies
	}
	if m.Prefix != "" {
		base.Request.Set = []DoorValue{{Name: "X-Forwarded-Prefix", Value: m.Prefix}}
	}
	users, why := b.users(i)
	base.Users = users
	switch {
	case why != "" && users != "":
		d.say("%s; the passwords that it had stay", why)
	case why != "":
		d.say("%s; until then all its requests are answered 503", why)
		base.Status, base.Why = 503, why
	}
	if m.Redirect != "" {
		base.Redirect = &DoorRedirect{Whole: m.Redirect, Code: m.RedirectCode}
	}
	return ruler{b, i.ID, m, base}
}

// rule leads requests to a backend; lack is what is to be said of a rule that does not, if it comes to be served.
func (r ruler) rule(match DoorMatch, host string, to *networkingv1.IngressBackend) (made *DoorRule, lack string) {
	rule := r.base
	made = &rule
	made.Match = match
	if made.Redirect != nil || made.Status != 0 {
		return made, ""
	}
	made.Rewrite = r.rewrite(match)
	if to.Service == nil {
		made.Status, made.Why = 503, "its backend is no Service"
		return made, fmt.Sprintf("requests for %s of %s are answered 503: their backend is no Service; name one", match.words(), anyHost(host))
	}
	port := backendPort{to.Service.Port.Name, uint16(to.Service.Port.Number)}
	backend, _, why := r.b.backend(r.id.Namespace, to.Service.Name, port)
	if why != "" {
		backend.Status, made.Why = 503, why
		lack = fmt.Sprintf("%s: requests for %s of %s are answered 503", why, match.words(), anyHost(host))
	}
	made.To = []DoorBackend{backend}
	if share, has := r.b.shareOf(r.id, to.Service.Name); has {
		if fresh, _, why := r.b.backend(r.id.Namespace, share.Service, port); why == "" {
			made.To = append(made.To, fresh)
			r.b.share(r.id, made.To)
		} else if lack == "" {
			lack = fmt.Sprintf("%s: it has no share of the requests for %s of %s", why, match.words(), anyHost(host))
		}
	}
	for i := range made.To {
		to := &made.To[i]
		to.Host = r.kind.Host
		to.Protocol = cmp.Or(map[string]string{"HTTPS": "https", "GRPC": "h2c", "GRPCS": "h2"}[r.kind.Protocol], to.Protocol)
	}
	return made, lack
}

var group = regexp.MustCompile(`\$\d+`)

// rewrite is what a pod sees in place of the path. What groups would hold is nothing where the path has none.
func (r ruler) rewrite(match DoorMatch) *DoorRewrite {
	switch {
	case r.kind.Rewrite == "":
		return nil
	case match.Kind == Regexp:
		return &DoorRewrite{Kind: Regexp, Path: r.kind.Rewrite}
	}
	return &DoorRewrite{Kind: Exact, Path: cmp.Or(group.ReplaceAllString(r.kind.Rewrite, ""), "/")}
}

// match is which requests a path of an Ingress is for.
func match(i *manifest.Ingress, p networkingv1.HTTPIngressPath) (m DoorMatch, why string) {
	kind := networkingv1.PathTypeImplementationSpecific
	if p.PathType != nil {
		kind = *p.PathType
	}
	path := cmp.Or(p.Path, "/")
	switch {
	case i.Manner.Regexp && kind == networkingv1.PathTypeImplementationSpecific:
		if why := expression(path); why != "" {
			return m, "it is no regular expression (RE2): " + why
		}
		return DoorMatch{Kind: Regexp, Path: path}, ""
	case kind == networkingv1.PathTypeExact:
		return DoorMatch{Kind: Exact, Path: path}, ""
	}
	return prefix(path), ""
}
