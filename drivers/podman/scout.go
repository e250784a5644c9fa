package podman

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/volumes"
	"github.com/containers/podman/v4/pkg/copy"
	"github.com/containers/podman/v4/pkg/specgen"
	spec "github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
)

// below is a part of a volume that is mounted alone.
type below struct{ volume, subPath string }

// scoutName ends the name of a container that is none of the manifest's. Podman's API shows and makes files only through a container,
// so what has to be known or made before a container can be created is, through one that mounts all of it. No container
// of a manifest has a dot in its name.
const scoutName = ".scout"

// Where a scout has the node's files, or the pod's volumes.
const (
	scoutHost    = "/host"
	scoutVolumes = "/volumes"
)

// scout sees to it that what the container mounts from the node by path is there, and of the kind that the manifest says.
func (d *Driver) scout(ctx context.Context, b *builder, c *corev1.Container) error {
	var host []corev1.VolumeMount
	for _, m := range c.VolumeMounts {
		if typed(b.vols[m.Name].HostPath) {
			host = append(host, m)
		}
	}
	if err := d.scoutHost(ctx, b, c, host); err != nil {
		return err
	}
	if err := d.scoutVolumes(ctx, b, c); err != nil {
		return err
	}
	b.scouted[c.Name] = true
	return nil
}

// scoutAgain looks once more at the subPaths of a container that was made in an earlier Run: Podman finds out what they are when the
// container starts, and an init container, or a pod that used the claim before, may have put a link there since.
func (d *Driver) scoutAgain(ctx context.Context, b *builder, c *corev1.Container) error {
	if b.scouted[c.Name] {
		return nil
	}
	return d.scoutVolumes(ctx, b, c)
}

// alone are the mounts of a part of a volume in which a container can have made links.
func (b *builder) alone(c *corev1.Container) (all []corev1.VolumeMount) {
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" && !b.oneFile(m) && (b.vols[m.Name].HostPath != nil || b.podmans(m.Name) != "") {
			all = append(all, m)
		}
	}
	return all
}

func typed(h *corev1.HostPathVolumeSource) bool { return h != nil && h.Type != nil && *h.Type != "" }

// scoutHost looks at the node's files through a container that is never started: so symbolic links lead where they lead on the node.
func (d *Driver) scoutHost(ctx context.Context, b *builder, c *corev1.Container, mounts []corev1.VolumeMount) error {
	if len(mounts) == 0 {
		return nil
	}
	s := b.scoutSpec(c)
	s.Mounts = []spec.Mount{{Type: "bind", Source: "/", Destination: scoutHost, Options: []string{"bind", "rw"}}}
	return d.send(ctx, s, func(id string) error {
		for _, m := range mounts {
			at := b.vols[m.Name].HostPath
			if err := exploreHost(ctx, id, at.Path, *at.Type); err != nil {
				return fmt.Errorf("volume %s: %w", m.Name, err)
			}
		}
		return nil
	})
}

// scoutVolumes looks into volumes through a container that runs Podman's own init and nothing else: only of one that runs does Podman
// tell symbolic links.
func (d *Driver) scoutVolumes(ctx context.Context, b *builder, c *corev1.Container) error {
	mounts := b.alone(c)
	if len(mounts) == 0 {
		return nil
	}
	s := b.runningScout(c)
	user, err := b.user(ctx, c)
	if err != nil {
		return err
	}
	s.User = user
	seen := map[string]bool{}
	for _, m := range mounts {
		if inMemory(b.vols[m.Name]) {
			return fmt.Errorf("volume %s: subPath of a volume in memory cannot be mounted", m.Name)
		}
		at := path.Join(scoutVolumes, m.Name)
		switch host := b.vols[m.Name].HostPath; {
		case seen[m.Name]:
		case host != nil:
			s.Mounts = append(s.Mounts, spec.Mount{Type: "bind", Source: host.Path, Destination: at, Options: []string{"rbind", "ro"}})
		default:
			s.Volumes = append(s.Volumes, &specgen.NamedVolume{Name: b.podmans(m.Name), Dest: at, Options: []string{"rw", "nocopy"}})
		}
		seen[m.Name] = true
	}
	err = d.send(ctx, s, func(id string) error {
		if err := containers.Start(ctx, id, nil); err != nil {
			return err
		}
		for _, m := range mounts {
			if err := b.findBelow(ctx, id, m); err != nil {
				return fmt.Errorf("volume %s: %w", m.Name, err)
			}
		}
		return nil
	})
	return b.missingPath(c, clean(err))
}

