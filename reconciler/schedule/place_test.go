package schedule

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

var (
	web = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	db  = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "db"}
)

func host(name string, change ...func(*Host)) *Host {
	h := &Host{
		Name: name, Room: manifest.Resources{MilliCPU: 1000, Memory: 1 << 30}, Labels: map[string]string{},
		Ports: map[string]int{}, Names: map[string]bool{}, Files: map[string]bool{}, Apps: map[manifest.ID]int{},
		Revs: map[string]int{}, Troubled: map[string]bool{},
	}
	for _, c := range change {
		c(h)
	}
	return h
}

func request(change ...func(*Request)) Request {
	r := Request{App: web, Name: "web-0", Rev: "v1-a", Spec: &corev1.PodSpec{}}
	for _, c := range change {
		c(&r)
	}
	return r
}

func TestPlace(t *testing.T) {
	older := func(h *Host) { h.Apps[web], h.Revs["v1-b"] = 1, 1 }
	apart := func(required bool, weight int) func(*Request) {
		return func(r *Request) { r.Apart = &manifest.Apart{Required: required, Weight: weight} }
	}
	full := func(h *Host) { h.Used.Memory = 1 << 30 }
	awaited := func(h *Host) { h.Awaited = true }
	netless, joining := func(h *Host) { h.Netless = true }, func(h *Host) { h.Joining = true }
	unsized := func(h *Host) { h.Unsized, h.Room = true, manifest.Resources{} }
	wants := func(memory int64) func(*Request) { return func(r *Request) { r.Room.Memory = memory } }
	asksNames := func(r *Request) { r.Spec.HostNetwork, r.Spec.DNSPolicy = true, corev1.DNSClusterFirstWithHostNet }
	tainted := func(h *Host) {
		h.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
	}
	tolerant := func(r *Request) {
		r.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
	}
	cordoned := func(h *Host) { h.Unschedulable = true }
	rows := []struct {
		claim string
		r     Request
		hosts []*Host
		on    string
		why   string
	}{
		{"not on a node that is yet to say how big it is", request(wants(1 << 20)), []*Host{host("n1", unsized), host("n2")}, "n2", ""},
		{"or nowhere", request(wants(1 << 20)), []*Host{host("n1", unsized)}, "", "no node fits: 1 yet to say how big it is"},
		{"nor elsewhere, while it is about to say so and would be better", request(wants(1 << 20)),
			[]*Host{host("n1", unsized, awaited), host("n2", func(h *Host) { h.Apps[web] = 1 })}, "", "no node is chosen yet: n1 is about to say how big it is"},
		{"unless the other is better anyway", request(wants(1 << 20)),
			[]*Host{host("n1", unsized, awaited, func(h *Host) { h.Apps[web] = 1 }), host("n2")}, "n2", ""},
		{"but what asks for nothing has room there", request(), []*Host{host("n1", unsized, awaited)}, "n1", ""},
		{"not on a node that has no pod network yet", request(), []*Host{host("n1", netless), host("n2", func(h *Host) { h.Apps[web] = 9 })}, "n2", ""},
		{"or nowhere, then", request(), []*Host{host("n1", netless)}, "", "no node fits: 1 whose pod network is not there yet"},
		{"nor elsewhere, while it is about to come and would be better", request(), []*Host{host("n1", netless, joining), host("n2", func(h *Host) { h.Apps[web] = 1 })}, "",
			"no node is chosen yet: the pod network of n1 is about to come"},
		{"nor on one that holds no NetworkPolicies yet", request(), []*Host{host("n1", netless, func(h *Host) { h.Open = true })}, "", "no node fits: 1 without NetworkPolicies in force"},
		{"which is waited for, if it is about to", request(), []*Host{host("n1", netless, joining, func(h *Host) { h.Open = true })}, "",
			"no node is chosen yet: n1 is about to hold NetworkPolicies"},
		{"as does what is on the host's network and asks for the cluster's names", request(asksNames), []*Host{host("n1", netless, joining)}, "",
			"no node is chosen yet: the pod network of n1 is about to come"},
		{"or nowhere, too", request(asksNames), []*Host{host("n1", netless)}, "", "no node fits: 1 whose pod network is not there yet"},
		{"but what else is on the host's network needs none", request(func(r *Request) { r.Spec.HostNetwork = true }), []*Host{host("n1", netless)}, "n1", ""},
		{"the first by name when all is equal", request(), []*Host{host("n1"), host("n2")}, "n1", ""},
		{"the node with fewer pods of the workload", request(),
			[]*Host{host("n1", func(h *Host) { h.Apps[web] = 1 }), host("n2", func(h *Host) { h.Apps[db] = 9 })}, "n2", ""},
		{"fewer pods of the revision matter more than fewer of the workload", request(),
			[]*Host{host("n1", func(h *Host) { h.Revs["v1-a"] = 1 }), host("n2", func(h *Host) { h.Apps[web] = 2 })}, "n2", ""},
		{"the emptier node when the workload is spread evenly", request(),
			[]*Host{host("n1", func(h *Host) { h.Used.MilliCPU = 500 }), host("n2")}, "n2", ""},
		{"not where the revision failed to start, if there is another", request(),
			[]*Host{host("n1", func(h *Host) { h.Troubled["v1-a"] = true }), host("n2", func(h *Host) { h.Apps[web] = 3 })}, "n2", ""},
		{"there after all when it is the only one", request(),
			[]*Host{host("n1", func(h *Host) { h.Troubled["v1-a"] = true })}, "n1", ""},
		{"a full node is refused", request(wants(1)), []*Host{host("n1", full), host("n2")}, "n2", ""},
		{"refusals are counted, the most frequent first", request(wants(1)),
			[]*Host{host("n1", full), host("n2", full), host("n3", cordoned)}, "", "no node fits: 2 short of memory, 1 cordoned"},
		{"a taint is refused", request(), []*Host{host("n1", tainted)}, "", "no node fits: 1 tainted gpu"},
		{"unless it is tolerated", request(tolerant), []*Host{host("n1", tainted)}, "n1", ""},
		{"a cordoned node is refused", request(), []*Host{host("n1", cordoned)}, "", "no node fits: 1 cordoned"},
		{"unless nodeName names it", request(func(r *Request) { r.Spec.NodeName = "n1" }), []*Host{host("n1", cordoned)}, "n1", ""},
		{"nodeName refuses the others", request(func(r *Request) { r.Spec.NodeName = "n9" }), []*Host{host("n1")}, "",
			"no node fits: 1 not n9, which nodeName asks for"},
		{"a claim binds the pod to the node that has its data", request(func(r *Request) { r.Ties = []Tie{{"data", "n2"}} }),
			[]*Host{host("n1"), host("n2", func(h *Host) { h.Apps[web] = 9 })}, "n2", ""},
		{"and to no other", request(func(r *Request) { r.Ties = []Tie{{"data", "n2"}} }), []*Host{host("n1"), host("n2", cordoned)}, "",
			"no node fits: 1 cordoned, 1 not n2, which has claim data"},
		{"two claims on two nodes fit nowhere", request(func(r *Request) { r.Ties = []Tie{{"a", "n1"}, {"b", "n2"}} }),
			[]*Host{host("n1"), host("n2")}, "", "no node fits: 1 not n1, which has claim a, 1 not n2, which has claim b"},
		{"nodeSelector asks for labels", request(func(r *Request) { r.Spec.NodeSelector = map[string]string{"zone": "a"} }),
			[]*Host{host("n1"), host("n2", func(h *Host) { h.Labels["zone"] = "a" })}, "n2", ""},
		{"a host port is given once", request(func(r *Request) { r.Ports = []string{"80/tcp"} }),
			[]*Host{host("n1", func(h *Host) { h.Ports["192.0.2.1:80/tcp"] = 1 })}, "", "no node fits: 1 with host port 80/tcp taken"},
		{"but once on each address", request(func(r *Request) { r.Ports = []string{"192.0.2.2:80/tcp"} }),
			[]*Host{host("n1", func(h *Host) { h.Ports["192.0.2.1:80/tcp"] = 1 })}, "n1", ""},
		{"a name is given once on a node", request(),
			[]*Host{host("n1", func(h *Host) { h.Names["web-0"] = true }), host("n2")}, "n2", ""},
		{"config that Git lost binds the pod to the node that has it", request(func(r *Request) { r.Files = []string{"cfg-1"} }),
			[]*Host{host("n1"), host("n2", func(h *Host) { h.Files["cfg-1"] = true })}, "n2", ""},
		{"antiAffinity keeps the pod from those of another revision", request(apart(true, 0)),
			[]*Host{host("n1", older), host("n2", full, func(h *Host) { h.Apps[web], h.Revs["v1-a"] = 1, 1 })}, "n2", ""},
		{"or nowhere", request(apart(true, 0)), []*Host{host("n1", older)}, "", "no node fits: 1 with a pod of another revision, which antiAffinity keeps apart"},
		{"where that is preferred, it goes before spreading", request(apart(false, 5)),
			[]*Host{host("n1", older), host("n2", func(h *Host) { h.Apps[web], h.Revs["v1-a"] = 5, 5 })}, "n2", ""},
		{"and it goes there where there is no other", request(apart(false, 5)), []*Host{host("n1", older)}, "n1", ""},
		{"no node at all is said", request(), nil, "", "no node fits: none answers"},
	}
	for _, r := range rows {
		t.Run(r.claim, func(t *testing.T) {
			h, why := Place(r.r, r.hosts)
			on := ""
			if h != nil {
				on = h.Name
			}
			if on != r.on || why != r.why {
				t.Errorf("on %q, %q; want %q, %q", on, why, r.on, r.why)
			}
		})
	}
}

