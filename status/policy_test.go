package status

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

const heldPolicies = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.7/32]}}]
    ports: [{port: web}, {port: 9000, endPort: 9009, protocol: UDP}]
  - from: [{namespaceSelector: {matchLabels: {team: ops}}}]
  egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}], ports: [{port: web}]}, {ports: [{port: 53, protocol: UDP}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: none, namespace: shop}
spec: {podSelector: {matchLabels: {app: dbb}}, ingress: [{ports: [{port: db}]}, {from: [{podSelector: {}}]}]}
`

// policed is a world in which n1 holds NetworkPolicies, and n2 has the table before.
func policed(texts ...string) World {
	w := routed()
	w.History.Head = manifest.Assemble(manifest.Info{Commit: "a1"}, append(slices.Clone(served), manifest.Parse("policies.yaml", []byte(strings.Join(append(texts, heldPolicies), "---\n")))))
	g := route.Guard{Policies: w.History.Want().NetworkPolicies}
	for i := range 3 {
		g.Pods = append(g.Pods, webPod(i, route.Ready))
	}
	for n := range w.Snapshot.Nodes {
		for i := range w.Snapshot.Nodes[n].Pods {
			w.Snapshot.Nodes[n].Pods[i].Birth.Network = manifest.NetworkOwn
		}
	}
	w.Plan.Table.Policies, w.Plan.Policies = g.Build(nil)
	inForce := *w.Plan.Table
	inForce.Number = 8
	w.Snapshot.Nodes[0].Side.Serves, w.Plan.Before = &inForce, &inForce
	return w
}

func TestPoliciesAreShownWithWhereTheyHold(t *testing.T) {
	for name, wide := range map[string]bool{"policies.txt": false, "policies-wide.txt": true} {
		var b bytes.Buffer
		Of(policed()).Only(Selection{Kinds: []string{"NetworkPolicy"}}).Text(&b, Look{}, wide)
		golden(t, name, b.Bytes())
	}
	data, err := yaml.Marshal(ListOnly(policed(), Selection{Kinds: []string{"NetworkPolicy"}}))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "policies.yaml", data)
}

// everywhere is a world in which both nodes do as they are told.
func everywhere() World {
	w := policed()
	w.Snapshot.Nodes[1].Side = w.Snapshot.Nodes[0].Side
	return w
}

func TestNoReasonWhyAPolicyDoesNotHoldIsMissing(t *testing.T) {
	n1 := func(w *World) *live.Node { return &w.Snapshot.Nodes[0] }
	for _, c := range []struct {
		name   string
		change func(*World)
		want   string // of default/web: pods, nodes and why
	}{
		{"it holds", func(*World) {}, "3/3 2/2 "},
		{"a node does not route by the table yet", func(w *World) {
			n1(w).Side.Serves, n1(w).Side.Net.Troubles = &route.Table{Number: 6}, []string{"table 7 is not in force: nft: no such file"}
		}, "1/3 1/2 not in force yet on n1: table 7 is not in force: nft: no such file"},
		{"a moment ago it was told", func(w *World) { n1(w).Side.Serves = &route.Table{Number: 6} }, "1/3 1/2 not in force yet on n1"},
		{"a node is silent", func(w *World) { n1(w).Side.Serves, n1(w).Silent = &route.Table{Number: 6}, 40e9 },
			"1/3 1/2 not in force yet on n1: silent for 40s"},
		{"a silent node had it", func(w *World) { n1(w).Silent = 40e9 }, "3/3 2/2 "},
		{"a node side is older", func(w *World) {
			n1(w).Side.Serves = &route.Table{Number: 6}
			w.Plan.Sides = map[string]string{"n1": "its node side is 2025-v1, and 2026-v1 does not start"}
		}, "1/3 1/2 not in force yet on n1: its node side is 2025-v1, and 2026-v1 does not start"},
		{"a pod comes that the table in force does not have", func(w *World) {
			served := *w.Plan.Before
			served.Policies = &route.Policies{Groups: slices.Clone(w.Plan.Table.Policies.Groups), Each: w.Plan.Table.Policies.Each}
			for i := range served.Policies.Groups {
				served.Policies.Groups[i].IPs = nil
			}
			n1(w).Side.Serves = &served
		}, "1/3 1/2 not in force yet on n1"},
		{"a pod is on its host's network", func(w *World) { n1(w).Pods[0].Birth.Network = 0 },
			"2/3 2/2 does not hold for web-4c1f09-0 on n1: it has hostNetwork: what it says comes from its host"},
		{"a pod is older than the network", func(w *World) { n1(w).Pods[0].Birth.Network = manifest.NetworkLayout },
			"2/3 2/2 does not hold for web-4c1f09-0 on n1: it was born before its node had a part in the cluster's network, and is held once it is replaced"},
		{"a user's own Podman", func(w *World) { n1(w).Side.Net.None = "a user's own Podman has no network that other hosts reach" },
			"1/3 2/2 does not hold for web-4c1f09-0 on n1, web-4c1f09-2 on n1: a user's own Podman has no network that other hosts reach"},
		{"a host without a node side for it", func(w *World) { n1(w).Side, n1(w).Facts.Arch = live.Side{}, "riscv64" },
			"1/3 1/2 does not hold for web-4c1f09-0 on n1, web-4c1f09-2 on n1: there is no node side for riscv64 (--node-binary riscv64=PATH); " +
				"not in force yet on n1: there is no node side for riscv64 (--node-binary riscv64=PATH)"},
		{"a kernel that does not see what passes a bridge", func(w *World) {
			n1(w).Side.Net.Troubles = []string{"NetworkPolicies do not hold between pods of this node: the kernel module br_netfilter is not loaded"}
		}, "3/3 2/2 n1: NetworkPolicies do not hold between pods of this node: the kernel module br_netfilter is not loaded"},
		{"no node side is wanted", func(w *World) {
			w.History.Side.Refused, w.Plan.Table, w.Plan.Before, w.Plan.Policies = true, nil, nil, nil
			w.Plan.Unrouted = "no node side is wanted on hosts (--node-side=never)"
		}, "0/3 0/0 does not hold for web-4c1f09-0 on n1, web-4c1f09-1 on n2, web-4c1f09-2 on n1: no node side is wanted on hosts (--node-side=never); not in force: no node side is wanted on hosts (--node-side=never)"},
		{"no table can be made", func(w *World) {
			w.Plan.Table, w.Plan.Policies, w.Plan.Unrouted = nil, nil, "hosts are still to say by which table they route"
		}, "3/3 2/2 in force as it was last: hosts are still to say by which table they route"},
		{"another form stands in", func(w *World) {
			w.History.Head.NetworkPolicies[0].Held = "web.yaml does not load, so its form of a0 stays"
		},
			"3/3 2/2 web.yaml does not load, so its form of a0 stays"},
	} {
		w := everywhere()
		c.change(&w)
		for _, x := range Of(w).Policies {
			whys := slices.DeleteFunc(x.Whys, func(why string) bool { return strings.HasPrefix(why, "spec.ingress[1]") })
			if got := x.holds() + " " + x.inForce() + " " + strings.Join(whys, "; "); x.Name == "web" && got != c.want {
				t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
			}
		}
	}
}

func TestAPolicyThatNeverLoadedIsShownAndSaidToHoldNobody(t *testing.T) {
	w := policed("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: typo}\nspec: {podSelector: {matchLabel: {app: web}}}\n")
	var b bytes.Buffer
	Of(w).policies(&b, Look{}, false)
	if want := "never loaded: it holds nobody, and the pods that it means are open to everybody until policies.yaml is mended"; !strings.Contains(b.String(), want) {
		t.Error(b.String())
	}
	if got := rulings(w); len(got) == 0 || got[0] != (Ruling{"default/typo", "never loaded: it is to hold nobody", false}) {
		t.Error(got)
	}
}

func TestAPlanSaysWhatBecomesOfPolicies(t *testing.T) {
	const shut = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: shut}\nspec: {podSelector: {}}\n"
	build := func(w *World, texts ...string) {
		head := manifest.Assemble(manifest.Info{Commit: "a2"}, append(slices.Clone(served), manifest.Parse("policies.yaml", []byte(strings.Join(texts, "---\n")))))
		if slices.ContainsFunc(head.Problems, manifest.Problem.Refuses) {
			t.Fatal(head.Problems)
		}
		w.History.Head = head
		g := route.Guard{Policies: head.NetworkPolicies}
		for i := range 3 {
			g.Pods = append(g.Pods, webPod(i, route.Ready))
		}
		table := *w.Plan.Table
		table.Policies, w.Plan.Policies = g.Build(nil)
		w.Plan.Table = &table
	}
	for _, c := range []struct {
		name string
		want string
		text []string
	}{
		{"nothing", "", []string{heldPolicies}},
		{"one comes", "default/shut comes: Ingress of all pods of default; allows nothing", []string{shut, heldPolicies}},
		{"one allows others", "default/web allows from pods app=api of default at web/tcp, 9000-9009/udp too; allows from pods app=web of default at web/tcp, 9000-9009/udp no more",
			[]string{strings.Replace(heldPolicies, "from: [{podSelector: {matchLabels: {app: web}}}", "from: [{podSelector: {matchLabels: {app: api}}}", 1)}},
		{"one holds others", "default/web holds pods tier=front of default in place of pods app=web of default",
			[]string{strings.Replace(heldPolicies, "podSelector: {matchLabels: {app: web}}\n", "podSelector: {matchLabels: {tier: front}}\n", 1)}},
		{"one is about one way alone", "default/web is about Ingress in place of Ingress and Egress; allows to pods app=web of all namespaces at web/tcp no more; allows to everybody at 53/udp no more",
			[]string{strings.Replace(heldPolicies, "[Ingress, Egress]", "[Ingress]", 1)}},
		{"all go", "default/web goes: holds pods app=web of default no more, and 3 pods no other one holds\nshop/none goes: holds pods app=dbb of shop no more", nil},
		{"another holds them still", "default/shut comes: Ingress of all pods of default; allows nothing\ndefault/web goes: holds pods app=web of default no more, and 3 pods no other one holds\n" +
			"shop/none goes: holds pods app=dbb of shop no more", []string{shut}},
	} {
		w := everywhere()
		build(&w, c.text...)
		var got []string
		for _, r := range rulings(w) {
			got = append(got, r.Policy+" "+r.What)
		}
		if s := strings.Join(got, "\n"); s != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, s, c.want)
		}
		if p := PreviewOf(w); p.Changes() != (c.want != "") {
			t.Errorf("%s: changes: %v", c.name, p.Changes())
		}
	}
}
