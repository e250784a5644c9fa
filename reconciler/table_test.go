package reconciler

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// routed is a host whose node side takes tables. Until it is let, it puts none in force.
type routed struct {
	far
	has    wire.Table   // in force
	taken  wire.Table   // the newest
	late   bool         // what it takes comes into force once it is let
	mute   bool         // it shows nothing
	refuse bool         // it takes none, and has nothing to say of it
	told   []wire.Table // those that it heard, in order
	shows  int          // how often it was asked to show
	net    live.Net
	report func() // says what is so
}

func newRouted(has wire.Table) *routed {
	r := &routed{has: has, taken: has}
	r.served = r.serve
	return r
}

func (r *routed) serve(c net.Conn) {
	var mu sync.Mutex
	say := func(up wire.Up) { mu.Lock(); defer mu.Unlock(); _ = wire.Write(c, up) }
	report := func() {
		r.mu.Lock()
		said := wire.Report{Number: r.has.Number, Digest: r.has.Digest, Taken: r.taken.Number, Net: r.net}
		r.mu.Unlock()
		say(wire.Up{Report: &said})
	}
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		lines := wire.NewReader(c)
		for {
			var down wire.Down
			if lines.Read(&down) != nil {
				return
			}
			r.mu.Lock()
			if t := down.Table; t != nil {
				r.told = append(r.told, *t)
				if !r.refuse && (t.Number > r.taken.Number || t.Anew) {
					r.taken = *t
				}
				if !r.late {
					r.has = r.taken
				}
			}
			if down.Show {
				r.shows++
			}
			if down.Show && !r.mute {
				shown := r.has
				r.mu.Unlock()
				say(wire.Up{Table: &shown})
				r.mu.Lock()
			}
			says := down.Table != nil && !r.refuse
			r.mu.Unlock()
			if says {
				report()
			}
		}
	}()
	r.mu.Lock()
	r.report = report
	r.mu.Unlock()
	say(wire.Up{Hello: &wire.Hello{Version: "1"}})
	report()
	for {
		select {
		case <-time.After(wire.Beat):
			say(wire.Up{})
		case <-done:
			return
		}
	}
}

// let has what was taken come into force, and says so.
func (r *routed) let() {
	r.mu.Lock()
	r.has = r.taken
	report := r.report
	r.mu.Unlock()
	report()
	synctest.Wait()
}

// heard are the tables that it was sent since it was last asked.
func (r *routed) heard() (all []wire.Table) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	all, r.told = r.told, nil
	return all
}

// tabled is a table of a key; what tells one from another of the same number is its domain.
func tabled(key byte, number uint64, domain string) wire.Table {
	t, err := wire.Seal(testKey(key), "test", &route.Table{Number: number, Domain: domain})
	if err != nil {
		panic(err)
	}
	return t
}

func keyOfTest(n byte) string { return Options{Key: testKey(n)}.signer() }

// ordered is what a reconciler of key 0 orders that believes key 1 too.
func ordered(t wire.Table) order {
	says, err := wire.Open(t)
	if err != nil {
		panic(err)
	}
	return order{Table: t, opened: opened{says, contentOf(says)}, trusted: map[string]bool{keyOfTest(0): true, keyOfTest(1): true}}
}

// hearing is a line to a host, which has been heard.
func hearing(t *testing.T, r *routed) *line {
	l, _ := listening(t, &r.far)
	l.cluster = "test"
	l.looked(r, sided)
	l.await(t.Context())
	synctest.Wait()
	return l
}

func TestWhoLooksOnceWaitsForWhatATableSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouted(tabled(0, 3, "a"))
		l, _ := listening(t, &r.far)
		l.cluster = "test"
		l.looked(r, sided)
		l.await(t.Context())
		if s := told(l).Side; s.Number != 3 || s.Serves == nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestATableIsSentWhenAnotherOneIsInForceAndOnceIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouted(tabled(0, 3, "old"))
		r.late = true
		l := hearing(t, r)
		if all := r.heard(); len(all) > 0 {
			t.Fatalf("nobody has thought yet: %v", all)
		}
		want := ordered(tabled(0, 4, "new"))
		l.tables.add(want.Digest, want.opened, keyOfTest(0))
		for range 3 {
			l.routes("n1", want)
			synctest.Wait()
			l.looked(r, sided)
		}
		if all := r.heard(); len(all) != 1 || all[0].Number != 4 || all[0].Node != "n1" || all[0].Anew {
			t.Fatalf("%+v", all)
		}
		if s := told(l).Side; s.Number != 3 || s.Taken != 4 || s.Serves == nil || s.Serves.Domain != "old" {
			t.Errorf("%+v", s)
		}
		r.let()
		if s := told(l).Side; s.Number != 4 || s.Serves != want.says || s.Signer != keyOfTest(0) {
			t.Errorf("%+v", s)
		}
		if all := r.heard(); len(all) > 0 || r.shows != 1 {
			t.Errorf("%+v; shown %d times", all, r.shows)
		}
	})
}

