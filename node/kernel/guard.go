package kernel

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

// Policies, as sets and chains have them. The node's own pods for which the same is allowed, in one direction, share a chain: a rule for each group of
// pods, or ranges of addresses, with ports. Who is in a group, and which ports are among some, is in sets that all chains ask, by number. So a pod that
// comes or changes is some elements, however many policies there are.
//
// Numbers and chains have their names by what they mean, and that never changes while anything leads there: a packet that is on its way finds the one or
// the other policy, and none that never was.

// side is one direction, seen from this node's own pods.
type side struct {
	chain   string // what the names of its chains begin with
	guarded string // the map that leads there
}

var (
	ingress = side{"in-", setGuardedIn}
	egress  = side{"out-", setGuardedOut}
)

// sideOf is the direction of a chain of pods that are guarded; ok is false for any other.
func sideOf(chain string) (s side, ok bool) {
	for _, s := range []side{ingress, egress} {
		if digest, is := strings.CutPrefix(chain, s.chain); is && len(digest) == 16 {
			return s, true
		}
	}
	return side{}, false
}

// admission is one rule of such a chain: who, and at which ports. Numbers are those in the sets; 0 is everybody, and all ports.
type admission struct {
	group, blocks uint32
	ports         uint32
}

// guarding is what the table's policies ask of this node.
type guarding struct {
	sets   map[string][]string
	chains map[string][]admission
}

// guard is how it is found out.
type guard struct {
	guarding
	all *route.Policies
	own netip.Prefix
	// groups, blocks and ports are the numbers of what rules ask for, by what says what it is.
	groups, blocks, ports map[string]uint32
}

// guards is empty where there are no policies, or no pods that could be guarded.
func guards(t *route.Table, own netip.Prefix) guarding {
	g := guard{guarding: guarding{map[string][]string{}, map[string][]admission{}}, all: t.Policies, own: own}
	for _, name := range []string{setKnown, setGuardedIn, setGuardedOut, setMembers, setBlocks, setPorts} {
		g.sets[name] = nil
	}
	if g.all == nil || !own.IsValid() {
		return g.guarding
	}
	for _, k := range g.all.Known {
		if own.Contains(k.IP) {
			g.add(setKnown, k.IP.AsSlice(), k.IP.AsSlice())
		}
	}
	in, out := map[netip.Addr][]route.Allow{}, map[netip.Addr][]route.Allow{}
	for _, p := range g.all.Each {
		if p.Ingress {
			g.allow(in, p.Pods, p.In)
		}
		if p.Egress {
			g.allow(out, p.Pods, p.Out)
		}
	}
	g.number(in, out)
	g.lead(ingress, in)
	g.lead(egress, out)
	for name := range g.sets {
		g.sets[name] = sorted(g.sets[name])
	}
	return g.guarding
}

func (g *guard) add(set string, parts ...[]byte) {
	g.sets[set] = append(g.sets[set], string(slices.Concat(parts...)))
}

// allow takes in a policy's rules for one direction. A pod that is allowed nothing is there, too.
func (g *guard) allow(pods map[netip.Addr][]route.Allow, selected int, rules []route.Allow) {
	for _, ip := range g.mine(selected) {
		pods[ip] = append(pods[ip], []route.Allow{}...)
	}
	for _, r := range rules {
		for _, ip := range g.mine(r.Pods) {
			pods[ip] = append(pods[ip], r)
		}
	}
}

// mine are the pods of a group that are this node's.
func (g *guard) mine(group int) (all []netip.Addr) {
	for _, ip := range g.all.Groups[group].IPs {
		if g.own.Contains(ip) {
			all = append(all, ip)
		}
	}
	return all
}

// number gives all that rules ask for its number, and fills the sets.
func (g *guard) number(sides ...map[netip.Addr][]route.Allow) {
	groups, blocks, ports := map[string]int{}, map[string][]route.Block{}, map[string][]route.Ports{}
	for _, pods := range sides {
		for _, rules := range pods {
			for _, r := range rules {
				for _, p := range r.Peers {
					groups[g.all.Groups[p].Key] = p
				}
				blocks[fmt.Sprint(r.Blocks)], ports[fmt.Sprint(r.Ports)] = r.Blocks, r.Ports
			}
		}
	}
	g.groups, g.blocks, g.ports = numbered(groups), numbered(blocks), numbered(ports)
	for key, group := range groups {
		for _, ip := range g.all.Groups[group].IPs {
			g.add(setMembers, native(g.groups[key]), ip.AsSlice())
		}
	}
	for key, all := range blocks {
		for _, r := range union(all) {
			number := native(g.blocks[key])
			g.add(setBlocks, number, address4(r[0]), number, address4(r[1]))
		}
	}
	for key, all := range ports {
		for proto, spans := range spansOf(all) {
			for _, r := range spans {
				number := native(g.ports[key])
				g.add(setPorts, number, portKey(proto, r[0]), number, portKey(proto, r[1]))
			}
		}
	}
}

