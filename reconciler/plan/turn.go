package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// Where an old pod has to go before a new one comes, it is not to go for nothing: the new one is known to have a place then, and its
// images are known to be there. Until then the old one serves.

// turns are what is known of the pods that go first.
type turns struct {
	goal  form
	lacks []lack // what is to be pulled before more may go, the first to go first
	stuck string // why none may go, and nothing but a person or the fleet changes that
}

// lack is an image that a node does not have yet, as far as is known, and of which pod it is.
type lack struct {
	on    *node
	image string
	slot  int
}

// takeTurns finds out which old pods stay for now, and why.
func (k *work) takeTurns(refused string) {
	var ok bool
	for _, p := range k.kept {
		p.stays = "" // what was thought before HEAD's revision was refused
	}
	if !k.first && !k.stopsBeforeMove() {
		return
	}
	if k.turns.goal, ok = k.goal(refused); !ok {
		return
	}
	old := k.old()
	if len(old) == 0 {
		return
	}
	if k.wl.Strategy.Type == manifest.Recreate {
		k.goTogether(old)
		return
	}
	t := k.trial()
	for _, p := range old {
		before := slices.Clone(t.hosts)
		t.leave(p)
		host, refusal := t.place()
		if host == nil {
			p.stays, t.hosts = refusal, before
			continue
		}
		p.stays = k.lacking(host, t.slot)
	}
	k.turns.stuck = k.stuckOn(old)
}

// goTogether has old pods stay until the images of all new ones are there that have a place once the old ones are gone.
func (k *work) goTogether(old []*pod) {
	t := k.trial()
	for _, p := range old {
		t.leave(p)
	}
	for range old {
		if host, _ := t.place(); host != nil {
			k.lacking(host, t.slot)
		}
	}
	for _, p := range old {
		if len(k.turns.lacks) > 0 {
			p.stays = "all go at once, when the images of the new ones are there"
		}
	}
}

// goal is the form that the workload's pods are to have next.
func (k *work) goal(refused string) (form, bool) {
	if rev := rollout.Goal(*k.wl, k.view(), k.ledger(refused)); rev != k.wl.Revision.Rev {
		return k.form(k.wl.ID, rev)
	}
	return formOf(*k.wl), true
}

// old are the available pods of another revision than the goal's, those that are missed least first.
func (k *work) old() []*pod {
	var old []*pod
	for _, p := range k.kept {
		if p.Rev != k.turns.goal.Rev && p.available && !p.Stopping {
			old = append(old, p)
		}
	}
	return victims(old, len(old))
}

// trial is the fleet as it may be, to place new pods in that nobody runs.
type trial struct {
	k     *work
	hosts []*schedule.Host
	slot  int // of the pod that was placed last
}

// trial is the fleet once what is stopping has gone, and what is missing has come: that has the first choice.
func (k *work) trial() *trial {
	t, missing := &trial{k: k, slot: -1}, k.wl.Replicas-k.total()
	for _, h := range k.hosts {
		h = without(h)
		h.Names, h.Apps, h.Revs = map[string]bool{}, maps.Clone(h.Apps), maps.Clone(h.Revs)
		t.hosts = append(t.hosts, h)
	}
	for _, p := range k.kept {
		if p.Stopping {
			t.leave(p)
		}
	}
	for range missing {
		t.place()
	}
	return t
}

// place finds a place for one more new pod.
func (t *trial) place() (host *schedule.Host, why string) {
	t.slot++
	for _, c := range t.k.claimsOf(t.k.turns.goal) {
		if c.why != "" {
			return nil, c.why
		}
	}
	return schedule.Place(t.k.request(t.k.turns.goal, cell{slot: t.slot}), t.hosts)
}

// leave takes a pod from its node.
func (t *trial) leave(p *pod) {
	for i, h := range t.hosts {
		if h.Name != p.node.Name {
			continue
		}
		h = without(h, p)
		h.Apps, h.Revs = maps.Clone(h.Apps), maps.Clone(h.Revs)
		h.Apps[p.of]--
		h.Revs[p.Rev]--
		h.Pods--
		t.hosts[i] = h
	}
}

// lacking says which image of a new pod is not known to be on a host whose driver can pull it, and remembers that.
func (k *work) lacking(h *schedule.Host, slot int) string {
	n := k.node(h.Name)
	if !n.Pulls {
		return ""
	}
	image := k.lackingOf(n)
	if image == "" {
		return ""
	}
	k.turns.lacks = append(k.turns.lacks, lack{n, image, slot})
	why := fmt.Sprintf("%s is to be on %s first", image, n.Name)
	for _, t := range n.Troubles {
		if t.Rev == k.turns.goal.Rev {
			return why + ": " + t.Why
		}
	}
	return why
}

func (k *work) lackingOf(n *node) string {
	spec := k.turns.goal.Spec
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		if !slices.Contains(n.Images, c.Image) {
			return c.Image
		}
	}
	return ""
}

// stuckOn says why no old pod may go though nothing else is waited for, so that no deadline counts it.
func (k *work) stuckOn(old []*pod) string {
	if len(old) == 0 || len(k.turns.lacks) > 0 || k.turns.goal.Rev != k.wl.Revision.Rev {
		return ""
	}
	for _, p := range k.kept {
		if p.stays == "" && (p.Rev != k.turns.goal.Rev || !p.available) {
			return ""
		}
	}
	if k.total() > k.wl.Replicas {
		return ""
	}
	return fmt.Sprintf("%s would have no successor: %s", old[0].Name, old[0].stays)
}

// fetch wants images pulled that are to be there before old pods go, for as many as may go at once, and says which pods stay.
func (k *work) fetch() {
	switch k.step.Phase {
	case rollout.Starting, rollout.Paused:
		return
	}
	if k.step.Target != k.turns.goal.Rev {
		return
	}
	k.pulls = k.turns.lacks[:min(max(1, k.wl.Strategy.MaxUnavailable), len(k.turns.lacks))]
	for _, p := range k.kept {
		if p.stays != "" && p.Rev != k.step.Target {
			k.waits("%s on %s stays: %s", p.Name, p.node.Name, p.stays)
		}
	}
}

func (k *work) pullAll() {
	f := k.turns.goal
	for _, l := range k.pulls {
		at := cell{slot: l.slot}
		r := k.request(f, at)
		pod := f.Pod(r.Name, live.PodLabels(k.birth(f, k.genOf(f.Rev), at, r)), nil)
		pod.Auth = f.auth()
		k.do(Action{Node: l.on.Name, Verb: Pull, Name: r.Name, App: k.wl.ID, Pod: &pod, Why: l.image + " is to be there before an old pod goes"})
	}
}