// scoutSpec is a container of the pod that mounts nothing yet. It has the image of the container it goes ahead of, which is there.
func (b *builder) scoutSpec(c *corev1.Container) *specgen.SpecGenerator {
	s := specgen.NewSpecGenerator(c.Image, false)
	s.Name, s.Pod = b.pod.Name+scoutName, b.pod.Name
	s.Entrypoint, s.Command = []string{"/none"}, []string{}
	s.RestartPolicy, s.Systemd = "no", "false"
	s.Labels = map[string]string{live.LabelCluster: b.driver.cluster}
	return s
}

// runningScout runs Podman's own init and nothing else, among no other processes: Podman refuses its init there.
func (b *builder) runningScout(c *corev1.Container) *specgen.SpecGenerator {
	s := b.scoutSpec(c)
	s.Init, s.Entrypoint = true, []string{define.ContainerInitPath, "-P"}
	s.PidNS = specgen.Namespace{NSMode: specgen.Private}
	return s
}

// send makes the scout for as long as look lasts. One that was left behind goes.
func (d *Driver) send(ctx context.Context, s *specgen.SpecGenerator, look func(id string) error) error {
	if err := d.remove(ctx, s.Name); err != nil {
		return err
	}
	made, err := containers.CreateWithSpec(ctx, s, nil)
	if because(clean(err), noSuchImage) {
		return fmt.Errorf("image %s is not on the node", s.Image)
	}
	if err != nil {
		return err
	}
	err = look(made.ID)
	if gone := d.remove(ctx, made.ID); err == nil {
		err = gone
	}
	return err
}

// findBelow makes a subPath, if it is missing, and finds where on the node it is. Below a hostPath nothing is made.
func (b *builder) findBelow(ctx context.Context, scout string, m corev1.VolumeMount) error {
	if b.vols[m.Name].HostPath != nil {
		_, _, err := follow(ctx, scout, m)
		return err
	}
	at, err := volumes.Inspect(ctx, b.podmans(m.Name), nil)
	if err != nil {
		return err
	}
	if err := exploreVolume(ctx, b, scout, m); err != nil {
		return err
	}
	b.below[below{m.Name, m.SubPath}] = path.Join(at.Mountpoint, m.SubPath)
	return nil
}

// exploreVolume makes the part of the volume that is missing, as directories.
func exploreVolume(ctx context.Context, b *builder, scout string, m corev1.VolumeMount) error {
	if whole, _ := b.whole(m.Name); whole < 0 {
		if err := write(ctx, scout, path.Join(scoutVolumes, m.Name), b.group(), false, b.seeds(m.Name)...); err != nil {
			return err
		}
	}
	at, missing, err := follow(ctx, scout, m)
	switch {
	case err != nil || len(missing) == 0:
		return err
	case b.programs[m.Name] != nil:
		return noneOf(m)
	}
	return b.makeDirs(ctx, scout, m.Name, at, missing)
}

// follow goes as far down a subPath as there is something, and says what is missing below that. A symbolic link on the way
// is refused: Podman would follow it on the node, out of the volume. What is found here holds until the container starts, since no
// container that could change it runs beside this one: manifest and plan see to that.
func follow(ctx context.Context, scout string, m corev1.VolumeMount) (at string, missing []string, err error) {
	at = path.Join(scoutVolumes, m.Name)
	parts := strings.Split(path.Clean(m.SubPath), "/")
	for i, part := range parts {
		info, err := stat(ctx, scout, path.Join(at, part))
		if errors.Is(err, fs.ErrNotExist) {
			return at, parts[i:], nil
		}
		if err != nil {
			return at, nil, err
		}
		at = path.Join(at, part)
		switch {
		case info&fs.ModeSymlink != 0:
			return at, nil, fmt.Errorf("subPath %s: %s is a symbolic link, which may lead out of the volume: put what it leads to in its place", m.SubPath, part)
		case i < len(parts)-1 && !info.IsDir():
			return at, nil, fmt.Errorf("subPath %s: %s is not a directory", m.SubPath, part)
		}
	}
	return at, nil, nil
}

