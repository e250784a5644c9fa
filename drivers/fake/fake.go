// Package fake is a fleet that exists in memory. Its hosts behave as Podman hosts do where podkeep could be
// misled by them: several writes make one pod, labels are given at birth and never edited, lists show times in whole
// seconds of the host's own clock, and what was running before a reboot is "created" after it, or "exited" at no time.
//
// A World has knobs for what goes wrong on real hosts, can be copied, and counts its writes, so that a
// test can kill a controller at each one of them. It is deterministic: time is what the given clock says, and nothing
// is decided by chance or by the order of a map.
package fake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// World holds hosts. Its methods may be called from several goroutines.
type World struct {
	mu     sync.Mutex
	now    func() time.Time
	hosts  map[string]*host
	roads  map[string]string // which host an address leads to, where it is not the one of that name
	images map[string]Image
	writes int
	serial int // the last container ID given
}

// host is one machine. Its times are its own clock's.
type host struct {
	name    string
	room    manifest.Resources
	cut     bool // the network is down; what runs, runs
	down    bool // the power is off
	skew    time.Duration
	store   map[string]bool // images
	pods    map[string]*pod
	files   map[string]*file
	volumes map[string]bool // claims, as cluster/namespace/name
	nets    map[string]live.PodNetwork
	faults  []fault
	watched []chan<- struct{}
	tends   map[string]live.Tend  // what the node side was told, by cluster/source; nobody edits it
	deaf    time.Time             // since when nobody hears the node side; zero when it is heard
	tables  map[string]routing    // by cluster; nobody edits it
	sealed  map[string]wire.Table // by cluster: the newest table as it was sent by a stream; nobody edits it
	late    bool                  // it does not route by what the node side is given
	older   bool                  // its node side knows nothing of policies
	frozen  time.Time             // since when the doors that ran then do nothing new; zero when they do
	dropped time.Time             // since when their node side hears those that had begun no more; zero when it does
	users   bool                  // its Podman is a user's own: its node side takes no table
	listens []route.HostPort      // ports at which it listens itself; nobody edits it
}

type pod struct {
	name       string
	labels     map[string]string
	read       *live.Pod // what the labels say; nil when they are not podkeep's
	spec       manifest.Pod
	created    time.Time
	containers []*container
	before     map[string]*container // what the containers of these names replaced, kept for its log

	hosts        []string // for which it was judged who signed it
	signer, host string
}

// newPod reads the labels once, for they never change.
func newPod(name string, labels map[string]string, spec manifest.Pod, created time.Time) *pod {
	p := &pod{name: name, labels: maps.Clone(labels), spec: spec, created: created}
	if read, err := live.ParsePod(name, labels); err == nil {
		p.read = &read
	}
	return p
}

// container changes by itself at two moments that its image decides: begins and ends.
type container struct {
	id, name, image           string
	labels                    map[string]string
	attempt, exit, code       int
	state                     string
	created, started, stopped time.Time         // by the host's clock
	begins, ends              time.Time         // by the world's clock; zero means never
	stopping                  bool              // it was told to stop, and ends
	is                        Image             // how it behaves since it was started
	files                     map[string]string // what was copied into it; nobody edits it
}

type file struct {
	cluster, name string
	labels        map[string]string
	signer        string
	receipt       *live.Receipt // what the labels say, if it is one
	data          []byte
	whole         bool
}

// New is a world of hosts with 4 cores and 8 GiB each.
func New(now func() time.Time, names ...string) *World {
	w := &World{now: now, hosts: map[string]*host{}, roads: map[string]string{}, images: map[string]Image{}}
	for _, name := range names {
		w.Add(name, manifest.Resources{MilliCPU: 4000, Memory: 8 << 30})
	}
	return w
}

