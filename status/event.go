package status

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
)

// event is one thing that happened: what a receipt says, what somebody decided, or the last end or new start of a container.
type event struct {
	time             time.Time
	what             string // a receipt's verb, a decision's, or one of those below
	object           string
	rev, commit, why string
}

// What happens to containers.
const (
	exited    = "exited"
	restarted = "restarted"
)

// recent is how many events of one object are shown.
const recent = 10

// events writes the newest of each workload and claim, the newest last, where they are asked for. Nobody keeps events: of what was done they
// are what is written down, of containers what they show now.
func (r Report) events(w io.Writer, look Look) {
	if !r.eventful {
		return
	}
	var rows [][]cell
	older := 0
	show := func(list []event) {
		slices.SortStableFunc(list, func(a, b event) int { return a.time.Compare(b.time) })
		extra := max(len(list)-recent, 0)
		older += extra
		for _, e := range list[extra:] {
			rows = append(rows, r.event(e))
		}
	}
	for _, x := range r.Workloads {
		show(r.eventsOf(x))
	}
	for _, c := range r.Claims {
		show(recorded(r.ledgers[c.ID]))
	}
	if len(rows) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"AGE", "EVENT", "OBJECT", "REV", "COMMIT", "WHY"}, rows)
	if older > 0 {
		look.lines(w, "", fmt.Sprintf("and %d before; podkeep history tells of each commit what was done", older), Dim)
	}
}

func (r Report) event(e event) []cell {
	row := plain(r.age(e.time), e.what, e.object, dash(live.ShortRev(e.rev)), dash(ShortCommit(e.commit)), e.why)
	row[1].paint = paintOfEvent(e.what)
	return row
}

// eventsOf are those of a workload's containers and, unless only some of its pods are asked for, what is written down of it.
func (r Report) eventsOf(x Workload) (list []event) {
	if !x.partial {
		list = append(recorded(r.ledgers[x.ID]), r.decisions(x.ID)...)
	}
	for _, p := range x.Pods {
		for _, c := range p.Containers {
			if e, ok := p.happened(c); ok {
				list = append(list, e)
			}
		}
	}
	return list
}

func recorded(receipts []live.Receipt) (list []event) {
	for _, x := range receipts {
		list = append(list, event{x.Time, x.Verb, x.App.Short(), x.Rev, x.Commit, x.Why})
	}
	return list
}

// happened is what a container did last: it ended, but for an init container that did its work, or was started again.
func (p Pod) happened(c live.Container) (event, bool) {
	e := event{object: p.Name, rev: p.Rev, commit: p.Commit}
	restarts := live.Restarts(c.Attempt)
	switch {
	case c.Ended() && (c.Exit != 0 || !p.isInit(c.Name)):
		e.time, e.what, e.why = c.Finished, exited, fmt.Sprintf("container %s exited with %d", c.Name, c.Exit)
		if strings.Contains(p.Why, e.why) {
			e.why = p.Why // which may say when it is started again
		}
		if restarts > 0 {
			e.why += "; " + plural(restarts, "restart") + " before"
		}
	case c.State == live.Running && restarts > 0:
		e.time, e.what, e.why = c.Started, restarted, fmt.Sprintf("container %s runs again, restart %d", c.Name, restarts)
	}
	return e, e.what != ""
}

func paintOfEvent(what string) Paint {
	switch what {
	case live.Failed:
		return Red
	case live.Promoted, live.Done:
		return Green
	case live.Halted, exited, restarted:
		return Yellow
	}
	return ""
}
