package names

import (
	"container/list"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	mostKept = 4096             // answers from outside
	longest  = 30 * time.Second // that one is kept, as Kubernetes' own cluster DNS bounds it
)

// asking is what makes two queries one: who knows the answer to one of them knows that to the other.
type asking struct {
	name        string // in small letters
	kind, class uint16
	signed      bool // DNSSEC's records are wanted (DO)
	unchecked   bool // by whom they are wanted also if they are wrong (CD)
}

func askingOf(r *dns.Msg) asking {
	q, opt := r.Question[0], r.IsEdns0()
	return asking{strings.ToLower(q.Name), q.Qtype, q.Qclass, opt != nil && opt.Do(), r.CheckingDisabled}
}

// cache keeps answers of resolvers for as long as these say, at most longest, and forgets first what nobody has asked for. They are kept as they
// are sent, and one that is too long for a packet is not, so that all of them have a bound in bytes as well.
type cache struct {
	mu   sync.Mutex
	most int
	of   map[asking]*list.Element
	used list.List // *kept, what was asked for last in front
}

type kept struct {
	asking
	wire        []byte // without OPT
	since, over time.Time
}

func newCache(most int) *cache { return &cache{most: most, of: map[asking]*list.Element{}} }

// get is the answer, as long as it holds; nil if there is none. Its TTLs are what is left of them. It is the caller's own.
func (c *cache) get(a asking, now time.Time) *dns.Msg {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.of[a]
	if e == nil {
		return nil
	}
	k := e.Value.(*kept)
	if !now.Before(k.over) {
		c.forget(e)
		return nil
	}
	reply := new(dns.Msg)
	if reply.Unpack(k.wire) != nil {
		return nil
	}
	c.used.MoveToFront(e)
	age := uint32(now.Sub(k.since) / time.Second)
	for _, rr := range records(reply) {
		rr.Header().Ttl -= min(age, rr.Header().Ttl)
	}
	return reply
}

// put keeps the answer if it may be kept.
func (c *cache) put(a asking, reply *dns.Msg, now time.Time) {
	holds := lifetime(reply)
	if holds == 0 {
		return
	}
	wire, err := compressed(reply).Pack()
	if err != nil || len(wire) > largest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.of[a]; e != nil {
		c.forget(e)
	}
	c.of[a] = c.used.PushFront(&kept{a, slices.Clip(wire), now, now.Add(holds)})
	if c.used.Len() > c.most {
		c.forget(c.used.Back())
	}
}

// compressed is the message as it is sent, with each name once.
func compressed(m *dns.Msg) *dns.Msg {
	sent := *m
	sent.Compress = true
	return &sent
}

func (c *cache) forget(e *list.Element) { delete(c.of, c.used.Remove(e).(*kept).asking) }

// lifetime is how long an answer may be kept; 0 is not at all. That there is nothing holds as long as the zone's SOA says (RFC 2308).
func lifetime(reply *dns.Msg) time.Duration {
	if reply.Truncated || reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return 0
	}
	q := reply.Question[0]
	positive := reply.Rcode == dns.RcodeSuccess && slices.ContainsFunc(reply.Answer, func(rr dns.RR) bool {
		return q.Qtype == dns.TypeANY || rr.Header().Rrtype == q.Qtype
	})
	least, bounded := uint32(longest/time.Second), positive
	for _, rr := range records(reply) {
		least = min(least, rr.Header().Ttl)
		if soa, is := rr.(*dns.SOA); is && !positive {
			least, bounded = min(least, soa.Minttl), true
		}
	}
	if !bounded {
		return 0
	}
	return time.Duration(least) * time.Second
}

// records are all of a message that have a TTL.
func records(m *dns.Msg) []dns.RR {
	return slices.DeleteFunc(slices.Concat(m.Answer, m.Ns, m.Extra), func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
}
