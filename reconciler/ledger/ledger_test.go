package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

var (
	noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	web  = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}
)

// of is a receipt of a generation of revision v1-LETTER, in the generation's minute after noon.
func of(gen int, rev, verb string, step int) live.Receipt {
	return live.Receipt{App: web, Gen: gen, Rev: "v1-" + rev, Verb: verb, Step: step, Commit: "c-" + rev, Time: noon.Add(time.Duration(gen) * time.Minute)}
}

// settled is a rollout that was promoted.
func settled(gen int, rev string) Ledger {
	return Ledger{of(gen, rev, live.Began, 1), of(gen, rev, live.Promoted, 0)}
}

func join(all ...Ledger) Ledger { return slices.Concat(all...) }

func TestTheNewestRolloutCounts(t *testing.T) {
	l := join(settled(2, "b"), settled(1, "a"), Ledger{of(3, "c", live.Began, 1), of(3, "c", live.Failed, 0)})
	slices.Reverse(l)
	switch {
	case l.Gen() != 3 || l.Top().Rev != "v1-c":
		t.Error("top", l.Top())
	case l.Stable().Rev != "v1-b":
		t.Error("stable", l.Stable())
	case l.Failed() == nil || l.Failed().Rev != "v1-c":
		t.Error("failed", l.Failed())
	case !l.Over() || join(l, Ledger{of(4, "d", live.Began, 1)}).Over():
		t.Error("over")
	case l.Reached("v1-c") || l.Reached("v1-b") || !settled(2, "b").Reached("v1-b") || settled(2, "b").Reached("v1-a"):
		t.Error("reached")
	case l.GenOf("v1-b") != 2 || l.GenOf("v1-x") != 0:
		t.Error("generations")
	}
	var none Ledger
	if none.Gen() != 0 || none.Top() != nil || none.Stable() != nil || none.Failed() != nil || !none.Over() {
		t.Error("of nothing something is known")
	}
}

func TestOfTwoThatBeganOneGenerationTheEarlierCounts(t *testing.T) {
	late, early := of(2, "b", live.Began, 1), of(2, "c", live.Began, 1)
	late.Time = late.Time.Add(time.Second)
	for _, l := range []Ledger{{late, early}, {early, late}} {
		l = join(settled(1, "a"), l, Ledger{of(2, "b", live.Failed, 0), of(2, "b", live.Promoted, 0)})
		if l.Top().Rev != "v1-c" || l.Failed() != nil || l.Reached("v1-b") {
			t.Errorf("%v %v", l.Top(), l.Failed())
		}
	}
}

func TestAPromotionAfterARejectionOverrulesIt(t *testing.T) {
	l := Ledger{of(1, "a", live.Began, 1), of(1, "a", live.Failed, 0)}
	if l.Failed() == nil {
		t.Fatal("not failed")
	}
	behind := of(1, "a", live.Promoted, 1)
	behind.Time = noon.Add(-time.Hour) // by a clock that is behind
	if l = append(l, behind); l.Failed() != nil || !l.Reached("v1-a") {
		t.Error("still failed")
	}
}

func TestTheHigherNumberHaltsOrResumes(t *testing.T) {
	l := Ledger{of(1, "a", live.Began, 1), of(1, "a", live.Halted, 1), of(1, "a", live.Resumed, 2), of(1, "a", live.Halted, 3), of(1, "b", live.Resumed, 9)}
	if h := l.Halt(1, "v1-a"); h.Verb != live.Halted || h.Step != 3 {
		t.Error(h)
	}
	l = append(l, of(1, "a", live.Resumed, 3))
	if h := l.Halt(1, "v1-a"); h.Verb != live.Resumed {
		t.Error("of two with one number", h)
	}
	keep := l.Needed()
	for _, r := range l {
		want := r.Verb == live.Began || r.Verb == live.Resumed && r.Step >= 3
		if keep(r) != want {
			t.Errorf("%s %d: kept %v", r.Verb, r.Step, keep(r))
		}
	}
}

