package reconciler

import (
	"context"
	"time"
)

const (
	// burst is how long the loop waits for the rest of a burst of pokes.
	burst = 5 * time.Millisecond
	// patience is how long a pass waits for a look before it goes on without it, and a look that failed for a ping.
	patience = 3 * time.Second
	// beat is how often the stopwatch is read between passes, and mostBeat how much may count between two readings.
	beat     = time.Second
	mostBeat = 5 * time.Second
	// recent is the age up to which a look is good enough to act on when nothing but the time has changed.
	recent = time.Second
	// soonest is the shortest pause that a Wake can ask for.
	soonest = 50 * time.Millisecond
)

// Back-off between fetches after one that failed, and the pause before a fetch that the plan waits for.
const (
	firstFetchAgain = 2 * time.Second
	mostFetchAgain  = 2 * time.Minute
	fetchPause      = 2 * time.Second
)

// loop is what Run knows between two passes.
type loop struct {
	*Reconciler
	fetched  chan reading
	fetching bool
	again    bool      // a poke came while fetching
	failures int       // fetches in a row that failed
	fetchAt  time.Time // when to fetch though nobody poked; zero is never
	begun    time.Time // when the last fetch began
	passAt   time.Time // when the next pass is due; zero is never
	fresh    bool      // it should not act on looks that are not recent
	hurried  bool      // it should not wait for looks
}

// Run makes passes until ctx ends: when the source or a node pokes, when an action has ended, when the plan wants to be
// woken, and every Resync. When it returns, nothing that it began is left running. It returns nil.
func (r *Reconciler) Run(ctx context.Context) error {
	defer r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, r.cancel)()
	r.awake.most = mostBeat

	pokes := make(chan struct{}, 1)
	r.join.Go(func() { rewatch(r.ctx, pokes, r.Source.Watch) })
	if r.Mirror != nil && !r.DryRun {
		r.mirror = newMirror(r.Options)
		r.join.Go(func() { r.mirror.work(r.ctx) })
	}
	l := &loop{Reconciler: r, fetched: make(chan reading, 1)}
	l.fetch()
	l.rounds(ctx, pokes)
	return nil
}

func (l *loop) rounds(ctx context.Context, pokes <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for ctx.Err() == nil {
		timer.Reset(l.sleep())
		select {
		case <-ctx.Done():
		case <-beats.C:
			l.awake.tick(l.Now())
		case <-pokes:
			l.fetch()
		case got := <-l.fetched:
			l.take(got)
		case <-l.nudge:
			l.soon(false)
		case <-l.said:
			l.soon(false)
			l.hurried = true
		case <-timer.C:
			l.due(ctx)
		}
	}
}

// sleep is how long until something is due.
func (l *loop) sleep() time.Duration {
	next := l.fetchAt
	if next.IsZero() || !l.passAt.IsZero() && l.passAt.Before(next) {
		next = l.passAt
	}
	if next.IsZero() {
		return time.Hour
	}
	return max(0, next.Sub(l.Now()))
}

// soon asks for a pass when the burst is over.
func (l *loop) soon(fresh bool) {
	at := l.Now().Add(burst)
	if l.passAt.IsZero() || at.Before(l.passAt) {
		l.passAt = at
		l.fresh = false
	}
	l.fresh = l.fresh || fresh
}

// fetch reads the source beside the loop, so that one which hangs holds up no pass. One fetch runs at a time.
func (l *loop) fetch() {
	l.fetchAt = time.Time{}
	if l.fetching {
		l.again = true
		return
	}
	l.fetching, l.again, l.begun = true, false, l.Now()
	last := l.reading
	l.join.Go(func() { l.fetched <- l.reader.fetch(l.ctx, last) })
}

// take goes on from what a fetch has brought.
func (l *loop) take(got reading) {
	l.fetching, l.reading = false, got
	if got.err == "" {
		l.failures = 0
	} else {
		l.failures++
		l.fetchAt = l.Now().Add(backoff(l.failures, firstFetchAgain, mostFetchAgain))
	}
	if l.again {
		l.fetch()
	}
	l.soon(true)
}

// due does what the timer was set for.
func (l *loop) due(ctx context.Context) {
	now := l.Now()
	if !l.fetchAt.IsZero() && !now.Before(l.fetchAt) {
		l.fetch()
	}
	if l.passAt.IsZero() || now.Before(l.passAt) {
		return
	}
	c := care{older: l.LookEvery * 3 / 4, patience: patience, hurry: l.hurried}
	if l.fresh {
		c.older = recent
	}
	l.passAt, l.fresh, l.hurried = time.Time{}, false, false
	l.plan(l.pass(ctx, c))
}

// plan sets the time of the next pass, and of a fetch if the pass would know more with one.
func (l *loop) plan(p Pass) {
	now := l.Now()
	l.passAt, l.fresh = now.Add(l.Resync), true
	for _, at := range []time.Time{p.Plan.Wake, again(p)} {
		if !at.IsZero() && at.Before(l.passAt) {
			l.passAt = at
		}
	}
	if earliest := now.Add(soonest); l.passAt.Before(earliest) {
		l.passAt = earliest
	}
	if l.fetching || !l.fetchAt.IsZero() {
		return
	}
	l.fetchAt = l.begun.Add(l.Resync)
	if at := p.Plan.Fetch; !at.IsZero() {
		l.fetchAt = later(at, l.begun.Add(fetchPause))
	}
}

// again is when the first of the plan's actions may be tried again that failed lately.
func again(p Pass) (first time.Time) {
	wanted := map[[2]string]bool{}
	for _, a := range p.Plan.Actions {
		wanted[[2]string{a.Node, a.Name}] = true
	}
	for _, n := range p.Snapshot.Nodes {
		for _, t := range n.Troubles {
			if wanted[[2]string{n.Name, t.Name}] && t.Next.After(p.Time) && (first.IsZero() || t.Next.Before(first)) {
				first = t.Next
			}
		}
	}
	return first
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
