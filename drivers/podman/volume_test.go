package podman_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

func claim(volume, name string) corev1.Volume {
	return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
	}}
}

func hostPath(name, path string, kind corev1.HostPathType) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}}}
}

// filesOf is a volume of Files.
func filesOf(volume string, items ...corev1.KeyToPath) corev1.Volume {
	return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{Items: items}}}
}

func item(file, path string, mode int32) corev1.KeyToPath {
	return corev1.KeyToPath{Key: file, Path: path, Mode: &mode}
}

func id(n int64) *int64 { return &n }

func TestAnEmptyDirIsEverybodys(t *testing.T) {
	b := newBench(t)
	pod := b.pod("everybodys", "write", "/disk/f", "x", "ls", "/", "say", "done", "term")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: id(1234)}
	pod.Spec.Volumes = []corev1.Volume{emptyDir("disk")}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "disk", MountPath: "/disk"}}
	out := b.says(pod, "done")
	b.has(out, "disk drwxrwxrwx 0:0")
	if strings.Contains(out, "error") {
		t.Error(out)
	}
}

func TestVolumesOfAPodAreItsFSGroups(t *testing.T) {
	b := newBench(t)
	b.put("config-a", "alpha")
	pod := b.pod("fsgroup", "id", "ls", "/", "write", "/disk/f", "x", "write", "/ram/f", "x", "write", "/data/f", "x", "ls", "/disk", "ls", "/data",
		"ls", "/conf", "cat", "/conf/a", "say", "done", "term")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: id(1234), RunAsGroup: id(1235), FSGroup: id(777)}
	private := int32(0o400)
	pod.Spec.Volumes = []corev1.Volume{
		emptyDir("disk"), claim("data", "grouped"),
		{Name: "ram", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
		{Name: "conf", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			DefaultMode: &private, Items: []corev1.KeyToPath{{Key: "config-a", Path: "a"}},
		}}},
	}
	pod.Make = []string{"grouped"}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
		{Name: "disk", MountPath: "/disk"}, {Name: "ram", MountPath: "/ram"}, {Name: "data", MountPath: "/data"}, {Name: "conf", MountPath: "/conf"},
	}
	out := b.says(pod, "done")
	b.has(out, "uid 1234 gid 1235 groups [", "777", "disk dgrwxrwxrwx 0:777", "ram dgrwxrwxrwx 0:777", "data dgrwxrwxr-x 0:777",
		"f -rw-r--r-- 1234:777", "a -r--r----- 0:777 5", "/conf/a: alpha")
	if strings.Contains(out, "error") {
		t.Error(out)
	}
}

func TestAnEmptyDirInMemoryHoldsNoMoreThanItsLimit(t *testing.T) {
	b := newBench(t)
	limit := resource.MustParse("1Mi")
	pod := b.pod("memory", "fill", "/ram/f", "2000000", "ls", "/ram", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{{Name: "ram", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &limit},
	}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "ram", MountPath: "/ram"}}
	b.has(b.says(pod, "done"), "error: write /ram/f: no space left on device", "f -rw-r--r-- 0:0 1048576")
}

func TestASubPathIsMadeAndIsAllThatIsSeen(t *testing.T) {
	b := newBench(t)
	pod := b.pod("subpath", "write", "/one/f", "x", "write", "/two/g", "y", "ls", "/all", "ls", "/all/a", "cat", "/two/g", "ls", "/", "say", "done", "term")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: id(1234)}
	pod.Spec.Volumes = []corev1.Volume{emptyDir("disk"), claim("data", "subpath")}
	pod.Make = []string{"subpath"}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
		{Name: "disk", MountPath: "/one", SubPath: "a/b"}, {Name: "disk", MountPath: "/all"}, {Name: "data", MountPath: "/two", SubPath: "db"},
	}
	out := b.says(pod, "done")
	b.has(out, "a drwxrwxrwx 0:0", "b drwxrwxrwx 0:0", "/two/g: y", "two drwxr-xr-x 1234:")
	if strings.Contains(out, "error") {
		t.Error(out)
	}
	b.ok(b.Driver.Stop(t.Context(), pod.Name))
	again := b.pod("subpathagain", "cat", "/f", "say", "done", "term")
	again.Spec.Volumes = pod.Spec.Volumes[1:]
	again.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/f", SubPath: "db/g"}}
	b.has(b.says(again, "done"), "/f: y\n")
}

