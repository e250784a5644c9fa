package status

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func decoded[T any](t *testing.T, text string) *T {
	t.Helper()
	o := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), o); err != nil {
		t.Fatal(err)
	}
	return o
}

func metaOf(kind, namespace, name string) manifest.Meta {
	return manifest.Meta{ID: manifest.ID{Kind: kind, Namespace: namespace, Name: name}}
}

// led is a rule of an object's that leads to Services.
func led(from, path string, to ...route.DoorBackend) route.DoorRule {
	return route.DoorRule{From: from, Match: route.DoorMatch{Kind: route.Prefix, Path: path}, To: to}
}

// doors are those of n1 and n2 at 80, 443 and 8080.
func doors() *route.Doors {
	const web, api, split = "Ingress/default/web", "Ingress/shop/api", "HTTPRoute/shop/split"
	toHTTPS := route.DoorRule{From: web, Match: route.DoorMatch{Kind: route.Prefix, Path: "/"}, Redirect: &route.DoorRedirect{Scheme: "https", Code: 308}}
	gone := led(api, "/v2")
	gone.Match.Kind, gone.Status, gone.Why = route.Exact, 503, "there is no Service api in namespace shop"
	canary := led(split, "/",
		route.DoorBackend{Namespace: "shop", Service: "db", Port: 80, Weight: 9}, route.DoorBackend{Namespace: "default", Service: "web", Port: 80, Weight: 1})
	canary.Match.Method, canary.Match.Headers = "GET", []route.DoorValue{{Name: "x-canary", Value: "yes"}}
	return &route.Doors{Nodes: []string{"n1", "n2"}, Ports: []route.DoorPort{
		{Port: 80, Hosts: []route.DoorHost{
			{Name: "shop.example.org", Rules: []route.DoorRule{toHTTPS}}, {Rules: []route.DoorRule{gone}},
		}},
		{Port: 443, TLS: true, Hosts: []route.DoorHost{
			{Name: "shop.example.org", Key: "default/shop@0123456789ab", Rules: []route.DoorRule{led(web, "/", route.DoorBackend{Namespace: "default", Service: "web", Port: 80, Weight: 1})}},
		}},
		{Port: 8080, Hosts: []route.DoorHost{{Name: "*.example.org", Rules: []route.DoorRule{canary}}}},
	}}
}

