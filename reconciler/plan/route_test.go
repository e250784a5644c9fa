package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func TestWhyThereIsNoTableIsSaid(t *testing.T) {
	for _, c := range []struct {
		claim  string
		change func(h *manifest.History, have *live.Snapshot)
		why    string
	}{
		{"there is one", func(*manifest.History, *live.Snapshot) {}, ""},
		{"the cluster has no addresses", func(h *manifest.History, _ *live.Snapshot) { h.Net = manifest.Net{} }, "the cluster has no range of addresses"},
		{"nor has it a node side", func(h *manifest.History, _ *live.Snapshot) { h.Net, h.Side = manifest.Net{}, manifest.SideOffer{} }, "there is no node side"},
		{"no node side is wanted", func(h *manifest.History, _ *live.Snapshot) { h.Side.Refused = true }, "no node side is wanted on hosts (--node-side=never)"},
		{"one has not said which it serves", func(_ *manifest.History, have *live.Snapshot) { have.Watched, have.Nodes[0].Side.Version = 0, "" },
			"hosts are still to say by which table they route"},
		{"one is to put its table in force again", func(_ *manifest.History, have *live.Snapshot) {
			have.Watched, have.Nodes[1].Side.Number, have.Nodes[1].Side.Taken = 0, 0, 3
		}, "hosts are still to say by which table they route"},
		{"not for ever", func(_ *manifest.History, have *live.Snapshot) {
			have.Nodes[1].Side.Number, have.Nodes[1].Side.Taken = 0, 3
		}, ""},
		{"one has not been seen yet", func(_ *manifest.History, have *live.Snapshot) {
			have.Watched, have.Nodes[1] = time.Second, live.Node{Name: "n2", Late: true, Silent: time.Second}
		}, "hosts are still to say by which table they route"},
		{"one does not answer", func(_ *manifest.History, have *live.Snapshot) {
			have.Watched, have.Nodes[1] = time.Second, live.Node{Name: "n2", Silent: time.Second}
		}, ""},
		{"none was ever seen", func(_ *manifest.History, have *live.Snapshot) {
			for i := range have.Nodes {
				have.Nodes[i].Known, have.Nodes[i].Silent = false, time.Hour
			}
		}, "no host has answered yet"},
	} {
		h, have := sideful(commit(t, "a1", nodes("n1", "n2")), "1"), sides("n1=1+", "n2=1+")
		h.Net, have.Watched = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}, time.Hour
		served := &route.Table{Number: 3}
		have.Nodes[0].Side.Serves, have.Nodes[0].Side.Number, have.Nodes[0].Side.Signer = served, 3, h.Key
		c.change(&h, &have)
		p := Make(h, have, noon)
		if p.Unrouted != c.why || (p.Table == nil || len(p.Table.Nodes) == 0) != (c.why != "") {
			t.Errorf("%s: %q, table %v", c.claim, p.Unrouted, p.Table)
		}
		if on := h.Net.Pods.IsValid() && !h.Side.Refused; on != (p.Before == served) {
			t.Errorf("%s: in force is %v", c.claim, p.Before)
		}
	}
}

func TestAPodStopsOnceNobodyMaySendItAnything(t *testing.T) {
	service := "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""), service)
	leading := func(number uint64, slots ...int) *route.Table {
		t := &route.Table{Number: number, Nodes: []route.Node{{Name: "n1"}, {Name: "n2"}}, Services: []route.Service{{Namespace: "default", Name: "web"}}}
		for _, slot := range slots {
			t.Services[0].Endpoints = append(t.Services[0].Endpoints, route.Endpoint{Node: "n1", Pod: running(head, "web", slot).Name})
		}
		return t
	}
	for _, c := range []struct {
		claim  string
		change func(*live.Side)
		stops  bool
		notes  int
	}{
		{"a table in force names it", func(s *live.Side) { s.Serves = leading(3, 1, 0) }, false, 0},
		{"none does", func(*live.Side) {}, true, 0},
		{"one that is on its way does", func(s *live.Side) { s.Told = []*route.Table{leading(4, 1), leading(5, 0)} }, false, 0},
		{"it has been given another one, by nobody knows whom", func(s *live.Side) { s.Taken = 9 }, false, 0},
		{"nobody knows what it serves", func(s *live.Side) { s.Serves = nil }, false, 0},
		{"it serves nothing", func(s *live.Side) { *s = live.Side{Version: "1"} }, true, 0},
		{"it does not do as it is told", func(s *live.Side) { s.Serves, s.Behind = leading(3, 1), defaultGrace-time.Second }, false, 0},
		{"and has not for its grace", func(s *live.Side) { s.Serves, s.Behind = leading(3, 1), defaultGrace }, true, 1},
		{"it is not heard", func(s *live.Side) { *s = live.Side{Silent: defaultGrace - time.Second} }, false, 0},
		{"and was not for its grace", func(s *live.Side) { *s = live.Side{Silent: defaultGrace} }, true, 1},
	} {
		h, have := sideful(head, "1"), sides("n1=1+", "n2=1+")
		h.Net, have.Watched = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}, time.Hour
		for slot := range 2 {
			p := running(head, "web", slot)
			p.Birth.Labels, p.Birth.Network = map[string]string{"app": "web"}, manifest.NetworkOwn
			have.Nodes[0].Pods = append(have.Nodes[0].Pods, p)
		}
		for i := range have.Nodes {
			for _, r := range promoted(head, "web") {
				r.Source, r.Signer = source, key
				have.Nodes[i].Receipts = append(have.Nodes[i].Receipts, r)
			}
			have.Nodes[i].Side.Serves, have.Nodes[i].Side.Number, have.Nodes[i].Side.Taken, have.Nodes[i].Side.Signer = leading(3, 0), 3, 3, key
		}
		c.change(&have.Nodes[1].Side)
		p, stops, lulls := Make(h, have, noon), false, time.Duration(0)
		for _, a := range p.Actions {
			if a.Verb == Stop && a.App.Name == "web" {
				stops, lulls = true, a.Lull
			}
		}
		if stops != c.stops || stops && lulls != lull || !stops && !slices.ContainsFunc(app(p, "web").Waits, func(w string) bool { return strings.Contains(w, "goes once n2 sends it nothing more") }) {
			t.Errorf("%s: stops: %v after %s\n%s", c.claim, stops, lulls, p)
		}
		if len(p.Notes) != c.notes || !stops && !p.Wake.After(noon) {
			t.Errorf("%s: %q, wakes at %s", c.claim, p.Notes, p.Wake)
		}
	}
}