func TestASubPathIsMadeForAPodThatSharesItsProcesses(t *testing.T) {
	b := newBench(t)
	pod := b.pod("shares", "write", "/data/f", "x", "cat", "/data/f", "say", "done", "term")
	yes := true
	pod.Spec.ShareProcessNamespace = &yes
	pod.Spec.Volumes = []corev1.Volume{emptyDir("data")}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPath: "db"}}
	b.has(b.says(pod, "done"), "/data/f: x\n")
}

func TestASubPathDoesNotFollowALinkOutOfItsVolume(t *testing.T) {
	b := newBench(t)
	first := b.pod("plant", "link", "/etc", "/data/away", "link", "in", "/data/near", "mkdir", "/data/in", "say", "done", "term")
	first.Spec.Volumes = []corev1.Volume{claim("data", "links")}
	first.Make = []string{"links"}
	first.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	b.says(first, "done")
	for _, sub := range []string{"away", "near", "near/x", "away/x"} {
		pod := b.pod("follow", "term")
		pod.Spec.Volumes = first.Spec.Volumes
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPath: sub}}
		err := b.Driver.Run(t.Context(), pod)
		if err == nil || !strings.Contains(err.Error(), "volume data: subPath "+sub+": ") || !strings.Contains(err.Error(), "is a symbolic link") {
			t.Errorf("%s: %v", sub, err)
		}
		b.ok(b.Driver.Stop(t.Context(), pod.Name))
	}
}

// isALink says that the driver refuses to run the pod for a link in the place of its subPath.
func (b *bench) isALink(pod manifest.Pod, sub string) {
	b.Helper()
	err := b.Driver.Run(b.Context(), pod)
	if want := "container a: volume data: subPath " + sub + ": " + sub + " is a symbolic link"; err == nil || !strings.Contains(err.Error(), want) {
		b.Errorf("want %q, got %v", want, err)
	}
}

func TestALinkThatWasPlantedAfterAContainerWasMadeIsRefusedAtItsStart(t *testing.T) {
	b := newBench(t)
	pod := b.pod("swap", "ls", "/data", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{claim("data", "swapped")}
	pod.Make = []string{"swapped"}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPath: "db"}}
	init := *pod.Spec.Containers[0].DeepCopy()
	init.Name, init.Args = "init", []string{"remove", "/all/db", "link", "/", "/all/db"}
	init.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/all"}}
	pod.Spec.InitContainers = []corev1.Container{init}
	p, err := live.ParsePod(pod.Name, pod.Labels)
	b.ok(err)
	p.Init, p.Expect = live.InitOf(pod.Spec), []string{"a", "init"}
	pod.Labels = live.PodLabels(p)
	b.ok(b.Driver.Run(t.Context(), pod))
	b.until(pod.Name, func(p live.Pod) bool {
		return len(p.Containers) == 2 && slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.Name == "init" && c.State == live.Exited })
	})
	b.isALink(pod, "db")
	b.until(pod.Name, func(p live.Pod) bool {
		return slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.Name == "a" && c.State == live.Created })
	})
}

func TestALinkThatWasPlantedWhileAContainerRanIsRefusedAtItsRestart(t *testing.T) {
	b := newBench(t)
	pod := b.pod("served", "say", "done")
	pod.Spec.Volumes = []corev1.Volume{claim("data", "planted")}
	pod.Make = []string{"planted"}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPath: "db"}}
	b.ok(b.Driver.Run(t.Context(), pod))
	b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Exited })
	planter := b.pod("planter", "remove", "/data/db", "link", "/", "/data/db", "say", "done", "term")
	planter.Spec.Volumes = pod.Spec.Volumes
	planter.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	b.says(planter, "done")
	b.ok(b.Driver.Stop(t.Context(), planter.Name))
	pod.Attempt = map[string]int{"a": 1}
	b.isALink(pod, "db")
}

