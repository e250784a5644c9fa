package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Call is a method of a driver that can be made to fail.
type Call string

// The calls.
const (
	List   Call = "list"
	Run    Call = "run"
	Stop   Call = "stop"
	End    Call = "end"
	Put    Call = "put"
	Delete Call = "delete"
	Pull   Call = "pull"
)

// fault makes the next calls of one kind fail: before anything was done, or, lost, when all was done.
type fault struct {
	call Call
	left int
	lost bool
}

// ErrTimeout is what a call to a host gets that does not answer.
var ErrTimeout = errors.New("i/o timeout")

// ErrBroken is what a call gets that was made to fail.
var ErrBroken = errors.New("input/output error")

// ErrKilled is what a controller gets whose fuse has burnt down.
var ErrKilled = errors.New("the controller was killed")

// Fuse kills a controller: after Left more writes none of its calls has an effect. Nil burns never.
type Fuse struct{ Left int }

func (f *Fuse) dead() bool { return f != nil && f.Left <= 0 }

// Fail makes the next calls of one kind on a host fail. The other calls work.
func (w *World) Fail(host string, call Call, times int) { w.fail(host, fault{call, times, false}) }

// Lose makes the next calls of one kind on a host do what they should and report a timeout.
func (w *World) Lose(host string, call Call, times int) { w.fail(host, fault{call, times, true}) }

func (w *World) fail(name string, f fault) {
	w.on(name, func(h *host) { h.faults = append(h.faults, f) })
}

// Mend ends all failing of calls on a host.
func (w *World) Mend(name string) { w.on(name, func(h *host) { h.faults = nil }) }

// Cut takes the host off the network, or puts it back. What runs there goes on.
func (w *World) Cut(name string, cut bool) { w.on(name, func(h *host) { h.cut = cut }) }

// Skew sets how far the host's clock is ahead. What is written down already keeps its time, as on a real host.
func (w *World) Skew(name string, d time.Duration) { w.on(name, func(h *host) { h.skew = d }) }

// Die cuts the power.
func (w *World) Die(name string) { w.on(name, func(h *host) { h.halt(4); h.down = true }) }

// Return gives the power back. Podman starts nothing by itself.
func (w *World) Return(name string) { w.on(name, func(h *host) { h.down, h.cut = false, false }) }

// Reboot is Die and Return at once. podman is the major version, 4 or 5, in whose form the host shows afterwards what ran.
func (w *World) Reboot(name string, podman int) { w.on(name, func(h *host) { h.halt(podman) }) }

// Wipe empties the host's disk: what ran there is gone, images too. It says nothing about the power.
func (w *World) Wipe(name string) {
	w.on(name, func(h *host) {
		h.pods, h.files, h.store = map[string]*pod{}, map[string]*file{}, map[string]bool{}
		h.volumes, h.tables = map[string]bool{}, nil
	})
}

// Clone gives a host a copy of another's disk, as it is found when the power comes on.
func (w *World) Clone(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	src, dst := w.hosts[from], w.hosts[to]
	if src == nil || dst == nil {
		return
	}
	src.settle(w.now())
	disk := src.copy()
	disk.halt(4)
	dst.pods, dst.files, dst.store, dst.volumes, dst.tables = disk.pods, disk.files, disk.store, disk.volumes, disk.tables
	dst.poke()
}

// Drop removes the volume of a claim, namespace/name, as a person would by hand.
func (w *World) Drop(name, cluster, claim string) {
	w.on(name, func(h *host) { delete(h.volumes, cluster+"/"+claim) })
}

// Restore makes the volume of a claim, namespace/name, as a person does who has a backup of it.
func (w *World) Restore(name, cluster, claim string) {
	w.on(name, func(h *host) { h.volumes[cluster+"/"+claim] = true })
}

