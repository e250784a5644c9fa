package manifest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
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
	spec.ServiceAccountName = accountOf(spec)
	s.pod.Spec.ServiceAccountName = spec.ServiceAccountName
	prune(reflect.ValueOf(&spec))
	spec.Affinity, spec.TopologySpreadConstraints = nil, nil
	at := under(p.at, "spec")
	if spec.RestartPolicy == "" {
		spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	if spec.TerminationGracePeriodSeconds == nil {
		seconds := int64(defaultGracePeriod)
		spec.TerminationGracePeriodSeconds = &seconds
	}
	s.bind(under(at, "volumes"), &spec)
	for i := range spec.Volumes {
		s.renderVolume(item(under(at, "volumes"), i), &spec.Volumes[i])
		if spec.Volumes[i].EmptyDir != nil && isConfig(p.spec.Volumes[i]) {
			mountReadOnly(&spec, spec.Volumes[i].Name)
		}
	}
	eachContainer(at, &spec, func(_ string, k *corev1.Container) { defaults(k, spec) })
	eachContainer(at, &spec, func(at string, k *corev1.Container) { s.renderEnv(at, k, spec) })
	s.checkTexts(at, spec)
	spec.ImagePullSecrets = s.renderPullSecrets(under(at, "imagePullSecrets"), spec.ImagePullSecrets)
	return spec
}

// defaults are Kubernetes' own.
func defaults(k *corev1.Container, spec corev1.PodSpec) {
	if k.ImagePullPolicy == "" {
		k.ImagePullPolicy = pullPolicy(k.Image)
	}
	k.Image, _ = ExpandImage(k.Image)
	delete(k.Resources.Limits, corev1.ResourceEphemeralStorage)
	delete(k.Resources.Requests, corev1.ResourceEphemeralStorage)
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
	for _, p := range probesIn(k) {
		probeDefaults(p)
	}
	inherit(k, spec.SecurityContext)
}

