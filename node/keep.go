package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/health"
)

// Bounds on what is under way at once, and the pauses between attempts that fail. Ending is waiting, so it takes no place of a start.
const (
	mostRuns   = 4
	mostEnds   = 16
	firstAgain = time.Second
	mostAgain  = time.Minute
)

// making is how long whoever makes a pod is left to it: two that make one at a time are in each other's way.
const making = time.Minute

// errand is what is being done to a pod, and how it went. Nothing more is done before a look that began after it has ended.
type errand struct {
	busy  bool
	ends  bool // it ends a container; else it runs the pod
	after int  // no look up to this one has seen what it did
	fails int
	next  time.Time
	why   string // the last attempt failed
}

// keep ends what is to be ended, and runs what health says is to be run.
func (s *side) keep() {
	if !s.until(s.judge) {
		return
	}
	s.judge = time.Time{}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		if wake := s.keepPod(s.pods[name]); !wake.IsZero() && (s.judge.IsZero() || wake.Before(s.judge)) {
			s.judge = wake
		}
	}
	s.until(s.judge)
}

// keepPod does for a pod what is to be done, and says when to see to it again.
func (s *side) keepPod(p *pod) (wake time.Time) {
	e := s.under[p.Name]
	if e == nil {
		e = &errand{}
		s.under[p.Name] = e
	}
	switch {
	case e.busy || e.after >= s.done:
		return time.Time{}
	case p.idle:
		return time.Time{}
	case e.next.After(s.now):
		return e.next
	case len(p.Containers) < len(p.Expect) && s.now.Before(p.Created.Add(making)):
		return p.Created.Add(making)
	}
	for _, c := range p.containers {
		if c.up && c.Ending != "" && !p.Stopping {
			s.end(p, c, e)
			return time.Time{}
		}
	}
	v := health.Of(p.seen(), s.now)
	switch {
	case v.Run:
		s.run(p, v, e)
	case !v.Wake.IsZero():
		return s.now.Add(v.Wake.Sub(s.now))
	}
	return time.Time{}
}

func (s *side) end(p *pod, c *container, e *errand) {
	if s.underWay(true) >= mostEnds {
		return
	}
	made, name, grace := p.made, c.spec.Name, c.Grace(*c.spec, p.made.Spec)
	e.ends = true
	s.do(p, e, "end "+name, c.Why, func(ctx context.Context) error { return s.Driver.End(ctx, made, name, grace) })
}

func (s *side) run(p *pod, v health.Verdict, e *errand) {
	if s.underWay(false) >= mostRuns {
		return
	}
	made := p.made
	made.Attempt, made.Node = v.Attempt, s.tends[p.Source].Node
	e.ends = false
	s.do(p, e, "run", v.Why, func(ctx context.Context) error { return s.Driver.Run(ctx, made) })
}

func (s *side) underWay(ends bool) (n int) {
	for _, e := range s.under {
		if e.busy && e.ends == ends {
			n++
		}
	}
	return n
}

// do does one thing to a pod. What waited for its end is seen to then.
func (s *side) do(p *pod, e *errand, what, why string, f func(context.Context) error) {
	e.busy = true
	log := s.Log.WithFields(map[string]any{"pod": p.Name, "app": p.App.Short(), "rev": live.ShortRev(p.Rev), "why": why})
	s.spawn(func(ctx context.Context) func() {
		err := live.Gate{}.Error(f(ctx))
		return func() {
			e.busy, e.after, s.acted, s.judge = false, s.begun, true, time.Now()
			e.went(err)
			s.tellSoon()
			if err != nil {
				log.WithError(err).Warn(what)
				return
			}
			log.Info(what)
		}
	})
}

// stuck says that the pod does not run for a reason that may need a controller, which can fetch an image, or make a pod anew. One that is there
// tries as well then; both make the same attempt.
func (e *errand) stuck() bool { return !e.ends && e.fails > 1 }

func (e *errand) went(err error) {
	if err == nil {
		e.fails, e.why, e.next = 0, "", time.Time{}
		return
	}
	e.fails++
	e.why, e.next = live.Words(err.Error()), time.Now().Add(backoff(e.fails, firstAgain, mostAgain))
}
