package reconciler

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// said are Nodes, each written as NAME or NAME@HOST.
func said(names ...string) (nodes []manifest.Node) {
	for _, s := range names {
		name, host, ok := strings.Cut(s, "@")
		if !ok {
			host = name
		}
		n := manifest.Node{ProviderID: "podman+ssh://root@" + host}
		n.Kind, n.Name = "Node", name
		nodes = append(nodes, n)
	}
	return nodes
}

func TestWhatBecameOfEachNode(t *testing.T) {
	for _, c := range []struct {
		claim, head, ever string
		gone, renamed     string
	}{
		{"nothing changed", "n1 n2", "n1 n2", "", ""},
		{"one left", "n1", "n1 n2", "n2", ""},
		{"one has another name", "edge1@n1", "edge1@n1 n1", "", "n1=edge1"},
		{"and another, and left", "n2", "n2 edge1@n1 n1", "edge1", "n1=edge1"},
		{"one stands for another machine now", "n1@b", "n1@b n1@a", "n1@root@a:22", ""},
		{"and for a third", "n1@c", "n1@c n1@b n1@a", "n1@root@a:22 n1@root@b:22", ""},
		{"and for the first again", "n1@a", "n1@a n1@b", "n1@root@b:22", ""},
		{"and left", "n2", "n2 n1@b n1@a", "n1 n1@root@a:22", ""},
		{"two swapped their machines", "n1@b n2@a", "n1@b n2@a n1@a n2@b", "", ""},
		{"a machine went from one name to another", "n1@b n2@a", "n1@b n2@a n1@a n2@c", "n2@root@c:22", ""},
	} {
		head := manifest.Set{Nodes: said(strings.Fields(c.head)...)}
		f := outcome(reading{head: head, nodes: said(strings.Fields(c.ever)...)})
		var gone, renamed []string
		for _, n := range f.gone {
			gone = append(gone, n.Name)
		}
		for _, was := range slices.Sorted(maps.Keys(f.renamed)) {
			renamed = append(renamed, was+"="+f.renamed[was])
		}
		if diff := cmp.Diff([]string{c.gone, c.renamed}, []string{strings.Join(gone, " "), strings.Join(renamed, " ")}); diff != "" {
			t.Errorf("%s:\n%s", c.claim, diff)
		}
	}
}

// A Node that thinking let go is not looked at again, nor shown, until Git has held it once more.
func TestANodeThatIsLetGoIsNotLookedAtAgain(t *testing.T) {
	b := newBed("n1", "n2")
	both, one := b.shelf.sets["c1"].Nodes, fleetOf("n1")
	at := func(commit, parent string, nodes []manifest.Node) {
		nodes = slices.Clone(nodes)
		for i := range nodes {
			nodes[i].Commit = commit
		}
		b.shelf.sets[commit] = manifest.Set{Parent: parent, Nodes: nodes}
	}
	at("c1", "", both)
	at("c2", "c1", one)
	at("c3", "c2", both)
	at("c4", "c3", one)
	b.Serial, b.Source = true, past{b.shelf}
	departed := []string{}
	b.think = func(manifest.History, live.Snapshot, time.Time) plan.Plan { return plan.Plan{Departed: departed} }
	r := b.new()
	defer r.Close()
	for i, step := range []struct {
		head     string
		departed []string
		hosts    []string // that have a worker
		seen     int      // nodes in the pass
	}{
		{"c2", nil, []string{"n1", "n2"}, 2},
		{"c2", []string{"n2"}, []string{"n1", "n2"}, 1},
		{"c2", nil, []string{"n1"}, 1},
		{"c4", nil, []string{"n1", "n2"}, 2},
	} {
		b.shelf.head, departed = step.head, step.departed
		p := r.Pass(t.Context())
		if got := r.names(); !slices.Equal(got, step.hosts) || len(p.Snapshot.Nodes) != step.seen {
			t.Errorf("pass %d: workers %q, %d nodes", i, got, len(p.Snapshot.Nodes))
		}
	}
}

func TestAHostThatLeftGitIsGivenNoIdentity(t *testing.T) {
	for _, serial := range []bool{true, false} {
		b := newBed("n1", "n2")
		strange(b)
		b.shelf.sets["c1"] = manifest.Set{Nodes: fleetOf("n1", "n2")}
		b.shelf.sets["c2"] = manifest.Set{Parent: "c1", Nodes: fleetOf("n1")}
		b.shelf.head, b.Serial, b.Source = "c2", serial, past{b.shelf}
		r := b.new()
		r.Pass(t.Context())
		r.Close()
		if diff := cmp.Diff([][]string{{"put host"}, nil}, [][]string{b.sites["n1"].heard(), b.sites["n2"].heard()}); diff != "" {
			t.Errorf("serial %v:\n%s", serial, diff)
		}
	}
}
