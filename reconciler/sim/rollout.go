package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// wrote are the receipts of workloads that the plan writes down and that were not written down before.
func (j judge) wrote() (all []live.Receipt) {
	for _, a := range j.p.Plan.Actions {
		if a.Verb != plan.Put || a.File == nil {
			continue
		}
		r, ok := live.ParseReceipt(a.File.Labels)
		same := func(other live.Receipt) bool { return other.Transition() == r.Transition() }
		if ok && !slices.ContainsFunc(j.p.Plan.Ledgers[r.App], same) && !slices.ContainsFunc(all, same) {
			all = append(all, r)
		}
	}
	return all
}

// staged are the laws of what is written down of a rollout: nothing is promoted but HEAD's revision, with all its pods available then; no step is passed
// over or done before its time unless a person says so; what was rejected does not come again fast; and nobody but a person aborts.
func (j judge) staged() error {
	for _, r := range j.wrote() {
		i := slices.IndexFunc(j.want.Workloads, func(w manifest.Workload) bool { return w.ID == r.App })
		if i < 0 || j.want.Workloads[i].Job != nil || j.want.Workloads[i].Kind == "Pod" {
			continue
		}
		if err := j.stages(j.want.Workloads[i], r); err != nil {
			return fmt.Errorf("law 10, staged: %s %s of %s is written down: %w", r.App.Short(), r.Verb, live.ShortRev(r.Rev), err)
		}
	}
	return nil
}

func (j judge) stages(w manifest.Workload, r live.Receipt) error {
	book := j.ledger(w.ID)
	switch {
	case r.Rev != w.Revision.Rev:
		return fmt.Errorf("HEAD asks for %s", live.ShortRev(w.Revision.Rev))
	case r.Verb == live.Promoted || r.Verb == live.Switched:
		if n := j.wellOf(w); n < w.Replicas {
			return fmt.Errorf("%d of %d are available", n, w.Replicas)
		}
	case r.Verb == live.Stepped:
		return j.steps(w, book, r)
	case r.Verb == live.Began && strings.HasPrefix(r.Steps, "fast"):
		if book.Rejected(r.Rev) && !j.says(w, book, "promote-full") {
			return fmt.Errorf("it goes fast, and was rejected before")
		}
	case r.Verb == live.Failed && r.Steps == "aborted":
		if !j.says(w, book, "abort") {
			return fmt.Errorf("nobody said so")
		}
	}
	return nil
}

// wellOf is how many pods of HEAD's revision are available, on nodes that answer.
func (j judge) wellOf(w manifest.Workload) (n int) {
	for _, p := range j.podsOf(j.before, w, w.Revision.Rev) {
		if unheard := len(p.Birth.Probes) > 0 && !node(j.p.Snapshot, j.nodeAt(p.Host)).Side.Heard(); unheard || available(p, w.Strategy.MinReady, j.s.now) {
			n++
		}
	}
	return n
}

// podsOf are a workload's pods of a revision on nodes that answer and are not another's copy, those told to stop not among them. Their Host is the one
// that they are on.
func (j judge) podsOf(w view, app manifest.Workload, rev string) (all []live.Pod) {
	for _, host := range w.hosts {
		if seen := j.seen(host.Name); !w.Answers(host.Name) || silent(seen) || j.p.Plan.Held[seen.Name] != "" {
			continue
		}
		for _, p := range host.Pods {
			if j.of(app, p) && p.Rev == rev && !p.Stopping {
				p.Host = host.Name
				all = append(all, p)
			}
		}
	}
	return all
}

// says whether a person decided so of HEAD's revision, and nothing that is written of its newest rollout names that.
func (j judge) says(w manifest.Workload, book ledger.Ledger, verb string) bool {
	return slices.ContainsFunc(book.Open(j.p.History.Decisions), func(d manifest.Decision) bool {
		return d.Verb == verb && d.App == w.ID && d.Rev == w.Revision.Rev
	})
}

