package manifest

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const (
	defaultGracePeriod = 30
	defaultMode        = 0o644
)

// render gives the spec of a Revision: defaults set, images expanded, references to ConfigMaps and Secrets resolved.
func (s *sources) render(p pods) corev1.PodSpec {
	spec := *p.spec.DeepCopy()
	at := under(p.at, "spec")
	if spec.RestartPolicy == "" {
		spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	if spec.TerminationGracePeriodSeconds == nil {
		seconds := int64(defaultGracePeriod)
		spec.TerminationGracePeriodSeconds = &seconds
	}
	for i := range spec.Volumes {
		s.renderVolume(item(under(at, "volumes"), i), &spec.Volumes[i])
	}
	for i := range spec.Containers {
		defaults(&spec.Containers[i], spec)
	}
	for i := range spec.Containers {
		s.renderEnv(item(under(at, "containers"), i), &spec.Containers[i], spec)
	}
	return spec
}

// defaults are Kubernetes' own.
func defaults(k *corev1.Container, spec corev1.PodSpec) {
	if k.ImagePullPolicy == "" {
		k.ImagePullPolicy = pullPolicy(k.Image)
	}
	k.Image, _ = ExpandImage(k.Image)
	for name, limit := range k.Resources.Limits {
		if _, ok := k.Resources.Requests[name]; ok {
			continue
		}
		if k.Resources.Requests == nil {
			k.Resources.Requests = corev1.ResourceList{}
		}
		k.Resources.Requests[name] = limit
	}
	for i := range k.Ports {
		if k.Ports[i].Protocol == "" {
			k.Ports[i].Protocol = corev1.ProtocolTCP
		}
		if spec.HostNetwork {
			k.Ports[i].HostPort = k.Ports[i].ContainerPort
		}
	}
	inheritIDs(k, spec.SecurityContext)
}

// inheritIDs gives the container the pod's user and group where it has none of its own.
func inheritIDs(k *corev1.Container, pod *corev1.PodSecurityContext) {
	if pod == nil || pod.RunAsUser == nil && pod.RunAsGroup == nil {
		return
	}
	if k.SecurityContext == nil {
		k.SecurityContext = &corev1.SecurityContext{}
	}
	if k.SecurityContext.RunAsUser == nil {
		k.SecurityContext.RunAsUser = pod.RunAsUser
	}
	if k.SecurityContext.RunAsGroup == nil {
		k.SecurityContext.RunAsGroup = pod.RunAsGroup
	}
}

// renderVolume turns ConfigMaps and Secrets into Files.
func (s *sources) renderVolume(at string, v *corev1.Volume) {
	switch {
	case v.ConfigMap != nil:
		m := v.ConfigMap
		v.VolumeSource = s.project(under(at, "configMap"), "name",
			projection{ID{Kind: "ConfigMap", Name: m.Name}, m.Items, m.DefaultMode, m.Optional})
	case v.Secret != nil:
		m := v.Secret
		v.VolumeSource = s.project(under(at, "secret"), "secretName",
			projection{ID{Kind: "Secret", Name: m.SecretName}, m.Items, m.DefaultMode, m.Optional})
	case v.HostPath == nil && v.EmptyDir == nil:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
}

// projection is what a ConfigMap volume and a Secret volume have in common.
type projection struct {
	of       ID
	items    []corev1.KeyToPath
	mode     *int32
	optional *bool
}

// project is a volume that holds all keys, or the chosen ones, sorted by path. With none it is an empty directory.
func (s *sources) project(at, field string, p projection) corev1.VolumeSource {
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	cfg, ok := s.config(under(at, field), p.of.Kind, p.of.Name, p.optional)
	if !ok {
		return empty
	}
	items := p.items
	if len(items) == 0 {
		for _, key := range sorted(cfg.data) {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
	}
	var found []corev1.KeyToPath
	for i, it := range items {
		if _, ok := s.key(under(item(under(at, "items"), i), "key"), cfg, it.Key, p.optional); ok {
			found = append(found, corev1.KeyToPath{Key: s.file(cfg, it.Key), Path: it.Path, Mode: modeOf(it.Mode, p.mode)})
		}
	}
	if len(found) == 0 {
		return empty
	}
	slices.SortFunc(found, func(a, b corev1.KeyToPath) int { return strings.Compare(a.Path, b.Path) })
	return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{Items: found}}
}

func modeOf(modes ...*int32) *int32 {
	for _, mode := range modes {
		if mode != nil {
			return mode
		}
	}
	mode := int32(defaultMode)
	return &mode
}
