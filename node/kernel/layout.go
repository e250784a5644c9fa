package kernel

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
)

// Names in our table.
const (
	chainPrerouting  = "prerouting"
	chainOutput      = "output"
	chainPostrouting = "postrouting"
	chainInput       = "input"
	chainRefuse      = "refuse"
	chainTimed       = "timed"
	chainForward     = "forward"
	pickChain        = "pick" // of a virtual address, pick-MODULUS, or pick-MODULUS-SECONDS where clients are held
	nodeChain        = "node" // of a NodePort, the same

	setServices  = "services"  // front to verdict
	setNodePorts = "nodeports" // the same of ports of nodes, apart: for each rule that asks a map the kernel looks at all of its verdicts when one changes
	setSlots     = "slots"     // front and number to place
	setItself    = "itself"    // addresses of this node's pods, twice each
	setPeers     = "peers"     // the nodes' addresses
	setRanges    = "ranges"    // of all nodes' pods
	setStays     = "stays"     // fronts that hold their clients, each with each of its places
	setDraws     = "draws"     // their fronts and numbers to places, as they are written down
	setShared    = "shared"    // fronts at which the host itself may come to listen
	setSources   = "sources"   // fronts, and from where they may be spoken to
	setLimited   = "limited"   // fronts of which that is said
	setStrangers = "strangers" // places of Services that are no pods', as fronts
	setClients   = "clients"   // front and client to place: the kernel writes it down as clients come

	setKnown      = "known"       // addresses of this node's pods of which policies say something, twice each
	setGuardedIn  = "guarded-in"  // of those that are spoken to as policies allow, to their chain
	setGuardedOut = "guarded-out" // of those that speak so
	setMembers    = "members"     // numbers of groups of pods, and who is in them
	setBlocks     = "blocks"      // numbers, and ranges of addresses
	setPorts      = "ports"       // numbers, and ranges of a protocol's ports
)

// layout is how an element's text is taken apart: a key, and behind it the last one of an interval, or the chain that it leads to.
type layout struct {
	key      int
	interval bool
	lingers  bool // what goes does so once no packet asks for it any more
	owner    int  // or so does the last that has the same first bytes of the key; 0: no
	guards   bool // it leads to a chain
}

// layouts are those of all that is more than a key, but for what leads to Services.
var layouts = map[string]layout{
	setSources:    {key: 16, interval: true, owner: 12},
	setKnown:      {key: 8},
	setGuardedIn:  {key: 4, owner: 4, guards: true},
	setGuardedOut: {key: 4, owner: 4, guards: true},
	setMembers:    {key: 8},
	setBlocks:     {key: 8, interval: true, lingers: true},
	setPorts:      {key: 12, interval: true, lingers: true},
}

// setNames are in the order in which their elements change: the kernel takes up what a transaction changes one by one, places before what leads to them.
// One of another shape needs another name, for what is there is never made anew.
var setNames = []string{setSlots, setServices, setNodePorts, setItself, setPeers, setRanges, setStays, setDraws, setClients,
	setShared, setSources, setLimited, setStrangers, setMembers, setBlocks, setPorts, setGuardedIn, setGuardedOut, setKnown}

// kept is the modulus up to which the chains are there whether they are used or not: to make one anew takes long, see change.readers.
const kept = 16

// bases are the chains that the kernel calls, by name.
var bases = map[string]nftables.Chain{
	chainPrerouting:  {Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest},
	chainOutput:      {Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest},
	chainPostrouting: {Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityRef(90)},
	chainInput:       {Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter},
	chainForward:     {Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter},
}

// chainsOf are the chains that are wanted for the fronts, with the marks of their rules.
func chainsOf(fronts map[front]picks, f facts) map[string][]string {
	all := maps.Clone(keptChains())
	all[chainTimed] = marksOf(rulesOf(chainTimed, f))
	for name := range bases {
		all[name] = marksOf(rulesOf(name, f))
	}
	for name := range f.admits {
		all[name] = marksOf(rulesOf(name, f))
	}
	for f, p := range fronts {
		if p.modulus <= kept && (p.holds == 0 || p.modulus == 0) {
			continue
		}
		if name := f.chain(p.verdict); all[name] == nil {
			all[name] = marksOf(rulesOf(name, facts{}))
		}
	}
	return all
}

// keptChains are always wanted.
var keptChains = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{chainRefuse: marksOf(rulesOf(chainRefuse, facts{}))}
	for n := 1; n <= kept; n++ {
		for _, kind := range []string{pickChain, nodeChain} {
			name := chainName(kind, verdict{modulus: n})
			all[name] = marksOf(rulesOf(name, facts{}))
		}
	}
	return all
})

