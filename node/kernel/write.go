package kernel

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

// batch is how many elements go into one message: their length has 16 bits.
const batch = 500

// write makes a change, as one transaction.
func (l *link) write(c change, f facts) error {
	if c.readers {
		await(c.thorough)
	}
	if c.lay {
		if err := l.lay(f); err != nil {
			return err
		}
	}
	for _, name := range c.fill {
		l.AddChain(l.chain(name))
	}
	for _, name := range c.fill {
		l.fill(name, f)
	}
	if err := l.edit(editsOf(c)); err != nil {
		return err
	}
	for _, name := range c.unchained {
		l.DelChain(&nftables.Chain{Table: l.table, Name: name})
	}
	return l.Flush()
}

// lay makes what is made once.
func (l *link) lay(f facts) error {
	shared.Lock()
	defer shared.Unlock()
	l.AddTable(l.table)
	if !f.untimed {
		l.addTimeouts(l.table)
	}
	for _, name := range setNames {
		if err := l.AddSet(l.sets[name], nil); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) chain(name string) *nftables.Chain {
	chain := bases[name]
	chain.Table, chain.Name = l.table, name
	return &chain
}

// fill gives a chain its rules in place of those that it has.
func (l *link) fill(name string, f facts) {
	chain := l.chain(name)
	l.FlushChain(chain)
	rules := rulesOf(name, f)
	for i, mark := range marksOf(rules) {
		l.AddRule(&nftables.Rule{
			Table: l.table, Chain: chain, Exprs: rules[i], UserData: userdata.AppendString(nil, userdata.TypeComment, mark),
		})
	}
}

// edits are the elements that go and come, by set.
type edits struct {
	gone, come map[string][]nftables.SetElement
}

func editsOf(c change) edits {
	e := edits{map[string][]nftables.SetElement{}, map[string][]nftables.SetElement{}}
	for _, s := range c.slots {
		key := s.slot(s.number)
		if s.from != (place{}) {
			e.gone[setSlots] = append(e.gone[setSlots], nftables.SetElement{Key: key})
		}
		if s.to != (place{}) {
			e.come[setSlots] = append(e.come[setSlots], nftables.SetElement{Key: key, Val: s.to.encode()})
		}
	}
	for _, m := range c.fronts {
		key, set := m.encode(), m.verdicts()
		if m.from != none {
			e.gone[set] = append(e.gone[set], nftables.SetElement{Key: key})
		}
		if m.to != none {
			to := &expr.Verdict{Kind: expr.VerdictGoto, Chain: m.chain(m.to)}
			e.come[set] = append(e.come[set], nftables.SetElement{Key: key, VerdictData: to})
		}
	}
	for _, m := range c.elements {
		into := e.come
		if m.gone {
			into = e.gone
		}
		into[m.set] = append(into[m.set], m.encode()...)
	}
	return e
}

// encode gives an interval's ends as two: the kernel takes one end alone only where that leaves whole intervals at each step.
func (m element) encode() []nftables.SetElement {
	if m.set == setDraws {
		return []nftables.SetElement{{Key: []byte(m.key[:16]), Val: []byte(m.key[16:])}}
	}
	if l, of := layouts[m.set]; of {
		return []nftables.SetElement{l.element(m.key)}
	}
	if m.set != setRanges {
		return []nftables.SetElement{{Key: []byte(m.key)}}
	}
	all := []nftables.SetElement{{Key: []byte(m.key[:4])}}
	if next := m.key[4:]; next != "" {
		all = append(all, nftables.SetElement{Key: []byte(next), IntervalEnd: true})
	}
	return all
}

func (l *link) edit(e edits) error {
	for _, name := range setNames {
		for part := range slices.Chunk(e.gone[name], batch) {
			if err := l.SetDeleteElements(l.sets[name], part); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(e.come[name], batch) {
			if err := l.SetAddElements(l.sets[name], part); err != nil {
				return err
			}
		}
	}
	return nil
}
