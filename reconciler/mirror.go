package reconciler

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
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
	seen chan ledgers // what the newest pass has seen
}

type ledgers map[manifest.ID]ledger.Ledger

func newMirror(o Options) *mirror { return &mirror{o, make(chan ledgers, 1)} }

// show leaves what a pass has seen, in place of what was left before.
func (m *mirror) show(p plan.Plan) {
	m.newest(nil)
	m.seen <- p.Ledgers
}

// newest is what a pass has left, or what was there before.
func (m *mirror) newest(before ledgers) ledgers {
	select {
	case now := <-m.seen:
		return now
	default:
		return before
	}
}

// work writes what is new until ctx ends, and what is left then, if that can be done quickly.
func (m *mirror) work(ctx context.Context) {
	written := map[live.Transition]bool{}
	var seen ledgers
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			if rest := m.newest(seen).without(written); len(rest) > 0 {
				_ = m.write(context.Background(), rest, mirrorLast)
			}
			return
		case seen = <-m.seen:
		}
		select {
		case <-ctx.Done():
			continue
		case <-time.After(m.pause(failures)):
		}
		seen = m.newest(seen)
		rest := seen.without(written)
		if len(rest) == 0 {
			continue
		}
		if err := m.write(ctx, rest, mirrorWithin); err != nil {
			if failures++; failures == 1 && ctx.Err() == nil {
				m.say(err)
			}
			continue
		}
		failures, written = 0, map[live.Transition]bool{}
		for _, r := range seen.without(nil) {
			written[r.Transition()] = true
		}
	}
}

// without are the receipts that tell what became of a commit, but for those.
func (l ledgers) without(written map[live.Transition]bool) (all []live.Receipt) {
	for _, of := range l {
		for _, r := range of {
			if r.Commit != "" && slices.Contains(mirrored, r.Verb) && !written[r.Transition()] {
				all = append(all, r)
			}
		}
	}
	return all
}

// pause is how long to wait before the next try.
func (m *mirror) pause(failures int) time.Duration {
	if failures == 0 {
		return mirrorPause
	}
	return backoff(failures, firstMirror, lastMirror)
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
