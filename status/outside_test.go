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

// outside is a world of two nodes, the second of which has port 443 itself, with these Services before, which are served, and after.
func outside(t *testing.T, before, after string) World {
	t.Helper()
	const hosts = `apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {providerID: "podman+ssh://root@192.0.2.1"}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
spec: {providerID: "podman+ssh://root@192.0.2.2"}
`
	net := virtual
	net.Outside = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	build := func(services string, table *route.Table) (manifest.Set, route.Table, []route.Built) {
		set := manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("nodes.yaml", []byte(hosts)), manifest.Parse("shop.yaml", []byte(services))})
		for _, p := range set.Problems {
			t.Fatal(p)
		}
		made, built, _ := route.Build(route.Want{Net: net, Services: set.Services, Before: table, Nodes: []route.Node{
			{Name: "n1", Address: netip.MustParseAddr("192.0.2.1")}, {Name: "n2", Address: netip.MustParseAddr("192.0.2.2")},
		}, Pods: []route.Pod{webPod(0, route.Ready)}})
		return set, made, built
	}
	_, was, _ := build(before, nil)
	was.Number = 7
	set, table, built := build(after, &was)
	w := World{Now: noon, History: manifest.History{Cluster: "c1", Source: "git.example.com/fleet", Net: net, Head: set, Fetched: noon}}
	w.Plan = plan.Plan{Table: &table, Services: built, Before: &was}
	for _, n := range table.Nodes {
		w.Snapshot.Nodes = append(w.Snapshot.Nodes, live.Node{Name: n.Name, Known: true, Side: live.Side{Version: "1", Serves: &table, Number: 7, Net: live.Net{Address: n.Address}}})
	}
	w.Snapshot.Nodes[1].Side.Net.Keeps = []route.HostPort{{Port: 443, Protocol: "tcp"}}
	return w
}

// exposed is a Service of the pods of web.
func exposed(name, spec string) string {
	return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {selector: {app: web}, " + spec + "}\n"
}

func TestWhereServicesAreReachedFromOutsideIsShown(t *testing.T) {
	all := exposed("balanced", "type: LoadBalancer, ports: [{name: a, port: 80}, {name: b, port: 443}]") +
		exposed("early", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerIP: 203.0.113.7, loadBalancerSourceRanges: [198.51.100.0/24], ports: [{port: 80}]") +
		exposed("elsewhere", "externalIPs: [192.0.2.2, 203.0.113.7, 198.51.100.7], ports: [{port: 443, protocol: TCP}]") +
		exposed("late", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]") + exposed("within", "ports: [{port: 80}]")
	w := outside(t, all, all)
	var b bytes.Buffer
	Of(w).services(&b, Look{}, false)
	golden(t, "outside.txt", b.Bytes())
	few := exposed("balanced", "type: LoadBalancer, ports: [{name: a, port: 80}, {name: b, port: 443}]") +
		exposed("nearby", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, externalTrafficPolicy: Local, loadBalancerIP: 203.0.113.7, ports: [{port: 80}]")
	data, err := yaml.Marshal(ListOnly(outside(t, few, few), Selection{Kinds: []string{"Service"}}))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "outside.yaml", data)
}

func TestAPortThatHostsKeepIsSaid(t *testing.T) {
	one := exposed("web", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 443}]")
	for _, c := range []struct {
		claim         string
		keeps         []string
		external, why string
	}{
		{"none", nil, "192.0.2.1, 192.0.2.2", ""},
		{"another", []string{"n1 80/tcp", "n2 443/udp"}, "192.0.2.1, 192.0.2.2", ""},
		{"one", []string{"n1 443/tcp"}, "192.0.2.2", "host n1 listens at 443/tcp itself: what comes there is the host's"},
		{"all", []string{"n1 443/tcp", "n2 443/tcp"}, "-", "hosts n1, n2 listen at 443/tcp themselves: what comes there is the hosts'"},
	} {
		w := outside(t, one, one)
		for i := range w.Snapshot.Nodes {
			n := &w.Snapshot.Nodes[i]
			n.Side.Net.Keeps = nil
			for _, text := range c.keeps {
				name, port, _ := strings.Cut(text, " ")
				var p route.HostPort
				if err := p.UnmarshalText([]byte(port)); err != nil {
					t.Fatal(err)
				}
				if name == n.Name {
					n.Side.Net.Keeps = append(n.Side.Net.Keeps, p)
				}
			}
		}
		if x := Of(w).Services[0]; x.external() != c.external || x.Why != c.why {
			t.Errorf("%s: %s, %q", c.claim, x.external(), x.Why)
		}
	}
}

