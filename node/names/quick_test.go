package names

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestWhatIsAtHandIsTheSameAnswer(t *testing.T) {
	h := newStage(t).serve()
	for _, query := range []string{
		"A web.shop.svc.cluster.local", "A WEB.shop.svc.cluster.local", "AAAA web.shop.svc.cluster.local", "A nope.shop.svc.cluster.local",
		"SRV _http._tcp.web.shop.svc.cluster.local", "PTR 7.0.43.10.in-addr.arpa", "CNAME away.tour.svc.cluster.local",
	} {
		for _, size := range []uint16{0, 1232} {
			r := asked(t, query)
			if size > 0 {
				r.SetEdns0(size, false)
			}
			var first *dns.Msg
			for i := range 3 {
				r.Id = uint16(1000 + i)
				got, err := exchange(t, "udp", h.at("127.66.1.1"), r)
				if err != nil || got.Id != r.Id || got.Question[0] != r.Question[0] {
					t.Fatal(query, err, got)
				}
				if got.Id = 0; first == nil {
					first = got
				} else if got.String() != first.String() {
					t.Errorf("%s:\n%s\nand then\n%s", query, first, got)
				}
			}
		}
	}
	if n := atHand(h.Names); n != 14 {
		t.Errorf("%d are at hand", n)
	}
}

func atHand(n *Names) int {
	k := &n.zone.Load().quick
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.of)
}

func TestWhatDiffersFromTimeToTimeIsNotAtHand(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	h.upstream("127.66.9.1", says("192.0.2.1"))
	h.serve()
	cookie := asked(t, "A web.shop.svc.cluster.local").SetEdns0(1232, false)
	cookie.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"}}
	beside := asked(t, "A web.shop.svc.cluster.local")
	beside.Extra = beside.Copy().SetEdns0(1232, false).Extra
	beside.Extra = append(beside.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeTXT}, Txt: []string{strings.Repeat("a", 200)}})
	for _, r := range []*dns.Msg{
		cookie, beside, asked(t, "A db.shop.svc.cluster.local"), asked(t, "A example.com"), asked(t, "A away.tour.svc.cluster.local"), asked(t, "AXFR cluster.local"),
		asked(t, "A round.tour.svc.cluster.local"),
	} {
		if _, err := exchange(t, "udp", h.at("127.66.1.1"), r); err != nil {
			t.Error(err)
		}
	}
	if n := atHand(h.Names); n != 0 {
		t.Errorf("%d are at hand", n)
	}
}

func TestNoMoreThanSoManyAreAtHand(t *testing.T) {
	z := newZone(table(), "n1")
	for i := range mostQuick + 2 {
		r := asked(t, fmt.Sprintf("A %d.shop.svc.cluster.local", i))
		reply, _ := z.reply(r)
		z.quick.put(r, reply, []byte("00answer"))
	}
	if n := len(z.quick.of); n != 2 {
		t.Errorf("%d are at hand", n)
	}
	for _, query := range [][]byte{nil, {1}, {1, 2}, {1, 2, 3}} {
		if z.quick.get(query) != nil {
			t.Errorf("%x is answered", query)
		}
	}
}
