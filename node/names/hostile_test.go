package names

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/turnstile"
)

// from is a client at such an address.
func from(ip, network string) *dns.Client {
	at := net.ParseIP(ip)
	var local net.Addr = &net.UDPAddr{IP: at}
	if network == "tcp" {
		local = &net.TCPAddr{IP: at}
	}
	return &dns.Client{Net: network, Timeout: time.Minute, Dialer: &net.Dialer{LocalAddr: local}}
}

func TestNobodyCanGuessWhatWeAsk(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	const times = 64
	var mu sync.Mutex
	numbers, ports := map[uint16]bool{}, map[string]bool{}
	h.hinders("127.66.9.1", func(r *dns.Msg, packets net.PacketConn, to net.Addr) {
		mu.Lock()
		numbers[r.Id], ports[to.String()] = true, true
		mu.Unlock()
		m := new(dns.Msg).SetReply(r)
		says("192.0.2.1")("udp", m)
		send(packets, m, to)
	})
	h.serve()
	for i := range times {
		r := asked(t, fmt.Sprintf("A %d.example.com", i))
		r.Id = 7
		if got, err := exchange(t, "udp", h.at("127.66.1.1"), r); err != nil || got.Id != 7 || len(got.Answer) != 1 {
			t.Fatal(err, got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(numbers) < times-4 || len(ports) < times-4 { // by chance two may be one
		t.Errorf("%d numbers and %d ports of %d", len(numbers), len(ports), times)
	}
}

func TestWhatIsSaidOfOtherNamesIsNoAnswerToThose(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", func(network string, reply *dns.Msg) {
		says("192.0.2.1")(network, reply)
		forged := &dns.A{Hdr: head("bank.example.", dns.TypeA), A: net.IPv4(192, 0, 2, 66)}
		if reply.Question[0].Name != "bank.example." {
			reply.Answer, reply.Extra = append(reply.Answer, forged), append(reply.Extra, forged)
			reply.Ns = append(reply.Ns, &dns.NS{Hdr: head("example.", dns.TypeNS), Ns: "bank.example."})
		}
	})
	h.serve()
	_ = h.ask("udp", "A www.example")
	if got := told(h.ask("udp", "A bank.example")); got != "NOERROR\nbank.example. A 192.0.2.1" || u.asked() != "udp A www.example., udp A bank.example." {
		t.Error(got, u.asked())
	}
	if got := told(h.ask("udp", "A web.shop.svc.cluster.local")); got != "NOERROR\nweb.shop.svc.cluster.local. A 10.43.0.7" {
		t.Error(got)
	}
}

func TestWhatNotEveryAskerCanBeToldIsAFailure(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	h.upstream("127.66.9.1", func(_ string, reply *dns.Msg) {
		reply.SetEdns0(largest, false)
		reply.Rcode = dns.RcodeBadCookie
	})
	h.serve()
	for _, r := range []*dns.Msg{asked(t, "A example.com"), asked(t, "A example.net").SetEdns0(largest, false)} {
		if got, err := exchange(t, "udp", h.at("127.66.1.1"), r); err != nil || got.Rcode != dns.RcodeServerFailure {
			t.Error(err, got)
		}
	}
}

func TestARecordThatIsTooLongForAPacket(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", func(network string, reply *dns.Msg) {
		if reply.Truncated = network == "udp"; !reply.Truncated {
			txt := &dns.TXT{Hdr: head(reply.Question[0].Name, dns.TypeTXT)}
			for range 250 {
				txt.Txt = append(txt.Txt, strings.Repeat("a", 250))
			}
			reply.Answer = []dns.RR{txt}
		}
	})
	h.serve()
	for range 2 {
		if got := h.ask("udp", "TXT example.com"); !got.Truncated || len(got.Answer) != 0 {
			t.Errorf("%d records, cut short: %v", len(got.Answer), got.Truncated)
		}
	}
	if got := h.ask("tcp", "TXT example.com"); got.Truncated || len(got.Answer) != 1 || len(got.Answer[0].(*dns.TXT).Txt) != 250 {
		t.Error(got)
	}
	if n := strings.Count(u.asked(), "tcp"); n != 3 {
		t.Errorf("it was kept: %s", u.asked())
	}
}