func TestWhatATableSaysThatNobodyHereKnowsIsAskedForOnceAndItsSignerSaid(t *testing.T) {
	for claim, c := range map[string]struct {
		has    wire.Table
		signer string
		known  bool
	}{
		"ours, from before": {tabled(0, 3, "a"), keyOfTest(0), true},
		"somebody's":        {tabled(9, 3, "a"), keyOfTest(9), true},
		"nobody's":          {func() wire.Table { t := tabled(0, 3, "a"); t.Sig = ""; return t }(), "", false},
		"of another body":   {func() wire.Table { t := tabled(0, 3, "a"); t.Sig = tabled(0, 4, "").Sig; return t }(), "", false},
		"of another number": {func() wire.Table { t := tabled(0, 3, "a"); t.Number = 2; return t }(), "", false},
		"none":              {},
		"what is not shown": {has: tabled(0, 3, "a")},
	} {
		t.Run(claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRouted(c.has)
				r.mute = claim == "what is not shown"
				l := hearing(t, r)
				for range 3 {
					l.looked(r, sided)
					synctest.Wait()
				}
				s := told(l).Side
				if s.Number != c.has.Number || s.Signer != c.signer || (s.Serves != nil) != c.known {
					t.Errorf("%+v", s)
				}
				if shows := r.shows; shows > 1 || shows == 0 && c.has.Digest != "" {
					t.Errorf("shown %d times", shows)
				}
			})
		})
	}
}

func TestHostsThatRouteByTheSameTableShareItsCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, all := &tables{}, map[*route.Table]bool{}
		for range 5 {
			l, _ := listening(t, &newRouted(wire.Table{}).far)
			l.cluster, l.tables = "test", shared
			l.reported("1", &wire.Report{Number: 3, Digest: tabled(1, 3, "a").Digest})
			if !l.due().Show {
				t.Error("who signed it was said by another host alone")
			}
			l.showed(tabled(1, 3, "b"))
			if s := heardSide(l); s.Signer != "" {
				t.Errorf("another one than is in force counts: %+v", s)
			}
			l.showed(tabled(1, 3, "a"))
			all[heardSide(l).Serves] = true
		}
		if len(all) != 1 || all[nil] {
			t.Errorf("%d copies", len(all))
		}
	})
}

// heardSide is what a line says of a host at which nobody has looked.
func heardSide(l *line) live.Side { l.attacher = &far{}; return told(l).Side }

func TestAForgedSignatureTakesNoBeliefFromWhoHasTheTrueOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &tables{}
		forged := tabled(1, 3, "a")
		forged.Sig = tabled(9, 3, "a").Sig // another key's over the same body
		for _, shown := range []wire.Table{forged, tabled(1, 3, "a")} {
			l, _ := listening(t, &newRouted(wire.Table{}).far)
			l.cluster, l.tables = "test", shared
			l.reported("1", &wire.Report{Number: 3, Digest: shown.Digest})
			l.showed(shown)
			if s := heardSide(l); s.Signer != shown.Signer("test") || s.Signer == "" {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestWhatAHostServesStaysKnownWhileItsNodeSideIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouted(tabled(0, 3, "a"))
		l := hearing(t, r)
		before := told(l).Side
		r.mu.Lock()
		r.served = func(net.Conn) {}
		r.mu.Unlock()
		l.lost(nil)
		after := told(l).Side
		if after.Heard() || after.Serves != before.Serves || before.Serves == nil || after.Signer != before.Signer || after.Number != 3 {
			t.Errorf("%+v, was %+v", after, before)
		}
		next := newLine(Options{Now: time.Now}, func() {}) // its Node is reached in another way
		next.serves = l.known()
		if after := told(next).Side; after.Heard() || after.Serves != before.Serves {
			t.Errorf("%+v, was %+v", after, before)
		}
	})
}

