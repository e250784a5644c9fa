package plan

import (
	"cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/job"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/reconciler/schedule"
)

// thinkJob finds out what a Job wants.
func (k *work) thinkJob() {
	wl := k.wl
	k.kept, k.app.Stable, k.app.Replicas = k.pods[wl.ID], wl.Revision.Rev, jobReplicas(wl)
	pods := k.attempts()
	k.barrier = k.gateOf(wl)
	step := job.Next(*wl, pods, job.Ledger{
		Receipts: k.receipts.Of(wl.ID), Retries: k.retriesOf(wl), Suspended: wl.Suspended, Hidden: cmp.Or(k.unread(), k.doubtJob()), Pending: k.receipts.Pending(wl.ID),
		Gate: k.barrier.why, Imposed: k.unsized(), Trouble: k.whyNot(), Watched: k.watched,
	}, k.now)
	k.job = &step
	if k.frozen != "" {
		return
	}
	k.step = rollout.Step{Receipts: step.Receipts, Target: wl.Revision.Rev, Gen: step.Gen, Why: step.Why}
	for _, s := range step.Stop {
		k.halt(k.kept[s.Pod], s.Why)
	}
	for _, p := range k.doubts {
		k.halt(p, unsigned)
	}
	k.mendJob()
	row := fill{rev: wl.Revision.Rev, gen: step.Gen}
	for _, s := range step.Start {
		row.starts = append(row.starts, start{cell{row.rev, s.Slot, s.Try}, s.Why})
	}
	k.fills, k.room = []fill{row}, len(row.starts)
}

func jobReplicas(wl *manifest.Workload) int {
	if c := wl.Job.Spec.Completions; c != nil {
		return int(*c)
	}
	return int(*wl.Job.Spec.Parallelism)
}

// unread says which node this controller has not heard yet: it may run the Job's pods, or know that the Job has ended.
func (k *work) unread() string {
	if name := k.unheard(); name != "" {
		return name + " has not been heard yet, and may run it or know that it ended"
	}
	return ""
}

// unsized is a node that is about to say how big it is, so that a pod which asks for room may find a place there.
func (k *work) unsized() string {
	for _, h := range k.hosts {
		if h.Awaited && requests(k.wl.Revision.Spec) != (manifest.Resources{}) {
			return h.Name + " is about to say how big it is"
		}
	}
	return ""
}

// whyNot is why the Job's pods do not begin: what went wrong with one, or why none has a place.
func (k *work) whyNot() string {
	timed := k.wl.Job.Hook != nil || k.wl.Job.Spec.ActiveDeadlineSeconds != nil
	if done, failed := k.finished(k.wl.ID); done || failed || !timed {
		return ""
	}
	if why := k.trouble(); why != "" || len(k.kept) > 0 {
		return why
	}
	f := formOf(*k.wl)
	for _, c := range k.claimsOf(f) {
		if c.why != "" {
			return c.why
		}
	}
	_, why := schedule.Fits(k.request(f, cell{}), k.hosts)
	return why
}

// attempts are the Job's pods as package job sees them, in the order of k.kept.
func (k *work) attempts() []job.Pod {
	pods := make([]job.Pod, 0, len(k.kept))
	for _, p := range k.kept {
		j := job.Pod{
			Name: p.Name, Node: p.node.Name, Slot: p.Slot, Try: p.Try, Gen: p.Gen, Rev: p.Rev, Created: p.Created, Why: p.verdict.Why,
			Unseen: !p.seen(), Moving: p.moving, Ready: p.seen() && p.verdict.Ready(), Exits: map[string]int{},
		}
		switch p.verdict.State {
		case health.Stopping:
			j.State = job.Stopping
		case health.Done:
			j.State = job.Ended
		case health.Failed:
			j.State = job.Broke
		}
		j.Off = p.verdict.State == health.Crashed
		for _, c := range p.Containers {
			j.Begun = j.Begun || c.State == live.Running || c.State == live.Paused || c.Ended() || c.Felled()
			j.Off = j.Off || c.Felled()
			j.Restarts += live.Restarts(c.Attempt)
			if c.Exit != 0 && c.Ended() {
				j.Exits[c.Name] = c.Exit
			}
			if c.Finished.After(j.Finished) {
				j.Finished = c.Finished
			}
		}
		pods = append(pods, j)
	}
	return pods
}

// mendJob wants whole what is half made, started again what exited under OnFailure, and sidecars of what has ended stopped.
func (k *work) mendJob() {
	leaving, stays := map[int]bool{}, map[int]bool{}
	for _, s := range k.job.Stop {
		leaving[s.Pod] = true
	}
	for _, i := range k.job.Keep {
		stays[i] = true
	}
	for i, p := range k.kept {
		over := p.verdict.State == health.Done || p.verdict.State == health.Failed
		if !leaving[i] && (over || stays[i]) {
			k.restart(p)
		}
	}
}

// countJob fills in the figures that all workloads have.
func (k *work) countJob() {
	step := k.job
	k.app.Job = &step.Status
	k.app.Total, k.app.Ready = len(k.kept)+len(k.doubts), step.Status.Ready
	k.app.Available = step.Status.Succeeded
	for _, p := range k.kept {
		if p.Rev == k.app.Rev {
			k.app.Updated++
		}
	}
}

// tellJob says what the plan thinks of the Job, and what it waits for.
func (k *work) tellJob() {
	k.countJob()
	if k.frozen != "" {
		k.app.State, k.app.Why = Held, k.frozen
		return
	}
	step := k.job
	k.app.Why = step.Why
	k.app.State = jobState(step)
	if k.app.State == Progressing && step.Wake.IsZero() && len(step.Keep) == 0 {
		k.resting[k.wl.ID] = k.refusal
	}
	k.app.Waits = append(step.Waits, k.app.Waits...)
	if k.app.State != Converged && k.app.State != Failed {
		k.jobWaits()
	}
	if step.Phase == job.Waiting && step.Why == k.barrier.why {
		k.waiting()
	}
	k.wake(step.Wake)
	if k.app.State == Suspended && k.wl.Suspended {
		k.app.Why = k.suspended("")
	}
	if k.wl.Held != "" {
		k.app.Why = k.wl.Held + "; " + k.app.Why
	}
}

func jobState(step *job.Step) State {
	switch step.Phase {
	case job.Complete:
		return Converged
	case job.Failed:
		return Failed
	case job.Suspended:
		return Suspended
	}
	return Progressing
}

// jobWaits has a line for every active pod that is not well, and for those on silent nodes.
func (k *work) jobWaits() {
	k.unborn()
	for _, i := range k.job.Keep {
		if p := k.kept[i]; !p.verdict.Ready() {
			k.waits("%s on %s: %s%s", p.Name, p.node.Name, p.verdict.Why, p.trouble())
		}
	}
	for _, p := range k.kept {
		if !p.seen() {
			k.waits("%s on %s: the node is %s", p.Name, p.node.Name, p.node.silence())
		}
	}
}

// finished says whether a Job of HEAD has ended at HEAD's revision, and how: what is written down of its newest generation says so.
// Both are false for one that runs, has not begun, or is no Job of HEAD.
func (w *world) finished(app manifest.ID) (done, failed bool) {
	wl := find(w.want, app)
	if wl == nil || wl.Job == nil {
		return false, false
	}
	l := w.receipts.Of(app)
	gen := l.Gen()
	for _, p := range w.pods[app] {
		gen = max(gen, p.Gen)
	}
	done = l.In(gen, wl.Revision.Rev, live.Done) != nil
	return done, !done && l.In(gen, wl.Revision.Rev, live.Failed) != nil
}
