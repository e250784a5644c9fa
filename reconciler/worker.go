package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// worker owns one node: its host and its driver. All of its fields belong to the goroutine that runs work; others
// have it call a function through asks. In a serial Reconciler there is no such goroutine, and the caller owns all.
type worker struct {
	Options
	host
	lane
	driver  drivers.Driver
	leaving bool // the Node left HEAD
	nudge   chan<- struct{}
	line    *line
	voice   voice

	looking   []chan struct{} // who waits for the look under way
	inLook    bool
	left      bool // no pass waits for the look under way any more
	lookBegan time.Time
	lookAwake time.Duration // on the stopwatch
	lookEnded time.Time
	lookTook  time.Duration
	stale     bool // an event or an action may have changed something since lookBegan
	acted     bool // it was an action
	nudged    bool // the loop was told that a look is due

	asks    chan func()
	results chan func() // from the goroutines begun here; each sends one as its last act
	events  chan struct{}
	ongoing int // goroutines that have not sent theirs
	ctx     context.Context
	dismiss context.CancelFunc // called by the loop
	gone    chan struct{}
}

func newWorker(o Options, h host, nudge chan<- struct{}) *worker {
	w := &worker{
		Options: o, host: h, lane: newLane(), nudge: nudge, voice: voice{log: o.Log},
		asks: make(chan func()), results: make(chan func()), events: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	w.line = newLine(o, w.poke)
	return w
}

// work is the worker's life. It returns when ctx has ended and everything that was begun has too.
func (w *worker) work(ctx context.Context) {
	w.ctx = ctx
	defer close(w.gone)
	w.line.kept = true
	w.spawn(func(ctx context.Context) func() { w.line.keep(ctx); return func() {} })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		w.dispatch()
		timer.Reset(w.untilDue())
		select {
		case f := <-w.asks:
			f()
		case f := <-w.results:
			f()
		case <-w.events:
			w.stale = true
		case <-timer.C:
			w.remind()
		case <-ctx.Done():
		}
	}
	w.drain()
	w.closeDriver()
}

// drain waits for what is under way, which ends soon because its context has.
func (w *worker) drain() {
	for w.ongoing > 0 {
		select {
		case f := <-w.results:
			f()
		case <-w.events:
		}
	}
}

func (w *worker) closeDriver() {
	if w.driver == nil {
		return
	}
	if err := w.driver.Close(); err != nil {
		w.voice.node(w.node.Name).WithError(err).Debug("close")
	}
	w.driver = nil
}

// spawn runs f beside the worker; what f returns is called by the worker.
func (w *worker) spawn(f func(context.Context) func()) {
	w.ongoing++
	go func() {
		then := f(w.ctx)
		w.results <- func() {
			w.ongoing--
			then()
		}
	}()
}

// remind tells the loop, once, that this node is due for a look.
func (w *worker) remind() {
	if w.nudged || w.inLook || w.Now().Before(w.due()) {
		return
	}
	w.nudged = true
	w.poke()
}

func (w *worker) poke() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Looks are rarer on a node that is silent, and take at most a tenth of the time of one that is busy.
const (
	firstLookAgain = time.Second
	mostLookAgain  = 5 * time.Second
	lookShare      = 9
	mostLookPause  = 5 * time.Second
)

// due is when the next look should begin.
func (w *worker) due() time.Time {
	switch {
	case w.looks == 0:
		return time.Time{}
	case w.fails > 0:
		return w.lookEnded.Add(backoff(w.fails, firstLookAgain, mostLookAgain))
	case w.acted && w.flights() == 0:
		return w.lookEnded
	case w.stale:
		return w.lookEnded.Add(min(lookShare*w.lookTook, mostLookPause))
	default:
		return w.lookBegan.Add(w.LookEvery)
	}
}

// untilDue is how long the worker may sleep.
func (w *worker) untilDue() time.Duration {
	if w.nudged || w.inLook {
		return time.Hour
	}
	return max(0, w.due().Sub(w.Now()))
}

// look begins a look if one is wanted, and returns what is closed when the answer is in, or at once if nobody should wait.
func (w *worker) look(c care, awake time.Duration) <-chan struct{} {
	seen := make(chan struct{})
	now := w.Now()
	w.nudged = false
	if !w.inLook && w.looks > 0 && now.Sub(w.lookBegan) < c.older && now.Before(w.due()) {
		close(seen)
		return seen
	}
	given := c.patience > 0 && (w.fails > 0 || w.late(now))
	if !w.inLook {
		w.startLook(awake, given)
	}
	if given {
		close(seen)
		return seen
	}
	w.looking = append(w.looking, seen)
	return seen
}

// late says whether a look has been under way for so long that nothing is asked of the node until it answers.
func (w *worker) late(now time.Time) bool { return w.inLook && now.Sub(w.lookBegan) >= patience }

