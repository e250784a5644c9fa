package podman

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/pods"
	"github.com/containers/podman/v4/pkg/domain/entities"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/live"
)

// Observe looks: one list of containers, infra ones too since they carry their pod's labels, one of secrets and one of volumes. What
// costs more is asked for after connecting and after a lost connection only: the list of pods, since
// a service that dies while it makes a pod leaves one without any container. Any failure fails the look. What the host says of
// itself comes last, and beside it.
func (d *Driver) Observe(ctx context.Context) (live.Node, error) {
	var node live.Node
	err := d.do(ctx, d.look, func(ctx context.Context) error {
		var err error
		node, err = d.observe(ctx)
		return err
	})
	return node, err
}

func (d *Driver) observe(ctx context.Context) (live.Node, error) {
	var (
		listed []entities.ListContainer
		bare   []*entities.ListPodsReport
		node   live.Node
		losses = d.client.losses()
	)
	if err := all(
		func() (err error) {
			listed, err = containers.List(ctx, new(containers.ListOptions).WithAll(true))
			return err
		},
		func() (err error) { bare, err = d.bare(ctx, losses); return err },
		func() (err error) { node.Files, node.Receipts, err = d.files(ctx); return err },
		func() (err error) { node.Volumes, err = d.claims(ctx); return err },
	); err != nil {
		return live.Node{}, err
	}
	w := newWorld(d.cluster, d.client.clock.skew())
	w.addBare(bare)
	slices.SortStableFunc(listed, infraFirst)
	for _, c := range listed {
		w.add(c)
	}
	if w.whole() {
		d.sure.Store(losses)
	}
	d.births.judge(w.labels, w.pods, live.HostsOf(node.Files))
	node.Pods, node.HostKey = w.sorted(), d.client.dialer.hostKey()
	if err := d.addresses(ctx, node.Pods, listed); err != nil {
		return live.Node{}, err
	}
	d.size(ctx, &node)
	node.Facts.Skew = w.skew
	return node, nil
}

// all runs questions side by side and gives the first error.
func all(questions ...func() error) error {
	var group errgroup.Group
	for _, q := range questions {
		group.Go(q)
	}
	return group.Wait()
}

// world collects the pods of one cluster from Podman's lists.
type world struct {
	cluster string
	skew    time.Duration
	pods    map[string]*live.Pod         // by Podman's pod id
	labels  map[string]map[string]string // of which each was read
	held    map[string]bool              // pods of which a container was listed
}

func newWorld(cluster string, skew time.Duration) world {
	return world{cluster: cluster, skew: skew, pods: map[string]*live.Pod{}, labels: map[string]map[string]string{}, held: map[string]bool{}}
}

// infraFirst has a pod read from its infra container's labels, which are those of its birth, wherever there is one.
func infraFirst(a, b entities.ListContainer) int {
	switch {
	case a.IsInfra == b.IsInfra:
		return 0
	case a.IsInfra:
		return -1
	}
	return 1
}

// whole says that every pod has a container, if only its infra one, and so will show in a list of containers.
func (w world) whole() bool {
	for id := range w.pods {
		if !w.held[id] {
			return false
		}
	}
	return true
}

// addBare adds pods of which there may be no container.
func (w world) addBare(reports []*entities.ListPodsReport) {
	for _, r := range reports {
		if p := w.pod(r.Id, r.Name, r.Labels); p != nil {
			p.Created = r.Created.Add(-w.skew)
		}
	}
}

func (w world) add(c entities.ListContainer) {
	if c.Pod == "" {
		return
	}
	p := w.pod(c.Pod, c.PodName, c.Labels)
	if p == nil {
		return
	}
	w.held[c.Pod] = true
	if c.IsInfra || p.Created.IsZero() {
		p.Created = c.Created.Add(-w.skew)
	}
	if c.State == "stopping" || c.State == "removing" {
		p.Stopping = true
	}
	if !c.IsInfra && !isPrevious(c) && slices.Contains(p.Expect, c.Labels[live.LabelContainer]) {
		p.Containers = append(p.Containers, w.container(c))
	}
}

// pod is nil when the labels are not those of a pod of ours.
func (w world) pod(id, name string, labels map[string]string) *live.Pod {
	if labels[live.LabelCluster] != w.cluster {
		return nil
	}
	if p, ok := w.pods[id]; ok {
		return p
	}
	p, err := live.ParsePod(name, labels)
	if err != nil {
		return nil
	}
	w.pods[id], w.labels[id] = &p, labels
	return &p
}

func (w world) container(c entities.ListContainer) live.Container {
	attempt, _ := strconv.Atoi(c.Labels[live.LabelAttempt])
	return live.Container{
		ID: c.ID, Name: c.Labels[live.LabelContainer], Image: c.Image, State: state(c.State), Exit: int(c.ExitCode),
		Started: w.at(c.StartedAt), Finished: w.at(c.ExitedAt), Attempt: attempt,
	}
}

func (w world) at(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).Add(-w.skew)
}

func (w world) sorted() []live.Pod {
	var all []live.Pod
	for _, p := range w.pods {
		slices.SortFunc(p.Containers, func(a, b live.Container) int { return cmp.Compare(a.Name, b.Name) })
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b live.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// state maps Podman's states to live's. What stops still runs; what stopped and is not cleaned up yet, or is being
// removed, is over.
func state(s string) string {
	switch s {
	case "running", "stopping":
		return live.Running
	case "exited", "stopped", "removing":
		return live.Exited
	case "paused":
		return live.Paused
	}
	return live.Created
}

// bare lists the pods, when there may be some without a container.
func (d *Driver) bare(ctx context.Context, losses int64) ([]*entities.ListPodsReport, error) {
	if d.sure.Load() == losses {
		return nil, nil
	}
	return pods.List(ctx, nil)
}

// addresses fills in the pods' IPs. A list does not show them, so each started infra container is inspected once, but for those whose address
// is on their labels.
func (d *Driver) addresses(ctx context.Context, all []live.Pod, listed []entities.ListContainer) error {
	started := map[string]infra{}
	for _, c := range listed {
		if c.IsInfra && c.State == "running" && c.Labels[live.LabelCluster] == d.cluster {
			started[c.PodName] = infra{c.ID, c.StartedAt}
		}
	}
	d.ips.keep(maps.Values(started))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, p := range all {
		at, ok := started[p.Name]
		if !ok || live.Over(p.Restart, p.Init, p.Containers) {
			continue // what has ended needs no address
		}
		if p.Birth.IP != "" {
			all[i].IP = p.Birth.IP
			continue
		}
		group.Go(func() (err error) {
			all[i].IP, err = d.address(ctx, at)
			return err
		})
	}
	return group.Wait()
}

func (d *Driver) address(ctx context.Context, at infra) (string, error) {
	if net, ok := d.ips.get(at); ok {
		return net.ip, nil
	}
	net, err := d.inspectNetwork(ctx, at.id)
	if gone(clean(err)) {
		return "", nil
	}
	if err == nil {
		d.ips.put(at, net)
	}
	return net.ip, err
}
