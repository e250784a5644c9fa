package podman

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/images"
	"github.com/containers/podman/v4/pkg/bindings/volumes"
	"github.com/containers/podman/v4/pkg/domain/entities"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// sideHost is the volume that is the directory of Podman's socket.
const sideHost = "podman"

// equip gives the node side's own pod what only this driver knows of the host. It is the socket's directory that is bound, so that a
// socket which is made anew is found. On a user's own Podman it is among its pods: from the host's network nobody reaches those.
func (d *Driver) equip(ctx context.Context, pod manifest.Pod) (manifest.Pod, error) {
	if !live.IsSide(pod.Labels) {
		return pod, nil
	}
	socket, err := d.client.dialer.socket(ctx)
	if err != nil {
		return pod, err
	}
	facts, err := d.inform(ctx)
	if err != nil {
		return pod, err
	}
	dir, name := path.Split(socket)
	pod.Spec = *pod.Spec.DeepCopy()
	pod.Spec.HostNetwork = pod.Spec.HostNetwork && !facts.Rootless
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{
		Name: sideHost, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path.Clean(dir)}},
	})
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: sideHost, MountPath: live.SideHost})
	c.Env = append(c.Env, corev1.EnvVar{Name: live.SidePodman, Value: path.Join(live.SideHost, name)},
		corev1.EnvVar{Name: live.SideNode, Value: d.node.Name}, corev1.EnvVar{Name: live.SideAddress, Value: d.hostAddress()})
	return pod, nil
}

// restartPolicy is Podman's own: podkeep starts again what ends, but for its node side, which has to do so itself, and doors.
func (b *builder) restartPolicy() string {
	if live.IsSide(b.pod.Labels) || live.IsDoor(b.pod.Labels) {
		return "always"
	}
	return "no"
}

func isSideImage(name string) bool { return strings.HasPrefix(name, live.SideImage+":") }

// sideImages are the names of the node side's images on the host.
func (d *Driver) sideImages(ctx context.Context) (names []string, err error) {
	err = d.do(ctx, d.change, func(ctx context.Context) error {
		listed, err := images.List(ctx, new(images.ListOptions).WithFilters(map[string][]string{"label": {live.LabelSide}}))
		for _, i := range listed {
			for _, name := range i.RepoTags {
				if isSideImage(name) {
					names = append(names, name)
				}
			}
		}
		return err
	})
	return names, err
}

// dropSideImages removes the node side's images but for some. Podman keeps those that a container has.
func (d *Driver) dropSideImages(ctx context.Context, but []string) {
	names, err := d.sideImages(ctx)
	if err != nil {
		return
	}
	for _, name := range names {
		if !slices.Contains(but, name) {
			_ = d.do(ctx, d.change, func(ctx context.Context) error {
				_, errs := images.Remove(ctx, []string{name}, nil)
				return errors.Join(errs...)
			})
		}
	}
}

// sideVolume is where the node side keeps what it knows.
func (d *Driver) sideVolume() string { return d.sideVolumes()[0] }

// sideVolumes are all of the node side's, sideVolume first.
func (d *Driver) sideVolumes() (names []string) {
	for _, claim := range live.SideClaims() {
		names = append(names, d.claimVolume(live.SideApp.Namespace+"/"+claim))
	}
	return names
}

// Remains says what Clean would remove: images that the node sides of other clusters have are none of it.
func (d *Driver) Remains(ctx context.Context) (what []string, err error) {
	for _, name := range d.sideVolumes() {
		err = d.do(ctx, d.change, func(ctx context.Context) error {
			_, err := volumes.Inspect(ctx, name, nil)
			if err == nil {
				what = append(what, "volume "+name)
			}
			return unlessGone(clean(err))
		})
		if err != nil {
			return nil, err
		}
	}
	err = d.do(ctx, d.look, func(ctx context.Context) error {
		_, err := d.ownNetwork(ctx, d.podNetwork())
		if err == nil {
			what = append(what, "network "+d.podNetwork())
		}
		return unlessNoNetwork(err)
	})
	if err != nil {
		return nil, err
	}
	names, err := d.sideImages(ctx)
	if err != nil {
		return nil, err
	}
	others, err := d.othersSides(ctx)
	for _, name := range names {
		if !slices.ContainsFunc(others, func(c entities.ListContainer) bool { return c.Image == name }) {
			what = append(what, "image "+name)
		}
	}
	return what, err
}

// othersSides are containers of the node sides and doors of other clusters: they are of one image.
func (d *Driver) othersSides(ctx context.Context) (all []entities.ListContainer, err error) {
	err = d.do(ctx, d.look, func(ctx context.Context) (err error) {
		all, err = containers.List(ctx, new(containers.ListOptions).WithAll(true).WithFilters(map[string][]string{"label": {live.LabelSide}}))
		return err
	})
	return slices.DeleteFunc(all, func(c entities.ListContainer) bool { return c.Labels[live.LabelCluster] == d.cluster }), err
}

// Clean removes the node side's volumes and images, and the network. The volumes go after the network: by them others see that something is left.
func (d *Driver) Clean(ctx context.Context) error {
	if err := d.Networkless(ctx, d.podNetwork()); err != nil {
		return err
	}
	for _, name := range d.sideVolumes() {
		err := d.do(ctx, d.change, func(ctx context.Context) error {
			_, err := volumes.Inspect(ctx, name, nil)
			if err == nil {
				err = volumes.Remove(ctx, name, nil)
			}
			return unlessGone(clean(err))
		})
		if err != nil {
			return err
		}
	}
	d.dropSideImages(ctx, nil)
	return nil
}
