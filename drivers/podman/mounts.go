package podman

import (
	"context"
	"fmt"
	"path"
	"strings"

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
		v, name := b.vols[m.Name], b.podmans(m.Name)
		switch {
		case v.HostPath != nil:
			s.Mounts = append(s.Mounts, bind(path.Join(v.HostPath.Path, m.SubPath), b.mode(m), m))
		case name == "" || b.oneFile(m):
		case m.SubPath != "":
			s.Mounts = append(s.Mounts, bind(b.below[below{m.Name, m.SubPath}], b.mode(m), m))
		default:
			s.Volumes = append(s.Volumes, &specgen.NamedVolume{Name: name, Dest: m.MountPath, Options: []string{b.mode(m), "nocopy"}})
		}
		if v.Secret != nil {
			err = b.files(ctx, s, m, v.Secret)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", m.Name, err)
		}
	}
	return nil
}

// bind mounts a path of the node.
func bind(source, mode string, m corev1.VolumeMount) spec.Mount {
	options := []string{"rbind", mode}
	if p := m.MountPropagation; p != nil {
		options = append(options, propagation[*p])
	}
	return spec.Mount{Type: "bind", Source: source, Destination: m.MountPath, Options: options}
}

var propagation = map[corev1.MountPropagationMode]string{
	corev1.MountPropagationNone: "rprivate", corev1.MountPropagationHostToContainer: "rslave", corev1.MountPropagationBidirectional: "rshared",
}

// missingPath says which hostPath it was that Podman did not find. Podman mounts what is there and makes nothing.
func (b *builder) missingPath(c *corev1.Container, err error) error {
	if !because(err, "statfs") {
		return err
	}
	for _, m := range c.VolumeMounts {
		host := b.vols[m.Name].HostPath
		if host == nil {
			continue
		}
		for _, at := range []string{path.Clean(host.Path), path.Join(host.Path, m.SubPath)} {
			if strings.Contains(err.Error(), "statfs "+at+":") {
				return fmt.Errorf("volume %s: %s is not on the node: make it there", m.Name, at)
			}
		}
	}
	return err
}

func readOnly(yes bool) string {
	if yes {
		return "ro"
	}
	return "rw"
}

// mode is ro for copies of Files and what the downward API wrote, as in Kubernetes.
func (b *builder) mode(m corev1.VolumeMount) string {
	pvc := b.vols[m.Name].PersistentVolumeClaim
	return readOnly(m.ReadOnly || len(b.texts[m.Name]) > 0 || b.programs[m.Name] != nil || pvc != nil && pvc.ReadOnly)
}

// files mounts Files, each as a Podman secret at its own path. As in Kubernetes they lie in a directory of their own, read
// only, that hides what the image has there; with a subPath the one file goes into the image's directory.
func (b *builder) files(ctx context.Context, s *specgen.SpecGenerator, m corev1.VolumeMount, v *corev1.SecretVolumeSource) error {
	items := itemsBelow(v.Items, m.SubPath)
	switch own := b.podmans(m.Name) != ""; {
	case len(items) == 0 && !own:
		return noneOf(m)
	case !own && !b.oneFile(m):
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
		mode, gid := b.forGroup(itemMode(item, v))
		s.Secrets = append(s.Secrets, specgen.Secret{Source: b.driver.secretName(item.Key), Target: target, Mode: mode, GID: gid})
	}
	return nil
}

// oneFile says whether one File is mounted, and no directory around it.
func (b *builder) oneFile(m corev1.VolumeMount) bool {
	v := b.vols[m.Name].Secret
	if v == nil {
		return false
	}
	items := itemsBelow(v.Items, m.SubPath)
	return len(items) == 1 && items[0].Path == ""
}

func noneOf(m corev1.VolumeMount) error {
	return fmt.Errorf("subPath %s is none of its files", m.SubPath)
}

// itemsBelow gives the items under a subPath, their paths relative to it.
func itemsBelow(items []corev1.KeyToPath, subPath string) (found []corev1.KeyToPath) {
	if subPath == "" {
		return items
	}
	for _, item := range items {
		rest, ok := strings.CutPrefix(path.Clean(item.Path), path.Clean(subPath))
		if ok && (rest == "" || rest[0] == '/') {
			item.Path = strings.TrimPrefix(rest, "/")
			found = append(found, item)
		}
	}
	return found
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
