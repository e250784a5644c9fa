package route_test

import (
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// keys are by what names hosts have their certificates, without marks: PORT HOST KEY.
func keys(t route.Table) (all []string) {
	if t.Doors == nil {
		return nil
	}
	for _, p := range t.Doors.Ports {
		for _, h := range p.Hosts {
			if p.TLS {
				key, _, _ := strings.Cut(h.Key, "@")
				all = append(all, strings.TrimSpace(nameOf(h)+" "+key))
			}
		}
	}
	return all
}

func TestWhichCertificateAHostHas(t *testing.T) {
	two := toWeb("web", "a.example.org", "Prefix", "/")
	two.Object.Spec.Rules = append(two.Object.Spec.Rules, toWeb("", "b.example.org", "Prefix", "/").Object.Spec.Rules...)
	acme := manifest.Manner{ACME: true}
	with := func(i manifest.Ingress, m manifest.Manner) manifest.Ingress { i.Manner = m; return i }
	issued := offer
	issued.ACME.Directory = "https://acme.example.org/directory"
	broken := signed("web-tls", "a.example.org")
	broken.Data["tls.key"] = signed("other", "a.example.org").Data["tls.key"]
	for _, c := range []struct {
		name    string
		i       manifest.Ingress
		secrets []manifest.Secret
		offer   manifest.DoorOffer
		want    []string
		why     []string
	}{
		{"of each host", withTLS(withTLS(two, "a-tls", "a.example.org"), "b-tls", "b.example.org"), []manifest.Secret{signed("a-tls", "a.example.org"), signed("b-tls", "b.example.org")}, offer,
			[]string{"a.example.org default/a-tls", "b.example.org default/b-tls"}, nil},
		{"of a wildcard", withTLS(two, "web-tls", "*.example.org"), []manifest.Secret{signed("web-tls", "*.example.org")}, offer,
			[]string{"a.example.org default/web-tls", "b.example.org default/web-tls"}, nil},
		{"of a wildcard beside a name", withTLS(withTLS(two, "web-tls", "*.example.org"), "b-tls", "b.example.org"), []manifest.Secret{signed("web-tls", "*.example.org"), signed("b-tls", "b.example.org")}, offer,
			[]string{"a.example.org default/web-tls", "b.example.org default/b-tls"}, nil},
		{"without hosts it is of all", withTLS(two, "web-tls"), []manifest.Secret{signed("web-tls", "*.example.org")}, offer,
			[]string{"a.example.org default/web-tls", "b.example.org default/web-tls"}, nil},
		{"of every name", withTLS(toWeb("web", "", "Prefix", "/"), "web-tls"), []manifest.Secret{signed("web-tls", "a.example.org")}, offer,
			[]string{"any default/web-tls"}, nil},
		{"one that names another host", withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org"), []manifest.Secret{signed("web-tls", "b.example.org")}, offer,
			[]string{"a.example.org default/web-tls"}, []string{"the certificate in Secret default/web-tls does not name a.example.org: clients will refuse it"}},
		{"one that is not there", withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org"), nil, offer,
			[]string{"a.example.org"}, []string{"Secret default/web-tls is not there: put it into Git, as `kubectl create secret tls` makes it; until then nobody reaches a.example.org by TLS"}},
		{"one that is broken", withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org"), []manifest.Secret{broken}, offer,
			[]string{"a.example.org"}, []string{"Secret default/web-tls: tls.key is not the key of tls.crt; until then nobody reaches a.example.org by TLS"}},
		{"none that is named", withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "", "a.example.org"), nil, offer,
			[]string{"a.example.org"}, []string{"there is no certificate for a.example.org, so nobody reaches it by TLS: name a Secret in its tls, or ask for a certificate with annotation kubernetes.io/tls-acme: \"true\""}},
		{"a host that no rule has", withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "b.example.org"), []manifest.Secret{signed("web-tls", "b.example.org")}, offer,
			nil, []string{"its tls names b.example.org, and none of its rules does: name it in a rule"}},
		{"one that is issued", with(withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org"), acme), nil, issued,
			[]string{"a.example.org acme/a.example.org"}, nil},
		{"one that is in Git is not issued", with(withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org"), acme), []manifest.Secret{signed("web-tls", "a.example.org")}, issued,
			[]string{"a.example.org default/web-tls"}, nil},
		{"nobody issues", with(withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org"), acme), nil, offer,
			[]string{"a.example.org"}, []string{"no certificate can be issued for a.example.org: begin podkeep with --acme-directory=URL, or put a certificate into a Secret"}},
		{"nobody is asked by HTTP", with(withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org"), acme), nil, manifest.DoorOffer{HTTPS: 443, ACME: issued.ACME},
			[]string{"a.example.org acme/a.example.org"}, []string{"no certificate can be issued for a.example.org, since its issuer asks by HTTP: begin podkeep with a port for that (--ingress-http-port=80), or put a certificate into a Secret"}},
		{"a wildcard is not issued", with(withTLS(toWeb("web", "*.example.org", "Prefix", "/"), "web-tls", "*.example.org"), acme), nil, issued,
			[]string{"*.example.org"}, []string{"no certificate can be issued for *.example.org, since that needs a record of DNS: name the hosts, or put a certificate into a Secret"}},
	} {
		table, said := doorsOf(route.DoorWant{Offer: c.offer, Ingresses: []manifest.Ingress{c.i}, Secrets: c.secrets}, nil)
		same(t, c.name, c.want, keys(table))
		same(t, c.name, c.why, said["Ingress/default/web"].Why)
	}
}

func TestEachCertificateOfAListenerIsServedToThoseWhoAskForItsNames(t *testing.T) {
	secrets := []manifest.Secret{signed("a-tls", "a.example.org"), signed("b-tls", "B.example.org", "c.example.org"), signed("d-tls", "d.example.org", "d.example.net")}
	w := route.DoorWant{Secrets: secrets, Gateways: []manifest.Gateway{gatewayOf("web",
		"listeners: [{name: web, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: a-tls}, {name: b-tls}]}}, {name: d, port: 443, protocol: HTTPS, hostname: '*.example.net', tls: {certificateRefs: [{name: a-tls}, {name: d-tls}]}}]")}}
	table, _ := doorsOf(w, nil)
	hosts := []string{"b.example.org default/b-tls", "c.example.org default/b-tls", "d.example.net default/d-tls", "**.example.net default/a-tls", "any default/a-tls"}
	same(t, "without a route", hosts, keys(table))
	w.Routes = []manifest.HTTPRoute{to("web", "", path("/", "v1"))}
	table, _ = doorsOf(w, nil)
	same(t, "with one", hosts, keys(table))
	var rules []string
	for _, at := range []string{"b.example.org", "c.example.org", "d.example.net", "**.example.net", "any"} {
		rules = append(rules, "443 "+at+" Prefix / -> v1:80")
	}
	same(t, "its rules", rules, shown(table))
}

func TestACertificateAsksForNoHostThatAnotherHas(t *testing.T) {
	w := route.DoorWant{
		Secrets:   []manifest.Secret{signed("wild-tls", "*.example.org"), signed("one-tls", "a.example.net"), signed("two-tls", "b.example.org", "b.example.net")},
		Ingresses: []manifest.Ingress{withTLS(toWeb("web", "*.example.org", "Prefix", "/"), "wild-tls", "*.example.org")},
		Gateways: []manifest.Gateway{
			gatewayOf("web", "listeners: [{name: web, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: one-tls}, {name: two-tls}]}}]"),
			gatewayOf("beside", "listeners: [{name: web, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: one-tls}]}}]"),
		},
		Routes: []manifest.HTTPRoute{httpRoute("beside", "parentRefs: [{name: beside}]\nrules:\n"+path("/beside", "v2")), to("web", "", path("/web", "v1"))},
	}
	table, _ := doorsOf(w, nil)
	same(t, "keys", []string{"b.example.net default/two-tls", "*.example.org default/wild-tls", "any default/one-tls"}, keys(table))
	for _, h := range table.Doors.Ports[1].Hosts {
		if h.Name == "b.example.net" && len(h.Rules) != 2 { // of both Gateways, as where no name is said
			t.Errorf("%+v", h.Rules)
		}
	}
}

func TestASecretThatBreaksLeavesTheCertificateThatWasThere(t *testing.T) {
	good := signed("web-tls", "a.example.org")
	w := route.DoorWant{Ingresses: []manifest.Ingress{withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org")}, Secrets: []manifest.Secret{good}}
	before, _ := doorsOf(w, nil)
	same(t, "names", []string{route.KeyName(good)}, route.KeyNames(&before))
	for name, change := range map[string]func(s manifest.Secret){
		"tls.key holds no private key in PEM that is without a password": func(s manifest.Secret) { s.Data["tls.key"] = manifest.Bytes("secret") },
		"tls.crt does not begin with a certificate in PEM":               func(s manifest.Secret) { s.Data["tls.crt"] = manifest.Bytes("secret") },
		"it has no tls.key: make it as `kubectl create secret tls` does": func(s manifest.Secret) { delete(s.Data, "tls.key") },
		"tls.key is not the key of tls.crt":                              func(s manifest.Secret) { s.Data["tls.key"] = signed("x").Data["tls.key"] },
		"it has no tls.crt: make it as `kubectl create secret tls` does": func(s manifest.Secret) { delete(s.Data, "tls.crt") },
	} {
		bad := signed("web-tls", "a.example.org")
		change(bad)
		w.Secrets = []manifest.Secret{bad}
		table, said := doorsOf(w, &before)
		same(t, name, []string{route.KeyName(good)}, route.KeyNames(&table))
		same(t, name, []string{"Secret default/web-tls: " + name + "; a.example.org keeps the certificate that it had"}, said["Ingress/default/web"].Why)
	}
	w.Secrets = []manifest.Secret{signed("web-tls", "a.example.org")}
	table, _ := doorsOf(w, &before)
	same(t, "a new one", []string{route.KeyName(w.Secrets[0])}, route.KeyNames(&table))
}

func TestPlainRequestsAreLedToTLS(t *testing.T) {
	no := false
	i := withTLS(toWeb("web", "a.example.org", "Prefix", "/"), "web-tls", "a.example.org")
	any := toWeb("any", "", "Exact", "/x")
	w := route.DoorWant{Ingresses: []manifest.Ingress{i, any, toWeb("more", "a.example.org", "Exact", "/y")}, Secrets: []manifest.Secret{signed("web-tls", "a.example.org")}}
	w.Ingresses[0].Object.Spec.Rules[0].HTTP.Paths[0].Path = "/w"
	table, _ := doorsOf(w, nil)
	same(t, "by default", []string{
		"80 a.example.org Exact /y -> 308 https web:80", "80 a.example.org Prefix /w -> 308 https web:80", "80 a.example.org Exact /x -> 308 https web:80", "80 any Exact /x -> web:80",
		"443 a.example.org Exact /y -> web:80", "443 a.example.org Prefix /w -> web:80", "443 a.example.org Exact /x -> web:80",
	}, shown(table))
	w.Offer = manifest.DoorOffer{HTTP: 8080, HTTPS: 8443}
	table, _ = doorsOf(w, nil)
	if to := table.Doors.Ports[0].Hosts[0].Rules[0].Redirect; table.Doors.Ports[0].Port != 8080 || to.Port != 8443 {
		t.Errorf("at another port: %+v", to)
	}
	w.Ingresses[0].Manner.HTTPS = &no
	w.Ingresses, w.Offer = w.Ingresses[:1], offer
	table, _ = doorsOf(w, nil)
	same(t, "where it is not asked for", []string{"80 a.example.org Prefix /w -> web:80", "443 a.example.org Prefix /w -> web:80"}, shown(table))
}

func TestAnIssuerIsOneOfTheDoorsForEver(t *testing.T) {
	o := offer
	o.ACME = manifest.ACME{Directory: "https://acme.example.org/directory", Email: "a@example.org"}
	var all []manifest.Ingress
	for _, name := range strings.Fields("a b c d e f g h i j k l") {
		i := withTLS(toWeb(name, name+".example.org", "Prefix", "/"), "", name+".example.org")
		i.Manner.ACME = true
		all = append(all, i)
	}
	issuers := func(nodes ...string) map[string]string {
		table, _ := doorsOf(route.DoorWant{Offer: o, Nodes: nodes, Ingresses: all}, nil)
		same(t, "who issues", &route.DoorACME{Directory: o.ACME.Directory, Email: o.ACME.Email}, table.Doors.ACME)
		by := map[string]string{}
		for _, h := range table.Doors.Ports[1].Hosts {
			by[h.Name] = h.Issuer
		}
		return by
	}
	three, two, used := issuers("n1", "n2", "n3"), issuers("n1", "n3"), map[string]bool{}
	for host, by := range three {
		used[by] = true
		if by != "n2" && two[host] != by {
			t.Errorf("%s moved from %s to %s, and n2 left", host, by, two[host])
		}
	}
	if len(used) != 3 {
		t.Errorf("all are issued by %v", used)
	}
}

func TestPasswordsAreNamedAndNeverShown(t *testing.T) {
	secret := func(auth string) manifest.Secret {
		return manifest.Secret{Meta: meta("Secret", "users"), Data: map[string]manifest.Bytes{"auth": manifest.Bytes(auth)}}
	}
	i := toWeb("web", "a.example.org", "Prefix", "/")
	i.Manner = manifest.Manner{Users: "default/users", Realm: "in"}
	w := route.DoorWant{Ingresses: []manifest.Ingress{i}, Secrets: []manifest.Secret{secret("# all\njoe:{SHA}x\n")}}
	before, said := doorsOf(w, nil)
	rule := before.Doors.Ports[0].Hosts[0].Rules[0]
	same(t, "good", []any{route.KeyName(w.Secrets[0]), "in", []string(nil)}, []any{rule.Users, rule.Realm, said["Ingress/default/web"].Why})
	same(t, "good", []string{route.KeyName(w.Secrets[0])}, route.KeyNames(&before))
	for auth, why := range map[string]string{
		"joe":    "Secret default/users: line 1 of its key auth is not NAME:HASH, as htpasswd writes it",
		"\n# x ": "Secret default/users: its key auth names no user: write NAME:HASH lines into it, as htpasswd does",
	} {
		w.Secrets = []manifest.Secret{secret(auth)}
		table, said := doorsOf(w, nil)
		same(t, auth, []string{"80 a.example.org Prefix / -> 503"}, shown(table))
		same(t, auth, []string{why + "; until then all its requests are answered 503"}, said["Ingress/default/web"].Why)
		table, said = doorsOf(w, &before)
		same(t, "kept", route.KeyNames(&before), route.KeyNames(&table))
		same(t, "kept", []string{why + "; the passwords that it had stay"}, said["Ingress/default/web"].Why)
	}
	w.Secrets = nil
	table, _ := doorsOf(w, &before)
	same(t, "gone", []string{"80 a.example.org Prefix / -> 503"}, shown(table))
	w.Ingresses[0].Manner.Users = "shop/users"
	_, said = doorsOf(w, nil)
	same(t, "another's", []string{"auth-secret shop/users is in another namespace, whose Secrets are not its own: name one of default; until then all its requests are answered 503"}, said["Ingress/default/web"].Why)
}
