package kernel

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

// facts are what rules are made of, beside what is in the sets.
type facts struct {
	virtual netip.Prefix
	own     netip.Prefix // of this node's pods, and
	gateway netip.Addr   // their gateway; none where it has no pod network
	vni     int
	admits  map[string][]admission // by chain of this node's guarded pods
	policed bool                   // policies say who may speak to this node's pods, and to whom these may
	untimed bool                   // conntrack keeps connections as it does all of the host's
	deaf    bool                   // rules cannot ask whether the host listens
}

func factsOf(t *route.Table, self route.Node, vni int, untimed bool) facts {
	f := facts{vni: vni, untimed: untimed}
	if t.Virtual.Addr().Is4() {
		f.virtual = t.Virtual.Masked()
	}
	if self.Range.Addr().Is4() {
		f.own, f.gateway = self.Range.Masked(), self.Gateway()
		f.policed = t.Policies != nil
	}
	return f
}

// rule is what a packet goes through; it is over for the packet at the first that does not match.
type rule []expr.Any

// rulesOf are the rules of the chain of that name, in order.
func rulesOf(chain string, f facts) []rule {
	switch chain {
	case chainPrerouting:
		return f.dispatch(true)
	case chainOutput:
		return f.dispatch(false)
	case chainPostrouting:
		return f.sources()
	case chainInput:
		return f.tunnel()
	case chainForward:
		return append([]rule{f.relay()}, f.police()...)
	case chainTimed:
		if f.untimed {
			return nil
		}
		return []rule{{&expr.Objref{Type: unix.NFT_OBJECT_CT_TIMEOUT, Name: timeouts}}}
	case chainRefuse:
		return []rule{
			{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg}, is([]byte{unix.IPPROTO_TCP}), &expr.Reject{Type: unix.NFT_REJECT_TCP_RST}},
			{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: icmpPortUnreachable}},
		}
	}
	if s, guards := sideOf(chain); guards {
		return admit(s, f.admits[chain])
	}
	kind, v := numberOf(chain)
	if v.holds > 0 {
		return hold(kind, v)
	}
	return choose(addressOf(kind, reg), v.modulus)
}

const (
	reg                 = unix.NFT_REG32_00 // the first of the registers that hold a key: of four bytes each, side by side
	icmpPortUnreachable = 3
	statusDestination   = 1 << 5 // conntrack's status: the destination was translated
	local               = 2      // the type of an address that is the host's own
)

// dispatch asks where a new connection's front leads. It asks twice, for an answer that is being changed may be missed once. What nobody knows among
// the virtual addresses is refused. Who comes, and is not the host itself, may be one who may not.
func (f facts) dispatch(comes bool) []rule {
	ask := func(by rule, set string) []rule {
		asked := join(by, lead(set))
		if !comes {
			return []rule{asked, asked}
		}
		return []rule{join(by, limit()), asked, asked}
	}
	var hosts []rule
	if comes && !f.deaf {
		hosts = []rule{listened(anyAddress(reg), f.isHosts()), listened(loadDestination(reg), isLocal())}
	}
	all := slices.Concat(hosts, ask(key(loadDestination(reg)), setServices), ask(join(f.isHosts(), key(anyAddress(reg))), setNodePorts))
	if f.virtual.IsValid() {
		all = append(all, join(within(loadDestination(reg), f.virtual, expr.CmpOpEq), rule{&expr.Verdict{Kind: expr.VerdictGoto, Chain: chainRefuse}}))
	}
	return all
}

// listened leaves to the host what comes to a front that is shared with it, where it listens by now.
func listened(address expr.Any, local rule) rule {
	return join(key(address), rule{&expr.Lookup{SourceRegister: reg, SetName: setShared}}, local, hasSocket(), rule{&expr.Verdict{Kind: expr.VerdictAccept}})
}

