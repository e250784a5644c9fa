package podman

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"syscall"

	"github.com/containers/podman/v4/pkg/specgen"
	spec "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Labels of this driver's own on pods, for Stop, and for whoever mends one and was not told.
const (
	labelGrace   = "podkeep.io/grace"   // terminationGracePeriodSeconds
	labelVolumes = "podkeep.io/volumes" // comma-separated Podman volumes that go with the pod
	labelPod     = "podkeep.io/pod"     // on such a volume: the pod's name
	labelDNS     = "podkeep.io/dns"     // who answers the pod for names, and the domain of those: "10.42.1.1,cluster.local"
)

// builder turns one manifest.Pod into Podman's terms.
type builder struct {
	driver *Driver
	pod    manifest.Pod
	// programs are Files that are copied, by the volumes that hold them, which are the pod's own then.
	programs map[string]*corev1.SecretVolumeSource
	// containers are the pod's in the order in which they start: init containers first.
	containers []*corev1.Container
	vols       map[string]corev1.VolumeSource
	texts      map[string][]manifest.Text // by volume
	below      map[below]string           // where on the node a part of a Podman volume is, once that is known
	scouted    map[string]bool            // containers whose volumes were looked at since anything was started
	infra      string                     // name or id of the infra container
	addressed  bool                       // a container's environment asks for the pod's address
	at         network                    // where it lives, once that was asked for; gateway holds the host's address
}