// makeDirs makes directories one below the other. In a claim they belong to the container's user, unless there is an fsGroup.
func (b *builder) makeDirs(ctx context.Context, scout, volume, at string, parts []string) error {
	mode, users := b.permissions(), false
	if b.vols[volume].PersistentVolumeClaim != nil {
		mode, users = groups|setGID, false
		if b.podSecurity().FSGroup == nil {
			mode, users = 0o755, true
		}
	}
	return write(ctx, scout, at, b.group(), users, dirs(parts, mode)...)
}

func dirs(parts []string, mode int64) (all []piece) {
	for i := range parts {
		all = append(all, piece{path: strings.Join(parts[:i+1], "/") + "/", mode: mode})
	}
	return all
}

// kinds are what a hostPath's type asks for.
var kinds = map[corev1.HostPathType]struct {
	is   func(fs.FileMode) bool
	what string
}{
	corev1.HostPathDirectory:         {fs.FileMode.IsDir, "directory"},
	corev1.HostPathDirectoryOrCreate: {fs.FileMode.IsDir, "directory"},
	corev1.HostPathFile:              {fs.FileMode.IsRegular, "file"},
	corev1.HostPathFileOrCreate:      {fs.FileMode.IsRegular, "file"},
	corev1.HostPathSocket:            {func(m fs.FileMode) bool { return m&fs.ModeSocket != 0 }, "socket"},
	corev1.HostPathCharDev:           {func(m fs.FileMode) bool { return m&fs.ModeCharDevice != 0 }, "character device"},
	corev1.HostPathBlockDev:          {func(m fs.FileMode) bool { return m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 }, "block device"},
}

// exploreHost sees that a path of the node is what its type says, and makes it if the type says that.
func exploreHost(ctx context.Context, scout, file string, kind corev1.HostPathType) error {
	k, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("hostPath.type %s is not known", kind)
	}
	info, err := stat(ctx, scout, scoutHost+file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && kind == corev1.HostPathDirectoryOrCreate:
		return makeHostDirs(ctx, scout, file)
	case errors.Is(err, fs.ErrNotExist) && kind == corev1.HostPathFileOrCreate:
		return makeHostFile(ctx, scout, file)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not on the node, and hostPath.type %s makes nothing: make it there", file, kind)
	case err != nil:
		return err
	case !k.is(info):
		return fmt.Errorf("%s is not a %s, as hostPath.type %s asks", file, k.what, kind)
	}
	return nil
}

func makeHostDirs(ctx context.Context, scout, dir string) error {
	var missing []string
	for at := path.Clean(dir); ; at = path.Dir(at) {
		_, err := stat(ctx, scout, scoutHost+at)
		if err == nil || at == "/" {
			return write(ctx, scout, scoutHost+at, 0, false, dirs(missing, 0o755)...)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append([]string{path.Base(at)}, missing...)
	}
}

// makeHostFile makes no directories, as Kubernetes does not.
func makeHostFile(ctx context.Context, scout, file string) error {
	dir, name := path.Split(path.Clean(file))
	if _, err := stat(ctx, scout, scoutHost+dir); err != nil {
		return fmt.Errorf("%s is not on the node: make it there", dir)
	}
	return write(ctx, scout, scoutHost+dir, 0, false, piece{path: name, mode: 0o644})
}

// stat looks at a path in a container. An error that is fs.ErrNotExist says that there is nothing, not even a link to it.
func stat(ctx context.Context, container, file string) (fs.FileMode, error) {
	report, err := containers.Stat(ctx, container, file)
	switch {
	case report != nil:
		return report.Mode, nil
	case errors.Is(err, copy.ErrENOENT):
		return 0, fs.ErrNotExist
	}
	return 0, err
}
