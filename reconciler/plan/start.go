package plan

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// create places a new pod and runs it. It says why it cannot in the workload's waits.
func (k *work) create(gen int, s start) bool {
	where := fmt.Sprintf("slot %d of %s", s.slot, live.ShortRev(s.rev))
	if k.wl.Job != nil {
		where = fmt.Sprintf("attempt %d of slot %d", s.try, s.slot)
	}
	f, ok := k.form(k.wl.ID, s.rev)
	if !ok {
		k.waits("%s: its form is neither in Git nor on a node", where)
		return false
	}
	r := k.request(f, s.cell)
	host, refusal := k.place(f, r)
	if host == nil {
		k.waits("%s: %s", where, refusal)
		return false
	}
	k.room--
	n := k.node(host.Name)
	k.run(n, k.join(n, k.birth(f, gen, s.cell, r), f.Spec), f, nil, s.why)
	return true
}

// birth is the pod that is to be born.
func (k *work) birth(f form, gen int, c cell, r schedule.Request) live.Pod {
	var names []string
	for _, c := range slices.Concat(f.Spec.InitContainers, f.Spec.Containers) {
		names = append(names, c.Name)
	}
	sort.Strings(names)
	p := live.Pod{
		Name: r.Name, Cluster: k.h.Cluster, Source: k.h.Source, App: f.App, Slot: c.slot, Try: c.try, Rev: f.Rev, Gen: gen,
		Commit: f.Commit, Expect: names, Init: live.InitOf(f.Spec), Restart: string(f.Spec.RestartPolicy), Room: r.Room, Ports: r.Ports,
		Keep: k.wl.PruneDisabled,
	}
	own := f.Revision
	if k.wl.Job != nil {
		own = live.JobForm(own, p, k.wl.Job.Indexed())
	}
	p.Birth = live.BirthIn(k.role(f.Rev), own)
	return p
}

// role is what a pod of a revision is given beside what its template says: one of HEAD's while another is stable has a role of its own.
func (k *work) role(rev string) manifest.RoleMeta {
	r := k.wl.Strategy.Rollout
	switch {
	case r == nil:
		return manifest.RoleMeta{}
	case rev == k.wl.Revision.Rev && k.step.Stable != "" && k.step.Stable != rev:
		return r.New
	}
	return r.Stable
}

func (k *work) request(f form, c cell) schedule.Request {
	name := live.PodName(k.h.Cluster, f.App, f.Rev, c.slot)
	if k.wl.Job != nil {
		name = fmt.Sprintf("%s-%d", name, c.try)
	}
	return schedule.Request{
		App: k.wl.ID, Name: name, Room: requests(f.Spec),
		Ports: hostPorts(f), Spec: &f.Spec, Rev: f.Rev, Files: f.lacking(), Ties: k.ties(f), Apart: k.apart(),
	}
}

// apart is what keeps pods of two revisions on different nodes, as long as a rollout is under way.
func (k *work) apart() *manifest.Apart {
	if r := k.wl.Strategy.Rollout; r != nil && !k.receipts.Of(k.wl.ID).Over() {
		return r.AntiAffinity
	}
	return nil
}

// hostPorts are the ports that a pod takes on its node, in the form that label podkeep.io/ports has.
func hostPorts(f form) []string {
	var ports []string
	for _, c := range slices.Concat(f.Spec.InitContainers, f.Spec.Containers) {
		ports = append(ports, portsOf(c, f.Spec.HostNetwork)...)
	}
	sort.Strings(ports)
	return ports
}

func portsOf(c corev1.Container, hostNetwork bool) (ports []string) {
	for _, p := range c.Ports {
		number := p.HostPort
		if hostNetwork && number == 0 {
			number = p.ContainerPort
		}
		if number == 0 {
			continue
		}
		s := strconv.Itoa(int(number)) + "/" + strings.ToLower(string(p.Protocol))
		if p.HostIP != "" && p.HostIP != "0.0.0.0" {
			s = p.HostIP + ":" + s
		}
		ports = append(ports, s)
	}
	return ports
}

// run is the one place where a pod is run: it puts what the pod needs on its node first.
func (k *work) run(n *node, p live.Pod, f form, attempt map[string]int, why string) {
	fresh, held := k.volumes(n, f)
	if held == "" {
		held = k.endangered(n, p, f)
	}
	if held != "" {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s: %s", p.Name, n.Name, held))
		return
	}
	k.net.born[endpoint{n.Name, p.Name}] = p
	pod := live.PodOf(f.Revision, p, attempt)
	pod.Make, pod.Net = fresh, k.netOf(n, p, f.Spec)
	pod.Auth, pod.Secrets = f.auth(), f.contents()
	var files []manifest.File
	if k.wl.Job == nil || len(f.Files)+len(f.Probes) > 0 { // a Job's pods are never replaced in an older form, and probed in their own
		files = append(files, k.revFile(f))
		pod.Form = files[0].Name
	}
	for _, name := range f.Files {
		if file, ok := f.config[name]; ok {
			file.Labels = map[string]string{live.LabelCluster: k.h.Cluster, live.LabelSource: k.h.Source}
			files = append(files, file)
		}
	}
	for i := range files {
		if !n.has(files[i].Name) {
			n.host.Files[files[i].Name] = true
			k.do(Action{Node: n.Name, Verb: Put, Name: files[i].Name, App: k.wl.ID, Why: "needed by " + p.Name, File: &files[i]})
		}
	}
	k.do(Action{Node: n.Name, Verb: Run, Name: p.Name, App: k.wl.ID, Why: why, Pod: &pod})
	if !k.wl.Suspended {
		n.begun = append(n.begun, begun{p.Name, mountsOf(p, f)})
	}
}

func (n *node) has(file string) bool { return n.host != nil && n.host.Files[file] }

func (w *world) node(name string) *node {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.nodes[i].Name >= name })
	return w.nodes[i]
}

func short(commit string) string { return commit[:min(7, len(commit))] }