// halt leaves containers as Podman finds them after a reboot: what had exited is exited still, what ran is "created", or, with Podman 5,
// "exited" with the code it had, 0. The times are those it had, and it has no time of an end.
func (h *host) halt(podman int) {
	for _, p := range h.pods {
		for _, c := range p.containers {
			if c.state == live.Exited {
				continue
			}
			if c.state == live.Running && podman >= 5 {
				c.state = live.Exited
			} else {
				c.state = live.Created
			}
			c.begins, c.ends, c.stopping = time.Time{}, time.Time{}, false
		}
	}
}

// Crash ends the pod's first running container with exit code 137. It is an error if none runs.
func (w *World) Crash(podName string) error {
	return w.find(podName, func(h *host, p *pod) error {
		for _, c := range p.containers {
			if c.state == live.Running {
				c.end(h.stamp(w.now()), 137)
				return nil
			}
		}
		return fmt.Errorf("%s: nothing runs", podName)
	})
}

// Remove removes a pod as a person would by hand.
func (w *World) Remove(podName string) error {
	return w.find(podName, func(h *host, p *pod) error { delete(h.pods, p.name); return nil })
}

// Erase removes a File as a person would by hand: from the hosts named, or, when none is, wherever it is.
func (w *World) Erase(name string, from ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := false
	for _, h := range w.hosts {
		for key, f := range h.files {
			if f.name == name && (len(from) == 0 || slices.Contains(from, h.name)) {
				delete(h.files, key)
				h.poke()
				found = true
			}
		}
	}
	if !found {
		return fmt.Errorf("no file %s", name)
	}
	return nil
}

// Foreign puts a running pod of somebody else on a host.
func (w *World) Foreign(hostName, name string, labels map[string]string) {
	w.on(hostName, func(h *host) {
		at := h.stamp(w.now())
		p := newPod(name, labels, manifest.Pod{Name: name}, at)
		p.containers = []*container{{
			id: w.id(), name: "main", image: "foreign", state: live.Running, created: at, started: at,
		}}
		h.pods[name] = p
	})
}

// Others is everything that does not carry the cluster's label, as JSON. What must not be touched must not change in it.
func (w *World) Others(cluster string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	type item struct {
		Host, Name string
		Labels     map[string]string
		Containers []string
		Data       string
	}
	var items []item
	for _, hostName := range slices.Sorted(maps.Keys(w.hosts)) {
		h := w.hosts[hostName]
		for _, name := range slices.Sorted(maps.Keys(h.pods)) {
			if p := h.pods[name]; p.labels[live.LabelCluster] != cluster {
				items = append(items, item{hostName, name, p.labels, p.lines(), ""})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(h.files)) {
			if f := h.files[key]; f.cluster != cluster {
				items = append(items, item{hostName, key, f.labels, nil, string(f.data)})
			}
		}
	}
	out, _ := json.Marshal(items)
	return string(out)
}

func (p *pod) lines() (out []string) {
	for _, c := range p.containers {
		out = append(out, fmt.Sprint(c.id, " ", c.name, " ", c.image, " ", c.state, " ", c.started, " ", c.stopped))
	}
	return out
}

func (w *World) on(name string, change func(*host)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hosts[name]; h != nil {
		h.settle(w.now())
		change(h)
		h.poke()
	}
}

func (w *World) find(podName string, change func(*host, *pod) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, hostName := range slices.Sorted(maps.Keys(w.hosts)) {
		h := w.hosts[hostName]
		h.settle(w.now())
		if p := h.pods[podName]; p != nil {
			defer h.poke()
			return change(h, p)
		}
	}
	return fmt.Errorf("no pod %s", podName)
}

// Missing lists, sorted, the Files that the cluster's pods name and that are not whole on their host.
func (w *World) Missing(cluster string) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		for _, p := range h.pods {
			if p.labels[live.LabelCluster] != cluster {
				continue
			}
			for _, name := range Files(p.spec.Spec) {
				if f := h.files[cluster+"-"+name]; f == nil || !f.whole {
					out = append(out, fmt.Sprintf("%s: %s: %s", h.name, p.name, name))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
