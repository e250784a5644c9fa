package names

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/singleflight"

	"github.com/podkeep/podkeep/node/turnstile"
)

const (
	patience = 2 * time.Second  // for one resolver
	respite  = 10 * time.Second // of one that did not answer: it is asked last meanwhile
	aside    = time.Minute      // for which one is left out that asks us
)

// abroad asks the node's resolvers for what is none of the cluster's names.
type abroad struct {
	file     string // as resolv.conf(5) has it
	patience time.Duration
	port     uint16
	log      *logrus.Logger
	waiting  chan struct{}
	shares   *turnstile.Shares
	known    atomic.Pointer[resolvers]
	flights  singleflight.Group // one query at a time of those that are the same
}

// resolvers are those that a file names, and what they have answered. They are replaced, never edited, when the file changes: others may
// know other names.
type resolvers struct {
	file fs.FileInfo
	all  []*resolver
	kept *cache
}

// resolver is one of them.
type resolver struct {
	netip.AddrPort
	again atomic.Int64 // when it is to be tried again, in Unix nanoseconds; 0 while it answers
	ours  atomic.Int64 // until when it is left out, for it has asked us what we asked it, in Unix nanoseconds
	probe string       // a name that nobody else asks for
}

// ask is what is known, or what a resolver answers to a query that came by udp or tcp, or that none does. own is not asked: a node that is
// its own resolver would ask itself for ever. Of queries that are the same, one is asked at a time, so one that comes back to us waits for itself
// and goes round no more.
func (a *abroad) ask(ctx context.Context, r *dns.Msg, by asker, own netip.Addr) *dns.Msg {
	key, known := askingOf(r), a.resolvers()
	if reply := known.kept.get(key, time.Now()); reply != nil {
		return as(r, reply)
	}
	leave, may := a.enter(by.Addr)
	if !may {
		return new(dns.Msg).SetRcode(r, dns.RcodeServerFailure)
	}
	defer leave()
	reply, _, _ := a.flights.Do(fmt.Sprintf("%v %s %p", key, by.network, known), func() (any, error) {
		reply := a.anyone(ctx, outward(r), by.network, known.inTurn(own))
		known.kept.put(key, reply, time.Now())
		return reply, nil
	})
	return as(r, reply.(*dns.Msg).Copy())
}

// enter says whether one more query of that asker may wait: more would only wait longer.
func (a *abroad) enter(by netip.Addr) (leave func(), may bool) {
	if !a.shares.Take(by) {
		return nil, false
	}
	select {
	case a.waiting <- struct{}{}:
		return func() { <-a.waiting; a.shares.Give(by) }, true
	default:
		a.shares.Give(by)
		return nil, false
	}
}

// outward is a query as we ask it: what an asker says of itself and of its connection to us is no resolver's business.
func outward(r *dns.Msg) *dns.Msg {
	ask := new(dns.Msg).SetQuestion(r.Question[0].Name, r.Question[0].Qtype)
	ask.Question[0].Qclass = r.Question[0].Qclass
	ask.CheckingDisabled = r.CheckingDisabled
	opt := r.IsEdns0()
	return ask.SetEdns0(largest, opt != nil && opt.Do())
}

// as is a reply to r: under its number, and with the name in the letters in which it was asked for, which some askers look at.
func as(r, reply *dns.Msg) *dns.Msg {
	q := r.Question[0]
	for _, rr := range reply.Answer {
		if strings.EqualFold(rr.Header().Name, q.Name) {
			rr.Header().Name = q.Name
		}
	}
	reply.Id, reply.RecursionDesired, reply.CheckingDisabled = r.Id, r.RecursionDesired, r.CheckingDisabled
	reply.Question, reply.Authoritative = []dns.Question{q}, false
	return reply
}

// anyone is what the first of the resolvers answers that is able to, or that none is.
func (a *abroad) anyone(ctx context.Context, r *dns.Msg, network string, all []*resolver) *dns.Msg {
	none := new(dns.Msg).SetRcode(r, dns.RcodeServerFailure)
	for _, s := range all {
		reply, err := a.exchange(ctx, r, network, s)
		switch {
		case ctx.Err() != nil:
			return none
		case err != nil:
			a.failed(ctx, s, err)
			continue
		case s.again.Swap(0) != 0:
			a.log.WithField("resolver", s.AddrPort).Info("resolver answers again")
		}
		switch reply.Rcode {
		case dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented, dns.RcodeFormatError: // another may know
			none = reply
		default:
			return reply
		}
	}
	return none
}

// failed puts a resolver last, and looks whether it is because it asks us.
func (a *abroad) failed(ctx context.Context, s *resolver, err error) {
	if s.again.Swap(time.Now().Add(respite).UnixNano()) == 0 {
		a.log.WithFields(logrus.Fields{"resolver": s.AddrPort, "why": err}).Warn("resolver does not answer")
	}
	a.sound(ctx, s)
}

