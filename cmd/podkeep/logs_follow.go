package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

// How often a node is looked at for new containers, and how soon after a poke.
const (
	lookEvery = 2 * time.Second
	lookAfter = 200 * time.Millisecond
)

// sight is what one look at a node gave.
type sight struct {
	node string
	pods []live.Pod
	err  error
}

// chase follows the containers of a target. One goroutine owns it; others look and read, and tell it.
type chase struct {
	*logsOptions
	crew   *crew
	target target
	press  *press
	errOut io.Writer

	seen   chan sight
	ended  chan ending
	tracks map[string]*track // by the container's id
	early  map[string]bool   // containers that were there when it began
	silent map[string]string // nodes that do not answer, and why
	join   sync.WaitGroup
}

// ending says that a container is not read any more, and whether to its end.
type ending struct {
	container, name string
	told            bool
	err             error
}

// pursue follows until ctx ends, or the pod that was asked for does.
func (o *logsOptions) pursue(ctx context.Context, errOut io.Writer, c *crew, t target, p *press) error {
	ctx, stop := context.WithCancel(ctx)
	h := &chase{
		logsOptions: o, crew: c, target: t, press: p, errOut: errOut,
		seen: make(chan sight), ended: make(chan ending),
		tracks: map[string]*track{}, early: map[string]bool{}, silent: map[string]string{},
	}
	for _, m := range c.members(t) {
		for _, k := range m.Containers {
			h.early[k.ID] = true
		}
	}
	defer h.join.Wait()
	defer stop()
	for _, n := range c.nodes {
		d := c.drivers[n.Name]
		if _, err := c.logger(n.Name); err != nil {
			return err
		}
		h.join.Go(func() { watch(ctx, n.Name, d, h.seen) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.broken:
			return nil
		case s := <-h.seen:
			if h.look(ctx, s) {
				return nil
			}
		case e := <-h.ended:
			h.tracks[e.container].reading, h.tracks[e.container].told = false, e.told
			if e.err != nil {
				h.say("%s: %v", e.name, e.err)
			}
		}
	}
}

// watch looks at a node now and then, and soon after it says that something changed.
func watch(ctx context.Context, node string, d drivers.Driver, seen chan<- sight) {
	poke := make(chan struct{}, 1)
	var join sync.WaitGroup
	defer join.Wait()
	if w, ok := d.(drivers.Watcher); ok {
		join.Go(func() {
			for ctx.Err() == nil {
				_ = w.Watch(ctx, poke)
				sleep(ctx, lookEvery)
			}
		})
	}
	for ctx.Err() == nil {
		n, err := d.Observe(ctx)
		select {
		case seen <- sight{node, n.Pods, err}:
		case <-ctx.Done():
		}
		late := time.NewTimer(lookEvery)
		select {
		case <-poke:
			sleep(ctx, lookAfter)
		case <-late.C:
		case <-ctx.Done():
		}
		late.Stop()
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// look takes a sight in. It is over when the pod that was asked for has ended or is gone, and all it printed was told.
func (h *chase) look(ctx context.Context, s sight) (over bool) {
	if s.err != nil {
		if ctx.Err() == nil && h.silent[s.node] == "" {
			h.silent[s.node] = s.err.Error()
			h.say("%s does not answer; what its containers print is told when it does: %v", s.node, s.err)
		}
		return false
	}
	if h.silent[s.node] != "" {
		delete(h.silent, s.node)
		h.say("%s answers again", s.node)
	}
	there := map[string]bool{}
	goes := false
	for _, p := range s.pods {
		if !h.target.means(p) {
			continue
		}
		goes = goes || !ends(p)
		for _, c := range h.chosen(p) {
			there[c.ID] = true
			h.container(ctx, s.node, p, c)
		}
	}
	reading := false
	for id, t := range h.tracks {
		if t.node == s.node && !there[id] {
			t.over()
			if !t.reading {
				delete(h.tracks, id)
			}
		}
		reading = reading || t.reading
	}
	return h.target.one() && !goes && !reading && h.home(s.node)
}

// home says whether the node is where the pod was seen first.
func (h *chase) home(node string) bool {
	for _, m := range h.crew.members(h.target) {
		if m.node == node {
			return true
		}
	}
	return false
}

// ends says whether nothing of the pod will run again.
func ends(p live.Pod) bool {
	for _, c := range p.Containers {
		done := c.Ended() && (p.Restart == "Never" || p.Restart == "OnFailure" && c.Exit == 0)
		if !done {
			return false
		}
	}
	return len(p.Containers) > 0
}

func (h *chase) say(format string, args ...any) {
	_, _ = fmt.Fprintln(h.errOut, "podkeep: "+live.Plain(fmt.Sprintf(format, args...)))
}

// container sees to it that a container that has started is read, once to its end.
func (h *chase) container(ctx context.Context, node string, p live.Pod, c live.Container) {
	t := h.tracks[c.ID]
	if t == nil && (c.State == live.Created || c.Felled()) {
		return
	}
	if t == nil {
		t = h.newTrack(node, p, c)
		h.tracks[c.ID] = t
	}
	if c.Ended() {
		t.over()
	}
	if t.told || t.reading {
		return
	}
	t.reading = true
	h.join.Go(func() {
		told, err := t.read(ctx)
		select {
		case h.ended <- ending{c.ID, node + ": " + p.Name + "/" + c.Name, told, err}:
		case <-ctx.Done():
		}
	})
}

// newTrack begins where the flags say, or, in a container that came later, at its first line.
func (h *chase) newTrack(node string, p live.Pod, c live.Container) *track {
	logger, _ := h.crew.logger(node)
	t := &track{
		node: node, container: c.ID, logger: logger, print: h.press.source(p.Name, c.Name), tail: -1,
		gone: make(chan struct{}),
	}
	if !h.early[c.ID] {
		return t
	}
	t.since, t.tail = h.from(h.crew, node), h.tail
	if t.tail == 0 {
		t.since, t.tail = h.crew.clock(node), -1
	}
	return t
}
