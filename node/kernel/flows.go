package kernel

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// flows are what conntrack remembers though the table says something else by now. TCP's connections are never cut: each of them lives with its pod. But a
// UDP client that keeps its port stays with a pod for as long as it sends; and what came to a virtual address before there were rules went nowhere, and so would
// the next connection from its port.
type flows struct {
	udp   bool // some UDP front has changed
	all   bool // there may have been no rules for a while
	left  map[aim]bool
	fresh map[front]bool // UDP fronts that led nowhere
}

// aim is a front and where its flows were sent.
type aim struct {
	front
	place
}

// note takes in what a change means for flows; mends: it puts right what may not have been so for a while.
func (f *flows) note(c change, mends bool) {
	f.all = f.all || mends
	if f.left == nil {
		f.left, f.fresh = map[aim]bool{}, map[front]bool{}
	}
	for _, s := range c.slots {
		if s.proto == unix.IPPROTO_UDP {
			f.udp, f.left[aim{s.front, s.from}] = true, true
		}
	}
	for _, m := range c.fronts {
		f.udp = f.udp || m.proto == unix.IPPROTO_UDP
		if m.proto == unix.IPPROTO_UDP && m.from.modulus < 1 {
			f.fresh[m.front] = true
		}
	}
	for _, e := range c.elements {
		f.udp = f.udp || e.set == setLimited || e.set == setSources
	}
}

// end ends those flows, in one go. What fails is done at the next call.
func (f *flows) end(want *state) error {
	if !f.udp && !f.all {
		return nil
	}
	local, err := addresses()
	if err != nil {
		return err
	}
	for range mostTries { // the kernel says when the list may have lost some because it changed meanwhile
		_, err = netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, judge{*f, want, local})
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err == nil {
		*f = flows{}
	}
	return err
}

// judge says which flows are to end for the kernel to do as is wanted.
type judge struct {
	flows
	want  *state
	local map[netip.Addr]bool // the host's addresses
}

func (j judge) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	to, known := netip.AddrFromSlice(flow.Forward.DstIP.To4())
	by, also := netip.AddrFromSlice(flow.Reverse.SrcIP.To4())
	if !known || !also {
		return false
	}
	went := place{by.As4(), flow.Reverse.SrcPort}
	at := front{to.As4(), flow.Forward.Protocol, flow.Forward.DstPort}
	untouched := went == place{at.ip, at.port}
	udp := at.proto == unix.IPPROTO_UDP
	switch virtual := j.want.virtual.Contains(to); {
	case virtual && untouched:
		return udp || j.all
	case !udp:
		return false
	case virtual:
		return !j.leads(at, went)
	}
	if _, is := j.want.fronts[at]; !is && !j.left[aim{at, went}] {
		at.ip = [4]byte{} // it is no address outside
	}
	if untouched {
		return j.opens(at) && (!at.node() || j.local[to])
	}
	return j.strays(at, went) || j.leads(at, went) && !j.admits(at, flow.Forward.SrcIP)
}

// admits says whether who is at the address may come to the front. The host's own processes may.
func (j judge) admits(f front, from net.IP) bool {
	key := string(f.encode())
	if _, limited := slices.BinarySearch(j.want.sets[setLimited], key); !limited {
		return true
	}
	if own, ok := netip.AddrFromSlice(from.To4()); ok && j.local[own] {
		return true
	}
	ip := string(from.To4())
	return slices.ContainsFunc(j.want.sets[setSources], func(s string) bool {
		return s[:12] == key && s[12:16] <= ip && ip <= s[28:]
	})
}

// leads says whether the front's connections may go to the place.
func (j judge) leads(f front, to place) bool {
	return slices.Contains(j.want.fronts[f].places, to)
}

// opens says whether what came to the front had no rule to go by, and has one now.
func (j judge) opens(f front) bool { return j.want.fronts[f].modulus > 0 && (j.all || j.fresh[f]) }

// strays says whether a flow from outside goes to a pod of the cluster that is none of its places, or was.
func (j judge) strays(f front, to place) bool {
	if j.leads(f, to) {
		return false
	}
	return j.left[aim{f, to}] || len(j.want.fronts[f].places) > 0 && j.want.inRanges(to)
}

// inRanges says whether the place is a pod's.
func (s *state) inRanges(p place) bool {
	return slices.ContainsFunc(s.sets[setRanges], func(r string) bool { return r[:4] <= string(p.ip[:]) && string(p.ip[:]) < r[4:] })
}
