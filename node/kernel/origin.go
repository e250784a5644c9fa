package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/dump"
	"github.com/podkeep/podkeep/node/route"
)

// What a packet says of its sender is all that policies, and those who are spoken to, go by. So addresses of this node's pods come from its bridge alone, and
// nothing else does; and what the bridge's ports say is in bound.go. These two chains stand before conntrack: what is forged leaves nothing there.
//
// The tunnel's own packets are not tracked. An answer is known by its addresses and ports alone: a pod could have the kernel take what another node sends
// through the tunnel for answers to the pod. And what is on its way through the tunnel needs no room in conntrack twice.
const (
	chainOrigin   = "origin"
	chainOutgoing = "outgoing"
)

var originBases = map[string]nftables.Chain{
	chainOrigin:   {Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw},
	chainOutgoing: {Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRaw},
}

// speak has pods of this node speak as themselves alone, and says where that is not so.
func (k *Kernel) speak() error {
	var failed error
	for _, part := range []func() error{k.origins, k.bind} {
		if err := part(); err != nil {
			k.close() // answers may still come, and what was gathered is not sent
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return fmt.Errorf("a pod of this node that may send raw packets can speak as another one: %w", failed)
	}
	return nil
}

// originRules are for a bridge with these addresses, each with the width of the range that it is of. One without is left alone.
func originRules(bridge string, own []netip.Prefix, vni int) map[string][]rule {
	var from, others []rule
	for _, p := range own {
		from = append(from, join(
			comesBy(bridge, expr.CmpOpEq), within(loadSource(reg), p, expr.CmpOpEq), rule{loadSource(reg), isNot(p.Addr().AsSlice())}, accept,
		))
		others = append(others, join(comesBy("lo", expr.CmpOpNeq), within(loadSource(reg), p, expr.CmpOpEq), drop))
	}
	if len(own) > 0 {
		from = append(from, join(comesBy(bridge, expr.CmpOpEq), drop))
	}
	return map[string][]rule{
		chainOrigin:   slices.Concat(from, others, []rule{join(intoTunnel(vni), member(loadSource(reg), setPeers), isLocal(), rule{&expr.Notrack{}})}),
		chainOutgoing: {join(intoTunnel(vni), member(loadDestination(reg), setPeers), rule{&expr.Notrack{}})},
	}
}

// relay lets nothing through to the tunnels of other nodes that is not a node's: a pod's packets would have this node's address by then.
func (f facts) relay() rule {
	return join(
		intoTunnel(f.vni), member(loadDestination(reg), setPeers),
		rule{loadSource(reg), &expr.Lookup{SourceRegister: reg, SetName: setPeers, Invert: true}}, drop,
	)
}

// intoTunnel is about packets of the tunnel of that number.
func intoTunnel(vni int) rule {
	port := binary.BigEndian.AppendUint16(nil, route.TunnelPort)
	return rule{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg}, is([]byte{unix.IPPROTO_UDP}),
		loadPort(reg), is(port),
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 12, Len: 3}, is(binary.BigEndian.AppendUint32(nil, uint32(vni))[1:]),
	}
}

func comesBy(link string, op expr.CmpOp) rule {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, link)
	return rule{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: name}}
}

var accept, drop = rule{&expr.Verdict{Kind: expr.VerdictAccept}}, rule{&expr.Verdict{Kind: expr.VerdictDrop}}

// origins makes these chains as they are to be. Our table is there.
func (k *Kernel) origins() error {
	own, err := k.bridgeHas()
	if err != nil {
		return err
	}
	if err := k.open(); err != nil {
		return err
	}
	rules := originRules(k.named.Bridge, own, k.named.VNI)
	have := map[string][]string{}
	if err := k.link.marks(k.link.table, func(chain, mark string) { have[chain] = append(have[chain], mark) }); err != nil {
		return err
	}
	changed := false
	for name, base := range originBases {
		if slices.Equal(have[name], marksOf(rules[name])) {
			continue
		}
		changed = true
		base.Table, base.Name = k.link.table, name
		k.link.AddChain(&base)
		k.link.FlushChain(&base)
		k.link.rules(&base, rules[name])
	}
	if changed {
		return k.commit()
	}
	return nil
}

// commit sends what was gathered that is not of what rules reads: that is known still.
func (k *Kernel) commit() error {
	before, err := k.link.generation()
	if err == nil {
		err = k.link.Flush()
	}
	if err == nil && before == k.generation {
		k.generation++
	}
	return err
}

// bridgeHas is the addresses of the pods' bridge; none where it is not there.
func (k *Kernel) bridgeHas() (all []netip.Prefix, err error) {
	link, err := netlink.LinkByName(k.named.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.named.Bridge, err)
	}
	found, err := dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_V4) })
	for _, a := range found {
		ip, _ := netip.AddrFromSlice(a.IP.To4())
		bits, _ := a.Mask.Size()
		all = append(all, netip.PrefixFrom(ip, bits))
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return all, err
}
