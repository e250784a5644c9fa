package kernel

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/node/route"
)

// A reader is a packet on its way: it begins with the rules of one moment, reads the verdict at a later one, the place at one later still, and last whether
// it goes back to where it came from. Who is waited for before a change is through when it is made.
func TestNoReaderFindsAHole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := states().Draw(t, "have")
		if rapid.Bool().Draw(t, "fresh") {
			have = &state{facts: have.facts}
		}
		for range rapid.IntRange(1, 4).Draw(t, "tables") {
			want := states().Draw(t, "want")
			// A crash leaves what was done so far, and the next process begins with that.
			changes := diff(have, want)
			upTo := rapid.IntRange(0, len(changes)).Draw(t, "upTo")
			moments, waits := replay(have, changes[:upTo])
			read(t, moments, waits)
			have = moments[len(moments)-1]
			if upTo == len(changes) {
				same(t, have, want)
				have = want
			}
		}
	})
}

// read lets every reader that there could be read.
func read(t *rapid.T, moments []*state, waits []bool) {
	for begin := range moments {
		for verdict := begin; verdict < len(moments); verdict++ {
			for place := verdict; place < len(moments); place++ {
				for source := place; source < len(moments); source++ {
					if !slices.Contains(waits[begin+1:source+1], true) {
						reads(t, moments[begin], moments[verdict], moments[place], moments[source])
					}
				}
			}
		}
	}
}

// always is who may come whatever sources there are.
const always = "\xc0\x00\x02\x02"

func reads(t *rapid.T, begin, verdict, at, source *state) {
	for _, stay := range at.sets[setStays] { // a client was sent there before
		if to := stay[:4]; !slices.Contains(source.sets[setItself], to+to) {
			t.Fatalf("%q stays, and would not know itself", stay)
		}
	}
	for _, f := range verdict.sets[setLimited] {
		if !slices.ContainsFunc(at.sets[setSources], func(s string) bool { return s[:12] == f && s[12:16] <= always && always <= s[28:] }) {
			t.Fatalf("%q lets nobody in", f)
		}
	}
	for f, p := range verdict.fronts {
		if p.modulus < 1 {
			continue
		}
		if len(begin.chains[f.chain(p.verdict)]) == 0 {
			t.Fatalf("%v leads to %s, which is empty", f, f.chain(p.verdict))
		}
		for n := range p.modulus {
			got := at.fronts[f].at(n)
			if got == (place{}) {
				t.Fatalf("%v leads to %d places, and number %d is none", f, p.modulus, n)
			}
			if pair := string(got.ip[:]) + string(got.ip[:]); !slices.Contains(source.sets[setItself], pair) {
				t.Fatalf("%v leads to %v, which would not know itself", f, got)
			}
		}
	}
}

// same says that the kernel has what is wanted, and nothing else.
func same(t *rapid.T, have, want *state) {
	if left := diff(have, want); len(left) > 0 {
		t.Fatalf("left to do: %v", left)
	}
	if !maps.EqualFunc(have.fronts, want.fronts, func(a, b picks) bool { return a.verdict == b.verdict && slices.Equal(a.places, b.places) }) {
		t.Fatalf("have %v, want %v", have.fronts, want.fronts)
	}
}

// states are of few fronts, so that they have much in common.
func states() *rapid.Generator[*state] {
	return rapid.Custom(func(t *rapid.T) *state {
		table := &route.Table{Virtual: virtual, Nodes: []route.Node{{Name: "n1", Range: ownRange}}}
		for n := 1; n <= 3; n++ {
			if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
				continue
			}
			s := service(n, rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "pods")...)
			for i := range s.Endpoints {
				s.Endpoints[i].Weight = rapid.SampledFrom([]int{0, 1, 2, 30}).Draw(t, "weight")
			}
			s.PrefersNear = rapid.Bool().Draw(t, "rather near")
			s.Near, s.NearOutside = rapid.Bool().Draw(t, "near"), rapid.Bool().Draw(t, "near outside")
			s.Holds = rapid.SampledFrom([]int{0, 0, 60, 10800}).Draw(t, "holds")
			s.Sources = rapid.SampledFrom([][]netip.Prefix{nil, {prefix("192.0.2.0/24")}, {prefix("192.0.2.0/30"), prefix("10.0.0.0/8")}, {prefix("192.0.0.0/8")}}).Draw(t, "sources")
			s.Ports[0].NodePort = uint16(30000 + rapid.IntRange(0, 1).Draw(t, "nodePort"))
			table.Services = append(table.Services, s)
		}
		return wantOf(table, "n1", 1, false)
	})
}