// Add adds an empty host that is up.
func (w *World) Add(name string, room manifest.Resources) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[name] = &host{
		name: name, room: room,
		store: map[string]bool{}, pods: map[string]*pod{}, files: map[string]*file{},
		volumes: map[string]bool{}, nets: map[string]live.PodNetwork{},
	}
}

// Writes counts what has changed a host from outside: each creation, start, stop, removal and pull by itself.
func (w *World) Writes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes
}

// Hosts are the names of the hosts, sorted.
func (w *World) Hosts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.hosts))
}

// Address has an address lead to a host from now on; to none, if there is none of that name. Any other leads to the host that is called so.
func (w *World) Address(address, host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roads[address] = host
}

// At is the name of the host that an address leads to.
func (w *World) At(address string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at(address)
}

func (w *World) at(address string) string {
	if host, ok := w.roads[address]; ok {
		return host
	}
	return address
}

// Answers says whether the network reaches the host and its service is up.
func (w *World) Answers(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[name]
	return h != nil && !h.cut && !h.down
}

// Truth is what is on the host, whether or not it answers, and what the probes of its pods come to, whoever runs them. On a host that is down
// nothing runs.
func (w *World) Truth(name, cluster string) live.Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[name]
	if h == nil {
		return live.Node{Name: name}
	}
	h.settle(w.now())
	n := h.node(cluster, w.now())
	for i := range n.Pods {
		n.Pods[i].Probed, _ = h.probed(h.pods[n.Pods[i].Name], w.now())
	}
	return n
}

// Next is when something changes by itself that a driver would be poked about, on a host that answers; zero if nothing will.
func (w *World) Next() time.Time {
	return w.next(func(h *host) bool { return !h.cut })
}

// Coming is when something changes by itself on a host that has power, whoever is told of it.
func (w *World) Coming() time.Time {
	return w.next(func(*host) bool { return true })
}

func (w *World) next(of func(*host) bool) (next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		if h.down || !of(h) {
			continue
		}
		next = sooner(next, h.turns(w.now()))
		for _, p := range h.pods {
			for _, c := range p.containers {
				next = sooner(next, sooner(c.next(), h.hangs(p, c)))
			}
			if len(h.tends) > 0 && p.read != nil && len(p.read.Birth.Probes) > 0 && slices.Contains(h.tended(p.read.Cluster), p.name) {
				_, at := h.probed(p, w.now())
				next = sooner(next, at)
			}
		}
	}
	return next
}

// next is when the container begins to run, or ends.
func (c *container) next() time.Time {
	switch {
	case c.state == live.Created:
		return c.begins
	case c.state == live.Running:
		return c.ends
	}
	return time.Time{}
}

// Copy is a world that shares nothing with this one but the clock.
func (w *World) Copy() *World {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &World{now: w.now, hosts: map[string]*host{}, roads: maps.Clone(w.roads), images: maps.Clone(w.images), writes: w.writes, serial: w.serial}
	for name, h := range w.hosts {
		c.hosts[name] = h.copy()
	}
	return c
}

// copy leaves out who watches. Labels and specs are shared: nobody edits them.
func (h *host) copy() *host {
	c := *h
	c.store, c.faults, c.watched = maps.Clone(h.store), slices.Clone(h.faults), nil
	c.volumes, c.nets = maps.Clone(h.volumes), maps.Clone(h.nets)
	c.pods, c.files = map[string]*pod{}, map[string]*file{}
	for name, p := range h.pods {
		q := *p
		q.containers = nil
		for _, k := range p.containers {
			l := *k
			q.containers = append(q.containers, &l)
		}
		c.pods[name] = &q
	}
	for name, f := range h.files {
		g := *f
		c.files[name] = &g
	}
	return &c
}

// settle lets the containers live up to now.
func (h *host) settle(now time.Time) {
	if h.down {
		return
	}
	for _, p := range h.pods {
		for _, c := range p.containers {
			c.settle(now, h.skew)
		}
	}
	h.hang(now)
	h.serve(now)
}

