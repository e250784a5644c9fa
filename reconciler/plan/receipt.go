package plan

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
)

// Limits of what podkeep does by itself.
const (
	maxRolling   = 10              // workloads between two revisions at once
	loopLimit    = 3               // rollouts of one workload that begin at one commit
	enough       = 2               // nodes on which a receipt has to be seen, as far as so many answer
	smallFleet   = 7               // nodes that all keep all receipts
	keptCopies   = 5               // copies of a receipt in a larger fleet
	clockSlack   = 2 * time.Second // by how much corrected clocks may disagree
	pruneAtLeast = 3               // a commit may always remove this many workloads
)

// noted is a transition that is written down, and where. Of several copies the earlier counts.
type noted struct {
	live.Receipt
	copies []note
	put    bool // this plan writes it down somewhere
}

// note is one copy of it.
type note struct {
	node *node
	file string
	ours bool // it is of our key and our source
}

// on is the copy on a node that suffices there: one of our own key, or, for those who have none, any.
func (t *noted) on(n *node, anyone bool) *note {
	if t == nil {
		return nil
	}
	i := slices.IndexFunc(t.copies, func(c note) bool { return c.node == n && (c.ours || anyone) })
	if i < 0 {
		return nil
	}
	return &t.copies[i]
}

// addReceipts joins what all nodes hold. What another source wrote is its own. What a receipt announces is done once it was seen on as
// many nodes as can be asked for; until then it is pending.
func (w *world) addReceipts() {
	for _, n := range w.nodes {
		for _, r := range n.Receipts {
			if w.believes(n, r) && !w.void(r) {
				w.addReceipt(n, r)
			}
		}
	}
	for app, all := range w.notedOf {
		slices.SortFunc(all, func(a, b *noted) int { return compareNoted(a, b) })
		for _, t := range all {
			w.receipts[app] = append(w.receipts[app], t.Receipt)
		}
	}
}

// judgeReceipts says which objects have one that is needed and was not seen on enough nodes.
func (w *world) judgeReceipts() {
	quorum := min(enough, len(w.answering()))
	for app, all := range w.notedOf {
		for _, t := range all {
			if t.seen() < quorum && w.pending[app] == "" && w.receipts[app].Needed()(t.Receipt) {
				w.pending[app] = fmt.Sprintf("%s is written down on one node, and waits to be on a second%s", t.says(), w.whyNot(t))
			}
		}
	}
}

// whyNot says which node would not take a copy.
func (w *world) whyNot(t *noted) string {
	name := t.Name(w.h.Key)
	for _, n := range w.nodes {
		for _, trouble := range n.Troubles {
			if trouble.Name == name {
				return "; " + n.Name + ": " + trouble.Why
			}
		}
	}
	return ""
}

// says is the receipt in a sentence.
func (t *noted) says() string {
	if t.Rev == "" {
		return t.Verb
	}
	return t.Verb + " of " + live.ShortRev(t.Rev)
}

func compareNoted(a, b *noted) int {
	return cmp.Or(cmp.Compare(a.Gen, b.Gen), cmp.Compare(a.Rev, b.Rev), cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Step, b.Step),
		cmp.Compare(a.Host, b.Host), cmp.Compare(a.Of, b.Of))
}

func (w *world) addReceipt(n *node, r live.Receipt) {
	c := note{node: n, file: r.File, ours: r.Signer == w.h.Key && r.Source == w.h.Source}
	r.Source = w.h.Source
	if r.App.Kind != nodeKind {
		r.Node = w.nowCalled(r.Node)
	}
	t := w.noted[r.Transition()]
	switch {
	case t == nil:
		t = &noted{Receipt: r}
		w.noted[r.Transition()] = t
		w.notedOf[r.App] = append(w.notedOf[r.App], t)
	case r.Time.Before(t.Time) || r.Time.Equal(t.Time) && r.Why < t.Why:
		t.Receipt = r
	}
	t.copies = append(t.copies, c)
}

// seen is on how many nodes of HEAD it was seen.
func (t *noted) seen() (nodes int) {
	for i, c := range t.copies {
		if !c.node.gone && (i == 0 || t.copies[i-1].node != c.node) {
			nodes++
		}
	}
	return nodes
}

// holders are the nodes that keep an object's receipts: all of a small fleet, else those that rendezvous hashing gives it, which
// changes with few other nodes. One that is silent within its grace stays a holder.
func (w *world) holders(app manifest.ID) []*node {
	if w.small() {
		return w.keepers
	}
	type scored struct {
		*node
		score uint64
	}
	var best []scored
	seed := hash(app.String())
	for _, n := range w.keepers {
		s := scored{n, mix(seed ^ n.seed)}
		at := sort.Search(len(best), func(i int) bool { return best[i].score < s.score })
		if at < keptCopies {
			best = slices.Insert(best, at, s)[:min(len(best)+1, keptCopies)]
		}
	}
	nodes := make([]*node, 0, keptCopies)
	for _, s := range best {
		nodes = append(nodes, s.node)
	}
	return nodes
}

