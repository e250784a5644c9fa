package rollout

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

var (
	web  = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
)

func workload(rev string, n, surge, unavailable int) manifest.Workload {
	return manifest.Workload{
		Meta:     manifest.Meta{ID: web},
		Replicas: n,
		Strategy: manifest.Strategy{
			Type: manifest.RollingUpdate, MaxSurge: surge, MaxUnavailable: unavailable,
			Deadline: 10 * time.Minute, OnFailure: manifest.OnFailureRollback,
		},
		Revision: manifest.Revision{App: web, Rev: rev, Commit: "c-" + rev},
	}
}

func receipt(verb, rev string, gen int, at time.Time) live.Receipt {
	return live.Receipt{App: web, Verb: verb, Rev: rev, Gen: gen, Commit: "c-" + rev, Time: at}
}

// pods makes pods from words: "a" is an available pod of revision a, "a?" one that is not, "a-" one that is stopping, "a!" one on
// a silent node.
func pods(words ...string) []Pod {
	var out []Pod
	slots := map[string]int{}
	for _, word := range words {
		rev := word[:1]
		p := Pod{Rev: rev, Slot: slots[rev], Gen: int(rev[0]-'a') + 1, Ready: true, Available: true, Since: noon}
		slots[rev]++
		switch word[1:] {
		case "?":
			p.Ready, p.Available = false, false
		case "-":
			p.Ready, p.Available, p.Stopping = false, false, true
		case "!":
			p.Ready, p.Available, p.Unseen = false, false, true
		case "+":
			p.Stays = true
		}
		out = append(out, p)
	}
	return out
}

// up is a pod that has been available since then.
func up(rev string, after time.Duration) []Pod {
	p := pods(rev)
	p[0].Since = noon.Add(after)
	return p
}

var (
	promotedA = []live.Receipt{receipt(live.Began, "a", 1, noon), receipt(live.Promoted, "a", 1, noon)}
	begunB    = append(promotedA[:2:2], receipt(live.Began, "b", 2, noon))
	failedB   = append(begunB[:3:3], receipt(live.Failed, "b", 2, noon.Add(10*time.Minute)))
)

func TestBlueGreenHasRoomForTwoSetsOnceOneIsPromoted(t *testing.T) {
	w := workload("b", 3, 1, 0)
	w.Strategy.Type, w.Strategy.Rollout = manifest.BlueGreen, &manifest.Rollout{ActiveService: "web"}
	if most := Next(w, pods("a", "a", "a"), Ledger{Receipts: begunB}, noon).Most; most != 7 {
		t.Errorf("%d, want all of both, and one to move", most)
	}
	if most := Next(w, pods("a", "a", "a"), Ledger{Receipts: []live.Receipt{begunB[0], begunB[2]}}, noon).Most; most != 4 {
		t.Errorf("%d though nothing was promoted, want one more than all", most)
	}
}

func TestServicesOfACanaryLeadToPodsThatAnswer(t *testing.T) {
	w := workload("b", 2, 1, 0)
	w.Strategy.Type, w.Strategy.Rollout = manifest.Canary, &manifest.Rollout{CanaryService: "new", StableService: "old"}
	for _, row := range []struct {
		claim, fresh, stable string
		receipts             []live.Receipt
		pods                 []Pod
	}{
		{"before anything begins", "a", "a", promotedA, pods("a", "a")},
		{"until a new pod is available", "a", "a", begunB, pods("a", "a", "b?")},
		{"once one is", "b", "a", begunB, pods("a", "a", "b")},
		{"while a broken stable pod is to stay", "b", "a", begunB, pods("a?", "b")},
		{"once all new ones are available, and an old one is left on a silent node", "b", "b", begunB, pods("a!", "b", "b")},
		{"once the last stable pod was told to stop", "b", "b", begunB, pods("a-", "b", "b")},
		{"once it is gone", "b", "b", begunB, pods("b", "b")},
		{"after it was rejected", "a", "a", failedB, pods("a", "b")},
	} {
		got := Serve(w, row.pods, Ledger{Receipts: row.receipts}, noon.Add(time.Hour))
		if diff := cmp.Diff(map[string]string{"new": row.fresh, "old": row.stable}, got); diff != "" {
			t.Errorf("%s: %s", row.claim, diff)
		}
	}
}

