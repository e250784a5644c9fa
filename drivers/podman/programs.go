package podman

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/specgen"
	corev1 "k8s.io/api/core/v1"
)

const (
	// scoutFiles is where a scout has the Files that are copied.
	scoutFiles = "/files"
	// copied ends the name of a Podman volume that holds copies of Files. No volume of a manifest has a dot in its name.
	copied = ".copied"
)

// programs are the volumes of Files that hold one to execute and are mounted where the root is read-only. Podman binds secrets noexec
// there, whatever their mode, so the pod gets copies of those Files in a volume of its own, which is not bound so.
func programs(spec corev1.PodSpec) map[string]bool {
	executable, found := map[string]bool{}, map[string]bool{}
	for _, v := range spec.Volumes {
		executable[v.Name] = v.Secret != nil && slices.ContainsFunc(v.Secret.Items, func(item corev1.KeyToPath) bool {
			return itemMode(item, v.Secret)&0o111 != 0
		})
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		if c.SecurityContext == nil || !is(c.SecurityContext.ReadOnlyRootFilesystem) {
			continue
		}
		for _, m := range c.VolumeMounts {
			if executable[m.Name] {
				found[m.Name] = true
			}
		}
	}
	return found
}

// asMade leaves out the volumes that a pod, which is there, was made without: its Files are mounted as they were.
func (b *builder) asMade(labels map[string]string) {
	made := strings.Split(labels[labelVolumes], ",")
	for name, files := range b.programs {
		if !slices.Contains(made, b.podmans(name)) {
			delete(b.programs, name)
			b.vols[name] = corev1.VolumeSource{Secret: files}
		}
	}
}

// install copies the Files of programs as long as no container has begun: the copy is whole before the first one starts, and one
// that broke off is made again. Podman shows what a secret holds to containers alone, so a scout has both.
func (d *Driver) install(ctx context.Context, b *builder, have members) error {
	if len(b.programs) == 0 || slices.ContainsFunc(slices.Collect(maps.Values(have)), begun) {
		return nil
	}
	s, err := b.copier(ctx)
	if err != nil {
		return err
	}
	return d.send(ctx, s, func(id string) error {
		if err := containers.Start(ctx, id, nil); err != nil {
			return err
		}
		content, err := read(ctx, id, s.Secrets)
		if err != nil {
			return err
		}
		for _, name := range b.programNames() {
			if err := write(ctx, id, path.Join(scoutVolumes, name), b.group(), false, b.written(name, content)...); err != nil {
				return fmt.Errorf("volume %s: %w", name, err)
			}
		}
		return nil
	})
}

func (b *builder) programNames() []string { return slices.Sorted(maps.Keys(b.programs)) }

// copier is a scout that has the volumes of programs, and the secrets of their Files under their own names.
func (b *builder) copier(ctx context.Context) (*specgen.SpecGenerator, error) {
	s := b.runningScout(b.containers[0])
	s.User = "0"
	for _, name := range b.programNames() {
		s.Volumes = append(s.Volumes, &specgen.NamedVolume{Name: b.podmans(name), Dest: path.Join(scoutVolumes, name), Options: []string{"rw", "nocopy"}})
		for _, item := range b.programs[name].Items {
			empty, err := b.driver.isEmpty(ctx, item.Key)
			if err != nil {
				return nil, fmt.Errorf("volume %s: %w", name, err)
			}
			secret := b.driver.secretName(item.Key)
			if has := func(s specgen.Secret) bool { return s.Source == secret }; !empty && !slices.ContainsFunc(s.Secrets, has) {
				s.Secrets = append(s.Secrets, specgen.Secret{Source: secret, Target: path.Join(scoutFiles, secret), Mode: 0o400})
			}
		}
	}
	return s, nil
}

// unpacked is what the files of an archive hold, by the last part of their names. An archive may say of a file that most of it are zeros, which it
// need not have: so what comes out is bounded as well.
func unpacked(archive io.Reader) (map[string][]byte, error) {
	content, left := map[string][]byte{}, int64(longestAnswer)
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return content, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if left -= h.Size; left < 0 {
			return nil, fmt.Errorf("the files of its answer have over %d MiB together", longestAnswer>>20)
		}
		if content[path.Base(h.Name)], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}

// read gives what the secrets of a scout hold, by their names.
func read(ctx context.Context, scout string, secrets []specgen.Secret) (map[string][]byte, error) {
	content := map[string][]byte{}
	if len(secrets) == 0 {
		return content, nil
	}
	var archive bytes.Buffer
	get, err := containers.CopyToArchive(ctx, scout, scoutFiles, &archive)
	if err == nil {
		err = get()
	}
	if err != nil {
		return nil, err
	}
	if content, err = unpacked(&archive); err != nil {
		return nil, err
	}
	for _, s := range secrets {
		if _, ok := content[s.Source]; !ok {
			return nil, fmt.Errorf("secret %s does not show in a container that has it", s.Source)
		}
	}
	return content, nil
}
