package plan

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// multitude is a fleet at rest: workloads of so many pods each, of each of which three generations are written down where they are kept.
func multitude(t testing.TB, nodeCount, workloads, replicas int) (manifest.History, live.Snapshot) {
	var names []string
	for i := range nodeCount {
		names = append(names, fmt.Sprintf("n%04d", i))
	}
	files := []manifest.Parsed{manifest.Parse("nodes.yaml", []byte(nodes(names...)))}
	for i := range workloads {
		name := fmt.Sprintf("w%05d", i)
		files = append(files, manifest.Parse(name+".yaml", []byte(deployment(name, replicas, ""))))
	}
	set := manifest.Assemble(manifest.Info{Commit: "a1", Time: noon, Message: "a1"}, files)
	pods := map[string][]live.Pod{}
	forms := map[string]map[string]live.File{}
	for i, at := 0, 0; i < len(set.Workloads); i++ {
		wl := set.Workloads[i]
		form := live.File{Name: live.RevFile(wl.ID, wl.Revision.Rev, key), Signer: key, Labels: map[string]string{
			live.LabelApp: wl.ID.String(), live.LabelRev: wl.Revision.Rev, live.LabelSource: source, live.LabelObject: "{}",
		}}
		for slot := range replicas {
			name := names[at%nodeCount]
			at++
			pods[name] = append(pods[name], running(set, wl.Name, slot))
			if forms[name] == nil {
				forms[name] = map[string]live.File{}
			}
			forms[name][form.Name] = form
		}
	}
	have := fleet(pods, nil, names...)
	at := map[string]*live.Node{}
	for i := range have.Nodes {
		n := &have.Nodes[i]
		at[n.Name], n.Room = n, manifest.Resources{MilliCPU: 64000, Memory: 256 << 30}
		is := live.Host{ID: "id-of-" + n.Name, Way: set.Nodes[i].Way(), Time: noon.Add(-time.Hour), Source: source}
		n.Files = append(n.Files, live.File{Name: live.HostFile, Signer: key, Labels: is.Labels("default")})
		for _, name := range sorted(forms[n.Name]) {
			n.Files = append(n.Files, forms[n.Name][name])
		}
	}
	h := history(set)
	w := newWorld(h, have, noon)
	for _, wl := range set.Workloads {
		for gen := 1; gen <= 3; gen++ {
			for _, r := range promoted(set, wl.Name) {
				r.Gen, r.Source, r.Signer = gen, source, key
				r.File = r.Name(key)
				for _, put := range w.receipts.Put(r) {
					at[put.Node].Receipts = append(at[put.Node].Receipts, r)
				}
			}
		}
	}
	return h, have
}

// processor begins to measure, and reports at the end what the limits are in: the processor's time, that of collecting garbage too.
func processor(b *testing.B) (end func()) {
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.ResetTimer()
	from := spent()
	return func() { b.ReportMetric(float64((spent()-from).Milliseconds())/float64(b.N), "cpu-ms/op") }
}

// BenchmarkMakeAtRest is one thought about 1,000 nodes, 2,000 workloads and 50,000 pods, of which nothing is to be done.
func BenchmarkMakeAtRest(b *testing.B) {
	h, have := multitude(b, 1000, 2000, 25)
	defer processor(b)()
	for range b.N {
		if p := Make(h, have, noon.Add(time.Hour)); len(p.Actions) > 0 {
			b.Fatalf("%.2000s", p.String())
		}
	}
}

// BenchmarkPassAtRest is all that one pass thinks about that fleet.
func BenchmarkPassAtRest(b *testing.B) {
	h, have := multitude(b, 1000, 2000, 25)
	b.ResetTimer()
	for range b.N {
		asks, thought := Asks(h, have), Think(h, have, noon.Add(time.Hour))
		if needs, p := thought.Lacks(), thought.Plan(h); len(asks)+len(needs)+len(p.Actions) > 0 {
			b.Fatalf("%d questions, %d forms, %.2000s", len(asks), len(needs), p.String())
		}
	}
}

// BenchmarkMakeScaledToNothing is one thought about 2,000 pods of one workload that is asked for no more.
func BenchmarkMakeScaledToNothing(b *testing.B) {
	h, have := multitude(b, 200, 1, 2000)
	h.Head.Workloads[0].Replicas = 0
	defer processor(b)()
	for range b.N {
		if p := Make(h, have, noon.Add(time.Hour)); count(p, Stop) != 2000 {
			b.Fatalf("%d stops", count(p, Stop))
		}
	}
}

