package ledger

import (
	"cmp"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Rules say what counts of what nodes show, and under which names.
type Rules struct {
	Cluster, Source string
	Key             string                   // that signs what is written; empty for those who only read
	Ours            func(source string) bool // it is Source, or one that it has taken over
	Trusts          func(signer string) bool // what the key has signed is believed
	Void            func(live.Receipt) bool  // it is of an earlier life of its object
	Called          func(name string) string // the name now of a node that was called so
}

// Node is one node, and what it shows.
type Node struct {
	Name     string
	Host     string // which host it is, as far as that is known; else what stays the same of it
	Receipts []live.Receipt
	Troubles []live.Trouble
	reach    Reach
	seed     uint64 // by which it is chosen to keep receipts
}

// Reach is what can be known of a node now.
type Reach int

// From those that count for nothing to those that can be written on.
const (
	Gone   Reach = iota // it left HEAD
	Lost                // others keep receipts in its place
	Silent              // it stays among those that keep them
	Here                // it answers
)

// Book is what is written down of all objects, and where. What a receipt announces is done once it was seen on as many nodes as can be asked
// for; until then it is pending.
type Book struct {
	Rules
	Ledgers map[manifest.ID]Ledger
	joined  map[manifest.ID][]manifest.ID
	Foreign []live.Receipt // of sources that are not ours, whoever signed them: they count for nothing and are left alone
	nodes   []*Node
	keepers []*Node // of HEAD, and not lost
	fleet   int     // how many nodes HEAD has
	quorum  int     // on how many nodes a receipt has to be seen
	entries map[manifest.ID][]*entry
	noted   map[live.Transition]*entry
	refused map[string]string // which node would not take or give up a File, and why, by name
}

// entry is a transition that is written down, and where. Of several copies the earlier counts.
type entry struct {
	live.Receipt
	copies []note
	put    bool // Put was asked to write it down
}

// note is one copy of it.
type note struct {
	node *Node
	file string
	ours bool // it is of our key and our source; for those who have no key, any is
}

// Edit is one change on a node that answers: File is put there, or, if there is none, the File of that Name is deleted.
type Edit struct {
	Node, Name string
	App        manifest.ID
	Why        string
	File       *manifest.File
}

// Read joins what all nodes show. No two of them have one name.
func Read(nodes []Node, rules Rules) *Book {
	b := &Book{
		Rules: rules, Ledgers: map[manifest.ID]Ledger{}, joined: map[manifest.ID][]manifest.ID{}, entries: map[manifest.ID][]*entry{}, noted: map[live.Transition]*entry{}, refused: map[string]string{},
	}
	for i := range nodes {
		n := nodes[i]
		n.seed = hash(n.Host)
		b.nodes = append(b.nodes, &n)
		for _, r := range n.Receipts {
			switch {
			case !b.Ours(r.Source):
				b.Foreign = append(b.Foreign, r)
			case b.Trusts(r.Signer) && !b.Void(r):
				b.add(&n, r)
			}
		}
		for _, t := range n.Troubles {
			b.refused[t.Name] = cmp.Or(b.refused[t.Name], "; "+n.Name+": "+t.Why)
		}
	}
	for app, all := range b.entries {
		slices.SortFunc(all, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.Rev, b.Rev), cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Step, b.Step),
				cmp.Compare(a.Host, b.Host), cmp.Compare(a.Of, b.Of))
		})
		for _, e := range all {
			b.Ledgers[app] = append(b.Ledgers[app], e.Receipt)
		}
	}
	return b
}

func (b *Book) add(n *Node, r live.Receipt) {
	c := note{node: n, file: r.File, ours: b.Key == "" || r.Signer == b.Key && r.Source == b.Source}
	r.Source = b.Source
	if r.App.Kind != "Node" {
		r.Node = b.Called(r.Node)
	}
	e := b.noted[r.Transition()]
	switch {
	case e == nil:
		e = &entry{Receipt: r}
		b.noted[r.Transition()] = e
		b.entries[r.App] = append(b.entries[r.App], e)
	case r.Time.Before(e.Time) || r.Time.Equal(e.Time) && r.Why < e.Why:
		e.Receipt = r
	}
	e.copies = append(e.copies, c)
}

// Of is what is written down of an object, and of those that it was joined with.
func (b *Book) Of(app manifest.ID) Ledger {
	all := b.Ledgers[app]
	for _, other := range b.joined[app] {
		all = slices.Concat(b.Ledgers[other], all)
	}
	return all
}

// Join has what is written down of others count as written of an object. It stays theirs.
func (b *Book) Join(app manifest.ID, others []manifest.ID) { b.joined[app] = others }

// of are the transitions that count for an object.
func (b *Book) of(app manifest.ID) []*entry {
	all := b.entries[app]
	for _, other := range b.joined[app] {
		all = slices.Concat(b.entries[other], all)
	}
	return all
}

// Pending says which receipt of an object is needed and was not seen on enough nodes, and what is in its way; empty for none.
func (b *Book) Pending(app manifest.ID) string {
	for _, e := range b.of(app) {
		if e.seen() < b.quorum && b.Of(app).Needed()(e.Receipt) {
			said := e.Verb
			if e.Rev != "" {
				said += " of " + live.ShortRev(e.Rev)
			}
			return said + " is written down on one node, and waits to be on a second" + b.refused[e.Name(b.Key)]
		}
	}
	return ""
}

// Settled is what is written down of an object on enough nodes: it stays, whichever of them is lost.
func (b *Book) Settled(app manifest.ID) (l Ledger) {
	for _, e := range b.of(app) {
		if e.seen() >= b.quorum {
			l = append(l, e.Receipt)
		}
	}
	return l
}

// seen is on how many nodes of HEAD it was seen.
func (e *entry) seen() (nodes int) {
	for i, c := range e.copies {
		if c.node.reach != Gone && (i == 0 || e.copies[i-1].node != c.node) {
			nodes++
		}
	}
	return nodes
}

// on says whether a node has a copy that suffices there.
func (e *entry) on(n *Node) bool {
	return e != nil && slices.ContainsFunc(e.copies, func(c note) bool { return c.node == n && c.ours })
}

// entry is what is written down of the same transition, or nil.
func (b *Book) entry(r live.Receipt) *entry {
	r.Source = b.Source
	return b.noted[r.Transition()]
}
