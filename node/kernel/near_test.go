package kernel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/node/route"
)

func TestANodeLeadsToItsOwnPodsWhereThatIsAskedFor(t *testing.T) {
	l := newLab(t, 2)
	both, far, outside := service(1, 0, farPod), service(2, farPod), service(3, 1, farPod)
	both.Near, far.Near, outside.NearOutside = true, true, true
	both.Ports[0].NodePort, far.Ports[0].NodePort, outside.Ports[0].NodePort = 30081, 30082, 30083
	only := service(4, farPod)
	only.NearOutside, only.Ports[0].NodePort = true, 30084
	some, no := service(5, 1, farPod), service(6, farPod)
	some.PrefersNear, no.PrefersNear, some.Ports[0].NodePort = true, true, 30085
	l.put(New("one", quiet()), tableOf(both, far, outside, only, some, no))
	for range 20 {
		if a := l.ask(l.pods[1], "tcp", "10.43.0.1:80"); a != (answer{0, podIP(1).String()}) {
			t.Fatalf("inside: %v", a)
		}
		if a := l.ask(l.outside, "tcp", hostIP+":30083"); a != (answer{1, "192.0.2.2"}) {
			t.Fatalf("from outside: %v", a)
		}
	}
	for range 20 {
		if inside, outside := l.ask(l.pods[0], "tcp", "10.43.0.5:80"), l.ask(l.outside, "tcp", hostIP+":30085"); inside.pod != 1 || outside.pod != 1 {
			t.Fatalf("rather the node's own: %v inside, %v from outside", inside, outside)
		}
	}
	if a := l.ask(l.pods[0], "tcp", "10.43.0.6:80"); a.pod != farPod {
		t.Error(a)
	}
	l.refused(l.pods[1], "tcp", "10.43.0.2:80")
	l.refused(l.outside, "tcp", hostIP+":30084")
	if a := l.ask(l.outside, "tcp", hostIP+":30082"); a.pod != farPod { // the other way in asks all
		t.Error(a)
	}
	if a := l.ask(l.pods[1], "tcp", "10.43.0.4:80"); a.pod != farPod {
		t.Error(a)
	}
}

func TestZones(t *testing.T) {
	of := func(nodes ...string) route.Service {
		s := service(1)
		for n, name := range nodes {
			s.Endpoints = append(s.Endpoints, route.Endpoint{Pod: name, Node: name, IP: podIP(n), Ports: []uint16{8080, 8080}})
		}
		return s
	}
	for _, c := range []struct {
		name       string
		endpoints  []string // their nodes
		near, zone bool     // what is preferred
		zones      string   // of n1 to n4
		want       []int    // numbers of endpoints
	}{
		{"of the same zone", []string{"n1", "n2", "n3"}, false, true, "aab", []int{0, 1}},
		{"its own rather than the zone's", []string{"n1", "n2", "n3"}, true, true, "aab", []int{0}},
		{"the zone's where it has none", []string{"n2", "n3"}, true, true, "aab", []int{0}},
		{"all where the zone has none", []string{"n3", "n4"}, true, true, "aabb", []int{0, 1}},
		{"all where its zone is not known", []string{"n2", "n3"}, false, true, " a ", []int{0, 1}},
		{"all where nothing is preferred", []string{"n1", "n2", "n3"}, false, false, "aab", []int{0, 1, 2}},
		{"who is on no node is in no zone", []string{"", "n2"}, false, true, "aa", []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := of(c.endpoints...)
			s.PrefersNear, s.PrefersZone = c.near, c.zone
			table := &route.Table{Services: []route.Service{s}}
			for n, zone := range c.zones {
				table.Nodes = append(table.Nodes, route.Node{Name: fmt.Sprint("n", n+1), Zone: strings.TrimSpace(string(zone))})
			}
			fronts, _ := frontsOf(table, "n1")
			var want []place
			for _, n := range c.want {
				want = append(want, place{podIP(n).As4(), 8080})
			}
			if got := fronts[front{s.IP.As4(), 6, 80}].places; !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}
