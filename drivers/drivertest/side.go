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
