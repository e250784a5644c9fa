package plan

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// Claim is where the data of a PersistentVolumeClaim is.
type Claim struct {
	ID   manifest.ID
	Node string // empty until a first pod has been placed
	Made bool   // the volume has been seen there
	Why  string // why it cannot be had, or ""
	Lost bool   // only a retry decision, or the data's return, ends that
	Left bool   // Git does not ask for it any more
}

// claim is what is known of a claim. What is written down of it: on which node it is bound, and that its volume was seen
// there. A retry decision that is newer than both undoes the binding, but only where the data cannot be had.
type claim struct {
	manifest.ID
	gen    int
	node   string
	made   bool
	sights int       // how often it was written down that the volume is there
	since  time.Time // of what was written down last
	retry  time.Time // of the newest retry decision
	why    string    // why its data cannot be had
	stuck  bool      // only a retry decision, or the data's return, ends that
}

// claim finds out about a claim, once a plan.
func (w *world) claim(id manifest.ID) *claim {
	if c := w.claims[id]; c != nil {
		return c
	}
	c := &claim{ID: id}
	w.claims[id] = c
	for _, r := range w.receipts[id] {
		c.gen = max(c.gen, r.Gen)
	}
	for _, r := range w.receipts[id] {
		if r.Gen == c.gen {
			c.reads(r)
		}
	}
	for _, d := range w.h.Decisions {
		if d.Verb == "retry" && d.App == id && d.Time.After(c.retry) {
			c.retry = d.Time
		}
	}
	if w.judgeClaim(c); c.node != "" && c.retry.After(c.since) && w.astray(c) {
		c.node, c.made, c.why, c.stuck = "", false, "", false
	}
	return c
}

func (c *claim) reads(r live.Receipt) {
	switch r.Verb {
	case live.Bound:
		c.node = r.Node
	case live.Made:
		c.node, c.made = r.Node, true
		c.sights = max(c.sights, r.Step+1)
	}
	if r.Time.After(c.since) {
		c.since = r.Time
	}
}

// judgeClaim says why the data of a bound claim cannot be had.
func (w *world) judgeClaim(c *claim) {
	n := w.lookup(c.node)
	switch {
	case c.node == "" && w.hold != "":
		c.why = "is not known to be anywhere: " + w.hold
	case c.node == "":
	case n == nil || n.gone:
		c.why, c.stuck = fmt.Sprintf("is on %s, which left Git", c.node), true
	case n.reach != answers:
		c.why, c.stuck = fmt.Sprintf("is on %s, which is silent for %s", c.node, round(n.Silent)), n.reach == lost
	case c.made && !n.holds(c.ID):
		c.why, c.stuck = fmt.Sprintf("lost its volume on %s: podkeep will not start empty", c.node), true
	}
	if c.stuck {
		c.why += "; decide with a retry decision for " + c.ID.String()
	}
	if c.why != "" {
		c.why = "claim " + c.Name + " " + c.why
	}
}

// astray says whether a retry decision may give the claim up: its data cannot be had, or its node is being drained.
func (w *world) astray(c *claim) bool {
	n := w.lookup(c.node)
	return c.stuck || n != nil && n.evicts(nil)
}

func (w *world) lookup(name string) *node {
	i := sort.Search(len(w.nodes), func(i int) bool { return w.nodes[i].Name >= name })
	if i < len(w.nodes) && w.nodes[i].Name == name {
		return w.nodes[i]
	}
	return nil
}

// holds says whether the claim's volume was seen on the node.
func (n *node) holds(id manifest.ID) bool {
	return slices.Contains(n.Volumes, id.Namespace+"/"+id.Name)
}

// claimsOf are the claims that pods of a form mount.
func (w *world) claimsOf(f form) (all []*claim) {
	for _, name := range manifest.ClaimsOf(f.Spec) {
		all = append(all, w.claim(manifest.ClaimID(f.App.Namespace, name)))
	}
	return all
}

