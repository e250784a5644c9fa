package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	rtnetlink "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/dump"
)

// Each port of the pods' bridge says what it says as the pod that it leads to: by its hardware's address, and by IPv4 and ARP with its own. What those are
// the kernel is asked once, when the port is new: a pod that may give itself others later gains nothing. It is a table of the bridge's family, of the same name
// as ours.
//
// A port is known by its number, which no later one has. One that is not known yet may say what it likes, as far as the chain origin lets it.
const (
	setLinks    = "links"    // ports that are known
	setBound    = "bound"    // each with its addresses
	setHardware = "hardware" // and with that of its hardware
)

// binding is that table.
type binding struct {
	*nftables.Table
	sets map[string]*nftables.Set
}

var bindingSets = []string{setBound, setHardware, setLinks}

func bindingOf(table string) binding {
	b := binding{Table: &nftables.Table{Name: table, Family: nftables.TableFamilyBridge}}
	port := nftables.TypeIFIndex
	b.sets = map[string]*nftables.Set{
		setLinks:    {KeyType: port},
		setBound:    {KeyType: nftables.MustConcatSetType(port, nftables.TypeIPAddr), Concatenation: true},
		setHardware: {KeyType: nftables.MustConcatSetType(port, nftables.TypeEtherAddr), Concatenation: true},
	}
	for name, set := range b.sets {
		set.Table, set.Name, set.KeyByteOrder = b.Table, name, binaryutil.NativeEndian
	}
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
	hardware := &expr.Payload{DestRegister: reg + 1, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6}
	asItself := func(source expr.Any) rule {
		return rule{port, source, &expr.Lookup{SourceRegister: reg, SetName: setBound}}
	}
	return []rule{
		join(rule{port, &expr.Lookup{SourceRegister: reg, SetName: setLinks, Invert: true}}, accept),
		join(rule{port, hardware, &expr.Lookup{SourceRegister: reg, SetName: setHardware, Invert: true}}, drop),
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
	var changes []element
	for _, name := range bindingSets {
		come, gone := diffSet(name, have[name], sorted(want[name]))
		changes = append(append(changes, gone...), come...)
	}
	if laid && len(changes) == 0 {
		return nil
	}
	for _, c := range changes {
		edit := k.link.SetAddElements
		if c.gone {
			edit = k.link.SetDeleteElements
		}
		if err := edit(b.sets[c.set], []nftables.SetElement{{Key: []byte(c.key)}}); err != nil {
			return err
		}
	}
	return k.commit()
}

// binds is what the kernel has: whether the table is as it should be, and what is in its sets.
func (l *link) binds(b binding) (laid bool, have map[string][]string, err error) {
	var marks []string
	if err := l.marks(b.Table, func(_, mark string) { marks = append(marks, mark) }); err != nil {
		return false, nil, err
	}
	if !slices.Equal(marks, marksOf(boundRules())) {
		return false, nil, nil
	}
	have = map[string][]string{}
	for name, set := range b.sets {
		found, err := l.GetSetElements(set)
		if err != nil {
			return false, nil, err
		}
		for _, e := range found {
			have[name] = append(have[name], string(e.Key))
		}
		have[name] = sorted(have[name])
	}
	return true, have, nil
}

// bindAnew begins a transaction that makes the table.
func (l *link) bindAnew(b binding) error {
	shared.Lock()
	defer shared.Unlock()
	l.AddTable(b.Table)
	l.DelTable(b.Table)
	l.AddTable(b.Table)
	for _, name := range bindingSets {
		if err := l.AddSet(b.sets[name], nil); err != nil {
			return err
		}
	}
	chain := l.AddChain(&nftables.Chain{
		Table: b.Table, Name: chainOrigin, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRef(-200),
	})
	l.rules(chain, boundRules())
	return nil
}

// ports is what the sets are to have: ports of the bridge that are known stay as they are for as long as they are there, and new ones are asked for.
func (k *Kernel) ports(had map[string][]string) (map[string][]string, error) {
	bridge, err := netlink.LinkByName(k.named.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.named.Bridge, err)
	}
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	all := map[string][]string{}
	for _, link := range links {
		if a := link.Attrs(); a.MasterIndex == bridge.Attrs().Index && a.NetNsID >= 0 && link.Type() == "veth" {
			if err := portOf(a, had, all); err != nil {
				return nil, fmt.Errorf("what is behind %s: %w", a.Name, err)
			}
		}
	}
	return all, nil
}