func TestWhoseTableIsPutInThePlaceOfAnothers(t *testing.T) {
	const sent, anew, left = "sent", "sent anew", "left"
	for _, c := range []struct {
		claim string
		has   wire.Table
		taken uint64
		mute  bool
		want  string
	}{
		{"a lower number of ours", tabled(0, 3, "old"), 0, false, sent},
		{"a lower number of nobody's", tabled(9, 3, "old"), 0, false, sent},
		{"a lower number that is not shown", tabled(0, 3, "old"), 0, true, sent},
		{"another controller's that says the same", tabled(1, 3, "new"), 0, false, left},
		{"another controller's, later, that says the same", tabled(1, 9, "new"), 0, false, left},
		{"another controller's, later", tabled(1, 9, "old"), 0, false, left},
		{"a higher number that is not shown", tabled(9, 9, "old"), 0, true, left},
		{"a higher number of a stranger's", tabled(9, 9, "old"), 0, false, anew},
		{"the same number of a stranger's", tabled(9, 5, "old"), 0, false, anew},
		{"what a stranger says as we do", tabled(9, 9, "new"), 0, false, anew},
		{"a number that nobody may have", tabled(0, mostNumber+1, "old"), 0, true, anew},
		{"one on its way that nobody knows", tabled(0, 3, "old"), 7, false, left},
		{"the one that it had before it was killed", wire.Table{}, 7, false, left},
		{"one on its way that is older", tabled(0, 3, "old"), 4, false, sent},
		{"ours", tabled(0, 5, "new"), 0, false, left},
		{"none", wire.Table{}, 0, false, sent},
	} {
		t.Run(c.claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRouted(c.has)
				r.mute, r.late, r.taken.Number = c.mute, true, max(c.taken, c.has.Number)
				l := hearing(t, r)
				l.routes("n1", ordered(tabled(0, 5, "new")))
				all, got := r.heard(), left
				if len(all) > 0 {
					if got = sent; all[0].Anew {
						got = anew
					}
				}
				if got != c.want || len(all) > 1 {
					t.Errorf("%s, %d times", got, len(all))
				}
			})
		})
	}
}

func TestATableIsNumberedAnewWhereAHigherOneDoesNotComeIntoForce(t *testing.T) {
	r := &Reconciler{order: ordered(tabled(0, 5, "new"))}
	for _, c := range []struct {
		claim string
		side  live.Side
		want  bool
	}{
		{"one that it had before it was killed, for long", live.Side{Version: "1", Taken: 7, Behind: renumber}, true},
		{"ours, which fails", live.Side{Version: "1", Number: 3, Taken: 5, Behind: renumber}, false},
		{"not at once", live.Side{Version: "1", Taken: 7, Behind: renumber - 1}, false},
		{"one that is in force", live.Side{Version: "1", Number: 7, Taken: 7, Behind: renumber}, false},
		{"a lower one", live.Side{Version: "1", Taken: 4, Behind: renumber}, false},
		{"one that nobody may have", live.Side{Version: "1", Taken: mostNumber + 1, Behind: renumber}, false},
		{"who is not heard", live.Side{Taken: 7, Behind: renumber}, false},
	} {
		if got := r.overtaken(live.Snapshot{Nodes: []live.Node{{Side: c.side}}}, r.order); got != c.want {
			t.Errorf("%s: %v", c.claim, got)
		}
	}
}

func TestATableIsSentAgainOnANewStreamAndWhenAnotherOneCameInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouted(tabled(0, 3, "old"))
		l := hearing(t, r)
		l.routes("n1", ordered(tabled(0, 5, "new")))
		if all := r.heard(); len(all) != 1 {
			t.Fatalf("%+v", all)
		}
		r.mu.Lock()
		r.taken = tabled(9, 4, "old") // its volume was lost, and somebody was quick
		r.mu.Unlock()
		r.let()
		if all := r.heard(); len(all) != 1 || all[0].Number != 5 {
			t.Errorf("%+v", all)
		}
		r.mu.Lock()
		r.late = true
		r.mu.Unlock()
		l.routes("n1", ordered(tabled(0, 6, "newer")))
		if all := r.heard(); len(all) != 1 || all[0].Number != 6 {
			t.Errorf("%+v", all)
		}
		r.mu.Lock()
		r.has = tabled(0, 5, "new")
		r.taken = r.has // it was killed before it wrote anything down
		r.mu.Unlock()
		l.lost(nil) // and is begun anew
		l.reported("1", &wire.Report{Number: 5, Digest: r.has.Digest, Taken: 5})
		if all := r.heard(); len(all) != 1 || all[0].Number != 6 {
			t.Errorf("%+v", all)
		}
	})
}