// steps: one step more is done than before, and it was time; or a person had all of them done.
func (j judge) steps(w manifest.Workload, book ledger.Ledger, r live.Receipt) error {
	was, said := book.Steps(w.Strategy.StepsDigest())
	count, of, _ := strings.Cut(r.Steps, "@")
	is, err := strconv.Atoi(count)
	if err != nil || of != w.Strategy.StepsDigest() {
		return fmt.Errorf("%q is of other steps", r.Steps)
	}
	if book.Top() == nil {
		return fmt.Errorf("nothing has begun")
	}
	since := book.Top().Time
	if said != nil && said.Time.After(since) {
		since = said.Time
	}
	if w.Strategy.Type == manifest.BlueGreen {
		return j.pausesBeside(w, book, was, is, r.Time.Sub(since))
	}
	all := w.Strategy.Rollout.Steps
	switch full := j.says(w, book, "promote-full"); {
	case full && is == len(all):
		return nil
	case is != was+1 || is > len(all):
		return fmt.Errorf("%d steps of %d are done, and were %d", is, len(all), was)
	}
	due := j.due(w, all[was], r.Time.Sub(since))
	if due == nil || j.acts(w, r, was, said) {
		return nil
	}
	return fmt.Errorf("step %d of %d, %s, and nobody ended it: %w", is, len(all), all[was], due)
}

// due says whether a step ends by itself now, that has taken so long.
func (j judge) due(w manifest.Workload, step manifest.Step, took time.Duration) error {
	switch {
	case step.Pause != nil && !step.Pause.Ends:
		return fmt.Errorf("a person ends it")
	case step.Pause != nil && took < step.Pause.Duration:
		return fmt.Errorf("it has taken %s", took)
	case step.Weight != nil:
		return j.weighs(w, *step.Weight)
	}
	return nil
}

// acts says whether a person ends a step, by a decision that has not ended one in this rollout.
func (j judge) acts(w manifest.Workload, r live.Receipt, step int, said *live.Receipt) bool {
	for _, d := range j.p.History.Decisions {
		if d.App != w.ID || d.Rev != w.Revision.Rev || d.Step != step || d.Verb != "promote" && d.Verb != "skip" {
			continue
		}
		key := fmt.Sprint(w.ID, r.Gen, d.ID())
		if former := j.s.acted[key]; former == 0 || former == r.Step || said == nil || said.Step < former {
			j.s.acted[key] = r.Step
			return true
		}
	}
	return false
}

// weighs: so many pods of HEAD's revision are available as the weight asks for, rounded down, and one at least where there can be two.
func (j judge) weighs(w manifest.Workload, weight int) error {
	least := w.Replicas * weight / 100
	if weight > 0 && w.Replicas > 1 {
		least = max(1, least)
	}
	if well := j.wellOf(w); well < least {
		return fmt.Errorf("%d pods are available, and %d at least are to be", well, least)
	}
	return nil
}

// pausesBeside: first the new pods are available, then it is decided that they serve: by a person, or by the time that is up.
func (j judge) pausesBeside(w manifest.Workload, book ledger.Ledger, was, is int, took time.Duration) error {
	ro := w.Strategy.Rollout
	for _, verb := range []string{"promote", "skip", "promote-full"} {
		if j.says(w, book, verb) {
			return nil
		}
	}
	switch {
	case is == 1 && was == 0, is == 2 && was < 2 && ro.AutoPromotion && ro.AutoAfter == 0:
		if j.wellOf(w) == 0 && w.Replicas > 0 {
			return fmt.Errorf("nothing is available")
		}
		return nil
	case is == 2 && was == 1 && ro.AutoPromotion && took >= ro.AutoAfter:
		return nil
	}
	return fmt.Errorf("%d was done, %d is after %s, and nobody said so", was, is, took)
}

// aborts: what was rejected takes the last pod of what is stable with it in no case.
func (j judge) aborts(w manifest.Workload, after view, when string) error {
	book := j.ledger(w.ID)
	stable := book.Stable()
	if stable == nil || w.Replicas == 0 || w.Suspended || w.Strategy.Rollout == nil || book.Failed() == nil {
		return nil
	}
	if was := len(j.podsOf(j.before, w, stable.Rev)); was > 0 && len(j.podsOf(after, w, stable.Rev)) == 0 {
		return fmt.Errorf("law 10, staged: %s %s was rejected, and of %s, which is stable, no pod is left of %d", when, w.ID.Short(), live.ShortRev(stable.Rev), was)
	}
	return nil
}

