package fake

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// sided is a stage on which a node side runs.
func sided(t *testing.T) *stage {
	t.Helper()
	s := newStage()
	labels := live.PodLabels(live.Pod{Cluster: "c", Source: "s", App: live.SideApp, Rev: "v1-abc123", Gen: 1, Expect: []string{"node"}, Restart: "Always", Side: "1"})
	p := manifest.Pod{Name: "podkeep-node-abc123", Labels: labels, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "node", Image: "x:node"}}}}
	if err := s.start(nil, p); err != nil {
		t.Fatal(err)
	}
	return s
}

func numbered(number uint64) *route.Table {
	return &route.Table{Number: number, Nodes: []route.Node{{Name: "edge", Range: netip.MustParsePrefix("10.42.1.0/24")}}}
}

func TestANodeSideSaysByWhichTableItsHostRoutes(t *testing.T) {
	s := sided(t)
	d := s.Open("n1", "c", nil)
	says := func() live.Side {
		n, err := d.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n.Side
	}
	one, two, three := numbered(1), numbered(2), numbered(3)
	s.Route("n1", "c", "edge", two, "key", false)
	s.Route("n1", "c", "edge", one, "key", false)
	if r := says(); r.Serves != two || r.Number != 2 || r.Signer != "key" || r.Net.Range.String() != "10.42.1.0/24" {
		t.Errorf("%+v", r)
	}
	s.Late("n1", true)
	writes := s.Writes()
	for range 2 {
		s.Route("n1", "c", "edge", three, "key", false)
	}
	if r := says(); r.Serves != two || r.Taken != 3 || s.Writes() != writes+1 {
		t.Errorf("%+v, %d writes", r, s.Writes()-writes)
	}
	before := s.Copy()
	s.Deaf("n1", true)
	s.Late("n1", false)
	if r := says(); r.Heard() || r.Serves != two || s.Routes("n1", "c") != three {
		t.Errorf("while it is not heard: %+v, and its host routes by %+v", r, s.Routes("n1", "c"))
	}
	if n, _ := s.Open("n1", "c", nil).Observe(t.Context()); n.Side.Serves != nil {
		t.Errorf("who never heard it knows %+v", n.Side)
	}
	s.Deaf("n1", false)
	if r := says(); r.Serves != three || before.Routes("n1", "c") != two {
		t.Errorf("%+v; the copy %+v", r, before.Routes("n1", "c"))
	}
	s.Route("n1", "c", "edge", one, "key", true)
	if r := says(); r.Serves != one || r.Taken != 1 {
		t.Errorf("anew: %+v", r)
	}
	s.Forget("n1", "c")
	if r := says(); r.Serves != nil || r.Number != 0 || r.Net.Range.IsValid() {
		t.Errorf("%+v", r)
	}
}

func TestAHostKeepsThePortsAtWhichItListens(t *testing.T) {
	s := sided(t)
	d := s.Open("n1", "c", nil)
	table := numbered(1)
	table.Services = []route.Service{{Name: "web", Ports: []route.Port{{Protocol: "tcp", Port: 80, Hosts: true}, {Protocol: "tcp", Port: 81}}}}
	s.Route("n1", "c", "edge", table, "key", false)
	s.Listen("n1", route.HostPort{Port: 80, Protocol: "tcp"}, route.HostPort{Port: 81, Protocol: "tcp"}, route.HostPort{Port: 80, Protocol: "udp"})
	n, err := d.Observe(t.Context())
	if k := n.Side.Net.Keeps; err != nil || len(k) != 1 || k[0].String() != "80/tcp" {
		t.Errorf("%v, %v", k, err)
	}
	s.Listen("n1")
	if n, err = d.Observe(t.Context()); err != nil || len(n.Side.Net.Keeps) > 0 {
		t.Errorf("%v, %v", n.Side.Net.Keeps, err)
	}
}

func TestAHostWithoutANodeSideTakesNoTable(t *testing.T) {
	s := newStage()
	s.Route("n1", "c", "edge", numbered(1), "key", false)
	if s.Routes("n1", "c") != nil || s.Writes() > 0 {
		t.Errorf("%+v", s.Routes("n1", "c"))
	}
}
