package plan

import (
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// admit turns intents into actions, step by step for all workloads, those of one step by precedence: what is written down; what goes with
// nothing to follow it; what is missed; what goes so that another may follow, whose place is kept; what has to leave its node; what comes back
// where it is; and at last what changes. So nothing that changes takes the room of what heals. What is not admitted has its reason among
// the workload's waits.
func (w *world) admit(works []*work) {
	order := inOrder(works)
	asleep := slices.IndexFunc(order, func(k *work) bool { return k.wl.Suspended })
	if asleep < 0 {
		asleep = len(order)
	}
	for _, works := range [][]*work{order[:asleep], order[asleep:]} {
		for _, step := range []func(*work){
			(*work).record, (*work).stopAll, (*work).fillUrgent, (*work).followAll, (*work).pullAll, (*work).leaveAll, (*work).restartAll, (*work).fillRest,
		} {
			for _, k := range works {
				step(k)
			}
		}
	}
}

// do is the one place where an action of a workload is added, or listed where the workload is suspended.
func (k *work) do(a Action) {
	if k.wl.Suspended {
		k.app.Suspended = append(k.app.Suspended, a)
		return
	}
	if a.Verb != Put {
		k.app.Admitted++
	}
	k.plan.Actions = append(k.plan.Actions, a)
}

func (k *work) waits(format string, args ...any) {
	k.app.Waits = append(k.app.Waits, fmt.Sprintf(format, args...))
}

// record writes the step's receipts down on every node that answers.
func (k *work) record() {
	if len(k.step.Receipts) > 0 && len(k.answering()) == 0 {
		k.refusal = "no node of Git answers, so nothing can be written down"
	}
	for _, r := range k.step.Receipts {
		if k.wl.Suspended && r.Verb != live.Halted {
			k.app.Suspended = append(k.app.Suspended, Action{Verb: Put, Name: k.receipts.File(r).Name, App: r.App, Why: r.Why})
			continue
		}
		k.putReceipt(r)
	}
}

func (k *work) stopAll() {
	for _, s := range k.stops {
		if s.after == nil {
			k.stop(s.pod, s.why)
		}
	}
}

func (k *work) stop(p *pod, why string) { k.do(p.stop(why)) }

// stop is the one place where a pod is told to stop.
func (p *pod) stop(why string) Action {
	return Action{Node: p.node.Name, Verb: Stop, Name: p.Name, App: p.of, Why: why}
}

// restartAll starts again what was not given up.
func (k *work) restartAll() {
	for _, p := range k.again {
		if slices.Contains(k.given, p) {
			continue
		}
		if f, ok := k.form(p.App, p.Rev); ok {
			k.run(p.node, k.rejoin(p, f.Spec), f, p.verdict.Attempt, p.verdict.Why)
		} else {
			k.waits("%s on %s %s; its form is neither in Git nor on a node", p.Name, p.node.Name, p.verdict.Why)
		}
	}
}

func (k *work) fillUrgent() { k.fillAll(true) }
func (k *work) fillRest()   { k.fillAll(false) }

func (k *work) fillAll(urgent bool) {
	for _, row := range k.fills {
		if row.urgent == urgent {
			k.fill(row)
		}
	}
}

// fill starts the pods of a row, as far as there are places and room.
func (k *work) fill(row fill) {
	for i, s := range row.starts {
		if k.room > 0 && k.create(row.gen, s) {
			continue
		}
		if k.room <= 0 {
			k.waits("%d of %s wait until others are gone", len(row.starts)-i, live.ShortRev(row.rev))
		}
		if row.urgent {
			k.keepPlaces(row.rev, len(row.starts)-i)
		}
		return
	}
}

// keepPlaces keeps those of pods that come once others are gone: no other workload is to take them meanwhile.
func (k *work) keepPlaces(rev string, lack int) {
	f, ok := k.form(k.wl.ID, rev)
	for _, p := range k.kept {
		if ok && lack > 0 && p.Stopping && p.seen() {
			k.follows(f, p)
			lack--
		}
	}
}

// followAll stops what goes so that another may follow, if that one has a place then. With Recreate all go, whatever follows.
func (k *work) followAll() {
	for _, s := range k.stops {
		if s.after == nil {
			continue
		}
		if why := k.follows(*s.after, s.pod); why != "" && k.wl.Strategy.Type != manifest.Recreate {
			k.waits("%s on %s stays: %s", s.Name, s.node.Name, why)
		} else {
			k.stop(s.pod, s.why)
		}
	}
}

// follows keeps a place for the pod that comes once p is gone from its node, or says why there is none.
func (k *work) follows(f form, p *pod) string {
	for _, c := range k.claimsOf(f) {
		if c.why != "" {
			return c.why
		}
	}
	r := k.request(f, cell{})
	r.Name = "" // its slot is not known yet
	return k.queue.Reserve(r, hostsWithout(k.hosts, p))
}

// leaveAll replaces pods that have to leave their nodes, as many as may be on their way at once.
func (k *work) leaveAll() {
	followed := len(k.extra)+len(k.stops) > 0 // one is being followed: what that leaves free may take the successor of another
	for _, l := range k.leaves {
		switch {
		case l.calm && !k.changing && len(k.rolling)+k.renewing >= maxRolling:
			k.waits("%s on %s stays until fewer than %d workloads are changing: %s", l.Name, l.node.Name, maxRolling, l.why)
		case l.first, l.either && !followed && k.mayGo(l) && !k.fitsBeside(l):
			k.giveUp(l)
		case k.twins <= 0 || k.room <= 0:
			k.waits("%s on %s goes after others: %s", l.Name, l.node.Name, l.why)
		case k.create(l.Gen, start{cell{l.Rev, l.slot, 0}, l.why}):
			k.twins--
			followed = true
			k.changes(l)
		}
	}
}

// changes counts the workload among those that change though nothing presses, once.
func (k *work) changes(l leave) {
	if l.calm && !k.changing {
		k.changing = true
		k.renewing++
	}
}

// giveUp stops a pod before there is another for its slot, if it can be spared or is down, and that one will have a place.
func (k *work) giveUp(l leave) {
	if !k.mayGo(l) {
		k.waits("%s on %s stays until others are available: %s", l.Name, l.node.Name, l.why)
		return
	}
	why := "its form is neither in Git nor on a node"
	f, ok := k.form(l.App, l.Rev)
	if ok {
		why = k.follows(f, l.pod)
	}
	if why != "" {
		k.refusal = why
		k.waits("%s has to leave %s: %s", l.Name, l.node.Name, why)
		return
	}
	k.given = append(k.given, l.pod)
	k.stop(l.pod, l.why)
	k.changes(l)
}

// mayGo says whether a pod may be given up now: the floor is not about it, or so many as have to be are left.
func (k *work) mayGo(l leave) bool {
	well := 0
	for _, p := range k.kept {
		if k.counts(p) && !slices.Contains(k.given, p) {
			well++
		}
	}
	return !k.counts(l.pod) || well > l.least
}

// fitsBeside says whether the one that follows has a place while the pod is still there.
func (k *work) fitsBeside(l leave) bool {
	f, ok := k.form(l.App, l.Rev)
	if !ok {
		return false
	}
	fits, _ := schedule.Fits(k.request(f, cell{slot: l.slot}), k.hosts)
	return fits
}