// doored is a world in which n1 serves what doors are to, and n2's door is not there yet.
func doored(t *testing.T) World {
	w := routed()
	head := &w.History.Head
	head.Ingresses = []manifest.Ingress{
		{Meta: metaOf("Ingress", "default", "web"), Object: decoded[networkingv1.Ingress](t, `{metadata: {labels: {tier: front}},
spec: {tls: [{hosts: [shop.example.org], secretName: shop}], rules: [{host: shop.example.org}]}}`)},
		{Meta: metaOf("Ingress", "shop", "api"), Object: decoded[networkingv1.Ingress](t, `{spec: {rules: [{http: {paths: []}}]}}`)},
		{Meta: metaOf("Ingress", "shop", "old"), Object: decoded[networkingv1.Ingress](t, `{spec: {ingressClassName: nginx}}`)},
	}
	head.GatewayClasses = []manifest.GatewayClass{{Meta: metaOf("GatewayClass", "", "fast"), Object: decoded[gatewayv1.GatewayClass](t, `{spec: {controllerName: podkeep.io/gateway}}`)}}
	head.Gateways = []manifest.Gateway{{Meta: metaOf("Gateway", "shop", "edge"), Object: decoded[gatewayv1.Gateway](t, `{spec: {gatewayClassName: fast,
listeners: [{name: http, port: 8080, protocol: HTTP}, {name: https, port: 443, protocol: HTTPS}, {name: mail, port: 25, protocol: TCP}]}}`)}}
	head.HTTPRoutes = []manifest.HTTPRoute{{Meta: metaOf("HTTPRoute", "shop", "split"), Object: decoded[gatewayv1.HTTPRoute](t, `{spec: {parentRefs: [{name: edge, sectionName: http}]}}`)}}

	at := []netip.Addr{w.Plan.Table.Nodes[0].Address, w.Plan.Table.Nodes[1].Address}
	yes := func(kind string) route.DoorCondition {
		return route.DoorCondition{Type: kind, Status: "True", Reason: kind}
	}
	well := []route.DoorCondition{yes("Accepted"), {Type: "Conflicted", Status: "False", Reason: "NoConflicts"}, yes("ResolvedRefs")}
	unsupported := "protocol TCP is not served: write HTTP or HTTPS"
	w.Plan.Doored = []route.Doored{
		{Kind: "GatewayClass", Name: "fast", Ours: true, Conditions: well[:1]},
		{Kind: "Gateway", Namespace: "shop", Name: "edge", Ours: true, Addresses: at, Why: []string{"listener mail: " + unsupported}, Conditions: well[:1], Listeners: []route.DooredListener{
			{Name: "http", Kinds: []string{"HTTPRoute"}, Attached: 1, Conditions: well}, {Name: "https", Kinds: []string{"HTTPRoute"}, Conditions: well},
			{Name: "mail", Conditions: []route.DoorCondition{{Type: "Accepted", Status: "False", Reason: "UnsupportedProtocol", Message: unsupported}}},
		}},
		{Kind: "HTTPRoute", Namespace: "shop", Name: "split", Ours: true, Hosts: []string{"*.example.org"}, Parents: []route.DooredParent{
			{Namespace: "shop", Name: "edge", Section: "http", Conditions: []route.DoorCondition{well[0], well[2]}},
		}},
		{Kind: "Ingress", Namespace: "default", Name: "web", Ours: true, Hosts: []string{"shop.example.org", "www.example.org"}, Secure: []string{"shop.example.org"}, Addresses: at},
		{Kind: "Ingress", Namespace: "shop", Name: "api", Ours: true, Hosts: []string{"*"}, Addresses: at},
		{Kind: "Ingress", Namespace: "shop", Name: "old", Why: []string{"class nginx is another controller's: write ingressClassName podkeep"}},
	}
	w.Plan.Table.Doors = doors()
	serving := *w.Plan.Table
	serving.Number = 8
	w.Plan.Before = &serving
	for i := range w.Snapshot.Nodes {
		side := &w.Snapshot.Nodes[i].Side
		side.Serves, side.Number, side.Behind, side.Net.Troubles = &serving, 8, 0, nil
	}
	w.Snapshot.Nodes[0].Side.Doors = []live.Door{
		{Pod: "door-1", Version: "2026-v1", Number: 8, Ports: []uint16{80, 443, 8080}}, {Pod: "door-0", Version: "2025-v9", Number: 7, Leaving: true},
	}
	w.Snapshot.Nodes[0].Pods = append(w.Snapshot.Nodes[0].Pods, live.Pod{Name: "door-1", App: live.DoorApp, Source: w.History.Source})
	w.Plan.Doors = map[string]string{"n2": "its door is being started"}
	return w
}

var ofDoors = Selection{Kinds: []string{"Node", "Ingress", "GatewayClass", "Gateway", "HTTPRoute"}}

func TestWhatDoorsServeIsShownWithWhereItIsServed(t *testing.T) {
	for name, c := range map[string]struct {
		look Look
		wide bool
	}{"doors.txt": {}, "doors-wide.txt": {wide: true}, "doors-80.txt": {Look{Width: 80}, true}} {
		var b bytes.Buffer
		Of(doored(t)).Only(ofDoors).Text(&b, c.look, c.wide)
		golden(t, name, b.Bytes())
	}
	data, err := yaml.Marshal(ListOnly(doored(t), ofDoors))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "doors.yaml", data)
}