// BenchmarkMakeFirst is one thought about 1,000 empty nodes and 2,000 workloads of 25 pods each, which were begun and are all to be placed.
func BenchmarkMakeFirst(b *testing.B) {
	h, have := multitude(b, 1000, 2000, 25)
	for i := range have.Nodes {
		n := &have.Nodes[i]
		n.Pods, n.Receipts, n.Files = nil, nil, n.Files[:1]
	}
	carryOut(Make(h, have, noon), have, noon)
	defer processor(b)()
	for range b.N {
		if p := Make(h, have, noon.Add(time.Second)); count(p, Run) != 50000 {
			b.Fatalf("%d pods are run", count(p, Run))
		}
	}
}

func count(p Plan, verb Verb) (n int) {
	for _, a := range p.Actions {
		if a.Verb == verb {
			n++
		}
	}
	return n
}

// BenchmarkMakeJobs is one thought about 200 Jobs in mid-run, of 100 pods each on 50 nodes.
func BenchmarkMakeJobs(b *testing.B) {
	const jobs, at = 200, 100
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("n%02d", i))
	}
	files := []manifest.Parsed{manifest.Parse("nodes.yaml", []byte(nodes(names...)))}
	for i := range jobs {
		name := fmt.Sprintf("j%03d", i)
		files = append(files, manifest.Parse(name+".yaml", fmt.Appendf(nil, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: %s}\nspec: {completions: %d, parallelism: %d, "+
			"template: {spec: {restartPolicy: Never, containers: [{name: app, image: \"example.com/x:1\"}]}}}\n", name, 2*at, at)))
	}
	set := manifest.Assemble(manifest.Info{Commit: "a1", Time: noon, Message: "a1"}, files)
	h, have := history(set), fleet(nil, nil, names...)
	now := noon
	for range 5 {
		carryOut(Make(h, have, now), have, now)
		now = now.Add(time.Minute)
	}
	running := 0
	for _, n := range have.Nodes {
		running += len(n.Pods)
	}
	if running != jobs*at {
		b.Fatalf("%d pods run", running)
	}
	for b.Loop() {
		Make(h, have, now)
	}
}

// BenchmarkMakeChain is one thought about 400 workloads of which each waits for the one before it.
func BenchmarkMakeChain(b *testing.B) {
	files := []manifest.Parsed{manifest.Parse("nodes.yaml", []byte(nodes("n1", "n2", "n3")))}
	for i := range 400 {
		name := fmt.Sprintf("w%03d", i)
		waits := ""
		if i > 0 {
			waits = fmt.Sprintf("podkeep.io/depends-on: Deployment/w%03d", i-1)
		}
		files = append(files, manifest.Parse(name+".yaml", []byte(deployment(name, 1, waits))))
	}
	set := manifest.Assemble(manifest.Info{Commit: "a1", Time: noon, Message: "a1"}, files)
	h, have := history(set), fleet(nil, nil, "n1", "n2", "n3")
	for b.Loop() {
		if p := Make(h, have, noon); len(p.Apps) != 400 {
			b.Fatal(p)
		}
	}
}

// carryOut makes the fleet what a plan that only adds to it says.
func carryOut(p Plan, have live.Snapshot, now time.Time) {
	at := map[string]*live.Node{}
	for i := range have.Nodes {
		at[have.Nodes[i].Name] = &have.Nodes[i]
	}
	for _, a := range p.Actions {
		n := at[a.Node]
		switch a.Verb {
		case Put:
			if r, ok := live.ParseReceipt(a.File.Labels); ok {
				r.File, r.Signer = a.Name, key
				n.Receipts = append(n.Receipts, r)
			} else {
				n.Files = append(n.Files, live.File{Name: a.Name, Labels: a.File.Labels, Signer: key})
			}
		case Run:
			pod, err := live.ParsePod(a.Name, a.Pod.Labels)
			if err != nil {
				panic(err)
			}
			pod.Created, pod.Signer = now, key
			for _, name := range pod.Expect {
				pod.Containers = append(pod.Containers, live.Container{Name: name, State: live.Running, Started: now})
			}
			n.Pods = append(n.Pods, pod)
		}
	}
}
