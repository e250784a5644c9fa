package route

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podkeep/podkeep/manifest"
)

const classAnnotation = "kubernetes.io/ingress.class"

// oursOf are the Ingresses of a class of ours, in order. Of all something is said.
func (b *doorBuild) oursOf() (all []*manifest.Ingress) {
	for n := range b.Ingresses {
		i := &b.Ingresses[n]
		d := b.of(kindIngress, &i.Meta)
		if why := b.others(i); why != "" {
			d.say("%s", why)
			continue
		}
		d.Ours = true
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, o *manifest.Ingress) int {
		return cmp.Or(cmp.Compare(a.Namespace, o.Namespace), cmp.Compare(a.Name, o.Name))
	})
	return all
}

// others is why an Ingress is another controller's; empty where it is ours. One without a class is, unless Git has another one's class for those.
func (b *doorBuild) others(i *manifest.Ingress) string {
	class := i.Annotations[classAnnotation]
	if i.Object.Spec.IngressClassName != nil {
		class = *i.Object.Spec.IngressClassName
	}
	if class == "" {
		isDefault := func(ours bool) func(manifest.IngressClass) bool {
			return func(c manifest.IngressClass) bool { return c.Default && b.isOurs(c.Name) == ours }
		}
		if n := slices.IndexFunc(b.Classes, isDefault(false)); n >= 0 && !slices.ContainsFunc(b.Classes, isDefault(true)) {
			return fmt.Sprintf("it has no class, and IngressClass %s, the default one, is another controller's: write ingressClassName: %s to have it served", b.Classes[n].Name, manifest.DoorClass)
		}
		return ""
	}
	if b.isOurs(class) {
		return ""
	}
	return fmt.Sprintf("it is of class %s, which is another controller's: write ingressClassName: %s, or begin podkeep with --ingress-class=%s, to have it served", class, manifest.DoorClass, class)
}

// isOurs says whether a class is ours: by its name, or by its controller.
func (b *doorBuild) isOurs(class string) bool {
	return class == manifest.DoorClass || slices.Contains(b.Offer.Classes, class) ||
		slices.ContainsFunc(b.Classes, func(c manifest.IngressClass) bool { return c.Name == class && c.Ours })
}

// general is a rule that an Ingress has for all hosts.
type general struct {
	i    *manifest.Ingress
	rule *DoorRule
	tier int
	nth  int
}

// serveIngresses claims what Ingresses ask for.
func (b *doorBuild) serveIngresses(all []*manifest.Ingress) {
	b.secured, b.named = map[string]bool{}, map[string]bool{}
	for _, i := range all {
		for _, r := range i.Object.Spec.Rules {
			b.named[r.Host] = true
		}
	}
	awake := slices.DeleteFunc(slices.Clone(all), func(i *manifest.Ingress) bool { return i.Suspended })
	b.secure(awake)
	for _, i := range awake {
		b.serveIngress(i)
	}
	for _, i := range all {
		if i.Suspended {
			b.freeze(b.of(kindIngress, &i.Meta))
		}
	}
}

func (b *doorBuild) serveIngress(i *manifest.Ingress) {
	d := b.of(kindIngress, &i.Meta)
	if why := b.open(b.Offer.HTTP, false); why != "" && b.Offer.HTTP != 0 {
		d.say("port %d of hosts %s: free it to have this served there", b.Offer.HTTP, why)
	}
	if len(i.Object.Spec.TLS) > 0 {
		if why := b.open(b.Offer.HTTPS, true); b.Offer.HTTPS == 0 {
			d.say("it is served without TLS: podkeep was begun without a port for that")
		} else if why != "" {
			d.say("port %d of hosts %s: free it to have this served with TLS", b.Offer.HTTPS, why)
		}
	}
	made := b.ruler(i)
	nth := 0
	put := func(host string, rule *DoorRule, lack string, tier int) {
		nth++
		if host == "" {
			b.general = append(b.general, general{i, rule, max(tier, atAnyHost), nth})
		}
		b.put(i, host, claim{rule: rule, by: d, tier: tier, nth: nth, lack: lack})
	}
	for _, r := range i.Object.Spec.Rules {
		hosts := []string{r.Host}
		if r.Host != "" {
			hosts = append(hosts, i.Manner.Aliases...)
		}
		for _, host := range hosts {
			b.name(host)
			if i.Manner.AppRoot != "" {
				put(host, &DoorRule{From: d.from(), Match: DoorMatch{Kind: Exact, Path: "/"}, Redirect: appRoot(i.Manner.AppRoot)}, "", atHost)
			}
			if r.HTTP == nil {
				continue
			}
			for _, p := range r.HTTP.Paths {
				if match, why := match(i, p); why != "" {
					d.say("path %s of %s is not served: %s", p.Path, anyHost(host), why)
				} else {
					rule, lack := made.rule(match, host, &p.Backend)
					put(host, rule, lack, atHost)
				}
			}
		}
		if twin := b.twin(i, r.Host); twin != "" {
			put(twin, &DoorRule{From: d.from(), Match: prefix("/"), Redirect: &DoorRedirect{Host: r.Host, Code: 308}}, "", atHost)
		}
	}
	if to := i.Object.Spec.DefaultBackend; to != nil {
		rule, lack := made.rule(prefix("/"), "", to)
		put("", rule, lack, someDefault)
	}
}

