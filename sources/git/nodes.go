package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// ErrShallow comes with an answer that a shallow clone cut short.
const ErrShallow files.Error = "the clone is shallow: run git fetch --unshallow"

// nodesMemory is the Nodes that the line up to head ever held.
type nodesMemory struct {
	head  plumbing.Hash
	found []manifest.Node                              // the newest form first
	in    *files.Cache[plumbing.Hash, []manifest.Node] // what files hold, by content
	none  map[plumbing.Hash]struct{}                   // contents without a Node
}

// nodesBudget bounds, in bytes of manifests, which files with Nodes are kept parsed.
const nodesBudget = 256 << 10

// Nodes are the Nodes that head's first-parent history ever held under the path, in the newest form for each name and way, the
// newest first. Where a shallow clone ends, they come with ErrShallow. Each distinct file is looked at once.
func (s *Source) Nodes(ctx context.Context, head string) ([]manifest.Node, error) {
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	h := plumbing.NewHash(head)
	var l *line
	err := s.whole(ctx, func() (err error) {
		if l, err = s.lineOf(ctx, h); err != nil {
			return err
		}
		return s.gather(ctx, l, h)
	})
	if err != nil {
		return nil, s.named(fmt.Errorf("nodes of %s: %w", short(h), err))
	}
	all := slices.Clone(s.past.nodes.found)
	if l.cut {
		return all, s.named(ErrShallow)
	}
	return all, nil
}

// gather goes from head back to the newest commit that was gathered before, or to the root.
func (s *Source) gather(ctx context.Context, l *line, head plumbing.Hash) error {
	m := &s.past.nodes
	if m.in == nil {
		m.in = files.NewCache[plumbing.Hash, []manifest.Node](nodesBudget)
		m.none = map[plumbing.Hash]struct{}{}
	}
	from, ok := l.at[m.head]
	if !ok {
		from, m.found = -1, nil
	}
	g := gathering{s: s, memory: m, trees: map[plumbing.Hash]bool{}, seen: map[nodeWay]bool{}}
	for i := l.at[head]; i > from; i-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.commit(l.commits[i]); err != nil {
			return err
		}
	}
	g.add(m.found)
	m.head, m.found = head, g.found
	s.rest(l.at[head] - from)
	return nil
}

// longWalk is how many commits read in one go leave so much behind in memory that it is worth opening anew.
const longWalk = 1000

// rest lets go of what reading n commits left behind.
func (s *Source) rest(n int) {
	if n > longWalk {
		s.objects.close()
	}
}

// gathering is one walk back. It looks at each distinct tree at the path once, the newest first.
type gathering struct {
	s      *Source
	memory *nodesMemory
	trees  map[plumbing.Hash]bool
	found  []manifest.Node
	seen   map[nodeWay]bool
}

// nodeWay is a host that a Node's name stood for.
type nodeWay struct{ name, way string }

// add takes those that were not met in a newer form.
func (g *gathering) add(nodes []manifest.Node) {
	for _, n := range nodes {
		if p := (nodeWay{n.Name, n.Way()}); !g.seen[p] {
			g.seen[p] = true
			g.found = append(g.found, n)
		}
	}
}

// commit adds the Nodes of one commit that were not met in a newer form.
func (g *gathering) commit(h plumbing.Hash) error {
	c, err := g.s.objects.commit(h)
	if err != nil {
		return err
	}
	t := newTree(g.s.objects, c.TreeHash)
	sub, ok, err := t.sub(g.s.path)
	if err != nil || !ok || g.trees[sub] {
		return err
	}
	g.trees[sub] = true
	all, err := files.Walk(t, g.s.path)
	if errors.Is(err, files.ErrTooMany) { // nobody has acted on its Nodes
		return nil
	}
	if err != nil {
		return err
	}
	var held []manifest.Node
	for _, f := range all.Files {
		nodes, err := g.file(f)
		if err != nil {
			return err
		}
		held = append(held, nodes...)
	}
	for i := range held {
		held[i].Commit = h.String()
	}
	slices.SortFunc(held, func(a, b manifest.Node) int { return strings.Compare(a.Name, b.Name) })
	g.add(held)
	return nil
}

// file parses a file only if it may hold a Node, and if it did not lately. Of which commit the Nodes are is not said.
func (g *gathering) file(f files.File) ([]manifest.Node, error) {
	key := plumbing.NewHash(f.Key)
	if _, none := g.memory.none[key]; none {
		return nil, nil
	}
	if nodes, ok := g.memory.in.Get(key); ok {
		return nodes, nil
	}
	data, err := g.s.objects.read(key, plumbing.BlobObject, files.MaxFile)
	if errors.Is(err, files.ErrTooLarge) {
		data, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	nodes := g.s.nodesIn(f.Path, data)
	if len(nodes) == 0 {
		g.memory.none[key] = struct{}{}
	} else {
		g.memory.in.Put(key, nodes, len(data))
	}
	return nodes, nil
}

func (s *Source) nodesIn(path string, data []byte) []manifest.Node {
	if !bytes.Contains(data, []byte("kind")) || !bytes.Contains(data, []byte("Node")) {
		return nil
	}
	return s.loader.Nodes(path, data)
}
