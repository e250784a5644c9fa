package fake

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

var (
	_ drivers.Logger = driver{}
	_ drivers.Execer = driver{}
)

// find is the container with that id, or the one it replaced; nil if there is none.
func (h *host) find(id string, before bool) *container {
	for _, p := range h.pods {
		for _, c := range p.containers {
			switch {
			case c.id != id:
			case before:
				return p.before[c.name]
			default:
				return c
			}
		}
	}
	return nil
}

// keep keeps a container that is being replaced. Copies of the pod share nothing that changes.
func (p *pod) keep(c *container) {
	kept := maps.Clone(p.before)
	if kept == nil {
		kept = map[string]*container{}
	}
	kept[c.name] = c
	p.before = kept
}

// printed are the lines that the container has printed so far: one at its start, one at its end.
func (c *container) printed() (lines []live.Line) {
	if c == nil || c.started.IsZero() {
		return nil
	}
	lines = append(lines, live.Line{Time: c.started, Text: fmt.Appendf(nil, "%s starts, attempt %d", c.image, c.attempt)})
	if !c.stopped.IsZero() {
		lines = append(lines, live.Line{Time: c.stopped, Err: true, Text: fmt.Appendf(nil, "%s ends with %d", c.image, c.exit)})
	}
	return lines
}

// Logs follows by looking again at each poke of the host's, and now and then.
func (d driver) Logs(ctx context.Context, ask live.Log, each func(live.Line) error) error {
	poke := make(chan struct{}, 1)
	d.world.watch(d.name, poke)
	defer d.world.unwatch(d.name, poke)
	told := 0
	for {
		lines, over, err := d.read(ctx, ask)
		if err != nil {
			return err
		}
		if told == 0 && ask.Last >= 0 {
			told = max(0, len(lines)-ask.Last)
		}
		for ; told < len(lines); told++ {
			if at := lines[told].Time; !ask.Since.IsZero() && !at.After(ask.Since) {
				continue
			}
			if err := each(lines[told]); err != nil {
				return err
			}
		}
		if over || !ask.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poke:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d driver) read(ctx context.Context, ask live.Log) (lines []live.Line, over bool, err error) {
	err = d.call(ctx, List, func(h *host) error {
		c := h.find(ask.Container, ask.Previous)
		if c == nil && ask.Previous {
			return fmt.Errorf("%w of an attempt before this one", live.ErrNoLog)
		}
		if c == nil {
			return live.ErrNoLog
		}
		lines, over = c.printed(), c.state == live.Exited
		return nil
	})
	return lines, over, err
}

// Exec knows three commands: echo WORD..., cat, exit CODE. What is interrupted ends where there is a node side.
func (d driver) Exec(ctx context.Context, ask live.Exec) (code int, err error) {
	side := false
	err = d.call(ctx, List, func(h *host) error {
		side = h.side(d.cluster) != nil
		if c := h.find(ask.Container, false); c == nil || c.state != live.Running {
			return fmt.Errorf("container %s does not run", ask.Container)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	switch word := ask.Command[0]; {
	case word == "echo":
		_, err = fmt.Fprintln(ask.Out, strings.Join(ask.Command[1:], " "))
	case word == "cat" && ask.In != nil:
		_, err = io.Copy(ask.Out, ask.In)
	case word == "exit" && len(ask.Command) == 2:
		code, err = strconv.Atoi(ask.Command[1])
	default:
		err = fmt.Errorf("executable file `%s` not found in $PATH", word)
	}
	if err != nil && ctx.Err() != nil && !side {
		err = fmt.Errorf("%w: there is no node side", live.ErrRunsOn)
	}
	return code, err
}
