package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Which host a Node is, neither its name says nor the way to it: either may be another tomorrow. It is what the records on the host say
// (live.Host), if somebody signed them who is trusted.

// recordsOn are the trusted records of a node's identity, the newest first. Which identity, the first that was ever written says; when
// that is trusted no more, the newest.
func (w *world) recordsOn(n live.Node) (records []live.Host) {
	id := ""
	for _, f := range n.Files {
		if h, ok := live.ParseHost(f); ok && w.trusts(h.Signer) {
			records = append(records, h)
			if h.File == live.HostFile {
				id = h.ID
			}
		}
	}
	slices.SortFunc(records, func(a, b live.Host) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.File, b.File)) })
	if id == "" && len(records) > 0 {
		id = records[0].ID
	}
	return slices.DeleteFunc(records, func(h live.Host) bool { return h.ID != id })
}

// unnamed says whether nothing on a node says which host it is.
func (n *node) unnamed() bool {
	return n.Known && !slices.ContainsFunc(n.Files, func(f live.File) bool { return f.Name == live.HostFile })
}

// shown is the identity that the first record on a node says, whoever signed it; empty where nobody did.
func (n *node) shown() string {
	for _, f := range n.Files {
		if h, ok := live.ParseHost(f); ok && h.File == live.HostFile && h.Signer != "" {
			return h.ID
		}
	}
	return ""
}

// wasReached says whether a record has the way.
func (n *node) wasReached(way string) bool {
	return slices.ContainsFunc(n.records, func(h live.Host) bool { return h.Way == way })
}

// recognise finds out which Nodes are one host, and leaves one of each in the world. Of two that HEAD holds the other is held: it is a
// copy of the disk, or a second way to the host. One that left HEAD and is a host of HEAD's is no other.
func (w *world) recognise() {
	var head, gone []*node
	for _, n := range w.nodes {
		if n.records = w.recordsOn(n.Node); len(n.records) > 0 {
			n.id = n.records[0].ID
		}
		if n.gone {
			gone = append(gone, n)
		} else {
			head = append(head, n)
		}
	}
	hosts := w.holdCopies(head)
	for _, holders := range byIdentity(gone) {
		hosts = append(hosts, keeper(holders, holders))
	}
	for _, n := range gone {
		if as := sameHost(n, hosts); as != nil && as != n {
			w.called[n.Name] = as.Name
			if n.Known || n.Silent >= n.grace() { // else its way may lead to another host by now
				w.departs(n.Name)
			}
		}
		n.unsure = w.unsure(n, head)
	}
	w.nodes = slices.DeleteFunc(w.nodes, func(n *node) bool { return w.plan.Held[n.Name] != "" || w.called[n.Name] != "" })
}

// byIdentity parts the nodes by which host they are, in the order of the identities. Those of which that is not known are left out.
func byIdentity(nodes []*node) (groups [][]*node) {
	by := map[string][]*node{}
	for _, n := range nodes {
		if n.id != "" {
			by[n.id] = append(by[n.id], n)
		}
	}
	for _, id := range sorted(by) {
		groups = append(groups, by[id])
	}
	return groups
}

// keeper is which of the nodes with one identity has it: the one that is reached as the newest record says, even if it was not heard yet;
// if there is none, the first of them.
func keeper(holders, all []*node) *node {
	newest := slices.MaxFunc(holders, func(a, b *node) int { return a.records[0].Time.Compare(b.records[0].Time) }).records[0]
	for _, n := range all {
		if (n.id == newest.ID || !n.Known) && n.want.Way() == newest.Way {
			return n
		}
	}
	return holders[0]
}

