package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Key is what one key has signed on the nodes, of our source.
type Key struct {
	Text    string // as manifest.KeyText has it; empty for what nobody signed
	Own     bool   // the controller's
	Trusted bool
	Nodes   []string  // that show something of it, sorted
	Since   time.Time // of the oldest receipt or pod
	// What rests on it: a receipt or a form that the controller's own key signed as well rests on that one. Of what nobody trusts, all.
	Receipts, Forms, Pods int
}

// Unused says whether nothing rests on the key.
func (k Key) Unused() bool { return k.Receipts+k.Forms+k.Pods == 0 }

// Keys are the controller's own, those that Git names, and all that have signed something: trusted ones first, nobody last.
func Keys(want manifest.History, have live.Snapshot) []Key {
	w := newWorld(want, have, want.Head.Time)
	c := census{world: w, keys: map[string]*Key{}, own: map[any]bool{}, counted: map[string]map[any]bool{}}
	for key := range w.keys {
		c.of(key)
	}
	for _, n := range w.nodes {
		c.owns(n)
	}
	for _, n := range w.nodes {
		c.count(n)
	}
	all := make([]Key, 0, len(c.keys))
	for _, key := range sorted(c.keys) {
		all = append(all, *c.keys[key])
	}
	rank := func(k Key) int { return slices.Index([]bool{k.Own, k.Trusted, k.Text != "", true}, true) }
	slices.SortStableFunc(all, func(a, b Key) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// Adopted are the other sources of which ours has taken over what they made.
func Adopted(want manifest.History, have live.Snapshot) map[string]bool {
	return newWorld(want, have, want.Head.Time).adopted
}

// census counts by key.
type census struct {
	*world
	keys    map[string]*Key
	own     map[any]bool            // what is under the controller's own key
	counted map[string]map[any]bool // what is under each, so that copies of a receipt count once
}

func (c census) of(key string) *Key {
	if c.keys[key] == nil {
		c.keys[key] = &Key{Text: key, Own: key != "" && key == c.h.Key, Trusted: c.trusts(key)}
		c.counted[key] = map[any]bool{}
	}
	return c.keys[key]
}

func (c census) owns(n *node) {
	c.eachSigned(n, func(_, key string, _ time.Time, what any) {
		if key == c.h.Key && c.trusts(key) {
			c.own[c.saying(n, what)] = true
		}
	})
}

func (c census) count(n *node) {
	c.eachSigned(n, func(kind, key string, at time.Time, what any) {
		k, says := c.of(key), c.saying(n, what)
		if !slices.Contains(k.Nodes, n.Name) {
			k.Nodes = append(k.Nodes, n.Name)
		}
		if !at.IsZero() && (k.Since.IsZero() || at.Before(k.Since)) {
			k.Since = at
		}
		if !c.counted[key][says] && (!k.Trusted || k.Own || !c.own[says]) {
			c.counted[key][says] = true
			*map[string]*int{ofReceipts: &k.Receipts, ofForms: &k.Forms, ofPods: &k.Pods}[kind]++
		}
	})
}

// saying is the same of what says the same: copies of a receipt, and forms of a revision on one node.
func (c census) saying(n *node, what any) any {
	switch what := what.(type) {
	case *live.Receipt:
		return what.Transition()
	case *live.File:
		return formAt{n, revisionOf(*what)}
	}
	return what
}

type formAt struct {
	*node
	revision
}
