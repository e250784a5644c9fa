package route_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func TestOfTwoThatClaimTheSameTheOlderHasIt(t *testing.T) {
	b := toWeb("b", "shop.example.org", "Prefix", "/", "/b")
	a := toWeb("a", "shop.example.org", "Prefix", "/", "/a")
	before, _ := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{b}}, nil)
	for range 2 { // it stays so
		table, said := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{a, b}}, &before)
		rules := table.Doors.Ports[0].Hosts[0].Rules
		same(t, "the older", "Ingress/default/b", rules[2].From)
		same(t, "the older", []string(nil), said["Ingress/default/b"].Why)
		same(t, "the newer", []string{"/ of shop.example.org is Ingress default/b's, which had it first: ask for another path or host, or remove it there"}, said["Ingress/default/a"].Why)
		same(t, "both are served", []string{"80 shop.example.org Prefix /b -> web:80", "80 shop.example.org Prefix /a -> web:80", "80 shop.example.org Prefix / -> web:80"}, shown(table))
		before = table
	}
	table, _ := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{a, b}}, nil)
	same(t, "the first by name", "Ingress/default/a", table.Doors.Ports[0].Hosts[0].Rules[2].From)
	_, said := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{toWeb("a", "shop.example.org", "Prefix", "/", "/")}}, nil)
	same(t, "twice in one", []string{"/ of shop.example.org is in it more than once: the first is served"}, said["Ingress/default/a"].Why)
}

func TestAPortAndACertificateStayWhoseTheyAre(t *testing.T) {
	tls := func(name string) manifest.Gateway {
		return gatewayOf(name, "listeners: [{name: a, port: 8443, protocol: HTTPS, hostname: a.example.org, tls: {certificateRefs: [{name: "+name+"-tls}]}}]")
	}
	plain := gatewayOf("a", "listeners: [{name: a, port: 8443, protocol: HTTP}]")
	w := route.DoorWant{Gateways: []manifest.Gateway{tls("b")}, Secrets: []manifest.Secret{signed("a-tls", "a.example.org"), signed("b-tls", "a.example.org")}}
	before, _ := doorsOf(w, nil)
	w.Gateways = []manifest.Gateway{plain, tls("b")}
	table, said := doorsOf(w, &before)
	same(t, "the port", true, table.Doors.Ports[0].TLS)
	same(t, "the port", []string{"listener a: port 8443 of hosts is with TLS, for Gateway default/b: choose another one"}, said["Gateway/default/a"].Why)
	table, _ = doorsOf(w, nil)
	same(t, "the first by name", false, table.Doors.Ports[0].TLS)
	w.Gateways = []manifest.Gateway{tls("a"), tls("b")}
	w.Secrets[1] = signed("b-tls", "a.example.org") // another one of the same name
	table, said = doorsOf(w, &before)
	same(t, "the certificate", []string{"a.example.org default/b-tls"}, keys(table))
	if len(said["Gateway/default/b"].Why) > 0 {
		t.Errorf("the older says %q", said["Gateway/default/b"].Why)
	}
}

func TestWhatIsSuspendedStaysAsItWas(t *testing.T) {
	i, any := toWeb("web", "shop.example.org", "Prefix", "/a"), toWeb("any", "", "Prefix", "/any")
	g, r := gatewayOf("web", "listeners: [{name: a, port: 81, protocol: HTTP}]"), to("web", "", path("/", "v1"))
	w := route.DoorWant{Ingresses: []manifest.Ingress{withTLS(i, "web-tls", "shop.example.org"), any}, Gateways: []manifest.Gateway{g}, Routes: []manifest.HTTPRoute{r}, Secrets: []manifest.Secret{signed("web-tls", "shop.example.org")}}
	before, _ := doorsOf(w, nil)
	changed := toWeb("web", "other.example.org", "Prefix", "/b")
	changed.Suspended, w.Ingresses[1].Suspended = true, true
	w.Ingresses[0] = changed
	frozen := to("web", "", path("/", "v2"))
	frozen.Suspended = true
	w.Routes = []manifest.HTTPRoute{frozen}
	w.Gateways = []manifest.Gateway{gatewayOf("web", "listeners: [{name: a, port: 82, protocol: HTTP}]")}
	table, said := doorsOf(w, &before)
	same(t, "rules", shown(before), shown(table))
	same(t, "certificates", route.KeyNames(&before), route.KeyNames(&table))
	for _, id := range []string{"Ingress/default/web", "Ingress/default/any", "HTTPRoute/default/web"} {
		same(t, id, "it is suspended: what was served of it stays as it was", said[id].Why[0])
	}
	w.Routes = []manifest.HTTPRoute{to("web", "", path("/", "v2"))}
	w.Gateways[0].Suspended = true
	table, said = doorsOf(w, &before)
	same(t, "a Gateway's", shown(before), shown(table))
	same(t, "a Gateway's", []string{"it is suspended: what was served by it stays as it was"}, said["Gateway/default/web"].Why)
	w.Ingresses = nil
	w.Routes[0].Suspended = true
	w.Routes[0].Name = "new"
	table, _ = doorsOf(w, &before)
	same(t, "nothing new", []string(nil), shown(table))
}

