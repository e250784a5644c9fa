package podman_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// bench is the shared service seen by a cluster of the test's own.
type bench struct {
	*testing.T
	drivers.Driver
	cluster string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	shared.load(t)
	cluster := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	b := &bench{t, open(shared.socket, cluster), cluster}
	t.Cleanup(b.clean)
	return b
}

func (b *bench) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), drivertest.Patience)
	defer cancel()
	n, err := b.Observe(ctx)
	b.ok(err)
	for _, p := range n.Pods {
		b.ok(b.Driver.Stop(ctx, p.Name))
	}
	for _, f := range n.Files {
		b.ok(b.Delete(ctx, f.Name))
	}
	b.ok(b.Close())
}

func TestASecretUnderAnotherNameThanItsFilesIsNobodys(t *testing.T) {
	b := newBench(t)
	file := drivertest.HostRecord(live.HostFile, "0011")
	b.ok(b.Put(t.Context(), file))
	args := []string{"secret", "create"}
	for label, value := range file.Labels {
		args = append(args, "--label", label+"="+value)
	}
	name := "podkeep-" + b.cluster + "-host-2"
	args = append(args, "--label", live.LabelCluster+"="+b.cluster, "--label", "podkeep.io/file="+live.HostFile, name, "-")
	cmd := shared.podman(args...)
	cmd.Stdin = strings.NewReader("x")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	t.Cleanup(func() { _ = shared.podman("secret", "rm", name).Run() })
	n, err := b.Observe(t.Context())
	if b.ok(err); len(n.Files) != 1 {
		t.Errorf("%+v", n.Files)
	}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// pod is a pod of the test's cluster; the container's arguments are testapp's.
func (b *bench) pod(name string, args ...string) manifest.Pod {
	pod := drivertest.Pod(name, drivertest.Ref)
	pod.Labels[live.LabelCluster] = b.cluster
	pod.Spec.Containers[0].Args = args
	return pod
}

func (b *bench) put(name, data string) {
	b.Helper()
	b.ok(b.Put(b.Context(), manifest.File{Name: name, Data: manifest.Bytes(data)}))
}

// says runs the pod and gives what its first container printed until it was over or waited.
func (b *bench) says(pod manifest.Pod, last string) string {
	b.Helper()
	b.ok(b.Driver.Run(b.Context(), pod))
	var out []byte
	for deadline := time.Now().Add(drivertest.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		out, _ = shared.podman("logs", pod.Name+"-a").CombinedOutput()
		if strings.Contains(string(out), last) {
			return string(out)
		}
	}
	b.Fatalf("it never said %q but:\n%s", last, out)
	return ""
}

func (b *bench) has(out string, wants ...string) {
	b.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			b.Errorf("missing %q in:\n%s", want, out)
		}
	}
}

func TestFilesAreSeenInsideTheContainer(t *testing.T) {
	b := newBench(t)
	b.put("config-a", "alpha\x00\n")
	b.put("config-b", "beta")
	b.put("config-e", "")
	pod := b.pod("files", "env", "TOKEN", "env", "EMPTY", "cat", "/etc/conf/a", "cat", "/etc/conf/sub/b", "cat", "/etc/conf/e",
		"ls", "/etc/conf", "ls", "/etc/conf/sub", "cat", "/one", "write", "/etc/conf/new", "x", "say", "done", "term")
	readOnly := true
	private := int32(0o400)
	c := &pod.Spec.Containers[0]
	c.SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: &readOnly}
	c.Env = append(fromFile("TOKEN", "config-b"), fromFile("EMPTY", "config-e")...)
	c.VolumeMounts = []corev1.VolumeMount{
		{Name: "conf", MountPath: "/etc/conf", ReadOnly: true}, {Name: "conf", MountPath: "/one", SubPath: "sub/b"},
	}
	pod.Spec.Volumes = []corev1.Volume{{Name: "conf", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		Items: []corev1.KeyToPath{{Key: "config-a", Path: "a"}, {Key: "config-b", Path: "sub/b", Mode: &private}, {Key: "config-e", Path: "e"}},
	}}}}
	out := b.says(pod, "done")
	b.has(out, "TOKEN=beta\n", "EMPTY=\n", "/etc/conf/a: alpha\x00\n", "/etc/conf/sub/b: beta\n", "/etc/conf/e: \n",
		"a -rw-r--r-- 0:0 7\n", "b -r-------- 0:0 4\n", "/one: beta\n", "error: open /etc/conf/new: read-only file system")
}

func TestADirectoryOfFilesHidesWhatTheImageHasThere(t *testing.T) {
	b := newBench(t)
	b.put("config-a", "alpha")
	pod := b.pod("hides", "ls", "/tmp", "say", "done", "term")
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "conf", MountPath: "/tmp"}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "conf", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		Items: []corev1.KeyToPath{{Key: "config-a", Path: "a"}},
	}}}}
	b.has(b.says(pod, "done"), "a -rw-r--r-- 0:0 5\ndone\n")
}

