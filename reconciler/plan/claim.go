package plan

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
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
// there. A retry decision that neither names undoes the binding, but only where the data cannot be had.
type claim struct {
	manifest.ID
	gen    int
	node   string
	host   string // the identity of that node, if it was known when that was written down
	home   *node  // which node that is now; nil if it is none of those that are looked at
	made   bool
	sights int    // how often it was written down that the volume is there
	open   bool   // somebody decided to do without the data since
	why    string // why its data cannot be had
	stuck  bool   // only a retry decision, or the data's return, ends that
}

// claim finds out about a claim, once a plan.
func (w *world) claim(id manifest.ID) *claim {
	if c := w.claims[id]; c != nil {
		return c
	}
	c := &claim{ID: id}
	w.claims[id] = c
	c.gen = w.receipts.Of(id).Gen()
	var newest []*live.Receipt
	for i := range w.receipts.Of(id) {
		if r := &w.receipts.Of(id)[i]; r.Gen == c.gen {
			c.reads(*r)
			newest = append(newest, r)
		}
	}
	c.open = ledger.Open(w.retries(id), newest...)
	w.find(c)
	if w.judgeClaim(c); c.node != "" && c.open && w.astray(c) {
		c.node, c.host, c.home, c.made, c.why, c.stuck = "", "", nil, false, "", false
		w.judgeClaim(c)
	}
	if c.why == "" && !c.made && w.receipts.Pending(id) != "" {
		c.why = "claim " + c.Name + ": " + w.receipts.Pending(id)
	}
	return c
}

// reads takes in a receipt of the newest generation. Where the volume was seen counts more than where it was to be, and the last sight
// more than the one before.
func (c *claim) reads(r live.Receipt) {
	switch {
	case r.Verb == live.Bound && c.node == "":
		c.node, c.host = r.Node, r.Host
	case r.Verb == live.Made && r.Step >= c.sights:
		c.node, c.host, c.made, c.sights = r.Node, r.Host, true, r.Step+1
	}
}

// find finds the node that has a claim's data: by its identity, whatever that host is called now; by its name only while it is not known
// which of the two was meant, or which host the node is.
func (w *world) find(c *claim) {
	for _, n := range w.nodes {
		if c.host != "" && n.id == c.host {
			c.home, c.node = n, n.Name
			return
		}
	}
	if n := w.lookup(c.node); n != nil && (c.host == "" || n.id == "") {
		c.home = n
	}
}

// judgeClaim says why the data of a bound claim cannot be had.
func (w *world) judgeClaim(c *claim) {
	n := c.home
	offers := w.offers(c)
	switch {
	case c.node == "" && w.hold != "":
		c.why = "is not known to be anywhere: " + w.hold
	case c.node == "" && len(offers) > 1:
		volume := live.ClaimVolume(w.h.Cluster, c.Namespace, c.Name)
		c.why, c.stuck = fmt.Sprintf("has a volume on each of %s: run podman volume rm %s where it is not wanted", strings.Join(offers, ", "), volume), true
	case c.node == "":
	case n == nil && w.plan.Held[c.node] != "":
		c.why, c.stuck = fmt.Sprintf("is on %s, which is held", c.node), true
	case n == nil && w.lookup(c.node) != nil:
		c.why, c.stuck = fmt.Sprintf("was on %s before %[1]s was replaced by another host", c.node), true
	case n == nil || n.gone:
		c.why, c.stuck = fmt.Sprintf("is on %s, which left Git", c.node), true
	case n.reach != answers:
		c.why, c.stuck = fmt.Sprintf("is on %s, which is %s", c.node, n.silence()), n.reach == lost
	case c.host != "" && n.id == "" && n.unnamed():
		c.why = fmt.Sprintf("is on %s, which does not say yet which host it is", c.node)
	case c.host != "" && n.id == "":
		c.why, c.stuck = fmt.Sprintf("is on %s, and no trusted key signed which host that is", c.node), true
	case c.made && !n.holds(c.ID):
		c.why, c.stuck = fmt.Sprintf("lost its volume on %s: podkeep will not start empty", c.node), true
	}
	if c.stuck && c.node != "" {
		c.why += "; decide with podkeep retry pvc/" + c.Name
		if c.Namespace != "default" {
			c.why += " -n " + c.Namespace
		}
	}
	if c.why != "" {
		c.why = "claim " + c.Name + " " + c.why
	}
}

