package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// Choice is a decision that a person may take now: how it is taken, and what comes of it.
type Choice struct{ Command, Effect string }

// Choices are the decisions that would do something now, the one that goes on first.
func (w Workload) Choices() (all []Choice) {
	stable := cmp.Or(live.ShortRev(w.Stable), "what was before")
	effects := map[string]string{
		"promote": "goes on", "promote-full": "goes on without steps and pauses", "skip": "passes over this step", "resume": "goes on",
		"pause": "stops here until it is resumed", "abort": "goes back to " + stable, "retry": "tries " + live.ShortRev(w.Rev) + " again",
	}
	if w.strategy().Paused && w.way().Pause == rollout.PausedByPerson {
		all = append(all, Choice{"take spec.paused out of " + w.origin().String() + ", commit and push it", "goes on"})
	}
	for _, verb := range w.way().Decide {
		if verb == "pause" && w.AwaitsPerson() { // nothing goes on as it is
			continue
		}
		command := "podkeep " + strings.Replace(verb, "promote-full", "promote --full", 1) + " " + words(w.called())
		if ns := w.ID.Namespace; ns != "default" {
			command += " -n " + ns
		}
		all = append(all, Choice{command, effects[verb]})
	}
	return all
}

// origin is where the object stands that says how it is rolled out.
func (w Workload) origin() manifest.Origin {
	if w.want.By != nil {
		return w.want.By.Origin
	}
	return w.want.Origin
}

// words are how one writes an object on a command line, without its namespace.
func words(id manifest.ID) string { return strings.ToLower(id.Kind) + "/" + id.Name }

// AwaitsPerson says whether nothing goes on, or on from a revision that was rejected, until somebody decides.
func (w Workload) AwaitsPerson() bool { return w.State == plan.Paused || w.State == plan.Failed }

// deciding is the sentence that says how to go on and how to go back; empty while nobody need decide.
func (w Workload) deciding() string {
	if w.way().Pause == "" && !w.AwaitsPerson() {
		return ""
	}
	var said []string
	for i, c := range w.Choices() {
		switch command := strings.HasPrefix(c.Command, "podkeep "); {
		case command && (i == 0 || strings.HasPrefix(c.Command, "podkeep abort ")):
			said = append(said, "`"+c.Command+"` "+c.Effect)
		case !command:
			said = append(said, c.Command+": "+c.Effect)
		}
	}
	return strings.Join(said, ", ")
}

// lines say how far a Rollout is and what decides, beside why it stands as it does.
func (w Workload) lines(now time.Time) []string {
	way := w.way()
	var all []string
	if w.strategy().Rollout != nil && w.State != plan.Converged {
		all = append(all, w.standing(now))
	}
	_, idle := w.shares()
	all = append(all, idle...)
	if way.Failed != "" && !strings.Contains(w.Why, way.Failed) {
		all = append(all, fmt.Sprintf("%s was rejected: %s", live.ShortRev(w.Rev), way.Failed))
	}
	if way.Late != "" && !strings.Contains(w.Why, way.Late) {
		all = append(all, "late, which is only said, for progressDeadlineAbort is not set: "+way.Late)
	}
	return notEmpty(append(all, w.keeping(now), w.deciding())...)
}

// standing is where on its way a Rollout is: weight 20, goes on in 6m (12:10:00 UTC).
func (w Workload) standing(now time.Time) string {
	way := w.way()
	var parts []string
	if by := w.by(); by != (manifest.ID{}) {
		parts = append(parts, "by "+words(by))
	}
	switch steps := w.steps(); {
	case w.aborted() || w.promoted() || !w.begun || w.Rollout == nil:
	case way.Fast != "":
		parts = append(parts, "takes no steps: "+way.Fast)
	case len(steps) > 0 && w.first:
		parts = append(parts, "the first one takes no steps")
	case len(steps) > 0 && w.done() == len(steps):
		parts = append(parts, fmt.Sprintf("all %d steps done", len(steps)))
	case len(steps) > 0:
		if !strings.HasPrefix(w.Why, "step ") {
			parts = append(parts, fmt.Sprintf("step %d of %d, %s", w.done()+1, len(steps), steps[w.done()]))
		}
		parts = append(parts, fmt.Sprintf("weight %d", way.Weight))
	}
	if by, _ := w.shares(); len(by) > 0 && w.leads(canaryService) != w.leads(stableService) {
		parts = append(parts, fmt.Sprintf("%d of 100 requests by %s", way.Share, strings.Join(by, " and ")))
	}
	return strings.Join(notEmpty(append(parts, w.waiting(now))...), ", ")
}

