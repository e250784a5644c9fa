package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func join(parts ...rule) rule { return slices.Concat(parts...) }

func loadSource(into uint32) expr.Any {
	return &expr.Payload{DestRegister: into, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
}

func loadDestination(into uint32) expr.Any {
	return &expr.Payload{DestRegister: into, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
}

func loadPort(into uint32) expr.Any {
	return &expr.Payload{DestRegister: into, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
}

// anyAddress stands for the host's addresses in the key of a NodePort.
func anyAddress(into uint32) expr.Any {
	return &expr.Immediate{Register: into, Data: make([]byte, 4)}
}

// addressOf loads the address of a front, by the kind of its chain.
func addressOf(kind string, into uint32) expr.Any {
	if kind == nodeChain {
		return anyAddress(into)
	}
	return loadDestination(into)
}

// key loads a front: the address, by the expression given, and the packet's protocol and port.
func key(address expr.Any) rule {
	return rule{address, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg + 1}, loadPort(reg + 2)}
}

// lead goes where the map says that the key leads.
func lead(set string) rule {
	return rule{&expr.Lookup{SourceRegister: reg, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: set}}
}

func member(load expr.Any, set string) rule {
	return rule{load, &expr.Lookup{SourceRegister: reg, SetName: set}}
}

func snat() rule {
	return rule{&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg}}
}

func is(data []byte) expr.Any    { return &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: data} }
func isNot(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: data} }

func masked(mask []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: mask, Xor: make([]byte, 4)}
}

// hasSocket asks whether somebody here listens to the packet. What is then asked of the socket, whether it is bound to no address, is one or the other.
func hasSocket() rule {
	return rule{&expr.Socket{Key: expr.SocketKeyWildcard, Register: reg}, &expr.Cmp{Op: expr.CmpOpLte, Register: reg, Data: []byte{1}}}
}

// within asks whether the address that is loaded is of the range.
func within(load expr.Any, of netip.Prefix, op expr.CmpOp) rule {
	mask := binary.BigEndian.AppendUint32(nil, uint32(0xffffffff<<(32-of.Bits())))
	return rule{load, masked(mask), &expr.Cmp{Op: op, Register: reg, Data: of.Masked().Addr().AsSlice()}}
}

// isLocal asks whether the packet goes to the host, and not by its loopback.
func isLocal() rule {
	kind := make([]byte, 4)
	binary.NativeEndian.PutUint32(kind, local)
	return join(
		rule{&expr.Fib{Register: reg, ResultADDRTYPE: true, FlagDADDR: true}, is(kind)},
		within(loadDestination(reg), netip.MustParsePrefix("127.0.0.0/8"), expr.CmpOpNeq),
	)
}