func TestOneAskerLeavesRoomForOthers(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	h.abroad.patience, h.abroad.waiting, h.abroad.shares = time.Hour, make(chan struct{}, 8), turnstile.NewShares(8/share)
	heard := h.silent("127.66.9.1")
	h.serve()
	ctx, cancel := context.WithCancel(t.Context())
	var join sync.WaitGroup
	waits := func(ip, name string) {
		join.Go(func() { _, _, _ = from(ip, "udp").ExchangeContext(ctx, asked(t, "A "+name), h.at("127.66.1.1")) })
		<-heard
	}
	waits("127.66.2.1", "one.example.com")
	waits("127.66.2.1", "two.example.com")
	if got, _, err := from("127.66.2.1", "udp").Exchange(asked(t, "A three.example.com"), h.at("127.66.1.1")); err != nil || got.Rcode != dns.RcodeServerFailure {
		t.Error(err, got)
	}
	waits("127.66.2.2", "three.example.com")
	if got, _, err := from("127.66.2.1", "udp").Exchange(asked(t, "A web.shop.svc.cluster.local"), h.at("127.66.1.1")); err != nil || len(got.Answer) != 1 {
		t.Error(err, got)
	}
	h.end()
	<-h.ended
	cancel()
	join.Wait()
}

func TestAClientThatSaysNothingIsSentAway(t *testing.T) {
	h := newStage(t)
	h.most, h.quiet = 1, 10*time.Millisecond
	h.serve()
	for _, said := range []string{"", "\x00", "\x00\x20\x01"} {
		mute, err := net.Dial("tcp4", h.at("127.66.1.1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(mute, said); err != nil {
			t.Error(err)
		}
		if n, err := io.Copy(io.Discard, mute); n != 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: %d bytes, %v", said, n, err)
		}
		_ = mute.Close()
	}
}

func TestAClientThatTakesNoAnswerIsSentAway(t *testing.T) {
	h := newStage(t)
	h.most, h.quiet = 1, 50*time.Millisecond
	for i := range 3000 {
		h.table.Services[1].Endpoints = append(h.table.Services[1].Endpoints, route.Endpoint{IP: netip.AddrFrom4([4]byte{10, 42, byte(3 + i>>8), byte(i)}), Ports: []uint16{1, 2}})
	}
	h.serve()
	greedy, err := net.Dial("tcp4", h.at("127.66.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = greedy.Close() }()
	_ = greedy.(*net.TCPConn).SetReadBuffer(4096)
	wire, err := asked(t, "A db.shop.svc.cluster.local").Pack()
	if err != nil {
		t.Fatal(err)
	}
	query := append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
	for range 120 { // of 48 KB each
		if _, err := greedy.Write(query); err != nil {
			break
		}
	}
	got, _, err := from("127.66.2.2", "tcp").Exchange(asked(t, "A web.shop.svc.cluster.local"), h.at("127.66.1.1"))
	if err != nil || len(got.Answer) != 1 {
		t.Error(err, got)
	}
	h.end() // and nothing is waited for
	<-h.ended
}

func TestWhatIsNoMessageDoesNoHarm(t *testing.T) {
	h := newStage(t).serve()
	head := func(flags, questions uint16) string {
		return string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{0, 7}, flags), questions)) + "\x00\x00\x00\x00\x00\x00"
	}
	conn, err := net.Dial("udp4", h.at("127.66.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const a = "\x00\x01\x00\x01"
	for _, packet := range []string{
		"", "\x00", head(0, 0), head(0, 2), head(0, 65535), head(0x8000, 1) + "\x03web\x00" + a, // an answer
		head(0, 1) + "\xc0\x0c" + a, head(0, 1) + "\xc0\x0e\xc0\x0c" + a, // names that lead to themselves
		head(0, 1) + "\xc0\xff" + a, head(0, 1) + "\x40web\x00" + a, head(0, 1) + "\x3fweb", head(0, 1) + "\x03web\x00\x00",
		head(0, 1) + strings.Repeat("\x01a", 200) + "\x00" + a, strings.Repeat("\xff", 4096),
	} {
		if _, err := conn.Write([]byte(packet)); err != nil {
			t.Fatal(err)
		}
		stream, err := net.Dial("tcp4", h.at("127.66.1.1"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...))
		_ = stream.Close()
	}
	for _, network := range []string{"udp", "tcp"} {
		if got := told(h.ask(network, "A web.shop.svc.cluster.local")); !strings.HasPrefix(got, "NOERROR") {
			t.Error(got)
		}
	}
}

func TestNodesThatAskEachOtherNoticeIt(t *testing.T) {
	one, two := newStage(t, "127.66.2.1"), newStage(t, "127.66.1.1", "127.66.9.1")
	two.table.Nodes[0].Range = netip.MustParsePrefix("127.66.2.0/24")
	two.port = one.port
	for _, h := range []*stage{one, two} {
		h.abroad.port, h.abroad.patience = one.port, 300*time.Millisecond
	}
	two.upstream("127.66.9.1", says("192.0.2.1"))
	two.said = one.said
	one.serve()
	two.serve()
	_ = one.ask("udp", "A example.com")
	one.hear("resolver asks us what we ask it") // whichever it is: it answers the other, which has somebody else to ask
	got, err := exchange(t, "udp", two.at("127.66.2.1"), asked(t, "A www.example.com"))
	if err != nil || told(got) != "NOERROR\nwww.example.com. A 192.0.2.1" {
		t.Error(err, got)
	}
}

func TestWhatIsKeptIsBoundedInBytes(t *testing.T) {
	c := newCache(20)
	for i := range 40 {
		name := fmt.Sprintf("%d.example.", i)
		reply := answered(t, "A "+name, dns.RcodeSuccess)
		for range 70 { // each of which takes 16 bytes on the wire, and ten times that in memory
			reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 20}, A: net.IPv4(192, 0, 2, 1)})
		}
		c.put(askingOf(reply), reply, time.Unix(1000, 0))
	}
	bytes := 0
	for _, e := range c.of {
		bytes += cap(e.Value.(*kept).wire)
	}
	if len(c.of) != 20 || bytes > 20*largest {
		t.Errorf("%d are kept, %d bytes", len(c.of), bytes)
	}
}

