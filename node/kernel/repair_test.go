package kernel

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

func TestWhatSomebodyElseChangesIsPutRight(t *testing.T) {
	l := newLab(t, 2)
	k := New("one", quiet())
	strange := limitedTo("192.0.2.0/24", "203.0.113.0/24")
	strange.IP, strange.Endpoints = netip.MustParseAddr("10.43.0.4"), []route.Endpoint{{IP: netip.MustParseAddr("203.0.113.80"), Ports: []uint16{80, 53}}}
	table := tableOf(service(1, 0), service(2, 1), service(3), strange)
	l.put(k, table)
	want := wantOf(table, "n1", k.named.VNI, false)
	for _, c := range []struct {
		name string
		do   func(*link) error
	}{
		{"all rules", func(l *link) error { l.FlushRuleset(); return nil }},
		{"rules of the table", func(l *link) error { l.FlushTable(l.table); return nil }},
		{"a base chain's rules", func(l *link) error {
			l.FlushChain(&nftables.Chain{Table: l.table, Name: chainPrerouting})
			return nil
		}},
		{"a verdict", func(l *link) error {
			return l.SetDeleteElements(l.sets[setServices], []nftables.SetElement{{Key: front{[4]byte{10, 43, 0, 1}, unix.IPPROTO_TCP, 80}.encode()}})
		}},
		{"all verdicts and places", func(l *link) error {
			l.FlushSet(l.sets[setServices])
			l.FlushSet(l.sets[setSlots])
			return nil
		}},
		{"a place", func(l *link) error {
			key := front{[4]byte{10, 43, 0, 1}, unix.IPPROTO_TCP, 80}.slot(0)
			return errors.Join(l.SetDeleteElements(l.sets[setSlots], []nftables.SetElement{{Key: key}}),
				l.SetAddElements(l.sets[setSlots], []nftables.SetElement{{Key: key, Val: place{[4]byte{10, 42, 1, 99}, 1}.encode()}}))
		}},
		{"who may come, and who is no pod", func(l *link) error {
			for _, set := range []string{setLimited, setSources, setShared, setStrangers} {
				l.FlushSet(l.sets[set])
			}
			return nil
		}},
		{"from where somebody may come", func(l *link) error {
			key := string(front{outsideIP.As4(), unix.IPPROTO_TCP, 80}.encode())
			return l.SetAddElements(l.sets[setSources], []nftables.SetElement{{Key: []byte(key + "\x08\x00\x00\x00"), KeyEnd: []byte(key + "\x09\x00\x00\x00")}})
		}},
		{"the nodes' ranges", func(l *link) error { l.FlushSet(l.sets[setRanges]); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			do(t, l.host, func() error {
				other, err := open(k.named.Table)
				if err != nil {
					return err
				}
				defer other.close()
				return errors.Join(c.do(other), other.Flush())
			})
			l.put(k, table)
			do(t, l.host, func() error {
				found, err := found()
				if err == nil && len(diff(found, want)) > 0 {
					t.Errorf("left to do: %v", diff(found, want))
				}
				return err
			})
			if a := l.ask(l.pods[1], "tcp", "10.43.0.1:80"); a.pod != 0 {
				t.Error(a)
			}
		})
	}
}

// What was sent while there were no rules went nowhere, and its source port must not stay bound to that.
func TestASourcePortIsUsedAgainAfterARepair(t *testing.T) {
	l := newLab(t, 2)
	k := New("one", quiet())
	table := tableOf(service(1, 0))
	l.put(k, table)
	do(t, l.host, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		conn.FlushRuleset()
		return conn.Flush()
	})
	from := &net.TCPAddr{Port: 23456}
	do(t, l.pods[1], func() error {
		d := net.Dialer{LocalAddr: from, Timeout: 50 * time.Millisecond}
		if c, err := d.Dial("tcp4", "10.43.0.1:80"); err == nil {
			c.Close()
			t.Error("somebody answered though there were no rules")
		}
		return nil
	})
	l.put(k, table)
	do(t, l.pods[1], func() error {
		d := net.Dialer{LocalAddr: from, Timeout: soon}
		c, err := d.Dial("tcp4", "10.43.0.1:80")
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// What the kernel refuses is tried again from what is there.
func TestAWrongBeliefIsGivenUp(t *testing.T) {
	l := newLab(t, 1)
	k := New("one", quiet())
	l.put(k, tableOf(service(1, 0)))
	k.have.fronts[front{proto: unix.IPPROTO_TCP, port: 1}] = picks{verdict{modulus: 1}, []place{{port: 1}}}
	l.put(k, tableOf(service(1, 0), service(2, 0)))
	if a := l.ask(l.host, "tcp", "10.43.0.2:80"); a.pod != 0 {
		t.Error(a)
	}
}

func TestNodesComeAndGo(t *testing.T) {
	space := newSpace(t)
	k := New("one", quiet())
	r := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		table := tableOf()
		table.Nodes = nil
		for n := range 12 {
			if r.IntN(2) == 0 {
				at := [4]byte{10, 42, byte(n * 16), 0}
				table.Nodes = append(table.Nodes, route.Node{Address: netip.AddrFrom4(at), Range: netip.PrefixFrom(netip.AddrFrom4(at), 20+r.IntN(2))})
			}
		}
		do(t, space, func() error {
			if err := k.Put(table, "n1"); err != nil {
				return err
			}
			found, err := found()
			if err == nil && len(diff(found, wantOf(table, "n1", k.named.VNI, false))) > 0 {
				t.Errorf("left to do: %v", diff(found, wantOf(table, "n1", k.named.VNI, false)))
			}
			return err
		})
	}
}

func TestOthersChangeTheirsMeanwhile(t *testing.T) {
	l := newLab(t, 2)
	ctx, stop := context.WithCancel(context.Background())
	var others errgroup.Group
	others.Go(func() error {
		return inside(l.host, func() error {
			conn, err := nftables.New(nftables.AsLasting())
			if err != nil {
				return err
			}
			defer conn.CloseLasting()
			theirs := &nftables.Table{Name: "theirs", Family: nftables.TableFamilyIPv4}
			for ctx.Err() == nil && err == nil {
				conn.AddTable(theirs)
				conn.DelTable(theirs)
				err = conn.Flush()
			}
			return err
		})
	})
	k := New("one", quiet())
	for n := range 40 {
		l.put(k, tableOf(service(1, n%2)))
		if a := l.ask(l.host, "tcp", "10.43.0.1:80"); a.pod != n%2 {
			t.Errorf("pod %d answered after change %d", a.pod, n)
		}
	}
	stop()
	if err := others.Wait(); err != nil {
		t.Error(err)
	}
}
