package plan

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// rangedWorld is a world of nodes in a cluster with that range, with a table before if there is one.
func rangedWorld(cidr string, before *route.Table, nodes ...*node) *world {
	w := &world{h: manifest.History{Source: source, Net: manifest.Net{Pods: netip.MustParsePrefix(cidr)}}, nodes: nodes, trust: trust{anyone: true}}
	w.net = network{before: before, ranges: map[string]netip.Prefix{}}
	w.giveRanges()
	return w
}

func hostNamed(name, id, cidr string, pods ...live.Pod) *node {
	n := &node{Node: live.Node{Name: name, Pods: pods}, id: id}
	n.want.PodCIDR = cidr
	return n
}

func at(ip string) live.Pod { return live.Pod{Source: source, Signer: key, Birth: live.Birth{IP: ip}} }

func TestWhichRangeANodeHas(t *testing.T) {
	had := &route.Table{Nodes: []route.Node{
		{Name: "n1", Host: "one", Range: netip.MustParsePrefix("10.42.9.0/24")}, {Name: "n2", Host: "two", Range: netip.MustParsePrefix("10.42.8.0/24")},
	}}
	for _, c := range []struct {
		claim  string
		before *route.Table
		nodes  []*node
		want   string
	}{
		{"the one that it names", had, []*node{hostNamed("n1", "one", "10.50.1.0/24")}, "n1=10.50.1.0/24"},
		{"but another one while pods have addresses of that", had, []*node{hostNamed("n1", "one", "10.50.1.0/24", at("10.42.9.3"))}, "n1=10.42.9.0/24"},
		{"the one that its host had under another name", had, []*node{hostNamed("edge", "one", "")}, "edge=10.42.9.0/24"},
		{"the one of its name when its host was replaced", had, []*node{hostNamed("n1", "new", "")}, "n1=10.42.9.0/24"},
		{"but not when the host that had it is another node by now", had, []*node{hostNamed("edge", "one", ""), hostNamed("n1", "new", "10.42.7.0/24")}, "edge=10.42.9.0/24 n1=10.42.7.0/24"},
		{"nor when its name comes first", had, []*node{hostNamed("n1", "new", ""), hostNamed("z", "one", "")}, "z=10.42.9.0/24"},
		{"the one of its pods", nil, []*node{hostNamed("n1", "one", "", at("10.42.3.77"))}, "n1=10.42.3.0/24"},
		{"not one that another node names", had, []*node{hostNamed("n1", "one", ""), hostNamed("n3", "three", "10.42.9.0/25")}, "n3=10.42.9.0/25 n1=10.42."},
	} {
		w := rangedWorld("10.42.0.0/16", c.before, c.nodes...)
		for _, want := range strings.Fields(c.want) {
			name, cidr, _ := strings.Cut(want, "=")
			if got := w.net.ranges[name].String(); !strings.HasPrefix(got, cidr) {
				t.Errorf("%s: %s has %s", c.claim, name, got)
			}
			for other, r := range w.net.ranges {
				if other != name && r.Overlaps(w.net.ranges[name]) {
					t.Errorf("%s: %s and %s have %s", c.claim, name, other, r)
				}
			}
		}
	}
}

func TestRangesDoNotOverlapAndAreSaidToRunOut(t *testing.T) {
	var nodes []*node
	for i := range 15 {
		nodes = append(nodes, hostNamed(fmt.Sprintf("n%d", i), "", ""))
	}
	w := rangedWorld("10.42.0.0/20", nil, nodes...)
	seen := map[netip.Prefix]string{}
	for name, r := range w.net.ranges {
		if seen[r] != "" || r.Bits() != 24 || !w.h.Net.Pods.Contains(r.Addr()) {
			t.Errorf("%s has %s", name, r)
		}
		seen[r] = name
	}
	if len(seen) != 15 {
		t.Errorf("%d nodes have one", len(seen))
	}
	if notes := strings.Join(w.plan.Notes, "\n"); !strings.Contains(notes, "10.42.0.0/20 has room for 1 more nodes") {
		t.Errorf("said %q", notes)
	}
}