// open is a world in which both nodes serve what doors are to.
func open(t *testing.T) World {
	w := doored(t)
	w.Snapshot.Nodes[1].Side.Doors = slices.Clone(w.Snapshot.Nodes[0].Side.Doors[:1])
	w.Plan.Doors = nil
	return w
}

func entryOf(w World, kind, name string) Entry {
	all := Of(w).Entries
	return all[slices.IndexFunc(all, func(x Entry) bool { return x.Kind == kind && x.Name == name })]
}

func TestNoReasonWhyADoorDoesNotServeIsMissing(t *testing.T) {
	side := func(w *World, node int) *live.Side { return &w.Snapshot.Nodes[node].Side }
	for _, c := range []struct {
		name       string
		change     func(*World)
		want, lags string // of the Ingress web
		reached    string
	}{
		{"it is served", func(*World) {}, "2/2 ", "", "192.0.2.1, 192.0.2.2"},
		{"a door is not there yet", func(w *World) { side(w, 1).Doors = nil }, "1/2 ", "not so yet on n2: its door is not there yet", "192.0.2.1, 192.0.2.2"},
		{"a door does not start", func(w *World) { side(w, 1).Doors, w.Plan.Doors = nil, map[string]string{"n2": "no such image"} },
			"1/2 ", "not so yet on n2: no such image", "192.0.2.1, 192.0.2.2"},
		{"doors serve nothing yet", func(w *World) { side(w, 0).Doors[0].Number, side(w, 1).Doors[0].Number = 0, 0 },
			"0/2 no node serves it yet", "not so yet on n1, n2: its door does not serve yet", "192.0.2.1, 192.0.2.2"},
		{"a door that leaves counts for nothing", func(w *World) { side(w, 1).Doors[0].Leaving = true }, "1/2 ", "not so yet on n2: its door is not there yet", "192.0.2.1, 192.0.2.2"},
		{"a node has a table without it", func(w *World) {
			older := *side(w, 1).Serves
			older.Doors = &route.Doors{Nodes: older.Doors.Nodes, Ports: older.Doors.Ports[:1]}
			side(w, 1).Serves = &older
		}, "1/2 ", "not so yet on n2", "192.0.2.1, 192.0.2.2"},
		{"a node has a table with other things of others", func(w *World) {
			older := *side(w, 1).Serves
			older.Doors = &route.Doors{Nodes: older.Doors.Nodes, Ports: older.Doors.Ports[:2]}
			side(w, 1).Serves = &older
		}, "2/2 ", "", "192.0.2.1, 192.0.2.2"},
		{"a node side is not heard", func(w *World) { side(w, 1).Version = "" }, "1/2 ", "not so yet on n2: its node side is not heard", "192.0.2.1, 192.0.2.2"},
		{"a node is silent", func(w *World) { w.Snapshot.Nodes[1].Silent = 40e9 }, "1/1 ", "", "192.0.2.1, 192.0.2.2"},
		{"no node answers", func(w *World) { w.Snapshot.Nodes[0].Silent, w.Snapshot.Nodes[1].Silent = 40e9, 40e9 },
			"0/0 no node that is to have a door answers", "", "192.0.2.1, 192.0.2.2"},
		{"a host has a port", func(w *World) {
			side(w, 0).Doors[0].Ports, side(w, 0).Doors[0].Troubles = []uint16{443, 8080}, []string{"port 80: the host has it already"}
		}, "1/2 port 80 on n1: the host has it already", "", "192.0.2.1, 192.0.2.2"},
		{"hosts have all ports", func(w *World) {
			for i := range 2 {
				side(w, i).Doors[0].Ports, side(w, i).Doors[0].Troubles = []uint16{8080}, []string{"port 443: the host has it already", "port 80: the host has it already"}
			}
		}, "0/2 port 80 on n1, n2: the host has it already; port 443 on n1, n2: the host has it already", "", ""},
		{"a door lacks its certificate", func(w *World) { side(w, 1).Doors[0].Troubles = []string{"default/shop@0123456789ab: it has expired"} },
			"2/2 not so on n2: Secret default/shop: it has expired", "", "192.0.2.1, 192.0.2.2"},
		{"a host has a port at one address", func(w *World) { side(w, 0).Doors[0].Troubles = []string{"port 80: the host has it already, at ::"} },
			"2/2 not so on n1: port 80: the host has it already, at ::", "", "192.0.2.1, 192.0.2.2"},
		{"nobody is behind it", func(w *World) { w.Plan.Table.Services[1].Endpoints = nil }, "2/2 nobody is ready behind service web: its share is answered 503", "", "192.0.2.1, 192.0.2.2"},
		{"no table can be made", func(w *World) {
			w.Plan.Table, w.Plan.Doored, w.Plan.Unrouted = nil, nil, "hosts are still to say by which table they route"
		}, "2/2 ", "", "192.0.2.1, 192.0.2.2"},
		{"nothing is known", func(w *World) {
			w.Plan.Table, w.Plan.Before, w.Plan.Doored, w.Plan.Unrouted = nil, nil, nil, "hosts are still to say by which table they route"
		}, "0/0 what is served is not known: hosts are still to say by which table they route", "", ""},
		{"no doors are wanted", func(w *World) { w.Plan.Table.Doors, w.Plan.Doored = nil, nil }, "0/0 not served: no doors are wanted on hosts", "", ""},
	} {
		w := open(t)
		w.Snapshot.Nodes[0].Side.Doors = slices.Clone(w.Snapshot.Nodes[0].Side.Doors)
		c.change(&w)
		x := entryOf(w, "Ingress", "web")
		got := fmt.Sprintf("%d/%d %s", x.InForce, x.Nodes, strings.Join(x.Whys, "; "))
		if got != c.want || strings.Join(x.Lags, "; ") != c.lags || strings.Trim(x.address(), "-") != c.reached {
			t.Errorf("%s:\ngot  %s | %s | %s\nwant %s | %s | %s", c.name, got, x.Lags, x.address(), c.want, c.lags, c.reached)
		}
	}
}

