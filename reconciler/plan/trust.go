package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// SourceID is what receipts are of that speak of the source as a whole: Adopted ones, by which it takes over what another source made.
var SourceID = manifest.ID{Kind: "Source", Name: "source"}

// trust is whose word a plan takes. Root on a host can write there what he likes, so what a host says of itself is data,
// and what it says of anything else counts if a key signed it that Git, or this controller's start, names.
type trust struct {
	keys    map[string]bool // that are trusted
	anyone  bool            // a reader without a key, and Git names none: whoever signed is believed
	adopted map[string]bool // other sources, of which ours has taken over what they made
	shown   map[string]int  // on how many nodes each key is seen
	// hold says why nothing but what keeps HEAD's revisions running may be done: all that is on the hosts is by keys that are not trusted.
	hold string
}

// addTrust finds out whom to believe.
func (w *world) addTrust() {
	w.trust = trust{keys: w.h.Trusted(), adopted: map[string]bool{}, shown: map[string]int{}}
	w.anyone = len(w.keys) == 0
	for _, n := range w.nodes {
		for _, r := range n.Receipts {
			if r.App == SourceID && r.Verb == live.Adopted && r.Source == w.h.Source && w.trusts(r.Signer) {
				w.adopted[r.Of] = true
			}
		}
	}
	w.leaveDoors()
	shown := w.signed()
	for _, s := range shown {
		w.shown[s.key]++
	}
	w.alarm(shown)
}

// trusts says whether what a key has signed is believed.
func (w *world) trusts(signer string) bool { return signer != "" && (w.anyone || w.keys[signer]) }

// ours says whether a source is this one, or one that it has taken over.
func (w *world) ours(source string) bool { return source == w.h.Source || w.adopted[source] }

// sure says whether a pod is what its labels say. Under a hold the word of whoever signed it does, for nothing is stopped then.
func (w *world) sure(n *node, p live.Pod) bool {
	return (w.trusts(p.Signer) || w.hold != "" && p.Signer != "") && !n.borrowed(p)
}

// borrowed says whether a pod was signed for another host, whose record somebody brought here.
func (n *node) borrowed(p live.Pod) bool { return p.Host != "" && n.id != "" && p.Host != n.id }

// isAlien keeps in mind that another source has something of a workload; of several, the first by name. Anybody may say so.
func (w *world) isAlien(app manifest.ID, source, signer string) {
	says := w.hearsay
	if w.trusts(signer) {
		says = w.alien
	}
	if was, ok := says[app]; !ok || source < was {
		says[app] = source
	}
}

// hearAliens lets what no trusted key says of another source count for workloads of which nothing is written down under one: else
// one host could freeze them all.
func (w *world) hearAliens() {
	for app, source := range w.hearsay {
		if _, ok := w.alien[app]; !ok && len(w.receipts.Of(app)) == 0 {
			w.alien[app] = source
		}
	}
}

// isForm says whether a File is a revision's form.
func isForm(f live.File) bool { return f.Labels[live.LabelObject] != "" }

// Kinds of what is signed.
const (
	ofReceipts = "receipts"
	ofForms    = "forms"
	ofPods     = "pods"
)

// signed is what one key, or nobody, signed on one node, of our source.
type signed struct {
	node, key string
	count     map[string]int       // by kind
	since     map[string]time.Time // of the oldest of that kind, as far as it says
}

// signed lists what is on the nodes by node and key, both sorted. Adoptions are not among it.
func (w *world) signed() (all []*signed) {
	for _, n := range w.nodes {
		by := map[string]*signed{}
		w.eachSigned(n, func(kind, key string, at time.Time, thing any) {
			if r, is := thing.(*live.Receipt); is && r.Verb == live.Adopted {
				return
			}
			s := by[key]
			if s == nil {
				s = &signed{node: n.Name, key: key, count: map[string]int{}, since: map[string]time.Time{}}
				by[key] = s
			}
			s.count[kind]++
			if old := s.since[kind]; !at.IsZero() && (old.IsZero() || at.Before(old)) {
				s.since[kind] = at
			}
		})
		for _, key := range sorted(by) {
			all = append(all, by[key])
		}
	}
	return all
}

// eachSigned tells of each receipt, form and pod of our source on a node by which key it is, and since when, as far as it says. Identities
// are not among them.
func (w *world) eachSigned(n *node, tell func(kind, key string, at time.Time, thing any)) {
	for i := range n.Receipts {
		if r := &n.Receipts[i]; w.ours(r.Source) {
			tell(ofReceipts, r.Signer, r.Time, r)
		}
	}
	for i := range n.Files {
		if f := &n.Files[i]; w.ours(f.Labels[live.LabelSource]) && isForm(*f) {
			tell(ofForms, f.Signer, time.Time{}, f)
		}
	}
	for i := range n.Pods {
		if p := &n.Pods[i]; w.ours(p.Source) {
			tell(ofPods, p.Signer, p.Created, p)
		}
	}
}

