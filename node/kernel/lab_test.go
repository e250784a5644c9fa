package kernel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/podkeep/podkeep/node/route"
)

// lab is a host with pods on a bridge, one more pod behind another node, and somebody outside. Each is a network namespace that lives as long as the test.
type lab struct {
	t                  testing.TB
	host, far, outside netns.NsHandle
	pods               []netns.NsHandle
}

const (
	soon   = 10 * time.Second // a connection that was lost never comes; one that only waits does
	hostIP = "192.0.2.1"      // of the host, where outside is
	farPod = 99               // the number of the pod behind another node
)

var (
	ownRange = netip.MustParsePrefix("10.42.1.0/24")
	farRange = netip.MustParsePrefix("10.42.2.0/24")
	virtual  = netip.MustParsePrefix("10.43.0.0/16")

	podBridge = route.NamedOf("one").Bridge
)

func podIP(n int) netip.Addr {
	if n == farPod {
		return netip.MustParseAddr("10.42.2.2")
	}
	return netip.AddrFrom4([4]byte{10, 42, 1, byte(10 + n)})
}

// newSpace is an empty network namespace with its loopback up.
func newSpace(t testing.TB) netns.NsHandle {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	var ns netns.NsHandle
	do(t, netns.None(), func() error {
		var err error
		if ns, err = netns.New(); err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	t.Cleanup(func() { ns.Close() })
	return ns
}

// inside runs f on a thread of its own in the namespace; the thread ends with it.
func inside(ns netns.NsHandle, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if ns.IsOpen() {
			if err := netns.Set(ns); err != nil {
				done <- err
				return
			}
		}
		done <- f()
	}()
	return <-done
}

func do(t testing.TB, ns netns.NsHandle, f func() error) {
	t.Helper()
	if err := inside(ns, f); err != nil {
		t.Fatal(err)
	}
}

// newLab has that many pods on the host, each of them answering with its number on 8080 by TCP and UDP, and so does the far one.
func newLab(t testing.TB, pods int) *lab {
	l := &lab{t: t, host: newSpace(t), far: newSpace(t), outside: newSpace(t)}
	do(t, l.host, l.bridge)
	for n := range pods {
		pod := newSpace(t)
		l.pods = append(l.pods, pod)
		l.join(n, pod)
		l.serve(pod, n)
	}
	l.cable("out", l.outside, hostIP+"/24", "192.0.2.2/24")
	l.cable("far", l.far, "198.51.100.1/24", "198.51.100.2/24")
	do(t, l.far, func() error {
		lo, err := netlink.LinkByName("lo")
		return errors.Join(err, address(lo, podIP(farPod).String()+"/32"), via("10.42.1.0/24", "198.51.100.1", podIP(farPod).String()))
	})
	do(t, l.host, func() error { return via(farRange.String(), "198.51.100.2", "10.42.1.1") })
	l.serve(l.far, farPod)
	return l
}

// bridge is what a node has for pods: see package network.
func (l *lab) bridge() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		if err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-"+name, []byte("1"), 0); err != nil {
			return fmt.Errorf("the module br_netfilter is not loaded: %w", err)
		}
	}
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: podBridge}}); err != nil {
		return err
	}
	link, err := netlink.LinkByName(podBridge)
	if err != nil {
		return err
	}
	_, to, _ := net.ParseCIDR(virtual.String())
	return errors.Join(address(link, "10.42.1.1/24"), netlink.LinkSetUp(link),
		netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: to, Src: net.ParseIP("10.42.1.1"), Scope: netlink.SCOPE_LINK}))
}

func (l *lab) join(n int, pod netns.NsHandle) {
	name := fmt.Sprint("pod", n)
	do(l.t, l.host, func() error {
		bridge, err := netlink.LinkByName(podBridge)
		if err != nil {
			return err
		}
		link, err := veth(name, pod)
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetMaster(link, bridge), netlink.LinkSetHairpin(link, true))
	})
	do(l.t, pod, func() error {
		link, err := netlink.LinkByName("peer")
		return errors.Join(err, address(link, podIP(n).String()+"/24"), netlink.LinkSetUp(link), via("0.0.0.0/0", "10.42.1.1", ""))
	})
}

// cable joins a namespace to the host.
func (l *lab) cable(name string, ns netns.NsHandle, ours, theirs string) {
	do(l.t, l.host, func() error {
		link, err := veth(name, ns)
		return errors.Join(err, address(link, ours))
	})
	do(l.t, ns, func() error {
		link, err := netlink.LinkByName("peer")
		return errors.Join(err, address(link, theirs), netlink.LinkSetUp(link))
	})
}

func veth(name string, other netns.NsHandle) (netlink.Link, error) {
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "peer", PeerNamespace: netlink.NsFd(other)})
	if err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(name)
	return link, errors.Join(err, netlink.LinkSetUp(link))
}

func address(link netlink.Link, cidr string) error {
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	return netlink.AddrAdd(link, a)
}

func via(to, gateway, source string) error {
	_, dst, err := net.ParseCIDR(to)
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(gateway), Src: net.ParseIP(source)})
}

func (l *lab) put(k *Kernel, t *route.Table) {
	l.t.Helper()
	do(l.t, l.host, func() error { return k.Put(t, "n1") })
}

// tableOf is a table with these Services, on the host n1 and the far n2.
func tableOf(services ...route.Service) *route.Table {
	return &route.Table{
		Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: virtual, Services: services,
		Nodes: []route.Node{
			{Name: "n1", Address: netip.MustParseAddr("198.51.100.1"), Range: ownRange},
			{Name: "n2", Address: netip.MustParseAddr("198.51.100.2"), Range: farRange},
		},
	}
}

// service is number n, at 10.43.0.N: port 80 by TCP and 53 by UDP.
func service(n int, pods ...int) route.Service {
	s := route.Service{
		Namespace: "default", Name: fmt.Sprint("s", n), IP: netip.AddrFrom4([4]byte{10, 43, 0, byte(n)}),
		Ports: []route.Port{{Protocol: "tcp", Port: 80}, {Protocol: "udp", Port: 53}},
	}
	for _, p := range pods {
		node := "n1"
		if p == farPod {
			node = "n2"
		}
		s.Endpoints = append(s.Endpoints, route.Endpoint{Pod: fmt.Sprint("p", p), Node: node, IP: podIP(p), Ports: []uint16{8080, 8080}})
	}
	return s
}

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}
