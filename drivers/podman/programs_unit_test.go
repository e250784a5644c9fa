package podman

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// mounting is a pod that mounts Files with this mode in a container whose root is read-only or not.
func mounting(mode int32, readOnly bool) manifest.Pod {
	pod := manifest.Pod{Name: "p", Texts: []manifest.Text{{Volume: "scripts", Path: "name"}}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "scripts", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{DefaultMode: &mode, Items: []corev1.KeyToPath{{Key: "config-run", Path: "run"}}},
	}}}
	pod.Spec.Containers = []corev1.Container{{
		Name: "a", SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: &readOnly},
		VolumeMounts: []corev1.VolumeMount{{Name: "scripts", MountPath: "/scripts"}},
	}}
	return pod
}

func build(t *testing.T, pod manifest.Pod) *builder {
	t.Helper()
	b, err := newBuilder(&Driver{}, pod)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOnlyFilesToExecuteWhereTheRootIsReadOnlyAreCopied(t *testing.T) {
	for _, c := range []struct {
		mode     int32
		readOnly bool
		volume   string
	}{{0o755, true, "p_scripts.copied"}, {0o100, true, "p_scripts.copied"}, {0o644, true, "p_scripts"}, {0o755, false, "p_scripts"}} {
		if got := build(t, mounting(c.mode, c.readOnly)).volumeNames(); !slices.Equal(got, []string{c.volume}) {
			t.Errorf("mode %o, read-only %v: %q", c.mode, c.readOnly, got)
		}
	}
}

func TestAPodThatWasMadeWithoutACopyKeepsItsFiles(t *testing.T) {
	b := build(t, mounting(0o755, true))
	b.asMade(map[string]string{labelVolumes: "p_other,p_scripts.copied"})
	if len(b.programs) != 1 || b.vols["scripts"].Secret != nil {
		t.Errorf("a pod with a copy has it no more: %q", b.volumeNames())
	}
	b.asMade(map[string]string{labelVolumes: "p_scripts"})
	if len(b.programs) != 0 || b.vols["scripts"].Secret == nil || !slices.Equal(b.volumeNames(), []string{"p_scripts"}) {
		t.Errorf("it is given %q", b.volumeNames())
	}
}