// portOf adds what the sets are to have of a port.
func portOf(a *netlink.LinkAttrs, had, all map[string][]string) error {
	port := string(native(uint32(a.Index)))
	if slices.Contains(had[setLinks], port) {
		for name := range had {
			all[name] = append(all[name], slices.DeleteFunc(slices.Clone(had[name]), func(e string) bool { return e[:4] != port })...)
		}
		return nil
	}
	hardware, ips, err := behind(a.NetNsID, a.ParentIndex)
	if err != nil || hardware == "" || len(ips) == 0 {
		return err // not yet, or not any more
	}
	all[setLinks], all[setHardware] = append(all[setLinks], port), append(all[setHardware], port+hardware)
	for _, ip := range ips {
		all[setBound] = append(all[setBound], port+ip)
	}
	return nil
}

// behind asks the kernel for the addresses of a link in another namespace, as sets have them. Of one that is gone, or is not up yet, there are none: Podman
// gives it all that it is to have before.
func behind(space, link int) (hardware string, ips []string, err error) {
	conn, err := rtnetlink.Dial(unix.NETLINK_ROUTE, &rtnetlink.Config{Strict: true})
	if err != nil {
		return "", nil, err
	}
	defer conn.Close()
	ofLink := question{unix.RTM_GETLINK, 0, slices.Concat(make([]byte, 4), native(uint32(link)), make([]byte, 8)), unix.IFLA_TARGET_NETNSID, unix.IFLA_ADDRESS}
	err = ofLink.ask(conn, space, func(head, value []byte) {
		if binary.NativeEndian.Uint32(head[8:])&unix.IFF_UP != 0 {
			hardware = string(value) + "\x00\x00"
		}
	})
	if err != nil {
		return "", nil, err
	}
	ofAddresses := question{unix.RTM_GETADDR, rtnetlink.Dump, slices.Concat([]byte{unix.AF_INET, 0, 0, 0}, native(uint32(link))), unix.IFA_TARGET_NETNSID, unix.IFA_LOCAL}
	err = ofAddresses.ask(conn, space, func(_, value []byte) { ips = append(ips, string(value)) })
	return hardware, ips, err
}

// question is one to the kernel about a link of another namespace.
type question struct {
	kind   rtnetlink.HeaderType
	flags  rtnetlink.HeaderFlags
	head   []byte
	target uint16 // the attribute that says which namespace
	wanted uint16 // the one that is the answer
}

// ask has each answer taken, with the head of its message. A namespace or link that is gone answers nothing.
func (q question) ask(conn *rtnetlink.Conn, space int, take func(head, value []byte)) error {
	target, err := rtnetlink.MarshalAttributes([]rtnetlink.Attribute{{Type: q.target, Data: native(uint32(space))}})
	if err != nil {
		return err
	}
	found, err := conn.Execute(rtnetlink.Message{
		Header: rtnetlink.Header{Type: q.kind, Flags: rtnetlink.Request | q.flags}, Data: slices.Concat(q.head, target),
	})
	if err != nil {
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) {
			return nil
		}
		return err
	}
	for _, m := range found {
		in, err := rtnetlink.NewAttributeDecoder(m.Data[len(q.head):])
		if err != nil {
			return err
		}
		for in.Next() {
			if in.Type() == q.wanted {
				take(m.Data[:len(q.head)], in.Bytes())
			}
		}
	}
	return nil
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