func (c *container) settle(now time.Time, skew time.Duration) {
	if c.state == live.Created && !c.begins.IsZero() && !now.Before(c.begins) {
		c.state, c.started, c.begins = live.Running, c.begins.Add(skew), time.Time{}
	}
	if c.state == live.Running && !c.ends.IsZero() && !now.Before(c.ends) {
		c.end(c.ends.Add(skew), c.code)
	}
}

// end makes the container exited at a time of the host's clock.
func (c *container) end(at time.Time, exit int) {
	c.state, c.stopped, c.exit = live.Exited, at, exit
	c.begins, c.ends, c.stopping = time.Time{}, time.Time{}, false
}

// node is the host as its lists show it, with times corrected to the world's clock.
func (h *host) node(cluster string, now time.Time) live.Node {
	n := live.Node{Name: h.name, Known: true, Room: h.room, Facts: facts(h)}
	for _, key := range slices.Sorted(maps.Keys(h.files)) {
		f := h.files[key]
		if !f.whole || f.cluster != cluster {
			continue
		}
		if f.receipt != nil {
			n.Receipts = append(n.Receipts, *f.receipt)
			continue
		}
		n.Files = append(n.Files, live.File{Name: f.name, Labels: f.labels, Signer: f.signer})
	}
	hosts := live.HostsOf(n.Files)
	for _, name := range slices.Sorted(maps.Keys(h.pods)) {
		if p, ok := h.pods[name].seen(hosts, h.skew); ok && p.Cluster == cluster {
			n.Pods = append(n.Pods, p)
		}
	}
	for _, volume := range slices.Sorted(maps.Keys(h.volumes)) {
		if claim, ours := strings.CutPrefix(volume, cluster+"/"); ours {
			n.Volumes = append(n.Volumes, claim)
		}
	}
	return n
}

func facts(h *host) live.Facts {
	return live.Facts{
		Podman: "fake", OS: "linux", Arch: "amd64", Kernel: "fake",
		CPUs: int(h.room.MilliCPU / 1000), Memory: h.room.Memory, Skew: h.skew,
	}
}

// seen reads the pod from its labels, and who signed it for a host of these identities. ok is false for a pod whose labels are not
// podkeep's.
func (p *pod) seen(hosts []string, skew time.Duration) (live.Pod, bool) {
	if p.read == nil {
		return live.Pod{}, false
	}
	if !slices.Equal(p.hosts, hosts) {
		p.hosts = hosts
		p.signer, p.host = live.PodSigner(hosts, p.name, p.labels)
	}
	out := *p.read
	out.Signer, out.Host = p.signer, p.host
	out.Created, out.Containers = seconds(p.created, skew), p.list(skew)
	if slices.ContainsFunc(p.containers, func(c *container) bool { return c.state == live.Running }) {
		out.IP = out.Birth.IP
	}
	out.Stopping = slices.ContainsFunc(p.containers, func(c *container) bool { return c.stopping })
	return out, true
}

// list is the pod's containers as a list shows them.
func (p *pod) list(skew time.Duration) (out []live.Container) {
	for _, c := range p.containers {
		out = append(out, live.Container{
			ID: c.id, Name: c.name, Image: c.image, State: c.state, Exit: c.exit, Attempt: c.attempt,
			Started: seconds(c.started, skew), Finished: seconds(c.stopped, skew),
		})
	}
	slices.SortFunc(out, func(a, b live.Container) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// seconds is a time of the host's clock as a list shows it, corrected by the skew.
func seconds(t time.Time, skew time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Truncate(time.Second).Add(-skew)
}

// stamp is the host's own time.
func (h *host) stamp(now time.Time) time.Time { return now.Add(h.skew) }

func (w *World) id() string {
	w.serial++
	return fmt.Sprintf("%012x", w.serial)
}

// poke tells who watches the host that something changed.
func (h *host) poke() {
	for _, c := range h.watched {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