func TestPlacingManySpreadsAndNeverOverfills(t *testing.T) {
	hosts := []*Host{host("n1"), host("n2"), host("n3")}
	placed := 0
	for range 40 {
		r := request(func(r *Request) { r.Room.MilliCPU, r.Name = 100, string(rune('a'+placed)) })
		if h, _ := Place(r, hosts); h != nil {
			placed++
		}
	}
	if placed != 30 {
		t.Errorf("%d pods of 100m placed on 3 nodes of 1000m, want 30", placed)
	}
	for _, h := range hosts {
		if h.Used.MilliCPU > h.Room.MilliCPU || h.Apps[web] != 10 {
			t.Errorf("%s has %d pods and %dm of %dm", h.Name, h.Apps[web], h.Used.MilliCPU, h.Room.MilliCPU)
		}
	}
}

func TestWhatWasPlacedCountsForTheNext(t *testing.T) {
	for _, c := range []struct {
		claim         string
		first, second func(*Request)
		others        int // pods on n2
		on, why       string
	}{
		{"its host port is taken", func(r *Request) { r.Ports = []string{"80/tcp"} },
			func(r *Request) { r.Ports, r.Spec.NodeName = []string{"80/tcp"}, "n1" }, 0, "", "no node fits: 1 not n1, which nodeName asks for, 1 with host port 80/tcp taken"},
		{"its name is taken", nil, func(r *Request) { r.Name, r.Spec.NodeName = "web-0", "n1" }, 0, "",
			"no node fits: 1 not n1, which nodeName asks for, 1 with a pod of that name"},
		{"its memory is taken", func(r *Request) { r.Room.Memory = 1 << 30 }, func(r *Request) { r.Room.Memory, r.Spec.NodeName = 1, "n1" }, 0, "",
			"no node fits: 1 not n1, which nodeName asks for, 1 short of memory"},
		{"its revision is spread", nil, func(r *Request) { r.App = db }, 1, "n2", ""},
		{"its workload is spread", nil, func(r *Request) { r.Rev = "v1-b" }, 1, "n2", ""},
		{"and where all else is equal the node with fewer pods is taken", nil, func(r *Request) { r.App, r.Rev = db, "v1-b" }, 0, "n2", ""},
	} {
		t.Run(c.claim, func(t *testing.T) {
			hosts := []*Host{host("n1"), host("n2", func(h *Host) { h.Pods = c.others })}
			first, second := request(), request(func(r *Request) { r.Name = "web-1" })
			if c.first != nil {
				c.first(&first)
			}
			c.second(&second)
			if h, why := Place(first, hosts); h == nil || h.Name != "n1" {
				t.Fatal(why)
			}
			on := ""
			h, why := Place(second, hosts)
			if h != nil {
				on = h.Name
			}
			if on != c.on || why != c.why {
				t.Errorf("on %q, %q; want %q, %q", on, why, c.on, c.why)
			}
		})
	}
}
