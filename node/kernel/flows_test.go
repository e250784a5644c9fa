package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/podkeep/podkeep/node/route"
)

func TestUDPFollowsTheTable(t *testing.T) {
	l := newLab(t, 2)
	k := New("one", quiet())
	with := func(pods ...int) *route.Table {
		s, same := service(1, pods...), service(2, 0)
		s.Ports[1].NodePort = 30053
		return tableOf(s, same)
	}
	l.put(k, with(0))
	moved := map[string]net.Conn{
		"virtual address": l.client(l.host, "10.43.0.1:53"), "from a pod": l.client(l.pods[1], "10.43.0.1:53"),
		"NodePort": l.client(l.outside, hostIP+":30053"),
	}
	stays := l.client(l.host, "10.43.0.2:53")
	hears := func(name string, c net.Conn, pod int) {
		t.Helper()
		if a, err := say(c); err != nil || a.pod != pod {
			t.Errorf("%s: pod %d answered, want %d: %v", name, a.pod, pod, err)
		}
	}
	for round, pod := range []int{0, 1, farPod, 0} {
		l.put(k, with(pod))
		for name, c := range moved {
			hears(fmt.Sprint(name, ", round ", round), c, pod)
		}
		hears("of another Service", stays, 0)
	}
}

// A client that has sent to a NodePort before there was one is heard once there is.
func TestUDPThatCameTooEarlyIsHeard(t *testing.T) {
	l := newLab(t, 1)
	k := New("one", quiet())
	l.put(k, tableOf())
	c := l.client(l.outside, hostIP+":30053")
	if _, err := c.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(soon))
	_, _ = c.Read(make([]byte, 1)) // refused: it has arrived
	s := service(1, 0)
	s.Ports[1].NodePort = 30053
	l.put(k, tableOf(s))
	if a, err := say(c); err != nil || a.pod != 0 {
		t.Error(a, err)
	}
}

func TestTCPIsNotCut(t *testing.T) {
	l := newLab(t, 2)
	k := New("one", quiet())
	l.put(k, tableOf(service(1, 0)))
	var c net.Conn
	do(t, l.pods[1], func() (err error) { c, err = net.Dial("tcp4", "10.43.0.1:80"); return err })
	defer c.Close()
	for _, table := range []*route.Table{tableOf(service(1, 0)), tableOf(service(1, 1)), tableOf()} {
		l.put(k, table)
		if a, err := say(c); err != nil || a.pod != 0 {
			t.Error(a, err)
		}
	}
}

