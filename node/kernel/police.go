package kernel

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Conntrack's states of a packet, as bits.
const (
	stateEstablished = 1 << 1
	stateRelated     = 1 << 2
)

// police sees what is forwarded, once it is known to whom it really goes, and who really sent it: the connections of a node's own processes are not
// among it. What goes on goes on. A pod speaks to itself. One of this node's that is not known yet neither speaks nor is spoken to.
func (f facts) police() []rule {
	if !f.policed {
		return nil
	}
	known := func(invert bool) rule {
		return rule{&expr.Lookup{SourceRegister: reg, SetName: setKnown, Invert: invert}}
	}
	return []rule{
		join(rule{&expr.Ct{Key: expr.CtKeySTATE, Register: reg}, masked(native(stateEstablished | stateRelated)), isNot(make([]byte, 4))}, accept),
		join(rule{loadSource(reg), loadDestination(reg + 1)}, known(false), accept),
		join(within(loadSource(reg), f.own, expr.CmpOpEq), rule{loadSource(reg), loadSource(reg + 1)}, known(true), drop),
		join(within(loadDestination(reg), f.own, expr.CmpOpEq), rule{loadDestination(reg), loadDestination(reg + 1)}, known(true), drop),
		join(rule{loadSource(reg)}, lead(setGuardedOut)),
		join(rule{loadDestination(reg)}, lead(setGuardedIn)),
	}
}

// admit returns for what a guarded pod is allowed, and drops the rest.
func admit(s side, admits []admission) (all []rule) {
	peer := loadSource
	if s == egress {
		peer = loadDestination
	}
	ask := func(set string, number uint32, loads ...expr.Any) rule {
		if number == 0 {
			return nil
		}
		return join(rule{&expr.Immediate{Register: reg, Data: native(number)}}, loads, rule{&expr.Lookup{SourceRegister: reg, SetName: set}})
	}
	for _, a := range admits {
		all = append(all, join(
			ask(setMembers, a.group, peer(reg+1)),
			ask(setBlocks, a.blocks, peer(reg+1)),
			ask(setPorts, a.ports, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg + 1}, loadPort(reg+2)),
			rule{&expr.Verdict{Kind: expr.VerdictReturn}},
		))
	}
	return append(all, rule{&expr.Verdict{Kind: expr.VerdictDrop}})
}

// element is what the text of one says.
func (l layout) element(text string) (e nftables.SetElement) {
	e.Key = []byte(text[:l.key])
	if l.interval {
		e.KeyEnd = []byte(text[l.key:])
	}
	if l.guards {
		e.VerdictData = &expr.Verdict{Kind: expr.VerdictJump, Chain: text[l.key:]}
	}
	return e
}

// text is what was found, as element takes it.
func (l layout) text(e nftables.SetElement) string {
	if l.guards {
		return string(e.Key) + chainOf(e.Val)
	}
	return string(e.Key) + string(e.KeyEnd)
}

// part says which of the elements that go do so at once, and which later: what a number means outlives what asks for it, and who is guarded, or limited,
// no more is let go last.
func (l layout) part(come, gone []element) (now, later []element) {
	again := map[string]bool{}
	for _, e := range come {
		again[e.key[:l.owner]] = true
	}
	for _, e := range gone {
		if l.lingers || l.owner > 0 && !again[e.key[:l.owner]] {
			later = append(later, e)
		} else {
			now = append(now, e)
		}
	}
	return now, later
}
