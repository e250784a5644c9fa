// Package names answers a node's pods for names: those of the cluster from the table that routes go by, as the Kubernetes DNS specification
// has them, and all others from the node's own resolvers.
//
// It answers at the node's address among its pods, by UDP and TCP. What the table says is answered from memory, by nobody else, and is never
// asked of anybody outside: a resolver that is dead delays no name of the cluster. A name that is not the cluster's is asked for pods alone.
package names

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/turnstile"
)

// Options are what a Names works with. The zero value of each is a default.
type Options struct {
	Resolv string // the file that names the node's resolvers; /etc/resolv.conf
	Log    *logrus.Logger
	Port   uint16 // at which it answers; 53
}

const (
	largest = 1232        // bytes of an answer by UDP, so that none is sent in parts
	again   = time.Second // after which an address is tried again that could not be had
)

// Names answers by the table that was put last.
type Names struct {
	port    uint16
	again   time.Duration
	most    int           // connections
	quiet   time.Duration // in which a client by TCP asks, and takes the answer
	log     *logrus.Logger
	abroad  abroad
	zone    atomic.Pointer[zone]
	trouble atomic.Pointer[string]
	changed chan struct{} // the address is another
}

// New is a Names that answers nobody yet: it needs a table, and Serve.
func New(o Options) *Names {
	if o.Log == nil {
		o.Log = logrus.New()
		o.Log.SetOutput(io.Discard)
	}
	n := &Names{port: cmp.Or(o.Port, 53), again: again, most: mostConns, quiet: quiet, log: o.Log, changed: make(chan struct{}, 1)}
	n.abroad = abroad{file: cmp.Or(o.Resolv, "/etc/resolv.conf"), patience: patience, port: 53, log: o.Log, waiting: make(chan struct{}, mostAbroad), shares: turnstile.NewShares(mostAbroad / share)}
	return n
}

// Put has names answered as the table says, seen from the node of that name, from the next query on. A node without a range answers none.
func (n *Names) Put(t *route.Table, node string) error {
	if _, ok := dns.IsDomainName(t.Domain); !ok || t.Domain == "" || t.Domain == "." {
		return fmt.Errorf("table %d: domain %q: it is none", t.Number, t.Domain)
	}
	next := newZone(t, node)
	if last := n.zone.Swap(next); last == nil || last.own != next.own {
		select {
		case n.changed <- struct{}{}:
		default: // it is to look anyway
		}
	}
	return nil
}

// Trouble is why names are not answered though they should be, or "".
func (n *Names) Trouble() string {
	if why := n.trouble.Load(); why != nil {
		return *why
	}
	return ""
}

// Serve answers until ctx ends. The address need not be there yet; one that somebody else has is tried again until it can be had.
func (n *Names) Serve(ctx context.Context) {
	for ctx.Err() == nil {
		own := n.own()
		err := n.serveAt(ctx, own)
		n.say(own, err)
		if err != nil {
			n.stay(ctx, own, time.After(n.again))
		}
	}
}

// own is the address at which to answer, the zero address if there is none.
func (n *Names) own() netip.Addr {
	if z := n.zone.Load(); z != nil {
		return z.own
	}
	return netip.Addr{}
}

// stay waits while the address is own, until ctx or the time ends.
func (n *Names) stay(ctx context.Context, own netip.Addr, over <-chan time.Time) {
	for n.own() == own {
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-n.changed:
		}
	}
}

// say tells, once, why an address is not answered at.
func (n *Names) say(own netip.Addr, err error) {
	why := ""
	if err != nil {
		why = fmt.Sprintf("names are not answered at %s: %s", own, err)
	}
	if last := n.trouble.Swap(&why); why != "" && (last == nil || *last != why) {
		n.log.Warn(why)
	}
}

// serveAt answers at an address until another one is to be answered at, or ctx ends.
func (n *Names) serveAt(ctx context.Context, own netip.Addr) error {
	if !own.IsValid() {
		n.say(own, nil)
		n.stay(ctx, own, nil)
		return nil
	}
	packets, conns, err := n.bind(ctx, own)
	if err != nil {
		return err
	}
	n.say(own, nil)
	n.log.WithField("address", own).Info("names are answered")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	both, ctx := errgroup.WithContext(ctx)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) { n.answer(ctx, w, r) })
	both.Go(func() error {
		return run(ctx, &dns.Server{PacketConn: &counter{UDPConn: packets, names: n}, Handler: handler, UDPSize: dns.DefaultMsgSize})
	})
	both.Go(func() error {
		idle := func() time.Duration { return n.quiet }
		return run(ctx, &dns.Server{Listener: turnstile.New(conns, n.most, n.most/share, n.quiet), Handler: handler, ReadTimeout: n.quiet, IdleTimeout: idle})
	})
	n.stay(ctx, own, nil)
	cancel()
	return both.Wait()
}

