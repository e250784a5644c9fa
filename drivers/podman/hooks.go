package podman

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/domain/entities"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
)

// labelPreStop is JSON on a pod: what to do in a container, by its name, before it is told to stop.
const labelPreStop = "podkeep.io/prestop"

// hook is what a lifecycle handler asks for: a command in the container, or a pause of so many seconds.
type hook struct {
	Exec  []string `json:",omitempty"`
	Sleep int64    `json:",omitempty"`
}

// newHook refuses what has to be asked of the pod's network, which this driver does not reach.
func newHook(h *corev1.LifecycleHandler) (hook, error) {
	switch {
	case h.Exec != nil:
		return hook{Exec: h.Exec.Command}, nil
	case h.Sleep != nil:
		return hook{Sleep: h.Sleep.Seconds}, nil
	}
	return hook{}, fmt.Errorf("only exec and sleep can be done")
}

// checkHooks says what is wrong with a container's hooks before anything is made.
func checkHooks(c *corev1.Container) error {
	if c.Lifecycle == nil {
		return nil
	}
	for name, h := range map[string]*corev1.LifecycleHandler{"postStart": c.Lifecycle.PostStart, "preStop": c.Lifecycle.PreStop} {
		if h == nil {
			continue
		}
		if _, err := newHook(h); err != nil {
			return fmt.Errorf("container %s: lifecycle.%s: %w", c.Name, name, err)
		}
	}
	return nil
}

// preStops is the label that keeps the pod's preStop hooks, or "".
func (b *builder) preStops() string {
	all := map[string]hook{}
	for _, c := range b.containers {
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
			all[c.Name], _ = newHook(c.Lifecycle.PreStop)
		}
	}
	if len(all) == 0 {
		return ""
	}
	text, _ := json.Marshal(all)
	return string(text)
}

// preStop is what a pod's label says of one of its containers.
func preStop(pod *entities.PodInspectReport, container string) (hook, bool) {
	var all map[string]hook
	_ = json.Unmarshal([]byte(pod.Labels[labelPreStop]), &all)
	h, ok := all[strings.TrimPrefix(container, pod.Name+"-")]
	return h, ok
}

// preStop runs a container's hook, which may fail, and is left alone at end.
func (d *Driver) preStop(ctx context.Context, pod *entities.PodInspectReport, c define.InspectPodContainerInfo, end time.Time) {
	h, ok := preStop(pod, c.Name)
	if !ok || c.State != "running" {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	_ = d.runHook(ctx, c.ID, h)
}

// postStart runs a container's hook. As in Kubernetes a container whose hook fails is stopped, and it is up to its
// restartPolicy what becomes of it; a hook whose container ended by itself has nothing to say.
func (d *Driver) postStart(ctx context.Context, c *corev1.Container, id string) error {
	if c.Lifecycle == nil || c.Lifecycle.PostStart == nil {
		return nil
	}
	h, err := newHook(c.Lifecycle.PostStart)
	if err == nil {
		err = d.runHook(ctx, id, h)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	if stopErr := containers.Stop(ctx, id, nil); stopErr != nil && !gone(clean(stopErr)) {
		return stopErr
	}
	return fmt.Errorf("container %s: lifecycle.postStart: %w: the container was stopped", c.Name, err)
}

func (b *builder) hasPostStart() bool {
	return slices.ContainsFunc(b.containers, func(c *corev1.Container) bool { return c.Lifecycle != nil && c.Lifecycle.PostStart != nil })
}

func (d *Driver) runHook(ctx context.Context, id string, h hook) error {
	if len(h.Exec) > 0 {
		return d.execHook(ctx, id, h.Exec)
	}
	return wait(ctx, time.Duration(h.Sleep)*time.Second)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// execHook runs a command in a container and waits for its end. Neither the command nor what it prints is repeated: a hook has the
// pod's secrets at hand, and a reason is written down on every node.
func (d *Driver) execHook(ctx context.Context, id string, command []string) error {
	code, err := d.Exec(ctx, live.Exec{Container: id, Command: command})
	if err != nil || code == 0 {
		return err
	}
	return fmt.Errorf("exited with %d", code)
}