// appRoot leads to a path, with a query or not, as it is written.
func appRoot(to string) *DoorRedirect {
	return &DoorRedirect{Path: &DoorRewrite{Kind: Written, Path: noURL.ReplaceAllStringFunc(to, url.PathEscape)}, Code: 302}
}

// noURL is what no URL is written with.
var noURL = regexp.MustCompile(`[^!-~]+`)

// name has a host of Ingresses at their ports, so that one without rules of its own gets those for all.
func (b *doorBuild) name(host string) {
	if host == "" {
		return
	}
	if b.open(b.Offer.HTTP, false) == "" {
		b.host(doorName{port: b.Offer.HTTP, name: host}).ingress = true
	}
	if b.secured[host] && b.open(b.Offer.HTTPS, true) == "" {
		b.host(doorName{port: b.Offer.HTTPS, name: host}).ingress = true
	}
}

// put claims a rule at the ports of Ingresses at which the host is.
func (b *doorBuild) put(i *manifest.Ingress, host string, c claim) {
	b.name(host)
	for _, tls := range []bool{false, true} {
		at := doorName{port: b.Offer.HTTP, name: host}
		if tls {
			at.port = b.Offer.HTTPS
		}
		if tls && !b.secured[host] || b.open(at.port, tls) != "" {
			continue
		}
		made := c
		made.rule = b.atPort(i, at, c.rule)
		b.claim(at, made)
	}
}

// atPort is a rule as it is at a port: at the one without TLS it may lead to the other, unless it leads elsewhere anyhow.
func (b *doorBuild) atPort(i *manifest.Ingress, at doorName, rule *DoorRule) *DoorRule {
	m := i.Manner
	if at.port != b.Offer.HTTP || rule.Redirect != nil || !m.ForceHTTPS && (!b.secured[at.name] || m.HTTPS != nil && !*m.HTTPS) {
		return rule
	}
	to := &DoorRedirect{Scheme: "https", Code: 308, Plain: true}
	if b.Offer.HTTPS != 443 {
		to.Port = b.Offer.HTTPS
	}
	plain := *rule
	plain.Redirect = to
	return &plain
}

// tails are what Ingresses have for all hosts, as it is at one that an Ingress names.
func (b *doorBuild) tails(at doorName) (all []claim) {
	if at.name == "" || at.deep || at.port != b.Offer.HTTP && at.port != b.Offer.HTTPS {
		return nil
	}
	for _, g := range b.general {
		c := claim{rule: b.atPort(g.i, at, g.rule), by: b.of(kindIngress, &g.i.Meta), tier: g.tier, nth: g.nth}
		if g.tier == someDefault && slices.ContainsFunc(g.i.Object.Spec.Rules, func(r networkingv1.IngressRule) bool { return r.Host == at.name }) {
			c.tier = ownDefault
		}
		all = append(all, c)
	}
	return all
}

// twin is the host that leads to another one, with "www." before it or without; empty where none is asked for, or another Ingress names it.
func (b *doorBuild) twin(i *manifest.Ingress, host string) string {
	if !i.Manner.WWW || host == "" || strings.HasPrefix(host, "*.") {
		return ""
	}
	twin, has := strings.CutPrefix(host, "www.")
	if !has {
		twin = "www." + host
	}
	if b.named[twin] {
		return ""
	}
	return twin
}