func TestAGatewayIsProgrammedOnceDoorsServeIt(t *testing.T) {
	door := func(w *World, node int) *live.Door { return &w.Snapshot.Nodes[node].Side.Doors[0] }
	for _, c := range []struct {
		name               string
		change             func(*World)
		gateway, http, tls string
	}{
		{"all do", func(*World) {}, "Accepted, Programmed", "Accepted, ResolvedRefs, Programmed", "Accepted, ResolvedRefs, Programmed"},
		{"one does not yet", func(w *World) { w.Snapshot.Nodes[1].Side.Doors = nil },
			"Accepted, not Programmed (Pending)", "Accepted, ResolvedRefs, not Programmed (Pending)", "Accepted, ResolvedRefs, not Programmed (Pending)"},
		{"one is silent", func(w *World) { w.Snapshot.Nodes[1].Side.Doors, w.Snapshot.Nodes[1].Silent = nil, 40e9 },
			"Accepted, Programmed", "Accepted, ResolvedRefs, Programmed", "Accepted, ResolvedRefs, Programmed"},
		{"a host has a port", func(w *World) {
			door(w, 1).Ports, door(w, 1).Troubles = []uint16{80, 443}, []string{"port 8080: the host has it already"}
		},
			"Accepted, Programmed", "Accepted, ResolvedRefs, not Programmed (Invalid)", "Accepted, ResolvedRefs, Programmed"},
		{"all hosts have a port", func(w *World) {
			for i := range 2 {
				door(w, i).Ports, door(w, i).Troubles = []uint16{80, 443}, []string{"port 8080: the host has it already"}
			}
		}, "Accepted, Programmed", "not Accepted (PortUnavailable), ResolvedRefs, not Programmed (Invalid)", "Accepted, ResolvedRefs, Programmed"},
		{"one of two certificates is broken", func(w *World) {
			broken := slices.Clone(w.Plan.Doored[1].Listeners[1].Conditions)
			broken[2] = route.DoorCondition{Type: "ResolvedRefs", Status: "False", Reason: "InvalidCertificateRef"}
			w.Plan.Doored[1].Listeners[1].Conditions = broken
		}, "Accepted, Programmed", "Accepted, ResolvedRefs, Programmed", "Accepted, not ResolvedRefs (InvalidCertificateRef), Programmed"},
		{"doors have no port of it", func(w *World) { w.Plan.Table.Doors = &route.Doors{Nodes: []string{"n1", "n2"}} },
			"Accepted, not Programmed (Invalid)", "Accepted, ResolvedRefs, not Programmed (Invalid)", "Accepted, ResolvedRefs, not Programmed (Invalid)"},
		{"it was refused", func(w *World) {
			w.Plan.Doored[1].Conditions = []route.DoorCondition{{Type: "Accepted", Status: "False", Reason: "ListenersNotValid"}}
			w.Plan.Doored[1].Listeners[0].Conditions = []route.DoorCondition{{Type: "Programmed", Status: "False", Reason: "Invalid"}}
		}, "not Accepted (ListenersNotValid), not Programmed (Invalid)", "not Programmed (Invalid)", "Accepted, ResolvedRefs, Programmed"},
	} {
		w := open(t)
		for i := range 2 {
			w.Snapshot.Nodes[i].Side.Doors = slices.Clone(w.Snapshot.Nodes[i].Side.Doors)
		}
		c.change(&w)
		x := entryOf(w, "Gateway", "edge")
		got := []string{conditionWords(x.conditions()), conditionWords(x.listening(x.Doored.Listeners[0])), conditionWords(x.listening(x.Doored.Listeners[1]))}
		if want := []string{c.gateway, c.http, c.tls}; !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, want)
		}
	}
}

