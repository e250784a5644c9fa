package plan

import (
	"fmt"
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/health"
)

func TestVictimsAreThoseThatAreMissedLeastEachTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var nodes []*node
		for i := range rapid.IntRange(1, 6).Draw(t, "nodes") {
			n := &node{Node: live.Node{Name: fmt.Sprintf("n%d", i)}}
			if rapid.IntRange(0, 4).Draw(t, "silent") == 0 {
				n.reach = silent
			}
			nodes = append(nodes, n)
		}
		var pods []*pod
		for slot := range rapid.IntRange(0, 20).Draw(t, "pods") {
			p := &pod{node: rapid.SampledFrom(nodes).Draw(t, "node"), moving: rapid.IntRange(0, 3).Draw(t, "moving") == 0}
			p.Slot = slot
			if rapid.IntRange(0, 3).Draw(t, "ready") > 0 {
				p.verdict.State = health.Ready
				p.available = rapid.IntRange(0, 3).Draw(t, "available") > 0
			}
			pods = append(pods, p)
		}
		pods = rapid.Permutation(pods).Draw(t, "order")
		n := rapid.IntRange(-1, 21).Draw(t, "surplus")
		if got, want := victims(pods, n), oneByOne(pods, n); !slices.Equal(got, want) {
			t.Errorf("got %s, want %s", slots(got), slots(want))
		}
	})
}

// oneByOne looks at all pods that are left before each choice.
func oneByOne(pods []*pod, n int) (out []*pod) {
	left := slices.DeleteFunc(slices.Clone(pods), func(p *pod) bool { return !p.seen() })
	for len(out) < n && len(left) > 0 {
		crowd := map[string]int{}
		for _, p := range left {
			crowd[p.node.Name]++
		}
		sort.SliceStable(left, func(i, j int) bool {
			return lesser(left[i], left[j], crowd[left[i].node.Name], crowd[left[j].node.Name])
		})
		out, left = append(out, left[0]), left[1:]
	}
	return out
}

func slots(pods []*pod) (all []string) {
	for _, p := range pods {
		all = append(all, fmt.Sprintf("%d on %s", p.Slot, p.node.Name))
	}
	return all
}
