package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

// outcome is what sync makes of a pass. Until done, why is what is waited for.
type outcome struct {
	done bool
	code int
	why  string
}

// Exit codes of sync.
const (
	converged = 0
	failed    = 1
	decision  = 4
)

// judge says whether a sync that began then is over. One that is patient waits for what cannot be reached, unless no time mends that.
func judge(w status.World, began time.Time, patient bool) outcome {
	if err := unfetched(w, began); err != nil {
		return outcome{!patient || w.History.Lasting, failed, err.Error()}
	}
	if err := unreachable(w); err != nil {
		return outcome{done: !patient && !anySlow(w), code: failed, why: err.Error()}
	}
	if old(w, began) {
		return outcome{why: "the source has not been read yet"}
	}
	if len(w.Snapshot.Nodes) == 0 && w.History.Err != "" {
		return outcome{true, failed, w.History.Err}
	}
	if moving := moving(w); len(moving) > 0 {
		return outcome{why: strings.Join(moving, "; ")}
	}
	return settled(w)
}

// old says whether the source has not been read since then. A fetch from before a sync began proves nothing.
func old(w status.World, began time.Time) bool {
	return w.History.Fetched.Before(began) || w.History.Head.Commit == ""
}

// unfetched is why the source could not be read since then.
func unfetched(w status.World, began time.Time) error {
	if !old(w, began) {
		return nil
	}
	return unread(w)
}

// anySlow says whether a node may just be busy.
func anySlow(w status.World) bool {
	return slices.ContainsFunc(w.Snapshot.Nodes, func(n live.Node) bool { return n.Slow })
}

// moving lists what will still change by itself.
func moving(w status.World) []string {
	var lines []string
	states := map[manifest.ID]plan.App{}
	for _, app := range w.Plan.Apps {
		states[app.ID] = app
		if moves(app, w) {
			lines = append(lines, app.ID.Short()+": "+reason(app))
		}
	}
	for _, a := range w.Plan.Actions {
		if live.IsOwn(a.App) && failing(a, w.Snapshot) {
			continue
		}
		if app, ok := states[a.App]; !ok || app.State == plan.Converged || app.State == plan.Suspended {
			lines = append(lines, status.Line(a))
		}
	}
	return slices.Concat(lines, sidesUnderWay(w.Snapshot), unrouted(w))
}

// unrouted says what is missing until every node that is heard sends requests where they are to go.
func unrouted(w status.World) []string {
	if w.Plan.Unrouted != "" && w.History.Net.Pods.IsValid() && len(w.History.Want().Services)+len(w.History.Want().NetworkPolicies) > 0 && !w.Plan.Wake.IsZero() {
		return []string{"services: " + w.Plan.Unrouted}
	}
	late, _ := lagging(w)
	return late
}

// lagging are the nodes that are heard and do not send requests to Services, or hold NetworkPolicies, as is planned: those that will by themselves, and
// those to which a person has to see, for they have said for a while why they do not. Where there is neither, nobody waits for that.
func lagging(w status.World) (soon, stuck []string) {
	for _, n := range w.Snapshot.Nodes {
		if !w.Lags(n) || !leads(w.Plan.Table) && !leads(n.Side.Serves) {
			continue
		}
		line := strings.Join(append([]string{n.Name + late(w.Plan.Table, n.Side.Serves)}, n.Side.Net.Troubles...), ": ")
		if n.Side.Behind >= time.Minute && len(n.Side.Net.Troubles) > 0 {
			stuck = append(stuck, line)
		} else {
			soon = append(soon, line)
		}
	}
	return soon, stuck
}

// late says what a node does not do yet that has one of these tables and is to have the other.
func late(tables ...*route.Table) string {
	if slices.ContainsFunc(tables, func(t *route.Table) bool { return t != nil && t.Policies != nil }) {
		return " does not hold NetworkPolicies, and send requests to Services, as planned yet"
	}
	return " does not send requests to Services as planned yet"
}

func leads(t *route.Table) bool { return t != nil && (len(t.Services) > 0 || t.Policies != nil) }

// sidesUnderWay are the node sides, and doors, that are being started or stopped: whoever ended now would leave them half made.
func sidesUnderWay(s live.Snapshot) (lines []string) {
	for _, n := range s.Nodes {
		for _, p := range n.Pods {
			if live.IsOwn(p.App) && n.Silent == 0 && (p.Asked || p.Stopping) {
				lines = append(lines, n.Name+" "+p.Name+": "+health.Of(p, time.Time{}).Why)
			}
		}
	}
	return lines
}

// failing says whether an action has failed more than once.
func failing(a plan.Action, s live.Snapshot) bool {
	for _, n := range s.Nodes {
		for _, t := range n.Troubles {
			if n.Name == a.Node && t.Name == a.Name && t.Count > 1 {
				return true
			}
		}
	}
	return false
}