// shares are what shares requests between its Services, as people say it, and why others that are to share none.
func (w Workload) shares() (by, idle []string) {
	if r := w.strategy().Rollout; r != nil {
		for _, id := range r.Shares {
			if why := w.unmet[id]; why != "" {
				idle = append(idle, words(id)+" shares none of its requests: "+why)
			} else {
				by = append(by, words(id))
			}
		}
	}
	return by, idle
}

// shared notes what is to share the requests of Rollouts and is served nowhere.
func (r Report) shared() {
	for i := range r.Workloads {
		w := &r.Workloads[i]
		over := w.strategy().Rollout
		if over == nil {
			continue
		}
		w.unmet = map[manifest.ID]string{}
		for _, x := range r.Entries {
			if slices.Contains(over.Shares, x.ID) && len(x.leads) == 0 {
				w.unmet[x.ID] = strings.Join(x.Whys, "; ")
			}
		}
	}
}

// waiting is what a pause waits for and until when; empty where there is none.
func (w Workload) waiting(now time.Time) string {
	way := w.way()
	who := ""
	switch {
	case way.Pause == "":
		return ""
	case way.Pause == rollout.PausedByPerson:
		who = "paused by a person"
	case way.Pause == rollout.PauseBlueGreen:
		who = "ready to serve"
	}
	until := "goes on " + until(way.Until, now)
	switch {
	case way.Until.IsZero() && way.Phase != rollout.Paused && w.of(w.Rev).Avail < w.of(w.Rev).Want:
		until = "the pause counts once its pods are available"
	case way.Until.IsZero() && way.Phase != rollout.Paused:
		until = "the pause is over"
	case way.Until.IsZero():
		until = "waits for a decision"
		if !way.Since.IsZero() {
			until += " (" + Age(now.Sub(way.Since)) + " so far)"
		}
	}
	return strings.Join(notEmpty(who, until), ", ")
}

// until is a time as the way to it and, in brackets, itself.
func until(t, now time.Time) string {
	form := "15:04:05"
	if t.Sub(now) > 20*time.Hour {
		form = "2006-01-02 15:04"
	}
	if !t.After(now) {
		return "now"
	}
	return fmt.Sprintf("in %s (%s UTC)", Age(t.Sub(now)), t.UTC().Format(form))
}

// keeping says which pods of older revisions stay for a while.
func (w Workload) keeping(now time.Time) string {
	var all []string
	for _, p := range w.way().Pods {
		at, ok := w.way().Keeps[p.Rev]
		if !ok {
			continue
		}
		line := fmt.Sprintf("%s of %s stay, ", plural(p.Have, "pod"), live.ShortRev(p.Rev))
		if at.IsZero() {
			line += "until another revision comes"
		} else {
			line += "and go " + until(at, now)
		}
		all = append(all, line)
	}
	return strings.Join(all, "; ")
}

// role is what a revision is to the workload: stable, or on its way there, or an older one.
func (w Workload) role(rev string) string {
	fresh := "new"
	switch {
	case w.canary():
		fresh = "canary"
	case w.blueGreen():
		fresh = "preview"
	}
	var roles []string
	if w.blueGreen() && rev != "" && rev == w.leads(activeService) {
		roles = append(roles, "active")
	}
	switch {
	case rev == w.Stable:
		roles = append(roles, "stable")
	case rev == w.Rev && w.aborted():
		roles = append(roles, "rejected")
	case rev == w.Rev && !slices.Contains(roles, "active"):
		roles = append(roles, fresh)
	case rev != w.Rev:
		roles = append(roles, "older")
	}
	return strings.Join(roles, ", ")
}
