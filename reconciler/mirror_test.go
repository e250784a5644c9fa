package reconciler

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// wall is a mirror in memory.
type wall struct {
	mu    sync.Mutex
	err   error
	hangs bool
	calls []string // what each was given
}

func (w *wall) Mirror(ctx context.Context, cluster string, receipts []live.Receipt) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := cluster
	for _, r := range receipts {
		line += fmt.Sprintf(" %s@%d", r.Verb, r.Gen)
	}
	w.calls = append(w.calls, line)
	if w.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return w.err
}

func (w *wall) Mirrored(context.Context, string, string) ([]live.Receipt, error) {
	panic("what is mirrored is never read")
}

// writes has passes see these receipts of one workload.
func (b *bed) writes(verbs ...string) {
	id := manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	var l ledger.Ledger
	for i, verb := range verbs {
		l = append(l, live.Receipt{App: id, Verb: verb, Gen: i + 1, Commit: "c1"})
	}
	l = append(l, live.Receipt{App: id, Verb: live.Bound, Gen: 9}, live.Receipt{App: id, Verb: live.Tallied, Gen: 9, Commit: "c1"})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.think = func(manifest.History, live.Snapshot, time.Time) plan.Plan {
		return plan.Plan{Ledgers: map[manifest.ID]ledger.Ledger{id: l}}
	}
}

func TestWhatBecameOfACommitIsMirroredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := newBed("n1"), &wall{}
		b.Mirror = w
		b.writes(live.Began)
		during(t, b, func() {
			after(time.Minute)
			b.writes(live.Began, live.Promoted)
			after(5 * time.Minute)
		})
		if diff := cmp.Diff([]string{"test began@1", "test promoted@2"}, w.calls); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAMirrorThatCannotBeWrittenHoldsUpNothingAndIsSaidOnce(t *testing.T) {
	for _, c := range []struct {
		err  error
		says string
	}{
		{errors.Join(errors.New("may not push"), sources.ErrLasting), "level=info"},
		{errors.New("away"), "level=warning"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, w := newBed("n1"), &wall{err: c.err}
			b.Mirror = w
			log := new(tape)
			b.Log = logrus.New()
			b.Log.SetOutput(log)
			b.writes(live.Began)
			during(t, b, func() { after(time.Hour) })
			if n := regexp.MustCompile(c.says+".*not mirrored").FindAllString(log.take(), -1); len(n) != 1 {
				t.Errorf("said %d times: %v", len(n), n)
			}
			if len(w.calls) < 5 || len(w.calls) > 15 || len(b.passes()) < 100 {
				t.Errorf("%d tries in %d passes", len(w.calls), len(b.passes()))
			}
		})
	}
}

func TestAMirrorThatHangsHoldsUpNoPassAndNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := newBed("n1"), &wall{hangs: true}
		b.Mirror = w
		b.writes(live.Began)
		began := time.Now()
		during(t, b, func() { after(time.Hour) })
		if n := len(b.passes()); n < 100 {
			t.Errorf("%d passes in an hour", n)
		}
		if late := time.Since(began) - time.Hour; late > time.Minute {
			t.Errorf("it ended %s late", late)
		}
	})
}

func TestWhatIsLeftAtTheEndIsMirroredThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := newBed("n1"), &wall{}
		b.Mirror = w
		b.writes(live.Began)
		during(t, b, func() { after(time.Second) })
		if diff := cmp.Diff([]string{"test began@1"}, w.calls); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADryRunMirrorsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := newBed("n1"), &wall{}
		b.Mirror, b.DryRun = w, true
		b.writes(live.Began)
		during(t, b, func() { after(time.Hour) })
		if len(w.calls) > 0 {
			t.Error(w.calls)
		}
	})
}