func TestASubPathOfAHostPathDoesNotFollowALink(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	b.ok(os.Mkdir(dir+"/in", 0o755))
	b.ok(os.WriteFile(dir+"/in/f", []byte("content"), 0o644))
	b.ok(os.Symlink("/", dir+"/out"))
	pod := b.pod("hostsub", "cat", "/data/f", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{hostPath("data", dir, "")}
	mount := &pod.Spec.Containers[0].VolumeMounts
	*mount = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPath: "in"}}
	b.has(b.says(pod, "done"), "/data/f: content\n")
	pod.Name = "hostlink"
	*mount = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPath: "out"}}
	b.isALink(pod, "out")
	for path, missing := range map[string]string{dir: dir + "/none", dir + "/gone": dir + "/gone"} {
		pod.Name = "hostnone"
		pod.Spec.Volumes = []corev1.Volume{hostPath("data", path, "")}
		*mount = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPath: "none"}}
		want := "container a: volume data: " + missing + " is not on the node: make it there"
		if err := b.Driver.Run(t.Context(), pod); err == nil || err.Error() != want {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestASubPathIsReadOnlyWhereItsVolumeIs(t *testing.T) {
	b := newBench(t)
	pod := b.pod("readonly", "write", "/data/f", "x", "write", "/info/f", "x", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{claim("data", "readonly"), {Name: "info"}}
	pod.Spec.Volumes[0].PersistentVolumeClaim.ReadOnly = true
	pod.Make = []string{"readonly"}
	pod.Texts = []manifest.Text{{Volume: "info", Path: "deep/name", Mode: 0o644, Data: manifest.Bytes("me")}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
		{Name: "data", MountPath: "/data", SubPath: "db"}, {Name: "info", MountPath: "/info", SubPath: "deep"},
	}
	b.has(b.says(pod, "done"), "error: open /data/f: read-only file system", "error: open /info/f: read-only file system")
}

func TestWhatTheDownwardAPIWritesIsThereBeforeAContainerStarts(t *testing.T) {
	b := newBench(t)
	b.put("config-a", "alpha")
	pod := b.pod("texts", "cat", "/info/labels", "cat", "/info/deep/name", "ls", "/info", "cat", "/both/name", "cat", "/both/conf/a", "ls", "/both",
		"cat", "/alone", "write", "/info/x", "y", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{{Name: "info"}, {Name: "both", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{Items: []corev1.KeyToPath{{Key: "config-a", Path: "conf/a"}}},
	}}, {Name: "sub"}}
	pod.Texts = []manifest.Text{
		{Volume: "info", Path: "labels", Mode: 0o644, Data: manifest.Bytes(`app="x"`)}, {Volume: "info", Path: "deep/name", Mode: 0o400, Data: manifest.Bytes("me")},
		{Volume: "both", Path: "name", Mode: 0o644, Data: manifest.Bytes("us")}, {Volume: "sub", Path: "one", Mode: 0o644, Data: manifest.Bytes("1")},
	}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
		{Name: "info", MountPath: "/info"}, {Name: "both", MountPath: "/both"}, {Name: "sub", MountPath: "/alone", SubPath: "one"},
	}
	b.has(b.says(pod, "done"), `/info/labels: app="x"`, "/info/deep/name: me\n", "labels -rw-r--r-- 0:0 7", "/both/name: us\n", "/both/conf/a: alpha\n",
		"/alone: 1\n", "error: open /info/x: read-only file system")
}

func TestASubPathShowsTheFilesBesideWhatTheDownwardAPIWrites(t *testing.T) {
	b := newBench(t)
	b.put("config-a", "alpha")
	b.put("config-b", "beta")
	pod := b.pod("parts", "cat", "/one", "ls", "/dir", "cat", "/dir/a", "cat", "/dir/name", "cat", "/name", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{filesOf("both", item("config-a", "deep/a", 0o644), item("config-b", "b", 0o600))}
	pod.Texts = []manifest.Text{{Volume: "both", Path: "deep/name", Mode: 0o644, Data: manifest.Bytes("us")}}
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = []corev1.VolumeMount{
		{Name: "both", MountPath: "/one", SubPath: "b"}, {Name: "both", MountPath: "/dir", SubPath: "deep"}, {Name: "both", MountPath: "/name", SubPath: "deep/name"},
	}
	want := []string{"/one: beta\n", "a -rw-r--r-- 0:0 5\nname -rw-r--r-- 0:0 2\n", "/dir/a: alpha\n", "/dir/name: us\n", "/name: us\n"}
	b.has(b.says(pod, "done"), want...)
	pod.Name = "andwhole"
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "both", MountPath: "/all"})
	b.has(b.says(pod, "done"), want...)
}

