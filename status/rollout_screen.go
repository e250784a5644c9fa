package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Rollout writes how far the newest rollout of each workload is: why it stands as it does and what decides, its steps with the current one marked, the
// pods of each revision, the Services that lead to one alone, every pod, and what happened lately.
func (r Report) Rollout(w io.Writer, look Look) {
	for i, x := range r.Workloads {
		if i > 0 {
			_, _ = fmt.Fprintln(w)
		}
		look.lines(w, "", r.title(x), Bold)
		for _, line := range x.reasons(r.Now) {
			look.lines(w, "", line, map[bool]Paint{true: paintOf(x.State)}[x.AwaitsPerson()])
		}
		for _, e := range r.Errors {
			look.lines(w, "", "error: "+e, Red)
		}
		r.parts(w, look, x)
	}
}

func (r Report) parts(w io.Writer, look Look, x Workload) {
	show := func(head []string, rows [][]cell) {
		if len(rows) > 0 {
			_, _ = fmt.Fprintln(w)
			look.table(w, head, rows)
		}
	}
	show([]string{"TO DECIDE", "WHAT COMES OF IT"}, x.choiceRows())
	show([]string{"  STEP", "WHAT", "STATE", "WHY"}, x.stepRows(r.Now, r.ledgers[x.ID].Steps))
	show([]string{"REV", "ROLE", "WANTED", "PODS", "READY", "AVAILABLE", "COMMIT"}, x.revisionRows())
	show([]string{"SERVICE", "LEADS TO"}, r.leadRows(x))
	var pods [][]cell
	for _, p := range x.byRevision() {
		pods = append(pods, r.pod(p))
	}
	show([]string{"POD", "NODE", "READY", "STATE", "RESTARTS", "AGE", "REV", "IP", "WHY"}, pods)
	r.Workloads, r.Claims, r.eventful = []Workload{x}, nil, true
	r.events(w, look)
}

// title is rollout/web Paused, 9a8b7c→4c1f09, at 3f2a1bc "web: v2" by Ann, 3m ago.
func (r Report) title(x Workload) string {
	commit := ShortCommit(x.Commit)
	if x.Commit == r.Head.Commit {
		commit = r.commit()
	}
	name := words(x.called())
	if ns := x.ID.Namespace; ns != "default" {
		name += " -n " + ns
	}
	if by := x.by(); by != (manifest.ID{}) {
		name += " over " + words(x.ID)
	}
	parts := []string{name + " " + string(x.State)}
	if revs := Revs(x.App); revs != "" {
		parts = append(parts, revs)
	}
	if commit != "" {
		parts = append(parts, "at "+commit)
	}
	return strings.Join(parts, ", ")
}

// reasons are why it stands as it does and what it waits for, but not what decides, nor what is said of a pod that is there.
func (w Workload) reasons(now time.Time) []string {
	decides := w.deciding()
	lines := slices.DeleteFunc(w.lines(now), func(s string) bool { return s == decides })
	for _, wait := range w.Waits {
		if !slices.ContainsFunc(w.Pods, func(p Pod) bool { return strings.HasPrefix(wait, p.Name+" on ") }) {
			lines = append(lines, wait)
		}
	}
	for _, a := range w.Suspended {
		lines = append(lines, "held: "+Line(a))
	}
	return append(notEmpty(w.Why), lines...)
}

func (w Workload) choiceRows() (rows [][]cell) {
	for _, c := range w.Choices() {
		rows = append(rows, plain(c.Command, c.Effect))
	}
	return rows
}

// stepRows are a canary's steps, or the stages of blue-green: done, now, or to come.
func (w Workload) stepRows(now time.Time, written func(digest string) (int, *live.Receipt)) (rows [][]cell) {
	if w.aborted() || w.first {
		return nil
	}
	steps, done := []string{}, w.done()
	for _, s := range w.steps() {
		steps = append(steps, s.String())
	}
	if w.blueGreen() {
		done, _ = written(w.strategy().StepsDigest())
		steps, done = w.stages(done)
	}
	for i, text := range steps {
		row := plain("  "+strconv.Itoa(i+1), text, "to come", "")
		switch {
		case i < done:
			row[2].text, row[2].paint = "done", Green
		case i == done && w.begun:
			row[0].text, row[2].text, row[2].paint, row[3].text = "> "+strconv.Itoa(i+1), "now", Blue, w.waiting(now)
		default:
			row[2].paint = Dim
		}
		rows = append(rows, row)
	}
	return rows
}

