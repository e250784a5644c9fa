package route

import (
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// tlsAsk is that an Ingress asks for TLS of a host.
type tlsAsk struct {
	i      *manifest.Ingress
	by     *Doored
	secret string // "namespace/name"; empty where none is named
}

// secure finds the hosts that are to have TLS, and their certificates.
func (b *doorBuild) secure(all []*manifest.Ingress) {
	if b.open(b.Offer.HTTPS, true) != "" {
		return
	}
	asks := map[string][]tlsAsk{}
	for _, i := range all {
		b.tlsOf(i, asks)
	}
	for _, host := range slices.Sorted(maps.Keys(asks)) {
		b.secured[host] = true
		b.name(host)
		b.host(doorName{port: b.Offer.HTTPS, name: host}).key = b.certificate(host, asks[host])
	}
}

// tlsOf notes for which hosts an Ingress asks for TLS. A wildcard of its tls is for those of its hosts that nothing else of it names.
func (b *doorBuild) tlsOf(i *manifest.Ingress, asks map[string][]tlsAsk) {
	d := b.of(kindIngress, &i.Meta)
	names, all := b.namesOf(i)
	listed := map[string]bool{}
	for _, t := range i.Object.Spec.TLS {
		for _, host := range t.Hosts {
			listed[host] = true
		}
	}
	add := func(host, secret string) {
		ask := tlsAsk{i: i, by: d}
		if secret != "" {
			ask.secret = keyOf(i.Namespace, secret)
		}
		asks[host] = append(asks[host], ask)
	}
	for _, t := range i.Object.Spec.TLS {
		hosts := t.Hosts
		if len(hosts) == 0 {
			hosts = names
			if all {
				hosts = append(slices.Clone(names), "")
			}
		}
		for _, host := range hosts {
			covers := false
			for _, name := range names {
				if !strings.HasPrefix(host, "*.") {
					break
				}
				if !listed[name] && oneLabel(host, name) {
					listed[name], covers = true, true
					add(name, t.SecretName)
				}
			}
			switch {
			case all || slices.Contains(names, host):
				add(host, t.SecretName)
			case !covers:
				d.say("its tls names %s, and none of its rules does: name it in a rule", host)
			}
		}
		for _, name := range names { // aliases and their like, which a certificate may name though tls does not
			if t.SecretName != "" && !listed[name] && len(t.Hosts) > 0 && b.pair(i.Namespace, t.SecretName).names(name) {
				listed[name] = true
				add(name, t.SecretName)
			}
		}
	}
}

// namesOf are the hosts of an Ingress, those too that lead to them; all says that it has something for every host.
func (b *doorBuild) namesOf(i *manifest.Ingress) (names []string, all bool) {
	all = i.Object.Spec.DefaultBackend != nil
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, r := range i.Object.Spec.Rules {
		all = all || r.Host == ""
		add(r.Host)
		if r.Host != "" {
			for _, alias := range i.Manner.Aliases {
				add(alias)
			}
		}
		add(b.twin(i, r.Host))
	}
	return names, all
}

// oneLabel says whether a host is a wildcard's with one label more.
func oneLabel(wildcard, host string) bool {
	rest, is := strings.CutPrefix(wildcard, "*.")
	first, of, _ := strings.Cut(host, ".")
	return is && first != "*" && of == rest
}

// certificate is by what name the host has its certificate, of those that Ingresses ask for: the one that it had, else the first.
func (b *doorBuild) certificate(host string, asks []tlsAsk) (key string) {
	had := b.before.key(doorName{port: b.Offer.HTTPS, name: host})
	older := slices.IndexFunc(asks, func(a tlsAsk) bool { return a.secret != "" && strings.HasPrefix(had, a.secret+"@") })
	if older > 0 {
		asks = append([]tlsAsk{asks[older]}, slices.Delete(slices.Clone(asks), older, older+1)...)
	}
	var from tlsAsk
	for _, a := range asks {
		if key != "" {
			if a.secret != "" && a.secret != from.secret {
				a.by.say("the certificate of %s is that of %s: name the same Secret there and here", anyHost(host), from.by.id())
			}
			continue
		}
		from, key = a, b.certified(host, had, a)
	}
	return key
}

// certified is by what name the host has the certificate that an Ingress asks for; empty where there is none, which it says.
func (b *doorBuild) certified(host, had string, a tlsAsk) string {
	if a.secret == "" && !a.i.Manner.ACME {
		a.by.say("there is no certificate for %s, so nobody reaches it by TLS: name a Secret in its tls, or ask for a certificate with annotation kubernetes.io/tls-acme: \"true\"", anyHost(host))
		return ""
	}
	if a.secret != "" {
		namespace, name, _ := strings.Cut(a.secret, "/")
		p := b.pair(namespace, name)
		switch {
		case p.key != "":
			if host != "" && !p.names(host) {
				a.by.say("the certificate in Secret %s does not name %s: clients will refuse it", a.secret, host)
			}
			return p.key
		case !p.there && a.i.Manner.ACME:
		case p.there && secretOf(had) == a.secret:
			a.by.say("%s; %s keeps the certificate that it had", p.why, anyHost(host))
			return had
		default:
			a.by.say("%s; until then nobody reaches %s by TLS", p.why, anyHost(host))
			return ""
		}
	}
	key, why := b.acmeKey(host)
	if why != "" {
		a.by.say("%s", why)
	}
	return key
}