// attached is a site on which a node side runs.
type attached struct {
	*site
	*routed
}

func (a attached) Observe(ctx context.Context) (live.Node, error) {
	n, err := a.site.Observe(ctx)
	n.Pods = append(n.Pods, sided.Pods...)
	return n, err
}

// meshed is hosts with node sides, and a plan that routes them by a table of some domain.
type meshed struct {
	*bed
	hosts  map[string]*routed
	domain func(live.Snapshot) string
}

func newMeshed(names ...string) *meshed {
	m := &meshed{bed: newBed(names...), hosts: map[string]*routed{}, domain: func(live.Snapshot) string { return "a" }}
	for _, name := range names {
		m.hosts[name] = newRouted(wire.Table{})
	}
	open := m.Open
	m.Open = func(ctx context.Context, n manifest.Node) (drivers.Driver, error) {
		_, err := open(ctx, n)
		return attached{m.sites[n.Name], m.hosts[n.Name]}, err
	}
	m.bed.think = func(_ manifest.History, s live.Snapshot, _ time.Time) plan.Plan {
		m.mu.Lock()
		domain := m.domain
		m.mu.Unlock()
		return plan.Plan{Table: &route.Table{Domain: domain(s)}}
	}
	return m
}

// wants changes what the plan asks for, and has somebody think of it.
func (m *meshed) wants(domain string) {
	m.mu.Lock()
	m.domain = func(live.Snapshot) string { return domain }
	m.mu.Unlock()
	m.sites["n1"].poke()
	after(15 * time.Second)
}

// inForce is what a host routes by.
func (m *meshed) inForce(t *testing.T, name string) *route.Table {
	t.Helper()
	r := m.hosts[name]
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has.Digest == "" {
		return &route.Table{}
	}
	says, err := wire.Open(r.has)
	if err != nil {
		t.Fatal(err)
	}
	if r.has.Node != name && r.has.Node != "" {
		t.Errorf("%s is told that it is %s", name, r.has.Node)
	}
	return says
}

func (m *meshed) ends() {
	for _, r := range m.hosts {
		r.join.Wait()
	}
}

func TestEveryHostIsSentWhatThePlanSaysUnderANumberThatFollowsAllOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeshed("n1", "n2")
		m.hosts["n2"].has = tabled(0, 41, "old")
		m.hosts["n2"].taken = tabled(0, 43, "older")
		during(t, m.bed, func() {
			after(5 * time.Second)
			first := m.inForce(t, "n1")
			if first.Number < 44 || first.Domain != "a" {
				t.Errorf("%+v", first)
			}
			after(time.Minute)
			if is := m.inForce(t, "n1"); is.Number != first.Number {
				t.Errorf("nothing has changed, and its number is %d, was %d", is.Number, first.Number)
			}
			m.wants("b")
			for _, name := range []string{"n1", "n2"} {
				if is := m.inForce(t, name); is.Number != first.Number+1 || is.Domain != "b" {
					t.Errorf("%s: %+v", name, is)
				}
			}
			p := m.last()
			if p.Plan.Table.Number != first.Number+1 || p.Snapshot.Nodes[0].Side.Serves != p.Snapshot.Nodes[1].Side.Serves || p.Snapshot.Nodes[0].Side.Serves == nil {
				t.Errorf("%+v; %+v", p.Plan.Table, p.Snapshot.Nodes)
			}
			if m.hosts["n1"].shows > 0 {
				t.Error("what was sealed here need not be shown")
			}
		})
		m.ends()
	})
}

func TestWhoOnlyLooksSendsNoTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeshed("n1")
		m.hosts["n1"].has = tabled(0, 3, "old")
		m.DryRun = true
		during(t, m.bed, func() {
			after(time.Minute)
			if all := m.hosts["n1"].heard(); len(all) > 0 {
				t.Errorf("%+v", all)
			}
			if p := m.last(); p.Plan.Table.Number != 0 || p.Snapshot.Nodes[0].Side.Serves == nil {
				t.Errorf("%+v, %+v", p.Plan.Table, p.Snapshot.Nodes[0].Side)
			}
		})
		m.ends()
	})
}

func TestAHostThatJoinsLaterIsSentTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeshed("n1", "n2")
		m.shelf.sets["c1"] = manifest.Set{Nodes: fleetOf("n1")}
		during(t, m.bed, func() {
			after(5 * time.Second)
			m.shelf.push("c2", manifest.Set{Nodes: fleetOf("n1", "n2")})
			after(time.Minute)
			if one, two := m.inForce(t, "n1"), m.inForce(t, "n2"); one.Number != two.Number || two.Number == 0 {
				t.Errorf("%d and %d", one.Number, two.Number)
			}
		})
		m.ends()
	})
}