func TestACanarysShareIsItsWeightAsFarAsPodsBearIt(t *testing.T) {
	stepped := func(done, steps string) []live.Receipt {
		r := receipt(live.Stepped, "b", 2, noon)
		r.Step, r.Steps = 1, done+"@"+steps
		return append(begunB[:3:3], r)
	}
	weight := func(n int, weights ...int) manifest.Workload {
		w := workload("b", n, 1, 0)
		r := &manifest.Rollout{CanaryService: "new", StableService: "old"}
		for _, of := range weights {
			r.Steps = append(r.Steps, manifest.Step{Weight: &of}, manifest.Step{Pause: &manifest.Pause{}})
		}
		w.Strategy.Type, w.Strategy.Rollout = manifest.Canary, r
		return w
	}
	two := weight(2, 5)
	for _, row := range []struct {
		claim    string
		w        manifest.Workload
		receipts []live.Receipt
		pods     []Pod
		share    int
	}{
		{"before anything begins", two, promotedA, pods("a", "a"), 0},
		{"until a new pod is available", two, begunB, pods("a", "a", "b?"), 0},
		{"it is the weight, whatever part of the pods that is", two, begunB, pods("a", "a", "b"), 5},
		{"where a pod is lacking to the full part too", weight(5, 90), begunB, pods("a", "b", "b", "b", "b"), 90},
		{"of many new pods that are to be, few are there", weight(5, 60), begunB, pods("a", "a", "a", "a", "b", "b?"), 20},
		{"of the stable ones, few are well", weight(5, 20), begunB, pods("a", "a?", "a?", "a?", "b"), 50},
		{"none of them is", weight(5, 20), begunB, pods("a?", "a?", "b"), 100},
		{"the weight falls to nothing, and a new pod is there still", weight(2, 0), begunB, pods("a", "a", "b"), 0},
		{"once the steps are done, pods say", two, stepped("2", two.Strategy.StepsDigest()), pods("a", "b", "b"), 67},
		{"once the new ones are all", two, stepped("2", two.Strategy.StepsDigest()), pods("b", "b"), 0},
		{"after it was rejected", two, failedB, pods("a", "a", "b"), 0},
	} {
		if got := Share(row.w, row.pods, Ledger{Receipts: row.receipts}, noon.Add(time.Hour)); got != row.share {
			t.Errorf("%s: %d, want %d", row.claim, got, row.share)
		}
	}
}