// roles: a Service that a Rollout names sends requests to pods of that Rollout alone, and of one revision, once any was promoted: the stable
// one, or HEAD's. The active one does to HEAD's only once it was switched to, the stable one once no pod of what was stable is to stay.
func (j judge) roles() error {
	if j.p.Plan.Table == nil {
		return nil
	}
	for _, w := range j.want.Workloads {
		ro, book := w.Strategy.Rollout, j.ledger(w.ID)
		if ro == nil || book.Stable() == nil {
			continue
		}
		stable, head := live.ShortRev(book.Stable().Rev), live.ShortRev(w.Revision.Rev)
		active := stable
		if top := book.Top(); top != nil && top.Rev == w.Revision.Rev && book.InTop(live.Switched) != nil && book.Failed() == nil {
			active = head
		}
		serves := []string{active}
		if j.pends(w) {
			serves = []string{stable, head}
		}
		last := []string{stable}
		if !j.wants(w, book.Stable().Rev) || !j.has(w, stable) {
			last = append(last, head)
		}
		for name, may := range map[string][]string{
			ro.StableService: last, ro.CanaryService: {stable, head}, ro.ActiveService: serves, ro.PreviewService: {stable, head},
		} {
			if err := j.leads(w, name, may); name != "" && err != nil {
				return err
			}
		}
	}
	return nil
}

// shared: of requests that are shared between Services, none come to one that has no pods while another has.
func (j judge) shared() error {
	t := j.p.Plan.Table
	if t == nil || t.Doors == nil {
		return nil
	}
	for _, p := range t.Doors.Ports {
		for _, h := range p.Hosts {
			for _, r := range h.Rules {
				has, lacks := "", ""
				for _, to := range r.To {
					switch s := t.Service(to.Namespace, to.Service); {
					case s == nil || to.Weight == 0 && len(s.Endpoints) == 0:
					case len(s.Endpoints) > 0:
						has = to.Service
					default:
						lacks = to.Service
					}
				}
				if has != "" && lacks != "" {
					return fmt.Errorf("law 10, staged: %s shares out requests to %s, which has no pods, and %s has some", r.From, lacks, has)
				}
			}
		}
	}
	return nil
}

// pends says whether something was written down of a workload that is not seen on enough nodes yet: what it announces is not done before.
func (j judge) pends(w manifest.Workload) bool {
	return slices.ContainsFunc(j.p.Plan.Apps, func(a plan.App) bool { return a.ID == w.ID && a.Rollout != nil && a.Rollout.Phase == rollout.Starting })
}

// wants says whether any pod of a revision is to stay.
func (j judge) wants(w manifest.Workload, rev string) bool {
	return slices.ContainsFunc(j.p.Plan.Apps, func(a plan.App) bool {
		return a.ID == w.ID && a.Rollout != nil && slices.ContainsFunc(a.Rollout.Pods, func(p plan.RolloutPods) bool { return p.Rev == rev && p.Want > 0 })
	})
}

// has says whether any pod of a revision is ready: a step that asks for fewer new pods than the one before brings back old ones that have gone.
func (j judge) has(w manifest.Workload, rev string) bool {
	return slices.ContainsFunc(j.p.Snapshot.Nodes, func(n live.Node) bool {
		return slices.ContainsFunc(n.Pods, func(p live.Pod) bool {
			return p.App == w.ID && live.ShortRev(p.Rev) == rev && health.Of(p, j.p.Time).Ready()
		})
	})
}

func (j judge) leads(w manifest.Workload, name string, may []string) error {
	to := ""
	for _, v := range j.p.Plan.Table.Services {
		if v.Name != name || v.Namespace != w.Namespace {
			continue
		}
		for _, e := range v.Endpoints {
			app, rev := revOf(e.Pod)
			switch {
			case !strings.HasSuffix(app, w.Name):
				return fmt.Errorf("traffic: %s is of %s, and sends to %s", name, w.ID.Short(), e.Pod)
			case !slices.Contains(may, rev):
				return fmt.Errorf("traffic: %s of %s sends to %s, and may to %s alone", name, w.ID.Short(), e.Pod, strings.Join(may, " or "))
			case to != "" && rev != to:
				return fmt.Errorf("traffic: %s of %s sends to pods of %s and of %s", name, w.ID.Short(), to, rev)
			}
			to = rev
		}
	}
	return nil
}

// revOf is the workload and the revision of a pod, as its name has them.
func revOf(pod string) (app, rev string) {
	parts := strings.Split(pod, "-")
	if len(parts) < 3 {
		return pod, ""
	}
	return strings.Join(parts[:len(parts)-2], "-"), parts[len(parts)-2]
}