func fromFile(variable, file string) []corev1.EnvVar {
	ref := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: file}}
	return []corev1.EnvVar{{Name: variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: ref}}}
}

func fromField(variable, field string) corev1.EnvVar {
	return corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}}}
}

func TestWhatOnlyTheNodeKnowsIsInTheEnvironment(t *testing.T) {
	b := newBench(t)
	pod := b.pod("fields", "env", "NODE", "env", "POD", "env", "HOST", "env", "PLAIN", "hostname", "cwd", "say", "done", "term")
	c := &pod.Spec.Containers[0]
	c.WorkingDir = "/tmp"
	c.Env = []corev1.EnvVar{
		fromField("NODE", "spec.nodeName"), fromField("POD", "status.podIP"), fromField("HOST", "status.hostIP"), {Name: "PLAIN", Value: "a=b c"},
	}
	out := b.says(pod, "done")
	n, err := b.Observe(t.Context())
	b.ok(err)
	ip := n.Pods[0].IP
	if net.ParseIP(ip) == nil {
		t.Errorf("the pod's address is %q", ip)
	}
	b.has(out, "NODE=n1\n", "POD="+ip+"\n", "HOST=10.88.", "PLAIN=a=b c\n", "hostname fields\n", "cwd /tmp\n")

	renamed := b.pod("renamed", "env", "NODE", "say", "done", "term")
	renamed.Node, renamed.Spec.Containers[0].Env = "n9", c.Env[:1]
	b.has(b.says(renamed, "done"), "NODE=n9\n")
}

func TestCommandAndArgsStandForEntrypointAndCmd(t *testing.T) {
	b := newBench(t)
	pod := b.pod("command")
	pod.Spec.Containers[0].Command = []string{"/testapp", "say", "mine", "term"}
	b.has(b.says(pod, "mine"), "mine\n")
}

func TestAContainerRunsAsItsSecurityContextSays(t *testing.T) {
	b := newBench(t)
	pod := b.pod("security", "id", "caps", "say", "done", "term")
	user, group := int64(1234), int64(5678)
	no := false
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user, SupplementalGroups: []int64{99}}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		RunAsGroup: &group, AllowPrivilegeEscalation: &no,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_BIND_SERVICE"}},
	}
	b.has(b.says(pod, "done"), "uid 1234 gid 5678 groups [99", "CapBnd:\t0000000000000400", "NoNewPrivs:\t1")
}

func TestLimitsAreTheKernels(t *testing.T) {
	b := newBench(t)
	pod := b.pod("limits", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
		"cat", "/sys/fs/cgroup/cpu/cpu.shares", "say", "done", "term")
	pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
	}
	b.has(b.says(pod, "done"), "memory.limit_in_bytes: 33554432\n", "cfs_quota_us: 25000\n", "cpu.shares: 102\n")
}

func TestAnEmptyDirIsSharedInThePodAndGoesWithIt(t *testing.T) {
	b := newBench(t)
	pod := drivertest.Pod("empty", drivertest.Ref, drivertest.Ref)
	pod.Labels[live.LabelCluster] = b.cluster
	pod.Spec.Volumes = []corev1.Volume{
		{Name: "disk", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "ram", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
	}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].VolumeMounts = []corev1.VolumeMount{{Name: "disk", MountPath: "/disk"}, {Name: "ram", MountPath: "/ram"}}
	}
	pod.Spec.Containers[1].Args = []string{"write", "/disk/f", "d", "write", "/ram/f", "r", "term"}
	pod.Spec.Containers[0].Args = []string{"await", "/disk/f", "await", "/ram/f", "say", "done", "term"}
	b.has(b.says(pod, "done"), "/disk/f: d\n", "/ram/f: r\n")
	b.ok(b.Driver.Stop(t.Context(), pod.Name))
	out, err := shared.podman("volume", "ls", "-q").CombinedOutput()
	b.ok(err)
	if len(out) > 0 {
		t.Errorf("left behind: %s", out)
	}
}

func TestAnEmptyDirOutlivesARestart(t *testing.T) {
	b := newBench(t)
	pod := b.pod("outlives", "cat", "/disk/f", "write", "/disk/f", "first", "say", "done", "exit", "1")
	pod.Spec.Volumes = []corev1.Volume{{Name: "disk", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "disk", MountPath: "/disk"}}
	b.has(b.says(pod, "done"), "error: open /disk/f")
	b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Exited })
	pod.Attempt = map[string]int{"a": 101}
	b.has(b.says(pod, "done"), "/disk/f: first\n")
}