// holdCopies holds all but one of the Nodes of HEAD that show one identity, and gives the others.
func (w *world) holdCopies(head []*node) (kept []*node) {
	w.plan.Held = map[string]string{}
	for _, holders := range byIdentity(head) {
		by := keeper(holders, head)
		for _, n := range holders {
			if n != by {
				w.plan.Held[n.Name] = w.whyHeld(n, by)
				w.note(n.Name + " is held: " + w.plan.Held[n.Name])
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(head), func(n *node) bool { return w.plan.Held[n.Name] != "" })
}

// whyHeld says what a person is to do about two Nodes with one identity.
func (w *world) whyHeld(n, by *node) string {
	var secrets []string
	for _, r := range n.records {
		secrets = append(secrets, fmt.Sprintf("podkeep-%s-%s", w.h.Cluster, r.File))
	}
	slices.Sort(secrets)
	return fmt.Sprintf("it shows the identity of %s, so nothing there is counted or touched. If its disk is a copy of that of %[1]s, "+
		"run podman secret rm %s on %s, and it becomes a host of its own; if both are one host, remove one of the two Nodes from Git",
		by.Name, strings.Join(secrets, " "), n.Name)
}

// sameHost is which of the hosts a node is that left HEAD. While it has not answered, a record of the way to it says so.
func sameHost(n *node, hosts []*node) *node {
	for _, h := range hosts {
		if h.id != "" && (n.id == h.id || !n.Known && h != n && h.wasReached(n.want.Way())) {
			return h
		}
	}
	return nil
}

// settling is how long ago an identity was written at least if every look that was answered has seen it.
const settling = time.Minute

// unsure says why a node that left HEAD may be one of HEAD's: one of the two shows an identity, and the other was perhaps looked at just
// before it was written.
func (w *world) unsure(n *node, head []*node) string {
	for _, h := range head {
		if n.id == "" && h.id == "" && n.shown() != "" && n.shown() == h.shown() {
			return fmt.Sprintf("may be %s: both show one identity, and no key that is trusted has signed that; podkeep trust names the one that did", h.Name)
		}
		named, bare := h, n
		if n.id != "" {
			named, bare = n, h
		}
		if named.id == "" || !bare.unnamed() {
			continue
		}
		if until := named.records[len(named.records)-1].Time.Add(settling); w.now.Before(until) {
			w.wake(until)
			return fmt.Sprintf("may be %s: which host it is was written down a moment ago", h.Name)
		}
	}
	return ""
}

// doubtGone leaves alone what left HEAD and may be in it: as a node that has not answered yet.
func (w *world) doubtGone() {
	unheard := slices.IndexFunc(w.nodes, func(h *node) bool { return !h.gone && !h.Known && h.reach == silent })
	for _, n := range w.nodes {
		if n.gone && n.id != "" && unheard >= 0 {
			n.maybe = w.nodes[unheard].Name
		}
		if n.unsure != "" && n.reach == answers {
			n.reach = silent
		}
	}
}

// nowCalled is the name now of what was called so.
func (w *world) nowCalled(name string) string {
	return cmp.Or(w.called[name], w.h.Renamed[name], name)
}

// writeRecords writes down of each node of HEAD how it is reached now where the newest record by our own key does not say so. Only the first
// record of a host is not written here: its identity is random. One who came back to a way it had is removed first.
func (w *world) writeRecords() {
	if w.h.Key == "" {
		return
	}
	for _, n := range w.answering() {
		way := n.want.Way()
		mine := slices.IndexFunc(n.records, func(h live.Host) bool { return h.Signer == w.h.Key })
		if n.id == "" || mine >= 0 && n.records[mine].Way == way {
			continue
		}
		name := live.FurtherHostFile(way, w.h.Key)
		if n.has(name) {
			w.drop(n, name, "an older record of the same way, which is to be the newest")
			continue
		}
		h := live.Host{ID: n.id, Way: way, Key: n.HostKey, Time: w.now, Source: w.h.Source}
		if last := n.records[0].Time; !h.Time.After(last) { // by a clock that is ahead of this one
			h.Time = last.Add(time.Nanosecond)
		}
		w.put(n, manifest.ID{}, &manifest.File{Name: name, Labels: h.Labels(w.h.Cluster), Data: manifest.Bytes(n.id)},
			"which host this is, as it is reached and signed for now")
	}
}

func (w *world) drop(n *node, file, why string) {
	w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Delete, Name: file, Why: why})
}