// sound asks a resolver for a name that nobody else asks for, and waits for no answer: if it asks us, the name comes back.
func (a *abroad) sound(ctx context.Context, s *resolver) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", s.String())
	if err != nil {
		return // it does not answer anybody
	}
	defer func() { _ = conn.Close() }()
	_ = (&dns.Conn{Conn: conn}).WriteMsg(new(dns.Msg).SetQuestion(s.probe, dns.TypeA))
}

// cameBack says whether a name is one that only we ask for. The resolver that was asked for it then is left out for a while.
func (a *abroad) cameBack(name string) bool {
	known := a.known.Load()
	if known == nil {
		return false
	}
	for _, s := range known.all {
		if !strings.EqualFold(s.probe, name) {
			continue
		}
		if s.ours.Swap(time.Now().Add(aside).UnixNano()) == 0 {
			a.log.WithField("resolver", s.AddrPort).Warn("resolver asks us what we ask it: it is left out. Name another one in the node's resolv.conf, or let this one ask somebody else")
		}
		return true
	}
	return false
}

// inTurn are the resolvers in the order in which they are to be asked: those last that did not answer a short while ago. Of the queries that
// come when it is over, one tries it.
func (k *resolvers) inTurn(own netip.Addr) (turn []*resolver) {
	var tired []*resolver
	now := time.Now()
	for _, s := range k.all {
		again := s.again.Load()
		switch {
		case s.Addr() == own, now.UnixNano() < s.ours.Load():
		case again == 0 || now.UnixNano() > again && s.again.CompareAndSwap(again, now.Add(respite).UnixNano()):
			turn = append(turn, s)
		default:
			tired = append(tired, s)
		}
	}
	return append(turn, tired...)
}

// exchange asks one resolver, and once more by TCP where the answer was cut short.
func (a *abroad) exchange(ctx context.Context, r *dns.Msg, network string, s *resolver) (*dns.Msg, error) {
	reply, err := a.once(ctx, r, network, s)
	if err == nil && reply.Truncated && network == "udp" {
		if whole, err := a.once(ctx, r, "tcp", s); err == nil {
			return whole, nil
		}
	}
	return reply, err
}

func (a *abroad) once(ctx context.Context, r *dns.Msg, network string, s *resolver) (*dns.Msg, error) {
	client := dns.Client{Net: network, Timeout: a.patience}
	conn, err := client.DialContext(ctx, s.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	ask := r.Copy()
	ask.Id = dns.Id()
	reply, _, err := client.ExchangeWithConnContext(ctx, ask, conn)
	if err != nil {
		return nil, err
	}
	return believed(r, reply)
}

// believed is what counts of what came as a reply to r, under the number and from the address that r was sent with and to. What it says of other
// names is passed on with it, and is no answer to those who ask for them. A record that nobody could read, or a code that not every asker knows,
// is no answer.
func believed(r, reply *dns.Msg) (*dns.Msg, error) {
	switch {
	case !reply.Response || reply.Opcode != dns.OpcodeQuery:
		return nil, errors.New("it answers with a query")
	case len(reply.Question) != 1 || !same(reply.Question[0], r.Question[0]):
		return nil, errors.New("it answers another question")
	}
	reply.Extra = slices.DeleteFunc(reply.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
	wire, err := compressed(reply).Pack()
	if err == nil {
		err = new(dns.Msg).Unpack(wire)
	}
	if err != nil {
		return nil, fmt.Errorf("its answer cannot be passed on: %w", err)
	}
	return reply, nil
}

func same(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// resolvers are those of the file as it is now, or as it was last if it cannot be read.
func (a *abroad) resolvers() *resolvers {
	known := a.known.Load()
	if known == nil {
		known = &resolvers{kept: newCache(mostKept)}
	}
	info, err := os.Stat(a.file)
	if err != nil || known.file != nil && os.SameFile(info, known.file) && info.ModTime().Equal(known.file.ModTime()) && info.Size() == known.file.Size() {
		return known
	}
	conf, err := dns.ClientConfigFromFile(a.file)
	if err != nil {
		return known
	}
	next := &resolvers{file: info, kept: newCache(mostKept)}
	for _, text := range conf.Servers {
		s, err := a.resolverOf(text)
		if err != nil {
			a.log.WithField("why", err).Warn("resolver is left out")
			continue
		}
		next.all = append(next.all, s)
	}
	a.known.Store(next)
	a.log.WithField("resolvers", addrs(next.all)).Info("other names are asked of these")
	return next
}

func (a *abroad) resolverOf(text string) (*resolver, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return nil, fmt.Errorf("nameserver %q: it is no address", text)
	}
	return &resolver{AddrPort: netip.AddrPortFrom(ip, a.port), probe: strings.ToLower(rand.Text()) + "."}, nil
}

func addrs(all []*resolver) (list []string) {
	for _, s := range all {
		list = append(list, s.Addr().String())
	}
	return list
}
