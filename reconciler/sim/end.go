package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// TellRandom tells a made-up story with all laws checked. When all is mended, everything ends: see arrived. A line that comes to
// nothing is passed over.
func TellRandom(lines []string) error {
	return New().tellRandom(lines)
}

// TellRollouts tells one of Rollouts alone, in which it is judged what passes do. It says how many rollouts began.
func TellRollouts(lines []string) (began int, err error) {
	s := New()
	s.care = bounds
	err = s.tellRandom(lines)
	return len(s.began), err
}

func (s *Sim) tellRandom(lines []string) error {
	for i, text := range lines {
		if _, err := s.Do(text); err != nil && !errors.Is(err, errNothing) {
			return fmt.Errorf("line %d: %s: %w", i+1, text, err)
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.others)) {
		errs = append(errs, s.arrives(s.controller(name)))
	}
	return errors.Join(append(errs, s.arrives(s.controller("")))...)
}

// slack is how long all may take beside what manifests ask for.
const slack = 30 * time.Minute

// arrives is the stronger form of law 9: given the time that its manifests ask for, and some more, all that a controller looks after has
// come to an end, and what is possible is done.
func (s *Sim) arrives(c *controller) error {
	set, err := c.source.repo.load(c.source.repo.head)
	if err != nil {
		return err
	}
	const round = 10 * time.Minute
	for left := slack + asked(set); left > 0; left -= round {
		begin := s.now
		if _, err := s.settle(c, []string{round.String()}); err != nil {
			return fmt.Errorf("the end: %w", err)
		}
		if s.now.Sub(begin) < round {
			break
		}
	}
	d := s.dry(c)
	defer d.rec.Close()
	p := d.rec.Pass(context.Background())
	a := arrival{Sim: s, set: set, source: c.source.Name(), apps: map[manifest.ID]plan.App{}}
	for _, app := range p.Plan.Apps {
		a.apps[app.ID] = app
	}
	for _, app := range p.Plan.Apps {
		if err := a.ended(app); err != nil {
			return fmt.Errorf("law 9, live: at the end %w\n%s", err, s.text(p))
		}
	}
	errs := []error{p.Err}
	for _, w := range set.Workloads {
		if a.apps[w.ID].State == plan.Converged && a.behind(w) == "" {
			errs = append(errs, a.at(w))
		}
	}
	return errors.Join(errs...)
}

// asked is the longest time that the workloads of a commit may ask for, one wave and one phase after the other.
func asked(set manifest.Set) (sum time.Duration) {
	longest := map[string]time.Duration{}
	for _, w := range set.Workloads {
		d := w.Strategy.Deadline + w.Strategy.MinReady + stages(w.Strategy.Rollout)
		if w.Job != nil && w.Job.Spec.ActiveDeadlineSeconds != nil {
			d = time.Duration(*w.Job.Spec.ActiveDeadlineSeconds) * time.Second
		} else if w.Job != nil {
			d = 20 * time.Minute // for its back-off
		}
		for _, c := range w.Revision.Spec.Containers {
			if strings.Contains(c.Image, ":hour") {
				d += time.Hour
			}
		}
		turn := fmt.Sprint(w.Wave, w.IsHook())
		longest[turn] = max(longest[turn], d)
	}
	for _, d := range longest {
		sum += d
	}
	return sum
}

// stages is how long a rollout may take of itself.
func stages(r *manifest.Rollout) (sum time.Duration) {
	if r == nil {
		return 0
	}
	for _, step := range r.Steps {
		if step.Pause != nil {
			sum += step.Pause.Duration
		}
	}
	return sum + r.AutoAfter + max(r.Delay, r.AbortDelay)
}

// arrival is what has come of a story in the eyes of one source.
type arrival struct {
	*Sim
	set    manifest.Set
	source string
	apps   map[manifest.ID]plan.App
}

// ended says whether nobody but a person has to do anything, and it is said what.
func (a arrival) ended(app plan.App) error {
	i := slices.IndexFunc(a.set.Workloads, func(w manifest.Workload) bool { return w.ID == app.ID })
	var w manifest.Workload
	if i >= 0 {
		w = a.set.Workloads[i]
	}
	switch app.State {
	case plan.Converged, plan.Failed:
		return nil
	case plan.Suspended:
		if w.Suspended || w.Job != nil && (*w.Job.Spec.Suspend || *w.Job.Spec.Parallelism == 0) {
			return nil
		}
	case plan.Paused:
		if w.Strategy.Paused || app.Rollout != nil && len(app.Rollout.Decide) > 0 {
			return nil
		}
	case plan.Held:
		if a.mayHold(w) {
			return nil
		}
	case plan.Progressing:
		if a.goesOn(w) {
			return nil
		}
	}
	if w.In(manifest.SyncFail) || a.waits(w) {
		return nil
	}
	return fmt.Errorf("%s is %s: %s", app.ID.Short(), app.State, app.Why)
}