// stages are those of blue-green, and how many are done, of which so many are written down.
func (w Workload) stages(written int) ([]string, int) {
	r := w.strategy().Rollout
	promotion := "a person promotes it"
	switch {
	case r.AutoPromotion && r.AutoAfter > 0:
		promotion = "it is promoted " + Age(r.AutoAfter) + " later"
	case r.AutoPromotion:
		promotion = "it is promoted"
	}
	stages := []string{"new pods are available beside those that serve", promotion, r.ActiveService + " leads to them", "old pods are gone"}
	switch {
	case w.promoted() && w.Updated == w.Total:
		return stages, 4
	case w.promoted() || w.leads(activeService) == w.Rev:
		return stages, 3
	}
	return stages, min(written, 2)
}

func (w Workload) revisionRows() (rows [][]cell) {
	for _, p := range w.way().Pods {
		rows = append(rows, plain(live.ShortRev(p.Rev), w.role(p.Rev), strconv.Itoa(p.Want), strconv.Itoa(p.Have), strconv.Itoa(p.Ready),
			strconv.Itoa(p.Avail), ShortCommit(p.Commit)))
	}
	return rows
}

func (r Report) leadRows(x Workload) (rows [][]cell) {
	for _, role := range roles {
		if rev := x.leads(role); rev != "" {
			rows = append(rows, plain(x.service(role), fmt.Sprintf("%s, as %s", live.ShortRev(rev), role)))
		}
	}
	return rows
}

// byRevision are its pods, those of the oldest generation first.
func (w Workload) byRevision() []Pod {
	return slices.SortedStableFunc(slices.Values(w.Pods), func(a, b Pod) int { return cmp.Compare(a.Gen, b.Gen) })
}

// Fact is one thing that is so of a rollout. Under one key another Stamp is a change; a Line may count seconds beside. Gone is what is to be said once
// it is so no more; empty for nothing.
type Fact struct{ Key, Stamp, Line, Gone string }

// RolloutFacts are all that is so of the workloads' rollouts, for those who follow them by lines.
func (r Report) RolloutFacts() (all []Fact) {
	for _, x := range r.Workloads {
		for _, f := range append(x.facts(r.Now), r.decisionFacts(x.ID)...) {
			f.Line = x.called().Short() + ": " + f.Line
			if f.Gone != "" {
				f.Gone = x.called().Short() + ": " + f.Gone
			}
			f.Key = x.ID.String() + " " + f.Key
			all = append(all, f)
		}
	}
	return all
}

func (w Workload) facts(now time.Time) (all []Fact) {
	say := func(key, line string) { all = append(all, Fact{Key: key, Stamp: line, Line: line}) }
	stands := strings.Join(append([]string{string(w.State)}, w.reasons(now)...), "; ")
	way := w.way()
	all = append(all, Fact{Key: "state", Stamp: fmt.Sprint(w.State, w.Rev, way.Step, way.Weight, way.Pause, way.Decide, worded(stands)), Line: stands})
	for _, p := range way.Pods {
		say("rev "+p.Rev, fmt.Sprintf("%s (%s): %d of %d pods, %d ready, %d available", live.ShortRev(p.Rev), w.role(p.Rev), p.Have, p.Want, p.Ready, p.Avail))
	}
	for _, role := range roles {
		if rev := w.leads(role); rev != "" {
			say("service "+role, fmt.Sprintf("%s leads to %s, as %s", w.service(role), live.ShortRev(rev), role))
		}
	}
	for _, p := range w.byRevision() {
		name := "pod " + p.Name + " on " + p.Node
		line := strings.Join(notEmpty(name+": "+p.State, p.Why), ": ")
		all = append(all, Fact{Key: name, Stamp: p.State + worded(p.Why), Line: line, Gone: name + ": gone"})
	}
	if decides := w.deciding(); decides != "" {
		say("decide", "to decide: "+decides)
	}
	return all
}

func (r Report) decisionFacts(id manifest.ID) (all []Fact) {
	for _, e := range r.decisions(id) {
		line := e.what + " " + e.why
		all = append(all, Fact{Key: fmt.Sprint("decision ", e.time, e.what, e.why), Stamp: line, Line: line})
	}
	return all
}

// decisions are those of a workload that were read, and whether they have been acted upon.
func (r Report) decisions(id manifest.ID) (list []event) {
	for _, d := range r.decided {
		if d.App != id {
			continue
		}
		why := strings.Join(notEmpty("by "+d.Who, d.Why), ": ")
		if len(r.ledgers[id].Open([]manifest.Decision{d})) > 0 {
			why += ", not acted upon yet"
		}
		list = append(list, event{d.Time, d.Verb, id.Short(), d.Rev, d.Note, why})
	}
	return list
}
