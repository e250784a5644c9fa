package reconciler

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/sources"
)

func TestTablesThatCanNoMoreComeIntoForceAreNotKept(t *testing.T) {
	for name, of := range map[string]struct {
		host func(r *routed)
		most int
	}{
		"a host that fails at each": {func(r *routed) { r.late = true }, 5},
		"a host that refuses each":  {func(r *routed) { r.late, r.refuse = true, true }, 5},
		"a host without a network":  {func(r *routed) { r.late, r.net.None = true, "a user's own" }, 0},
		"a host that does not answer": {func(r *routed) {
			r.fails = errors.New("connection refused")
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRouted(wire.Table{})
				of.host(r)
				l := hearing(t, r)
				for i := range 50 {
					want := ordered(tabled(0, uint64(i+1), "a"))
					l.routes("n1", want)
					after(time.Minute)
					if all := l.mayServe(); of.most > 0 && all[len(all)-1] != want.says {
						t.Fatal("the newest may come into force, and is not among them")
					}
				}
				if n := len(l.mayServe()); n > of.most {
					t.Errorf("%d of 50 tables are kept", n)
				}
			})
		})
	}
}

func TestATableThatWasSentIsKeptWhileAHostMayBeAtIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouted(tabled(0, 1, "a"))
		r.late = true
		l := hearing(t, r)
		for i := range 3 {
			l.routes("n1", ordered(tabled(0, uint64(i+2), fmt.Sprint("d", i))))
			after(time.Second)
		}
		var numbers []uint64
		for _, table := range told(l).Side.Told {
			numbers = append(numbers, table.Number)
		}
		if fmt.Sprint(numbers) != "[2 3 4]" {
			t.Errorf("kept are %v", numbers)
		}
		r.let()
		if all := told(l).Side.Told; len(all) > 0 {
			t.Errorf("kept are %d, and the newest is in force", len(all))
		}
	})
}

func TestCommitsThatHostsNameAreNotRememberedForEver(t *testing.T) {
	b := newBed("n1")
	r := reader{Options: b.Options}
	r.Source = past{b.shelf}
	r.renew(reading{head: manifest.Set{Commit: "c1"}})
	for i := range 2 * mostMissing {
		commit := fmt.Sprintf("%040x", i)
		var h manifest.History
		r.named(t.Context(), &h, live.Snapshot{Nodes: []live.Node{{Pods: []live.Pod{{Commit: commit}}}}})
		if _, err := r.commit(t.Context(), commit); !errors.Is(err, sources.ErrGone) {
			t.Fatal(err)
		}
	}
	if len(r.ancestors) > 1 || len(r.missing) > mostMissing {
		t.Errorf("%d ancestors and %d missing ones are remembered", len(r.ancestors), len(r.missing))
	}
}

func TestImagesThatWerePulledAreNotRememberedForEver(t *testing.T) {
	l := newLane()
	for i := range 2*mostPresent + 1 {
		l.has(fmt.Sprint("app:", i))
	}
	if n := len(l.present); n > mostPresent || !l.present[fmt.Sprint("app:", 2*mostPresent)] {
		t.Errorf("%d are remembered", n)
	}
}

func TestTheLineIsReadSoFarBack(t *testing.T) {
	w := newWalker()
	for i := range mostLine + 50 {
		parent := ""
		if i > 0 {
			parent = fmt.Sprint("c", i-1)
		}
		w.add(fmt.Sprint("c", i), parent)
	}
	head := fmt.Sprint("c", mostLine+49)
	h, read := w.at(head, "never")
	if len(read) != mostLine || len(stood(h, "never")) != 1 {
		t.Errorf("%d commits are read for %v", len(read), stood(h, "never"))
	}
}

func TestSoManyTablesAreRemembered(t *testing.T) {
	var all tables
	for i := range 3 * mostTables {
		if _, err := all.open(tabled(7, uint64(i+1), "a")); err != nil {
			t.Fatal(err)
		}
	}
	if len(all.recent) != mostTables {
		t.Errorf("%d", len(all.recent))
	}
}
