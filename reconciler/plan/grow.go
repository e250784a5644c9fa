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
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// mend runs again what is half made or has exited, in its own revision's form, unless it is being stopped.
func (k *work) mend() {
	for _, p := range append(append([]*pod(nil), k.kept...), k.extra...) {
		k.wake(p.verdict.Wake)
		if p.Stopping || !p.seen() || !p.verdict.Run || p.node.host == nil || k.leaving(p) {
			continue
		}
		f, ok := k.form(p.App, p.Rev)
		if !ok {
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s %s; its form is neither in Git nor on a node",
				p.Name, p.node.Name, p.verdict.Why))
			continue
		}
		k.run(p.node, p.Pod, f, p.verdict.Attempt, p.verdict.Why)
	}
}

// leaving says that a rollout to another revision is about to begin, and that the pod is not missed meanwhile: it may have been
// told to stop already, by a controller that died over it, and the next pass says.
func (k *work) leaving(p *pod) bool {
	if k.step.Phase != rollout.Starting || p.Rev == k.wl.Revision.Rev {
		return false
	}
	well := 0
	for _, q := range k.kept {
		if q.available {
			well++
		}
	}
	return well >= k.floor()
}

// grow starts what each revision lacks, in the lowest free slots.
func (k *work) grow() {
	for _, rev := range sorted(k.step.Want) {
		have, used := 0, map[int]bool{}
		for _, p := range k.kept {
			if p.Rev == rev {
				used[p.Slot] = true
				if !p.Stopping {
					have++
				}
			}
		}
		for _, p := range k.doubts { // their names are taken
			used[p.Slot] = used[p.Slot] || p.Rev == rev
		}
		lack := k.step.Want[rev] - have
		if lack > 0 && k.hidden != "" {
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%d of %s are missing, and %s", lack, live.ShortRev(rev), k.hidden))
			continue
		}
		if p := k.leavesFirst(rev); lack > 0 && p != nil {
			k.app.Waits = append(k.app.Waits, fmt.Sprintf("%d of %s wait until %s is gone", lack, live.ShortRev(rev), p.Name))
			continue
		}
		for slot := 0; lack > 0; slot++ {
			if used[slot] {
				continue
			}
			if k.room <= 0 {
				k.app.Waits = append(k.app.Waits, fmt.Sprintf("%d of %s wait until others are gone", lack, live.ShortRev(rev)))
				break
			}
			lack--
			if !k.create(rev, k.genOf(rev), slot, k.whyRun(rev)) {
				break
			}
		}
	}
}

func (k *work) genOf(rev string) int {
	if rev == k.step.Target {
		return k.step.Gen
	}
	return max(1, k.receipts.Of(k.wl.ID).GenOf(rev))
}

func (k *work) whyRun(rev string) string {
	if rev == k.step.Target && k.step.Phase == rollout.Rolling {
		return "rolling to " + live.ShortRev(rev) + ": " + k.step.Why
	}
	return fmt.Sprintf("%d of %s asked for", k.step.Want[rev], live.ShortRev(rev))
}

// create places a pod and runs it. It says why it cannot in the workload's waits.
func (k *work) create(rev string, gen, slot int, why string) bool {
	f, ok := k.form(k.wl.ID, rev)
	if !ok {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("slot %d of %s: its form is neither in Git nor on a node", slot, live.ShortRev(rev)))
		return false
	}
	r := k.request(f, slot)
	host, refusal := k.place(f, r)
	if host == nil {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("slot %d of %s: %s", slot, live.ShortRev(rev), refusal))
		return false
	}
	k.room--
	k.run(k.node(host.Name), k.birth(f, gen, slot, r), f, nil, why)
	return true
}

// birth is the pod that is to be born.
func (k *work) birth(f form, gen, slot int, r schedule.Request) live.Pod {
	var names []string
	for _, c := range slices.Concat(f.Spec.InitContainers, f.Spec.Containers) {
		names = append(names, c.Name)
	}
	sort.Strings(names)
	return live.Pod{
		Name: r.Name, Cluster: k.h.Cluster, Source: k.h.Source, App: f.App, Slot: slot, Rev: f.Rev, Gen: gen,
		Commit: f.Commit, Expect: names, Init: live.InitOf(f.Spec), Restart: string(f.Spec.RestartPolicy), Room: r.Room, Ports: r.Ports,
		Keep: k.wl.PruneDisabled, Birth: live.BirthOf(f.Revision),
	}
}

func (k *work) request(f form, slot int) schedule.Request {
	return schedule.Request{
		App: f.App, Name: live.PodName(k.h.Cluster, f.App, f.Rev, slot), Room: requests(f.Spec),
		Ports: hostPorts(f), Spec: &f.Spec, Rev: f.Rev, Files: f.lacking(), Ties: k.ties(f),
	}
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

// run puts what the pod needs on its node, and runs it there.
func (k *work) run(n *node, p live.Pod, f form, attempt map[string]int, why string) {
	fresh, held := k.volumes(n, f)
	if held == "" {
		held = k.endangered(n, p, f)
	}
	if held != "" {
		k.app.Waits = append(k.app.Waits, fmt.Sprintf("%s on %s: %s", p.Name, n.Name, held))
		return
	}
	pod := k.podOf(p, f, attempt)
	pod.Make = fresh
	pod.Auth, pod.Secrets = f.auth(), f.contents()
	var files []manifest.File
	if k.wl.Job == nil || len(f.Files) > 0 { // a Job's pods are never replaced in an older form
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

// do adds an action, or lists it where the workload is suspended.
func (k *work) do(a Action) {
	if k.wl.Suspended {
		k.app.Suspended = append(k.app.Suspended, a)
		return
	}
	k.plan.Actions = append(k.plan.Actions, a)
}

func (w *world) node(name string) *node {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.nodes[i].Name >= name })
	return w.nodes[i]
}

func short(commit string) string { return commit[:min(7, len(commit))] }