// ties are the nodes that a form's claims bind it to. Of a claim that is bound nowhere, and of which a node has the volume
// all the same, that node.
func (w *world) ties(f form) (ties []schedule.Tie) {
	for _, c := range w.claimsOf(f) {
		if node := w.whereIs(c); node != "" {
			ties = append(ties, schedule.Tie{Claim: c.Name, Node: node})
		}
	}
	return ties
}

func (w *world) whereIs(c *claim) string {
	if c.node != "" || c.gen > 0 {
		return c.node
	}
	for _, n := range w.nodes {
		if n.holds(c.ID) {
			return n.Name
		}
	}
	return ""
}

// place chooses a node for a pod, where its claims are. Claims that are bound nowhere are bound first, and the pod waits until that has been
// seen.
func (k *work) place(f form, r schedule.Request) (*schedule.Host, string) {
	var free []string
	for _, c := range k.claimsOf(f) {
		if c.why != "" {
			k.blocked = c
			return nil, c.why
		}
		if c.node == "" {
			free = append(free, c.Name)
		}
	}
	host, why := schedule.Place(r, k.hosts)
	if host == nil || len(free) == 0 {
		return host, why
	}
	for _, name := range free {
		k.bind(k.claim(manifest.ClaimID(f.App.Namespace, name)), host.Name)
	}
	return nil, binding(strings.Join(free, ", "), host.Name)
}

// bind writes down on which node a claim's data will be. The others of this plan take it as bound.
func (k *work) bind(c *claim, node string) {
	r := live.Receipt{
		App: c.ID, Verb: live.Bound, Gen: c.gen + 1, Node: node, Time: c.now(k.now),
		Why: fmt.Sprintf("to %s, by %s", node, k.wl.ID.Short()),
	}
	if k.wl.Suspended {
		k.app.Suspended = append(k.app.Suspended, Action{Verb: Put, Name: k.receiptFile(r).Name, App: r.App, Why: r.Why})
		return
	}
	c.gen++
	c.node, c.made, c.why = node, false, binding(c.Name, node)
	k.putReceipt(r)
}

func binding(claims, node string) string {
	return fmt.Sprintf("claim %s is being bound to %s", claims, node)
}

// now is a time that is not before the retry decision, which is a time of another clock.
func (c *claim) now(t time.Time) time.Time {
	if c.retry.After(t) {
		return c.retry
	}
	return t
}

// volumes says which claims' volumes a pod may make on a node, or why it must not start there.
func (k *work) volumes(n *node, f form) (fresh []string, why string) {
	for _, c := range k.claimsOf(f) {
		switch {
		case n.holds(c.ID):
		case c.why != "":
			k.blocked = c
			return nil, c.why
		case c.node == "":
			k.bind(c, n.Name)
			return nil, binding(c.Name, n.Name)
		case c.node != n.Name:
			return nil, fmt.Sprintf("claim %s has no volume on %s", c.Name, n.Name)
		default:
			fresh = append(fresh, c.Name)
		}
	}
	return fresh, ""
}

// strays says where the data of a pod's claim is, if it was given up where the pod runs and is elsewhere now.
func (w *world) strays(n *node, p live.Pod, wl *manifest.Workload) string {
	if wl == nil || p.Rev != wl.Revision.Rev {
		return ""
	}
	for _, c := range w.claimsOf(formOf(*wl)) {
		if c.node != "" && c.node != n.Name {
			return fmt.Sprintf("claim %s is on %s now", c.Name, c.node)
		}
	}
	return ""
}

// oneWriter says whether the workload's only pod must be gone before the next one may have its claim.
func (k *work) oneWriter() (bool, string) {
	if k.wl.Replicas != 1 || k.wl.Strategy.Type == manifest.Recreate {
		return false, ""
	}
	for _, name := range manifest.ClaimsOf(k.wl.Revision.Spec) {
		id := manifest.ClaimID(k.wl.Namespace, name)
		if i := slices.IndexFunc(k.want.Claims, func(c manifest.Claim) bool { return c.ID == id }); i < 0 || k.want.Claims[i].Once() {
			return true, fmt.Sprintf("claim %s is for one pod at a time", name)
		}
	}
	return false, ""
}

