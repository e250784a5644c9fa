package kernel

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/podkeep/podkeep/node/route"
)

// outsideIP is one to which whoever is outside sends by way of the host.
var outsideIP = netip.MustParseAddr("203.0.113.5")

// toHost has it sent there, and the host send it back.
func (l *lab) toHost() {
	do(l.t, l.outside, func() error { return via("203.0.113.0/24", hostIP, "") })
	do(l.t, l.host, func() error { return via("203.0.113.0/24", "192.0.2.2", "") })
}

// balanced is a Service that is at ports of hosts.
func balanced(n int, pods ...int) route.Service {
	s := service(n, pods...)
	s.Ports[0].Hosts, s.Ports[1].Hosts = true, true
	return s
}

// addressed is one that is at an address outside.
func addressed(n int, pods ...int) route.Service {
	s := service(n, pods...)
	s.Ports[0].Outside, s.Ports[1].Outside = []netip.Addr{outsideIP}, []netip.Addr{outsideIP}
	return s
}

func TestAServiceIsReachedFromOutside(t *testing.T) {
	l := newLab(t, 2)
	l.toHost()
	for _, c := range []struct {
		name string
		make func(int, ...int) route.Service
		at   string
	}{{"at ports of hosts", balanced, hostIP}, {"at an address outside", addressed, outsideIP.String()}} {
		t.Run(c.name, func(t *testing.T) {
			k := New("one", quiet())
			for _, pod := range []struct {
				number int
				seen   string // the source of who comes from outside
			}{{0, "192.0.2.2"}, {farPod, "10.42.1.1"}} {
				l.put(k, tableOf(c.make(1, pod.number)))
				for network, to := range map[string]string{"tcp": c.at + ":80", "udp": c.at + ":53"} {
					if a, want := l.ask(l.outside, network, to), (answer{pod.number, pod.seen}); a != want {
						t.Errorf("%s: %v, want %v", network, a, want)
					}
					for _, from := range []netns.NsHandle{l.host, l.pods[0], l.pods[1]} {
						if a := l.ask(from, network, to); a.pod != pod.number {
							t.Errorf("%s: %v", network, a)
						}
					}
				}
			}
			l.put(k, tableOf(c.make(1)))
			l.refused(l.outside, "tcp", c.at+":80")
			near := c.make(1, 0, farPod)
			near.NearOutside = true
			l.put(k, tableOf(near))
			for range 20 {
				if a := l.ask(l.outside, "tcp", c.at+":80"); a.pod != 0 {
					t.Fatal(a)
				}
			}
		})
	}
	l.refused(l.outside, "tcp", hostIP+":80") // at an address outside alone
}

func TestAnExcludedNodeHasNoPortsOfHosts(t *testing.T) {
	l := newLab(t, 1)
	s := balanced(1, 0)
	s.Ports[0].NodePort = 30080
	table := tableOf(s)
	table.Nodes[0].Excluded = true
	l.put(New("one", quiet()), table)
	l.refused(l.outside, "tcp", hostIP+":80")
	l.ask(l.outside, "tcp", hostIP+":30080")
}

// Names are answered at the pods' gateway, whatever Services are at ports of hosts.
func TestThePodsGatewayIsNoPortOfHosts(t *testing.T) {
	l := newLab(t, 2)
	s := balanced(1, 0)
	s.Ports[1].NodePort = 30053
	k := New("one", quiet())
	hears := l.listen(l.host, "udp", "10.42.1.1:53")
	defer hears.Close()
	l.put(k, tableOf(s))
	for _, to := range []string{"10.42.1.1:80", "10.42.1.1:30053"} {
		l.refused(l.pods[1], map[bool]string{true: "tcp", false: "udp"}[to == "10.42.1.1:80"], to)
	}
	if a := l.ask(l.pods[1], "udp", "10.42.1.1:53"); a.pod != hostself {
		t.Error(a)
	}
	if a := l.ask(l.pods[1], "udp", hostIP+":53"); a.pod != 0 || len(k.Keeps()) > 0 {
		t.Error(a, k.Keeps())
	}
}

// Who was written down by hand is no pod, has no way to pods, and need not have one back to who asks.
func TestWhoIsNoPodIsAskedInTheHostsName(t *testing.T) {
	l := newLab(t, 2)
	l.toHost()
	strange := func(ip string) route.Service {
		s := addressed(1)
		s.Ports[0].Hosts, s.Ports[0].NodePort, s.Ports[1].NodePort = true, 30080, 30053
		s.Endpoints = []route.Endpoint{{IP: netip.MustParseAddr(ip), Ports: []uint16{7070, 7070}}}
		return s
	}
	for _, at := range []struct {
		ip   string
		ns   netns.NsHandle
		from string
	}{{"198.51.100.2", l.far, "198.51.100.1"}, {"192.0.2.2", l.outside, hostIP}} {
		for _, network := range []string{"tcp4", "udp4"} {
			hears := l.echo(at.ns, network, at.ip+":7070", 7)
			defer hears.Close()
		}
		l.put(New("one", quiet()), tableOf(strange(at.ip)))
		for _, from := range []netns.NsHandle{l.outside, l.pods[0], l.host} {
			for _, to := range []struct{ network, at string }{
				{"tcp", outsideIP.String() + ":80"}, {"udp", outsideIP.String() + ":53"}, {"tcp", hostIP + ":80"}, {"tcp", hostIP + ":30080"}, {"udp", hostIP + ":30053"},
			} {
				if a := l.ask(from, to.network, to.at); a != (answer{7, at.from}) {
					t.Errorf("%s to %s: %v", to.network, to.at, a)
				}
			}
			if from == l.outside {
				continue
			}
			if a := l.ask(from, "tcp", "10.43.0.1:80"); a != (answer{7, at.from}) {
				t.Errorf("by the virtual address: %v", a)
			}
		}
	}
	hears := l.listen(l.host, "tcp", hostIP+":7070")
	defer hears.Close()
	l.put(New("one", quiet()), tableOf(strange(hostIP)))
	for _, from := range []netns.NsHandle{l.outside, l.pods[0], l.host} {
		if a := l.ask(from, "tcp", outsideIP.String()+":80"); a.pod != hostself {
			t.Error(a)
		}
	}
}

// What goes to another node is that node's to lead on, or its host's to take.
func TestAnAddressOfAnotherNodeIsLeftToIt(t *testing.T) {
	l := newLab(t, 1)
	const there = "198.51.100.2"
	s := service(1, 0)
	s.Ports[0].Outside = []netip.Addr{netip.MustParseAddr(there)}
	hears := l.listen(l.far, "tcp", there+":80")
	defer hears.Close()
	l.put(New("one", quiet()), tableOf(s))
	for _, from := range []netns.NsHandle{l.pods[0], l.host} {
		if a := l.ask(from, "tcp", there+":80"); a.pod != hostself {
			t.Error(a)
		}
	}
}
