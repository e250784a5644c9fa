package podman

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/pods"
	"github.com/containers/podman/v4/pkg/domain/entities"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Run makes the pod so. A pod that is new costs three calls: create the pod, create its container, start. Whatever a
// crash left is taken as it is and finished: that is looked at only when Podman says that the pod exists. All containers are
// made at once; a pod with init containers needs a Run for each step of its start, since none waits for a container to end.
func (d *Driver) Run(ctx context.Context, pod manifest.Pod) error {
	return lacking(d.do(guarded(ctx, live.GateOf(pod)), d.change+live.Extra(pod), func(ctx context.Context) error { return d.run(ctx, pod) }))
}

func (d *Driver) run(ctx context.Context, pod manifest.Pod) error {
	if err := d.beyond(ctx, pod); err != nil {
		return err
	}
	pod, err := d.equip(ctx, pod)
	if err != nil {
		return err
	}
	b, err := newBuilder(d, pod)
	if err != nil {
		return err
	}
	have, err := d.ground(ctx, b)
	if err != nil {
		return err
	}
	err = d.raise(ctx, b, have)
	if !because(clean(err), startBrokeOff...) {
		return err
	}
	if taken := d.taken(ctx, b); taken != nil {
		return taken
	}
	if have != nil {
		err = d.raiseAgain(ctx, b)
	}
	return d.reason(ctx, b, err)
}

// reason is why a container did not start when that is the infra container, of whose trouble Podman tells only who starts that one by itself.
func (d *Driver) reason(ctx context.Context, b *builder, err error) error {
	if because(clean(err), "starting some containers") {
		return cmp.Or(containers.Start(ctx, b.infra, nil), err)
	}
	return err
}

// taken is why a pod did not start whose address another container has. Podman tells it of the infra container alone.
func (d *Driver) taken(ctx context.Context, b *builder) error {
	if !b.pod.Net.IP.IsValid() {
		return nil
	}
	err := clean(containers.Start(ctx, b.infra, nil))
	if !because(err, addressTaken) {
		return nil
	}
	return fmt.Errorf("address %s %w: %w", b.pod.Net.IP, live.ErrTaken, err)
}

// startBrokeOff is what Podman says of a container whose start was cut off by the service's end: the runtime has it, or the
// infra container's network is half there, and Podman does not know. That first attempt to start it clears most of it.
var startBrokeOff = []string{"container with given ID already exists", "internal libpod error", "failed: exit status", "file exists"}

// raiseAgain finishes what a cut-off start left: containers that never ran, by Podman's account, or not since the host was restarted,
// are made anew. Where that does not help, and nothing else of the pod is there, all of the pod is.
func (d *Driver) raiseAgain(ctx context.Context, b *builder) error {
	have, err := d.ground(ctx, b)
	if err != nil {
		return err
	}
	for name, h := range have {
		if begun(h) {
			continue
		}
		if err := d.remove(ctx, h.ID); err != nil {
			return err
		}
		delete(have, name)
	}
	err = d.raise(ctx, b, have)
	if len(have) > 0 || !because(clean(err), startBrokeOff...) {
		return err
	}
	if err := d.again(ctx, b); err != nil {
		return err
	}
	return d.raise(ctx, b, nil)
}

// begun says whether a container was started since its host was.
func begun(c live.Container) bool { return c.State != live.Created && !c.Felled() }

// raise makes the containers that the pod lacks and starts those whose turn it is.
func (d *Driver) raise(ctx context.Context, b *builder, have members) error {
	clear(b.scouted)
	if err := d.makeVolumes(ctx, b); err != nil {
		return err
	}
	if err := d.install(ctx, b, have); err != nil {
		return err
	}
	if err := d.locate(ctx, b); err != nil {
		return err
	}
	b.settle()
	now := make([]live.Container, 0, len(b.containers))
	for _, c := range b.containers {
		is, err := d.ready(ctx, b, c, have[c.Name])
		if err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
		now = append(now, is)
	}
	if err := d.seed(ctx, b, now); err != nil {
		return err
	}
	return d.advance(ctx, b, now, have == nil)
}

// members are the containers of a pod as they were found, by their names in the manifest.
type members map[string]live.Container

// ran says whether a container of them ever did.
func (m members) ran() bool {
	for _, c := range m {
		if !c.Started.IsZero() {
			return true
		}
	}
	return false
}

// ground makes the pod, or finds it and says which containers it has. The answer is nil for a pod that was just made.
func (d *Driver) ground(ctx context.Context, b *builder) (members, error) {
	if !b.pod.There {
		if err := d.createPod(ctx, b); !because(clean(err), podExists, nameInUse) {
			return nil, err
		}
	}
	found, err := pods.Inspect(ctx, b.pod.Name, nil)
	switch {
	case gone(clean(err)) && b.pod.There:
		return nil, fmt.Errorf("pod %s is not there any more", b.pod.Name)
	case gone(clean(err)):
		return nil, fmt.Errorf("the name %s is taken by a container that is not podkeep's", b.pod.Name)
	case err != nil:
		return nil, err
	case found.Labels[live.LabelCluster] != d.cluster:
		return nil, fmt.Errorf("pod %s is there and is not podkeep's: remove or rename it", b.pod.Name)
	case !hasInfra(found):
		return nil, d.again(ctx, b)
	}
	have, err := d.members(ctx, found.ID)
	if err == nil && found.Labels[live.LabelIP] != b.pod.Labels[live.LabelIP] && !b.pod.There && !have.ran() {
		return nil, d.again(ctx, b)
	}
	b.infra = found.InfraContainerID
	b.asMade(found.Labels)
	b.asNamed(found.Labels)
	return have, err
}