// claimed says why the workload's pods cannot have its claims, so that no deadline counts that.
func (k *work) claimed() string {
	f := formOf(*k.wl)
	for _, c := range k.claimsOf(f) {
		if c.why != "" {
			return c.why
		}
	}
	first := live.Pod{Name: live.PodName(k.h.Cluster, f.App, f.Rev, 0), App: f.App}
	for _, tie := range k.ties(f) {
		if n := k.lookup(tie.Node); n != nil && n.reach == answers {
			if found := k.perilOf(n, first, f); found.stuck {
				return found.why
			}
		}
	}
	return ""
}

// tellClaims writes down which volumes have been seen, and says what is to be known of claims.
func (w *world) tellClaims() {
	wanted := map[manifest.ID]bool{}
	for _, c := range w.want.Claims {
		wanted[c.ID] = true
		w.claim(c.ID)
	}
	for id := range w.receipts {
		if id.Kind == claimKind {
			w.claim(id)
		}
	}
	all := make([]*claim, 0, len(w.claims))
	for _, c := range w.claims {
		all = append(all, c)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Less(all[j].ID) })
	for _, c := range all {
		w.sight(c)
		w.tellClaim(c, !wanted[c.ID])
	}
}

const claimKind = "PersistentVolumeClaim"

// sight writes down that the volume of a claim was seen, so that it is known to be missing when it is. A retry decision that was
// not needed is answered in the same way, so that it never counts later.
func (w *world) sight(c *claim) {
	n := w.lookup(c.node)
	if n == nil || n.reach != answers || !n.holds(c.ID) || c.made && !c.retry.After(c.since) {
		return
	}
	why := "the volume is on " + c.node
	if c.made {
		why += ", so the retry decision is not needed"
	}
	w.putReceipt(live.Receipt{App: c.ID, Verb: live.Made, Gen: c.gen, Node: c.node, Step: c.sights, Time: c.now(w.now), Why: why})
}

func (w *world) tellClaim(c *claim, left bool) {
	if left && w.forgets(c.ID) {
		return
	}
	if left && c.node != "" {
		w.note(fmt.Sprintf("claim %s left Git: its volume stays on %s", shortClaim(c.ID), c.node))
	}
	for _, n := range w.nodes {
		if c.node != "" && n.Name != c.node && n.reach == answers && n.holds(c.ID) {
			w.note(fmt.Sprintf("%s has an older volume of claim %s, which is on %s now; podkeep leaves it alone", n.Name, shortClaim(c.ID), c.node))
		}
	}
	w.plan.Claims = append(w.plan.Claims, Claim{ID: c.ID, Node: c.node, Made: c.made, Why: c.why, Lost: c.stuck, Left: left})
}

// forgets says whether nothing need be known of a claim any more: Git does not ask for it, and its volume was removed from
// a node that answers.
func (w *world) forgets(id manifest.ID) bool {
	c := w.claim(id)
	n := w.lookup(c.node)
	for _, asked := range w.want.Claims {
		if asked.ID == id {
			return false
		}
	}
	return n != nil && n.reach == answers && !n.holds(id) && !w.used(id) && w.mayPrune() == ""
}

// used says whether a workload of HEAD, or a pod that is left, may need the claim.
func (w *world) used(id manifest.ID) bool {
	for _, wl := range w.want.Workloads {
		if wl.Namespace == id.Namespace && slices.Contains(manifest.ClaimsOf(wl.Revision.Spec), id.Name) {
			return true
		}
	}
	return false
}

func shortClaim(id manifest.ID) string {
	return strings.TrimPrefix(id.Short(), "persistentvolumeclaim/")
}