// limit drops what comes to the front that is loaded from where it may not.
func limit() rule {
	return rule{
		&expr.Lookup{SourceRegister: reg, SetName: setLimited},
		loadSource(reg + 3), &expr.Lookup{SourceRegister: reg, SetName: setSources, Invert: true},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}

// isHosts asks whether the packet goes to the host as others know it: pods ask their gateway for names.
func (f facts) isHosts() rule {
	if !f.gateway.IsValid() {
		return isLocal()
	}
	return join(isLocal(), rule{loadDestination(reg), isNot(f.gateway.AsSlice())})
}

// choose sends a connection to one of the places of its front. Places are taken away only once nobody chooses by the old number; should somebody be late
// all the same, the first place stands in. Nothing goes out as it came: that would bind its source port to nowhere.
func choose(address expr.Any, modulus int) []rule {
	found := rule{
		&expr.Lookup{SourceRegister: reg, DestRegister: reg, IsDestRegSet: true, SetName: setSlots},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg, RegProtoMin: reg + 1},
	}
	number := &expr.Numgen{Register: reg + 3, Modulus: uint32(modulus), Type: unix.NFT_NG_RANDOM}
	return []rule{
		{&expr.Verdict{Kind: expr.VerdictJump, Chain: chainTimed}},
		join(key(address), rule{number}, found),
		join(key(address), rule{&expr.Immediate{Register: reg + 3, Data: make([]byte, 4)}}, found),
		{&expr.Verdict{Kind: expr.VerdictDrop}},
	}
}

// sources says what a pod sees as the source of a connection: who made it, but for what would not find its way back. A pod that is sent to itself, and
// whoever comes from outside to a pod of another node, come from this node's gateway; and to who is no pod, everybody comes from an address of the host.
func (f facts) sources() []rule {
	sent := rule{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: reg}, masked(binaryutil.NativeEndian.PutUint32(statusDestination)), isNot(make([]byte, 4)),
	}
	keep := join(member(loadSource(reg), setRanges), member(loadDestination(reg), setRanges), rule{loadSource(reg)}, snat())
	stranger := join(sent, key(loadDestination(reg)), rule{&expr.Lookup{SourceRegister: reg, SetName: setStrangers}, &expr.Masq{}})
	if !f.own.IsValid() {
		return []rule{keep, stranger}
	}
	gateway := join(rule{&expr.Immediate{Register: reg, Data: f.gateway.AsSlice()}}, snat())
	itself := join(rule{loadSource(reg), loadDestination(reg + 1), &expr.Lookup{SourceRegister: reg, SetName: setItself}}, gateway)
	far := join(sent, within(loadDestination(reg), f.own, expr.CmpOpNeq), member(loadDestination(reg), setRanges), f.notVirtual(), gateway)
	return []rule{itself, far, keep, stranger}
}

// notVirtual is about what the connection was made to.
func (f facts) notVirtual() rule {
	if !f.virtual.IsValid() {
		return nil
	}
	return within(&expr.Ct{Key: expr.CtKeyDST, Register: reg}, f.virtual, expr.CmpOpNeq)
}

// tunnel lets in what comes through our tunnel from nodes alone. Other clusters' tunnels, by their numbers, are none of ours.
func (f facts) tunnel() []rule {
	return []rule{join(intoTunnel(f.vni), rule{
		loadSource(reg), &expr.Lookup{SourceRegister: reg, SetName: setPeers, Invert: true},
		&expr.Verdict{Kind: expr.VerdictDrop},
	})}
}

// marksOf tells the rules of a chain apart from any others.
func marksOf(rules []rule) (marks []string) {
	for _, r := range rules {
		sum := sha256.New()
		for _, e := range r {
			code, err := expr.Marshal(unix.NFPROTO_IPV4, e)
			if err != nil {
				panic(err) // a rule of ours that is none
			}
			sum.Write(code)
		}
		marks = append(marks, hex.EncodeToString(sum.Sum(nil)[:8]))
	}
	return marks
}
