package plan

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

// BenchmarkMakeScaledToNothing is one thought about 2,000 pods of one workload that is asked for no more.
func BenchmarkMakeScaledToNothing(b *testing.B) {
	h, have := multitude(b, 200, 1, 2000)
	h.Head.Workloads[0].Replicas = 0
	b.ResetTimer()
	for range b.N {
		if p := Make(h, have, noon.Add(time.Hour)); count(p, Stop) != 2000 {
			b.Fatalf("%d stops", count(p, Stop))
		}
	}
}

// BenchmarkMakeFirst is one thought about 1,000 empty nodes and 2,000 workloads of 25 pods each, which were begun and are all to be placed.
func BenchmarkMakeFirst(b *testing.B) {
	h, have := multitude(b, 1000, 2000, 25)
	at := map[string]*live.Node{}
	for i := range have.Nodes {
		n := &have.Nodes[i]
		n.Pods, n.Receipts, n.Files = nil, nil, nil
		at[n.Name] = n
	}
	for _, a := range Make(h, have, noon).Actions {
		if r, ok := live.ParseReceipt(a.File.Labels); ok {
			r.File, r.Signer = a.Name, key
			at[a.Node].Receipts = append(at[a.Node].Receipts, r)
		}
	}
	b.ResetTimer()
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