var prefix = netip.MustParsePrefix

// replay is what the kernel has before the changes and after each of them, and before which of those moments readers are waited for.
func replay(have *state, changes []change) (moments []*state, waits []bool) {
	moments, waits = []*state{have}, []bool{false}
	for _, c := range changes {
		have = have.after(c)
		moments, waits = append(moments, have), append(waits, c.readers)
	}
	return moments, waits
}

// after is the model of the kernel: it refuses what nftables refuses.
func (s *state) after(c change) *state {
	next := &state{facts: s.facts, laid: s.laid || c.lay, chains: maps.Clone(s.chains), fronts: map[front]picks{}, sets: map[string][]string{}}
	for f, p := range s.fronts {
		next.fronts[f] = picks{p.verdict, slices.Clone(p.places)}
	}
	if next.chains == nil {
		next.chains = map[string][]string{}
	}
	for _, name := range c.fill {
		next.chains[name] = marksOf(rulesOf(name, s.facts))
	}
	for _, fix := range c.slots {
		next.fix(fix)
	}
	for _, m := range c.fronts {
		next.move(m)
	}
	for set, keys := range s.sets {
		next.sets[set] = slices.Clone(keys)
	}
	for _, e := range c.elements {
		next.element(e)
	}
	for _, name := range c.unchained {
		next.unchain(name)
	}
	return next
}

func (s *state) fix(x fix) {
	p, there := s.fronts[x.front]
	if !there {
		p.verdict = none
	}
	if p.at(x.number) != x.from {
		panic("a place is taken away that is not there")
	}
	if more := x.number + 1 - len(p.places); more > 0 {
		p.places = append(p.places, make([]place, more)...)
	}
	p.places[x.number] = x.to
	for len(p.places) > 0 && p.places[len(p.places)-1] == (place{}) {
		p.places = p.places[:len(p.places)-1]
	}
	s.fronts[x.front] = p
	s.forget(x.front)
}

func (s *state) move(m move) {
	p, there := s.fronts[m.front]
	if !there {
		p.verdict = none
	}
	if p.verdict != m.from {
		panic("a verdict is taken away that is not there")
	}
	if m.to.modulus > 0 && s.chains[m.chain(m.to)] == nil {
		panic("a verdict leads to a chain that is not there")
	}
	p.verdict = m.to
	s.fronts[m.front] = p
	s.forget(m.front)
}

// forget drops a front of which the kernel has nothing.
func (s *state) forget(f front) {
	if p := s.fronts[f]; p.modulus == noVerdict && len(p.places) == 0 {
		delete(s.fronts, f)
	}
}

func (s *state) element(e element) {
	at, there := slices.BinarySearch(s.sets[e.set], e.key)
	switch {
	case e.gone != there:
		panic("an element is taken away that is not there, or added twice")
	case e.gone:
		s.sets[e.set] = slices.Delete(s.sets[e.set], at, at+1)
	default:
		s.sets[e.set] = slices.Insert(s.sets[e.set], at, e.key)
	}
}

func (s *state) unchain(name string) {
	for f, p := range s.fronts {
		if p.modulus > 0 && f.chain(p.verdict) == name {
			panic("a chain goes though a verdict leads to it")
		}
	}
	delete(s.chains, name)
}

// Who may come is known before a front leads anywhere.
func TestAFrontIsLimitedBeforeItLeadsAnywhere(t *testing.T) {
	s := service(1, 0)
	s.Ports[0].NodePort, s.Sources = 30080, []netip.Prefix{prefix("192.0.2.0/24")}
	have, want := wantOf(tableOf(service(1, 0)), "n1", 1, false), wantOf(tableOf(s), "n1", 1, false)
	changes := diff(have, want)
	if len(changes) != 2 || len(changes[0].elements) != 2 || len(changes[0].fronts) > 0 || len(changes[1].fronts) != 1 || !changes[1].readers {
		t.Errorf("%+v", changes)
	}
	if changes = diff(want, have); len(changes) != 2 || len(changes[0].elements) != 1 || changes[1].elements[0].set != setSources {
		t.Errorf("%+v", changes)
	}
}
