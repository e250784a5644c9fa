package node

import (
	"context"
	"slices"
	"time"

	"github.com/podkeep/podkeep/reconciler/health"
)

// voidPause is how long a probe that could not be run waits at least: the first one of a container's readiness is asked for at once.
const voidPause = time.Second

// probe runs the probes whose turn it is.
func (s *side) probe() {
	for _, p := range s.pods {
		for _, c := range p.containers {
			for i := range c.turns {
				if c.up && s.isDue(c, i) {
					s.runProbe(p, c, i)
				}
			}
		}
	}
}

// isDue says whether it is the turn of the container's probe of that kind. A turn is set on the clock that nobody sets back.
func (s *side) isDue(c *container, i int) bool {
	t, kind := &c.turns[i], health.Kinds[i]
	if t.running {
		return false
	}
	if t.due.IsZero() {
		if wait, ok := c.Wait(*c.spec, kind, s.now); ok {
			t.due = s.now.Add(wait)
		}
	}
	if !s.until(t.due) {
		return false
	}
	t.due = time.Time{}
	_, t.running = c.Wait(*c.spec, kind, s.now)
	return t.running
}

func (s *side) runProbe(p *pod, c *container, i int) {
	kind, name := health.Kinds[i], p.Name
	target, probe := Target{IP: p.IP, ID: c.ID, Ports: c.spec.Ports}, health.ProbeOf(*c.spec, kind)
	if p.made.Spec.HostNetwork {
		target.IP = s.HostIP
	}
	beyond := s.beyond(p, probe.ProbeHandler)
	s.spawn(func(ctx context.Context) func() {
		a := Answer{Void: true, Why: beyond}
		if beyond == "" {
			a = s.Prober.Run(ctx, target, probe)
		}
		return func() {
			c.turns[i].running = false
			if a.Void {
				wait, _ := c.Wait(*c.spec, kind, time.Now())
				c.turns[i].due = time.Now().Add(max(wait, voidPause))
			}
			if p := s.pods[name]; ctx.Err() == nil && p != nil && slices.Contains(p.containers, c) {
				s.answered(p, kind, c, a)
			}
		}
	})
}

// answered counts an answer.
func (s *side) answered(p *pod, kind string, c *container, a Answer) {
	now := c.Unanswered(kind, a.Why)
	if !a.Void {
		now = c.Answer(*c.spec, kind, a.OK, a.Why, time.Now())
	}
	if now == c.Probing {
		return
	}
	log := s.Log.WithFields(map[string]any{"pod": p.Name, "app": p.App.Short(), "container": c.spec.Name})
	switch {
	case now.Ready == c.Ready && now.Ending == "":
	case now.Ready:
		log.Info("is ready")
	default:
		log.WithField("why", now.Why).Warn("is not ready")
	}
	if now.Ready == c.Ready && now.Started == c.Started {
		s.tellIn(tellWords)
	} else {
		s.tellSoon()
	}
	c.Probing, s.judge = now, time.Now()
	s.saveIn(coalesce)
}
