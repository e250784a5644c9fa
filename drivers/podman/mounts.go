package podman

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containers/podman/v4/pkg/domain/entities"
	"github.com/containers/podman/v4/pkg/specgen"
	spec "github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"
)

// fileMode is what Kubernetes gives files of ConfigMaps and Secrets that say nothing else.
const fileMode = 0o644

// mounts puts the container's volumes in place.
func (b *builder) mounts(ctx context.Context, s *specgen.SpecGenerator, c *corev1.Container) error {
	for _, m := range c.VolumeMounts {
		var err error
		switch v := b.vols[m.Name]; {
		case v.EmptyDir != nil:
			s.Volumes = append(s.Volumes, &specgen.NamedVolume{
				Name: b.volumeName(m.Name), Dest: m.MountPath, SubPath: m.SubPath, Options: []string{mode(m.ReadOnly), "nocopy"},
			})
		case v.HostPath != nil:
			s.Mounts = append(s.Mounts, spec.Mount{
				Type: "bind", Source: path.Join(v.HostPath.Path, m.SubPath), Destination: m.MountPath, Options: []string{"rbind", mode(m.ReadOnly)},
			})
		case v.Secret != nil:
			err = b.files(ctx, s, m, v.Secret)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", m.Name, err)
		}
	}
	return nil
}

// missingPath says which hostPath it was that Podman did not find. Podman mounts what is there and makes nothing.
func (b *builder) missingPath(c *corev1.Container, err error) error {
	for _, m := range c.VolumeMounts {
		host := b.vols[m.Name].HostPath
		if host != nil && strings.Contains(err.Error(), "statfs "+path.Join(host.Path, m.SubPath)+":") {
			return fmt.Errorf("volume %s: %s is not on the node: make it there", m.Name, path.Join(host.Path, m.SubPath))
		}
	}
	return err
}

func mode(readOnly bool) string {
	if readOnly {
		return "ro"
	}
	return "rw"
}

// files mounts Files, each as a Podman secret at its own path. As in Kubernetes they lie in a directory of their own, read
// only, that hides what the image has there; with a subPath the one file goes into the image's directory.
func (b *builder) files(ctx context.Context, s *specgen.SpecGenerator, m corev1.VolumeMount, v *corev1.SecretVolumeSource) error {
	items, err := below(v.Items, m.SubPath)
	if err != nil {
		return err
	}
	if alone := len(items) == 1 && items[0].Path == ""; !alone {
		s.Mounts = append(s.Mounts, spec.Mount{
			Type: "tmpfs", Source: "tmpfs", Destination: m.MountPath, Options: []string{"ro", "mode=0755", "size=256k", "nodev", "nosuid"},
		})
	}
	for _, item := range items {
		empty, err := b.driver.isEmpty(ctx, item.Key)
		if err != nil {
			return err
		}
		target := path.Join(m.MountPath, item.Path)
		if empty {
			s.Mounts = append(s.Mounts, nothing(target))
			continue
		}
		s.Secrets = append(s.Secrets, specgen.Secret{Source: b.driver.secretName(item.Key), Target: target, Mode: itemMode(item, v)})
	}
	return nil
}

// below gives the items under a subPath, their paths relative to it.
func below(items []corev1.KeyToPath, subPath string) ([]corev1.KeyToPath, error) {
	if subPath == "" {
		return items, nil
	}
	var found []corev1.KeyToPath
	for _, item := range items {
		rest, ok := strings.CutPrefix(path.Clean(item.Path), path.Clean(subPath))
		if ok && (rest == "" || rest[0] == '/') {
			item.Path = strings.TrimPrefix(rest, "/")
			found = append(found, item)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("subPath %s is none of its files", subPath)
	}
	return found, nil
}

func itemMode(item corev1.KeyToPath, v *corev1.SecretVolumeSource) uint32 {
	switch {
	case item.Mode != nil:
		return uint32(*item.Mode)
	case v.DefaultMode != nil:
		return uint32(*v.DefaultMode)
	}
	return fileMode
}

// nothing is a file without bytes, which Podman cannot store as a secret: /dev/null reads the same.
func nothing(target string) spec.Mount {
	return spec.Mount{Type: "bind", Source: "/dev/null", Destination: target, Options: []string{"bind", "ro", "dev"}}
}

// volumeName is the Podman volume behind an emptyDir. It is the pod's alone, and all the pod's containers share it.
func (b *builder) volumeName(name string) string { return b.pod.Name + "-" + name }

// volumeNames are the Podman volumes behind the emptyDirs, sorted.
func (b *builder) volumeNames() []string {
	var names []string
	for name, v := range b.vols {
		if v.EmptyDir != nil {
			names = append(names, b.volumeName(name))
		}
	}
	slices.Sort(names)
	return names
}

// emptyDirs are the volumes to make before the first container.
func (b *builder) emptyDirs() []entities.VolumeCreateOptions {
	var all []entities.VolumeCreateOptions
	for _, v := range b.pod.Spec.Volumes {
		if v.EmptyDir == nil {
			continue
		}
		o := entities.VolumeCreateOptions{Name: b.volumeName(v.Name), Driver: "local", Labels: b.labels()}
		o.Labels[labelPod] = b.pod.Name
		if v.EmptyDir.Medium == corev1.StorageMediumMemory {
			o.Options = map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "mode=0777" + size(v.EmptyDir)}
		}
		all = append(all, o)
	}
	return all
}

func size(v *corev1.EmptyDirVolumeSource) string {
	if v.SizeLimit == nil || v.SizeLimit.IsZero() {
		return ""
	}
	return fmt.Sprintf(",size=%d", v.SizeLimit.Value())
}