func TestAPlanSaysWhatChangesAtDoors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *World, had, has *route.Doors)
		want   string
		same   bool
	}{
		{name: "nothing", change: func(*World, *route.Doors, *route.Doors) {}, same: true},
		{name: "an Ingress comes", change: func(_ *World, had, _ *route.Doors) { had.Ports[0].Hosts = had.Ports[0].Hosts[:1] },
			want: "Ingress/shop/api comes: http://*/v2 exactly → 503: there is no Service api in namespace shop"},
		{name: "an Ingress goes", change: func(w *World, _, has *route.Doors) {
			w.History.Head.Ingresses = w.History.Head.Ingresses[1:]
			has.Ports[0].Hosts, has.Ports = has.Ports[0].Hosts[1:], []route.DoorPort{has.Ports[0], has.Ports[2]}
		}, want: " closes 443/tcp on n1, n2\nIngress/default/web goes: http://shop.example.org/ → 308 to https, https://shop.example.org/ → service web:80"},
		{name: "one leads elsewhere", change: func(_ *World, _, has *route.Doors) { has.Ports[1].Hosts[0].Rules[0].To[0].Port = 81 },
			want: "Ingress/default/web https://shop.example.org/ → service web:81 in place of service web:80"},
		{name: "weights change", change: func(_ *World, _, has *route.Doors) { has.Ports[2].Hosts[0].Rules[0].To[1].Weight = 5 },
			want: "HTTPRoute/shop/split GET http://*.example.org:8080/ with x-canary: yes → service db:80 (weight 9), service default/web:80 (weight 5) in place of service db:80 (weight 9), service default/web:80 (weight 1)"},
		{name: "a path comes", change: func(_ *World, had, _ *route.Doors) {
			had.Ports[1].Hosts[0].Rules[0].Match.Path = "/old"
		}, want: "Ingress/default/web https://shop.example.org/ → service web:80 is new; https://shop.example.org/old → service web:80 goes"},
		{name: "passwords are asked for", change: func(_ *World, _, has *route.Doors) {
			has.Ports[1].Hosts[0].Rules[0].Users = "default/users@0123456789ab"
		},
			want: "Ingress/default/web https://shop.example.org/ is handled otherwise"},
		{name: "a certificate is renewed", change: func(_ *World, _, has *route.Doors) { has.Ports[1].Hosts[0].Key = "default/shop@ba9876543210" },
			want: "Ingress/default/web shop.example.org has certificate default/shop@ba9876543210 in place of default/shop@0123456789ab"},
		{name: "a node gets a door", change: func(_ *World, had, _ *route.Doors) { had.Nodes = had.Nodes[:1] }, want: " opens 80/tcp, 443/tcp, 8080/tcp on n2"},
		{name: "it is not known", change: func(w *World, _, _ *route.Doors) {
			w.Plan.Table, w.Plan.Unrouted = nil, "hosts are still to say by which table they route"
		}, want: " what is served is not known: hosts are still to say by which table they route", same: true},
	} {
		w := open(t)
		w.Plan.Doored = slices.DeleteFunc(w.Plan.Doored, func(d route.Doored) bool { return len(d.Why) > 0 })
		w.History.Head.Ingresses, w.History.Head.Gateways = w.History.Head.Ingresses[:2], nil
		before, table := *w.Plan.Before, *w.Plan.Table
		before.Doors, table.Doors = doors(), doors()
		w.Plan.Before, w.Plan.Table = &before, &table
		c.change(&w, before.Doors, table.Doors)
		var got []string
		list := openings(w, Of(w).Entries)
		for _, o := range list {
			got = append(got, o.Object+" "+o.What)
		}
		if s := strings.Join(got, "\n"); s != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, s, c.want)
		}
		if any := opening(list) > 0; any == c.same {
			t.Errorf("%s: changes: %v", c.name, any)
		}
	}
}

