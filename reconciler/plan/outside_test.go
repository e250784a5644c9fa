package plan

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

var clusterNet = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"}

func TestWhereServicesMayBeReachedFollowsTheNodes(t *testing.T) {
	const hosts = `apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {providerID: "podman+ssh://root@192.0.2.1:2222"}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {node.kubernetes.io/exclude-from-external-load-balancers: ""}, annotations: {podkeep.io/address: 192.0.2.22}}
spec: {providerID: "podman+ssh://root@edge.example.com"}
`
	of := func(name, spec string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {selector: {app: web}, " + spec + "}\n"
	}
	h, have := sideful(commit(t, "a1", hosts,
		of("all", "type: LoadBalancer, ports: [{port: 80}]"),
		of("ours", "externalIPs: [192.0.2.1, 192.0.2.22], ports: [{port: 81}]"),
		of("named", "externalIPs: [203.0.113.7], ports: [{port: 82}]"),
		of("nobodys", "externalIPs: [203.0.113.8], ports: [{port: 83}]"),
		of("ssh", "type: LoadBalancer, ports: [{port: 2222}]")), "1"), sides("n1=1+", "n2=1+")
	h.Net, have.Watched = clusterNet, time.Hour
	h.Net.Outside = []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}
	p := Make(h, have, noon)
	if len(p.Table.Nodes) != 2 || p.Table.Nodes[0].Excluded || !p.Table.Nodes[1].Excluded {
		t.Errorf("%+v", p.Table.Nodes)
	}
	var got []string
	for i, s := range p.Table.Services {
		words := []string{s.Name}
		if s.Ports[0].Hosts {
			words = append(words, "hosts")
		}
		for _, ip := range s.Ports[0].Outside {
			words = append(words, ip.String())
		}
		if why := p.Services[i].Why; why != "its selector chooses no pod" {
			words = append(words, why)
		}
		got = append(got, strings.Join(words, " "))
	}
	want := []string{"all hosts", "named 203.0.113.7",
		"nobodys externalIP 203.0.113.8 is no node's, and not in --external-cidr; ask for a node's, or begin podkeep with --external-cidr=203.0.113.8/32",
		"ours 192.0.2.1 192.0.2.22",
		"ssh hosts' port 2222/tcp is a port by which podkeep reaches a host; ask for another, or for an address with loadBalancerIP"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestASelectorChoosesThePodsOfWhateverHasItsLabels(t *testing.T) {
	const spec = "containers: [{name: app, image: \"example.com/x:1\"}]"
	of := func(kind, name, labels string) string {
		return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec:\n  selector: {matchLabels: {app.kubernetes.io/name: " + name + "}}\n" +
			"  template:\n    metadata: {labels: {app.kubernetes.io/name: " + name + ", " + labels + "}}\n    spec: {" + spec + "}\n"
	}
	works := of("Deployment", "web", "app.kubernetes.io/part-of: shop, tier: front") + "---\n" + of("ReplicaSet", "api", "app.kubernetes.io/part-of: shop, tier: back") + "---\n" +
		"apiVersion: v1\nkind: Pod\nmetadata: {name: cart, labels: {app.kubernetes.io/part-of: shop, tier: back, run: cart}}\nspec: {" + spec + "}\n---\n" +
		"apiVersion: batch/v1\nkind: Job\nmetadata: {name: count}\nspec: {template: {metadata: {labels: {tier: batch}}, spec: {restartPolicy: Never, " + spec + "}}}\n"
	for selector, want := range map[string]string{
		"app.kubernetes.io/name: web":                 "web",
		"app.kubernetes.io/part-of: shop":             "api cart web",
		"app.kubernetes.io/part-of: shop, tier: back": "api cart",
		"run: cart":       "cart",
		"job-name: count": "count",
		"batch.kubernetes.io/job-name: count, tier: batch":           "count",
		"app.kubernetes.io/name: web, app.kubernetes.io/part-of: ''": "",
		"tier: front, run: cart":                                     "",
	} {
		head := commit(t, "a1", strings.Replace(nodes("n1"), "spec: {", "spec: {podCIDR: 10.42.1.0/24, ", 1), works,
			"apiVersion: v1\nkind: Service\nmetadata: {name: some}\nspec: {selector: {"+selector+"}, ports: [{port: 80}]}\n")
		h, have := sideful(head, "1"), sides("n1=1+")
		h.Net, have.Watched = clusterNet, time.Hour
		for i, wl := range head.Workloads {
			p := live.Pod{
				Name: live.PodName("default", wl.ID, wl.Revision.Rev, 0), Cluster: "default", Source: source, App: wl.ID, Rev: wl.Revision.Rev, Gen: 1, Commit: "a1", Signer: key,
				Created: noon.Add(-time.Minute), Expect: []string{"app"}, Restart: "Always", Containers: []live.Container{{Name: "app", State: live.Running, Started: noon.Add(-time.Minute)}},
			}
			if wl.Kind == "Job" {
				wl.Revision, p.Restart = live.JobForm(wl.Revision, p, false), "Never"
			}
			p.Birth = live.BirthOf(wl.Revision)
			p.Birth.Network, p.Birth.IP = manifest.NetworkOwn, route.At(netip.MustParsePrefix("10.42.1.0/24"), uint32(7+i)).String()
			have.Nodes[0].Pods = append(have.Nodes[0].Pods, p)
		}
		var got []string
		for _, name := range strings.Fields("api cart count web") {
			for _, e := range Make(h, have, noon).Table.Services[0].Endpoints {
				if strings.Contains(e.Pod, name) {
					got = append(got, name)
				}
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: chooses %q, not %q", selector, s, want)
		}
	}
}
