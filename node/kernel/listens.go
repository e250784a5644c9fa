package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/dump"
)

// heard is what a host listens to.
type heard struct {
	sockets []socket
	local   map[netip.Addr]bool // its own addresses
}

// socket is one that takes what comes.
type socket struct {
	proto byte
	port  uint16
	at    netip.Addr // unspecified: at all addresses of the host
}

// at says whether the host has what comes to the front. What is bound to its loopback, or to the address given, does not count.
func (h heard) at(f front, but netip.Addr) bool {
	ip := netip.AddrFrom4(f.ip)
	if !f.node() && !h.local[ip] {
		return false
	}
	for _, s := range h.sockets {
		if s.proto != f.proto || s.port != f.port {
			continue
		}
		if s.at.IsUnspecified() || s.at == ip || f.node() && !s.at.IsLoopback() && s.at != but {
			return true
		}
	}
	return false
}

// kinds are the protocols, and the state in which their sockets take what comes from anybody.
var kinds = []struct {
	proto byte
	state uint32
}{{unix.IPPROTO_TCP, 10}, {unix.IPPROTO_UDP, 7}}

// listens is what the host of this thread's network namespace listens to.
func listens() (h heard, err error) {
	if h.local, err = addresses(); err != nil {
		return h, err
	}
	for _, k := range kinds {
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			found, err := socketsOf(query{family, k.proto, k.state})
			if err != nil {
				return h, fmt.Errorf("sockets of %s: %w", protocols[k.proto], err)
			}
			h.sockets = append(h.sockets, found...)
		}
	}
	return h, nil
}

// addresses are those of the host of this thread's network namespace.
func addresses() (map[netip.Addr]bool, error) {
	found, err := dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("addresses: %w", err)
	}
	all := make(map[netip.Addr]bool, len(found))
	for _, a := range found {
		if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok {
			all[ip] = true
		}
	}
	return all, nil
}

// query asks the kernel for the sockets of a protocol that are in one state.
type query struct {
	family, proto byte
	state         uint32
}

func (q query) Len() int { return 56 } // struct inet_diag_req_v2

func (q query) Serialize() []byte {
	return append(binary.NativeEndian.AppendUint32([]byte{q.family, q.proto, 0, 0}, 1<<q.state), make([]byte, 48)...)
}

func socketsOf(q query) (all []socket, err error) {
	ask := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	ask.AddData(q)
	answers, err := ask.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	for _, a := range answers {
		if s, ok := socketFrom(a, q.proto); ok {
			all = append(all, s)
		}
	}
	return all, nil
}

// socketFrom reads struct inet_diag_msg. One that takes IPv6 alone is none of ours, but where it is bound to all addresses: that may be of both.
func socketFrom(b []byte, proto byte) (s socket, ok bool) {
	if len(b) < 24 {
		return s, false
	}
	at := netip.AddrFrom4([4]byte(b[8:]))
	if b[0] == unix.AF_INET6 {
		at = netip.AddrFrom16([16]byte(b[8:])).Unmap()
	}
	return socket{proto, binary.BigEndian.Uint16(b[4:]), at}, at.Is4() || at.IsUnspecified()
}