// view is the host's, and silent too while a look is late: what thinks asks nothing of it then that would wait behind the look.
func (w *worker) view(awake time.Duration, now time.Time) live.Node {
	n := w.host.view(awake)
	w.line.tell(&n)
	_, n.Pulls = w.driver.(drivers.Puller)
	n.Images = slices.Sorted(maps.Keys(w.present))
	if !w.late(now) {
		return n
	}
	if n.Silent == 0 {
		n.Silent, n.Back = max(awake-w.lookAwake, 1), 0
	}
	n.Late = w.fails == 0
	n.Slow = n.Slow || n.Late
	n.Why = cmp.Or(n.Why, "no answer yet")
	return n
}

// startLook looks in a goroutine of its own. unawaited says that no pass waits for the answer.
func (w *worker) startLook(awake time.Duration, unawaited bool) {
	w.inLook, w.left, w.stale, w.acted = true, false, false, false
	w.lookBegan, w.lookAwake = w.Now(), awake
	number, driver, node, leaving := w.lookBegins(), w.driver, w.node, w.leaving
	w.spawn(func(ctx context.Context) func() {
		opened, answer, err := w.observe(ctx, driver, node, leaving)
		return func() {
			w.hasDriver(opened)
			w.endLook(number, awake, answer, err)
			if err == nil && (unawaited || w.left || w.lookTook > patience) {
				w.poke()
			}
		}
	})
}

// observe opens the driver, if it is not open, and looks, until it is written down who the host is. It touches no field that changes.
func (w *worker) observe(ctx context.Context, driver drivers.Driver, node manifest.Node, leaving bool) (opened drivers.Driver, answer live.Node, err error) {
	opened = driver
	err = within(ctx, w.LookTimeout, func(ctx context.Context) (err error) {
		if opened == nil {
			if opened, err = w.Open(ctx, node); err != nil {
				opened = nil
				return err
			}
		}
		answer, err = opened.Observe(ctx)
		return err
	})
	switch {
	case err == nil:
		w.line.looked(opened, answer)
		answer = w.introduce(ctx, opened, node, leaving, answer)
		w.line.await(ctx)
	case errors.Is(err, context.DeadlineExceeded) && pings(ctx, opened):
		answer.Pings, err = true, fmt.Errorf("%w; it answers a ping: if that stays so, end its podman.service", err)
	}
	return opened, answer, err
}

// pings says whether a host that did not answer a look in time gives a sign of life.
func pings(ctx context.Context, d drivers.Driver) bool {
	p, ok := d.(drivers.Pinger)
	return ok && within(ctx, patience, p.Ping) == nil
}

func (w *worker) endLook(number int, awake time.Duration, answer live.Node, err error) {
	was := w.hostFor(w.seen.Files)
	w.lookEnds(number, awake, answer, err)
	if err != nil || w.hostFor(w.seen.Files) != was { // what answers may be another host
		clear(w.present)
	}
	w.inLook, w.lookEnded = false, w.Now()
	w.lookTook = w.lookEnded.Sub(w.lookBegan)
	for _, seen := range w.looking {
		close(seen)
	}
	w.looking = nil
}

// lookNow is a look of a serial Reconciler.
func (w *worker) lookNow(ctx context.Context, awake time.Duration) {
	w.lookBegan = w.Now()
	number := w.lookBegins()
	opened, answer, err := w.observe(ctx, w.driver, w.node, w.leaving)
	w.driver = opened
	w.endLook(number, awake, answer, err)
}

// hasDriver takes over a driver that a look has opened, and watches through it.
func (w *worker) hasDriver(opened drivers.Driver) {
	if w.driver != nil || opened == nil {
		return
	}
	w.driver = opened
	if watcher, ok := opened.(drivers.Watcher); ok {
		w.spawn(func(ctx context.Context) func() {
			rewatch(ctx, w.events, watcher.Watch)
			return func() {}
		})
	}
}

// Back-off between subscriptions.
const (
	firstRewatch = time.Second
	mostRewatch  = 30 * time.Second
)

// rewatch keeps a subscription up until ctx ends. Every new one begins with a poke, because something may have
// happened in between. One that held for a while resets the back-off.
func rewatch(ctx context.Context, poke chan<- struct{}, watch func(context.Context, chan<- struct{}) error) {
	for failures := 1; ctx.Err() == nil; failures++ {
		began := time.Now()
		_ = watch(ctx, poke)
		if time.Since(began) > mostRewatch {
			failures = 0
		}
		select {
		case <-time.After(backoff(failures, firstRewatch, mostRewatch)):
		case <-ctx.Done():
			return
		}
		select {
		case poke <- struct{}{}:
		default:
		}
	}
}

// doing lists what is under way, the oldest first.
func (w *worker) doing() (list []Doing) {
	for _, f := range w.flying {
		if !f.ended {
			list = append(list, Doing{Node: w.node.Name, Verb: f.Verb, Name: f.Name, App: f.App, Since: f.began})
		}
	}
	for need, p := range w.pulls {
		list = append(list, Doing{Node: w.node.Name, Verb: Pull, Name: need.image, App: p.app, Since: p.began})
	}
	slices.SortFunc(list, func(a, b Doing) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name))
	})
	return list
}
