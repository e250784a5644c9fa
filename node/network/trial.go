package network

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// trialTOS marks the packets of trials. A route for it alone leads directly, so that a trial disturbs nothing: the other host answers with the
// same mark and has such a route too. What is shown is the direct way there and back, and both ends come to the same answer.
const trialTOS = 0x1c

// trial is what is known of the direct way to another host.
type trial struct {
	from, to netip.Addr // gateways
	by       netip.Addr // the other host's address
	direct   bool       // it is taken
	row      int        // answers in a row that speak against what is done
}

// enough answers in a row change the way. One that is lost now and then does not.
const enough = 3

// saw takes one answer, and says whether the way is to be changed.
func (t *trial) saw(answered bool) bool {
	if answered == t.direct {
		t.row = 0
		return false
	}
	if t.row++; t.row < enough {
		return false
	}
	t.direct, t.row = answered, 0
	return true
}

// pace is how often trials are made: at leisure, in haste while one is undecided, and how long an answer may take.
type pace struct{ leisure, haste, patience time.Duration }

var usual = pace{leisure: 10 * time.Second, haste: time.Second, patience: time.Second}

// echo asks the hosts of these addresses for a sign, from an address of this host, and says which gave it.
func echo(ctx context.Context, from netip.Addr, to []netip.Addr, patience time.Duration) (map[netip.Addr]bool, error) {
	c, err := net.ListenIP("ip4:icmp", &net.IPAddr{IP: from.AsSlice()})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	if err := marked(c); err != nil {
		return nil, err
	}
	ask := request()
	for _, ip := range to {
		_, _ = c.WriteToIP(ask, &net.IPAddr{IP: ip.AsSlice()}) // what cannot be sent is not answered
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	heard, answer := map[netip.Addr]bool{}, make([]byte, 1500)
	for len(heard) < len(to) {
		size, who, err := c.ReadFromIP(answer)
		if err != nil {
			break
		}
		ip, _ := netip.AddrFromSlice(who.IP)
		if isReply(ask, answer[:size]) {
			heard[ip.Unmap()] = true
		}
	}
	return heard, ctx.Err()
}

// greet sends a host something that needs no answer. What comes of it does not matter.
func greet(ip netip.Addr) {
	if c, err := net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: ip.AsSlice()}); err == nil {
		_, _ = c.Write(request())
		_ = c.Close()
	}
}

// marked has what is sent carry the mark.
func marked(c *net.IPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, trialTOS) })
	if err != nil {
		return err
	}
	return failed
}

// Types of ICMP, and how long one is: type, code, checksum, then what is given back: identifier, number and content.
const (
	echoRequest, echoReply = 8, 0
	echoSize               = 24
)

func request() []byte {
	ask := make([]byte, echoSize)
	_, _ = rand.Read(ask[4:])
	ask[0] = echoRequest
	sum := uint32(0)
	for i := 0; i < len(ask); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ask[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(ask[2:], ^uint16(sum+sum>>16))
	return ask
}

func isReply(ask, answer []byte) bool {
	return len(answer) == len(ask) && answer[0] == echoReply && string(answer[4:]) == string(ask[4:])
}