// small says whether all nodes of HEAD that are not lost keep all receipts, because there are few.
func (w *world) small() bool {
	if w.keepers == nil {
		for _, n := range w.nodes {
			if !n.gone {
				w.fleet++
			}
			if !n.gone && n.reach != lost {
				w.keepers = append(w.keepers, n)
			}
		}
	}
	return w.fleet <= smallFleet
}

// hash is FNV-1a, and mix is the finalizer of SplitMix64: neither guards anything.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// putReceipt writes a receipt down on each of its holders that answers and lacks it. What is pending is written as it stands. Under a
// hold none is written: it would be the one that ends it.
func (w *world) putReceipt(r live.Receipt) {
	if w.hold != "" {
		return
	}
	t := w.noted[w.transition(r)]
	if t != nil {
		r, t.put = t.Receipt, true
	}
	w.spread(r, t, r.Verb+": "+r.Why)
}

// spread puts a receipt on the holders that answer and have no copy of ours.
func (w *world) spread(r live.Receipt, t *noted, why string) {
	var file *manifest.File
	for _, n := range w.holders(r.App) {
		if n.reach != answers || t.on(n, w.h.Key == "") != nil {
			continue
		}
		if file == nil {
			file = w.receiptFile(r)
		}
		if !n.taken(file.Name) {
			w.put(n, r.App, file, why)
		}
	}
}

// taken says whether a receipt that does not count has the name: putting ours would change nothing.
func (n *node) taken(name string) bool {
	return slices.ContainsFunc(n.Receipts, func(r live.Receipt) bool { return r.File == name })
}

func (w *world) receiptFile(r live.Receipt) *manifest.File {
	r.Source = w.h.Source
	return &manifest.File{Name: r.Name(w.h.Key), Labels: r.Labels(w.h.Cluster), Data: manifest.Bytes(r.Verb)}
}

func (w *world) put(n *node, app manifest.ID, file *manifest.File, why string) {
	w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Put, Name: file.Name, App: app, Why: why, File: file})
}

// copyReceipts brings every receipt that is still needed to its holders, and collects the others, and copies that its holders make needless.
func (w *world) copyReceipts() {
	apps := make([]manifest.ID, 0, len(w.notedOf))
	for app := range w.notedOf {
		apps = append(apps, app)
	}
	sort.Slice(apps, func(i, j int) bool { return apps[i].Less(apps[j]) })
	for _, app := range apps {
		if w.alien[app] != "" {
			continue
		}
		keep := w.keeps(app)
		for _, t := range w.notedOf[app] {
			switch {
			case !keep(t.Receipt):
				w.collect(t, nil, "the receipt is not needed any more")
			case !t.put:
				w.spread(t.Receipt, t, "copied to a node that lacks it")
				w.thin(t)
			}
		}
	}
}

// thin collects the copies on nodes that are no holders, once all holders have one.
func (w *world) thin(t *noted) {
	if w.small() {
		return
	}
	holders := w.holders(t.App)
	for _, n := range holders {
		if n.reach != answers || t.on(n, w.h.Key == "") == nil {
			return
		}
	}
	w.collect(t, holders, "other nodes keep the receipt")
}

// collect deletes the copies of a receipt on nodes of HEAD that answer and are not among the spared.
func (w *world) collect(t *noted, spared []*node, why string) {
	for _, c := range t.copies {
		if c.node.reach == answers && !c.node.gone && !slices.Contains(spared, c.node) {
			w.plan.Actions = append(w.plan.Actions, Action{Node: c.node.Name, Verb: Delete, Name: c.file, App: t.App, Why: why})
		}
	}
}

// keeps says which receipts of an object are still needed: none, when it left HEAD and has no pods, and no silent node can have any.
func (w *world) keeps(app manifest.ID) func(live.Receipt) bool {
	none := func(live.Receipt) bool { return false }
	switch {
	case app == SourceID:
		return func(live.Receipt) bool { return true }
	case app.Kind == nodeKind:
		return w.keepsDone
	case app.Kind == claimKind && w.forgets(app):
		return none
	case app.Kind != claimKind && find(w.want, app) == nil && len(w.everyPod(app)) == 0 && !w.anySilent() && w.mayPrune() == "":
		return none
	}
	all := make(ledger.Ledger, 0, len(w.notedOf[app]))
	for _, t := range w.notedOf[app] {
		all = append(all, t.Receipt)
	}
	return all.Needed()
}