func TestWhatIsSuspendedAndHasNoRuleLeftHasNoCertificateThereEither(t *testing.T) {
	any := withTLS(toWeb("any", "", "Prefix", "/"), "", "shop.example.org")
	any.Manner.ACME = true
	w := route.DoorWant{Ingresses: []manifest.Ingress{any}, Offer: manifest.DoorOffer{HTTP: 80, HTTPS: 443, ACME: manifest.ACME{Directory: "https://a"}}, Secrets: []manifest.Secret{signed("shop-tls", "shop.example.org")}}
	before, _ := doorsOf(w, nil)
	same(t, "before", []string{"shop.example.org acme/shop.example.org"}, keys(before))
	w.Ingresses[0].Suspended = true
	w.Gateways = []manifest.Gateway{gatewayOf("web", "listeners: [{name: a, port: 443, protocol: HTTPS, hostname: shop.example.org, tls: {certificateRefs: [{name: shop-tls}]}}]")}
	w.Routes = []manifest.HTTPRoute{to("web", "", path("/a", "v1"))}
	table, said := doorsOf(w, &before)
	same(t, "a rule is left", []string{"shop.example.org acme/shop.example.org"}, keys(table))
	same(t, "a rule is left", []string{"listener a: the certificate of shop.example.org at port 443 is acme/shop.example.org already: name the same Secret there and here"}, said["Gateway/default/web"].Why)
	w.Routes = []manifest.HTTPRoute{to("web", "", path("/", "v1"))}
	for range 2 {
		table, _ = doorsOf(w, &table)
		same(t, "none is", []string{"shop.example.org default/shop-tls"}, keys(table))
	}
}

func TestWhatIsForAllHostsStaysWhoseItIsBesideTheSameOfOneHost(t *testing.T) {
	w := route.DoorWant{Ingresses: []manifest.Ingress{toWeb("any", "", "Prefix", "/a"), toWeb("shop", "shop.example.org", "Prefix", "/a")}}
	table, _ := doorsOf(w, nil)
	w.Ingresses = append(w.Ingresses, toWeb("alike", "", "Prefix", "/a"))
	w.Ingresses[0].Suspended = true
	for range 2 {
		table, _ = doorsOf(w, &table)
		var from []string
		for _, h := range table.Doors.Ports[0].Hosts {
			for _, r := range h.Rules {
				from = append(from, h.Name+" "+r.From)
			}
		}
		same(t, "rules", []string{"shop.example.org Ingress/default/shop", "shop.example.org Ingress/default/any", " Ingress/default/any"}, from)
	}
}

// rulesOf are whose rule leads where, by host.
func rulesOf(table route.Table) (all []string) {
	for _, p := range table.Doors.Ports {
		for _, h := range p.Hosts {
			for _, r := range h.Rules {
				all = append(all, fmt.Sprintf("%d %s %s %s", p.Port, h.Name, r.Match.Path, r.From))
			}
		}
	}
	return all
}

func TestWhatIsServedForAllHostsAndForOneStaysWhoseItIs(t *testing.T) {
	both := toWeb("z", "", "Prefix", "/")
	both.Object.Spec.Rules = append(both.Object.Spec.Rules, toWeb("z", "shop.example.org", "Prefix", "/").Object.Spec.Rules...)
	for _, c := range []struct {
		name          string
		before, after route.DoorWant
		want          []string
	}{
		{"a route for all hosts, at one that another names",
			route.DoorWant{Gateways: []manifest.Gateway{gatewayOf("web", allHTTP)}, Routes: []manifest.HTTPRoute{to("z", "", path("/", "v1")), to("s", "shop.example.org", path("/s", "v1"))}},
			route.DoorWant{Routes: []manifest.HTTPRoute{to("a", "", path("/", "v2"))}},
			[]string{"80 shop.example.org /s HTTPRoute/default/s", "80 shop.example.org / HTTPRoute/default/z", "80  / HTTPRoute/default/z"}},
		{"a route by two listeners, of which one is for a host",
			route.DoorWant{
				Gateways: []manifest.Gateway{gatewayOf("web", "listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 81, protocol: HTTP, hostname: shop.example.org}]")},
				Routes:   []manifest.HTTPRoute{to("z", "", path("/", "v1"))}},
			route.DoorWant{Routes: []manifest.HTTPRoute{to("a", "shop.example.org", path("/", "v2"))}},
			[]string{"80 shop.example.org / HTTPRoute/default/a", "80  / HTTPRoute/default/z", "81 shop.example.org / HTTPRoute/default/z"}},
		{"an Ingress that has both",
			route.DoorWant{Ingresses: []manifest.Ingress{both}},
			route.DoorWant{Ingresses: []manifest.Ingress{toWeb("a", "shop.example.org", "Prefix", "/")}},
			[]string{"80 shop.example.org / Ingress/default/z", "80  / Ingress/default/z"}},
	} {
		table, _ := doorsOf(c.before, nil)
		c.before.Routes, c.before.Ingresses = append(c.before.Routes, c.after.Routes...), append(c.before.Ingresses, c.after.Ingresses...)
		for range 2 {
			table, _ = doorsOf(c.before, &table)
			same(t, c.name, c.want, rulesOf(table))
		}
	}
}

