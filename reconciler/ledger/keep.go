package ledger

import (
	"hash/fnv"
	"slices"
	"sort"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Limits of who keeps what.
const (
	enough     = 2 // nodes on which a receipt has to be seen, as far as so many answer
	smallFleet = 7 // nodes that all keep all receipts
	keptCopies = 5 // copies of a receipt in a larger fleet
)

// Share is told how each node is reached, and with that who keeps the book. Until then nobody does, and nothing is pending.
func (b *Book) Share(reach func(name string) Reach) {
	b.keepers, b.fleet, b.quorum = nil, 0, 0
	for _, n := range b.nodes {
		n.reach = reach(n.Name)
		if n.reach != Gone {
			b.fleet++
		}
		if n.reach > Lost {
			b.keepers = append(b.keepers, n)
		}
		if n.reach == Here {
			b.quorum = min(enough, b.quorum+1)
		}
	}
}

// holders are the nodes that keep an object's receipts: all of a small fleet, else those that rendezvous hashing gives it, which
// changes with few other nodes. One that is silent within its grace stays a holder.
func (b *Book) holders(app manifest.ID) []*Node {
	if b.fleet <= smallFleet {
		return b.keepers
	}
	seed, best := hash(app.String()), make([]*Node, 0, keptCopies+1)
	for _, n := range b.keepers {
		score := mix(seed ^ n.seed)
		at := sort.Search(len(best), func(i int) bool { return mix(seed^best[i].seed) < score })
		if at < keptCopies {
			best = slices.Insert(best, at, n)[:min(len(best)+1, keptCopies)]
		}
	}
	return best
}

// hash spreads names, and guards nothing.
func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// File is what a receipt is written down in.
func (b *Book) File(r live.Receipt) *manifest.File {
	r.Source = b.Source
	return &manifest.File{Name: r.Name(b.Key), Labels: r.Labels(b.Cluster), Data: manifest.Bytes(r.Verb)}
}

// Put writes a receipt down on each of its holders that answers and lacks it. What is pending is written as it stands.
func (b *Book) Put(r live.Receipt) []Edit {
	e := b.entry(r)
	if e != nil {
		r, e.put = e.Receipt, true
	}
	return b.spread(r, e, b.holders(r.App), r.Verb+": "+r.Why)
}

// spread puts a receipt on the holders that answer and have no copy of ours.
func (b *Book) spread(r live.Receipt, e *entry, holders []*Node, why string) (edits []Edit) {
	var file *manifest.File
	for _, n := range holders {
		if n.reach != Here || e.on(n) {
			continue
		}
		if file == nil {
			file = b.File(r)
		}
		taken := func(other live.Receipt) bool { return other.File == file.Name } // by one that does not count: putting ours would change nothing
		if !slices.ContainsFunc(n.Receipts, taken) {
			edits = append(edits, Edit{Node: n.Name, Name: file.Name, App: r.App, Why: why, File: file})
		}
	}
	return edits
}

// Tidy brings every receipt that is still needed, and was not Put, to its holders, and deletes what is not needed any more: needed says what is of
// an object, and leaves alone those for which it is nil.
func (b *Book) Tidy(needed func(manifest.ID) func(live.Receipt) bool) (edits []Edit) {
	apps := make([]manifest.ID, 0, len(b.entries))
	for app := range b.entries {
		apps = append(apps, app)
	}
	sort.Slice(apps, func(i, j int) bool { return apps[i].Less(apps[j]) })
	for _, app := range apps {
		keep, holders := needed(app), b.holders(app)
		for _, e := range b.entries[app] {
			switch {
			case keep == nil:
			case !keep(e.Receipt):
				edits = append(edits, e.collect(nil, "the receipt is not needed any more")...)
			case !e.put:
				edits = append(edits, b.spread(e.Receipt, e, holders, "copied to a node that lacks it")...)
				edits = append(edits, b.thin(e, holders)...)
			}
		}
	}
	for _, n := range b.nodes {
		if n.reach == Here {
			edits = append(edits, b.sweep(n)...)
		}
	}
	return edits
}

// thin collects the copies on nodes that are no holders, once all holders have one.
func (b *Book) thin(e *entry, holders []*Node) []Edit {
	if slices.ContainsFunc(holders, func(n *Node) bool { return n.reach != Here || !e.on(n) }) {
		return nil
	}
	return e.collect(holders, "other nodes keep the receipt")
}

// collect deletes the copies of a receipt on nodes of HEAD that answer and are not among the spared.
func (e *entry) collect(spared []*Node, why string) (edits []Edit) {
	for _, c := range e.copies {
		if c.node.reach == Here && !slices.Contains(spared, c.node) {
			edits = append(edits, Edit{Node: c.node.Name, Name: c.file, App: e.App, Why: why})
		}
	}
	return edits
}

// sweep deletes the receipts on a node that are void, and those that are not believed and say the same as one of our own key there: what is
// left when a key is trusted no more.
func (b *Book) sweep(n *Node) (edits []Edit) {
	for _, r := range n.Receipts {
		why := ""
		switch trusted := b.Trusts(r.Signer); {
		case !b.Ours(r.Source):
		case trusted && b.Void(r):
			why = "the receipt is void: its object was taken out of Git since, and came anew"
		case !trusted && b.Key != "" && b.entry(r).on(n):
			why = "says the same as one that a trusted key signed"
		}
		if why != "" {
			edits = append(edits, Edit{Node: n.Name, Name: r.File, App: r.App, Why: why})
		}
	}
	return edits
}

// Clear deletes what a node that left HEAD has and other nodes were seen to have, or nobody needs. left is how many receipts of ours are there yet.
func (b *Book) Clear(node string, needed func(manifest.ID) func(live.Receipt) bool) (edits []Edit, left int) {
	at := slices.IndexFunc(b.nodes, func(n *Node) bool { return n.Name == node })
	for _, r := range b.nodes[at].Receipts {
		if !b.Ours(r.Source) {
			continue
		}
		left++
		if e := b.entry(r); e == nil || !needed(r.App)(e.Receipt) || e.seen() > 0 && e.seen() >= b.quorum {
			edits = append(edits, Edit{Node: node, Name: r.File, App: r.App, Why: node + " left Git, and other nodes have what is needed of it"})
		}
	}
	return edits, left
}
