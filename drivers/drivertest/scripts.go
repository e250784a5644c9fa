package drivertest

import (
	"path"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// scripted is the pod with its container's root read-only, where it runs a File: from a volume or a part of one.
func scripted(pod manifest.Pod, file, subPath string) manifest.Pod {
	mode, yes := int32(0o755), true
	pod.Spec.Volumes = []corev1.Volume{{Name: "scripts", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{Items: []corev1.KeyToPath{{Key: file, Path: "bin/run", Mode: &mode}}},
	}}}
	c := &pod.Spec.Containers[0]
	c.SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: &yes}
	c.Command = []string{"/scripts/bin/run"}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "scripts", MountPath: path.Join("/scripts", subPath), SubPath: subPath}}
	return pod
}

func scriptRuns(s *stage) {
	s.ok(s.Put(s.ctx(), file("config-script", "#!/testapp say\n")))
	for name, subPath := range map[string]string{"script": "", "scriptdir": "bin", "scriptalone": "bin/run"} {
		want := scripted(Pod(name, s.Ends), "config-script", subPath)
		want.Spec.Containers[0].Args = []string{"exit", "3"}
		for attempt := range 2 {
			want.Attempt = map[string]int{"a": attempt}
			s.ok(s.Driver.Run(s.ctx(), want))
			p := s.await(want.Name, "over", func(p live.Pod) bool { return over(p) && p.Containers[0].Attempt == attempt })
			if exit := p.Containers[0].Exit; exit != 3 {
				s.Errorf("%s ends with %d", name, exit)
			}
		}
		s.ok(s.Driver.Stop(s.ctx(), want.Name))
	}
}
