package podman

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/pods"
	"github.com/containers/podman/v4/pkg/domain/entities"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// End signals the container rather than have Podman stop it: what Podman stops it calls stopping, and a look would take the pod for one
// that goes.
func (d *Driver) End(ctx context.Context, pod manifest.Pod, container string, grace time.Duration) error {
	ctx, end := guarded(ctx, live.GateOf(pod)), time.Now().Add(grace)
	is, c, err := d.running(ctx, pod.Name, container)
	if err != nil || c == nil {
		return err
	}
	d.preStop(ctx, is, *c, end)
	signal, err := d.stopSignalOf(ctx, c.ID)
	if err == nil {
		err = d.signal(ctx, c.ID, signal)
	}
	if err == nil {
		err = d.awaitExit(ctx, c.ID, max(min(leastGrace, grace), time.Until(end)))
	}
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	if err := d.signal(ctx, c.ID, int(syscall.SIGKILL)); err != nil {
		return err
	}
	return d.awaitExit(ctx, c.ID, d.change)
}

// running finds a container of a pod that runs; nil is none.
func (d *Driver) running(ctx context.Context, name, container string) (pod *entities.PodInspectReport, c *define.InspectPodContainerInfo, err error) {
	err = d.do(ctx, d.change, func(ctx context.Context) (err error) {
		pod, err = pods.Inspect(ctx, name, nil)
		return err
	})
	switch {
	case gone(err):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case pod.Labels[live.LabelCluster] != d.cluster:
		return nil, nil, fmt.Errorf("pod %s is not podkeep's", name)
	}
	i := slices.IndexFunc(pod.Containers, func(c define.InspectPodContainerInfo) bool {
		return c.Name == name+"-"+container && c.State == "running"
	})
	if i < 0 {
		return pod, nil, nil
	}
	return pod, &pod.Containers[i], nil
}

// stopSignalOf is the manifest's or the image's, as Podman keeps it.
func (d *Driver) stopSignalOf(ctx context.Context, id string) (int, error) {
	var c *define.InspectContainerData
	err := d.do(ctx, d.change, func(ctx context.Context) (err error) {
		c, err = containers.Inspect(ctx, id, nil)
		return err
	})
	if err != nil || c.Config == nil {
		return int(syscall.SIGTERM), unlessGone(err)
	}
	return cmp.Or(int(c.Config.StopSignal), int(syscall.SIGTERM)), nil
}

// notRunning is said of a container that has ended meanwhile.
const notRunning = "container state improper"

func (d *Driver) signal(ctx context.Context, id string, signal int) error {
	err := d.do(ctx, d.change, func(ctx context.Context) error {
		return containers.Kill(ctx, id, new(containers.KillOptions).WithSignal(strconv.Itoa(signal)))
	})
	if because(err, notRunning) {
		return nil
	}
	return unlessGone(err)
}

// awaitExit waits until a container has ended. After limit that is a DeadlineExceeded.
func (d *Driver) awaitExit(ctx context.Context, id string, limit time.Duration) error {
	return unlessGone(d.do(ctx, limit, func(ctx context.Context) error {
		_, err := containers.Wait(ctx, id, nil)
		return err
	}))
}

func unlessGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}
