package status

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/plan"
)

var (
	virtual = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"}
	served  = []manifest.Parsed{manifest.Parse("shop.yaml", []byte(`apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: a}}
spec: {providerID: "podman+ssh://root@192.0.2.1"}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
spec: {providerID: "podman+ssh://root@192.0.2.2"}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {tier: front}}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: web, nodePort: 30080}, {name: admin, port: 9090}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {clusterIP: 10.43.0.10, selector: {app: nobody}, ports: [{port: 53, protocol: UDP}]}
`))}
)

// webPod is a pod behind the Service web.
func webPod(i int, state route.State) route.Pod {
	return route.Pod{
		Namespace: "default", Name: livePod("web", revNew, i, 1, noon).Name, Node: []string{"n1", "n2"}[i%2], IP: netip.AddrFrom4([4]byte{10, 42, byte(1 + i%2), byte(10 + i)}),
		Labels: map[string]string{"app": "web"}, Ports: map[string]string{"web": "8080/tcp"}, State: state,
	}
}

// routed is a world in which Services are served by n1, and n2 has the table before.
func routed() World {
	w := World{Now: noon, History: manifest.History{
		Cluster: "c1", Source: "git.example.com/fleet", Net: virtual, Head: manifest.Assemble(manifest.Info{Commit: "a1"}, served), Fetched: noon,
		Side: manifest.SideOffer{Version: "2026-v1", Images: map[string]string{"": "i"}},
	}}
	want := route.Want{Net: virtual, Services: w.History.Head.Services, Nodes: []route.Node{
		{Name: "n1", Address: netip.MustParseAddr("192.0.2.1"), Range: netip.MustParsePrefix("10.42.1.0/24")},
		{Name: "n2", Address: netip.MustParseAddr("192.0.2.2"), Range: netip.MustParsePrefix("10.42.2.0/24")},
	}}
	want.Pods = []route.Pod{webPod(0, route.Ready), webPod(1, route.Unready)}
	before, _, _ := route.Build(want)
	before.Number = 6
	want.Pods[1].State = route.Ready
	want.Pods = append(want.Pods, webPod(2, route.Unready))
	table, built, _ := route.Build(want)
	serving, _, _ := route.Build(want)
	serving.Number = 7
	w.Plan = plan.Plan{Table: &table, Services: built, Before: &serving}
	side := func(n route.Node, t *route.Table) live.Side {
		return live.Side{Version: "2026-v1", Serves: t, Number: t.Number, Net: live.Net{Range: n.Range, Address: n.Address}}
	}
	n1, n2 := live.Node{Name: "n1", Known: true, Side: side(table.Nodes[0], &serving)}, live.Node{Name: "n2", Known: true, Side: side(table.Nodes[1], &before)}
	n1.Side.Net.Paths, n2.Side.Net.Paths = map[string]string{"n2": "vxlan"}, map[string]string{"n1": "direct"}
	n2.Side.Behind, n2.Side.Net.Troubles = 1, []string{"table 7 is not in force: nft: no such file"}
	for i := range 3 {
		p, is := livePod("web", revNew, i, 1, noon.Add(-1e9*60)), want.Pods[i]
		p.Birth.Labels, p.Birth.Ports, p.Birth.IP, p.IP = is.Labels, is.Ports, is.IP.String(), is.IP.String()
		on := []*live.Node{&n1, &n2}[i%2]
		on.Pods = append(on.Pods, p)
	}
	n1.Pods[1].Containers[0].State = live.Exited
	w.Plan.Apps = []plan.App{{ID: appID("web"), State: plan.Converged, Rev: revNew, Stable: revNew, Commit: "a1", Replicas: 3, Updated: 3, Ready: 2, Available: 2, Total: 3}}
	w.Snapshot = live.Snapshot{Nodes: []live.Node{n1, n2}}
	return w
}

func TestServicesAreShownWithWhereTheyLead(t *testing.T) {
	for name, wide := range map[string]bool{"services.txt": false, "services-wide.txt": true} {
		var b bytes.Buffer
		Of(routed()).Text(&b, Look{}, wide)
		golden(t, name, b.Bytes())
	}
	data, err := yaml.Marshal(ListOnly(routed(), Selection{Kinds: []string{"Service", "Node"}}))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "services.yaml", data)
}

