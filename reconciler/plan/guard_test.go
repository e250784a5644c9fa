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

const policies = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}, {podSelector: {}}]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {team: b}}
`

// guardedFleet is one node in the cluster's network with these pods, under a commit of two web pods.
func guardedFleet(t *testing.T, texts ...string) (manifest.History, live.Snapshot, manifest.Set) {
	head := commit(t, "a1", append([]string{nodes("n1"), deployment("web", 2, "")}, texts...)...)
	h, have := sideful(head, "1"), sides("n1=1+")
	h.Net, have.Watched = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}, time.Hour
	n := &have.Nodes[0]
	n.Receipts = promoted(head, "web")
	for i := range n.Receipts {
		n.Receipts[i].Source, n.Receipts[i].Signer = source, key
	}
	n.Side.Net.Range = netip.MustParsePrefix("10.42.5.0/24")
	n.Side.Serves = &route.Table{Number: 1, Nodes: []route.Node{{Name: "n1", Range: n.Side.Net.Range}}}
	n.Side.Number, n.Side.Signer = 1, h.Key
	return h, have, head
}

func inNet(p live.Pod, ip string) live.Pod {
	p.Birth.IP, p.Birth.Network = ip, manifest.NetworkOwn
	return p
}

// said is the pods that a table's policies know, and its groups.
func said(t *route.Table) string {
	if t == nil || t.Policies == nil {
		return "none"
	}
	var words []string
	for _, k := range t.Policies.Known {
		words = append(words, k.Pod)
	}
	for _, g := range t.Policies.Groups {
		words = append(words, fmt.Sprintf("{%s: %d}", g.Key, len(g.IPs)))
	}
	return strings.Join(words, " ")
}

func TestPoliciesAreInTheTableWithThePodsThatRunAndThoseThatAreToBeBorn(t *testing.T) {
	h, have, head := guardedFleet(t, policies)
	have.Nodes[0].Side.Serves.Policies = &route.Policies{}
	there := inNet(running(head, "web", 0), "10.42.5.7")
	host := running(head, "web", 7)
	host.Name, host.Birth.Network, host.Stopping = "on-the-host", 0, true
	stranger := inNet(running(head, "web", 8), "10.42.5.9")
	stranger.Name, stranger.Signer = "nobody-signed-it", ""
	stops := inNet(running(head, "web", 9), "10.42.5.8")
	stops.Stopping = true
	have.Nodes[0].Pods = append(have.Nodes[0].Pods, there, host, stranger, stops)
	p := Make(h, have, noon)
	born := live.PodName("default", there.App, there.Rev, 1)
	want := fmt.Sprintf("%s %s %s {[team=a] []: 0} {default []: 3} {default [app=web]: 3}", there.Name, born, stops.Name)
	if got := said(p.Table); got != want {
		t.Fatalf("got  %s\nwant %s\n%s", got, want, p)
	}
	started := func(p Plan) string {
		for _, a := range p.Actions {
			if a.Name == born && a.Verb == Run {
				return a.Pod.Net.IP.String()
			}
		}
		return ""
	}
	ip := started(p)
	if ip != p.Table.Policies.Known[1].IP.String() {
		t.Errorf("it is born at %s, and known at %s", ip, p.Table.Policies.Known[1].IP)
	}
	served := *p.Table
	served.Number = 2
	have.Nodes[0].Side.Serves, have.Nodes[0].Side.Number = &served, 2
	if again := Make(h, have, noon); started(again) != ip || !again.Table.Same(p.Table) {
		t.Errorf("once the table is in force it is born at %s, not %s", started(again), ip)
	}
}

func TestWithoutPoliciesATableHasNone(t *testing.T) {
	h, have, _ := guardedFleet(t)
	if got := said(Make(h, have, noon).Table); got != "none" {
		t.Error(got)
	}
}

func TestWhereNoPolicyHoldsIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*manifest.History, *live.Snapshot)
		want   string
	}{
		"everywhere":        {func(*manifest.History, *live.Snapshot) {}, ""},
		"without node side": {func(h *manifest.History, _ *live.Snapshot) { h.Side.Refused = true }, "NetworkPolicies do not hold, all 1 of them: no node side is wanted on hosts (--node-side=never)"},
		"a user's own Podman": {func(_ *manifest.History, have *live.Snapshot) { have.Nodes[0].Side.Net.None = "it is a user's own" },
			"NetworkPolicies do not hold for the pods of n1: it is a user's own"},
	} {
		h, have, head := guardedFleet(t, policies)
		have.Nodes[0].Pods = append(have.Nodes[0].Pods, running(head, "web", 0))
		c.change(&h, &have)
		if got := strings.Join(Make(h, have, noon).Notes, "\n"); (c.want == "") == strings.Contains(got, "NetworkPolicies") || !strings.Contains(got, c.want) {
			t.Errorf("%s: says %q", name, got)
		}
	}
}

func TestWhatPoliciesSayOfAnAddressIsNotInheritedByAnotherPod(t *testing.T) {
	h, have, _ := guardedFleet(t, policies)
	have.Nodes[0].Side.Serves.Policies = &route.Policies{}
	ips := map[string]string{}
	for _, a := range Make(h, have, noon).Actions {
		if a.Verb == Run && a.Pod.Net.IP.IsValid() {
			ips[a.Name] = a.Pod.Net.IP.String()
		}
	}
	if len(ips) != 2 {
		t.Fatal(ips)
	}
	served := have.Nodes[0].Side.Serves
	served.Policies = &route.Policies{}
	for _, ip := range ips {
		served.Policies.Known = append(served.Policies.Known, route.Known{Node: "n1", Pod: "gone", IP: netip.MustParseAddr(ip)})
	}
	for _, a := range Make(h, have, noon).Actions {
		if a.Verb == Run && ips[a.Name] != "" && a.Pod.Net.IP.String() == ips[a.Name] {
			t.Errorf("%s has the address of one that is gone, %s", a.Name, ips[a.Name])
		}
	}
}

func TestPodsOfNodesThatNobodyHasLookedAtStayInTheirGroups(t *testing.T) {
	h, have, head := guardedFleet(t, policies)
	have.Nodes[0].Pods = append(have.Nodes[0].Pods, inNet(running(head, "web", 0), "10.42.5.7"), inNet(running(head, "web", 1), "10.42.5.8"))
	served := *Make(h, have, noon).Table
	served.Number = 2
	h.Head = commit(t, "a1", nodes("n1", "n2"), deployment("web", 2, ""), policies)
	have = sides("n1=", "n2=1+")
	have.Watched = time.Hour
	have.Nodes[0].Known = false
	have.Nodes[0].Silent = time.Second
	have.Nodes[1].Side.Serves, have.Nodes[1].Side.Number, have.Nodes[1].Side.Signer = &served, 2, h.Key
	table := Make(h, have, noon).Table
	if got, want := said(table), said(&served); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestThatAPolicyNeverLoadedIsSaid(t *testing.T) {
	h, have, _ := guardedFleet(t)
	files := []manifest.Parsed{manifest.Parse("nodes.yaml", []byte(nodes("n1"))), manifest.Parse("p.yaml", []byte(strings.Replace(policies, "podSelector: {matchLabels", "podSelector: {matchLabel", 1)))}
	h.Head = manifest.Assemble(manifest.Info{Commit: "a1"}, files)
	want := "NetworkPolicy/p in namespace default never loaded: it holds nobody, and the pods that it means are open to everybody until p.yaml is mended"
	if p := Make(h, have, noon); !slices.Contains(p.Notes, want) {
		t.Errorf("it says %q", p.Notes)
	}
}

func TestNoPodIsBornWhereNoPolicyIsInForceWhileThereAreSome(t *testing.T) {
	const waits, refused = "no node is chosen yet: n1 is about to hold NetworkPolicies", "no node fits: 1 without NetworkPolicies in force"
	for name, c := range map[string]struct {
		texts  []string
		change func(*live.Side)
		want   string // of what is said of a pod that is to be born; empty: it is
	}{
		"no policy is asked for":        {nil, func(*live.Side) {}, ""},
		"the table does not come yet":   {[]string{policies}, func(*live.Side) {}, waits},
		"it has come":                   {[]string{policies}, func(s *live.Side) { s.Serves.Policies = &route.Policies{} }, ""},
		"a table without them is older": {[]string{policies}, func(s *live.Side) { s.Behind = time.Second }, waits},
		"it does not come for long":     {[]string{policies}, func(s *live.Side) { s.Behind = joining }, refused},
		"it is refused":                 {[]string{policies}, func(s *live.Side) { s.Net.Troubles = []string{"table 2 cannot be read"} }, refused},
	} {
		h, have, _ := guardedFleet(t, c.texts...)
		c.change(&have.Nodes[0].Side)
		p := Make(h, have, noon)
		born := slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Verb == Run && a.App.Name == "web" })
		if born != (c.want == "") || !strings.Contains(p.String(), c.want) {
			t.Errorf("%s: born: %v\n%s", name, born, p)
		}
		if c.want == waits && p.Wake.IsZero() {
			t.Errorf("%s: nobody looks again", name)
		}
	}
}