// inherit gives the container what the pod's context says of every container, where it says nothing itself.
func inherit(k *corev1.Container, pod *corev1.PodSecurityContext) {
	if pod == nil {
		return
	}
	own := corev1.SecurityContext{}
	if k.SecurityContext != nil {
		own = *k.SecurityContext
	}
	own.RunAsUser = either(own.RunAsUser, pod.RunAsUser)
	own.RunAsGroup = either(own.RunAsGroup, pod.RunAsGroup)
	own.RunAsNonRoot = either(own.RunAsNonRoot, pod.RunAsNonRoot)
	own.SeccompProfile = either(own.SeccompProfile, pod.SeccompProfile)
	if k.SecurityContext != nil || own != (corev1.SecurityContext{}) {
		k.SecurityContext = &own
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
	case v.DownwardAPI != nil:
		v.DownwardAPI.Items = withModes(v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
		v.DownwardAPI.DefaultMode = nil
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	case v.Projected != nil:
		v.VolumeSource = s.projected(under(at, "projected"), v.Projected)
	case v.HostPath == nil && v.EmptyDir == nil && v.PersistentVolumeClaim == nil:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
}

func isConfig(v corev1.Volume) bool {
	return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil
}

// mountReadOnly makes every mount of a volume read-only, as that of a ConfigMap is also when there is none and it is empty.
func mountReadOnly(spec *corev1.PodSpec, volume string) {
	eachContainer("", spec, func(_ string, k *corev1.Container) {
		for i := range k.VolumeMounts {
			if m := &k.VolumeMounts[i]; m.Name == volume {
				m.ReadOnly = true
			}
		}
	})
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
	return filesOrEmpty(s.keys(at, field, p))
}

// keys are the Files of all keys, or of the chosen ones, and where they go.
func (s *sources) keys(at, field string, p projection) []corev1.KeyToPath {
	cfg, ok := s.config(under(at, field), p.of.Kind, p.of.Name, p.optional)
	if !ok {
		return nil
	}
	items := p.items
	if len(items) == 0 {
		for _, key := range cfg.keys {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
	}
	if s.room -= perVariable * len(items); s.room < 0 {
		s.refuse(under(at, field), "with it the volumes of the repository have too many files; mount only the keys that are needed, with items")
		return nil
	}
	var found []corev1.KeyToPath
	for i, it := range items {
		if _, ok := s.key(under(item(under(at, "items"), i), "key"), cfg, it.Key, p.optional); ok {
			found = append(found, corev1.KeyToPath{Key: s.file(cfg, it.Key), Path: it.Path, Mode: modeOf(it.Mode, p.mode)})
		}
	}
	return found
}

func filesOrEmpty(found []corev1.KeyToPath) corev1.VolumeSource {
	if len(found) == 0 {
		return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	}
	slices.SortFunc(found, func(a, b corev1.KeyToPath) int { return strings.Compare(a.Path, b.Path) })
	return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{Items: found}}
}

// projected puts all sources into one volume. No two of them may have a file of the same path.
func (s *sources) projected(at string, p *corev1.ProjectedVolumeSource) corev1.VolumeSource {
	var files []corev1.KeyToPath
	var texts []corev1.DownwardAPIVolumeFile
	taken := map[string]bool{}
	for i, source := range p.Sources {
		here := item(under(at, "sources"), i)
		var paths []string
		if m := source.ConfigMap; m != nil {
			for _, k := range s.keys(under(here, "configMap"), "name", projection{ID{Kind: "ConfigMap", Name: m.Name}, m.Items, p.DefaultMode, m.Optional}) {
				files, paths = append(files, k), append(paths, k.Path)
			}
		}
		if m := source.Secret; m != nil {
			for _, k := range s.keys(under(here, "secret"), "name", projection{ID{Kind: "Secret", Name: m.Name}, m.Items, p.DefaultMode, m.Optional}) {
				files, paths = append(files, k), append(paths, k.Path)
			}
		}
		if d := source.DownwardAPI; d != nil {
			for _, t := range withModes(d.Items, p.DefaultMode) {
				texts, paths = append(texts, t), append(paths, t.Path)
			}
		}
		s.noTwo(here, paths, taken)
	}
	out := filesOrEmpty(files)
	if len(texts) > 0 {
		out.DownwardAPI = &corev1.DownwardAPIVolumeSource{Items: texts}
	}
	return out
}

func (s *sources) noTwo(at string, paths []string, taken map[string]bool) {
	for _, p := range paths {
		if taken[path.Clean(p)] {
			s.refuse(at, "file %q is in an earlier source too; choose another path with items", p)
		}
		taken[path.Clean(p)] = true
	}
}

// renderPullSecrets turns each name of a Secret into that of the File that holds its .dockerconfigjson. One that is not there is left
// out, as in Kubernetes: the pull says whether it was needed.
func (s *sources) renderPullSecrets(at string, refs []corev1.LocalObjectReference) []corev1.LocalObjectReference {
	var found []corev1.LocalObjectReference
	optional := true
	for i, ref := range refs {
		here := under(item(at, i), "name")
		missing := len(s.without)
		cfg, ok := s.config(here, "Secret", ref.Name, &optional)
		switch _, has := cfg.data[corev1.DockerConfigJsonKey]; {
		case ok && has && !isLogins(cfg.data[corev1.DockerConfigJsonKey]):
			s.refuse(here, "%s has something else than logins in its key %s; make it with kubectl create secret docker-registry", cfg.ID, corev1.DockerConfigJsonKey)
		case ok && has:
			found = append(found, corev1.LocalObjectReference{Name: s.pullSecret(cfg)})
		case ok:
			s.refuse(here, "%s has no key %s; make it with kubectl create secret docker-registry", cfg.ID, corev1.DockerConfigJsonKey)
		case len(s.without) > missing:
			s.notice(here, fmt.Sprintf("%s is not in the repository, so images are pulled without it", s.without[missing]))
		}
	}
	return found
}

// isLogins says whether a content is what pulls can show to registries.
func isLogins(content []byte) bool {
	var config struct {
		Auths map[string]struct{ Username, Password, Auth string }
	}
	if json.Unmarshal(content, &config) != nil {
		return false
	}
	for _, login := range config.Auths {
		text, err := base64.StdEncoding.DecodeString(login.Auth)
		if login.Auth != "" && (err != nil || !strings.Contains(string(text), ":")) {
			return false
		}
	}
	return true
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
