package plan

import (
	"fmt"
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
				for _, n := range w.holders(wl.ID) {
					at[n.Name].Receipts = append(at[n.Name].Receipts, r)
				}
			}
		}
	}
	return h, have
}

// BenchmarkMakeAtRest is one thought about 1,000 nodes, 2,000 workloads and 50,000 pods, of which nothing is to be done.
func BenchmarkMakeAtRest(b *testing.B) {
	h, have := multitude(b, 1000, 2000, 25)
	b.ResetTimer()
	for range b.N {
		if p := Make(h, have, noon.Add(time.Hour)); len(p.Actions) > 0 {
			b.Fatalf("%.2000s", p.String())
		}
	}
}
