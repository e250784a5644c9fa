package podman_test

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/manifest"
)

// scripted is a pod with a read-only root that runs a File at /scripts/run, which does what its arguments say behind "ls".
func (b *bench) scripted(name string, args ...string) manifest.Pod {
	b.put("config-run", "#!/testapp ls\n")
	pod := b.pod(name, args...)
	pod.Spec.Volumes = []corev1.Volume{filesOf("scripts", item("config-run", "run", 0o555))}
	c, yes := &pod.Spec.Containers[0], true
	c.Command = []string{"/scripts/run"}
	c.SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: &yes}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "scripts", MountPath: "/scripts"}}
	return pod
}

func TestFilesBesideAProgramAreWhatTheyAreWithoutIt(t *testing.T) {
	b := newBench(t)
	pod := b.scripted("beside", "ls", "/scripts", "ls", "/scripts/deep", "cat", "/scripts/deep/b", "cat", "/scripts/name", "write", "/scripts/x", "y",
		"say", "done", "term")
	b.put("config-e", "")
	b.put("config-b", "beta")
	items := &pod.Spec.Volumes[0].Secret.Items
	*items = append(*items, item("config-e", "deep/e", 0o644), item("config-b", "deep/b", 0o400), item("config-b", "twice", 0o644))
	for _, name := range []string{"1", "2", "3"} {
		b.put("config-"+name, strings.Repeat(",", 511_999))
		*items = append(*items, item("config-"+name, name, 0o644))
	}
	pod.Texts = []manifest.Text{{Volume: "scripts", Path: "name", Mode: 0o644, Data: manifest.Bytes("me")}}
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: id(1234), FSGroup: id(5678)}
	yes := true
	pod.Spec.ShareProcessNamespace = &yes
	b.has(b.says(pod, "done"), "run -r-xr-xr-x 0:5678 14\n", "b -r--r----- 0:5678 4\n", "e -rw-r--r-- 0:5678 0\n", "twice -rw-r--r-- 0:5678 4\n",
		"3 -rw-r--r-- 0:5678 511999\n", "/scripts/deep/b: beta\n", "/scripts/name: me\n", "error: open /scripts/x: read-only file system")
	b.stop(pod)
	out, err := shared.podman("volume", "ls", "-q", "--filter", "label=podkeep.io/pod="+pod.Name).CombinedOutput()
	if b.ok(err); len(out) > 0 {
		t.Errorf("left behind: %s", out)
	}
}

func TestASubPathBesideAProgramIsOneOfItsFiles(t *testing.T) {
	b := newBench(t)
	pod := b.scripted("noneof")
	pod.Spec.Containers[0].VolumeMounts[0].SubPath = "walk"
	err := b.Driver.Run(t.Context(), pod)
	if want := "container a: volume scripts: subPath walk is none of its files"; err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}

func TestACopyOfAProgramThatBrokeOffIsMadeAgain(t *testing.T) {
	b := newBench(t)
	pod := b.scripted("torn", "say", "done", "term")
	broken := pod
	broken.Spec = *pod.Spec.DeepCopy()
	broken.Spec.Containers = append(broken.Spec.Containers, corev1.Container{Name: "z", Image: "localhost/none:1"})
	if err := b.Driver.Run(t.Context(), broken); err == nil {
		t.Fatal("it ran without its image")
	}
	at, err := shared.podman("volume", "inspect", "--format", "{{.Mountpoint}}", pod.Name+"_scripts.copied").Output()
	b.ok(err)
	b.ok(os.Truncate(strings.TrimSpace(string(at))+"/run", 0))
	scout := []string{"run", "--detach", "--pod", pod.Name, "--name", pod.Name + ".scout", drivertest.Ref}
	if out, err := shared.podman(scout...).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	b.says(pod, "done")
}
