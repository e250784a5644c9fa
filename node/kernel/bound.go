package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	rtnetlink "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Each port of the pods' bridge says what it says, by IPv4 and ARP, as the pod that it leads to. Which addresses that one has the kernel is asked once, when
// the port is new: a pod that may give itself others later gains nothing. It is a table of the bridge's family, of the same name as ours.
//
// A port is known by its number, which no later one has. One that is not known yet may say what it likes, as far as the chain origin lets it.
const (
	setBound = "bound" // ports, each with its addresses
	setLinks = "links" // the same ports
)

// binding is that table.
type binding struct {
	*nftables.Table
	bound, links *nftables.Set
}

func bindingOf(table string) binding {
	b := binding{Table: &nftables.Table{Name: table, Family: nftables.TableFamilyBridge}}
	port, pair := nftables.TypeIFIndex, nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeIPAddr)
	b.links = &nftables.Set{Table: b.Table, Name: setLinks, KeyType: port, KeyByteOrder: binaryutil.NativeEndian}
	b.bound = &nftables.Set{Table: b.Table, Name: setBound, KeyType: pair, Concatenation: true, KeyByteOrder: binaryutil.NativeEndian}
	return b
}

// boundRules are the same on each node. By ARP somebody without an address asks whether anybody has one.
func boundRules() []rule {
	port := &expr.Meta{Key: expr.MetaKeyIIF, Register: reg}
	of := func(protocol uint16) rule {
		return rule{&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: reg}, is(binary.BigEndian.AppendUint16(nil, protocol))}
	}
	sender := func(into uint32) expr.Any {
		return &expr.Payload{DestRegister: into, Base: expr.PayloadBaseNetworkHeader, Offset: 14, Len: 4}
	}
	asItself := func(source expr.Any) rule {
		return rule{port, source, &expr.Lookup{SourceRegister: reg, SetName: setBound}}
	}
	return []rule{
		join(rule{port, &expr.Lookup{SourceRegister: reg, SetName: setLinks, Invert: true}}, accept),
		join(of(unix.ETH_P_IP), asItself(loadSource(reg+1)), accept),
		join(of(unix.ETH_P_IP), drop),
		join(of(unix.ETH_P_ARP), asItself(sender(reg+1)), accept),
		join(of(unix.ETH_P_ARP), rule{sender(reg), is(make([]byte, 4))}, accept),
		join(of(unix.ETH_P_ARP), drop),
	}
}

// bind has the table name the ports that there are.
func (k *Kernel) bind() error {
	if err := k.open(); err != nil {
		return err
	}
	b := bindingOf(k.named.Table)
	laid, have, err := k.link.binds(b)
	if err != nil {
		return err
	}
	want, err := k.ports(have)
	if err != nil {
		return err
	}
	if !laid {
		have = nil
		if err := k.link.bindAnew(b); err != nil {
			return err
		}
	}
	come, gone := diffSet(setBound, have, want)
	if laid && len(come)+len(gone) == 0 {
		return nil
	}
	if err := k.link.rebind(b, append(gone, come...), want); err != nil {
		return err
	}
	return k.commit()
}

// binds is what the kernel has: whether the table is as it should be, and what is bound.
func (l *link) binds(b binding) (laid bool, bound []string, err error) {
	var have []string
	if err := l.marks(b.Table, func(_, mark string) { have = append(have, mark) }); err != nil {
		return false, nil, err
	}
	if !slices.Equal(have, marksOf(boundRules())) {
		return false, nil, nil
	}
	found, err := l.GetSetElements(b.bound)
	for _, e := range found {
		bound = append(bound, string(e.Key))
	}
	return true, sorted(bound), err
}

// bindAnew begins a transaction that makes the table.
func (l *link) bindAnew(b binding) error {
	shared.Lock()
	defer shared.Unlock()
	l.AddTable(b.Table)
	l.DelTable(b.Table)
	l.AddTable(b.Table)
	if err := errors.Join(l.AddSet(b.bound, nil), l.AddSet(b.links, nil)); err != nil {
		return err
	}
	chain := l.AddChain(&nftables.Chain{
		Table: b.Table, Name: chainOrigin, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRef(-200),
	})
	l.rules(chain, boundRules())
	return nil
}

// rebind changes what is bound.
func (l *link) rebind(b binding, changes []element, want []string) error {
	for _, c := range changes {
		bound, port := []nftables.SetElement{{Key: []byte(c.key)}}, []nftables.SetElement{{Key: []byte(c.key[:4])}}
		others := slices.ContainsFunc(want, func(w string) bool { return w[:4] == c.key[:4] })
		var err error
		switch {
		case !c.gone:
			err = errors.Join(l.SetAddElements(b.bound, bound), l.SetAddElements(b.links, port))
		case others:
			err = l.SetDeleteElements(b.bound, bound)
		default:
			err = errors.Join(l.SetDeleteElements(b.links, port), l.SetDeleteElements(b.bound, bound))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ports are those of the bridge, each with its addresses, sorted: those that are bound stay so for as long as they are there.
func (k *Kernel) ports(bound []string) (all []string, err error) {
	bridge, err := netlink.LinkByName(k.named.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.named.Bridge, err)
	}
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	for _, link := range links {
		a := link.Attrs()
		if a.MasterIndex != bridge.Attrs().Index || a.NetNsID < 0 || link.Type() != "veth" {
			continue
		}
		port := string(native(uint32(a.Index)))
		had := slices.DeleteFunc(slices.Clone(bound), func(b string) bool { return b[:4] != port })
		if len(had) == 0 {
			if had, err = addressesOf(a.NetNsID, a.ParentIndex); err != nil {
				return nil, fmt.Errorf("addresses behind %s: %w", a.Name, err)
			}
			for i := range had {
				had[i] = port + had[i]
			}
		}
		all = append(all, had...)
	}
	return sorted(all), nil
}

// addressesOf asks the kernel which IPv4 addresses a link has in another namespace. Of one that is gone these are none.
func addressesOf(space, link int) (all []string, err error) {
	conn, err := rtnetlink.Dial(unix.NETLINK_ROUTE, &rtnetlink.Config{Strict: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	attributes, err := rtnetlink.MarshalAttributes([]rtnetlink.Attribute{{Type: unix.IFA_TARGET_NETNSID, Data: native(uint32(space))}})
	if err != nil {
		return nil, err
	}
	found, err := conn.Execute(rtnetlink.Message{
		Header: rtnetlink.Header{Type: unix.RTM_GETADDR, Flags: rtnetlink.Request | rtnetlink.Dump},
		Data:   slices.Concat([]byte{unix.AF_INET, 0, 0, 0}, native(uint32(link)), attributes),
	})
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) {
		return nil, nil
	}
	for _, m := range found {
		in, err := rtnetlink.NewAttributeDecoder(m.Data[unix.SizeofIfAddrmsg:])
		if err != nil {
			return nil, err
		}
		for in.Next() {
			if ip, ok := netip.AddrFromSlice(in.Bytes()); in.Type() == unix.IFA_LOCAL && ok && ip.Is4() {
				all = append(all, string(ip.AsSlice()))
			}
		}
	}
	return all, err
}

// unbind takes the table away.
func (k *Kernel) unbind() error {
	b := bindingOf(k.named.Table)
	k.link.AddTable(b.Table)
	k.link.DelTable(b.Table)
	return k.link.Flush()
}

// rules adds rules to a chain that has none.
func (l *link) rules(chain *nftables.Chain, all []rule) {
	for i, mark := range marksOf(all) {
		l.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: all[i], UserData: userdata.AppendString(nil, userdata.TypeComment, mark)})
	}
}
