package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// driver reaches one host for one controller.
type driver struct {
	world   *World
	name    string
	cluster string
	fuse    *Fuse
	local   bool  // it is on the host, and needs no network
	word    *word // of its node side, the last that was heard
}

var (
	_ drivers.Driver  = driver{}
	_ drivers.Puller  = driver{}
	_ drivers.Watcher = driver{}
)

// Open is a driver for the host at an address, such as its name, on behalf of a cluster. The fuse, shared by all drivers of one
// controller, may be nil. A host that does not exist never answers.
func (w *World) Open(name, cluster string, fuse *Fuse) drivers.Driver {
	return driver{world: w, name: name, cluster: cluster, fuse: fuse, word: &word{}}
}

// Local is a driver on the host itself.
func (w *World) Local(name, cluster string) drivers.Driver {
	return driver{world: w, name: name, cluster: cluster, local: true, word: &word{}}
}

func (d driver) Close() error { return nil }

func (d driver) Observe(ctx context.Context) (n live.Node, err error) {
	err = d.call(ctx, List, func(h *host) error {
		n = h.node(d.cluster, d.world.now())
		h.says(&n, d.cluster, d.world.now())
		d.word.keeps(&n.Side, h.tables[d.cluster], h.ranged(d.cluster), h.kept(d.cluster), d.world.now())
		if h.users && n.Side.Heard() {
			n.Side.Net.None = "it is a user's own"
		}
		n.Name, n.Known = "", false
		return nil
	})
	return n, err
}

// call does one thing on a host that answers, with the world locked.
func (d driver) call(ctx context.Context, call Call, do func(*host) error) error {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.fuse.dead() {
		return ErrKilled
	}
	h := d.world.hosts[d.world.at(d.name)]
	if h == nil || h.cut && !d.local || h.down {
		return ErrTimeout
	}
	h.settle(d.world.now())
	lost, err := h.strike(call)
	if err != nil {
		return err
	}
	err = do(h)
	h.settle(d.world.now())
	if err == nil && lost {
		return ErrTimeout
	}
	return err
}

// strike uses up one fault of the call, if there is one.
func (h *host) strike(call Call) (lost bool, err error) {
	for i := range h.faults {
		f := &h.faults[i]
		if f.call != call || f.left == 0 {
			continue
		}
		f.left--
		if f.lost {
			return true, nil
		}
		return false, ErrBroken
	}
	return false, nil
}

// write counts one change of the host and burns the fuse. The change is made before; an error means that the controller
// does not live to hear of it.
func (d driver) write(h *host) error {
	d.world.writes++
	h.poke()
	if d.fuse == nil {
		return nil
	}
	d.fuse.Left--
	if d.fuse.dead() {
		return ErrKilled
	}
	return nil
}

func (d driver) Pull(ctx context.Context, image, policy string, _ ...manifest.Bytes) error {
	return d.call(ctx, Pull, func(h *host) error {
		if h.store[image] && policy != string(corev1.PullAlways) {
			return nil
		}
		if policy == string(corev1.PullNever) {
			return fmt.Errorf("pull %s: not there, and the policy is Never", image)
		}
		if why := d.world.image(image).Denied; why != "" {
			return fmt.Errorf("pull %s: %s", image, why)
		}
		if h.store[image] {
			return nil
		}
		h.store[image] = true
		return d.write(h)
	})
}

func (d driver) Run(ctx context.Context, want manifest.Pod) error {
	return d.call(ctx, Run, func(h *host) error { return d.run(h, want) })
}

// run is many writes: the pod, then for each container its removal if it is to be made anew and its creation, then the
// start of each container whose turn it is.
func (d driver) run(h *host, want manifest.Pod) error {
	p := h.pods[want.Name]
	if p != nil && p.labels[live.LabelCluster] != d.cluster {
		return fmt.Errorf("run %s: the name is taken by a pod that is not ours", want.Name)
	}
	if err := d.ready(h, want); err != nil {
		return err
	}
	if p != nil && !want.There && p.labels[live.LabelIP] != want.Labels[live.LabelIP] && !p.ran() {
		p = nil
	}
	if p == nil && want.There {
		return fmt.Errorf("run %s: the pod is not there any more", want.Name)
	}
	if p == nil {
		p = newPod(want.Name, want.Labels, want, h.stamp(d.world.now()))
		h.pods[want.Name] = p
		if err := d.write(h); err != nil {
			return err
		}
	}
	if err := d.volumes(h, want); err != nil {
		return err
	}
	for _, c := range containers(want.Spec) {
		if err := d.container(h, p, c, want.Attempt[c.Name]); err != nil {
			return err
		}
	}
	return d.turn(h, p, want.Spec)
}