func TestWhoYieldsSendsHisTableToNobodyAnyMore(t *testing.T) {
	for _, yields := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMeshed("n1")
			m.bed.think = func(_ manifest.History, s live.Snapshot, _ time.Time) plan.Plan {
				if is := s.Nodes[0].Side.Serves; is != nil && is.Domain == "theirs" {
					return plan.Plan{Yields: yields}
				}
				return plan.Plan{Table: &route.Table{Domain: "a"}}
			}
			during(t, m.bed, func() {
				after(15 * time.Second)
				r := m.hosts["n1"]
				for i := range uint64(2) { // somebody who is not believed gives it another one
					r.heard()
					r.mu.Lock()
					r.taken, r.late = tabled(9, 7+i, "theirs"), true
					r.mu.Unlock()
					r.let()
					after(time.Minute)
				}
				if sent := r.heard(); (len(sent) == 0) != yields {
					t.Errorf("yields %v: %+v", yields, sent)
				}
			})
			m.ends()
		})
	}
}

func TestANumberThatNobodyMayHaveIsFollowedByNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeshed("n1", "n2")
		m.hosts["n2"].has = tabled(9, mostNumber+5, "old")
		m.hosts["n2"].taken = m.hosts["n2"].has
		during(t, m.bed, func() {
			after(time.Minute)
			m.wants("b")
			for _, name := range []string{"n1", "n2"} {
				if is := m.inForce(t, name); is.Number == 0 || is.Number > 10 || is.Domain != "b" {
					t.Errorf("%s: %+v", name, is)
				}
			}
		})
		m.ends()
	})
}

func TestAControllersTableThatWasOvertakenHasItsTurnAgainNotTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeshed("n1")
		m.shelf.sets["c1"] = manifest.Set{Nodes: fleetOf("n1"), Signers: []string{keyOfTest(1)}}
		during(t, m.bed, func() {
			after(15 * time.Second)
			r, last := m.hosts["n1"], m.inForce(t, "n1").Number
			for range 60 { // a controller that does not agree is at it each second
				r.mu.Lock()
				r.taken = tabled(1, r.has.Number+1, "theirs")
				r.mu.Unlock()
				r.let()
				after(time.Second)
			}
			ours := 0
			for _, sent := range r.heard() {
				if sent.Number > last {
					ours++
				}
			}
			if ours < 4 || ours > 8 {
				t.Errorf("%d times in a minute", ours)
			}
			after(time.Minute)
			if is := m.inForce(t, "n1"); is.Domain != "a" {
				t.Errorf("%+v", is)
			}
		})
		m.ends()
	})
}

func TestWhatANodeSideSaysIsInTheTableOfAllOthersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeshed("n1", "n2", "n3")
		for _, s := range m.sites {
			s.took["look"] = 200 * time.Millisecond
		}
		m.sites["n3"].took["look"] = 2500 * time.Millisecond
		m.domain = func(s live.Snapshot) string { return s.Nodes[0].Side.Net.Paths["word"] }
		during(t, m.bed, func() {
			after(time.Minute)
			for i := range 20 { // whatever the loop is at
				word := string(rune('a' + i))
				r := m.hosts["n1"]
				r.mu.Lock()
				r.net = live.Net{Paths: map[string]string{"word": word}}
				report := r.report
				r.mu.Unlock()
				report()
				after(500 * time.Millisecond)
				if is := m.inForce(t, "n2"); is.Domain != word {
					t.Errorf("it is %q, not %q", is.Domain, word)
				}
				after(time.Duration(i) * 300 * time.Millisecond)
			}
		})
		m.ends()
	})
}

func TestWhatALookSeesThatNobodyWaitedForIsThoughtAboutWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeshed("n1", "n2")
		slow := m.sites["n2"]
		slow.took["look"] = 2500 * time.Millisecond
		during(t, m.bed, func() {
			for looks := 0; looks < 4; {
				after(10 * time.Millisecond)
				n := len(slow.times("look "))
				if n == looks {
					continue
				}
				if looks = n; looks < 2 {
					continue // the first is waited for
				}
				m.hosts["n1"].report()
				after(20 * time.Millisecond)
				passes := len(m.passes())
				after(slow.took["look"])
				if len(m.passes()) == passes {
					t.Errorf("look %d: no pass after it", looks)
				}
			}
		})
		m.ends()
	})
}
