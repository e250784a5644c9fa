package names

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/sirupsen/logrus"
)

const (
	patience   = 2 * time.Second  // for one resolver
	respite    = 10 * time.Second // of one that did not answer: it is asked last meanwhile
	mostAbroad = 1024             // queries that wait for resolvers at a time
)

// abroad asks the node's resolvers for what is none of the cluster's names.
type abroad struct {
	file     string // as resolv.conf(5) has it
	patience time.Duration
	port     uint16
	log      *logrus.Logger
	waiting  chan struct{}
	known    atomic.Pointer[resolvers]
}

// resolvers are those that a file names. They are replaced, never edited, when the file changes.
type resolvers struct {
	file fs.FileInfo
	all  []*resolver
}

// resolver is one of them.
type resolver struct {
	netip.AddrPort
	again atomic.Int64 // when it is to be tried again, in Unix nanoseconds; 0 while it answers
}

// ask is what a resolver answers to a query that came by udp or tcp, or that none does. own are not asked: a node that is its own resolver
// would ask itself for ever.
func (a *abroad) ask(ctx context.Context, r *dns.Msg, network string, own netip.Addr) *dns.Msg {
	none := new(dns.Msg).SetRcode(r, dns.RcodeServerFailure)
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default: // more would only wait longer
		return none
	}
	for _, s := range a.inTurn(own) {
		reply, err := a.exchange(ctx, r, network, s)
		switch {
		case ctx.Err() != nil:
			return none
		case err != nil:
			a.failed(s, err)
			continue
		case s.again.Swap(0) != 0:
			a.log.WithField("resolver", s.AddrPort).Info("resolver answers again")
		}
		switch reply.Rcode {
		case dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented: // another may know
			none = reply
		default:
			return reply
		}
	}
	return none
}

func (a *abroad) failed(s *resolver, err error) {
	if s.again.Swap(time.Now().Add(respite).UnixNano()) == 0 {
		a.log.WithFields(logrus.Fields{"resolver": s.AddrPort, "why": err}).Warn("resolver does not answer")
	}
}

// inTurn are the resolvers in the order in which they are to be asked: those last that did not answer a short while ago. Of the queries that
// come when it is over, one tries it.
func (a *abroad) inTurn(own netip.Addr) (turn []*resolver) {
	var tired []*resolver
	now := time.Now()
	for _, s := range a.resolvers() {
		again := s.again.Load()
		switch {
		case s.Addr() == own:
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
	client := dns.Client{Net: network, Timeout: a.patience, UDPSize: dns.DefaultMsgSize}
	conn, err := client.DialContext(ctx, s.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	ask := r.Copy()
	ask.Id = dns.Id()
	reply, _, err := client.ExchangeWithConnContext(ctx, ask, conn)
	switch {
	case err != nil:
		return nil, err
	case len(reply.Question) != 1 || !same(reply.Question[0], r.Question[0]):
		return nil, errors.New("it answers another question")
	}
	reply.Id = r.Id
	return reply, nil
}

func same(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// resolvers are those of the file as it is now, or as it was last if it cannot be read.
func (a *abroad) resolvers() []*resolver {
	known := a.known.Load()
	if known == nil {
		known = &resolvers{}
	}
	info, err := os.Stat(a.file)
	if err != nil || known.file != nil && os.SameFile(info, known.file) && info.ModTime().Equal(known.file.ModTime()) && info.Size() == known.file.Size() {
		return known.all
	}
	conf, err := dns.ClientConfigFromFile(a.file)
	if err != nil {
		return known.all
	}
	next := &resolvers{file: info}
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
	return next.all
}

func (a *abroad) resolverOf(text string) (*resolver, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return nil, fmt.Errorf("nameserver %q: it is no address", text)
	}
	return &resolver{AddrPort: netip.AddrPortFrom(ip, a.port)}, nil
}

func addrs(all []*resolver) (list []string) {
	for _, s := range all {
		list = append(list, s.Addr().String())
	}
	return list
}