func containers(spec corev1.PodSpec) []corev1.Container {
	return slices.Concat(spec.InitContainers, spec.Containers)
}

// turn starts the containers that are due, or, when the pod is over, ends its sidecars.
func (d driver) turn(h *host, p *pod, spec corev1.PodSpec) error {
	init, have := live.InitOf(spec), p.list(h.skew)
	due := live.Due(init, have)
	over := live.Over(string(spec.RestartPolicy), init, have)
	sidecars := live.Sidecars(init)
	for _, c := range p.containers {
		var err error
		switch {
		case over && c.state == live.Running && slices.Contains(sidecars, c.name):
			c.end(h.stamp(d.world.now()), 143)
			err = d.write(h)
		case !over && slices.Contains(due, c.name) && c.begins.IsZero():
			err = d.start(h, p, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// volumes makes the volumes that the pod may make, and misses the others.
func (d driver) volumes(h *host, want manifest.Pod) error {
	for _, claim := range manifest.ClaimsOf(want.Spec) {
		id := want.Namespace + "/" + claim
		volume := d.cluster + "/" + id
		switch {
		case h.volumes[volume]:
		case !slices.Contains(want.Make, claim):
			return fmt.Errorf("run %s: the volume of claim %s is not there", want.Name, id)
		default:
			h.volumes[volume] = true
			if err := d.write(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// ready says whether images and Files are there.
func (d driver) ready(h *host, want manifest.Pod) error {
	for _, c := range containers(want.Spec) {
		if !h.store[c.Image] {
			return fmt.Errorf("run %s: %s: no such image", want.Name, c.Image)
		}
	}
	for _, name := range Files(want.Spec) {
		if f := h.files[d.cluster+"-"+name]; f == nil || !f.whole {
			return fmt.Errorf("run %s: no file %s", want.Name, name)
		}
	}
	return nil
}

// Files are the names of the Files that a rendered spec names.
func Files(spec corev1.PodSpec) (names []string) {
	for _, c := range containers(spec) {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				names = append(names, e.ValueFrom.SecretKeyRef.Name)
			}
		}
	}
	for _, v := range spec.Volumes {
		if v.Secret != nil {
			for _, item := range v.Secret.Items {
				names = append(names, item.Key)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// container brings one container to the asked attempt. One that exited at that attempt or a later one is left so.
func (d driver) container(h *host, p *pod, spec corev1.Container, attempt int) error {
	i := slices.IndexFunc(p.containers, func(c *container) bool { return c.name == spec.Name })
	if i >= 0 && p.containers[i].attempt < attempt && p.containers[i].state == live.Exited {
		p.keep(p.containers[i])
		p.containers = slices.Delete(p.containers, i, i+1)
		if err := d.write(h); err != nil {
			return err
		}
		i = -1
	}
	if i < 0 {
		p.containers = append(p.containers, &container{
			id: d.world.id(), name: spec.Name, image: spec.Image, attempt: attempt, state: live.Created,
			created: h.stamp(d.world.now()), labels: labels(p.labels, spec.Name, attempt),
		})
		return d.write(h)
	}
	return nil
}

func (d driver) start(h *host, p *pod, c *container) error {
	if err := d.ports(h, p); err != nil {
		return err
	}
	if err := d.address(h, p); err != nil {
		return err
	}
	image := d.world.image(c.image).at(p.spec.Spec, c.name)
	c.state, c.begins = live.Created, d.world.now().Add(image.Starts)
	c.ends, c.code = time.Time{}, image.Exit
	healed := image.Heals > 0 && live.Restarts(c.attempt) >= image.Heals
	if image.Ends > 0 && (!healed || image.Ended) {
		c.ends = c.begins.Add(image.Ends)
	}
	if c.is = image; healed {
		c.code, c.is.Hangs = 0, 0
	}
	return d.write(h)
}

func labels(pod map[string]string, name string, attempt int) map[string]string {
	out := map[string]string{live.LabelContainer: name, live.LabelAttempt: strconv.Itoa(attempt)}
	for k, v := range pod {
		out[k] = v
	}
	return out
}

// ports refuses a start when another pod holds one of the pod's host ports.
func (d driver) ports(h *host, p *pod) error {
	for _, other := range h.pods {
		if other == p || !slices.ContainsFunc(other.containers, func(c *container) bool { return c.state == live.Running }) {
			continue
		}
		for _, port := range hostPorts(p) {
			if slices.Contains(hostPorts(other), port) {
				return fmt.Errorf("run %s: listen %s: address already in use", p.name, port)
			}
		}
	}
	return nil
}

// address refuses a start when a pod that runs, of whichever cluster, has the address that the plan gave.
func (d driver) address(h *host, p *pod) error {
	for _, other := range h.pods {
		ip := p.labels[live.LabelIP]
		if ip != "" && other != p && other.labels[live.LabelIP] == ip && slices.ContainsFunc(other.containers, func(c *container) bool { return c.state == live.Running }) {
			return fmt.Errorf("run %s: address %s %w", p.name, ip, live.ErrTaken)
		}
	}
	return nil
}

// ran says whether a container of it ever did.
func (p *pod) ran() bool {
	return slices.ContainsFunc(p.containers, func(c *container) bool { return !c.started.IsZero() || !c.begins.IsZero() })
}

func hostPorts(p *pod) (ports []string) {
	for _, c := range containers(p.spec.Spec) {
		for _, port := range c.Ports {
			if port.HostPort != 0 {
				ports = append(ports, fmt.Sprint(port.HostIP, ":", port.HostPort, "/", port.Protocol))
			}
		}
	}
	slices.Sort(ports)
	return ports
}

func (d driver) Stop(ctx context.Context, name string) error {
	return d.call(ctx, Stop, func(h *host) error {
		p := h.pods[name]
		if p == nil {
			return nil
		}
		if p.labels[live.LabelCluster] != d.cluster {
			return fmt.Errorf("stop %s: not ours", name)
		}
		lingers, told := false, false
		for _, c := range p.containers {
			told = told || !c.stopping
			lingers = d.stop(h, c) || lingers
		}
		if lingers && !told {
			return ErrTimeout
		}
		if err := d.write(h); err != nil {
			return err
		}
		if lingers {
			return ErrTimeout
		}
		delete(h.pods, name)
		return d.write(h)
	})
}

// stop ends a container that runs, or begins to and says so.
func (d driver) stop(h *host, c *container) (lingers bool) {
	now := d.world.now()
	switch stops := d.world.image(c.image).Stops; {
	case c.state != live.Running:
	case c.stopping:
		return true
	case stops > 0:
		c.stopping, c.ends, c.code = true, now.Add(stops), 143
		return true
	default:
		c.end(h.stamp(now), 143)
	}
	return false
}

// Put is two writes here, though a Podman secret is one: between them the File is on the host and not whole.
func (d driver) Put(ctx context.Context, want manifest.File) error {
	return d.call(ctx, Put, func(h *host) error {
		key := d.cluster + "-" + want.Name
		f := h.files[key]
		if f != nil && f.whole {
			return nil
		}
		if f == nil {
			f = &file{cluster: d.cluster, name: want.Name}
			h.files[key] = f
			if err := d.write(h); err != nil {
				return err
			}
		}
		f.labels, f.data, f.whole = maps.Clone(want.Labels), slices.Clone([]byte(want.Data)), true
		f.signer = live.FileSigner(want.Name, f.labels)
		if r, ok := live.ParseReceipt(f.labels); ok {
			r.File, r.Signer = want.Name, f.signer
			f.receipt = &r
		}
		return d.write(h)
	})
}

func (d driver) Delete(ctx context.Context, name string) error {
	return d.call(ctx, Delete, func(h *host) error {
		key := d.cluster + "-" + name
		if h.files[key] == nil {
			return nil
		}
		delete(h.files, key)
		return d.write(h)
	})
}

func (d driver) Watch(ctx context.Context, poke chan<- struct{}) error {
	d.world.watch(d.name, poke)
	<-ctx.Done()
	d.world.unwatch(d.name, poke)
	return ctx.Err()
}

func (w *World) watch(name string, poke chan<- struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hosts[w.at(name)]; h != nil {
		h.watched = append(h.watched, poke)
	}
}

func (w *World) unwatch(name string, poke chan<- struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hosts[w.at(name)]; h != nil {
		h.watched = slices.DeleteFunc(h.watched, func(c chan<- struct{}) bool { return c == poke })
	}
}