// numbered gives each its number, which follows from its key, and is another one for the later of two that would have the same.
func numbered[T any](all map[string]T) map[string]uint32 {
	of, taken := make(map[string]uint32, len(all)), map[uint32]bool{0: true}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(key))
		number := sum.Sum32()
		for taken[number] {
			number++
		}
		of[key], taken[number] = number, true
	}
	return of
}

// lead makes the chains of one direction, and leads the pods there.
func (g *guard) lead(s side, pods map[netip.Addr][]route.Allow) {
	for ip, rules := range pods {
		var admits []admission
		for _, r := range rules {
			admits = append(admits, g.admissions(r)...)
		}
		slices.SortFunc(admits, func(a, b admission) int { return slices.Compare(a.key(), b.key()) })
		admits = slices.Compact(admits)
		name := s.chain + digest(admits)
		g.chains[name] = admits
		g.add(s.guarded, ip.AsSlice(), []byte(name))
	}
}

func (g *guard) admissions(r route.Allow) (all []admission) {
	made := admission{}
	if len(r.Ports) > 0 {
		made.ports = g.ports[fmt.Sprint(r.Ports)]
	}
	if r.Anyone {
		return []admission{made}
	}
	for _, p := range r.Peers {
		all = append(all, admission{group: g.groups[g.all.Groups[p].Key], ports: made.ports})
	}
	if len(r.Blocks) > 0 {
		all = append(all, admission{blocks: g.blocks[fmt.Sprint(r.Blocks)], ports: made.ports})
	}
	return all
}

func (a admission) key() []uint32 { return []uint32{a.group, a.blocks, a.ports} }

func digest(admits []admission) string {
	sum := sha256.Sum256(fmt.Append(nil, admits))
	return hex.EncodeToString(sum[:8])
}

// spansOf are ports by protocol, as ranges with both ends.
func spansOf(ports []route.Ports) map[byte][][2]uint32 {
	all := map[byte][][2]uint32{}
	for _, p := range ports {
		proto := protocol(p.Protocol)
		if p.Protocol == "sctp" {
			proto = unix.IPPROTO_SCTP
		}
		all[proto] = append(all[proto], [2]uint32{uint32(p.First), uint32(p.Last)})
	}
	for proto := range all {
		all[proto] = merged(all[proto])
	}
	return all
}

// union are the addresses that some block has, as ranges with both ends.
func union(blocks []route.Block) (all [][2]uint32) {
	for _, b := range blocks {
		first, last := ends(b.Range)
		var holes [][2]uint32
		for _, e := range b.Except {
			from, to := ends(e)
			holes = append(holes, [2]uint32{from, to})
		}
		at, spent := first, false
		for _, h := range merged(holes) {
			if h[0] > at {
				all = append(all, [2]uint32{at, h[0] - 1})
			}
			at, spent = h[1]+1, h[1] == last
		}
		if !spent {
			all = append(all, [2]uint32{at, last})
		}
	}
	return merged(all)
}

// merged are ranges in order, of which none touches another.
func merged(ranges [][2]uint32) (all [][2]uint32) {
	slices.SortFunc(ranges, func(a, b [2]uint32) int { return slices.Compare(a[:], b[:]) })
	for _, r := range ranges {
		if last := len(all) - 1; last >= 0 && uint64(r[0]) <= uint64(all[last][1])+1 {
			all[last][1] = max(all[last][1], r[1])
		} else {
			all = append(all, r)
		}
	}
	return all
}

// ends are a range's first and last address.
func ends(p netip.Prefix) (first, last uint32) {
	first = binary.BigEndian.Uint32(p.Masked().Addr().AsSlice())
	return first, first | uint32(1<<(32-p.Bits())-1)
}

func address4(ip uint32) []byte { return binary.BigEndian.AppendUint32(nil, ip) }

func portKey(proto byte, port uint32) []byte {
	return []byte{proto, 0, 0, 0, byte(port >> 8), byte(port), 0, 0}
}

func native(number uint32) []byte { return binary.NativeEndian.AppendUint32(nil, number) }
