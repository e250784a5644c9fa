package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

const (
	manyNodes     = 1000
	manyWorkloads = 2000
	manyPods      = 25   // of each workload
	tooMany       = 2000 // pods of one workload
)

// benchKey has signed all that there is in a fleet that is made up.
const benchKey = "ssh-ed25519 AAAA"

// think measures one thought about 1,000 nodes and 50,000 pods of 2,000 workloads, before any pod is there and once all is as it should be, and
// one about 2,000 pods that are asked for no more; and the next moves of large rollouts. What is asked for is in the processor's time, that of collecting garbage too.
func think(runs int) []row {
	m := begun(manyNodes, manyWorkloads, manyPods)
	m.step() // what begins is written down before it is done
	rows := []row{m.thought(runs, "thinking, 1,000 nodes, 50,000 pods to place", 2*time.Second, plan.Run, manyWorkloads*manyPods)}
	m.settle()
	rows = append(rows, m.thought(runs, "thinking, 1,000 nodes, 50,000 pods, nothing to do", time.Second, "", 0), m.decoded(runs))

	one := begun(manyNodes/5, 1, tooMany)
	one.settle()
	one.want.Head.Workloads[0].Replicas = 0
	rows = append(rows, one.thought(runs, "thinking, 2,000 pods to 0", 200*time.Millisecond, plan.Stop, tooMany))
	return append(rows, nexts(runs)...)
}

// thought measures what one thought takes, which has to come to so many actions, all that count of one verb.
func (m *multitude) thought(runs int, figure string, limit time.Duration, verb plan.Verb, actions int) row {
	var took []time.Duration
	right := true
	for range runs {
		var p plan.Plan
		took = append(took, processor(func() { p = m.think() }))
		done := slices.DeleteFunc(p.Actions, func(a plan.Action) bool { return verb != "" && a.Verb != verb })
		if len(done) != actions {
			narrate("%s: a plan of %d actions, not %d", figure, len(done), actions)
			right = false
		}
	}
	r := within(figure, took, limit)
	r.ok = r.ok && right
	return r
}

// decoded holds one thought against the mere reading of that snapshot from JSON.
func (m *multitude) decoded(runs int) row {
	data, err := json.Marshal(m.have)
	if err != nil {
		panic(err)
	}
	var thinking, decoding []time.Duration
	for range runs {
		thinking = append(thinking, timed(func() { m.think() }))
		decoding = append(decoding, timed(func() {
			var again live.Snapshot
			if err := json.Unmarshal(data, &again); err != nil {
				panic(err)
			}
		}))
	}
	pods, receipts := sizes(m.have)
	narrate("%d nodes, %d pods, %d receipts, %d MB of JSON", len(m.have.Nodes), pods, receipts, len(data)>>20)
	ratio := quotient(median(thinking), median(decoding))
	return row{"the same, by the clock", spread(thinking), "decoding: " + spread(decoding), ratio, "<= 2.00", ratio <= 2 && pods == manyWorkloads*manyPods}
}

// processor is the time that all processors spend on doing it.
func processor(do func()) time.Duration {
	runtime.GC() // what was before is not collected meanwhile
	before := spent()
	do()
	return spent() - before
}

func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func sizes(s live.Snapshot) (pods, receipts int) {
	for _, n := range s.Nodes {
		pods, receipts = pods+len(n.Pods), receipts+len(n.Receipts)
	}
	return pods, receipts
}

// multitude is a fleet that is made up: what is wanted of it, and what there is.
type multitude struct {
	want manifest.History
	have live.Snapshot
	now  time.Time
}

// begun is a fleet of empty nodes.
func begun(nodes, workloads, pods int) *multitude {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	head := manySet(now, nodes, workloads, pods)
	want := manifest.History{Cluster: "bench", Source: "bench", Key: benchKey, Head: head, Fetched: now}
	want.Ancestor = map[string]bool{head.Commit: true}
	m := &multitude{want: want, now: now}
	for _, n := range head.Nodes {
		is := live.Host{ID: n.Name, Way: n.Way(), Time: now, Source: want.Source}
		m.have.Nodes = append(m.have.Nodes, live.Node{
			Name: n.Name, Known: true, Room: manifest.Resources{MilliCPU: 8000, Memory: 32 << 30},
			Files: []live.File{{Name: live.HostFile, Labels: is.Labels(want.Cluster), Signer: benchKey}},
		})
	}
	return m
}

func (m *multitude) think() plan.Plan { return plan.Make(m.want, m.have, m.now) }

// step carries a plan out, at once and without a fault, and says whether there was one.
func (m *multitude) step() bool {
	p := m.think()
	if len(p.Actions) == 0 && p.Wake.IsZero() {
		return false
	}
	carryOut(p, m.have.Nodes, m.now)
	m.now = m.now.Add(5 * time.Second)
	m.want.Fetched = m.now
	return true
}

// settle goes on until nothing is to be done.
func (m *multitude) settle() {
	for range 10 * manyWorkloads {
		if !m.step() {
			return
		}
	}
}

func manySet(at time.Time, nodes, workloads, pods int) manifest.Set {
	var files []manifest.Parsed
	for i := range nodes {
		text := fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: n%04d}\nspec: {providerID: \"podman+unix:///run/n%04d.sock\"}\n", i, i)
		files = append(files, manifest.Parse(fmt.Sprintf("n%04d.yaml", i), []byte(text)))
	}
	for i := range workloads {
		name := fmt.Sprintf("web-%04d", i)
		files = append(files, manifest.Parse(name+".yaml", []byte(deployment(name, pods))))
	}
	return manifest.Assemble(manifest.Info{Commit: "c1", Time: at, Message: "a multitude"}, files)
}

// carryOut makes the fleet as the plan says.
func carryOut(p plan.Plan, nodes []live.Node, now time.Time) {
	at := map[string]*live.Node{}
	for i := range nodes {
		at[nodes[i].Name] = &nodes[i]
	}
	for _, a := range p.Actions {
		n := at[a.Node]
		switch a.Verb {
		case plan.Put:
			put(n, *a.File)
		case plan.Run:
			p := born(*a.Pod, now)
			p.Signer, p.Host = benchKey, n.Name
			n.Pods = append(n.Pods, p)
		}
	}
	for _, n := range at {
		slices.SortFunc(n.Pods, func(a, b live.Pod) int { return cmp.Compare(a.Name, b.Name) })
		slices.SortFunc(n.Files, func(a, b live.File) int { return cmp.Compare(a.Name, b.Name) })
		slices.SortFunc(n.Receipts, func(a, b live.Receipt) int { return cmp.Compare(a.File, b.File) })
	}
}

func put(n *live.Node, f manifest.File) {
	if r, ok := live.ParseReceipt(f.Labels); ok {
		r.File, r.Signer = f.Name, benchKey
		n.Receipts = append(n.Receipts, r)
		return
	}
	n.Files = append(n.Files, live.File{Name: f.Name, Labels: f.Labels, Signer: benchKey})
}

func born(p manifest.Pod, now time.Time) live.Pod {
	pod, err := live.ParsePod(p.Name, p.Labels)
	if err != nil {
		panic(err)
	}
	pod.Created, pod.IP = now, "10.42.0.2"
	for i, name := range pod.Expect {
		pod.Containers = append(pod.Containers, live.Container{
			ID: fmt.Sprintf("%s-%d", p.Name, i), Name: name, Image: image, State: live.Running, Started: now,
		})
	}
	return pod
}
