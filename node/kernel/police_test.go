package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

// brief is how long somebody waits for an answer that a policy keeps away.
const brief = 200 * time.Millisecond

// silent says that nobody answers, not even with a refusal.
func (l *lab) silent(ns netns.NsHandle, network, to string) {
	l.t.Helper()
	err := inside(ns, func() error {
		c, err := net.DialTimeout(network+"4", to, brief)
		if err != nil {
			return err
		}
		defer hangUp(c)
		_ = c.SetDeadline(time.Now().Add(brief))
		if _, err := c.Write([]byte("?")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 64))
		return err
	})
	if late := net.Error(nil); !errors.As(err, &late) || !late.Timeout() {
		l.t.Errorf("%s to %s: want silence, got %v", network, to, err)
	}
}

// policed is the table with pods 0 to 2 and the far one known, each in a group of its own, whose index is its number (the far one's is 3).
func policed(t *route.Table, each ...route.Policy) *route.Table {
	t.Policies = &route.Policies{Each: each}
	for i, n := range []int{0, 1, 2, farPod} {
		node := "n1"
		if n == farPod {
			node = "n2"
		}
		t.Policies.Known = append(t.Policies.Known, route.Known{Node: node, Pod: fmt.Sprint("p", n), IP: podIP(n)})
		t.Policies.Groups = append(t.Policies.Groups, route.Group{Key: fmt.Sprint(i), IPs: []netip.Addr{podIP(n)}})
	}
	return t
}

func at(pod int) string { return netip.AddrPortFrom(podIP(pod), 8080).String() }