func (d *Driver) createPod(ctx context.Context, b *builder) error {
	spec, err := b.podSpec()
	if err != nil {
		return err
	}
	made, err := pods.CreatePodFromSpec(ctx, &entities.PodSpec{PodSpecGen: spec})
	if err == nil {
		b.infra = made.Id[:12] + "-infra"
	}
	return err
}

// again replaces a pod whose making broke off before its infra container was there, or that never ran and is to have another address.
func (d *Driver) again(ctx context.Context, b *builder) error {
	if b.pod.There {
		return fmt.Errorf("pod %s is too broken to be mended: it has to be made anew", b.pod.Name)
	}
	if err := removePod(ctx, b.pod.Name); err != nil {
		return err
	}
	return d.createPod(ctx, b)
}

func hasInfra(pod *entities.PodInspectReport) bool {
	return slices.ContainsFunc(pod.Containers, func(c define.InspectPodContainerInfo) bool { return c.ID == pod.InfraContainerID })
}

// members are the containers of a pod by their names in the manifest. A scout that was left behind has none.
func (d *Driver) members(ctx context.Context, podID string) (members, error) {
	listed, err := containers.List(ctx, new(containers.ListOptions).WithAll(true).WithFilters(map[string][]string{"pod": {podID}}))
	if err != nil {
		return nil, err
	}
	have := members{}
	for _, c := range listed {
		if c.IsInfra || isPrevious(c) || c.Labels[live.LabelContainer] == "" {
			continue
		}
		is := world{}.container(c) // by the host's own clock, which does for what is compared
		have[is.Name] = is
	}
	return have, nil
}

// ready sees to it that the container exists in the attempt asked for, and says what it is then.
func (d *Driver) ready(ctx context.Context, b *builder, c *corev1.Container, have live.Container) (live.Container, error) {
	over := have.State == live.Exited
	switch {
	case over && have.Attempt < b.pod.Attempt[c.Name]:
		if err := d.setAside(ctx, have.ID, b.containerName(c)); err != nil {
			return have, err
		}
	case have.ID != "":
		return have, nil
	}
	id, err := d.create(ctx, b, c)
	return live.Container{ID: id, Name: c.Name, State: live.Created}, err
}

func (d *Driver) create(ctx context.Context, b *builder, c *corev1.Container) (string, error) {
	if err := d.scout(ctx, b, c); err != nil {
		return "", err
	}
	spec, err := b.container(ctx, c)
	if err != nil {
		return "", err
	}
	made, err := containers.CreateWithSpec(ctx, spec, nil)
	if because(clean(err), nameInUse) {
		if err := d.clear(ctx, spec.Name); err != nil {
			return "", err
		}
		made, err = containers.CreateWithSpec(ctx, spec, nil)
	}
	if because(clean(err), noSuchImage) {
		return "", fmt.Errorf("image %s is not on the node", c.Image)
	}
	return made.ID, b.missingPath(c, clean(err))
}

// clear frees a name that Podman's storage still holds though there is no such container: its making broke off.
func (d *Driver) clear(ctx context.Context, name string) error {
	_, err := containers.Inspect(ctx, name, nil)
	if err == nil {
		return fmt.Errorf("the name %s is taken by a container that is not of this pod: remove or rename it", name)
	}
	if !gone(clean(err)) {
		return err
	}
	return d.remove(ctx, name)
}

func (d *Driver) remove(ctx context.Context, container string) error {
	_, err := containers.Remove(ctx, container, new(containers.RemoveOptions).WithForce(true).WithVolumes(true))
	if gone(clean(err)) {
		return nil
	}
	return err
}

// locate finds the pod's address when a container's environment asks for it, which needs the infra container to run.
func (d *Driver) locate(ctx context.Context, b *builder) error {
	if !b.addressed {
		return nil
	}
	if at := b.pod.Net; at.IP.IsValid() && at.DNS.IsValid() {
		b.at = network{at.IP.String(), cmp.Or(d.hostAddress(), at.DNS.String())}
		return nil
	}
	if err := containers.Start(ctx, b.infra, nil); err != nil {
		return err
	}
	at, err := d.inspectNetwork(ctx, b.infra)
	b.at = network{at.ip, cmp.Or(d.hostAddress(), at.gateway, "127.0.0.1")}
	b.at.ip = cmp.Or(b.at.ip, b.at.gateway)
	return err
}