// until looks until the pod is so.
func (b *bench) until(name string, is func(live.Pod) bool) live.Pod {
	b.Helper()
	for deadline := time.Now().Add(drivertest.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		n, err := b.Observe(b.Context())
		b.ok(err)
		for _, p := range n.Pods {
			if p.Name == name && len(p.Containers) > 0 && is(p) {
				return p
			}
		}
	}
	b.Fatalf("%s never came to that", name)
	return live.Pod{}
}

func TestAHostPathIsTheHosts(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	b.ok(os.WriteFile(filepath.Join(dir, "f"), []byte("host"), 0o644))
	pod := b.pod("hostpath", "cat", "/host/f", "write", "/host/g", "x", "say", "done", "term")
	pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/host", ReadOnly: true}}
	b.has(b.says(pod, "done"), "/host/f: host\n", "error: open /host/g: read-only file system")
	pod = b.pod("nopath")
	pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir + "/none"}}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/host"}}
	if err := b.Driver.Run(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "volume v: "+dir+"/none is not on the node") {
		t.Errorf("%v", err)
	}
}

func TestWhyAPodsNetworkDoesNotStartIsSaid(t *testing.T) {
	b := newBench(t)
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	b.ok(err)
	defer taken.Close()
	pod := b.pod("port", "term")
	port := int32(taken.Addr().(*net.TCPAddr).Port)
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: port, HostIP: "127.0.0.1", Protocol: corev1.ProtocolTCP}}
	if err := b.Driver.Run(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
}

func TestAHostPortLeadsToThePod(t *testing.T) {
	b := newBench(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	b.ok(err)
	port := free.Addr().(*net.TCPAddr).Port
	b.ok(free.Close())
	pod := b.pod("port", "listen", ":8080", "say", "done", "term")
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{
		{ContainerPort: 8080, HostPort: int32(port), HostIP: "127.0.0.1", Protocol: corev1.ProtocolTCP}, {ContainerPort: 9090, Protocol: corev1.ProtocolTCP},
	}
	b.ok(b.Driver.Run(t.Context(), pod))
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	var conn net.Conn
	for deadline := time.Now().Add(drivertest.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err = net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
	}
	t.Fatal(err)
}

func TestAPodInTheHostsNetworkListensThere(t *testing.T) {
	b := newBench(t)
	pod := b.pod("hostnet", "listen", "127.0.0.1:0", "env", "IP", "say", "done", "term")
	pod.Spec.HostNetwork = true
	pod.Spec.Containers[0].Env = []corev1.EnvVar{fromField("IP", "status.podIP")}
	out := b.says(pod, "done")
	b.has(out, "IP=127.0.0.1\n")
	_, rest, _ := strings.Cut(out, "listening on ")
	address, _, _ := strings.Cut(rest, "\n")
	conn, err := net.Dial("tcp", address)
	b.ok(err)
	b.ok(conn.Close())
}

func TestStopWaitsForTheGracePeriodAndNoLonger(t *testing.T) {
	b := newBench(t)
	grace := int64(1)
	pod := b.pod("stubborn", "say", "up", "stubborn")
	pod.Spec.TerminationGracePeriodSeconds = &grace
	b.says(pod, "up")
	if took := b.stop(pod); took < time.Second {
		t.Errorf("a stubborn pod with a second's grace took %v", took)
	}
	grace = 3600
	pod = b.pod("polite", "say", "up", "term")
	pod.Spec.TerminationGracePeriodSeconds = &grace
	b.says(pod, "up")
	b.stop(pod)
}

// stop stops the pod, which must not take longer than a test is patient, and gives what it took.
func (b *bench) stop(pod manifest.Pod) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), drivertest.Patience)
	defer cancel()
	began := time.Now()
	b.ok(b.Driver.Stop(ctx, pod.Name))
	return time.Since(began)
}

func TestAPodThatIsBeingStoppedShowsSo(t *testing.T) {
	b := newBench(t)
	grace := int64(3600)
	pod := b.pod("stopping", "say", "up", "stubborn")
	pod.Spec.TerminationGracePeriodSeconds = &grace
	b.says(pod, "up")
	stopped := make(chan error, 1)
	go func() { stopped <- b.Driver.Stop(t.Context(), pod.Name) }()
	b.until(pod.Name, func(p live.Pod) bool { return p.Stopping && p.Containers[0].State == live.Running })
	if out, err := shared.podman("kill", pod.Name+"-a").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	b.ok(<-stopped)
}

func TestACommandThatIsNotThereIsSaidPlainly(t *testing.T) {
	b := newBench(t)
	pod := b.pod("nocommand")
	pod.Spec.Containers[0].Command = []string{"/none"}
	err := b.Driver.Run(t.Context(), pod)
	if err == nil || !strings.Contains(err.Error(), `"/none": stat /none: no such file or directory`) || strings.Contains(err.Error(), "runc") {
		t.Errorf("%v", err)
	}
}
