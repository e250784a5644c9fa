package podman

import (
	"context"
	"fmt"
	"slices"

	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/pods"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
)

// advance starts the containers whose turn it is, or stops the sidecars of a pod that has nothing left to do. now is what each of
// the builder's containers is.
func (d *Driver) advance(ctx context.Context, b *builder, now []live.Container, fresh bool) error {
	init := live.InitOf(b.pod.Spec)
	if live.Over(string(b.pod.Spec.RestartPolicy), init, now) {
		return d.endSidecars(ctx, live.Sidecars(init), now)
	}
	due := live.Due(init, now)
	if fresh && len(due) == len(now) && len(due) > 1 && !b.hasPostStart() {
		return startAll(ctx, b.pod.Name)
	}
	for i, c := range b.containers {
		if !slices.Contains(due, c.Name) {
			continue
		}
		if err := d.scoutAgain(ctx, b, c); err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
		if err := d.startOne(ctx, c, now[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// startAll starts all containers of a pod in one call.
func startAll(ctx context.Context, pod string) error {
	report, err := pods.Start(ctx, pod, nil)
	if err == nil && len(report.Errs) > 0 {
		err = report.Errs[0]
	}
	return err
}

// startOne starts a container. The next one waits until its postStart hook has ended.
func (d *Driver) startOne(ctx context.Context, c *corev1.Container, id string) error {
	if err := containers.Start(ctx, id, nil); err != nil {
		return err
	}
	return d.postStart(ctx, c, id)
}

// endSidecars stops the sidecars that still run, the last to start first.
func (d *Driver) endSidecars(ctx context.Context, names []string, now []live.Container) error {
	for _, name := range slices.Backward(names) {
		i := slices.IndexFunc(now, func(is live.Container) bool { return is.Name == name })
		if i < 0 || now[i].State != live.Running {
			continue
		}
		if err := containers.Stop(ctx, now[i].ID, nil); err != nil && !gone(clean(err)) {
			return fmt.Errorf("sidecar %s: %w", name, err)
		}
	}
	return nil
}
