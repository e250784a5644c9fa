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
	c := census{world: w, keys: map[string]*Key{}, own: map[string]bool{}, counted: map[string]bool{}}
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
	rank := func(k Key) int {
		switch {
		case k.Own:
			return 0
		case k.Trusted:
			return 1
		case k.Text != "":
			return 2
		}
		return 3
	}
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
	own     map[string]bool // receipts, and forms of a node, under the controller's own key
	counted map[string]bool // those of each key, so that copies of a receipt count once
}

func (c census) of(key string) *Key {
	if c.keys[key] == nil {
		c.keys[key] = &Key{Text: key, Own: key != "" && key == c.h.Key, Trusted: c.trusts(key)}
	}
	return c.keys[key]
}

func (c census) owns(n *node) {
	for _, r := range n.Receipts {
		if r.Signer == c.h.Key && c.trusts(r.Signer) {
			c.own[receiptOf(r)] = true
		}
	}
	for _, f := range n.Files {
		if f.Signer == c.h.Key && c.trusts(f.Signer) && isForm(f) {
			c.own[formAt(n, f)] = true
		}
	}
}

func (c census) count(n *node) {
	for _, r := range n.Receipts {
		if c.ours(r.Source) && c.rests(n, r.Signer, r.Time, receiptOf(r)) {
			c.of(r.Signer).Receipts++
		}
	}
	for _, f := range n.Files {
		if isForm(f) && c.ours(f.Labels[live.LabelSource]) && c.rests(n, f.Signer, time.Time{}, formAt(n, f)) {
			c.of(f.Signer).Forms++
		}
	}
	for _, p := range n.Pods {
		if c.ours(p.Source) && c.rests(n, p.Signer, p.Created, "pod "+n.Name+" "+p.Name) {
			c.of(p.Signer).Pods++
		}
	}
}

// rests says whether something is to be counted for a key.
func (c census) rests(n *node, signer string, at time.Time, what string) bool {
	k := c.of(signer)
	if !slices.Contains(k.Nodes, n.Name) {
		k.Nodes = append(k.Nodes, n.Name)
	}
	if !at.IsZero() && (k.Since.IsZero() || at.Before(k.Since)) {
		k.Since = at
	}
	if c.counted[signer+" "+what] || k.Trusted && !k.Own && c.own[what] {
		return false
	}
	c.counted[signer+" "+what] = true
	return true
}

func receiptOf(r live.Receipt) string { return "receipt " + r.Name("") }

func formAt(n *node, f live.File) string {
	r := revisionOf(f)
	return "form " + n.Name + " " + r.app + " " + r.rev
}
