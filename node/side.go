package node

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/reconciler/health"
)

// side owns all that the node side knows. Its fields belong to the goroutine that runs work; others have it call a function through asks.
type side struct {
	Options
	looks
	store
	ears
	routes
	doorway
	tends map[string]wire.Tend         // by source
	forms map[string]manifest.Revision // by File
	pods  map[string]*pod              // tended, as they were last seen
	under map[string]*errand
	born  time.Time // if there was one before it, which wrote down what it knew
	judge time.Time // when to see again whether something is to be done

	asks    chan func() // from others
	results chan func() // from the goroutines begun here; each sends one as its last act
	events  chan struct{}
	ongoing int // goroutines that have not sent theirs
	ctx     context.Context
	now     time.Time // when this turn began
	next    time.Time // when the next one is due
}

// pod is one that is tended.
type pod struct {
	live.Pod
	idle       bool         // it is probed and no more
	form       string       // the File that holds its form
	made       manifest.Pod // what it is made of
	containers []*container // those that are up and have probes, or were given up by one, in the order of the manifest
}

func newSide(o Options) *side {
	s := &side{
		Options: o, forms: map[string]manifest.Revision{}, pods: map[string]*pod{}, under: map[string]*errand{}, tends: map[string]wire.Tend{},
		asks: make(chan func()), results: make(chan func()), events: make(chan struct{}, 1),
	}
	s.ears.conns = map[*conn]bool{}
	s.load()
	s.loadTable()
	s.loadDoorway()
	return s
}

// work is the node side's life. It returns when ctx has ended and everything that was begun has too.
func (s *side) work(ctx context.Context) {
	s.ctx = ctx
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		s.turn(time.Now())
		timer.Reset(time.Until(s.next))
		select {
		case f := <-s.asks:
			f()
		case f := <-s.results:
			f()
		case <-s.events:
			s.stale = true
			s.reroute()
		case <-s.Stirs:
			if s.newest != nil {
				s.routeIn(0)
			}
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	for s.ongoing > 0 {
		(<-s.results)()
	}
	s.saveLast()
	s.saveLastPapers()
}

// turn does what is due, and finds out when something will be.
func (s *side) turn(now time.Time) {
	s.now, s.next = now, now.Add(time.Hour)
	s.look()
	if !s.begins {
		s.probe()
		s.keep()
	}
	s.attend()
	s.route()
	s.tell()
	s.save()
	s.savePapers()
}

// until says whether it is time, and has the loop wake when it will be. The zero time is never.
func (s *side) until(due time.Time) bool {
	if due.IsZero() {
		return false
	}
	if !due.After(s.now) {
		return true
	}
	if due.Before(s.next) {
		s.next = due
	}
	return false
}

// soon is a time that is at hand, or the one given if that comes before it.
func (s *side) soon(due time.Time, wait time.Duration) time.Time {
	if at := time.Now().Add(wait); due.IsZero() || at.Before(due) {
		return at
	}
	return due
}

// spawn runs f beside the loop; what f returns is called by the loop.
func (s *side) spawn(f func(context.Context) func()) {
	s.ongoing++
	ctx := s.ctx
	go func() {
		then := f(ctx)
		s.results <- func() {
			s.ongoing--
			then()
		}
	}()
}

// ask has the loop call f, unless ctx ends first.
func (s *side) ask(ctx context.Context, f func()) {
	select {
	case s.asks <- f:
	case <-ctx.Done():
	}
}

// mostSources is for how many sources pods are looked after: each stays in force until it is told otherwise, also those of controllers that are no more.
const mostSources = 64

// tend takes over which pods of a source are to be looked after. Where there are as many sources as may be, those give way that have no pods.
func (s *side) tend(t wire.Tend) {
	if _, known := s.tends[t.Source]; !known && len(s.tends) >= mostSources {
		maps.DeleteFunc(s.tends, func(_ string, t wire.Tend) bool { return len(t.Pods) == 0 })
		if len(s.tends) >= mostSources {
			s.Log.WithField("source", live.Words(t.Source)).Warn("has pods of as many sources to look after as may be: those of this one are not looked after")
			return
		}
	}
	t.Pods, t.Idle = slices.Compact(slices.Sorted(slices.Values(t.Pods))), slices.Compact(slices.Sorted(slices.Values(t.Idle)))
	if was, ok := s.tends[t.Source]; ok && was.Equal(t.Tend) {
		return
	}
	s.tends[t.Source] = t
	s.acted = true
	s.saveIn(0)
	s.tellSoon()
	s.Log.WithFields(map[string]any{"source": t.Source, "pods": len(t.Pods)}).Info("tends")
}

func (p *pod) seen() live.Pod {
	seen := p.Pod
	seen.Probed = p.words()
	return seen
}

// words is what is said of its containers, sorted by name.
func (p *pod) words() (all []live.Probed) {
	for _, c := range p.containers {
		if c.Unknown {
			continue
		}
		all = append(all, live.Probed{Container: c.spec.Name, ID: c.ID, Started: c.Started, Ready: c.Ready, Since: c.Since, Why: c.Why, Ending: c.Ending})
	}
	slices.SortFunc(all, func(a, b live.Probed) int { return cmp.Compare(a.Container, b.Container) })
	return all
}

// container is one that has probes, and is up or was given up by one.
type container struct {
	health.Probing
	spec  *corev1.Container
	up    bool // it runs; else it is paused, or has ended
	turns [3]turn
}

// turn is of one probe, of the kind of that index in health.Kinds.
type turn struct {
	due     time.Time
	running bool
}
