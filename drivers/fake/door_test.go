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
	opens := func(version string) {
		labels := live.PodLabels(live.Pod{Cluster: "c", Source: "s", App: live.DoorApp, Rev: "v1-" + version, Gen: 1, Expect: []string{"door"}, Restart: "Always", Side: version})
		p := manifest.Pod{Name: "door-" + version, Labels: labels, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "door", Image: "x:door"}}}}
		if err := s.start(nil, p); err != nil {
			t.Fatal(err)
		}
	}
	says := func(claim string, want ...live.Door) {
		n, err := s.Open("n1", "c", nil).Observe(t.Context())
		if diff := cmp.Diff(want, n.Side.Doors); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", claim, err, diff)
		}
	}
	says("there is none")
	opens("1")
	says("it has no table", live.Door{Pod: "door-1", Version: "1"})
	table := numbered(2)
	table.Doors = &route.Doors{Nodes: []string{"edge"}, Ports: []route.DoorPort{{Port: 80}, {Port: 443}}}
	s.Route("n1", "c", "edge", table, "key", false)
	says("it has one", live.Door{Pod: "door-1", Version: "1", Number: 2, Ports: []uint16{80, 443}})
	opens("2")
	says("a higher one is there", live.Door{Pod: "door-1", Version: "1", Number: 2, Leaving: true}, live.Door{Pod: "door-2", Version: "2", Number: 2, Ports: []uint16{80, 443}})
	s.Route("n1", "c", "edge", numbered(3), "key", false)
	says("nothing is served any more", live.Door{Pod: "door-1", Version: "1", Number: 3, Leaving: true}, live.Door{Pod: "door-2", Version: "2", Number: 3})
}
