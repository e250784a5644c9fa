package node

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/reconciler/health"
)

// probed are the pod's containers that were born with probes. The form that an older podkeep wrote may have none for them: they are ready then.
func (p *pod) probed() iter.Seq[*corev1.Container] {
	return func(yield func(*corev1.Container) bool) {
		for _, list := range [][]corev1.Container{p.made.Spec.InitContainers, p.made.Spec.Containers} {
			for i := range list {
				if p.Birth.Probes[list[i].Name] != "" && !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// each is the pod's containers that are up and have probes, sorted by name.
func (p *pod) each() iter.Seq2[string, *container] {
	return func(yield func(string, *container) bool) {
		for _, name := range slices.Sorted(maps.Keys(p.containers)) {
			if !yield(name, p.containers[name]) {
				return
			}
		}
	}
}

// probe runs the probes whose turn it is.
func (s *side) probe() {
	for _, p := range s.pods {
		for spec := range p.probed() {
			if c := p.containers[spec.Name]; c != nil && c.up {
				s.probeContainer(p, spec, c)
			}
		}
	}
}

// probeContainer runs those of one container. A turn is set on the clock that nobody sets back.
func (s *side) probeContainer(p *pod, spec *corev1.Container, c *container) {
	for i, kind := range health.Kinds {
		t := &c.turns[i]
		if t.running {
			continue
		}
		if t.due.IsZero() {
			if wait, ok := c.Wait(*spec, kind, s.now); ok {
				t.due = s.now.Add(wait)
			}
		}
		if !s.until(t.due) {
			continue
		}
		t.due = time.Time{}
		if _, ok := c.Wait(*spec, kind, s.now); ok {
			t.running = true
			s.runProbe(p, spec, c, i)
		}
	}
}

func (s *side) runProbe(p *pod, spec *corev1.Container, c *container, i int) {
	kind, name := health.Kinds[i], p.Name
	target := Target{IP: p.IP, ID: c.ID, Ports: spec.Ports}
	if p.made.Spec.HostNetwork {
		target.IP = s.HostIP
	}
	s.spawn(func(ctx context.Context) func() {
		a := s.Prober.Run(ctx, target, health.ProbeOf(*spec, kind))
		return func() {
			c.turns[i].running = false
			if p := s.pods[name]; ctx.Err() == nil && p != nil && p.containers[spec.Name] == c {
				s.answered(p, *spec, kind, c, a)
			}
		}
	})
}

// answered counts an answer.
func (s *side) answered(p *pod, spec corev1.Container, kind string, c *container, a Answer) {
	now := c.Unanswered(kind, a.Why)
	if !a.Void {
		now = c.Answer(spec, kind, a.OK, a.Why, time.Now())
	}
	if now == c.Probing {
		return
	}
	log := s.Log.WithFields(map[string]any{"pod": p.Name, "app": p.App.Short(), "container": spec.Name})
	switch {
	case now.Ready == c.Ready && now.Ending == "":
	case now.Ready:
		log.Info("is ready")
	default:
		log.WithField("why", now.Why).Warn("is not ready")
	}
	c.Probing, s.judge = now, time.Now()
	s.tellSoon()
	s.saveIn(coalesce)
}
