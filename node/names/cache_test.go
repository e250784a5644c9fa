package names

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// answered is a reply to "TYPE NAME" with such records; those of its authority begin with "!".
func answered(t *testing.T, query string, rcode int, records ...string) *dns.Msg {
	t.Helper()
	reply := new(dns.Msg).SetRcode(asked(t, query), rcode)
	for _, text := range records {
		rr, err := dns.NewRR(strings.TrimPrefix(text, "!"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(text, "!") {
			reply.Ns = append(reply.Ns, rr)
		} else {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	return reply
}

func TestHowLongAnAnswerHolds(t *testing.T) {
	const query, soa = "A www.example.com", "!example.com. %d IN SOA ns.example.com. admin.example.com. 1 2 3 4 %d"
	short := answered(t, query, dns.RcodeSuccess, "www.example.com. 20 IN A 192.0.2.1")
	short.Truncated = true
	for claim, c := range map[string]struct {
		reply *dns.Msg
		want  time.Duration
	}{
		"as long as its first record to end":           {answered(t, query, dns.RcodeSuccess, "www.example.com. 20 IN CNAME a.example.com.", "a.example.com. 7 IN A 192.0.2.1"), 7 * time.Second},
		"half a minute at most":                        {answered(t, query, dns.RcodeSuccess, "www.example.com. 86400 IN A 192.0.2.1"), 30 * time.Second},
		"not at all":                                   {answered(t, query, dns.RcodeSuccess, "www.example.com. 0 IN A 192.0.2.1"), 0},
		"not what was cut short":                       {short, 0},
		"not that nobody knows":                        {answered(t, query, dns.RcodeServerFailure), 0},
		"a name that is not there, as its zone says":   {answered(t, query, dns.RcodeNameError, fmt.Sprintf(soa, 900, 9)), 9 * time.Second},
		"or the record that says so":                   {answered(t, query, dns.RcodeNameError, fmt.Sprintf(soa, 8, 900)), 8 * time.Second},
		"a name that has nothing of the kind":          {answered(t, query, dns.RcodeSuccess, fmt.Sprintf(soa, 900, 6)), 6 * time.Second},
		"one that leads to such a name":                {answered(t, query, dns.RcodeSuccess, "www.example.com. 5 IN CNAME a.example.com.", fmt.Sprintf(soa, 900, 6)), 5 * time.Second},
		"not that there is nothing where no zone says": {answered(t, query, dns.RcodeNameError), 0},
	} {
		if got := lifetime(c.reply); got != c.want {
			t.Errorf("%s: %v, not %v", claim, got, c.want)
		}
	}
}

func TestWhatIsKeptGrowsOldAndIsForgotten(t *testing.T) {
	c, now := newCache(2), time.Unix(1000, 0)
	put := func(name string) {
		c.put(askingOf(asked(t, "A "+name)), answered(t, "A "+name, dns.RcodeSuccess, name+" 20 IN A 192.0.2.1"), now)
	}
	has := func(query string, at time.Time) *dns.Msg { return c.get(askingOf(asked(t, query)), at) }
	put("one.example.")
	for after, left := range map[time.Duration]uint32{0: 20, 1500 * time.Millisecond: 19, 19999 * time.Millisecond: 1} {
		reply := has("A ONE.example", now.Add(after))
		if reply == nil || reply.Answer[0].Header().Ttl != left {
			t.Errorf("after %v: %v", after, reply)
		}
	}
	if has("AAAA one.example", now) != nil {
		t.Error("another kind is answered")
	}
	put("two.example.")
	has("A one.example", now)
	put("three.example.")
	if has("A one.example", now) == nil || has("A two.example", now) != nil || has("A three.example", now) == nil {
		t.Error("it is not the one that nobody asks for that is forgotten")
	}
	if has("A one.example", now.Add(20*time.Second)) != nil || len(c.of) != 1 || c.used.Len() != 1 {
		t.Error("what is over is kept")
	}
	long := answered(t, "TXT long.example", dns.RcodeSuccess)
	for range 10 {
		long.Answer = append(long.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: "long.example.", Rrtype: dns.TypeTXT, Ttl: 20}, Txt: []string{strings.Repeat("a", 200)}})
	}
	if c.put(askingOf(long), long, now); has("TXT long.example", now) != nil {
		t.Error("more than a packet is kept")
	}
}