func TestWhatIsSuspendedKeepsItsPlaceAmongTheRulesOfAHost(t *testing.T) {
	w := route.DoorWant{Gateways: []manifest.Gateway{gatewayOf("web", allHTTP)}, Routes: []manifest.HTTPRoute{
		to("shop", "shop.example.org", path("/a", "v1")), to("wild", `"*.example.org"`, path("/a/b", "v1")), to("any", "", path("/a/b/c", "v1")+path("/", "v1"))}}
	before, _ := doorsOf(w, nil)
	want := rulesOf(before)[:4]
	same(t, "before", []string{"80 shop.example.org /a HTTPRoute/default/shop", "80 shop.example.org /a/b HTTPRoute/default/wild", "80 shop.example.org /a/b/c HTTPRoute/default/any", "80 shop.example.org / HTTPRoute/default/any"}, want)
	for n := range w.Routes {
		w.Routes[n].Suspended = true
		table, _ := doorsOf(w, &before)
		same(t, w.Routes[n].Name, rulesOf(before), rulesOf(table))
	}
	w = route.DoorWant{
		Gateways: []manifest.Gateway{gatewayOf("web", `listeners: [{name: web, port: 80, protocol: HTTP, hostname: "*.example.org"}]`), gatewayOf("other", allHTTP)},
		Routes:   []manifest.HTTPRoute{to("shop", "shop.example.org", path("/a", "v1")), httpRoute("other", "parentRefs: [{name: other}]\nrules:\n"+path("/", "v2"))},
	}
	before, _ = doorsOf(w, nil)
	w.Routes[0].Suspended = true
	table, _ := doorsOf(w, &before)
	same(t, "another Gateway's host", rulesOf(before), rulesOf(table))
}

// Whatever comes and goes: the order of objects says nothing, and a table that was made once more from itself is the same.
func TestDoorsAreTheSameHoweverOftenTheyAreMade(t *testing.T) {
	secrets := []manifest.Secret{signed("a-tls", "a.example.org"), signed("b-tls", "*.example.org")}
	hosts := []string{"a.example.org", "b.example.org", "*.example.org", ""}
	paths := []string{"/", "/a", "/a/b", "/c"}
	rapid.Check(t, func(t *rapid.T) {
		var before *route.Table
		for range rapid.IntRange(1, 4).Draw(t, "commits") {
			w := route.DoorWant{Secrets: secrets, Offer: manifest.DoorOffer{Trusted: prefixes(), HTTP: 80, HTTPS: 443, ACME: manifest.ACME{Directory: "https://a"}}}
			for n := range 4 {
				if !rapid.Bool().Draw(t, "there") {
					continue
				}
				i := toWeb(fmt.Sprintf("i%d", n), rapid.SampledFrom(hosts).Draw(t, "host"), rapid.SampledFrom([]string{"Exact", "Prefix"}).Draw(t, "kind"), rapid.SliceOfN(rapid.SampledFrom(paths), 1, 3).Draw(t, "paths")...)
				if rapid.Bool().Draw(t, "tls") {
					i = withTLS(i, rapid.SampledFrom([]string{"", "a-tls", "b-tls", "gone"}).Draw(t, "secret"))
				}
				i.Manner = manifest.Manner{Allow: prefixes(), CORS: &manifest.CORS{Methods: []string{}}}
				i.Manner.ACME = rapid.Bool().Draw(t, "acme")
				i.Suspended = rapid.IntRange(0, 4).Draw(t, "suspended") == 0
				w.Ingresses = append(w.Ingresses, i)
				g := gatewayOf(fmt.Sprintf("g%d", n), fmt.Sprintf("listeners: [{name: a, port: %d, protocol: HTTP, hostname: %q}, {name: b, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: %s}]}}]",
					rapid.IntRange(80, 81).Draw(t, "port"), rapid.SampledFrom(hosts).Draw(t, "listener"), rapid.SampledFrom([]string{"a-tls", "b-tls", "gone"}).Draw(t, "certificate")))
				g.Suspended = rapid.IntRange(0, 4).Draw(t, "suspended") == 0
				w.Gateways = append(w.Gateways, g)
				r := httpRoute(fmt.Sprintf("r%d", n), fmt.Sprintf("parentRefs: [{name: g%d}]\nhostnames: [%q]\nrules:\n%s", rapid.IntRange(0, 3).Draw(t, "parent"), rapid.SampledFrom(hosts[:3]).Draw(t, "host"),
					path(rapid.SampledFrom(paths).Draw(t, "path"), "v1")+path(rapid.SampledFrom(paths).Draw(t, "path"), "v2")))
				w.Routes = append(w.Routes, r)
			}
			table, said := built(w, before)
			if again, _ := built(w, &table); !again.Same(&table) {
				t.Fatalf("made again it is another:\n%s\n%s", text(table), text(again))
			}
			var sent route.Table
			if err := json.Unmarshal([]byte(text(table)), &sent); err != nil || !sent.Same(&table) {
				t.Fatalf("sent it is another: %v\n%s", err, text(table))
			}
			turned := w
			turned.Ingresses, turned.Gateways, turned.Routes = slices.Clone(w.Ingresses), slices.Clone(w.Gateways), slices.Clone(w.Routes)
			slices.Reverse(turned.Ingresses)
			slices.Reverse(turned.Gateways)
			slices.Reverse(turned.Routes)
			other, saidToo := built(turned, before)
			if text(other) != text(table) || text(said) != text(saidToo) {
				t.Fatalf("in another order it is another:\n%s\n%s", text(table), text(other))
			}
			before = &table
		}
	})
}

