package podman

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/containers/podman/v4/pkg/bindings/containers"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
)

// Permissions of what is made in volumes. Podman gives a new volume to the first container's user alone; Kubernetes gives an emptyDir
// to everybody.
const (
	everybodys = 0o777
	groups     = 0o775
	setGID     = 0o2000
)

// group is fsGroup, or root's.
func (b *builder) group() int {
	if g := b.podSecurity().FSGroup; g != nil {
		return int(*g)
	}
	return 0
}

// permissions are an emptyDir's. What is made below has the group of fsGroup too.
func (b *builder) permissions() int64 {
	if b.podSecurity().FSGroup != nil {
		return everybodys | setGID
	}
	return everybodys
}

// forGroup lets fsGroup read what only its owner may.
func (b *builder) forGroup(mode uint32) (uint32, uint32) {
	if b.podSecurity().FSGroup == nil {
		return mode, 0
	}
	return mode | 0o440, uint32(b.group())
}

// piece is a directory (its path ends in a slash) or a file to put into a volume.
type piece struct {
	path string
	mode int64
	data []byte
}

// seeds are what a Podman volume must hold, and how, before a container sees it. A volume that holds something may be seeded again.
func (b *builder) seeds(name string) []piece {
	v := b.vols[name]
	if pvc := v.PersistentVolumeClaim; pvc != nil && b.podSecurity().FSGroup != nil && slices.Contains(b.pod.Make, pvc.ClaimName) {
		return []piece{{path: "./", mode: groups | setGID}}
	}
	if !b.own(name) || inMemory(v) || b.programs[name] != nil {
		return nil
	}
	if len(b.texts[name]) == 0 {
		return []piece{{path: "./", mode: b.permissions()}}
	}
	return b.written(name, nil)
}

// written are the files of the downward API, and the others of the volume: with what they hold, by their secrets' names, or as places over
// which they are mounted.
func (b *builder) written(name string, content map[string][]byte) []piece {
	all := map[string]piece{}
	add := func(file string, e piece) {
		for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
			all[dir] = piece{path: dir + "/", mode: 0o755}
		}
		all[file] = e
	}
	if files := first(b.programs[name], b.vols[name].Secret); files != nil {
		for _, item := range files.Items {
			mode, _ := b.forGroup(itemMode(item, files))
			add(path.Clean(item.Path), piece{path: path.Clean(item.Path), mode: int64(mode), data: content[b.driver.secretName(item.Key)]})
		}
	}
	for _, t := range b.texts[name] {
		mode, _ := b.forGroup(uint32(t.Mode))
		add(path.Clean(t.Path), piece{path: path.Clean(t.Path), mode: int64(mode), data: t.Data})
	}
	list := []piece{{path: "./", mode: 0o755}}
	for _, e := range all {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b piece) int { return bytes.Compare([]byte(a.path), []byte(b.path)) })
	return list
}

// seed writes what the volumes must hold, through a container that mounts them, as long as none has run.
func (d *Driver) seed(ctx context.Context, b *builder, now []live.Container) error {
	if slices.ContainsFunc(now, func(c live.Container) bool { return c.State != live.Created }) {
		return nil
	}
	for _, v := range b.pod.Spec.Volumes {
		seeds := b.seeds(v.Name)
		i, dir := b.whole(v.Name)
		if len(seeds) == 0 || i < 0 {
			continue
		}
		if err := write(ctx, now[i].ID, dir, b.group(), false, seeds...); err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// whole is the first container that mounts all of a volume, and where; -1 if none does.
func (b *builder) whole(name string) (int, string) {
	for i, c := range b.containers {
		at := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == name && m.SubPath == "" })
		if at >= 0 {
			return i, c.VolumeMounts[at].MountPath
		}
	}
	return -1, ""
}

// write puts pieces below a directory of a container that need not run. They belong to root and the group, or
// to the container's user if users is true. What is there is replaced.
func write(ctx context.Context, container, dir string, group int, users bool, pieces ...piece) error {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range pieces {
		h := &tar.Header{Name: e.path, Mode: e.mode, Gid: group, Size: int64(len(e.data)), Typeflag: tar.TypeReg}
		if e.path[len(e.path)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(e.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	put, err := containers.CopyFromArchiveWithOptions(ctx, container, dir, &out, new(containers.CopyOptions).WithChown(users))
	if err != nil {
		return err
	}
	return put()
}
