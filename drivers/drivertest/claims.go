package drivertest

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// claiming is the pod with a claim of its namespace mounted at /data.
func claiming(pod manifest.Pod, claim string) manifest.Pod {
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}})
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "data", MountPath: "/data"})
	return pod
}

func missingClaim(s *stage) {
	want := claiming(Pod("claimless", s.Image), "none")
	err := s.Driver.Run(s.ctx(), want)
	if err == nil || !strings.Contains(err.Error(), "default/none") {
		s.Errorf("%v", err)
	}
	if p, ok := s.pod(want.Name); ok && slices.ContainsFunc(states(p), func(is string) bool { return strings.HasSuffix(is, "running") }) {
		s.Errorf("it runs without its claim: %v", states(p))
	}
	if slices.Contains(s.look().Volumes, "default/none") {
		s.Error("the volume was made")
	}
}

func claimStays(s *stage) {
	want := claiming(Pod("claims", s.Image), "kept")
	want.Make = []string{"kept"}
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "running", running)
	s.ok(s.Driver.Stop(s.ctx(), want.Name))
	if all := s.look().Volumes; !slices.Contains(all, "default/kept") {
		s.Fatalf("the pod's volume went with it: %v", all)
	}
	want.Make = nil
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "running on what is there", running)
	theirs := s.Open(s.T, "other")
	defer theirs.Close()
	n, err := theirs.Observe(s.ctx())
	s.ok(err)
	if len(n.Volumes) > 0 {
		s.Errorf("another cluster sees %v", n.Volumes)
	}
}
