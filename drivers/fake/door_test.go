package fake

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func TestADoorServesByTheTableAndGivesItsPortsToAHigherOne(t *testing.T) {
	s := sided(t)
	begins := func(version string) {
		labels := live.PodLabels(live.Pod{Cluster: "c", Source: "s", App: live.DoorApp, Rev: "v1-" + version, Gen: 1, Expect: []string{"door"}, Restart: "Always", Side: version})
		p := manifest.Pod{Name: "door-" + version, Labels: labels, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "door", Image: "x:door"}}}}
		if err := s.start(nil, p); err != nil {
			t.Fatal(err)
		}
	}
	says := func(claim string, want ...live.Door) {
		t.Helper()
		n, err := s.Open("n1", "c", nil).Observe(t.Context())
		if diff := cmp.Diff(want, n.Side.Doors); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", claim, err, diff)
		}
	}
	says("there is none")
	begins("1")
	says("it begins", live.Door{Pod: "door-1", Version: "1"})
	s.now = s.now.Add(opening)
	says("it has no table", live.Door{Pod: "door-1", Version: "1"})
	table := numbered(2)
	table.Doors = &route.Doors{Nodes: []string{"edge"}, Ports: []route.DoorPort{{Port: 80}, {Port: 443}}}
	s.Route("n1", "c", "edge", table, "key", false)
	says("it has one", live.Door{Pod: "door-1", Version: "1", Number: 2, Ports: []uint16{80, 443}})
	s.Listen("n1", route.HostPort{Port: 80, Protocol: "tcp"})
	says("its host has a port", live.Door{Pod: "door-1", Version: "1", Number: 2, Ports: []uint16{443}, Troubles: []string{"port 80: the host has it already"}})
	s.Listen("n1")
	begins("2")
	says("a higher one begins", live.Door{Pod: "door-1", Version: "1", Number: 2, Ports: []uint16{80, 443}}, live.Door{Pod: "door-2", Version: "2"})
	s.now = s.now.Add(opening)
	says("a higher one is there", live.Door{Pod: "door-1", Version: "1", Number: 2, Leaving: true}, live.Door{Pod: "door-2", Version: "2", Number: 2, Ports: []uint16{80, 443}})
	s.Route("n1", "c", "edge", numbered(3), "key", false)
	says("nothing is served any more", live.Door{Pod: "door-1", Version: "1", Number: 3, Leaving: true}, live.Door{Pod: "door-2", Version: "2", Number: 3})
}

func TestATableWaitsForAFrozenDoorAndNotForLong(t *testing.T) {
	s := sided(t)
	labels := live.PodLabels(live.Pod{Cluster: "c", Source: "s", App: live.DoorApp, Rev: "v1-1", Gen: 1, Expect: []string{"door"}, Restart: "Always", Side: "1"})
	if err := s.start(nil, manifest.Pod{Name: "door", Labels: labels, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "door", Image: "x:door"}}}}); err != nil {
		t.Fatal(err)
	}
	s.Route("n1", "c", "edge", numbered(1), "key", false)
	if at := s.Next(); !at.Equal(s.now.Add(opening)) {
		t.Errorf("its begin is at %v", at)
	}
	s.now = s.now.Add(opening)
	says := func(claim string, number uint64, doors int) {
		t.Helper()
		n, err := s.Open("n1", "c", nil).Observe(t.Context())
		if err != nil || n.Side.Number != number || len(n.Side.Doors) != doors {
			t.Errorf("%s: %v, table %d, %d doors", claim, err, n.Side.Number, len(n.Side.Doors))
		}
	}
	s.Freeze("n1", true)
	says("a table is in force", 1, 1)
	s.Route("n1", "c", "edge", numbered(2), "key", false)
	says("another one waits", 1, 1)
	if at := s.Next(); !at.Equal(s.now.Add(waiting)) {
		t.Errorf("it waits until %v", at)
	}
	s.now = s.now.Add(waiting)
	says("it waits no more", 2, 0)
	s.Freeze("n1", false)
	says("the door goes on", 2, 1)
}
