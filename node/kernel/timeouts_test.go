package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const synSent, closeWait = 1, 5 // as conntrack has them

// A packet may be lost, and its pod be taken away before the client tries again.
func TestAConnectionThatNobodyAnsweredIsSentByTheTableOfNow(t *testing.T) {
	l := newLab(t, 2)
	k := New("one", quiet())
	goes, stays := service(1, 0), service(1, farPod)
	goes.Ports[0].NodePort, stays.Ports[0].NodePort = 30080, 30080
	goes.Endpoints[0].Ports[0] = 8081
	l.put(k, tableOf(goes))
	hears := l.deafen(l.pods[0], 8081)
	ways := l.ways()
	var clients errgroup.Group
	for _, w := range ways {
		clients.Go(func() error {
			return inside(w.from, func() error {
				a, err := ask("tcp", w.to)
				if err == nil && a.pod != farPod {
					err = fmt.Errorf("pod %d answered", a.pod)
				}
				return err
			})
		})
	}
	l.await("all have asked", func(states []uint8) bool { return slices.Equal(states, []uint8{synSent, synSent, synSent}) })
	l.put(k, tableOf(stays))
	hears()
	if err := clients.Wait(); err != nil {
		t.Error(err)
	}
}

// deafen has a pod hear nothing on a port until that is told.
func (l *lab) deafen(pod netns.NsHandle, port uint16) (hears func()) {
	table := &nftables.Table{Name: "deaf", Family: nftables.TableFamilyIPv4}
	in := func(do func(*nftables.Conn)) error {
		return inside(pod, func() error {
			conn, err := nftables.New()
			if err != nil {
				return err
			}
			do(conn)
			return conn.Flush()
		})
	}
	err := in(func(conn *nftables.Conn) {
		conn.AddTable(table)
		chain := conn.AddChain(&nftables.Chain{
			Name: "input", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule{
			loadPort(reg), is(binary.BigEndian.AppendUint16(nil, port)), &expr.Verdict{Kind: expr.VerdictDrop},
		}})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return func() {
		if err := in(func(conn *nftables.Conn) { conn.DelTable(table) }); err != nil {
			l.t.Error(err)
		}
	}
}

// way is how a client comes to the Service at 10.43.0.1, with the NodePort 30080.
type way struct {
	from netns.NsHandle
	to   string
}

func (l *lab) ways() []way {
	return []way{{l.host, "10.43.0.1:80"}, {l.pods[1], "10.43.0.1:80"}, {l.outside, hostIP + ":30080"}}
}

func TestAKernelWithoutTimeoutsDoesWhatElseTheTableAsks(t *testing.T) {
	for _, missing := range []error{unix.EOPNOTSUPP, unix.ENOENT} {
		t.Run(missing.Error(), func(t *testing.T) {
			l := newLab(t, 2)
			log, said := test.NewNullLogger()
			k := New("one", log)
			k.offers = func(*link) error { return missing }
			for _, to := range []int{0, 1, farPod} {
				l.put(k, tableOf(service(1, to)))
				for _, from := range []netns.NsHandle{l.host, l.pods[1]} {
					if a := l.ask(from, "tcp", "10.43.0.1:80"); a.pod != to {
						t.Error(a)
					}
				}
			}
			if k.Lacks() == nil || len(said.AllEntries()) != 1 {
				t.Errorf("lacks %v, and said %d lines", k.Lacks(), len(said.AllEntries()))
			}
			do(t, l.host, func() error {
				is, err := found()
				if err == nil && !is.untimed {
					t.Error("there are timeouts")
				}
				return err
			})
		})
	}
}

func TestWhetherThereAreTimeoutsIsAskedUntilThatIsKnown(t *testing.T) {
	l := newLab(t, 1)
	k := New("one", quiet())
	k.offers = func(*link) error { return unix.ENOMEM }
	do(t, l.host, func() error {
		if err := k.Put(tableOf(service(1, 0)), "n1"); !errors.Is(err, unix.ENOMEM) {
			t.Error(err)
		}
		return nil
	})
	k.offers = (*link).offers
	l.put(k, tableOf(service(1, 0)))
	if got := l.tables(); k.Lacks() != nil || !slices.Equal(slices.Compact(got), []string{"podkeep-one"}) {
		t.Error(k.Lacks(), got)
	}
}

// A kernel that learns it, and a process that then begins, find a table without.
func TestATableGetsTimeoutsLater(t *testing.T) {
	l := newLab(t, 1)
	k := New("one", quiet())
	k.offers = func(*link) error { return unix.ENOENT }
	table := tableOf(service(1, 0))
	l.put(k, table)
	for range 2 {
		l.put(New("one", quiet()), table)
	}
	do(t, l.host, func() error {
		is, err := found()
		if left := diff(is, wantOf(table, "n1", k.named.VNI, false)); err == nil && len(left) > 0 {
			t.Errorf("left to do: %v", left)
		}
		return err
	})
}

func TestTwoClustersHaveTimeoutsAtOnce(t *testing.T) {
	host := newSpace(t)
	var both errgroup.Group
	for _, name := range []string{"one", "two"} {
		both.Go(func() error {
			return inside(host, func() (err error) {
				for range 5 {
					err = errors.Join(err, New(name, quiet()).Put(tableOf(), "n1"))
				}
				return err
			})
		})
	}
	if err := both.Wait(); err != nil {
		t.Error(err)
	}
}

// A pod that ends closes its connections first, and is gone when its clients do. Who comes from their ports after them is sent to pods that are there.
func TestAPortIsUsedAgainAfterItsPodIsGone(t *testing.T) {
	l := newLab(t, 2)
	const port = 23456
	do(t, l.host, func() error {
		return os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_last_ack", []byte("600"), 0)
	})
	k := New("one", quiet())
	gone, stays := service(1, 0), service(1, farPod)
	gone.Ports[0].NodePort, stays.Ports[0].NodePort = 30080, 30080
	gone.Endpoints[0].Ports[0] = 8081
	l.put(k, tableOf(gone))
	calls := l.accept(l.pods[0], 8081)
	ways := l.ways()
	var ends [][2]*net.TCPConn
	for _, w := range ways {
		client := l.dial(w.from, w.to, port)
		ends = append(ends, [2]*net.TCPConn{client, <-calls})
	}
	for _, e := range ends {
		e[1].Close()
		if _, err := e[0].Read(make([]byte, 1)); err == nil {
			t.Fatal("the pod has not closed")
		}
	}
	l.await("all wait for their clients", func(states []uint8) bool { return slices.Equal(states, []uint8{closeWait, closeWait, closeWait}) })
	do(t, l.host, func() error {
		link, err := netlink.LinkByName("pod0")
		return errors.Join(err, netlink.LinkDel(link))
	})
	for _, e := range ends {
		abandon(t, e[0])
	}
	l.await("all have closed", func(states []uint8) bool { return !slices.Contains(states, closeWait) })
	l.put(k, tableOf(stays))
	l.await("none is left", func(states []uint8) bool { return len(states) == 0 })
	for _, w := range ways {
		c := l.dial(w.from, w.to, port)
		if a, err := say(c); err != nil || a.pod != farPod {
			t.Error(a, err)
		}
	}
}

// accept takes calls of a pod.
func (l *lab) accept(pod netns.NsHandle, port int) <-chan *net.TCPConn {
	var hears net.Listener
	do(l.t, pod, func() (err error) { hears, err = net.Listen("tcp4", fmt.Sprint(":", port)); return err })
	calls := make(chan *net.TCPConn)
	go func() {
		defer close(calls)
		for c, err := hears.Accept(); err == nil; c, err = hears.Accept() {
			calls <- c.(*net.TCPConn)
		}
	}()
	l.t.Cleanup(func() {
		hears.Close()
		for range calls {
		}
	})
	return calls
}

// dial connects from a port, or from any, once nobody has it.
func (l *lab) dial(from netns.NsHandle, to string, port int) (c *net.TCPConn) {
	l.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{Port: port}, Timeout: soon}
	do(l.t, from, func() error {
		for end := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
			one, err := d.Dial("tcp4", to)
			if err == nil {
				c = one.(*net.TCPConn)
				return nil
			}
			if time.Now().After(end) || !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return err
			}
		}
	})
	l.t.Cleanup(func() { hangUp(c) })
	return c
}

// abandon closes a connection so that the kernel soon gives up to tell the other side.
func abandon(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1) })
	}
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
}

// await waits until conntrack has connections to port 8081 of pods in such states.
func (l *lab) await(what string, is func(states []uint8) bool) {
	l.t.Helper()
	do(l.t, l.host, func() error {
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			var states []uint8
			flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
			for _, f := range flows {
				if tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP); ok && f.Reverse.SrcPort == 8081 {
					states = append(states, tcp.State)
				}
			}
			if err != nil || is(states) {
				return err
			}
			if time.Now().After(end) {
				return fmt.Errorf("never so: %s: %d", what, states)
			}
		}
	})
}