func TestWhereAPodIsJoinedToTheClustersNetwork(t *testing.T) {
	ours := netip.MustParsePrefix("10.42.1.0/24")
	for _, c := range []struct {
		claim  string
		change func(*manifest.History, *live.Snapshot)
		did    string // the pod's address, "own" where Podman gives it; "" where none is begun
		says   string
	}{
		{"where it is there", func(_ *manifest.History, have *live.Snapshot) { have.Nodes[0].Side.Net.Range = ours }, "10.42.1.", ""},
		{"not where it is not", func(*manifest.History, *live.Snapshot) {}, "", "1 whose pod network is not there yet"},
		{"nor in another range", func(_ *manifest.History, have *live.Snapshot) {
			have.Nodes[0].Side.Net.Range = netip.MustParsePrefix("10.42.9.0/24")
		}, "", "1 whose pod network is not there yet"},
		{"it is waited for while a node side that brings it follows", func(h *manifest.History, _ *live.Snapshot) {
			h.Side.Version, h.Side.Images = "2", map[string]string{"amd64": "localhost/podkeep-node:2"}
		}, "", "no node is chosen yet: the pod network of n1 is about to come"},
		{"on a host that will have none its address is Podman's", func(_ *manifest.History, have *live.Snapshot) { have.Nodes[0].Side.Net.None = "a user's own" }, "own", ""},
		{"and where there is no node side", func(h *manifest.History, have *live.Snapshot) {
			h.Side.Images, have.Nodes[0].Pods, have.Nodes[0].Side = nil, nil, live.Side{}
		}, "own", ""},
		{"and where none is wanted", func(h *manifest.History, _ *live.Snapshot) { h.Side.Refused = true }, "own", ""},
		{"what something else has is not given", func(_ *manifest.History, have *live.Snapshot) {
			have.Nodes[0].Side.Net.Range = ours
			for i := uint32(2); i < 255; i++ {
				if i != 77 {
					have.Nodes[0].Pods = append(have.Nodes[0].Pods, live.Pod{Name: fmt.Sprint("other-", i), Source: "else", Birth: live.Birth{IP: route.At(ours, i).String()}})
				}
			}
		}, "10.42.1.77", ""},
	} {
		head := commit(t, "a1", strings.Replace(nodes("n1"), "spec: {", "spec: {podCIDR: 10.42.1.0/24, ", 1), deployment("web", 1, ""))
		h, have := sideful(head, "1"), sides("n1=1+")
		h.Net = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"}
		have.Watched = time.Hour
		have.Nodes[0].Receipts = hasBegun(head, "web")
		c.change(&h, &have)
		plan, did := Make(h, have, noon), ""
		for _, a := range plan.Actions {
			if a.Verb == Run && a.App.Name == "web" {
				if did = "own"; a.Pod.Net.IP.IsValid() {
					did = a.Pod.Net.IP.String()
				}
				if did != "own" && (a.Pod.Net.DNS != netip.MustParseAddr("10.42.1.1") || a.Pod.Labels[live.LabelIP] != did) {
					t.Errorf("%s: %+v, %s", c.claim, a.Pod.Net, a.Pod.Labels)
				}
			}
		}
		if !strings.HasPrefix(did, c.did) || (did == "") != (c.did == "") {
			t.Errorf("%s: %q\n%s", c.claim, did, plan)
		}
		if c.says != "" && !strings.Contains(plan.String(), c.says) {
			t.Errorf("%s: says\n%s", c.claim, plan)
		}
	}
}

// hasBegun is that the first rollout of a workload was written down.
func hasBegun(set manifest.Set, name string) []live.Receipt {
	r := begunAt(set, name, 1)
	r.Source, r.Signer = source, key
	return []live.Receipt{r}
}

func TestAnAddressThatSomebodyHasIsNotGivenToAnother(t *testing.T) {
	born := func(served *route.Table, pods ...live.Pod) string {
		n := hostNamed("n1", "one", "10.42.9.0/24", pods...)
		n.host = &schedule.Host{}
		w := rangedWorld("10.42.0.0/16", nil, n)
		w.net.on, w.net.taken = true, map[netip.Addr]bool{}
		if served != nil {
			w.net.served = []*route.Table{served}
		}
		w.takeAddresses()
		first := w.join(n, live.Pod{Name: "web-0"}, corev1.PodSpec{}).Birth.IP
		if again := w.join(n, live.Pod{Name: "web-0"}, corev1.PodSpec{}).Birth.IP; again == first {
			t.Errorf("two pods of one pass have %s", first)
		}
		return first
	}
	ip := born(nil)
	sent := &route.Table{Services: []route.Service{{Endpoints: []route.Endpoint{{Pod: "old", Node: "n1", IP: netip.MustParseAddr(ip)}}}}}
	if born(nil, at(ip)) == ip || born(nil, live.Pod{IP: ip}) == ip || born(sent) == ip {
		t.Errorf("%s is given again", ip)
	}
}

func TestANodeThatLeavesIsInTheTableWhilePodsRunThere(t *testing.T) {
	w := rangedWorld("10.42.0.0/16", nil, hostNamed("n1", "one", "", at("10.42.9.3")), hostNamed("n2", "two", ""), hostNamed("n3", "three", ""))
	w.h.Source = source
	w.nodes[0].gone, w.nodes[1].gone = true, true
	var names []string
	for _, n := range w.routeNodes() {
		names = append(names, n.Name)
	}
	if strings.Join(names, " ") != "n1 n3" {
		t.Errorf("%v", names)
	}
}

func TestTheTableSaysInWhichZoneANodeStands(t *testing.T) {
	w := rangedWorld("10.42.0.0/16", nil, hostNamed("n1", "one", ""), hostNamed("n2", "two", ""))
	w.nodes[0].want.Labels = map[string]string{corev1.LabelTopologyZone: "a"}
	if all := w.routeNodes(); len(all) != 2 || all[0].Zone != "a" || all[1].Zone != "" {
		t.Errorf("%+v", all)
	}
}
