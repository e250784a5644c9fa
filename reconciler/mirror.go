package reconciler

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// Pauses of the mirror: before receipts are written, so that those of a burst go together, and after a try that failed. And how long one may take.
const (
	mirrorPause  = 2 * time.Second
	firstMirror  = 10 * time.Second
	lastMirror   = 10 * time.Minute
	mirrorWithin = time.Minute
	mirrorLast   = 5 * time.Second // at the end
)

// mirrored are the verbs of receipts that tell what became of a commit.
var mirrored = []string{live.Began, live.Stepped, live.Halted, live.Resumed, live.Switched, live.Promoted, live.Failed, live.Done}

// mirror writes receipts beside the commits in Git, for people: best effort, from a goroutine of its own. Passes leave there what they have seen and
// wait for nothing; nothing that is written is read again.
type mirror struct {
	Options
	seen chan []live.Receipt // the newest that a pass has seen
}

func newMirror(o Options) *mirror { return &mirror{o, make(chan []live.Receipt, 1)} }

// show leaves what a pass has seen, in place of what was left before.
func (m *mirror) show(p plan.Plan) {
	var all []live.Receipt
	for _, l := range p.Ledgers {
		for _, r := range l {
			if r.Commit != "" && slices.Contains(mirrored, r.Verb) {
				all = append(all, r)
			}
		}
	}
	select {
	case <-m.seen:
	default:
	}
	m.seen <- all
}

// work writes what is new until ctx ends, and what is left then, if that can be done quickly.
func (m *mirror) work(ctx context.Context) {
	written := map[live.Transition]bool{}
	var all []live.Receipt
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			all = m.newest(all)
			m.last(all, written)
			return
		case all = <-m.seen:
		}
		if len(fresh(all, written)) == 0 {
			continue
		}
		pause := mirrorPause
		if failures > 0 {
			pause = backoff(failures, firstMirror, lastMirror)
		}
		select {
		case <-ctx.Done():
			continue
		case <-time.After(pause):
		}
		all = m.newest(all)
		if err := m.write(ctx, fresh(all, written), mirrorWithin); err != nil {
			if failures++; failures == 1 && ctx.Err() == nil {
				m.say(err)
			}
			continue
		}
		failures = 0
		clear(written)
		for _, r := range all {
			written[r.Transition()] = true
		}
	}
}

// newest is what a pass has left meanwhile, or what was there.
func (m *mirror) newest(before []live.Receipt) []live.Receipt {
	select {
	case all := <-m.seen:
		return all
	default:
		return before
	}
}

func (m *mirror) last(all []live.Receipt, written map[live.Transition]bool) {
	if rest := fresh(all, written); len(rest) > 0 {
		_ = m.write(context.Background(), rest, mirrorLast)
	}
}

func fresh(all []live.Receipt, written map[live.Transition]bool) []live.Receipt {
	return slices.DeleteFunc(slices.Clone(all), func(r live.Receipt) bool { return written[r.Transition()] })
}

func (m *mirror) write(ctx context.Context, receipts []live.Receipt, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return m.Mirror.Mirror(ctx, m.Cluster, receipts)
}

// say says, once in a row, why nothing is mirrored: that one may not push is nothing bad.
func (m *mirror) say(err error) {
	log := m.Log.WithError(err)
	if errors.Is(err, sources.ErrLasting) {
		log.Info("receipts are not mirrored to Git; --mirror=false leaves that out")
		return
	}
	log.Warn("receipts are not mirrored to Git for now")
}
