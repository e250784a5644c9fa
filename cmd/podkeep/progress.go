package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/status"
)

// progress follows a sync: a table drawn over itself on a terminal, a line for each change elsewhere.
type progress struct {
	out    io.Writer
	began  time.Time
	lines  bool // also on a terminal, when the log runs between
	drawn  int  // lines of the table on the screen
	stands map[manifest.ID]string
	done   map[string]bool // actions told of already
	blind  string          // why the source cannot be read or no node answers, as it was told
}

func newProgress(out io.Writer, began time.Time, lines bool) *progress {
	return &progress{out: out, began: began, lines: lines, stands: map[manifest.ID]string{}, done: map[string]bool{}}
}

func (p *progress) pass(w status.World) {
	width, height, ok := terminal(p.out)
	if ok && !p.lines {
		p.draw(w, width, height)
		return
	}
	p.tell(w)
}

// unseen says that the source cannot be read or no node answers, and nothing of workloads that may run all the same.
func (p *progress) unseen(w status.World, why error) {
	line, _, _ := strings.Cut(why.Error(), "\n") // what follows is advice for the end
	if now := wordsOf(line); p.blind != now {
		p.blind, p.drawn = now, 0
		_, _ = fmt.Fprintf(p.out, "%6s  waits: %s\n", status.Age(w.Now.Sub(p.began)), live.Plain(line))
	}
}

// draw replaces the table with a new one in one write. What the screen is too low for is counted, the settled first.
func (p *progress) draw(w status.World, width, height int) {
	var table bytes.Buffer
	l := look(p.out)
	l.Width = width
	status.Of(w).Progress(&table, l, w.Now.Sub(p.began), height-1)
	back := ""
	if p.drawn > 0 {
		back = fmt.Sprintf("\x1b[%dA\x1b[J", p.drawn)
	}
	p.drawn = strings.Count(table.String(), "\n")
	_, _ = io.WriteString(p.out, back+table.String())
}

// tell writes what is new since the last pass.
func (p *progress) tell(w status.World) {
	at := fmt.Sprintf("%6s", status.Age(w.Now.Sub(p.began)))
	fresh := map[string]bool{}
	for _, a := range w.Plan.Actions {
		line := status.Line(a)
		fresh[line] = true
		if !p.done[line] {
			_, _ = fmt.Fprintf(p.out, "%s  %s\n", at, live.Plain(line))
		}
	}
	p.done = fresh
	for _, app := range w.Plan.Apps {
		counts := fmt.Sprintf("%s, %d/%d ready, %d up to date", app.State, app.Ready, app.Replicas, app.Updated)
		if app.Job != nil {
			counts = fmt.Sprintf("%s, %d of %d succeeded, %d active, %d failed", app.State, app.Job.Succeeded, app.Replicas, app.Job.Active, app.Job.Failed)
		}
		if now := counts + wordsOf(reason(app)); p.stands[app.ID] != now {
			p.stands[app.ID] = now
			_, _ = fmt.Fprintf(p.out, "%s  %s: %s: %s\n", at, app.ID.Short(), counts, live.Plain(reason(app)))
		}
	}
}

// wordsOf is a reason without its figures: one that only counts seconds is not new.
func wordsOf(reason string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, reason)
}
