package reconciler

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/manifest"
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
