package podman_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func TestWhatAPodSharesIsWhatItsContainersSee(t *testing.T) {
	b := newBench(t)
	pod := b.pod("shared", "cat", "/etc/hosts", "cat", "/etc/resolv.conf", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start",
		"cat", "/proc/1/cmdline", "pid", "say", "done", "term")
	yes, two := true, "2"
	pod.Spec.ShareProcessNamespace = &yes
	pod.Spec.HostAliases = []corev1.HostAlias{{IP: "192.0.2.7", Hostnames: []string{"db", "db.example"}}, {IP: "2001:db8::1", Hostnames: []string{"six"}}}
	pod.Spec.DNSPolicy = corev1.DNSNone
	pod.Spec.DNSConfig = &corev1.PodDNSConfig{
		Nameservers: []string{"192.0.2.53"}, Searches: []string{"example.com"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: &two}, {Name: "edns0"}},
	}
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "77"}}}
	out := b.says(pod, "done")
	b.has(out, "192.0.2.7\tdb", "db.example", "2001:db8::1\tsix", "nameserver 192.0.2.53\n", "search example.com\n", "ndots:2", "edns0",
		"ip_unprivileged_port_start: 77\n", "catatonit")
	if strings.Contains(out, "pid 1\n") || strings.Count(out, "nameserver") != 1 {
		t.Error(out)
	}
}

func TestAPodOfTheClustersNetworkAsksTheClustersDNSFirst(t *testing.T) {
	b := newBench(t)
	net := live.PodNetwork{Name: route.NamedOf(b.cluster).Network, Bridge: route.NamedOf(b.cluster).Bridge, Range: netip.MustParsePrefix("10.199.9.0/24"), MTU: 1400}
	b.ok(b.Driver.(drivers.Networker).Network(t.Context(), net))
	t.Cleanup(func() { b.ok(b.Driver.(drivers.Networker).Networkless(context.Background(), net.Name)) })
	run := func(name, ip string, policy corev1.DNSPolicy, c *corev1.PodDNSConfig) string {
		pod := b.pod(name, "cat", "/etc/resolv.conf", "env", "IP", "say", "done", "term")
		pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}}
		pod.Spec.DNSPolicy, pod.Spec.DNSConfig = policy, c
		pod.Net = manifest.PodNet{DNS: netip.MustParseAddr("10.199.9.1"), Domain: "cluster.local"}
		if pod.Spec.HostNetwork = ip == ""; ip != "" {
			pod.Net.IP = netip.MustParseAddr(ip)
			pod.Labels[live.LabelIP] = ip
		}
		out := b.says(pod, "done")
		b.ok(b.Driver.Stop(t.Context(), pod.Name))
		return out
	}
	own := "search default.svc.cluster.local svc.cluster.local cluster.local"
	out := run("first", "10.199.9.7", "", nil)
	b.has(out, "nameserver 10.199.9.1\n", own+"\n", "ndots:5", "10.199.9.7")
	two := "2"
	more := &corev1.PodDNSConfig{
		Nameservers: []string{"192.0.2.53"}, Searches: []string{"example.com", "cluster.local"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: &two}, {Name: "edns0"}},
	}
	out = run("merged", "10.199.9.8", corev1.DNSClusterFirst, more)
	b.has(out, "nameserver 10.199.9.1\nnameserver 192.0.2.53\n", own+" example.com\n", "ndots:2", "edns0")
	if strings.Contains(out, "ndots:5") {
		t.Error(out)
	}
	for name, policy := range map[string]corev1.DNSPolicy{"default": corev1.DNSDefault, "hostfirst": corev1.DNSClusterFirst} {
		ip := map[bool]string{true: "10.199.9.9"}[policy == corev1.DNSDefault]
		if out := run(name, ip, policy, nil); strings.Contains(out, "10.199.9.1\n") || strings.Contains(out, "svc.cluster.local") {
			t.Error(out)
		}
	}
	pod := b.pod("hostnet", "cat", "/etc/resolv.conf", "say", "done")
	pod.Spec.HostNetwork, pod.Spec.DNSPolicy = true, corev1.DNSClusterFirstWithHostNet
	pod.Net = manifest.PodNet{DNS: netip.MustParseAddr("10.199.9.1"), Domain: "cluster.local"}
	b.has(b.says(pod, "done"), "nameserver 10.199.9.1\n", own+"\n")
	b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Exited })
	pod.Net, pod.There, pod.Attempt = manifest.PodNet{}, true, map[string]int{"a": 1}
	b.has(b.says(pod, "done"), "nameserver 10.199.9.1\n", own+"\n")
}