// run runs a server until ctx ends.
func run(ctx context.Context, s *dns.Server) error {
	started, ended := make(chan struct{}), make(chan error, 1)
	s.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- s.ActivateAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-started:
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		_ = s.Shutdown()
		return <-ended
	}
}

// bind takes the address, which may not be there yet.
func (n *Names) bind(ctx context.Context, own netip.Addr) (*net.UDPConn, net.Listener, error) {
	early := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var refused error
		err := raw.Control(func(fd uintptr) { refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
		return cmp.Or(err, refused)
	}}
	at := netip.AddrPortFrom(own, n.port).String()
	packets, err := early.ListenPacket(ctx, "udp4", at)
	if err != nil {
		return nil, nil, err
	}
	conns, err := early.Listen(ctx, "tcp4", at)
	if err != nil {
		_ = packets.Close()
		return nil, nil, err
	}
	return packets.(*net.UDPConn), conns, nil
}

// answer answers one query.
func (n *Names) answer(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) {
	if len(r.Question) != 1 { // though its head says so
		_ = w.WriteMsg(new(dns.Msg).SetRcodeFormatError(r))
		return
	}
	by, z := asker{turnstile.Asker(w.RemoteAddr()), w.RemoteAddr().Network()}, n.zone.Load()
	reply := n.replyTo(ctx, z, r, by)
	reply.RecursionAvailable = true
	reply = fit(reply, r, by.network)
	wire, err := reply.Pack()
	if err != nil { // rather than nothing
		_ = w.WriteMsg(new(dns.Msg).SetRcode(r, dns.RcodeServerFailure))
		return
	}
	if reply.Authoritative && by.network == "udp" {
		z.quick.put(r, reply, wire)
	}
	_, _ = w.Write(wire)
}

// asker is who asks, by udp or tcp.
type asker struct {
	netip.Addr
	network string
}

// replyTo is the whole reply, however long it is.
func (n *Names) replyTo(ctx context.Context, z *zone, r *dns.Msg, by asker) *dns.Msg {
	q := r.Question[0]
	reply, mine := z.reply(r)
	switch opt := r.IsEdns0(); {
	case r.Opcode != dns.OpcodeQuery:
		return new(dns.Msg).SetRcode(r, dns.RcodeNotImplemented)
	case opt != nil && opt.Version() != 0:
		return new(dns.Msg).SetRcode(r, dns.RcodeBadVers)
	case q.Qclass != dns.ClassINET || isTransfer(q.Qtype) || !mine && !z.has(by.Addr) || n.abroad.cameBack(q.Name):
		return new(dns.Msg).SetRcode(r, dns.RcodeRefused)
	case !mine:
		return n.abroad.ask(ctx, r, by, z.own)
	}
	if out := leadsOut(reply); out != "" && z.has(by.Addr) {
		return n.follow(ctx, reply, r, out, by, z.own)
	}
	shuffle(reply.Answer)
	return reply
}

// follow is a reply with what an outside name says, to which it leads: a pod's resolver asks once, and looks no further.
func (n *Names) follow(ctx context.Context, reply, r *dns.Msg, out string, by asker, own netip.Addr) *dns.Msg {
	further := r.Copy()
	further.Question[0].Name = out
	rest := n.abroad.ask(ctx, further, by, own)
	reply.Rcode, reply.Truncated, reply.Ns = rest.Rcode, rest.Truncated, rest.Ns
	reply.Answer = append(reply.Answer, rest.Answer...)
	return reply
}

func isTransfer(kind uint16) bool { return kind == dns.TypeAXFR || kind == dns.TypeIXFR }

// shuffle spreads those who take the first answer. Names that lead to others stay before them.
func shuffle(all []dns.RR) {
	for len(all) > 0 && all[0].Header().Rrtype == dns.TypeCNAME {
		all = all[1:]
	}
	rand.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
}

// fit is the reply as far as the asker has room for it. It comes again by TCP for the rest.
func fit(reply, r *dns.Msg, network string) *dns.Msg {
	size, opt := dns.MinMsgSize, r.IsEdns0()
	if opt != nil {
		size = min(max(size, int(opt.UDPSize())), largest)
		if reply.IsEdns0() == nil {
			reply.SetEdns0(largest, opt.Do())
		}
	}
	if network == "tcp" {
		size = dns.MaxMsgSize
	}
	reply.Truncate(size)
	return reply
}