func TestAHostPathIsOfItsType(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	b.ok(os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644))
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	b.ok(err)
	defer l.Close()
	pod := b.pod("types", "ls", "/", "cat", "/f", "ls", "/new", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{
		hostPath("d", dir, corev1.HostPathDirectory), hostPath("f", dir+"/file", corev1.HostPathFile), hostPath("s", dir+"/socket", corev1.HostPathSocket),
		hostPath("c", "/dev/null", corev1.HostPathCharDev), hostPath("dc", dir+"/made/deep", corev1.HostPathDirectoryOrCreate),
		hostPath("fc", dir+"/touched", corev1.HostPathFileOrCreate), hostPath("there", dir+"/file", corev1.HostPathFileOrCreate),
	}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
		{Name: "d", MountPath: "/d"}, {Name: "f", MountPath: "/f"}, {Name: "s", MountPath: "/s"}, {Name: "c", MountPath: "/c"},
		{Name: "dc", MountPath: "/new"}, {Name: "fc", MountPath: "/touched"}, {Name: "there", MountPath: "/there"},
	}
	b.has(b.says(pod, "done"), "/f: content\n", "new drwxr-xr-x 0:0", "touched -rw-r--r-- 0:0 0\n", "there -rw-r--r-- 0:0 7\n")
	for kind, want := range map[corev1.HostPathType]string{
		corev1.HostPathDirectory: dir + "/file is not a directory, as hostPath.type Directory asks",
		corev1.HostPathSocket:    dir + "/file is not a socket, as hostPath.type Socket asks",
		corev1.HostPathBlockDev:  dir + "/file is not a block device, as hostPath.type BlockDevice asks",
	} {
		b.refuses(hostPath("v", dir+"/file", kind), "volume v: "+want)
	}
	b.refuses(hostPath("v", dir+"/none", corev1.HostPathFile), "volume v: "+dir+"/none is not on the node, and hostPath.type File makes nothing: make it there")
	b.refuses(hostPath("v", dir+"/none/file", corev1.HostPathFileOrCreate), "volume v: "+dir+"/none/ is not on the node: make it there")
}

// refuses runs a pod that mounts the volume and wants it to fail so.
func (b *bench) refuses(v corev1.Volume, want string) {
	b.Helper()
	pod := b.pod("refused", "term")
	pod.Spec.Volumes = []corev1.Volume{v}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: v.Name, MountPath: "/v"}}
	err := b.Driver.Run(b.Context(), pod)
	if err == nil || err.Error() != "container a: "+want {
		b.Errorf("want %q, got %v", want, err)
	}
	b.ok(b.Driver.Stop(b.Context(), pod.Name))
}

func TestClaimsWhoseNamesAreJoinedAlikeAreTwo(t *testing.T) {
	b := newBench(t)
	for namespace, name := range map[string]string{"a-b": "c", "a": "b-c"} {
		pod := b.pod("in-"+namespace, "term")
		pod.Namespace, pod.Make = namespace, []string{name}
		pod.Spec.Volumes = []corev1.Volume{claim("data", name)}
		b.ok(b.Driver.Run(t.Context(), pod))
	}
	n, err := b.Observe(t.Context())
	if b.ok(err); !slices.Equal(n.Volumes, []string{"a-b/c", "a/b-c"}) {
		t.Errorf("%q", n.Volumes)
	}
}

// A person restores a claim by its name, with what is in it.
func TestAVolumeOfAClaimsNameIsTheClaims(t *testing.T) {
	b := newBench(t)
	name := live.ClaimVolume(b.cluster, "a", "c")
	for _, args := range [][]string{{"volume", "create", name}, {"volume", "create", "x" + name}} {
		if out, err := shared.podman(args...).CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	n, err := b.Observe(t.Context())
	if b.ok(err); !slices.Equal(n.Volumes, []string{"a/c"}) {
		t.Errorf("%q", n.Volumes)
	}
	for _, may := range [][]string{nil, {"c"}} {
		pod := b.pod("restored-"+strconv.Itoa(len(may)), "term")
		pod.Namespace, pod.Make = "a", may
		pod.Spec.Volumes = []corev1.Volume{claim("data", "c")}
		b.ok(b.Driver.Run(t.Context(), pod))
	}
}

func TestAPodWithVolumesIsFinishedAfterItsFirstRunBrokeOff(t *testing.T) {
	b := newBench(t)
	pod := b.pod("broken", "cat", "/data/f", "ls", "/", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{emptyDir("data")}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	half := *pod.Spec.DeepCopy()
	half.Containers = append(half.Containers, corev1.Container{Name: "z", Image: "localhost/none:1"})
	broken := pod
	broken.Spec = half
	if err := b.Driver.Run(t.Context(), broken); err == nil {
		t.Fatal("it ran without its image")
	}
	b.has(b.says(pod, "done"), "data drwxrwxrwx 0:0")
	b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Running })
}
