package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/status"
)

// watching is a status that goes on: on a terminal drawn over itself, elsewhere written again after each change.
type watching struct {
	*statusOptions
	asked  asked
	chosen status.Selection
	found  bool // what is named was there once
	last   string
	canvas canvas
	err    error
}

// follow shows the status until it is interrupted, or cannot be written.
func (o *statusOptions) follow(cmd *cobra.Command, source sources.Source, a asked) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	key, err := o.reading()
	if err != nil {
		return err
	}
	options := o.options(source, key, o.logger(cmd.ErrOrStderr(), logrus.ErrorLevel))
	options.DryRun = true
	w := &watching{statusOptions: o, asked: a}
	options.Tell = func(p reconciler.Pass) {
		if ctx.Err() != nil {
			return
		}
		if w.err = w.pass(cmd.OutOrStdout(), world(p)); w.err != nil {
			end()
		}
	}
	err = reconciler.New(options).Run(ctx)
	return cmp.Or(w.err, err)
}

// pass shows a world, if it says something new.
func (w *watching) pass(out io.Writer, now status.World) error {
	if w.last == "" && !looked(now) {
		return nil
	}
	report := status.Of(now)
	if !w.found && now.History.Head.Commit != "" {
		var err error
		if w.chosen, err = w.asked.among(report); err != nil {
			return err
		}
		w.found = true
	}
	width, height, ok := terminal(out)
	if ok && (w.output == "text" || w.output == "wide") {
		return w.draw(out, report.Only(w.chosen), width, height)
	}
	stamp := report.Only(w.chosen).Stamp()
	if stamp == w.last {
		return nil
	}
	switch {
	case w.last == "" || w.output == "json":
	case w.output == "yaml":
		_, _ = fmt.Fprintln(out, "---")
	default:
		_, _ = fmt.Fprintln(out)
	}
	w.last = stamp
	if err := w.print(out, now, w.chosen); err != nil {
		return err
	}
	return written(out)
}

// looked says whether the source has been read, or could not be, and every node has answered, or has not in time.
func looked(w status.World) bool {
	unheard := func(n live.Node) bool { return !n.Known && n.Why == "" }
	return (w.History.Head.Commit != "" || unread(w) != nil) && !slices.ContainsFunc(w.Snapshot.Nodes, unheard)
}

func (w *watching) draw(out io.Writer, r status.Report, width, height int) error {
	var text bytes.Buffer
	l := look(out)
	l.Width = width
	r.Text(&text, l, w.output == "wide" || w.detail)
	w.last = "drawn"
	return w.canvas.draw(out, text.String(), height)
}

// canvas is the part of a terminal that is drawn over itself.
type canvas struct{ drawn int } // lines on the screen

// draw replaces what is on the screen in one write. What the screen is too low for is left out, and said.
func (c *canvas) draw(out io.Writer, text string, height int) error {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	if most := max(height-2, 1); len(lines) > most {
		lines = append(lines[:most:most], fmt.Sprintf("and %d lines that the screen has no room for", len(lines)-most))
	}
	back := ""
	if c.drawn > 0 {
		back = fmt.Sprintf("\x1b[%dA\x1b[J", c.drawn)
	}
	c.drawn = len(lines)
	_, err := io.WriteString(out, back+strings.Join(lines, "")+"\n")
	return err
}