func text(v any) string {
	all, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(all)
}

func TestDoorsHaveABoundAndTheOlderAreServed(t *testing.T) {
	many := func(id, host string, n int) manifest.Ingress {
		i := toWeb(id, host, "Prefix", "/")
		one := i.Object.Spec.Rules[0]
		i.Object.Spec.Rules = nil
		for k := range n {
			one.Host = fmt.Sprintf("h%05d.%s", k, host)
			i.Object.Spec.Rules = append(i.Object.Spec.Rules, one)
		}
		return i
	}
	small := toWeb("z", "z.example.org", "Prefix", "/")
	before, _ := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{small}}, nil)
	table, said := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{small, many("a", "example.org", 10_001)}}, &before)
	same(t, "hosts", 10_000, len(table.Doors.Ports[0].Hosts))
	same(t, "the older", []string(nil), said["Ingress/default/z"].Why)
	same(t, "the others", "h09999.example.org at port 80 is not served: all together are more than 10000 hosts, or rules of more than 400000 values; have fewer hosts, paths or headers", said["Ingress/default/a"].Why[0])
	wide := many("a", "example.org", 1000)
	for range 500 {
		wide.Manner.Allow = append(wide.Manner.Allow, prefixes("10.0.0.0/8")...)
	}
	table, said = doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{small, wide}}, &before)
	if n := len(table.Doors.Ports[0].Hosts); n < 700 || n > 800 {
		t.Errorf("%d hosts of 500 values", n)
	}
	same(t, "reasons", 21, len(said["Ingress/default/a"].Why))
	same(t, "reasons", "there is more: mend those first", said["Ingress/default/a"].Why[20])
	broad := many("b", "example.org", 500)
	for n := range 201 {
		broad.Manner.Aliases = append(broad.Manner.Aliases, fmt.Sprintf("a%d.example.org", n))
	}
	_, said = doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{broad}}, nil)
	if why := "not all of it is served: all objects together ask for more than 100000 rules; have fewer hosts or paths"; !slices.Contains(said["Ingress/default/b"].Why, why) {
		t.Errorf("%q", said["Ingress/default/b"].Why)
	}
}

func BenchmarkDoors(b *testing.B) {
	w := route.DoorWant{}
	for n := range 1000 {
		host := fmt.Sprintf("h%04d.example.org", n)
		w.Ingresses = append(w.Ingresses, withTLS(toWeb(fmt.Sprintf("i%04d", n), host, "Prefix", "/", "/api"), fmt.Sprintf("s%04d", n), host))
		w.Secrets = append(w.Secrets, signed(fmt.Sprintf("s%04d", n), host))
	}
	before, _ := doorsOf(w, nil)
	for _, c := range []struct {
		name   string
		before *route.Table
	}{{"first", nil}, {"again", &before}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				built(w, c.before)
			}
		})
	}
}