// moves says whether a workload goes on without a person, or may: hosts that fell silent may come back. A rejected revision does
// while its pods give way to the stable ones; without a stable one it has ended where it is.
func moves(app plan.App, w status.World) bool {
	switch app.State {
	case plan.Progressing, plan.Pruning:
		return true
	case plan.Failed:
		if app.Rollout != nil && app.Rollout.Late != "" { // which is only said
			return false
		}
		return app.Stable != "" && app.Stable != app.Rev && (there(app, w.Snapshot) || acted(app, w.Plan))
	case plan.Paused:
		return acted(app, w.Plan)
	case plan.Held:
		return len(app.Awaits) > 0 || acted(app, w.Plan) || !w.Plan.Wake.IsZero() || !w.Plan.Fetch.IsZero()
	default:
		return false
	}
}

// there says whether a node that answers has pods of the revision asked for, those being stopped too.
func there(app plan.App, s live.Snapshot) bool {
	for _, n := range s.Nodes {
		for _, p := range n.Pods {
			if n.Silent == 0 && p.App == app.ID && p.Rev == app.Rev {
				return true
			}
		}
	}
	return false
}

func acted(app plan.App, p plan.Plan) bool {
	for _, a := range p.Actions {
		if a.App == app.ID {
			return true
		}
	}
	return false
}

// settled is the end of a fleet in which nothing moves any more.
func settled(w status.World) outcome {
	if bad := whys(w.Plan, plan.Failed); len(bad) > 0 {
		return outcome{true, failed, "failed: " + strings.Join(bad, "; ") + choices(w, inStates(w.Plan, plan.Failed)...)}
	}
	if refused, _ := manifest.Refusals(w.History.Problems()); len(refused) > 0 {
		return outcome{true, failed, problems(refused)}
	}
	if waiting := whys(w.Plan, plan.Paused, plan.Held); len(waiting) > 0 {
		return outcome{true, decision, "a decision is awaited: " + strings.Join(waiting, "; ") + choices(w, inStates(w.Plan, plan.Paused, plan.Held)...)}
	}
	if _, stuck := lagging(w); len(stuck) > 0 {
		return outcome{true, failed, "converged, but " + strings.Join(stuck, "; ")}
	}
	line := "converged at " + status.ShortCommit(w.History.Head.Commit)
	if n := count(w.Plan, plan.Suspended); n > 0 {
		line += fmt.Sprintf(", %d suspended,", n)
	}
	return outcome{true, converged, strings.Join(append(unserved(w), line), "\n")}
}

// unserved are the Services and NetworkPolicies of which something is to be said: what they lack holds up nothing.
func unserved(w status.World) (lines []string) {
	r := status.Of(w)
	for _, s := range r.Services {
		if s.Why != "" {
			lines = append(lines, s.ID.Short()+": "+s.Why)
		}
	}
	for _, p := range r.Policies {
		if len(p.Whys) > 0 {
			lines = append(lines, p.ID.Short()+": "+strings.Join(p.Whys, "; "))
		}
	}
	return lines
}

func count(p plan.Plan, state plan.State) (n int) {
	for _, app := range p.Apps {
		if app.State == state {
			n++
		}
	}
	return n
}

func problems(list []manifest.Problem) string {
	lines := []string{"converged but for what is refused:"}
	for _, p := range list {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// whys lists the workloads in these states with their reasons; those with the same one share a line.
func whys(p plan.Plan, states ...plan.State) []string {
	var order []string
	names := map[string][]string{}
	for _, app := range p.Apps {
		if !slices.Contains(states, app.State) {
			continue
		}
		why := reason(app)
		if names[why] == nil {
			order = append(order, why)
		}
		names[why] = append(names[why], app.ID.Short())
	}
	lines := make([]string, len(order))
	for i, why := range order {
		lines[i] = strings.Join(names[why], ", ") + ": " + why
	}
	return lines
}

// inStates are the workloads in these states.
func inStates(p plan.Plan, states ...plan.State) (all []manifest.ID) {
	for _, app := range p.Apps {
		if slices.Contains(states, app.State) {
			all = append(all, app.ID)
		}
	}
	return all
}

// choices are the commands that decide on these workloads, each on a line of its own with what comes of it.
func choices(w status.World, of ...manifest.ID) string {
	var all []status.Choice
	for _, x := range status.Of(w).Workloads {
		if slices.Contains(of, x.ID) {
			all = append(all, x.Choices()...)
		}
	}
	wide, text := 0, ""
	for _, c := range all {
		wide = max(wide, len(c.Command))
	}
	for _, c := range all {
		text += fmt.Sprintf("\n  %-*s  %s", wide, c.Command, c.Effect)
	}
	return text
}

// reason is why a workload stands as it does, with the first thing that it waits for.
func reason(app plan.App) string {
	var parts []string
	if app.Why != "" {
		parts = append(parts, app.Why)
	}
	if len(app.Waits) > 0 {
		parts = append(parts, app.Waits[0])
	}
	if len(parts) == 0 {
		return strings.ToLower(string(app.State))
	}
	return strings.Join(parts, "; ")
}
