package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

// following is a rollout that is followed: on a terminal drawn over itself, elsewhere a line for each change.
type following struct {
	*rolloutOptions
	name   string // as it was asked for
	out    io.Writer
	began  time.Time
	app    manifest.ID // that it means; zero until that is known
	chosen status.Selection
	world  status.World
	last   outcome
	canvas canvas
	told   []status.Fact // elsewhere
}

// pass shows a world, and says whether the rollout is over in it.
func (f *following) pass(w status.World) error {
	if f.app == (manifest.ID{}) {
		if !looked(w) {
			return nil
		}
		if err := lost(w); err != nil {
			return err
		}
		if err := f.find(w); err != nil {
			return err
		}
	}
	_, _, terminal := terminal(f.out)
	f.world, f.last = w, ofRollout(w, f.app, f.wait || terminal)
	if terminal {
		return f.draw(w.Now)
	}
	return f.lines()
}

// tick draws the newest world again, so that what is waited for is counted down.
func (f *following) tick(now time.Time) error {
	if _, _, ok := terminal(f.out); !ok || f.app == (manifest.ID{}) {
		return nil
	}
	return f.draw(now)
}

func (f *following) draw(now time.Time) error {
	width, height, _ := terminal(f.out)
	var text bytes.Buffer
	l := look(f.out)
	l.Width = width
	r := status.Of(f.world).Only(f.chosen)
	r.Now = now
	r.Rollout(&text, l)
	return f.canvas.draw(f.out, text.String(), height)
}

// lines tells what has changed.
func (f *following) lines() error {
	facts := status.Of(f.world).Only(f.chosen).RolloutFacts()
	say := func(line string) {
		_, _ = fmt.Fprintf(f.out, "%6s  %s\n", status.Age(f.world.Now.Sub(f.began)), live.Plain(line))
	}
	for _, was := range f.told {
		still := func(x status.Fact) bool { return x.Key == was.Key }
		if was.Gone != "" && !slices.ContainsFunc(facts, still) {
			say(was.Gone)
		}
	}
	for _, x := range facts {
		same := func(was status.Fact) bool { return was.Key == x.Key && was.Stamp == x.Stamp }
		if !slices.ContainsFunc(f.told, same) {
			say(x.Line)
		}
	}
	f.told = facts
	return written(f.out)
}

// ofRollout says whether a workload's rollout is over. One that waits goes on where only a person can.
func ofRollout(w status.World, id manifest.ID, waits bool) outcome {
	i := slices.IndexFunc(w.Plan.Apps, func(a plan.App) bool { return a.ID == id })
	if i < 0 {
		return outcome{true, failed, words(id) + " is gone"}
	}
	app := w.Plan.Apps[i]
	why := app.ID.Short() + ": " + reason(app)
	switch {
	case old(w, time.Time{}) || len(app.Awaits) > 0:
		return outcome{why: why}
	case app.State == plan.Converged, status.Healthy(w, id):
		return outcome{true, converged, why}
	case moves(app, w):
		return outcome{why: why}
	case app.State == plan.Failed:
		late := app.Rollout != nil && app.Rollout.Late != "" // it may get there yet
		return outcome{!late || !waits, failed, "failed: " + why + choices(w, app.ID)}
	}
	return outcome{!waits, decision, "a decision is awaited: " + why + choices(w, app.ID)}
}