func TestDoorsAreMeasured(t *testing.T) {
	w := doored(t)
	w.Snapshot.Nodes[0].Side.Doors[0].Ports = []uint16{80, 8080}
	b := NewBoard(time.Minute, (&clock{noon}).now)
	b.Show(w, 0)
	families, err := b.Metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"podkeep_door_up n1": 0, "podkeep_door_up n2": 0, // n1's lacks a port
		"podkeep_door_nodes Ingress web default wanted": 2, "podkeep_door_nodes Ingress web default serving": 0,
		"podkeep_door_nodes Ingress api shop serving": 1, "podkeep_node_pods n1": 2,
	} {
		if is, there := got[name]; !there || is != want {
			t.Errorf("%s is %v (%v), want %v", name, is, there, want)
		}
	}
}

func TestAPreflightSaysWhatADoorLacks(t *testing.T) {
	door := live.Door{Ports: []uint16{80, 443}}
	lacks := live.Door{Troubles: []string{"port 80: the host has it already"}}
	for _, c := range []struct {
		doors []live.Door
		want  Findings
	}{
		{nil, nil},
		{[]live.Door{door, {Leaving: true}}, Findings{{Where: "n1", What: "door", Level: Fine, Text: "listens at 80, 443"}}},
		{[]live.Door{lacks}, Findings{{"n1", "door", Warning, lacks.Troubles[0], "podkeep status says which Ingresses and Gateways that concerns"}}},
	} {
		if got := doorOf(Examined{Node: "n1", Doors: c.doors}); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %+v", c.doors, got)
		}
	}
}

func TestOwnPodsAreNoChangeAndNoWorkloads(t *testing.T) {
	w := open(t)
	for _, n := range Of(w).Nodes {
		if slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return p.App == live.DoorApp }) {
			t.Errorf("%s has a door among its pods", n.Name)
		}
	}
	if d := DiffOf(w); len(d.List) != 0 {
		t.Errorf("%d differ: %v", len(d.List), d.List)
	}
}