func TestWhoMaySpeakToAPod(t *testing.T) {
	l := newLab(t, 3)
	k := New("one", quiet())
	near := service(1, 0)
	near.Ports[0].NodePort = 30080
	table := func(in ...route.Allow) *route.Table {
		return policed(tableOf(near, service(2, farPod)), route.Policy{Namespace: "default", Name: "p", Ingress: true, In: in})
	}
	l.put(k, table())
	for _, network := range []string{"tcp", "udp"} {
		l.silent(l.pods[1], network, at(0)) // by the bridge
		l.silent(l.far, network, at(0))     // by a route
		l.ask(l.host, network, at(0))       // a probe
		l.ask(l.pods[0], network, at(1))    // nothing is said of what it says itself
		l.ask(l.pods[0], network, at(farPod))
		l.ask(l.pods[1], network, at(2)) // nor of others
	}
	l.silent(l.pods[1], "tcp", "10.43.0.1:80")
	l.silent(l.outside, "tcp", hostIP+":30080")
	l.ask(l.pods[0], "tcp", "10.43.0.1:80") // itself

	l.put(k, table(route.Allow{Peers: []int{1, 3}, Ports: []route.Ports{{Protocol: "tcp", First: 8000, Last: 8080}}}))
	for _, from := range []netns.NsHandle{l.pods[1], l.far} {
		l.ask(from, "tcp", at(0))
		l.silent(from, "udp", at(0))
	}
	l.ask(l.pods[1], "tcp", "10.43.0.1:80") // by the pod's port, not the Service's
	l.silent(l.pods[2], "tcp", at(0))
	l.silent(l.outside, "tcp", hostIP+":30080")

	l.put(k, table(route.Allow{Blocks: []route.Block{{Range: netip.MustParsePrefix("192.0.2.0/24"), Except: []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25")}}}}))
	l.ask(l.outside, "tcp", hostIP+":30080")
	l.silent(l.pods[1], "tcp", at(0))

	l.put(k, table(route.Allow{Anyone: true}))
	l.ask(l.outside, "tcp", hostIP+":30080")
	l.ask(l.pods[2], "udp", at(0))

	l.put(k, table())
	l.silent(l.pods[2], "tcp", at(0))
	l.put(k, tableOf(near))
	l.ask(l.pods[2], "tcp", at(0))
}

func TestToWhomAPodMaySpeak(t *testing.T) {
	l := newLab(t, 3)
	k := New("one", quiet())
	table := func(out ...route.Allow) *route.Table {
		return policed(tableOf(service(1, 1), service(2, farPod)), route.Policy{Namespace: "default", Name: "p", Egress: true, Out: out})
	}
	l.put(k, table())
	for _, network := range []string{"tcp", "udp"} {
		l.silent(l.pods[0], network, at(1))
		l.silent(l.pods[0], network, at(farPod))
		l.ask(l.pods[1], network, at(0)) // it may be spoken to, and answers
		l.ask(l.far, network, at(0))
	}
	l.silent(l.pods[0], "tcp", "10.43.0.1:80")
	l.refused(l.pods[0], "tcp", "10.42.1.1:9") // its own node, where names are answered

	l.put(k, table(route.Allow{Peers: []int{3}, Ports: []route.Ports{{Protocol: "udp", First: 8080, Last: 8080}}}))
	l.ask(l.pods[0], "udp", "10.43.0.2:53")
	l.silent(l.pods[0], "tcp", at(farPod))
	l.silent(l.pods[0], "udp", at(1))

	l.put(k, table(route.Allow{Blocks: []route.Block{{Range: netip.MustParsePrefix("0.0.0.0/0"), Except: []netip.Prefix{ownRange}}}}))
	l.ask(l.pods[0], "tcp", at(farPod))
	l.silent(l.pods[0], "tcp", at(1))
}

func TestAPodThatIsNotKnownYetSpeaksToItsNodeAlone(t *testing.T) {
	l := newLab(t, 3)
	k := New("one", quiet())
	table := policed(tableOf(service(1, 1)))
	table.Policies.Known = slices.Delete(table.Policies.Known, 0, 1)
	l.put(k, table)
	l.silent(l.pods[0], "tcp", at(1))
	l.silent(l.pods[0], "udp", at(farPod))
	l.silent(l.pods[1], "tcp", at(0))
	l.silent(l.far, "tcp", at(0))
	l.ask(l.host, "tcp", at(0))
	l.refused(l.pods[0], "tcp", "10.42.1.1:9")
	l.put(k, policed(tableOf(service(1, 1))))
	l.ask(l.pods[0], "tcp", at(1))
	l.ask(l.far, "tcp", at(0))
}

func TestConnectionsThatAreThereGoOn(t *testing.T) {
	l := newLab(t, 3)
	k := New("one", quiet())
	l.put(k, tableOf())
	var c net.Conn
	do(t, l.pods[1], func() (err error) { c, err = net.DialTimeout("tcp4", at(0), soon); return err })
	defer c.Close()
	if _, err := say(c); err != nil {
		t.Fatal(err)
	}
	l.put(k, policed(tableOf(), route.Policy{Ingress: true, Egress: true}, route.Policy{Pods: 1, Ingress: true, Egress: true}))
	if _, err := say(c); err != nil {
		t.Error(err)
	}
	l.silent(l.pods[1], "tcp", at(0))
}

func TestANewProcessTakesUpThePoliciesThatItFinds(t *testing.T) {
	l := newLab(t, 3)
	table := policed(tableOf(service(1, 1)), route.Policy{Ingress: true, In: []route.Allow{{
		Peers: []int{1}, Blocks: []route.Block{{Range: netip.MustParsePrefix("0.0.0.0/0"), Except: []netip.Prefix{netip.MustParsePrefix("255.255.255.255/32")}}},
		Ports: []route.Ports{{Protocol: "tcp", Last: 65535}, {Protocol: "sctp", First: 1, Last: 2}},
	}}})
	l.put(New("one", quiet()), table)
	for _, then := range []*route.Table{table, policed(tableOf(service(1, 1))), tableOf()} {
		l.put(New("one", quiet()), then)
		do(t, l.host, func() error {
			k := New("one", quiet())
			if err := k.open(); err != nil {
				return err
			}
			defer k.close()
			have, err := k.link.read()
			if left := diff(have, wantOf(then, "n1", k.named.VNI, false)); err == nil && len(left) > 0 {
				t.Errorf("left to do: %+v", left)
			}
			return err
		})
	}
}

func TestNoIPv6PassesPolicies(t *testing.T) {
	l := newLab(t, 3)
	k := New("one", quiet())
	for n, pod := range l.pods {
		do(t, pod, func() error {
			link, err := netlink.LinkByName("peer")
			if err != nil {
				return err
			}
			a, err := netlink.ParseAddr(fmt.Sprintf("fd00::%d/64", n+1))
			if err != nil {
				return err
			}
			a.Flags = unix.IFA_F_NODAD
			return netlink.AddrAdd(link, a)
		})
	}
	var listener net.Listener
	do(t, l.pods[0], func() (err error) { listener, err = net.Listen("tcp6", "[fd00::1]:80"); return err })
	defer listener.Close()
	reaches := func(wait time.Duration) bool {
		return inside(l.pods[1], func() error {
			c, err := net.DialTimeout("tcp6", "[fd00::1]:80", wait)
			if err == nil {
				hangUp(c)
			}
			return err
		}) == nil
	}
	deny := policed(tableOf(), route.Policy{Ingress: true})
	for _, c := range []struct {
		table *route.Table
		want  bool
		wait  time.Duration
	}{{tableOf(), true, soon}, {deny, false, brief}, {deny, false, brief}, {tableOf(), true, soon}} {
		l.put(k, c.table)
		if got := reaches(c.wait); got != c.want || k.Lacks() != nil {
			t.Errorf("policies %v: reaches %v, lacks %v", c.table.Policies != nil, got, k.Lacks())
		}
	}
	l.put(k, deny)
	do(t, l.host, k.Remove)
	if left := l.tables(); len(left) > 0 || !reaches(soon) {
		t.Errorf("left are %v", left)
	}
}
