package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

const (
	manyNodes     = 1000
	manyWorkloads = 2000
	manyPods      = 25 // of each workload
)

// benchKey has signed all that there is in a fleet that is made up.
const benchKey = "ssh-ed25519 AAAA"

// think holds one thought about 1,000 nodes and 50,000 pods of 2,000 workloads that are as they should be against the mere reading of that
// snapshot from JSON.
func think(runs int) []row {
	want, have, now := multitude()
	data, err := json.Marshal(have)
	if err != nil {
		panic(err)
	}
	var thinking, decoding []time.Duration
	var p plan.Plan
	for range runs {
		thinking = append(thinking, timed(func() { p = plan.Make(want, have, now) }))
		decoding = append(decoding, timed(func() {
			var again live.Snapshot
			if err := json.Unmarshal(data, &again); err != nil {
				panic(err)
			}
		}))
	}
	pods, receipts := sizes(have)
	narrate("%d nodes, %d pods, %d receipts, %d MB of JSON; a plan of %d actions", len(have.Nodes), pods, receipts, len(data)>>20, len(p.Actions))
	ratio := quotient(median(thinking), median(decoding))
	still := len(p.Actions) == 0 && pods == manyWorkloads*manyPods
	return []row{{
		"thinking, 1,000 nodes, 50,000 pods, nothing to do", spread(thinking), "decoding: " + spread(decoding), ratio,
		"<= 2.00", ratio <= 2 && still,
	}}
}

func sizes(s live.Snapshot) (pods, receipts int) {
	for _, n := range s.Nodes {
		pods, receipts = pods+len(n.Pods), receipts+len(n.Receipts)
	}
	return pods, receipts
}

// multitude is a fleet at rest. It came to be by plans that were carried out at once and without a fault.
func multitude() (want manifest.History, have live.Snapshot, now time.Time) {
	now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	want = manifest.History{Cluster: "bench", Source: "bench", Key: benchKey, Head: manySet(now), Fetched: now}
	want.Ancestor = map[string]bool{want.Head.Commit: true}
	for _, n := range want.Head.Nodes {
		is := live.Host{ID: n.Name, Way: n.Way(), Time: now, Source: want.Source}
		have.Nodes = append(have.Nodes, live.Node{
			Name: n.Name, Known: true, Room: manifest.Resources{MilliCPU: 8000, Memory: 32 << 30},
			Files: []live.File{{Name: live.HostFile, Labels: is.Labels(want.Cluster), Signer: benchKey}},
		})
	}
	for range 10 * manyWorkloads {
		p := plan.Make(want, have, now)
		if len(p.Actions) == 0 && p.Wake.IsZero() {
			break
		}
		carryOut(p, have.Nodes, now)
		now = now.Add(5 * time.Second)
		want.Fetched = now
	}
	return want, have, now
}

func manySet(at time.Time) manifest.Set {
	var files []manifest.Parsed
	for i := range manyNodes {
		text := fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: n%04d}\nspec: {providerID: \"podman+unix:///run/n%04d.sock\"}\n", i, i)
		files = append(files, manifest.Parse(fmt.Sprintf("n%04d.yaml", i), []byte(text)))
	}
	for i := range manyWorkloads {
		name := fmt.Sprintf("web-%04d", i)
		files = append(files, manifest.Parse(name+".yaml", []byte(deployment(name, manyPods))))
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