// mayHold says whether a person alone can do what is held: more left Git than may go at once, data or a place is not there any more, or
// what is waited for does not come.
func (a arrival) mayHold(w manifest.Workload) bool {
	spec := w.Revision.Spec
	return w.Name == "" || len(manifest.ClaimsOf(spec)) > 0 || hasHostPort(spec) || spec.NodeName != "" || len(spec.NodeSelector) > 0 || a.waits(w)
}

// goesOn says whether the workload is on its way for as long as its containers make it so: work that has not ended, or a revision that was in
// place once and whose containers end by themselves, time and again. Each of those pods says why.
func (a arrival) goesOn(w manifest.Workload) bool {
	runs := func(c live.Container) bool { return c.State == live.Running }
	if w.Job == nil {
		runs = live.Container.Ended
	}
	for _, host := range a.world.Hosts() {
		for _, p := range a.world.Truth(host, cluster).Pods {
			if p.App == w.ID && slices.ContainsFunc(p.Containers, runs) {
				return w.Job != nil || a.written(w, live.Promoted)
			}
		}
	}
	return false
}

// waits says whether what the workload waits for has not converged, and will not.
func (a arrival) waits(w manifest.Workload) bool {
	for _, other := range a.set.Workloads {
		if other.ID == w.ID || a.apps[other.ID].State == plan.Converged {
			continue
		}
		if other.In(manifest.PreSync) || w.In(manifest.PostSync) || w.In(manifest.SyncFail) || other.Wave < w.Wave || slices.Contains(w.Needs, other.ID) {
			return true
		}
	}
	return false
}

// behind is a workload that failed and that this one waits for, if there is one. A SyncFail hook waits for one to fail.
func (a arrival) behind(w manifest.Workload) string {
	failed := ""
	for _, other := range a.set.Workloads {
		before := other.In(manifest.PreSync) || w.In(manifest.PostSync) || !w.IsHook() && !other.IsHook() && other.Wave < w.Wave
		if other.ID != w.ID && before && a.written(other, live.Failed) {
			return other.Name
		}
		if a.written(other, live.Failed) {
			failed = other.Name
		}
	}
	if w.In(manifest.SyncFail) && failed == "" {
		return "nothing failed"
	}
	return ""
}

// written says whether a receipt of the workload's revision says so.
func (a arrival) written(w manifest.Workload, verb string) bool {
	for _, host := range a.world.Hosts() {
		for _, r := range a.world.Truth(host, cluster).Receipts {
			if r.App == w.ID && r.Verb == verb && r.Rev == w.Revision.Rev && r.Source == a.source {
				return true
			}
		}
	}
	return false
}

// at says whether a workload of the head that is said to have converged is all there, at its revision; a Job, whether it is written down
// as done.
func (a arrival) at(w manifest.Workload) error {
	if w.Job != nil {
		if !a.written(w, live.Done) {
			return fmt.Errorf("law 9, live: at the end %s has not finished", w.ID.Short())
		}
		return nil
	}
	if a.written(w, live.Failed) || w.Suspended || w.Strategy.Paused || w.Kind == "Pod" && a.written(w, live.Done) {
		return nil
	}
	good, total := 0, 0
	for _, host := range a.world.Hosts() {
		for _, p := range a.world.Truth(host, cluster).Pods {
			if p.App != w.ID || p.Source != a.source || forged(p) {
				continue
			}
			total++
			if p.Rev == w.Revision.Rev && (ready(p, a.now) || w.Kind == "Pod" && over(p)) {
				good++
			}
		}
	}
	if good == w.Replicas && total == w.Replicas {
		return nil
	}
	return fmt.Errorf("law 9, live: at the end %s asks for %d of %s, there are %d, of them ready and right %d:\n%s",
		w.ID.Short(), w.Replicas, live.ShortRev(w.Revision.Rev), total, good, strings.TrimSpace(a.pods()))
}