func chainName(kind string, v verdict) string {
	if v.holds > 0 {
		return fmt.Sprintf("%s-%d-%d", kind, v.modulus, v.holds)
	}
	return fmt.Sprintf("%s-%d", kind, v.modulus)
}

// numberOf takes a chain's name apart; the modulus is 0 for one that has none.
func numberOf(chain string) (kind string, v verdict) {
	kind, numbers, _ := strings.Cut(chain, "-")
	modulus, holds, _ := strings.Cut(numbers, "-")
	v.modulus, _ = strconv.Atoi(modulus)
	v.holds, _ = strconv.Atoi(holds)
	if v.modulus < 1 || kind != pickChain && kind != nodeChain || chain != chainName(kind, v) {
		return "", verdict{}
	}
	return kind, v
}

var (
	frontType = []nftables.SetDatatype{nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService}
	slotType  = append(frontType[:3:3], nftables.TypeMark)                      // of the numbers' size; nft cannot print plain integers here
	heldType  = append([]nftables.SetDatatype{nftables.TypeMark}, placeType...) // see regEmpty
	guestType = append(frontType[:3:3], nftables.TypeIPAddr)
	stayType  = append(placeType[:2:2], frontType...)
	placeType = []nftables.SetDatatype{nftables.TypeIPAddr, nftables.TypeInetService}
	pairType  = []nftables.SetDatatype{nftables.TypeIPAddr, nftables.TypeIPAddr}
)

// setsOf are the table's sets and maps, by name.
func setsOf(t *nftables.Table) map[string]*nftables.Set {
	concat := nftables.MustConcatSetType
	all := map[string]*nftables.Set{
		setServices:  {KeyType: concat(frontType...), Concatenation: true, IsMap: true, DataType: nftables.TypeVerdict},
		setNodePorts: {KeyType: concat(frontType...), Concatenation: true, IsMap: true, DataType: nftables.TypeVerdict},
		setSlots:     {KeyType: concat(slotType...), Concatenation: true, IsMap: true, DataType: concat(placeType...)},
		setItself:    {KeyType: concat(pairType...), Concatenation: true},
		setShared:    {KeyType: concat(frontType...), Concatenation: true},
		setSources:   {KeyType: concat(guestType...), Concatenation: true, Interval: true},
		setLimited:   {KeyType: concat(frontType...), Concatenation: true},
		setStrangers: {KeyType: concat(frontType...), Concatenation: true},
		setPeers:     {KeyType: nftables.TypeIPAddr},
		setRanges:    {KeyType: nftables.TypeIPAddr, Interval: true},
		setStays:     {KeyType: concat(stayType...), Concatenation: true},
		setDraws:     {KeyType: concat(slotType...), Concatenation: true, IsMap: true, DataType: concat(heldType...)},
		setClients: {
			KeyType: concat(guestType...), Concatenation: true, IsMap: true, DataType: concat(heldType...), Dynamic: true, HasTimeout: true, Size: mostClients,
		},
	}
	for name, s := range map[string]*nftables.Set{
		setKnown:      {KeyType: concat(pairType...), Concatenation: true},
		setGuardedIn:  {KeyType: nftables.TypeIPAddr, IsMap: true, DataType: nftables.TypeVerdict},
		setGuardedOut: {KeyType: nftables.TypeIPAddr, IsMap: true, DataType: nftables.TypeVerdict},
		setMembers:    {KeyType: concat(nftables.TypeMark, nftables.TypeIPAddr), Concatenation: true},
		setBlocks:     {KeyType: concat(nftables.TypeMark, nftables.TypeIPAddr), Concatenation: true, Interval: true},
		setPorts:      {KeyType: concat(nftables.TypeMark, nftables.TypeInetProto, nftables.TypeInetService), Concatenation: true, Interval: true},
	} {
		all[name] = s
	}
	for name, s := range all {
		s.Table, s.Name, s.KeyByteOrder = t, name, binaryutil.BigEndian
	}
	return all
}

// Keys and data as the kernel has them: each part begins at four bytes.

func (f front) encode() []byte {
	return append(f.ip[:4:4], f.proto, 0, 0, 0, byte(f.port>>8), byte(f.port), 0, 0)
}

func (f front) slot(number int) []byte {
	return binary.NativeEndian.AppendUint32(f.encode(), uint32(number))
}

func frontFrom(b []byte) (f front, ok bool) {
	if len(b) < 12 {
		return front{}, false
	}
	return front{[4]byte(b), b[4], binary.BigEndian.Uint16(b[8:])}, true
}

func (p place) encode() []byte { return append(p.ip[:4:4], byte(p.port>>8), byte(p.port), 0, 0) }

func placeFrom(b []byte) (p place, ok bool) {
	if len(b) < 6 {
		return place{}, false
	}
	return place{[4]byte(b), binary.BigEndian.Uint16(b[4:])}, true
}
