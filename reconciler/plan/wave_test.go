package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

const (
	lower  = `argocd.argoproj.io/sync-wave: "-1"`
	higher = `argocd.argoproj.io/sync-wave: "1"`
	needs  = `podkeep.io/depends-on: Deployment/db`
)

// settledAt is a fleet where db, in the lower wave, and web are as the set says.
func settledAt(set manifest.Set) live.Snapshot {
	db, web := running(set, "db", 0), running(set, "web", 0)
	receipts := slices.Concat(promoted(set, "db"), promoted(set, "web"))
	return fleet(map[string][]live.Pod{"n1": {db, web}}, receipts, "n1")
}

func TestALowerWaveThatIsIllHoldsUpWhatIsToBeginAndNothingElse(t *testing.T) {
	was := commit(t, "a1", nodes("n1"), deployment("db", 1, lower), deployment("web", 1, higher))
	have := settledAt(was)
	have.Nodes[0].Pods[0].Containers[0].State = live.Exited
	next := commit(t, "b2", nodes("n1"), deployment("db", 1, lower), strings.Replace(deployment("web", 2, higher), ":1\"", ":2\"", 1))
	h := history(next)
	h.At, h.Ancestor = map[string]manifest.Set{"a1": was}, map[string]bool{"a1": true, "b2": true}
	plan := Make(h, have, noon)
	if a := app(plan, "web"); a.State != Progressing || !slices.Contains(a.Waits, "wave 1 waits for wave -1: db is at 0 of 1") {
		t.Errorf("%s: %s %v", a.State, a.Why, a.Waits)
	}
	if !slices.ContainsFunc(plan.Actions, func(a Action) bool { return a.Verb == Run && a.App.Name == "web" }) {
		t.Errorf("scaling waits:\n%s", plan)
	}
}

func TestAWaveOfNoPodsIsInPlaceOnceItsRevisionIsBegun(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("db", 0, lower), deployment("web", 1, higher))
	for _, ledger := range [][]live.Receipt{promoted(head, "db"), promoted(head, "db")[:1]} {
		plan := Make(history(head), fleet(nil, ledger, "n1"), noon)
		if a := app(plan, "web"); len(a.Waits) != 0 {
			t.Errorf("%s: %s %v", a.State, a.Why, a.Waits)
		}
	}
}

func TestAWaveIsNotInPlaceWhileThatStandsOnOneNodeAlone(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("db", 1, lower), deployment("web", 1, higher))
	have := fleet(map[string][]live.Pod{"n1": {running(head, "db", 0)}}, promoted(head, "db"), "n1", "n2")
	have.Nodes[1].Receipts = have.Nodes[1].Receipts[:1]
	plan := Make(history(head), have, noon)
	if a := app(plan, "web"); len(a.Waits) != 1 || !strings.HasPrefix(a.Waits[0], "wave 1 waits for wave -1: db promoted of ") {
		t.Errorf("%s: %s %v", a.State, a.Why, a.Waits)
	}
}

func TestARejectedNeedHoldsUntilItIsTriedAgain(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("db", 1, ""), deployment("web", 1, needs))
	db := promoted(head, "db")
	db[1].Verb, db[1].Why = live.Failed, "0 of 1 available"
	h := history(head)
	plan := Make(h, fleet(nil, db, "n1"), noon)
	if a := app(plan, "web"); a.State != Held || !strings.HasSuffix(a.Why, "waits for db, which failed: 0 of 1 available") {
		t.Errorf("%s: %s %v", a.State, a.Why, a.Waits)
	}
	again := db[0]
	again.Gen, again.Time = 2, noon
	h.Decisions = []manifest.Decision{{Time: noon.Add(-time.Second), Verb: "retry", App: db[0].App, Rev: db[0].Rev}}
	plan = Make(h, fleet(nil, append(db, again), "n1"), noon)
	if a := app(plan, "web"); a.State != Progressing || !slices.Contains(a.Waits, "waits for db, which is at 0 of 1") {
		t.Errorf("%s: %s %v", a.State, a.Why, a.Waits)
	}
}

func TestWhatWaitsForOneThatIsStuckIsStuckToo(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("db", 1, `podkeep.io/suspend: "true"`), deployment("api", 1, needs),
		deployment("web", 1, "podkeep.io/depends-on: Deployment/api"))
	plan := Make(history(head), fleet(nil, nil, "n1"), noon)
	if a := app(plan, "web"); a.State != Held || !strings.Contains(a.Why, "waits for db, which is suspended") {
		t.Errorf("%s: %s %v", a.State, a.Why, a.Waits)
	}
}

func TestAJobThatIsTriedAgainHasNotFailedMeanwhile(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), jobNamed("migrate"), deployment("web", 1, "podkeep.io/depends-on: Job/migrate"))
	p := jobPod(head, "migrate", live.Running, key)
	failed := live.Receipt{App: p.App, Verb: live.Failed, Rev: p.Rev, Gen: 1, Commit: "a1", Time: noon.Add(-time.Hour), Why: "BackoffLimitExceeded: failed"}
	for gen, want := range map[int]string{1: "which failed", 2: "which is at 0 of 1"} {
		p.Gen = gen
		plan := Make(history(head), fleet(map[string][]live.Pod{"n1": {p}}, []live.Receipt{failed}, "n1"), noon)
		if a := app(plan, "web"); !strings.Contains(a.Why+strings.Join(a.Waits, ""), want) {
			t.Errorf("generation %d: %s: %s %v", gen, a.State, a.Why, a.Waits)
		}
	}
}
