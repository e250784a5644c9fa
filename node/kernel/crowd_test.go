package kernel

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/mdlayher/netlink"
	conntrack "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// mostFilled is how many connections a test makes at most. How many there may be is the host's to say, for all namespaces.
const mostFilled = 1 << 20

// fill has conntrack of a namespace be full of connections that the kernel does not end to make room.
func (l *lab) fill(ns netns.NsHandle) {
	l.t.Helper()
	most := CrowdOf().Most
	if most > mostFilled {
		l.t.Skipf("conntrack has room for %d connections", most)
	}
	do(l.t, ns, func() error {
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		for n := 0; CrowdOf().Count < most && n < 2*most; {
			var some []netlink.Message
			for range 200 {
				some = append(some, foreign(n))
				n++
			}
			if _, err := conn.SendMessages(some); err != nil {
				return err
			}
		}
		if c := CrowdOf(); c.Count < most {
			return fmt.Errorf("there is room: %+v", c)
		}
		return nil
	})
}

// foreign is the making of a connection of others.
func foreign(number int) netlink.Message {
	const status = 1<<1 | 1<<2 | 1<<3 // answered, assured, and confirmed
	be16, be32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	nested := func(kind uint16, all ...[]byte) []byte {
		head := binary.NativeEndian.AppendUint16(nil, uint16(4+len(slices.Concat(all...))))
		return slices.Concat(binary.NativeEndian.AppendUint16(head, kind), slices.Concat(all...))
	}
	attribute := func(kind uint16, value []byte) []byte {
		return append(nested(kind, value), make([]byte, (4-len(value)%4)%4)...)
	}
	a, b := be32(nil, 0xcb007100+uint32(number>>15)), be32(nil, 0xc6120001)
	port, other := be16(nil, uint16(1024+number&0x7fff)), be16(nil, 9)
	tuple := func(kind uint16, from, to, by, at []byte) []byte {
		return nested(unix.NLA_F_NESTED|kind,
			nested(unix.NLA_F_NESTED|nl.CTA_TUPLE_IP, attribute(nl.CTA_IP_V4_SRC, from), attribute(nl.CTA_IP_V4_DST, to)),
			nested(unix.NLA_F_NESTED|nl.CTA_TUPLE_PROTO, attribute(nl.CTA_PROTO_NUM, []byte{unix.IPPROTO_UDP}), attribute(nl.CTA_PROTO_SRC_PORT, by), attribute(nl.CTA_PROTO_DST_PORT, at)),
		)
	}
	return netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_CTNETLINK<<8 | nl.IPCTNL_MSG_CT_NEW, Flags: netlink.Request | netlink.Create | netlink.Excl},
		Data: slices.Concat([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0},
			tuple(nl.CTA_TUPLE_ORIG, a, b, port, other), tuple(nl.CTA_TUPLE_REPLY, b, a, other, port),
			attribute(nl.CTA_STATUS, be32(nil, status)), attribute(nl.CTA_TIMEOUT, be32(nil, 3600))),
	}
}

// empty ends what fill made.
func (l *lab) empty(ns netns.NsHandle) {
	do(l.t, ns, func() error { return conntrack.ConntrackTableFlush(conntrack.ConntrackTable) })
}

// What is there goes on when conntrack is full, tables come into force, it is said, and all is well again once there is room.
func TestConntrackIsFull(t *testing.T) {
	if testing.Short() {
		t.Skip("to fill conntrack takes seconds")
	}
	l := newLab(t, 2)
	k := New("one", quiet())
	l.put(k, tableOf(service(1, 0)))
	var tcp net.Conn
	do(t, l.pods[1], func() (err error) { tcp, err = net.Dial("tcp4", "10.43.0.1:80"); return err })
	defer hangUp(tcp)
	udp := l.client(l.pods[1], "10.43.0.1:53")
	goesOn := func(when string) {
		t.Helper()
		for _, c := range []net.Conn{tcp, udp} {
			if a, err := say(c); err != nil || a.pod != 0 {
				t.Errorf("%s: pod %d answered: %v", when, a.pod, err)
			}
		}
	}
	goesOn("before")
	l.fill(l.host)
	goesOn("full")
	l.silent(l.pods[1], "tcp", "10.43.0.1:80")
	l.put(k, tableOf(service(1, 0, 1)))
	if !k.Crowded() {
		t.Error("it does not say that conntrack is full")
	}
	l.put(New("one", quiet()), tableOf(service(1, farPod, 0), service(2, 1)))
	goesOn("full, with another table")
	hangUp(tcp)
	l.empty(l.host)
	for _, from := range []netns.NsHandle{l.host, l.pods[1], l.pods[0]} {
		if a := l.ask(from, "tcp", "10.43.0.2:80"); a.pod != 1 {
			t.Error(a)
		}
	}
	l.put(k, tableOf(service(1, 0, 1)))
	if k.Crowded() {
		t.Error("it says that conntrack is full still")
	}
}

func TestThatConntrackIsFullIsSaidUntilThereIsRoom(t *testing.T) {
	full := false
	for _, c := range []struct {
		count int
		want  bool
	}{{0, false}, {90000, false}, {95001, true}, {94000, true}, {100000, true}, {80001, true}, {80000, false}, {95000, false}} {
		if full = (Crowd{c.count, 100000}).still(full); full != c.want {
			t.Errorf("%d of 100000: %v", c.count, full)
		}
	}
	if (Crowd{1, 0}).Full() {
		t.Error("a host without conntrack is full")
	}
}
