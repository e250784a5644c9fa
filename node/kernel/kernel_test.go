package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"

	"github.com/podkeep/podkeep/node/route"
)

func TestAServiceIsReachedFromHostAndPods(t *testing.T) {
	l := newLab(t, 2)
	k := New("one", quiet())
	l.put(k, tableOf(service(1, 0), service(2, farPod)))
	for _, c := range []struct {
		name, network, to string
		from              netns.NsHandle
		want              answer
	}{
		{"host, tcp", "tcp", "10.43.0.1:80", l.host, answer{0, "10.42.1.1"}},
		{"host, udp", "udp", "10.43.0.1:53", l.host, answer{0, "10.42.1.1"}},
		{"a pod of the same bridge, tcp", "tcp", "10.43.0.1:80", l.pods[1], answer{0, podIP(1).String()}},
		{"a pod of the same bridge, udp", "udp", "10.43.0.1:53", l.pods[1], answer{0, podIP(1).String()}},
		{"a pod to itself", "tcp", "10.43.0.1:80", l.pods[0], answer{0, "10.42.1.1"}},
		{"host to another node", "tcp", "10.43.0.2:80", l.host, answer{farPod, "10.42.1.1"}},
		{"a pod to another node", "udp", "10.43.0.2:53", l.pods[0], answer{farPod, podIP(0).String()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := l.ask(c.from, c.network, c.to); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestWhatHasNoPlacesIsRefusedAtOnce(t *testing.T) {
	l := newLab(t, 1)
	empty := service(1)
	empty.Ports[0].NodePort = 30080
	l.put(New("one", quiet()), tableOf(empty, service(2, 0)))
	for _, from := range []netns.NsHandle{l.host, l.pods[0]} {
		l.refused(from, "tcp", "10.43.0.1:80")
		l.refused(from, "udp", "10.43.0.1:53")
		l.refused(from, "tcp", "10.43.0.2:81") // of a Service, that has no such port
		l.refused(from, "udp", "10.43.0.2:80")
		l.refused(from, "tcp", "10.43.9.9:80") // of nobody
	}
	l.refused(l.outside, "tcp", hostIP+":30080")
}

func TestANodePortIsReachedFromOutside(t *testing.T) {
	l := newLab(t, 2)
	near, far := service(1, 0), service(2, farPod)
	near.Ports[0].NodePort, near.Ports[1].NodePort = 30080, 30053
	far.Ports[0].NodePort, far.Ports[1].NodePort = 30081, 30054
	l.put(New("one", quiet()), tableOf(near, far))
	for _, c := range []struct {
		name, network, to string
		from              netns.NsHandle
		want              answer
	}{
		{"keeps the source for a pod of this node", "tcp", hostIP + ":30080", l.outside, answer{0, "192.0.2.2"}},
		{"udp", "udp", hostIP + ":30053", l.outside, answer{0, "192.0.2.2"}},
		{"comes back by this node from a pod of another", "tcp", hostIP + ":30081", l.outside, answer{farPod, "10.42.1.1"}},
		{"comes back by this node from a pod of another, udp", "udp", hostIP + ":30054", l.outside, answer{farPod, "10.42.1.1"}},
		{"from the host itself", "tcp", hostIP + ":30081", l.host, answer{farPod, "10.42.1.1"}},
		{"from a pod", "tcp", hostIP + ":30080", l.pods[1], answer{0, podIP(1).String()}},
		{"from a pod to itself", "tcp", hostIP + ":30080", l.pods[0], answer{0, "10.42.1.1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := l.ask(c.from, c.network, c.to); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	l.refused(l.host, "tcp", "127.0.0.1:30080")
}

func TestWeightsAreSharesOfConnections(t *testing.T) {
	l := newLab(t, 2)
	s := service(1, 0, 1)
	s.Endpoints[0].Weight, s.Endpoints[1].Weight = 297, 3
	l.put(New("one", quiet()), tableOf(s))
	const all = 6000
	var rare int
	do(t, l.host, func() error {
		for range all {
			a, err := ask("udp", "10.43.0.1:53")
			if err != nil {
				return err
			}
			rare += a.pod
		}
		return nil
	})
	if rare < 25 || rare > 110 { // 60 are meant: by chance it is less or more once in a million runs
		t.Errorf("%d of %d connections went to the pod of weight 1 in 100", rare, all)
	}
}

func TestANodeWithoutPodNetworkStillTranslates(t *testing.T) {
	l := newLab(t, 1)
	table := tableOf(service(1, 0))
	table.Nodes[0].Range = netip.Prefix{}
	k := New("one", quiet())
	l.put(k, table)
	if got := l.ask(l.host, "tcp", "10.43.0.1:80"); got.pod != 0 {
		t.Error(got)
	}
	do(t, l.host, func() error { return k.Put(table, "nobody") })
	if got := l.ask(l.host, "tcp", "10.43.0.1:80"); got.pod != 0 {
		t.Error(got)
	}
}

func TestRemoveTakesOursAlone(t *testing.T) {
	l := newLab(t, 1)
	one, two := New("one", quiet()), New("two", quiet())
	l.put(one, tableOf(service(1, 0)))
	l.put(two, tableOf())
	do(t, l.host, func() error { return errors.Join(one.Remove(), one.Remove()) })
	if got := l.tables(); !slices.Equal(slices.Compact(got), []string{"podkeep-two"}) {
		t.Error(got)
	}
	l.put(one, tableOf(service(1, 0)))
	if got := l.ask(l.host, "tcp", "10.43.0.1:80"); got.pod != 0 {
		t.Error(got)
	}
}

func (l *lab) tables() (names []string) {
	do(l.t, l.host, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		all, err := conn.ListTables()
		for _, t := range all {
			names = append(names, t.Name)
		}
		return err
	})
	return names
}

func TestTwoClustersShareAHost(t *testing.T) {
	l := newLab(t, 2)
	one, two := New("one", quiet()), New("two", quiet())
	other := service(1, 1)
	table := tableOf(other)
	table.Virtual = netip.MustParsePrefix("10.44.0.0/16")
	table.Services[0].IP = table.Virtual.Addr().Next()
	table.Nodes[0].Range, table.Nodes[1].Range = netip.MustParsePrefix("10.52.1.0/24"), netip.MustParsePrefix("10.52.2.0/24")
	do(t, l.host, func() error { return via("10.44.0.0/16", podIP(0).String(), "10.42.1.1") })
	l.put(two, table)
	l.put(one, tableOf(service(1, 0)))
	for _, from := range []netns.NsHandle{l.host, l.pods[0], l.pods[1]} {
		if a := l.ask(from, "udp", "10.43.0.1:53"); a.pod != 0 {
			t.Error(a)
		}
		l.refused(from, "tcp", "10.43.0.2:80")
		l.refused(from, "tcp", "10.44.0.2:80")
	}
	for _, from := range []netns.NsHandle{l.host, l.pods[0]} {
		if a := l.ask(from, "udp", "10.44.0.1:53"); a.pod != 1 {
			t.Error(a)
		}
	}
	do(t, l.host, two.Remove)
	if a := l.ask(l.host, "tcp", "10.43.0.1:80"); a.pod != 0 {
		t.Error(a)
	}
}

// A tunnel's datagrams are taken from nodes alone; what comes by another number is none of ours.
func TestOnlyNodesReachTheTunnel(t *testing.T) {
	l := newLab(t, 0)
	l.put(New("one", quiet()), tableOf())
	var hears net.PacketConn
	do(t, l.host, func() (err error) {
		hears, err = net.ListenPacket("udp4", fmt.Sprint(":", route.TunnelPort))
		return err
	})
	defer hears.Close()
	ours := uint32(route.NamedOf("one").VNI)
	for _, c := range []struct {
		name string
		from netns.NsHandle
		to   string
		sent []uint32 // numbers of tunnels
		want uint32   // the first that is heard
	}{
		{"a stranger", l.outside, hostIP, []uint32{ours, 1}, 1},
		{"a node", l.far, "198.51.100.1", []uint32{ours}, ours},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := l.client(c.from, net.JoinHostPort(c.to, fmt.Sprint(route.TunnelPort)))
			for _, vni := range c.sent {
				if _, err := to.Write(append([]byte{8, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, vni<<8)...)); err != nil {
					t.Fatal(err)
				}
			}
			b := make([]byte, 64)
			_ = hears.SetReadDeadline(time.Now().Add(soon))
			if n, _, err := hears.ReadFrom(b); err != nil || n != 8 || binary.BigEndian.Uint32(b[4:])>>8 != c.want {
				t.Errorf("heard %x, want number %d: %v", b[:n], c.want, err)
			}
		})
	}
}

// People look with nft, and it gives up on types that it cannot print.
func TestNftListsTheTable(t *testing.T) {
	l := newLab(t, 1) // or, without root, no test
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	s := service(1, 0)
	s.Ports[0].NodePort = 30080
	l.put(New("one", quiet()), tableOf(s, service(2)))
	do(t, l.host, func() error {
		out, err := exec.Command(nft, "list", "ruleset").CombinedOutput()
		for _, want := range []string{"10.43.0.1 . tcp . 80 : goto pick-1", "0.0.0.0 . tcp . 30080 : goto node-1", "10.43.0.2 . tcp . 80 : goto refuse"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
		return err
	})
}