func TestThreeGenerationsAreKeptAndTheLastPromotion(t *testing.T) {
	l := settled(1, "a")
	for gen := 2; gen <= 9; gen++ {
		l = append(l, of(gen, "b", live.Began, 1), of(gen, "b", live.Failed, 0))
	}
	keep, kept := l.Needed(), map[int]int{}
	for _, r := range l {
		if keep(r) {
			kept[r.Gen]++
		}
	}
	if fmt.Sprint(kept) != "map[1:2 7:2 8:2 9:2]" {
		t.Error(kept)
	}
}

func TestATallyIsNeededUntilTheJobEnds(t *testing.T) {
	l := Ledger{of(1, "a", live.Tallied, 0), of(1, "a", live.Tallied, 4), of(1, "a", live.Tallied, 10)}
	for i, want := range []bool{false, false, true} {
		if l.Needed()(l[i]) != want {
			t.Errorf("tally %d", l[i].Step)
		}
	}
	l = append(l, of(1, "a", live.Done, 0))
	if keep := l.Needed(); keep(l[2]) || !keep(l[3]) {
		t.Error("the end replaces every tally")
	}
}

func TestADecisionCountsOnce(t *testing.T) {
	retry := manifest.Decision{Time: noon.Add(-time.Hour), Verb: "retry", App: web, Rev: "v1-a"} // by a clock that is behind
	began, failed := of(1, "a", live.Began, 1), of(1, "a", live.Failed, 0)
	if Open(nil, &began) || !Open([]manifest.Decision{retry}, &began, &failed, nil) {
		t.Error("a decision that nobody named")
	}
	failed.Answers = Answers([]manifest.Decision{retry})
	again := retry
	again.Time = noon
	if Open([]manifest.Decision{retry}, &began, &failed) || !Open([]manifest.Decision{retry, again}, &began, &failed) {
		t.Error("the one that was named, and another")
	}
}

func TestAPromotionNamesThoseBefore(t *testing.T) {
	var l Ledger
	for gen := 1; gen <= 30; gen++ {
		p := of(gen, fmt.Sprint(gen%25), live.Promoted, 0)
		p.Before, p.At = l.Before(p.Rev)
		l = Ledger{of(gen, fmt.Sprint(gen%25), live.Began, 1), p}
	}
	before := l.Stable().Before
	if len(before) != live.MostBefore || before[0] != "v1-4" || before[19] != "v1-10" {
		t.Error(before)
	}
	if at := l.Stable().At; len(at) != len(before) || at[0] != "c-4" || at[19] != "c-10" {
		t.Error(at)
	}
	back, at := l.Before("v1-4")
	if back[0] != "v1-5" || slices.Contains(back, "v1-4") || len(at) != len(back) || at[0] != "c-5" {
		t.Error("going back", back, at)
	}
	if revs, at := (Ledger{}).Before("v1-4"); revs != nil || at != nil {
		t.Error("of nothing something was promoted", revs, at)
	}
}

func TestRolloutsAtACommitAreCountedThoughTheyAreForgotten(t *testing.T) {
	l := Ledger{of(7, "a", live.Began, 3), of(8, "b", live.Began, 1)}
	if l.Rollouts("c-a") != 3 || l.Rollouts("c-b") != 1 || l.Rollouts("other") != 0 {
		t.Error(l.Rollouts("c-a"), l.Rollouts("c-b"))
	}
}

func TestAReceiptNamesSoManyDecisions(t *testing.T) {
	var all []manifest.Decision
	for i := range 2 * mostAnswers {
		all = append(all, manifest.Decision{Verb: "pause", Rev: fmt.Sprint(i)})
	}
	r := of(1, "a", live.Failed, 0)
	r.Answers = Answers(all)
	if len(r.Answers) != mostAnswers || Open(all, &r) {
		t.Errorf("%d are named, and others are taken for new ones", len(r.Answers))
	}
}