// newBuilder refuses what Podman could only do wrong.
func newBuilder(d *Driver, pod manifest.Pod) (*builder, error) {
	b := &builder{
		driver: d, pod: pod, vols: map[string]corev1.VolumeSource{}, texts: map[string][]manifest.Text{}, below: map[below]string{},
		scouted: map[string]bool{}, programs: map[string]*corev1.SecretVolumeSource{},
	}
	for _, t := range pod.Texts {
		b.texts[t.Volume] = append(b.texts[t.Volume], t)
	}
	for _, v := range pod.Spec.Volumes {
		b.vols[v.Name] = v.VolumeSource
		if err := b.checkVolume(v); err != nil {
			return nil, fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	for name := range programs(pod.Spec) {
		b.programs[name], b.vols[name] = b.vols[name].Secret, corev1.VolumeSource{}
	}
	for i := range pod.Spec.InitContainers {
		b.containers = append(b.containers, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		b.containers = append(b.containers, &pod.Spec.Containers[i])
	}
	b.addressed = b.needsAddress()
	for _, c := range b.containers {
		if err := checkHooks(c); err != nil {
			return nil, err
		}
		for _, m := range c.VolumeMounts {
			if _, ok := b.vols[m.Name]; !ok {
				return nil, fmt.Errorf("container %s: volume %s is not among the pod's", c.Name, m.Name)
			}
		}
	}
	return b, nil
}

func (b *builder) grace() int64 {
	if s := b.pod.Spec.TerminationGracePeriodSeconds; s != nil {
		return *s
	}
	return corev1.DefaultTerminationGracePeriodSeconds
}

// labels are the pod's with the cluster's and the driver's own.
func (b *builder) labels() map[string]string {
	labels := maps.Clone(b.pod.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[live.LabelCluster] = b.driver.cluster
	return labels
}

func (b *builder) container(ctx context.Context, c *corev1.Container) (*specgen.SpecGenerator, error) {
	s := specgen.NewSpecGenerator(c.Image, false)
	s.Name = b.containerName(c)
	s.LogConfiguration = &specgen.LogConfig{Driver: logDriver}
	s.Pod = b.pod.Name
	s.Entrypoint, s.Command = c.Command, c.Args
	if len(c.Command) > 0 && len(c.Args) == 0 {
		s.Command = []string{}
	}
	s.WorkDir, s.CreateWorkingDir = c.WorkingDir, c.WorkingDir != ""
	s.Terminal, s.Stdin = c.TTY, c.Stdin
	s.Labels = b.labels()
	s.Labels[live.LabelContainer] = c.Name
	s.Labels[live.LabelAttempt] = strconv.Itoa(b.pod.Attempt[c.Name])
	s.RestartPolicy = b.restartPolicy()
	s.Systemd = "false"
	s.SdNotifyMode = "ignore"
	noHealthCheck(s)
	grace := uint(b.grace())
	s.StopTimeout = &grace
	limits(s, c.Resources)
	for _, path := range manifest.Devices(c.Resources) {
		s.Devices = append(s.Devices, spec.LinuxDevice{Path: path})
	}
	s.StopSignal = stopSignal(c)
	if err := b.namespaces(s); err != nil {
		return nil, err
	}
	if err := b.security(ctx, s, c); err != nil {
		return nil, err
	}
	if err := b.env(ctx, s, c); err != nil {
		return nil, err
	}
	return s, b.mounts(ctx, s, c)
}

// noHealthCheck has Podman leave the image's own health check alone, as Kubernetes does: podkeep probes by itself, and nobody asks what Podman
// would find out with a process every half minute.
func noHealthCheck(s *specgen.SpecGenerator) {
	_ = json.Unmarshal([]byte(`{"Test": ["NONE"]}`), &s.HealthConfig) // its type is of a package that only the bindings need
}

// stopSignal is nil where the image decides.
func stopSignal(c *corev1.Container) *syscall.Signal {
	if c.Lifecycle == nil || c.Lifecycle.StopSignal == nil {
		return nil
	}
	signal := unix.SignalNum(string(*c.Lifecycle.StopSignal))
	if signal == 0 {
		return nil
	}
	return &signal
}

func (b *builder) containerName(c *corev1.Container) string { return b.pod.Name + "-" + c.Name }

// cpuPeriod is the kernel's default, in microseconds.
const cpuPeriod = 100_000

// limits are enforced by the kernel: a limit on CPU time in each period, a weight from the request, a limit on memory.
func limits(s *specgen.SpecGenerator, r corev1.ResourceRequirements) {
	var cpu spec.LinuxCPU
	if q, ok := r.Limits[corev1.ResourceCPU]; ok && !q.IsZero() {
		period, quota := uint64(cpuPeriod), max(1000, q.MilliValue()*cpuPeriod/1000)
		cpu.Period, cpu.Quota = &period, &quota
		s.CPUPeriod, s.CPUQuota = period, quota
	}
	request, ok := r.Requests[corev1.ResourceCPU]
	if !ok {
		request, ok = r.Limits[corev1.ResourceCPU]
	}
	if ok {
		shares := uint64(min(262_144, max(2, request.MilliValue()*1024/1000)))
		cpu.Shares = &shares
	}
	s.ResourceLimits = &spec.LinuxResources{CPU: &cpu}
	if q, ok := r.Limits[corev1.ResourceMemory]; ok && !q.IsZero() {
		limit := q.Value()
		s.ResourceLimits.Memory = &spec.LinuxMemory{Limit: &limit, Swap: &limit}
	}
}

// env gives each variable its value, or the name of the Podman secret that holds it.
func (b *builder) env(ctx context.Context, s *specgen.SpecGenerator, c *corev1.Container) error {
	s.Env, s.EnvSecrets = map[string]string{}, map[string]string{}
	for _, e := range c.Env {
		delete(s.Env, e.Name)
		delete(s.EnvSecrets, e.Name)
		switch from := e.ValueFrom; {
		case from == nil:
			s.Env[e.Name] = e.Value
		case from.SecretKeyRef != nil:
			empty, err := b.driver.isEmpty(ctx, from.SecretKeyRef.Name)
			if err != nil {
				return fmt.Errorf("env %s: %w", e.Name, err)
			}
			if empty {
				s.Env[e.Name] = ""
			} else {
				s.EnvSecrets[e.Name] = b.driver.secretName(from.SecretKeyRef.Name)
			}
		case from.FieldRef != nil && b.field(from.FieldRef.FieldPath) != "":
			s.Env[e.Name] = b.field(from.FieldRef.FieldPath)
		default:
			return fmt.Errorf("env %s: only a value, a file or status.podIP, status.hostIP and spec.nodeName can be given", e.Name)
		}
	}
	return nil
}

// field is what only the node knows.
func (b *builder) field(path string) string {
	switch path {
	case "spec.nodeName":
		return cmp.Or(b.pod.Node, b.driver.node.Name)
	case "status.podIP", "status.podIPs":
		return b.at.ip
	case "status.hostIP", "status.hostIPs":
		return b.at.gateway
	}
	return ""
}

// settle puts what only the node knows where texts refer to it.
func (b *builder) settle() {
	spec := b.pod.OnNode(b.field).Spec
	for i, c := range b.containers {
		if n := len(spec.InitContainers); i < n {
			*c = spec.InitContainers[i]
		} else {
			*c = spec.Containers[i-n]
		}
	}
}

func (b *builder) needsAddress() bool {
	for _, c := range b.containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && strings.HasPrefix(e.ValueFrom.FieldRef.FieldPath, "status.") {
				return true
			}
		}
	}
	return false
}