// alarm says what is not believed, and who is believed for want of anything better. When nothing is written down under a trusted key, and
// something under another, that holds the fleet: a controller of another key keeps it, or kept it. Pods and forms under a trusted key
// do not end that, since a hold makes some.
func (w *world) alarm(shown []*signed) {
	others, mine := map[string]bool{}, false
	for _, s := range shown {
		mine = mine || w.trusts(s.key) && s.count[ofReceipts] > 0
		if s.key != "" && (w.anyone || !w.trusts(s.key)) {
			others[s.key] = true
		}
	}
	switch names := keyNames(sorted(others)); {
	case len(others) > 0 && w.anyone:
		w.note("no key was given and " + manifest.SignersFile + " names none, so whoever signed what is on the hosts is believed: " + names)
	case len(others) > 0 && !mine:
		w.holdFor(shown, sorted(others))
		return
	}
	for _, kind := range []string{ofReceipts, ofForms, ofPods} {
		w.alarmOf(kind, shown)
	}
}

// holdFor holds the fleet for the keys that have signed what is there.
func (w *world) holdFor(shown []*signed, keys []string) {
	var since time.Time
	var on []string
	for _, s := range shown {
		if s.key == "" {
			continue
		}
		for _, at := range s.since {
			if since.IsZero() || at.Before(since) {
				since = at
			}
		}
		on = append(on, s.node)
	}
	trusting := "podkeep trust " + live.ShortKey(keys[0])
	w.hold = fmt.Sprintf("%s signed what is on the hosts, and no trusted key did: %s", keyNames(keys), trusting)
	w.note(fmt.Sprintf("all is held but restarts and lost pods of HEAD's revisions: %s signed what is on %s%s, and no trusted key did. If that is this fleet's "+
		"controller of old, give this one its key (--key), or trust it in Git: %s; if it still runs, stop one of the two",
		keyNames(keys), names(slices.Compact(on)), sinceWhen(since), trusting))
}

// alarmOf has one note for each node that shows things of a kind which no trusted key signed.
func (w *world) alarmOf(kind string, shown []*signed) {
	for _, n := range w.nodes {
		count, since := 0, time.Time{}
		var keys []string
		for _, s := range shown {
			if s.node != n.Name || w.trusts(s.key) || s.count[kind] == 0 {
				continue
			}
			count += s.count[kind]
			keys = append(keys, s.key)
			if at := s.since[kind]; s.key != "" && (since.IsZero() || at.Before(since)) {
				since = at
			}
		}
		if count > 0 {
			w.note(fmt.Sprintf("%s shows %s that no trusted key signed (%s%s): %s", n.Name, counted(count, kind), keyNames(keys), sinceWhen(since), fate[kind]))
		}
	}
}

// fate is what becomes of what is not believed, and what to do.
var fate = map[string]string{
	ofReceipts: "ignored; remove them by hand, or trust who signed them: podkeep trust",
	ofForms:    "ignored; remove them by hand, or trust who signed them: podkeep trust",
	ofPods:     "they count for nothing and are replaced, unless who signed them is trusted: podkeep trust",
}

func counted(n int, kind string) string {
	if n == 1 {
		kind = strings.TrimSuffix(kind, "s")
	}
	return fmt.Sprintf("%d %s", n, kind)
}

func sinceWhen(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + t.UTC().Format("2006-01-02 15:04")
}

// keyNames names at most two keys; the empty one is nobody's, and comes last.
func keyNames(keys []string) string {
	var shown []string
	for _, key := range keys {
		if key != "" {
			shown = append(shown, live.ShortKey(key))
		}
	}
	if len(shown) < len(keys) {
		shown = append(shown, "nobody")
	}
	return names(shown)
}

// names lists at most three, and says how many more there are.
func names(all []string) string {
	const most = 3
	if more := len(all) - most; more > 0 {
		all = append(slices.Clone(all[:most]), fmt.Sprintf("%d more", more))
	}
	if last := len(all) - 1; last > 0 {
		return strings.Join(all[:last], ", ") + " and " + all[last]
	}
	return strings.Join(all, "")
}

// Believed is the fleet without what hosts show that no trusted key signed, for those who tell of it: receipts and forms. Pods are all in it,
// for they run. Of what is held for another key, its word is taken.
func Believed(want manifest.History, have live.Snapshot) live.Snapshot {
	w := newWorld(want, have, want.Head.Time)
	unsure := func(signer string) bool { return !w.trusts(signer) && (w.hold == "" || signer == "") }
	out := live.Snapshot{Nodes: slices.Clone(have.Nodes), Watched: have.Watched}
	for i := range out.Nodes {
		n := &out.Nodes[i]
		n.Receipts = slices.DeleteFunc(slices.Clone(n.Receipts), func(r live.Receipt) bool { return !w.ours(r.Source) || unsure(r.Signer) })
		n.Files = slices.DeleteFunc(slices.Clone(n.Files), func(f live.File) bool { return isForm(f) && unsure(f.Signer) })
	}
	return out
}