func TestAddressesThatAreWrittenDownAreShown(t *testing.T) {
	w := routed()
	files := []manifest.Parsed{served[0], manifest.Parse("db.yaml", []byte(`apiVersion: v1
kind: Service
metadata: {name: away}
spec: {type: ExternalName, externalName: a.example.com}
---
apiVersion: v1
kind: Service
metadata: {name: pg}
spec: {ports: [{port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: pg-1, labels: {kubernetes.io/service-name: pg}}
addressType: IPv4
ports: [{port: 5433}]
endpoints: [{addresses: [192.0.2.7], nodeName: n1}, {addresses: [192.0.2.8]}, {addresses: [192.0.2.9], conditions: {ready: false}}]
`))}
	w.History.Head = manifest.Assemble(manifest.Info{Commit: "a1"}, files)
	table, built, _ := route.Build(route.Want{Net: virtual, Services: w.History.Want().Services, Nodes: w.Plan.Table.Nodes})
	w.Plan.Table, w.Plan.Services = &table, built
	w.Snapshot.Nodes[0].Side.Serves, w.Snapshot.Nodes[1].Side.Serves = &table, &table
	var b bytes.Buffer
	Of(w).Only(Selection{Kinds: []string{"Service"}}).services(&b, Look{}, true)
	golden(t, "services-written.txt", b.Bytes())
	s := Selection{Objects: []manifest.ID{{Kind: "Service", Namespace: "default", Name: "away"}, {Kind: "Service", Namespace: "default", Name: "pg"}}}
	data, err := yaml.Marshal(ListOnly(w, s))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "services-written.yaml", data)
}

func TestWhatIsNotServedSaysSo(t *testing.T) {
	off := routed()
	off.Plan.Table, off.Plan.Before, off.Plan.Services = nil, nil, nil
	off.History.Net = manifest.Net{}
	off.Plan.Unrouted = "no node side is wanted on hosts (--node-side=never)"
	young := routed()
	for i := range young.Snapshot.Nodes {
		young.Snapshot.Nodes[i].Side = live.Side{}
	}
	young.Plan.Sides = map[string]string{"n1": "its node side is not heard yet"}
	known := routed() // but for what is to be served
	known.Plan.Table, known.Plan.Services, known.Plan.Unrouted = nil, nil, "hosts are still to say by which table they route"
	held := routed()
	held.History.Head.Services[1].Held = "shop.yaml does not load, so its form of a0 stays"
	named := routed()
	named.History.Head.Services[0] = manifest.Service{Meta: named.History.Head.Services[0].Meta, External: "db.example.com", Headless: true}
	named.History.Head.Services[0].Held = "shop.yaml says so"
	named.Plan.Table.Services[0] = route.Service{Namespace: "default", Name: "nobody", External: "db.example.com"}
	named.Plan.Services[0] = route.Built{ID: named.History.Head.Services[0].ID}
	for _, c := range []struct {
		name, want string
		w          World
	}{
		{"nobody routes", "web NodePort - 80:30080/tcp,9090/tcp 0/3 not served: no node side is wanted on hosts (--node-side=never)", off},
		{"no node serves it", "web NodePort 10.43.180.143 80:30080/tcp,9090:30492/tcp 2/3 no node serves it yet", young},
		{"while no table can be made", "web NodePort 10.43.180.143 80:30080/tcp,9090:30492/tcp 2/3", known},
		{"one is another's name", "nobody ExternalName db.example.com - - shop.yaml says so", named},
		{"another form stands in", "web NodePort 10.43.180.143 80:30080/tcp,9090:30492/tcp 2/3 shop.yaml does not load, so its form of a0 stays", held},
	} {
		var b bytes.Buffer
		Of(c.w).services(&b, Look{}, false)
		found := false
		for line := range strings.Lines(b.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == c.want
		}
		if !found {
			t.Errorf("%s: no line is %q:\n%s", c.name, c.want, b.String())
		}
	}
	if lags := Of(young).Services[1].Lags; len(lags) == 0 || !strings.Contains(strings.Join(lags, "\n"), "n1: its node side is not heard yet") {
		t.Errorf("which nodes do not serve it: %q", lags)
	}
}

func TestAPlanSaysWhatBecomesOfRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(w *World, had, has *route.Table)
		want string
	}{
		{"nothing", func(*World, *route.Table, *route.Table) {}, ""},
		{"one comes", func(_ *World, had, _ *route.Table) { had.Services = had.Services[1:] },
			"default/nobody comes: 10.43.0.10 (53/udp) leads to 0 pods; its selector chooses no pod"},
		{"one comes with its workload", func(w *World, had, _ *route.Table) {
			had.Services = had.Services[1:]
			s := &w.History.Head.Services[0]
			s.Selector = map[string]string{"app": "new"}
			w.History.Head.Workloads = append(w.History.Head.Workloads, manifest.Workload{
				Meta:     manifest.Meta{ID: manifest.ID{Kind: "Deployment", Namespace: s.Namespace, Name: "new"}},
				Revision: manifest.Revision{Labels: s.Selector},
			})
		}, "default/nobody comes: 10.43.0.10 (53/udp) leads to the pods of new, once they are there"},
		{"one asks for a port that no pod has", func(w *World, _, has *route.Table) {
			has.Services[1].Endpoints[0].Ports, w.Plan.Services[1].Why = []uint16{0, 9090}, "no pod has a port called htpt, the targetPort of port 80"
		}, "default/web leads to other ports of its pods; no pod has a port called htpt, the targetPort of port 80"},
		{"one goes", func(w *World, _, has *route.Table) {
			w.History.Head.Services, has.Services, w.Plan.Services = w.History.Head.Services[:2], has.Services[:2], w.Plan.Services[:2]
		}, "shop/db goes: its name answers no more"},
		{"one has another port", func(_ *World, _, has *route.Table) {
			has.Services[1].Ports = []route.Port{{Protocol: "tcp", Port: 81}}
		}, "default/web 10.43.180.143 (81/tcp) takes the place of 10.43.180.143 (80:30080/tcp,9090:30492/tcp); closes 30080/tcp on all hosts, 30492/tcp on all hosts"},
		{"one has another targetPort", func(_ *World, _, has *route.Table) { has.Services[1].Endpoints[0].Ports = []uint16{8081, 9090} },
			"default/web leads to other ports of its pods"},
		{"a pod is not ready any more", func(_ *World, _, has *route.Table) { has.Services[1].Endpoints = has.Services[1].Endpoints[1:] }, ""},
		{"one has a selector that chooses others", func(w *World, _, has *route.Table) {
			api := livePod("api", revNew, 0, 1, noon)
			w.Snapshot.Nodes[0].Pods = append(w.Snapshot.Nodes[0].Pods, api)
			w.History.Head.Services[1].Selector = map[string]string{"app": "api"}
			has.Services[1].Endpoints = []route.Endpoint{{Pod: api.Name, Node: "n1", IP: netip.MustParseAddr("10.42.1.30"), Ports: []uint16{8080, 9090}}}
		}, "default/web leads to api too; leads to web no more"},
		{"one has a selector that chooses nobody", func(w *World, _, has *route.Table) {
			w.History.Head.Services[1].Selector = map[string]string{"app": "webb"}
			has.Services[1].Endpoints, w.Plan.Services[1] = nil, route.Built{Why: "its selector chooses no pod"}
		}, "default/web leads to web no more; its selector chooses no pod"},
		{"addresses come", func(w *World, had, has *route.Table) {
			had.Services = had.Services[1:]
			w.History.Head.Services[0].Selector, w.Plan.Services[0].Why = nil, ""
			has.Services[0].Endpoints = []route.Endpoint{{IP: netip.MustParseAddr("192.0.2.7"), Ports: []uint16{5353}}}
		}, "default/nobody comes: 10.43.0.10 (53/udp) leads to 192.0.2.7:5353"},
		{"a Service comes without one", func(w *World, had, has *route.Table) {
			had.Services = had.Services[1:]
			w.History.Head.Services[0].Selector, w.Plan.Services[0].Why = nil, "none is written down"
		}, "default/nobody comes: 10.43.0.10 (53/udp) leads to nothing; none is written down"},
		{"other addresses are written down", func(w *World, had, has *route.Table) {
			end := func(last byte, port uint16) route.Endpoint {
				return route.Endpoint{IP: netip.AddrFrom4([4]byte{192, 0, 2, last}), Ports: []uint16{port}}
			}
			w.History.Head.Services[0].Selector, w.Plan.Services[0] = nil, route.Built{Selected: 7}
			had.Services[0].Endpoints = []route.Endpoint{end(7, 53), end(8, 53), end(9, 53)}
			has.Services[0].Endpoints = []route.Endpoint{end(7, 54), end(8, 53), end(10, 53), end(11, 53), end(12, 53), end(13, 53)}
		}, "default/nobody leads to 192.0.2.7:54, 192.0.2.10:53, 192.0.2.11:53, 2 more too; leads to 192.0.2.7:53, 192.0.2.9:53 no more"},
		{"an outside name comes", func(w *World, had, has *route.Table) {
			had.Services = had.Services[1:]
			w.History.Head.Services[0].External, has.Services[0] = "a.example.com", route.Service{Namespace: "default", Name: "nobody", External: "a.example.com"}
		}, "default/nobody comes: a name for a.example.com"},
		{"an outside name takes the place of pods", func(w *World, _, has *route.Table) {
			w.History.Head.Services[0].External, has.Services[0] = "a.example.com", route.Service{Namespace: "default", Name: "nobody", External: "a.example.com"}
		}, "default/nobody a name for a.example.com takes the place of 10.43.0.10 (53/udp)"},
		{"one has lost its address", func(w *World, _, has *route.Table) {
			has.Services, w.Plan.Services[0].Why = has.Services[1:], "clusterIP 10.43.0.10 is default/a's; ask for another, or for none"
		}, "default/nobody is not served any more: clusterIP 10.43.0.10 is default/a's; ask for another, or for none"},
	} {
		w := routed()
		c.f(&w, w.Plan.Before, w.Plan.Table)
		var got []string
		for _, m := range PreviewOf(w).Moves {
			got = append(got, m.Service+" "+m.What)
		}
		if s := strings.Join(got, "\n"); s != c.want {
			t.Errorf("%s: %q, want %q", c.name, s, c.want)
		}
		if p := PreviewOf(w); p.Changes() != (c.want != "") {
			t.Errorf("%s: changes: %v", c.name, p.Changes())
		}
	}
}
