// Package health is the verdict on one pod: is it well, since when, why not, and what would make it so.
package health

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
)

// Settle is how long a container must have been up before it is ready, unless a startup or a readiness probe says so.
const Settle = 2 * time.Second

// Back-off between restarts of a container: none before the first, then 10 s doubling to 5 min. A container that
// ran for well starts over. These are the kubelet's figures.
const (
	firstDelay = 10 * time.Second
	maxDelay   = 5 * time.Minute
	well       = 10 * time.Minute
)

// State is one word about a pod.
type State string

// States of a pod.
const (
	Ready    State = "Ready"
	Starting State = "Starting" // asked for, half made, up for less than Settle, or its startup probe has not succeeded
	Unready  State = "Unready"  // up, and a readiness probe says that it is not ready
	Unheard  State = "Unheard"  // up, and nobody knows whether it is ready: the node side of its host says nothing of it
	Crashed  State = "Crashed"  // a container exited and will be started again
	Done     State = "Done"     // ran to completion
	Failed   State = "Failed"   // exited badly, and its restartPolicy says Never
	Stopping State = "Stopping"
)

// Verdict is what is thought of a pod. Since is when it became ready; of one that crashed or that its probes keep from that, when this began. Wake is when the verdict changes by itself,
// zero if never. Run says that the driver should be told to run it (again), with these attempts. Row is how many restarts in a row what
// crashed has had.
type Verdict struct {
	State   State
	Since   time.Time
	Why     string
	Wake    time.Time
	Run     bool
	Attempt map[string]int
	Row     int
}

// Ready says whether requests may be sent to the pod.
func (v Verdict) Ready() bool { return v.State == Ready }

// Of judges a pod that has been seen.
func Of(p live.Pod, now time.Time) Verdict {
	switch {
	case p.Stopping:
		return Verdict{State: Stopping, Why: "is being stopped"}
	case p.Asked:
		return Verdict{State: Starting, Why: "is being started"}
	}
	v := Verdict{Attempt: attempts(p)}
	if missing := missing(p); len(missing) > 0 {
		v.State, v.Run, v.Why = Starting, true, "is half made: lacks container "+strings.Join(missing, ", ")
		return v
	}
	if live.Over(p.Restart, p.Init, p.Containers) {
		return v.over(p)
	}
	if v.rebooted(p) {
		v.State, v.Run, v.Why = Starting, true, "its host was restarted: init containers run again"
		return v
	}
	held := Verdict{}
	if due := live.Due(p.Init, p.Containers); len(due) > 0 {
		if held = heldBack(p, due[0], now); held.State == "" {
			v.State, v.Run, v.Why = Starting, true, said(p, due[0])+" "+unstarted(p, due[0])
			return v
		}
	}
	for _, c := range p.Containers {
		if c.Ended() && again(p, c) {
			v = v.restart(p, c, now)
		}
	}
	switch {
	case v.State == Crashed:
		return v
	case held.State != "":
		v.State, v.Since, v.Why = held.State, held.Since, held.Why
		return v
	case pending(p) != "":
		v.State, v.Why = Starting, pending(p)
		return v
	}
	return v.up(p, now)
}

// unstarted says why a container that is there does not run.
func unstarted(p live.Pod, name string) string {
	if slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.Name == name && c.Felled() }) {
		return "was cut off when its host was restarted"
	}
	return "was made and not started"
}

// over judges a pod that has nothing left to do. Sidecars that still run are to be stopped.
func (v Verdict) over(p live.Pod) Verdict {
	v.State, v.Why = Done, "ran to completion"
	var left []string
	for _, c := range p.Containers {
		sidecar := isSidecar(p, c.Name)
		switch {
		case sidecar && c.State == live.Running:
			left = append(left, c.Name)
		case !sidecar && c.Ended() && c.Exit != 0:
			v.State, v.Why = Failed, fmt.Sprintf("%s exited with %d", said(p, c.Name), c.Exit)
		}
	}
	if len(left) > 0 {
		v.Run = true
		v.Why += ", and its sidecar " + strings.Join(left, ", ") + " is to be stopped"
	}
	return v
}

// restart notes that container c ended and when it may start again.
func (v Verdict) restart(p live.Pod, c live.Container, now time.Time) Verdict {
	row := live.Row(c.Attempt) + 1
	if c.Finished.Sub(c.Started) >= well {
		row = 1
	}
	due := c.Finished.Add(delay(row))
	if later(c.Finished, now) {
		due = now
	}
	v.State, v.Since, v.Row = Crashed, c.Finished, max(v.Row, row-1)
	v.Why = fmt.Sprintf("%s exited with %d%s", said(p, c.Name), c.Exit, givenUp(p, c))
	if now.Before(due) {
		v.Why += fmt.Sprintf(", restarts at %s", due.UTC().Format(time.TimeOnly))
		if v.Wake.IsZero() || due.Before(v.Wake) {
			v.Wake = due
		}
		return v
	}
	v.Run = true
	v.Attempt[c.Name] = live.Attempt(live.Restarts(c.Attempt)+1, row)
	return v
}

// up judges a pod whose containers run, or ended well.
func (v Verdict) up(p live.Pod, now time.Time) Verdict {
	for _, c := range p.Containers {
		since := c.Started.Add(Settle)
		switch {
		case c.State == live.Paused:
			v.State, v.Why = Starting, "container "+c.Name+" is paused by somebody"
			return v
		case !goesOn(p, c.Name):
			continue
		case c.State == live.Running && p.Birth.Probes[c.Name] != "":
			state, at, why := probed(p, c, now)
			if state != Ready {
				v.State, v.Since, v.Why = state, at, why
				return v
			}
			since = at
		}
		if since.After(v.Since) && !later(since.Add(-Settle), now) {
			v.Since = since
		}
	}
	if now.Before(v.Since) {
		v.State, v.Wake = Starting, v.Since
		v.Why = fmt.Sprintf("is up since %s, ready after %s", v.Since.Add(-Settle).UTC().Format(time.TimeOnly), Settle)
		return v
	}
	v.State, v.Why = Ready, "is ready"
	return v
}

// later says whether a time of the past lies in the future: the host's clock was set back since. How long ago it was cannot be
// known, and it is taken to be long.
func later(past, now time.Time) bool { return past.After(now.Add(Settle)) }

// again says whether a container that ended is to be started anew: a sidecar always, an init container when it failed, the others as
// the pod's restartPolicy says. An init container that Never starts again has made the pod Over.
func again(p live.Pod, c live.Container) bool {
	switch {
	case isSidecar(p, c.Name):
		return true
	case isInit(p, c.Name):
		return c.Exit != 0
	}
	return p.Restart == "Always" || p.Restart == "" || p.Restart == "OnFailure" && c.Exit != 0
}

func delay(row int) time.Duration {
	if row <= 1 {
		return 0
	}
	d := firstDelay
	for i := 2; i < row && d < maxDelay; i++ {
		d *= 2
	}
	return min(d, maxDelay)
}

func attempts(p live.Pod) map[string]int {
	m := map[string]int{}
	for _, c := range p.Containers {
		m[c.Name] = c.Attempt
	}
	return m
}

func missing(p live.Pod) []string {
	var names []string
	for _, want := range p.Expect {
		found := false
		for _, c := range p.Containers {
			found = found || c.Name == want
		}
		if !found {
			names = append(names, want)
		}
	}
	sort.Strings(names)
	return names
}