func TestDNSOfNobodyIsNotTheNodes(t *testing.T) {
	b := newBench(t)
	pod := b.pod("nodns", "cat", "/etc/resolv.conf", "say", "done", "term")
	pod.Spec.DNSPolicy = corev1.DNSNone
	pod.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.53"}}
	if out := b.says(pod, "done"); strings.Contains(out, "search") && !strings.Contains(out, "search .\n") {
		t.Error(out)
	}
	pod.Name, pod.Spec.DNSPolicy = "mixed", corev1.DNSDefault
	if err := b.Driver.Run(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "write dnsPolicy: None") {
		t.Errorf("%v", err)
	}
}

func TestThePodIsInTheHostsNamespacesThatItAsksFor(t *testing.T) {
	b := newBench(t)
	pod := b.pod("hostns", "ns", "pid", "ns", "ipc", "ns", "uts", "say", "done", "term")
	pod.Spec.HostPID, pod.Spec.HostIPC = true, true
	for i, out := 0, b.says(pod, "done"); i < 2; i++ {
		name := []string{"pid", "ipc"}[i]
		host, err := os.Readlink("/proc/self/ns/" + name)
		b.ok(err)
		b.has(out, name+" "+host+"\n")
	}
}

func TestAContainerIsAsConfinedAsItAsks(t *testing.T) {
	b := newBench(t)
	unmasked, yes := corev1.UnmaskedProcMount, true
	for name, c := range map[string]struct {
		sc   corev1.SecurityContext
		want []string
	}{
		"default":    {corev1.SecurityContext{}, []string{"Seccomp:\t2"}},
		"runtime":    {corev1.SecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}, []string{"Seccomp:\t2"}},
		"unconfined": {corev1.SecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}}, []string{"Seccomp:\t0"}},
		"unmasked":   {corev1.SecurityContext{ProcMount: &unmasked}, []string{"proc mounts 1\n"}},
		"nonroot":    {corev1.SecurityContext{RunAsNonRoot: &yes, RunAsUser: id(7)}, []string{"uid 7 gid 0"}},
		"group":      {corev1.SecurityContext{RunAsGroup: id(8)}, []string{"uid 0 gid 8"}},
	} {
		pod := b.pod("confined-"+name, "id", "caps", "procmounts", "say", "done", "term")
		pod.Spec.Containers[0].SecurityContext = &c.sc
		b.has(b.says(pod, "done"), c.want...)
	}
	pod := b.pod("root", "term")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes}
	want := "container a: securityContext.runAsNonRoot is true and image " + drivertest.Ref + " runs as root: write runAsUser"
	if err := b.Driver.Run(t.Context(), pod); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	local := "none.json"
	pod = b.pod("profile", "term")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: &local}}
	if err := b.Driver.Run(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "/var/lib/kubelet/seccomp/none.json") {
		t.Errorf("%v", err)
	}
}

func TestAPostStartHookRunsBeforeTheNextContainerAndItsFailureStopsItsOwn(t *testing.T) {
	b := newBench(t)
	pod := drivertest.Pod("poststart", drivertest.Ref, drivertest.Ref)
	pod.Labels[live.LabelCluster] = b.cluster
	pod.Spec.Volumes = []corev1.Volume{emptyDir("disk")}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].VolumeMounts = []corev1.VolumeMount{{Name: "disk", MountPath: "/disk"}}
	}
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: command("/testapp", "sleep", "300ms", "write", "/disk/f", "hooked")}
	pod.Spec.Containers[1].Args = []string{"cat", "/disk/f", "term"}
	b.ok(b.Driver.Run(t.Context(), pod))
	b.until(pod.Name, func(p live.Pod) bool { return len(p.Containers) == 2 && p.Containers[1].State == live.Running })
	out, err := shared.podman("logs", pod.Name+"-b").CombinedOutput()
	b.ok(err)
	b.has(string(out), "/disk/f: hooked")

	pod = b.pod("hookfails", "term")
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: command("/testapp", "say", "no luck", "exit", "3")}
	err = b.Driver.Run(t.Context(), pod)
	if err == nil || err.Error() != "container a: lifecycle.postStart: exited with 3: the container was stopped" {
		t.Errorf("%v", err)
	}
	b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Exited })
}

func command(argv ...string) *corev1.LifecycleHandler {
	return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: argv}}
}

