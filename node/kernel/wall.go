package kernel

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// Pods of one bridge have IPv6 addresses of their links, by which they could speak past all policies: those see IPv4. So where there are policies no IPv6
// passes between the bridge's ports. That is a table of IPv6, of the same name, with one rule.

const chainWall = "wall"

// wallRules are about one bridge.
func wallRules(bridge string) []rule {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, bridge)
	is := &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name}
	return []rule{{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, is, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, is, &expr.Verdict{Kind: expr.VerdictDrop},
	}}
}

// wall is there where there are policies, and nowhere else.
func (k *Kernel) wall(policed bool) error {
	if err := k.open(); err != nil {
		return err
	}
	table := &nftables.Table{Name: k.named.Table, Family: nftables.TableFamilyIPv6}
	var rules []rule
	if policed {
		rules = wallRules(k.named.Bridge)
	}
	var have []string
	err := k.link.marks(table, func(_, mark string) { have = append(have, mark) })
	if err != nil || slices.Equal(have, marksOf(rules)) {
		return err
	}
	if len(have) > 0 {
		k.link.DelTable(table)
	}
	if policed {
		k.link.build(table, rules)
	}
	if err := k.link.Flush(); err != nil {
		k.close() // answers may still come
		return fmt.Errorf("between the ports of %s: %w", k.named.Bridge, err)
	}
	return nil
}

func (l *link) build(table *nftables.Table, rules []rule) {
	chain := &nftables.Chain{
		Table: table, Name: chainWall, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	}
	l.AddTable(table)
	l.AddChain(chain)
	for i, mark := range marksOf(rules) {
		l.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rules[i], UserData: userdata.AppendString(nil, userdata.TypeComment, mark)})
	}
}