func TestAHostThatServesNothingIsNoPlaceToReachAServiceAt(t *testing.T) {
	one := exposed("web", "type: LoadBalancer, externalIPs: [192.0.2.2], ports: [{port: 80}]")
	w := outside(t, one, one)
	w.Snapshot.Nodes[1].Side.Net.None = "a user's own Podman"
	if x := Of(w).Services[0]; x.external() != "-" {
		t.Errorf("it is asked for at n2 alone: %s", x.external())
	}
	all := exposed("web", "type: LoadBalancer, ports: [{port: 80}]")
	w = outside(t, all, all)
	w.Snapshot.Nodes[1].Side.Net.None = "a user's own Podman"
	if x := Of(w).Services[0]; x.external() != "192.0.2.1" {
		t.Errorf("it is asked for at every host: %s", x.external())
	}
}

func TestAPlanSaysWhatIsOpenedOnHosts(t *testing.T) {
	const lb = "type: LoadBalancer, allocateLoadBalancerNodePorts: false, "
	plain := exposed("web", "ports: [{port: 80}]")
	for _, c := range []struct{ claim, before, after, want string }{
		{"nothing changes", exposed("web", lb+"ports: [{port: 80}]"), exposed("web", lb+"ports: [{port: 80}]"), ""},
		{"one comes", "", exposed("web", lb+"ports: [{port: 80}]"), "comes: 10.43.180.143 (80/tcp) leads to 1 pod; opens 80/tcp on all hosts"},
		{"it becomes one", plain, exposed("web", lb+"ports: [{port: 80}]"), "opens 80/tcp on all hosts"},
		{"it is one no more", exposed("web", lb+"ports: [{port: 80}]"), plain, "closes 80/tcp on all hosts"},
		{"it goes", exposed("web", lb+"ports: [{port: 80}]"), "", "goes: 10.43.180.143 (80/tcp) answers no more; closes 80/tcp on all hosts"},
		{"at an address", plain, exposed("web", "externalIPs: [203.0.113.7], ports: [{port: 80}]"), "opens 80/tcp at 203.0.113.7"},
		{"for a few", plain, exposed("web", lb+"loadBalancerSourceRanges: [198.51.100.0/24], ports: [{port: 80}]"), "opens 80/tcp on all hosts, to 198.51.100.0/24 alone"},
		{"for fewer", exposed("web", lb+"ports: [{port: 80}]"), exposed("web", lb+"loadBalancerSourceRanges: [198.51.100.0/24], ports: [{port: 80}]"), "lets in 198.51.100.0/24"},
		{"for all", exposed("web", lb+"loadBalancerSourceRanges: [198.51.100.0/24], ports: [{port: 80}]"), exposed("web", lb+"ports: [{port: 80}]"), "lets in everybody"},
		{"at an address that it may not have", plain, exposed("web", "externalIPs: [198.51.100.7], ports: [{port: 80}]"),
			"externalIP 198.51.100.7 is no node's, and not in --external-cidr; ask for a node's, or begin podkeep with --external-cidr=198.51.100.7/32"},
		{"where its health is asked", plain, exposed("web", lb+"externalTrafficPolicy: Local, healthCheckNodePort: 30999, ports: [{port: 80}]"), "opens 80/tcp on all hosts, 30999/tcp on all hosts"},
	} {
		var got []string
		for _, m := range PreviewOf(outside(t, c.before, c.after)).Moves {
			got = append(got, m.What)
		}
		if s := strings.Join(got, "\n"); s != c.want {
			t.Errorf("%s: %q, want %q", c.claim, s, c.want)
		}
	}
}
