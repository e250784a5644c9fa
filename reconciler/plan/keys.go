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
	c := census{world: w, keys: map[string]*Key{}, things: map[string]map[any]string{}}
	for key := range w.keys {
		c.of(key)
	}
	for _, n := range w.nodes {
		c.count(n)
	}
	all := make([]Key, 0, len(c.keys))
	for _, key := range sorted(c.keys) {
		k := c.keys[key]
		for thing, kind := range c.things[key] {
			switch _, ours := c.things[w.h.Key][thing]; {
			case k.Trusted && !k.Own && ours && w.trusts(w.h.Key): // it rests on ours
			case kind == ofReceipts:
				k.Receipts++
			case kind == ofForms:
				k.Forms++
			default:
				k.Pods++
			}
		}
		all = append(all, *k)
	}
	rank := func(k Key) int { return slices.Index([]bool{k.Own, k.Trusted, k.Text != "", true}, true) }
	slices.SortStableFunc(all, func(a, b Key) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// Adopted are the other sources of which ours has taken over what they made.
func Adopted(want manifest.History, have live.Snapshot) map[string]bool {
	return newWorld(want, have, want.Head.Time).adopted
}

// census is what there is by key. Copies of a receipt are one thing, and forms of a revision on one node are.
type census struct {
	*world
	keys   map[string]*Key
	things map[string]map[any]string // with their kinds
}

func (c census) of(key string) *Key {
	if c.keys[key] == nil {
		c.keys[key] = &Key{Text: key, Own: key != "" && key == c.h.Key, Trusted: c.trusts(key)}
		c.things[key] = map[any]string{}
	}
	return c.keys[key]
}

func (c census) count(n *node) {
	c.eachSigned(n, func(kind, key string, at time.Time, thing any) {
		k := c.of(key)
		if !slices.Contains(k.Nodes, n.Name) {
			k.Nodes = append(k.Nodes, n.Name)
		}
		if !at.IsZero() && (k.Since.IsZero() || at.Before(k.Since)) {
			k.Since = at
		}
		switch t := thing.(type) {
		case *live.Receipt:
			thing = t.Transition()
		case *live.File:
			thing = [2]any{n, revisionOf(*t)}
		}
		c.things[key][thing] = kind
	})
}
