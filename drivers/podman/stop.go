package podman

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/pods"
	"github.com/containers/podman/v4/pkg/bindings/volumes"
	"github.com/containers/podman/v4/pkg/domain/entities"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/live"
)

// Stop stops the containers side by side, each within its grace period, then removes them, then the emptyDirs, then
// the pod. The pod goes last, so that a Stop that broke off can be told again.
func (d *Driver) Stop(ctx context.Context, name string) error {
	var pod *entities.PodInspectReport
	err := d.do(ctx, d.change, func(ctx context.Context) (err error) {
		pod, err = pods.Inspect(ctx, name, nil)
		return err
	})
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if pod.Labels[live.LabelCluster] != d.cluster {
		return fmt.Errorf("pod %s is not podkeep's", name)
	}
	return d.do(ctx, grace(pod.Labels)+d.change, func(ctx context.Context) error { return d.stop(ctx, pod) })
}

func grace(labels map[string]string) time.Duration {
	seconds, err := strconv.Atoi(labels[labelGrace])
	if err != nil {
		seconds = 30
	}
	return time.Duration(seconds) * time.Second
}

func (d *Driver) stop(ctx context.Context, pod *entities.PodInspectReport) error {
	if err := d.stopContainers(ctx, pod); err != nil {
		return err
	}
	if names := pod.Labels[labelVolumes]; names != "" {
		if err := d.removeVolumes(ctx, pod, strings.Split(names, ",")); err != nil {
			return err
		}
	}
	return removePod(ctx, pod.ID)
}

// mountLeft is said of a container whose start was cut off by the service's end, between a mount and the note of it. The
// container is gone all the same, and stood in the way of the pod's removal once.
const mountLeft = "device or resource busy"

// removePod removes a pod with all of its containers.
func removePod(ctx context.Context, name string) error {
	force := new(pods.RemoveOptions).WithForce(true)
	_, err := pods.Remove(ctx, name, force)
	if because(clean(err), mountLeft) {
		_, err = pods.Remove(ctx, name, force)
	}
	if gone(clean(err)) {
		return nil
	}
	return err
}

// stopContainers stops the main containers side by side, then the sidecars one by one, the last to start first, as the kubelet
// does. All of it shares the pod's grace period.
func (d *Driver) stopContainers(ctx context.Context, pod *entities.PodInspectReport) error {
	end := time.Now().Add(grace(pod.Labels))
	mains, sidecars := parts(pod)
	group, inGroup := errgroup.WithContext(ctx)
	for _, c := range mains {
		group.Go(func() error { return d.stopContainer(inGroup, pod, c, end) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, c := range slices.Backward(sidecars) {
		if err := d.stopContainer(ctx, pod, c, end); err != nil {
			return err
		}
	}
	return nil
}

// parts are the pod's containers that may run, and its sidecars among them in their order.
func parts(pod *entities.PodInspectReport) (mains, sidecars []define.InspectPodContainerInfo) {
	known, _ := live.ParsePod(pod.Name, pod.Labels)
	for _, c := range workload(pod) {
		if c.State == "running" || c.State == "paused" || c.State == "stopping" {
			mains = append(mains, c)
		}
	}
	for _, name := range live.Sidecars(known.Init) {
		i := slices.IndexFunc(mains, func(c define.InspectPodContainerInfo) bool { return c.Name == pod.Name+"-"+name })
		if i >= 0 {
			sidecars, mains = append(sidecars, mains[i]), slices.Delete(mains, i, i+1)
		}
	}
	return mains, sidecars
}

// leastGrace is what a container has to react to its signal, however long its preStop hook or those before it took.
const leastGrace = 2 * time.Second

// stopContainer runs the container's preStop hook, which may take as long as the pod's grace lasts and fail, and then has it
// signalled, and killed when what is left of the grace has passed.
func (d *Driver) stopContainer(ctx context.Context, pod *entities.PodInspectReport, c define.InspectPodContainerInfo, end time.Time) error {
	d.preStop(ctx, pod, c, end)
	left := max(min(leastGrace, grace(pod.Labels)), time.Until(end)).Round(time.Second)
	err := containers.Stop(ctx, c.ID, new(containers.StopOptions).WithTimeout(uint(left.Seconds())))
	if gone(clean(err)) {
		return nil
	}
	return err
}

// removeVolumes removes the emptyDirs, and before them the containers that use them.
func (d *Driver) removeVolumes(ctx context.Context, pod *entities.PodInspectReport, names []string) error {
	for _, c := range workload(pod) {
		if err := d.remove(ctx, c.ID); err != nil {
			return err
		}
	}
	for _, name := range names {
		err := d.ownVolume(ctx, name, pod.Name)
		if err == nil {
			err = volumes.Remove(ctx, name, nil)
		}
		if err != nil && !gone(clean(err)) {
			return fmt.Errorf("volume %s: %w", name, err)
		}
	}
	return nil
}

func workload(pod *entities.PodInspectReport) []define.InspectPodContainerInfo {
	var all []define.InspectPodContainerInfo
	for _, c := range pod.Containers {
		if c.ID != pod.InfraContainerID {
			all = append(all, c)
		}
	}
	return all
}