func TestAPreStopHookRunsBeforeTheSignalWithinTheGrace(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	pod := b.hooked("prestop", dir, command("/testapp", "write", "/host/hook", "ran"))
	b.says(pod, "up")
	b.ok(b.Driver.Stop(t.Context(), pod.Name))
	if data, err := os.ReadFile(filepath.Join(dir, "hook")); err != nil || string(data) != "ran" {
		t.Errorf("%q %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "term")); err != nil {
		t.Error(err)
	}
	pod = b.hooked("prestoplong", dir, &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3600}})
	b.says(pod, "up")
	if took := b.stop(pod); took < 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// hooked waits for its signal and then writes /host/term.
func (b *bench) hooked(name, dir string, preStop *corev1.LifecycleHandler) manifest.Pod {
	pod := b.pod(name, "say", "up", "term", "write", "/host/term", "x")
	pod.Spec.Volumes = []corev1.Volume{hostPath("host", dir, "")}
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = []corev1.VolumeMount{{Name: "host", MountPath: "/host"}}
	c.Lifecycle = &corev1.Lifecycle{PreStop: preStop}
	return pod
}

func TestAContainerIsStoppedByTheSignalItAsksFor(t *testing.T) {
	b := newBench(t)
	grace, usr1 := int64(3600), corev1.SIGUSR1
	pod := b.pod("signal", "say", "up", "usr1")
	pod.Spec.TerminationGracePeriodSeconds = &grace
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{StopSignal: &usr1}
	b.says(pod, "up")
	b.stop(pod)
}

func TestSidecarsAreStoppedAfterTheMainContainers(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	pod := b.pod("order", "say", "up", "term", "sleep", "300ms", "append", "/host/order", "main ")
	grace, always := int64(10), corev1.ContainerRestartPolicyAlways
	pod.Spec.TerminationGracePeriodSeconds = &grace
	pod.Spec.Volumes = []corev1.Volume{hostPath("host", dir, "")}
	mount := []corev1.VolumeMount{{Name: "host", MountPath: "/host"}}
	pod.Spec.Containers[0].VolumeMounts = mount
	for _, name := range []string{"x", "y"} {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{
			Name: name, Image: drivertest.Ref, RestartPolicy: &always, VolumeMounts: mount, Args: []string{"term", "append", "/host/order", name + " "},
		})
	}
	p, err := live.ParsePod(pod.Name, pod.Labels)
	b.ok(err)
	p.Init, p.Expect = live.InitOf(pod.Spec), []string{"a", "x", "y"}
	pod.Labels = live.PodLabels(p)
	for range 2 {
		b.ok(b.Driver.Run(t.Context(), pod))
	}
	b.says(pod, "up")
	b.ok(b.Driver.Stop(t.Context(), pod.Name))
	if data, err := os.ReadFile(filepath.Join(dir, "order")); err != nil || string(data) != "main y x " {
		t.Errorf("%q %v", data, err)
	}
}

func TestALookSeesWhatStdinAndTTYAre(t *testing.T) {
	b := newBench(t)
	pod := b.pod("tty", "tty", "say", "done", "term")
	pod.Spec.Containers[0].TTY, pod.Spec.Containers[0].Stdin = true, true
	b.has(b.says(pod, "done"), "a terminal")
}

func TestAContainerIsGivenTheDevicesThatItAsksFor(t *testing.T) {
	b := newBench(t)
	pod := b.pod("device", "ls", "/dev/net", "say", "done", "term")
	pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"podkeep.io/dev.net.tun": resource.MustParse("1")}
	b.has(b.says(pod, "done"), "tun ")
	pod = b.pod("nodevice", "say", "done", "term")
	pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"podkeep.io/dev.not.there": resource.MustParse("1")}
	if err := b.Driver.Run(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "/dev/not/there") {
		t.Errorf("%v", err)
	}
}

func TestAWorkingDirectoryThatTheImageLacksIsMade(t *testing.T) {
	b := newBench(t)
	pod := b.pod("dir", "ls", "/data/jobs", "say", "done", "term")
	pod.Spec.Containers[0].WorkingDir = "/data/jobs/in"
	b.has(b.says(pod, "done"), "in ")
}

func TestAnArgumentHasThePodsAddress(t *testing.T) {
	b := newBench(t)
	pod := b.pod("address", "say", "at=$(AT)=", "say", "done", "term")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{
		fromField("IP", "status.podIP"),
		{Name: "AT", Value: "$(IP):80"},
	}
	pod = manifest.Revision{Spec: pod.Spec}.Pod(pod.Name, pod.Labels, nil)
	out := b.says(pod, "done")
	_, rest, _ := strings.Cut(out, "at=")
	at, _, _ := strings.Cut(rest, "=")
	if _, err := netip.ParseAddrPort(at); err != nil {
		t.Errorf("%v in:\n%s", err, out)
	}
}
