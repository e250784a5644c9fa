package kernel

import (
	"maps"
	"slices"
)

// change is one transaction: all of it is in force at once, and yet a packet on its way through the rules may have read one map before it and read the
// next one after it.
type change struct {
	readers   bool     // before it, wait for the packets that are on their way
	thorough  bool     // with certainty; else for as long as they take but for the rarest
	lay       bool     // make the table, its timeouts and its sets
	fill      []string // chains get their rules, and are made where they are not there
	fronts    []move
	slots     []fix
	elements  []element
	unchained []string // chains go
}

// move gives a front another verdict.
type move struct {
	front
	from, to verdict
}

// fix gives a number of a front another place.
type fix struct {
	front
	number   int
	from, to place
}

// element is one of a set that is no map.
type element struct {
	set, key string
	gone     bool
}

func (c *change) empty() bool {
	return !c.lay && len(c.fill)+len(c.fronts)+len(c.slots)+len(c.elements)+len(c.unchained) == 0
}

// diff says what to do, in this order, for the kernel to have what is wanted. A packet on its way begins with the rules that were in force then, and reads
// maps as they are when it comes to them. So chains are there before a verdict leads to them; verdicts move in one transaction with the places that
// are new; and what no verdict leads to any more goes in a later one. Base chains stay: theirs are the connections of others, too.
func diff(have, want *state) []change {
	lay := change{lay: !have.laid || have.untimed && !want.untimed}
	swap := change{readers: true, thorough: true}
	sweep := change{readers: true}
	diffChains(have, want, &lay, &swap, &sweep)
	diffLimits(have, want, &lay, &swap, &sweep)
	if lay.empty() {
		swap.readers, swap.thorough = false, false
	}
	diffFronts(have.fronts, want.fronts, &swap, &sweep)
	for _, set := range slices.Sorted(maps.Keys(want.sets)) {
		if set == setLimited || set == setSources {
			continue
		}
		come, gone := diffSet(set, have.sets[set], want.sets[set])
		if l, of := layouts[set]; of {
			now, later := l.part(come, gone)
			swap.elements, sweep.elements = append(append(now, swap.elements...), come...), append(sweep.elements, later...)
			continue
		}
		swap.elements = append(swap.elements, come...)
		switch {
		case set != setItself:
			swap.elements = append(gone, swap.elements...)
		case len(gone) > mostStale:
			sweep.elements, sweep.thorough = append(sweep.elements, gone...), true
		}
	}
	return slices.DeleteFunc([]change{lay, swap, sweep}, func(c change) bool { return c.empty() })
}

// diffLimits has it known who may come to a front before that leads anywhere, and for as long as it does.
func diffLimits(have, want *state, lay, swap, sweep *change) {
	limited, free := diffSet(setLimited, have.sets[setLimited], want.sets[setLimited])
	come, gone := diffSet(setSources, have.sets[setSources], want.sets[setSources])
	l, fresh := layouts[setSources], map[string]bool{}
	for _, e := range limited {
		fresh[e.key] = true
	}
	now, later := l.part(come, gone)
	for _, e := range slices.Concat(now, come) {
		if fresh[e.key[:l.owner]] {
			lay.elements = append(lay.elements, e)
		} else {
			swap.elements = append(swap.elements, e)
		}
	}
	lay.elements = append(lay.elements, limited...)
	swap.elements = append(swap.elements, free...)
	sweep.elements = append(sweep.elements, later...)
}

// diffChains fills base chains last, when what they lead to is there.
func diffChains(have, want *state, lay, swap, sweep *change) {
	for _, name := range slices.Sorted(maps.Keys(want.chains)) {
		marks, there := have.chains[name]
		if there && slices.Equal(marks, want.chains[name]) {
			continue
		}
		if _, base := bases[name]; base {
			swap.fill = append(swap.fill, name)
		} else {
			lay.fill = append(lay.fill, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have.chains)) {
		_, v := numberOf(name)
		_, guards := sideOf(name)
		if (v.modulus > 0 || guards) && want.chains[name] == nil {
			sweep.unchained = append(sweep.unchained, name)
		}
	}
}

func diffFronts(have, want map[front]picks, swap, sweep *change) {
	left := len(have)
	for f, w := range want {
		h, there := have[f]
		if there {
			left--
		} else {
			h = picks{verdict: none}
		}
		diffFront(f, h, w, swap, sweep)
	}
	if left == 0 {
		return
	}
	for f, h := range have {
		if _, wanted := want[f]; !wanted {
			diffFront(f, h, picks{verdict: none}, swap, sweep)
		}
	}
}

func diffFront(f front, have, want picks, swap, sweep *change) {
	if have.verdict != want.verdict {
		swap.fronts = append(swap.fronts, move{f, have.verdict, want.verdict})
	}
	if slices.Equal(have.places, want.places) {
		return
	}
	for n := range max(len(have.places), len(want.places)) {
		from, to := have.at(n), want.at(n)
		switch {
		case from == to:
		case to == place{}:
			sweep.slots = append(sweep.slots, fix{f, n, from, to})
		default:
			swap.slots = append(swap.slots, fix{f, n, from, to})
		}
	}
}

func (p picks) at(n int) place {
	if n < len(p.places) {
		return p.places[n]
	}
	return place{}
}

// mostStale is how many pods that are chosen no more stay among those that would know themselves. They do no harm there, and somebody who is late and
// yet chose one of them is lost without.
const mostStale = 512

// diffSet compares two sorted lists.
func diffSet(set string, have, want []string) (come, gone []element) {
	for len(have)+len(want) > 0 {
		switch {
		case len(want) == 0 || len(have) > 0 && have[0] < want[0]:
			gone, have = append(gone, element{set, have[0], true}), have[1:]
		case len(have) == 0 || want[0] < have[0]:
			come, want = append(come, element{set, want[0], false}), want[1:]
		default:
			have, want = have[1:], want[1:]
		}
	}
	return come, gone
}
