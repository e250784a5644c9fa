package drivertest

import (
	"slices"
	"strings"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// SidePod is the node side's pod of a cluster.
func SidePod(cluster, image string) manifest.Pod {
	pod := manifest.Pod{
		Name: live.PodName(cluster, live.SideApp, "v1-abcdef0123", 0), Namespace: live.SideApp.Namespace,
		Spec: live.SideSpec(image, cluster), Make: live.SideClaims(),
	}
	pod.Labels = live.PodLabels(live.Pod{
		Cluster: cluster, Source: "tests", App: live.SideApp, Rev: "v1-abcdef0123", Gen: 1, Restart: "Always", Expect: []string{live.SideContainer},
	})
	pod.Labels[live.LabelSide] = "1"
	return pod
}

func sideRemains(s *stage) {
	cleaner, ok := s.Driver.(drivers.Cleaner)
	if !ok {
		s.Fatal("it cleans nothing")
	}
	pod, claim := SidePod(Cluster, s.Image), live.SideApp.Namespace+"/"+live.SideVolume
	volume := func() bool {
		what, err := cleaner.Remains(s.ctx())
		s.ok(err)
		return slices.ContainsFunc(what, func(w string) bool { return strings.HasPrefix(w, "volume ") })
	}
	if volume() {
		s.Error("a volume of nobody's")
	}
	s.ok(s.Driver.Run(s.ctx(), pod))
	s.await(pod.Name, "running", running)
	s.ok(s.Driver.Stop(s.ctx(), pod.Name))
	if !volume() || !slices.Contains(s.look().Volumes, claim) {
		s.Error("the volume went with the pod")
	}
	before := s.look().Volumes
	for range 2 {
		s.ok(cleaner.Clean(s.ctx()))
		if after := s.look().Volumes; volume() || len(after) != len(before)-len(live.SideClaims()) || slices.Contains(after, claim) {
			s.Errorf("%v became %v", before, after)
		}
	}
}

// DoorPod is a door's pod of a cluster, one for each name of a revision.
func DoorPod(cluster, image, rev string) manifest.Pod {
	name := live.DoorName(cluster, rev)
	pod := manifest.Pod{Name: name, Namespace: live.DoorApp.Namespace, Spec: live.DoorSpec(image, name), Make: []string{live.DoorVolume}}
	pod.Labels = live.PodLabels(live.Pod{
		Cluster: cluster, Source: "tests", App: live.DoorApp, Rev: rev, Gen: 1, Restart: "Always", Expect: []string{live.DoorContainer}, Side: "1",
	})
	return pod
}

func doorsBeside(s *stage) {
	side, one, two := SidePod(Cluster, s.Image), DoorPod(Cluster, s.Image, "v1-abcdef0123"), DoorPod(Cluster, s.Image, "v1-fedcba9876")
	for _, pod := range []manifest.Pod{one, side, two} {
		s.ok(s.Driver.Run(s.ctx(), pod))
		s.ok(s.Driver.Run(s.ctx(), pod))
	}
	for _, pod := range []manifest.Pod{one, side, two} {
		p := s.await(pod.Name, "running", running)
		if p.App != live.SideApp && (p.App != live.DoorApp || p.Side != "1") {
			s.Errorf("a door is seen as %+v", p)
		}
	}
	s.ok(s.Driver.Stop(s.ctx(), one.Name))
	s.await(two.Name, "running while another one goes", running)
	s.ok(s.Driver.Stop(s.ctx(), side.Name))
	s.await(two.Name, "running without a node side", running)
	s.ok(s.Driver.Stop(s.ctx(), two.Name))
	volume := live.DoorApp.Namespace + "/" + live.DoorVolume
	if all := s.look().Volumes; !slices.Contains(all, volume) {
		s.Errorf("the volume went with them: %v", all)
	}
	s.ok(s.Driver.(drivers.Cleaner).Clean(s.ctx()))
	if all := s.look().Volumes; slices.Contains(all, volume) {
		s.Errorf("it is not cleaned away: %v", all)
	}
}