// astray says whether a retry decision may give the claim up: its data cannot be had, or its node is being drained.
func (w *world) astray(c *claim) bool {
	return c.stuck || c.home != nil && c.home.evicts(nil)
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

// ties are the nodes that a form's claims bind it to. Of a claim that is bound nowhere, and of which a node has a volume
// all the same, that node: nobody remembers it, or a person has restored it there.
func (w *world) ties(f form) (ties []schedule.Tie) {
	for _, c := range w.claimsOf(f) {
		if node := w.whereIs(c); node != "" {
			ties = append(ties, schedule.Tie{Claim: c.Name, Node: node})
		}
	}
	return ties
}

func (w *world) whereIs(c *claim) string {
	if offers := w.offers(c); c.node == "" && len(offers) > 0 {
		return offers[0]
	}
	return c.node
}

// offers are the nodes that have a volume of a claim, which it goes on with when it is bound nowhere. Of one that a person gave up, its node
// along with it, those on which it can be had.
func (w *world) offers(c *claim) (on []string) {
	for _, n := range w.nodes {
		if n.holds(c.ID) && (c.gen == 0 || n.reach == answers && !n.gone && !n.evicts(nil)) {
			on = append(on, n.Name)
		}
	}
	return on
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
	host, why := k.queue.Place(r)
	k.refusal = why
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
		App: c.ID, Verb: live.Bound, Gen: c.gen + 1, Node: node, Host: k.node(node).id, Time: k.now, Answers: ledger.Answers(k.retries(c.ID)),
		Why: fmt.Sprintf("to %s, by %s", node, k.wl.ID.Short()),
	}
	if k.wl.Suspended {
		k.app.Suspended = append(k.app.Suspended, Action{Verb: Put, Name: k.receipts.File(r).Name, App: r.App, Why: r.Why})
		return
	}
	c.gen++
	c.node, c.host, c.home, c.made, c.why = node, r.Host, k.lookup(node), false, binding(c.Name, node)
	k.putReceipt(r)
}

func binding(claims, node string) string {
	return fmt.Sprintf("claim %s is being bound to %s", claims, node)
}

// volumes says which claims' volumes a pod may make on a node, or why it must not start there.
func (k *work) volumes(n *node, f form) (fresh []string, why string) {
	for _, c := range k.claimsOf(f) {
		switch {
		case n.holds(c.ID) && !(n.Name == c.node && c.home == nil):
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
	for id := range w.receipts.Ledgers {
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

// tellBlank says what comes of it that nobody remembers anything: in a fleet that is new, and in one whose last host lost its disk.
func (w *world) tellBlank() {
	remembers := func(n *node) bool { return n.reach != answers || len(n.Receipts)+len(n.Pods) > 0 }
	runs := func(wl manifest.Workload) bool { return wl.Job != nil }
	if (len(w.want.Claims) > 0 || slices.ContainsFunc(w.want.Workloads, runs)) && !slices.ContainsFunc(w.nodes, remembers) {
		w.note("no host remembers anything of this fleet: all Jobs run, and claims start empty where no volume of theirs is")
	}
}

// sight writes down that the volume of a claim was seen, so that it is known to be missing when it is. A retry decision that was
// not needed is answered in the same way, so that it never counts later.
func (w *world) sight(c *claim) {
	n := c.home
	if n == nil || n.reach != answers || !n.holds(c.ID) || c.made && !c.open && (c.host != "" || n.id == "") {
		return
	}
	why := "the volume is on " + c.node
	if c.made && c.open {
		why += ", so the retry decision is not needed"
	}
	w.putReceipt(live.Receipt{
		App: c.ID, Verb: live.Made, Gen: c.gen, Node: c.node, Host: n.id, Step: c.sights, Time: w.now, Why: why, Answers: ledger.Answers(w.retries(c.ID)),
	})
}

func (w *world) tellClaim(c *claim, left bool) {
	if left && w.forgets(c.ID) {
		return
	}
	if left && c.node != "" {
		w.note(fmt.Sprintf("claim %s left Git: its volume stays on %s", shortClaim(c.ID), c.node))
	}
	for _, n := range w.nodes {
		switch {
		case c.node == "" || n == c.home || n.reach != answers || !n.holds(c.ID):
		case c.stuck:
			w.note(fmt.Sprintf("%s has another volume of claim %s; podkeep leaves it alone until a retry decision, which takes it", n.Name, shortClaim(c.ID)))
		default:
			w.note(fmt.Sprintf("%s has an older volume of claim %s, which is on %s now; podkeep leaves it alone", n.Name, shortClaim(c.ID), c.node))
		}
	}
	w.plan.Claims = append(w.plan.Claims, Claim{ID: c.ID, Node: c.node, Made: c.made, Why: c.why, Lost: c.stuck, Left: left})
}

// forgets says whether nothing need be known of a claim any more: Git does not ask for it, and its volume was removed from
// a node that answers.
func (w *world) forgets(id manifest.ID) bool {
	c := w.claim(id)
	n := c.home
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
