package kernel

import (
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Clients that are held. The kernel writes down, for each front that holds its clients, where each was sent last, and sends him there again while the
// place is one of the front's. What it wrote outlives tables and processes; it ends by itself when nobody came for as long as the front holds.

// mostClients bounds those that the kernel remembers. One more is sent anywhere until somebody is forgotten.
const mostClients = 1 << 17

// Registers of the rules that hold clients, beside a front and its client, which begin at reg. What maps give them begins with four empty bytes: nft takes all
// that a map gives for the first register's, and gives up where that is a part of something else. So it lists the place behind as what was loaded there before.
const (
	regEmpty = reg + 4
	regPlace = reg + 5
	regFront = reg + 7
)

// stays are the fronts that hold clients, each with each of its places: what a client was sent to holds for as long as it is one of them.
func stays(fronts map[front]picks) (all []string) {
	for f, p := range fronts {
		if p.holds == 0 {
			continue
		}
		for _, to := range p.places {
			all = append(all, string(to.encode())+string(f.encode()))
		}
	}
	return sorted(all)
}

// draws are the numbers of fronts that hold clients, each with its place as it is written down. There is no harm in missing one: see choose.
func draws(fronts map[front]picks) (all []string) {
	for f, p := range fronts {
		if p.holds == 0 {
			continue
		}
		for n, to := range p.places {
			all = append(all, string(f.slot(n))+string(make([]byte, 4))+string(to.encode()))
		}
	}
	return sorted(all)
}

// frontAt loads a front.
func frontAt(kind string, at uint32) rule {
	return rule{addressOf(kind, at), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: at + 1}, loadPort(at + 2)}
}

// hold sends a client where he was sent last, and else to what he draws, which is written down. A place that is the front's no more is crossed out first,
// for what is there is never overwritten. Where nothing can be written down any more, a client is sent anywhere.
func hold(kind string, v verdict) []rule {
	anywhere := choose(addressOf(kind, reg), v.modulus)
	client := join(frontAt(kind, reg), rule{loadSource(reg + 3), loadSource(regPlace), loadPort(regPlace + 1)}, frontAt(kind, regFront))
	empty := &expr.Immediate{Register: regEmpty, Data: make([]byte, 4)}
	was := join(client, rule{
		&expr.Lookup{SourceRegister: reg, DestRegister: regEmpty, IsDestRegSet: true, SetName: setClients}, empty,
	})
	drawn := join(client, rule{
		&expr.Numgen{Register: regFront + 3, Modulus: uint32(v.modulus), Type: unix.NFT_NG_RANDOM},
		&expr.Lookup{SourceRegister: regFront, DestRegister: regEmpty, IsDestRegSet: true, SetName: setDraws}, empty,
	})
	send := rule{
		&expr.Dynset{SrcRegKey: reg, SrcRegData: regEmpty, SetName: setClients, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: time.Duration(v.holds) * time.Second},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: regPlace, RegProtoMin: regPlace + 1},
	}
	return append([]rule{
		anywhere[0],
		join(was, rule{&expr.Lookup{SourceRegister: regPlace, SetName: setStays}}, send),
		join(was, rule{
			&expr.Lookup{SourceRegister: regPlace, SetName: setStays, Invert: true},
			&expr.Dynset{SrcRegKey: reg, SrcRegData: regEmpty, SetName: setClients, Operation: dynsetDelete},
		}),
		join(drawn, send),
	}, anywhere[1:]...)
}

const dynsetDelete = 2 // NFT_DYNSET_OP_DELETE