func TestTheNewestTableThatIsBelievedCounts(t *testing.T) {
	h, have := sideful(commit(t, "a1", nodes("n1", "n2", "n3")), "1"), sides("n1=1+", "n2=1+", "n3=1+")
	h.Net, have.Watched = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}, time.Hour
	var tables []*route.Table
	for i, signer := range []string{key, key, "somebody's"} {
		table := &route.Table{Number: []uint64{3, 2, 9}[i]}
		tables = append(tables, table)
		s := &have.Nodes[i].Side
		s.Serves, s.Number, s.Taken, s.Signer = table, table.Number, table.Number, signer
	}
	if p := Make(h, have, noon); p.Before != tables[0] {
		t.Errorf("%+v", p.Before)
	}
}

func TestANodeSideGoesOnceNothingIsRoutedByIt(t *testing.T) {
	named, empty := &route.Table{Number: 3, Nodes: []route.Node{{Name: "n1"}}}, &route.Table{Number: 4}
	for _, c := range []struct {
		claim  string
		serves *route.Table
		behind time.Duration
		goes   bool
	}{
		{"not while the table in force names the node", named, 0, false},
		{"nor while it does not do as it is told", named, defaultGrace - time.Second, false},
		{"but for no longer than its grace", named, defaultGrace, true},
		{"once none does", empty, 0, true},
	} {
		h, have := sideful(commit(t, "a1", nodes("n1")), "1"), sides("n1=1+")
		h.Side.Refused = true
		s := &have.Nodes[0].Side
		s.Serves, s.Number, s.Taken, s.Signer, s.Behind = c.serves, c.serves.Number, c.serves.Number, key, c.behind
		p := Make(h, have, noon)
		goes := slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Verb == Stop && a.App == live.SideApp })
		if goes != c.goes || p.Table == nil || len(p.Table.Nodes) > 0 || !goes && !p.Wake.After(noon) {
			t.Errorf("%s: %v, table %+v, wakes at %s", c.claim, goes, p.Table, p.Wake)
		}
	}
}

func TestNothingIsSentToAPodThatStops(t *testing.T) {
	service := "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
	head := commit(t, "a1", strings.Replace(nodes("n1"), "spec: {", "spec: {podCIDR: 10.42.1.0/24, ", 1), deployment("web", 2, ""), service)
	h, have := sideful(head, "1"), sides("n1=1+")
	h.Net, have.Watched = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}, time.Hour
	for slot := range 2 {
		p := running(head, "web", slot)
		p.Birth.Labels, p.Birth.Network, p.Birth.IP, p.Stopping = map[string]string{"app": "web"}, manifest.NetworkOwn, route.At(netip.MustParsePrefix("10.42.1.0/24"), uint32(7+slot)).String(), slot == 1
		have.Nodes[0].Pods = append(have.Nodes[0].Pods, p)
	}
	p := Make(h, have, noon)
	if len(p.Table.Services) != 1 || len(p.Table.Services[0].Endpoints) != 1 || p.Table.Services[0].Endpoints[0].Pod != running(head, "web", 0).Name {
		t.Errorf("%+v", p.Table.Services)
	}
}

func TestWhatSomebodyWroteDownIsServedAsLongAsItStandsThere(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {%sports: [{port: 80}]}\n"
	slice := "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: db-1, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\n" +
		"ports: [{port: 5432}]\nendpoints: [{addresses: [192.0.2.7], nodeName: n1}]\n"
	h, have := sideful(commit(t, "a1", nodes("n1", "n2"), fmt.Sprintf(service, ""), slice), "1"), sides("n1=1+", "n2=1+")
	h.Net, have.Watched = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}, time.Hour
	first := Make(h, have, noon).Table
	ends := first.Services[0].Endpoints
	if len(ends) != 1 || ends[0].Node != "n1" || ends[0].Pod != "" || ends[0].Ports[0] != 5432 {
		t.Errorf("%+v", ends)
	}
	served := *first
	served.Number = 3
	have.Nodes[0] = live.Node{Name: "n1"} // nobody has looked at it yet
	have.Nodes[1].Side.Serves, have.Nodes[1].Side.Number, have.Nodes[1].Side.Taken, have.Nodes[1].Side.Signer = &served, 3, 3, key
	if again := Make(h, have, noon); again.Before != &served || !again.Table.Same(first) {
		t.Errorf("%+v\nis not\n%+v", again.Table, first)
	}
	h.Head = commit(t, "a2", nodes("n1", "n2"), fmt.Sprintf(service, "selector: {app: db}, "))
	if ends := Make(h, have, noon).Table.Services[0].Endpoints; len(ends) > 0 {
		t.Errorf("%+v is carried", ends)
	}
}
