package podman

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/containers/common/libnetwork/types"
	"github.com/containers/podman/v4/pkg/specgen"
	spec "github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Labels of this driver's own on pods, for Stop.
const (
	labelGrace   = "podkeep.io/grace"   // terminationGracePeriodSeconds
	labelVolumes = "podkeep.io/volumes" // comma-separated Podman volumes that go with the pod
	labelPod     = "podkeep.io/pod"     // on such a volume: the pod's name
)

// builder turns one manifest.Pod into Podman's terms.
type builder struct {
	driver *Driver
	pod    manifest.Pod
	vols   map[string]corev1.VolumeSource
	infra  string  // name or id of the infra container
	at     network // where it lives, once that was asked for; gateway holds the host's address
}

// newBuilder refuses what Podman could only do wrong.
func newBuilder(d *Driver, pod manifest.Pod) (*builder, error) {
	b := &builder{driver: d, pod: pod, vols: map[string]corev1.VolumeSource{}}
	for _, v := range pod.Spec.Volumes {
		if v.EmptyDir == nil && v.HostPath == nil && v.Secret == nil {
			return nil, fmt.Errorf("volume %s: only emptyDir, hostPath and files can be mounted", v.Name)
		}
		b.vols[v.Name] = v.VolumeSource
	}
	for _, c := range pod.Spec.Containers {
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

func (b *builder) podSpec() specgen.PodSpecGenerator {
	var s specgen.PodSpecGenerator
	s.Name = b.pod.Name
	s.ExitPolicy = "continue"
	s.Labels = b.labels()
	s.Labels[labelGrace] = strconv.FormatInt(b.grace(), 10)
	if names := b.volumeNames(); len(names) > 0 {
		s.Labels[labelVolumes] = strings.Join(names, ",")
	}
	if b.pod.Spec.HostNetwork {
		s.NetNS = specgen.Namespace{NSMode: specgen.Host}
		return s
	}
	s.Hostname = b.pod.Hostname
	s.PortMappings = b.ports()
	return s
}

// ports are the host ports; Podman publishes nothing else.
func (b *builder) ports() []types.PortMapping {
	var all []types.PortMapping
	for _, c := range b.pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.HostPort == 0 {
				continue
			}
			protocol := strings.ToLower(string(p.Protocol))
			all = append(all, types.PortMapping{
				HostIP: p.HostIP, HostPort: uint16(p.HostPort), ContainerPort: uint16(p.ContainerPort), Protocol: protocol,
			})
		}
	}
	return all
}

func (b *builder) container(ctx context.Context, c *corev1.Container) (*specgen.SpecGenerator, error) {
	s := specgen.NewSpecGenerator(c.Image, false)
	s.Name = b.pod.Name + "-" + c.Name
	s.Pod = b.pod.Name
	s.Entrypoint, s.Command = c.Command, c.Args
	if len(c.Command) > 0 && len(c.Args) == 0 {
		s.Command = []string{}
	}
	s.WorkDir = c.WorkingDir
	s.Terminal, s.Stdin = c.TTY, c.Stdin
	s.Labels = b.labels()
	s.Labels[live.LabelContainer] = c.Name
	s.Labels[live.LabelAttempt] = strconv.Itoa(b.pod.Attempt[c.Name])
	s.RestartPolicy = "no"
	s.Systemd = "false"
	s.SdNotifyMode = "ignore"
	grace := uint(b.grace())
	s.StopTimeout = &grace
	limits(s, c.Resources)
	if err := security(s, b.pod.Spec.SecurityContext, c.SecurityContext); err != nil {
		return nil, err
	}
	if err := b.env(ctx, s, c); err != nil {
		return nil, err
	}
	return s, b.mounts(ctx, s, c)
}

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

// security merges the pod's context and the container's, which wins.
func security(s *specgen.SpecGenerator, pod *corev1.PodSecurityContext, c *corev1.SecurityContext) error {
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	if c == nil {
		c = &corev1.SecurityContext{}
	}
	user, group := either(c.RunAsUser, pod.RunAsUser), either(c.RunAsGroup, pod.RunAsGroup)
	switch {
	case user == nil && group != nil:
		return fmt.Errorf("securityContext.runAsGroup needs runAsUser beside it")
	case user != nil && group != nil:
		s.User = fmt.Sprintf("%d:%d", *user, *group)
	case user != nil:
		s.User = strconv.FormatInt(*user, 10)
	}
	for _, g := range pod.SupplementalGroups {
		s.Groups = append(s.Groups, strconv.FormatInt(g, 10))
	}
	s.Privileged = c.Privileged != nil && *c.Privileged
	s.ReadOnlyFilesystem = c.ReadOnlyRootFilesystem != nil && *c.ReadOnlyRootFilesystem
	s.NoNewPrivileges = c.AllowPrivilegeEscalation != nil && !*c.AllowPrivilegeEscalation
	if c.Capabilities != nil {
		s.CapAdd, s.CapDrop = capabilities(c.Capabilities.Add), capabilities(c.Capabilities.Drop)
	}
	return nil
}

func either(first, second *int64) *int64 {
	if first != nil {
		return first
	}
	return second
}

func capabilities(all []corev1.Capability) []string {
	var names []string
	for _, c := range all {
		names = append(names, string(c))
	}
	return names
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
		return b.driver.node.Name
	case "status.podIP", "status.podIPs":
		return b.at.ip
	case "status.hostIP", "status.hostIPs":
		return b.at.gateway
	}
	return ""
}

func (b *builder) needsAddress() bool {
	for _, c := range b.pod.Spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && strings.HasPrefix(e.ValueFrom.FieldRef.FieldPath, "status.") {
				return true
			}
		}
	}
	return false
}