func TestNext(t *testing.T) {
	type row struct {
		claim    string
		w        manifest.Workload
		pods     []Pod
		ledger   Ledger
		after    time.Duration
		fresh    bool // the controller has just begun
		phase    Phase
		want     map[string]int
		receipts []string
	}
	minReady := workload("b", 3, 1, 0)
	minReady.Strategy.MinReady = 5 * time.Minute
	recreate := workload("b", 3, 0, 0)
	recreate.Strategy.Type = manifest.Recreate
	paused := workload("b", 4, 1, 1)
	paused.Strategy.Paused = true
	halted := workload("b", 2, 1, 0)
	halted.Strategy.Paused = true
	held := workload("c", 3, 1, 0)
	held.Strategy.OnFailure = manifest.OnFailureHold
	bare := workload("b", 1, 0, 1)
	bare.ID.Kind = "Pod"
	begun := []live.Receipt{receipt(live.Began, "a", 1, noon), receipt(live.Began, "b", 2, noon)}
	halt := receipt(live.Halted, "b", 2, noon)
	halt.Step = 1
	untriedB := append(begunB[:3:3], halt)
	resumedB := receipt(live.Resumed, "b", 2, noon)
	resumedB.Step = 2
	holding := workload("b", 3, 1, 0)
	holding.Strategy.OnFailure = manifest.OnFailureHold
	rows := []row{
		{
			claim: "a first deployment is written down before a pod is asked for",
			w:     workload("a", 3, 1, 0), phase: Starting, want: map[string]int{}, receipts: []string{live.Began},
		},
		{
			claim: "then all its pods come at once",
			w:     workload("a", 3, 1, 0), ledger: Ledger{Receipts: promotedA[:1]}, phase: Rolling, want: map[string]int{"a": 3},
		},
		{
			claim: "it is promoted when all are available",
			w:     workload("a", 3, 1, 0), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: promotedA[:1]},
			phase: Rolling, want: map[string]int{"a": 3}, receipts: []string{live.Promoted},
		},
		{
			claim: "a new revision begins with a receipt and changes nothing yet",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: promotedA},
			phase: Starting, want: map[string]int{"a": 3}, receipts: []string{live.Began},
		},
		{
			claim: "without unavailable pods allowed it surges first",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: begunB},
			phase: Rolling, want: map[string]int{"a": 3, "b": 1},
		},
		{
			claim: "an old pod goes when a new one is available",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a", "b"), ledger: Ledger{Receipts: begunB},
			phase: Rolling, want: map[string]int{"a": 2, "b": 1},
		},
		{
			claim: "without surge an old pod goes first",
			w:     workload("b", 3, 0, 1), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: begunB},
			phase: Rolling, want: map[string]int{"a": 2, "b": 0},
		},
		{
			claim: "a new pod that never becomes ready stops the rollout",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a", "b?"), ledger: Ledger{Receipts: begunB},
			phase: Rolling, want: map[string]int{"a": 3, "b": 1},
		},
		{
			claim: "at the deadline it is rejected",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a", "b?"), ledger: Ledger{Receipts: begunB}, after: 10 * time.Minute,
			phase: Starting, want: map[string]int{"a": 3, "b": 1}, receipts: []string{live.Failed},
		},
		{
			claim: "an old pod that came up meanwhile is no progress",
			w:     workload("b", 3, 1, 0), pods: append(up("a", 9*time.Minute), pods("a", "a", "b?")...), ledger: Ledger{Receipts: begunB}, after: 10 * time.Minute,
			phase: Starting, want: map[string]int{"a": 3, "b": 1}, receipts: []string{live.Failed},
		},
		{
			claim: "a new one is",
			w:     workload("b", 3, 1, 0), pods: append(up("b", 9*time.Minute), pods("a", "a", "a")...), ledger: Ledger{Receipts: begunB}, after: 10 * time.Minute,
			phase: Rolling, want: map[string]int{"a": 2, "b": 1},
		},
		{
			claim: "not by a controller that has just begun",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a", "b?"), ledger: Ledger{Receipts: begunB}, after: time.Hour, fresh: true,
			phase: Rolling, want: map[string]int{"a": 3, "b": 1},
		},
		{
			claim: "a deadline that passes in silence starts over",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a", "b!"), ledger: Ledger{Receipts: begunB, Imposed: "n3 is silent"},
			after: 10 * time.Minute, phase: Rolling, want: map[string]int{"a": 3, "b": 1}, receipts: []string{live.Resumed},
		},
		{
			claim: "a rejected revision gives way to stable and is not begun again",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a", "b?"), ledger: Ledger{Receipts: failedB}, after: time.Hour,
			phase: Back, want: map[string]int{"a": 3, "b": 0},
		},
		{
			claim: "a retry decision begins it again",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a"), after: time.Hour,
			ledger: Ledger{Receipts: failedB, Decisions: []manifest.Decision{{Verb: "retry", Rev: "b"}}},
			phase:  Starting, want: map[string]int{"a": 3}, receipts: []string{live.Began},
		},
		{
			claim: "a retry decision that the rejection names has been answered",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a"), after: time.Hour,
			ledger: Ledger{Receipts: answered(failedB, manifest.Decision{Verb: "retry", Rev: "b"}), Decisions: []manifest.Decision{{Verb: "retry", Rev: "b"}}},
			phase:  Back, want: map[string]int{"a": 3},
		},
		{
			claim: "a rejected revision stays as it is where that is asked for",
			w:     holding, pods: pods("a", "a", "a", "b?"), after: time.Hour, ledger: Ledger{Receipts: failedB},
			phase: Rejected, want: map[string]int{"a": 3, "b": 1},
		},
		{
			claim: "a first revision that failed stays as it is",
			w:     workload("a", 2, 1, 0), pods: pods("a", "a?"), after: time.Hour,
			ledger: Ledger{Receipts: append(promotedA[:1:1], receipt(live.Failed, "a", 1, noon))},
			phase:  Rejected, want: map[string]int{"a": 2},
		},
		{
			claim: "and is mended by the next revision at once",
			w:     workload("b", 2, 1, 0), pods: pods("a?", "a?"), after: time.Hour,
			ledger: Ledger{Receipts: append(promotedA[:1:1], receipt(live.Failed, "a", 1, noon), receipt(live.Began, "b", 2, noon.Add(time.Hour)))},
			phase:  Rolling, want: map[string]int{"a": 0, "b": 1},
		},
		{
			claim: "Recreate stops everything first",
			w:     recreate, pods: pods("a", "a", "a"), ledger: Ledger{Receipts: begunB}, phase: Rolling, want: map[string]int{"b": 0},
		},
		{
			claim: "Recreate waits until the last old pod is gone",
			w:     recreate, pods: pods("a-"), ledger: Ledger{Receipts: begunB}, phase: Rolling, want: map[string]int{"b": 0},
		},
		{
			claim: "its deadline starts over while the old ones end",
			w:     recreate, pods: pods("a-", "a-"), ledger: Ledger{Receipts: begunB}, after: 10 * time.Minute,
			phase: Rolling, want: map[string]int{"b": 0}, receipts: []string{live.Resumed},
		},
		{
			claim: "as that of one that stops first does",
			w:     workload("b", 1, 1, 0), pods: pods("a-"), ledger: Ledger{Receipts: begunB, StopOld: true, StopWhy: "one at a time"}, after: 10 * time.Minute,
			phase: Rolling, want: map[string]int{"a": 0, "b": 0}, receipts: []string{live.Resumed},
		},
		{
			claim: "a pod that ends beside a new one that is not well gives it no more time",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a-", "b?"), ledger: Ledger{Receipts: begunB}, after: 10 * time.Minute,
			phase: Starting, want: map[string]int{"a": 3, "b": 1}, receipts: []string{live.Failed},
		},
		{
			claim: "progress is a pod that became available, minReadySeconds after it was ready",
			w:     minReady, pods: pods("a", "a", "b", "b?"), ledger: Ledger{Receipts: begunB}, after: 14 * time.Minute,
			phase: Rolling, want: map[string]int{"a": 2, "b": 2},
		},
		{
			claim: "and the deadline counts from then",
			w:     minReady, pods: pods("a", "a", "b", "b?"), ledger: Ledger{Receipts: begunB}, after: 15 * time.Minute,
			phase: Starting, want: map[string]int{"a": 2, "b": 2}, receipts: []string{live.Failed},
		},
		{
			claim: "Recreate then starts the new ones",
			w:     recreate, ledger: Ledger{Receipts: begunB}, phase: Rolling, want: map[string]int{"b": 3},
		},
		{
			claim: "a pod on a silent node takes room and gives no availability",
			w:     workload("b", 3, 1, 1), pods: pods("a", "a", "a!"), ledger: Ledger{Receipts: begunB, Imposed: "n3 is silent"},
			phase: Rolling, want: map[string]int{"a": 3, "b": 1},
		},
		{
			claim: "a superseded revision goes before stable does",
			w:     workload("c", 4, 1, 1), pods: pods("a", "a", "a", "b", "b?"), after: time.Minute,
			ledger: Ledger{Receipts: append(begunB[:3:3], receipt(live.Began, "c", 3, noon))},
			phase:  Rolling, want: map[string]int{"a": 3, "b": 0, "c": 0},
		},
		{
			claim: "a stable pod that was lost in mid-rollout comes back when the floor needs it",
			w:     workload("b", 4, 1, 1), pods: pods("a", "a", "b?", "b?"), ledger: Ledger{Receipts: begunB},
			phase: Rolling, want: map[string]int{"a": 3, "b": 2},
		},
		{
			claim: "a lost pod of the new revision comes back before a lost one of stable",
			w:     workload("b", 4, 0, 1), pods: []Pod{pods("b")[0], {Rev: "b", Slot: 2, Gen: 2}, pods("a")[0]},
			ledger: Ledger{Receipts: begunB}, phase: Rolling, want: map[string]int{"a": 1, "b": 3},
		},
		{
			claim: "a halt that follows replicas gives up no pod that the floor needs",
			w:     halted, pods: pods("a", "a", "b?"), ledger: Ledger{Receipts: append(begunB[:3:3], func() live.Receipt {
				r := receipt(live.Halted, "b", 2, noon)
				r.Steps = "2/4"
				return r
			}())},
			phase: Paused, want: map[string]int{"a": 2, "b": 1},
		},
		{
			claim: "spec.paused is written down and holds the shares",
			w:     paused, pods: pods("a", "a", "a", "b"), ledger: Ledger{Receipts: begunB},
			phase: Paused, want: map[string]int{"a": 3, "b": 1}, receipts: []string{live.Halted},
		},
		{
			claim: "a rollout that was halted says that it goes on",
			w:     workload("b", 4, 1, 1), pods: pods("a", "a", "a", "b"), after: time.Hour,
			ledger: Ledger{Receipts: append(begunB[:3:3], func() live.Receipt {
				r := receipt(live.Halted, "b", 2, noon)
				r.Step, r.Steps = 1, "1/4"
				return r
			}())},
			phase: Starting, want: map[string]int{"a": 3, "b": 1}, receipts: []string{live.Resumed},
		},
		{
			claim: "a guard holds a rollout that has not begun",
			w:     workload("b", 3, 1, 0), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: promotedA, Guard: "10 are rolling"},
			phase: Waiting, want: map[string]int{"a": 3},
		},
		{
			claim: "what waits follows replicas down",
			w:     workload("b", 1, 1, 0), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: promotedA, Guard: "10 are rolling"},
			phase: Waiting, want: map[string]int{"a": 1},
		},
		{
			claim: "what waits in mid-rollout goes back to what was promoted",
			w:     workload("c", 4, 1, 1), pods: pods("a", "a", "a", "b", "b?"), ledger: Ledger{Receipts: begunB, Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 3, "b": 0},
		},
		{
			claim: "and then has as many as are asked for",
			w:     workload("c", 4, 1, 1), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: begunB, Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 4},
		},
		{
			claim: "a bad one that was overtaken is not gone toward",
			w:     workload("c", 3, 1, 0), pods: pods("a", "a", "b?"), ledger: Ledger{Receipts: begunB, Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 3, "b": 0},
		},
		{
			claim: "where nothing was promoted, the one that was begun last is in force",
			w:     workload("c", 3, 1, 0), pods: pods("a", "a", "b"), ledger: Ledger{Receipts: begun, Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 2, "b": 2},
		},
		{
			claim: "a lost pod of it comes back",
			w:     workload("c", 3, 1, 0), pods: pods("b", "b"), ledger: Ledger{Receipts: begun, Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"b": 3},
		},
		{
			claim: "but if it was rejected, what is beside it",
			w:     workload("c", 3, 1, 0), pods: pods("a", "a", "b?"), ledger: Ledger{Receipts: append(begun[:2:2], receipt(live.Failed, "b", 2, noon)), Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 3, "b": 0},
		},
		{
			claim: "nor is it gone toward once HEAD is what is beside it, and waits",
			w:     workload("a", 4, 1, 1), pods: pods("a", "a", "a"), ledger: Ledger{Receipts: append(begun[:2:2], receipt(live.Failed, "b", 2, noon)), Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 3},
		},
		{
			claim: "one that somebody wants held after a rejection stays as it is",
			w:     held, pods: pods("a", "a", "b"), ledger: Ledger{Receipts: failedB, Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 2, "b": 1},
		},
		{
			claim: "under Recreate too the others go first",
			w:     func() manifest.Workload { w := recreate; w.Revision.Rev = "c"; return w }(), pods: pods("b", "b"), ledger: Ledger{Receipts: begunB, Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{"a": 0},
		},
		{
			claim: "a bare Pod that ran to its end is not run again while the next one waits",
			w:     bare, ledger: Ledger{Receipts: append(promotedA[:2:2], receipt(live.Done, "a", 1, noon)), Guard: "wave 1 waits"},
			phase: Waiting, want: map[string]int{},
		},
		{
			claim: "nor while it begins",
			w:     bare, ledger: Ledger{Receipts: append(promotedA[:2:2], receipt(live.Done, "a", 1, noon))},
			phase: Starting, want: map[string]int{}, receipts: []string{live.Began},
		},
		{
			claim: "without replicas a revision is not promoted, and that it is not tried is written down",
			w:     workload("b", 0, 0, 0), ledger: Ledger{Receipts: begunB}, after: time.Hour,
			phase: Rolling, want: map[string]int{"a": 0, "b": 0}, receipts: []string{live.Halted},
		},
		{
			claim: "the first one neither",
			w:     workload("a", 0, 0, 0), ledger: Ledger{Receipts: promotedA[:1]}, phase: Rolling, want: map[string]int{"a": 0}, receipts: []string{live.Halted},
		},
		{
			claim: "then there is nothing to do, and no deadline",
			w:     workload("b", 0, 0, 0), ledger: Ledger{Receipts: untriedB}, after: time.Hour, phase: Steady, want: map[string]int{"a": 0, "b": 0},
		},
		{
			claim: "what runs still goes",
			w:     workload("b", 0, 0, 0), pods: pods("a", "b"), ledger: Ledger{Receipts: untriedB}, phase: Steady, want: map[string]int{"a": 0, "b": 0},
		},
		{
			claim: "with replicas its time begins, and the old one is not started before it",
			w:     workload("b", 3, 1, 0), ledger: Ledger{Receipts: untriedB}, after: time.Hour,
			phase: Starting, want: map[string]int{}, receipts: []string{live.Resumed},
		},
		{
			claim: "nor beside it",
			w:     workload("b", 3, 1, 0), ledger: Ledger{Receipts: append(untriedB[:4:4], resumedB)}, phase: Rolling, want: map[string]int{"a": 0, "b": 3},
		},
		{
			claim: "where old pods must stop first there is no surge",
			w:     workload("b", 1, 1, 0), pods: pods("a"), ledger: Ledger{Receipts: begunB, StopOld: true, StopWhy: "host port 80"},
			phase: Rolling, want: map[string]int{"a": 0, "b": 0},
		},
		{
			claim: "one that nothing could follow stays",
			w:     workload("b", 3, 1, 1), pods: pods("a+", "b", "b"), ledger: Ledger{Receipts: begunB, StopOld: true, StopWhy: "host port 80"},
			phase: Rolling, want: map[string]int{"a": 1, "b": 2},
		},
		{
			claim: "unless nothing has to follow it",
			w:     workload("b", 2, 1, 1), pods: pods("a+", "b", "b"), ledger: Ledger{Receipts: begunB, StopOld: true, StopWhy: "host port 80"},
			phase: Rolling, want: map[string]int{"a": 0, "b": 2},
		},
		{
			claim: "and a stopping pod still takes the place",
			w:     workload("b", 1, 1, 0), pods: pods("a-"), ledger: Ledger{Receipts: begunB, StopOld: true, StopWhy: "host port 80"},
			phase: Rolling, want: map[string]int{"a": 0, "b": 0},
		},
	}
	for _, r := range rows {
		t.Run(r.claim, func(t *testing.T) {
			now := noon.Add(r.after)
			if !r.fresh {
				r.ledger.Watched = time.Hour
			}
			step := Next(r.w, r.pods, r.ledger, now)
			if step.Phase != r.phase {
				t.Errorf("phase %q, want %q (%s)", step.Phase, r.phase, step.Why)
			}
			if diff := cmp.Diff(r.want, step.Want); diff != "" {
				t.Errorf("want (-expected +got):\n%s", diff)
			}
			var verbs []string
			for _, rc := range step.Receipts {
				verbs = append(verbs, rc.Verb)
			}
			if diff := cmp.Diff(r.receipts, verbs); diff != "" {
				t.Errorf("receipts (-expected +got):\n%s", diff)
			}
			if step.Why == "" && step.Phase != Steady {
				t.Error("no reason given")
			}
		})
	}
}

func TestAFirstRevisionThatComesUpAfterItsRejectionIsPromoted(t *testing.T) {
	failed := receipt(live.Failed, "a", 1, noon)
	failed.Why = "0 of 2 available"
	w, l := workload("a", 2, 1, 0), Ledger{Receipts: append(promotedA[:1:1], failed), Watched: time.Hour}
	step := Next(w, pods("a", "a"), l, noon)
	if len(step.Receipts) != 1 || step.Receipts[0].Verb != live.Promoted {
		t.Fatalf("%+v", step)
	}
	l.Receipts = append(l.Receipts, step.Receipts...)
	if step = Next(w, pods("a", "a"), l, noon); step.Phase != Steady || step.Failure != "" {
		t.Errorf("it is rejected still: %+v", step)
	}
}

// answered is the receipts, the last of which names the decision.
func answered(receipts []live.Receipt, d manifest.Decision) []live.Receipt {
	out := slices.Clone(receipts)
	out[len(out)-1].Answers = []string{d.ID()}
	return out
}