func TestWhichFlowsEnd(t *testing.T) {
	s := service(1, 0)
	s.Ports[0].NodePort, s.Ports[1].NodePort = 30080, 30053
	out := addressed(3, 1)
	out.Ports[1].NodePort, out.Ports[1].Hosts, out.Sources = 30055, true, []netip.Prefix{netip.MustParsePrefix("192.0.2.8/30")}
	out.Ports[1].Outside = append(out.Ports[1].Outside, netip.MustParseAddr("192.0.2.7"))
	want := wantOf(tableOf(s, out), "n1", 1, false)
	local := map[netip.Addr]bool{netip.MustParseAddr(hostIP): true}
	none := flows{}
	lost := flows{all: true}
	gone := flows{left: map[aim]bool{{front{proto: 17, port: 30054}, place{podIP(1).As4(), 8080}}: true}}
	goneOutside := flows{left: map[aim]bool{{front{[4]byte{203, 0, 113, 9}, 17, 53}, place{podIP(1).As4(), 8080}}: true}}
	fresh := flows{fresh: map[front]bool{{proto: 17, port: 30053}: true, {outsideIP.As4(), 17, 53}: true}}
	for _, c := range []struct {
		name    string
		flows   flows
		proto   uint8
		to, by  string // where it was sent, and who answers
		ends    bool
		through string // as whom it was sent on, if not as itself
	}{
		{"UDP to a pod of the Service", lost, 17, "10.43.0.1:53", "10.42.1.10:8080", false, ""},
		{"UDP to a pod that is none any more", none, 17, "10.43.0.1:53", "10.42.1.11:8080", true, ""},
		{"UDP to what is no Service any more", none, 17, "10.43.0.2:53", "10.42.1.10:8080", true, ""},
		{"UDP that was not translated", none, 17, "10.43.0.1:53", "10.43.0.1:53", true, ""},
		{"TCP to a pod that is none any more", lost, 6, "10.43.0.1:80", "10.42.1.11:8080", false, ""},
		{"TCP that was not translated, after a repair", lost, 6, "10.43.0.1:80", "10.43.0.1:80", true, ""},
		{"TCP that was not translated, else", none, 6, "10.43.0.1:80", "10.43.0.1:80", false, ""},
		{"a NodePort to its pod", lost, 17, "192.0.2.1:30053", "10.42.1.10:8080", false, "10.42.1.1"},
		{"a NodePort to another pod", none, 17, "192.0.2.1:30053", "10.42.2.9:8080", true, "10.42.1.1"},
		{"its port, to what is not ours", lost, 17, "192.0.2.1:30053", "10.88.0.5:8080", false, ""},
		{"a NodePort that is gone", gone, 17, "192.0.2.1:30054", "10.42.1.11:8080", true, ""},
		{"another pod by its port", gone, 17, "192.0.2.1:30054", "10.42.1.10:8080", false, ""},
		{"what came to a NodePort too early", fresh, 17, "192.0.2.1:30053", "192.0.2.1:30053", true, ""},
		{"the same, of one that was there", none, 17, "192.0.2.1:30053", "192.0.2.1:30053", false, ""},
		{"to the world by that port", fresh, 17, "203.0.113.1:30053", "203.0.113.1:30053", false, "192.0.2.1"},
		{"an address outside to its pod", lost, 17, "203.0.113.5:53", "10.42.1.11:8080", false, ""},
		{"an address outside to another pod", none, 17, "203.0.113.5:53", "10.42.1.10:8080", true, ""},
		{"an address outside that is gone", goneOutside, 17, "203.0.113.9:53", "10.42.1.11:8080", true, ""},
		{"what came to an address outside too early, and was sent on", fresh, 17, "203.0.113.5:53", "203.0.113.5:53", true, "192.0.2.1"},
		{"the same, of one that was there", none, 17, "203.0.113.5:53", "203.0.113.5:53", false, ""},
		{"a host's port to its pod", none, 17, "192.0.2.1:53", "10.42.1.11:8080", false, ""},
		{"a host's port to another pod", none, 17, "192.0.2.1:53", "10.42.1.10:8080", true, ""},
		{"TCP to a NodePort", lost, 6, "192.0.2.1:30080", "10.42.2.9:8080", false, ""},
		{"anything else", lost, 17, "203.0.113.1:53", "203.0.113.1:53", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, by := netip.MustParseAddrPort(c.to), netip.MustParseAddrPort(c.by)
			from := net.IPv4(192, 0, 2, 9)
			through := from
			if c.through != "" {
				through = net.ParseIP(c.through)
			}
			flow := &netlink.ConntrackFlow{
				Forward: netlink.IPTuple{Protocol: c.proto, SrcIP: from, DstIP: to.Addr().AsSlice(), DstPort: to.Port()},
				Reverse: netlink.IPTuple{Protocol: c.proto, SrcIP: by.Addr().AsSlice(), SrcPort: by.Port(), DstIP: through},
			}
			if ends := (judge{c.flows, want, local}).MatchConntrackFlow(flow); ends != c.ends {
				t.Errorf("ends: %v, want %v", ends, c.ends)
			}
		})
	}
}

func TestUDPFromOutsideFollowsTheTable(t *testing.T) {
	l := newLab(t, 2)
	l.toHost()
	k := New("one", quiet())
	with := func(pod int, sources ...string) *route.Table {
		s := addressed(1, pod)
		s.Ports[1].Hosts = true
		for _, p := range sources {
			s.Sources = append(s.Sources, netip.MustParsePrefix(p))
		}
		return tableOf(s)
	}
	l.put(k, tableOf())
	clients := []net.Conn{l.client(l.outside, hostIP+":53"), l.client(l.outside, outsideIP.String()+":53"), l.client(l.pods[1], outsideIP.String()+":53")}
	for _, c := range clients { // too early
		_, _ = c.Write([]byte("?"))
	}
	for round, pod := range []int{0, 1, farPod, 0} {
		l.put(k, with(pod))
		for n, c := range clients {
			a, err := say(c)
			if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) {
				a, err = say(c) // that was the answer to what came too early
			}
			if err != nil || a.pod != pod {
				t.Errorf("client %d, round %d: pod %d, want %d: %v", n, round, a.pod, pod, err)
			}
		}
	}
	l.put(k, with(0, "192.0.2.0/24"))
	for _, c := range clients[:2] {
		if a, err := say(c); err != nil || a.pod != 0 {
			t.Error(a, err)
		}
	}
	_ = clients[2].SetDeadline(time.Now().Add(brief))
	_, _ = clients[2].Write([]byte("?"))
	if _, err := clients[2].Read(make([]byte, 64)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who may come no more is not heard: %v", err)
	}
	hears := l.listen(l.host, "udp", hostIP+":53")
	defer hears.Close()
	l.put(k, with(0, "192.0.2.0/24"))
	if a, err := say(clients[0]); err != nil || a.pod != hostself {
		t.Errorf("what the host listens to is its own: %v, %v", a, err)
	}
}
