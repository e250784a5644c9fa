package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// read is what the kernel has under our name; an empty state when there is no such table.
func (l *link) read() (*state, error) {
	s := &state{chains: map[string][]string{}, fronts: map[front]picks{}, sets: map[string][]string{}}
	_, err := l.ListTableOfFamily(l.table.Name, l.table.Family)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if err := l.readSets(s); err != nil {
		return nil, err
	}
	return s, l.readChains(s)
}

func (l *link) readSets(s *state) error {
	found, err := l.GetSets(l.table)
	if err != nil {
		return err
	}
	objects, err := l.objects()
	if err != nil {
		return err
	}
	s.laid, s.untimed = true, !slices.ContainsFunc(objects, func(o nftables.Obj) bool {
		named, is := o.(*nftables.NamedObj)
		return is && named.Name == timeouts
	})
	for _, name := range setNames {
		if !slices.ContainsFunc(found, func(f *nftables.Set) bool { return f.Name == name }) {
			s.laid = false
			continue
		}
		if name == setClients {
			continue // what the kernel itself remembers there is its own
		}
		elements, err := l.GetSetElements(l.sets[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.take(name, elements)
	}
	return nil
}

// take adds what was found in a set.
func (s *state) take(set string, elements []nftables.SetElement) {
	if set == setRanges {
		s.sets[set] = paired(elements)
		return
	}
	for _, e := range elements {
		switch set {
		case setServices, setNodePorts:
			if f, ok := frontFrom(e.Key); ok {
				p := s.fronts[f]
				p.verdict = verdictFrom(f, e.Val)
				s.fronts[f] = p
			}
		case setSlots:
			s.takeSlot(e)
		default:
			if l, of := layouts[set]; of {
				s.sets[set] = append(s.sets[set], l.text(e))
				continue
			}
			s.sets[set] = append(s.sets[set], string(e.Key)+string(e.Val))
		}
	}
	s.sets[set] = sorted(s.sets[set])
}

// paired are the intervals whose ends were found, as intervals gives them. An end without a beginning is left out: it means nothing.
func paired(found []nftables.SetElement) (all []string) {
	slices.SortFunc(found, func(a, b nftables.SetElement) int { return bytes.Compare(a.Key, b.Key) })
	for _, e := range found {
		last := len(all) - 1
		switch {
		case !e.IntervalEnd:
			all = append(all, string(e.Key))
		case last >= 0 && len(all[last]) == 4:
			all[last] += string(e.Key)
		}
	}
	return all
}

// mostFound bounds the numbers that are believed to be ours.
const mostFound = 1 << 16

func (s *state) takeSlot(e nftables.SetElement) {
	f, ok := frontFrom(e.Key)
	to, is := placeFrom(e.Val)
	if !ok || !is || len(e.Key) != 16 {
		return
	}
	number := int(binary.NativeEndian.Uint32(e.Key[12:]))
	if number >= mostFound {
		return
	}
	p, there := s.fronts[f]
	if !there {
		p.verdict = none
	}
	if more := number + 1 - len(p.places); more > 0 {
		p.places = append(p.places, make([]place, more)...)
	}
	p.places[number] = to
	s.fronts[f] = p
}

// verdictFrom reads a verdict. One that is none of ours is like the wrong number.
func verdictFrom(f front, data []byte) verdict {
	chain := chainOf(data)
	if _, v := numberOf(chain); chain != "" && chain == f.chain(v) {
		return v
	}
	return verdict{modulus: -2}
}

// chainOf is where a verdict leads; empty where it does not.
func chainOf(verdict []byte) string {
	attributes, err := netlink.NewAttributeDecoder(verdict)
	if err != nil {
		return ""
	}
	for attributes.Next() {
		if attributes.Type() == unix.NFTA_VERDICT_CHAIN {
			return attributes.String()
		}
	}
	return ""
}

func (l *link) readChains(s *state) error {
	chains, err := l.ListChainsOfTableFamily(l.table.Family)
	if err != nil {
		return err
	}
	for _, c := range chains {
		_, v := numberOf(c.Name)
		_, base := bases[c.Name]
		_, guards := sideOf(c.Name)
		if c.Table.Name == l.table.Name && (v.modulus > 0 || base || guards || c.Name == chainRefuse || c.Name == chainTimed) {
			s.chains[c.Name] = []string{}
		}
	}
	return l.marks(l.table, func(chain, mark string) {
		if marks, ours := s.chains[chain]; ours {
			s.chains[chain] = append(marks, mark)
		}
	})
}

// marks reads of a table's rules no more than is needed to tell them apart. (Conn.GetRules cannot read what it wrote of ct.)
func (l *link) marks(of *nftables.Table, each func(chain, mark string)) error {
	name, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.NFTA_RULE_TABLE, Data: []byte(of.Name + "\x00")}})
	if err != nil {
		return err
	}
	rules, err := l.raw.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE, Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{byte(of.Family), unix.NFNETLINK_V0, 0, 0}, name...),
	})
	if err != nil {
		return err
	}
	for _, r := range rules {
		chain, mark, err := markOf(r)
		if err != nil {
			return err
		}
		each(chain, mark)
	}
	return nil
}

func markOf(rule netlink.Message) (chain, mark string, err error) {
	attributes, err := netlink.NewAttributeDecoder(rule.Data[4:])
	if err != nil {
		return "", "", err
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.NFTA_RULE_CHAIN:
			chain = attributes.String()
		case unix.NFTA_RULE_USERDATA:
			mark, _ = userdata.GetString(attributes.Bytes(), userdata.TypeComment)
		}
	}
	return chain, mark, attributes.Err()
}