// FuzzQueries has packets be asked, by UDP and by TCP, by nobody who would be told of others' names.
func FuzzQueries(f *testing.F) {
	for _, query := range []string{"A web.shop.svc.cluster.local.", "SRV db.shop.svc.cluster.local.", "ANY db.shop.svc.cluster.local.", "PTR 7.0.43.10.in-addr.arpa.", "A twice.tour.svc.cluster.local.", "A round.tour.svc.cluster.local."} {
		kind, name, _ := strings.Cut(query, " ")
		wire, err := new(dns.Msg).SetQuestion(name, dns.StringToType[kind]).SetEdns0(4096, true).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	n := New(Options{})
	if err := n.Put(table(), "n1"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := new(dns.Msg)
		if r.Unpack(wire) != nil || len(r.Question) != 1 {
			return
		}
		z := n.zone.Load()
		for network, most := range map[string]int{"udp": largest, "tcp": dns.MaxMsgSize} {
			reply := fit(n.replyTo(t.Context(), z, r, asker{netip.MustParseAddr("192.0.2.1"), network}), r, network)
			sent, err := reply.Pack()
			if err != nil || len(sent) > most {
				t.Fatalf("%s: %d bytes, %v: %v", network, len(sent), err, reply)
			}
			if network != "udp" {
				continue
			}
			z.quick.put(r, reply, sent)
			if quick := z.quick.get(wire); quick != nil && string(quick) != string(sent[number:]) {
				t.Fatalf("at hand is another answer to %v: %x, not %x", r, quick, sent)
			}
		}
	})
}

// FuzzAnswers has a resolver answer with such packets.
func FuzzAnswers(f *testing.F) {
	for _, records := range [][]string{{"example.com. 20 IN A 192.0.2.1"}, {"!example.com. 900 IN SOA ns.example. a.example. 1 2 3 4 9"}, {"example.com. 7 IN CNAME example.net.", "example.net. 9 IN TXT a b"}} {
		reply := new(dns.Msg).SetQuestion("example.com.", dns.TypeA)
		reply.Response = true
		for _, text := range records {
			rr, err := dns.NewRR(strings.TrimPrefix(text, "!"))
			if err != nil {
				f.Fatal(err)
			}
			reply.Answer = append(reply.Answer, rr)
		}
		wire, err := reply.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	r, now := new(dns.Msg).SetQuestion("example.com.", dns.TypeA), time.Unix(1000, 0)
	f.Fuzz(func(t *testing.T, wire []byte) {
		came := new(dns.Msg)
		if came.Unpack(wire) != nil {
			return
		}
		reply, err := believed(r, came)
		if err != nil {
			return
		}
		c := newCache(1)
		c.put(askingOf(r), reply, now)
		kept := c.get(askingOf(r), now)
		for _, m := range []*dns.Msg{reply, kept} {
			if m == nil {
				continue
			}
			sent, err := fit(as(r, m), r, "udp").Pack()
			got := new(dns.Msg)
			if err == nil {
				err = got.Unpack(sent)
			}
			if err != nil || len(sent) > dns.MinMsgSize || got.Id != r.Id || got.Question[0] != r.Question[0] || got.Authoritative {
				t.Fatalf("%d bytes, %v: %v", len(sent), err, got)
			}
		}
	})
}

func TestAFloodOfConnectionsLeavesRoomForOthers(t *testing.T) {
	h := newStage(t)
	h.most, h.quiet = 8, time.Hour
	h.serve()
	var in, away []net.Conn
	for range 3 * h.most {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.66.2.1")}}).Dial("tcp", h.at("127.66.1.1"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if len(in) < h.most/share {
			in = append(in, conn)
			continue
		}
		away = append(away, conn)
	}
	for _, conn := range away {
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("one more is let in: %v", err)
		}
	}
	if got, _, err := from("127.66.2.2", "tcp").Exchange(asked(t, "A web.shop.svc.cluster.local"), h.at("127.66.1.1")); err != nil || len(got.Answer) != 1 {
		t.Error(err, got)
	}
}
