package names

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// hinders answers in the first one's place, before it would.
func (h *stage) hinders(ip string, answer func(r *dns.Msg, packets net.PacketConn, to net.Addr)) {
	h.t.Helper()
	if h.abroad.port == 53 {
		h.abroad.port = freePort(h.t, ip)
	}
	packets, err := net.ListenPacket("udp4", fmt.Sprintf("%s:%d", ip, h.abroad.port))
	if err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 4096); ; {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			if r := new(dns.Msg); r.Unpack(buf[:n]) == nil {
				answer(r, packets, from)
			}
		}
	}()
	h.t.Cleanup(func() { _ = packets.Close(); <-ended })
}

func send(packets net.PacketConn, m *dns.Msg, to net.Addr) {
	if wire, err := m.Pack(); err == nil {
		_, _ = packets.WriteTo(wire, to)
	}
}

func TestAnAnswerFromOutsideIsKept(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", func(network string, reply *dns.Msg) {
		if strings.EqualFold(reply.Question[0].Name, "nope.example.") {
			reply.Rcode = dns.RcodeNameError
			reply.Ns = answered(t, "A nope.example", dns.RcodeNameError, "!example. 900 IN SOA ns.example. a.example. 1 2 3 4 9").Ns
			return
		}
		says("192.0.2.1")(network, reply)
	})
	h.serve()
	for _, name := range []string{"www.example.", "WWW.Example.", "www.example."} {
		for _, network := range []string{"udp", "tcp"} {
			got := h.ask(network, "A "+name)
			if told(got) != "NOERROR\n"+name+" A 192.0.2.1" || got.Question[0].Name != name || got.Authoritative || !got.RecursionAvailable {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	nope := h.ask("udp", "A nope.example")
	_ = h.ask("tcp", "A nope.example")
	if nope.Rcode != dns.RcodeNameError || len(nope.Ns) != 1 {
		t.Error(nope)
	}
	if got := u.asked(); got != "udp A www.example., udp A nope.example." {
		t.Error(got)
	}
	h.resolve("127.66.9.2") // who may know other names
	if got := told(h.ask("udp", "A www.example")); got != "SERVFAIL" {
		t.Error(got)
	}
}

func TestQueriesThatAreTheSameAreAskedOnce(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	first, all := make(chan struct{}), make(chan struct{})
	var once sync.Once
	u := h.upstream("127.66.9.1", func(network string, reply *dns.Msg) {
		once.Do(func() { close(first) })
		<-all
		says("192.0.2.1")(network, reply)
		reply.Answer[0].Header().Ttl = 0 // it is not kept
	})
	h.serve()
	var join sync.WaitGroup
	for range 20 {
		join.Go(func() {
			if got, err := exchange(t, "udp", h.at("127.66.1.1"), new(dns.Msg).SetQuestion("example.com.", dns.TypeA)); err != nil || len(got.Answer) != 1 {
				t.Error(err, got)
			}
		})
	}
	<-first
	for len(h.abroad.waiting) < 20 {
		runtime.Gosched()
	}
	close(all)
	join.Wait()
	if n := strings.Count(u.asked(), "example.com."); n > 2 { // one may have come to wait, and begun too late to hear with the others
		t.Errorf("it was asked %d times", n)
	}
}

func TestAnOutsideNameIsFollowed(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", func(network string, reply *dns.Msg) {
		if reply.Question[0].Qtype == dns.TypeA {
			says("192.0.2.1")(network, reply)
			return
		}
		reply.Ns = answered(t, "A example.com", 0, "!example.com. 5 IN SOA ns.example.com. a.example.com. 1 2 3 4 5").Ns
	})
	h.serve()
	const alias = "\naway.tour.svc.cluster.local. CNAME www.Example.com."
	for query, want := range map[string]string{
		"A away.tour.svc.cluster.local":     "NOERROR" + alias + "\nwww.Example.com. A 192.0.2.1",
		"AAAA away.tour.svc.cluster.local":  "NOERROR" + alias + "\nnegative example.com. SOA ns.example.com. a.example.com. 1 2 3 4 5",
		"CNAME away.tour.svc.cluster.local": "NOERROR" + alias,
	} {
		got := h.ask("udp", query)
		if told(got) != want {
			t.Errorf("%s: %s", query, told(got))
		}
		if _, first := got.Answer[0].(*dns.CNAME); !first {
			t.Errorf("%s: what leads there does not come first", query)
		}
	}
	if got := u.asked(); strings.Contains(got, "cluster.local") {
		t.Error(got)
	}
	h.resolve() // nobody knows
	if got := h.ask("udp", "A away.tour.svc.cluster.local"); got.Rcode != dns.RcodeServerFailure {
		t.Error(told(got))
	}
	h.table.Pods, h.table.Nodes[1].Range = netip.MustParsePrefix("10.42.0.0/16"), netip.Prefix{}
	h.put() // who asks is no pod
	if got := told(h.ask("udp", "A away.tour.svc.cluster.local")); got != "NOERROR"+alias {
		t.Error(got)
	}
}

func TestWhatIsNoAnswerToTheQueryIsNotBelieved(t *testing.T) {
	const right = "NOERROR\nexample.com. A 192.0.2.2"
	reply := func(r *dns.Msg, ip string) *dns.Msg {
		m := new(dns.Msg).SetReply(r)
		says(ip)("udp", m)
		return m
	}
	for claim, first := range map[string]func(h *stage, r *dns.Msg, packets net.PacketConn, to net.Addr){
		"another number, and then nothing": func(_ *stage, r *dns.Msg, packets net.PacketConn, to net.Addr) {
			m := reply(r, "192.0.2.66")
			m.Id++
			send(packets, m, to)
		},
		"another question": func(_ *stage, r *dns.Msg, packets net.PacketConn, to net.Addr) {
			m := reply(r, "192.0.2.66")
			m.Question[0].Name = "example.net."
			send(packets, m, to)
		},
		"the query itself": func(_ *stage, r *dns.Msg, packets net.PacketConn, to net.Addr) { send(packets, r, to) },
		"no message": func(_ *stage, _ *dns.Msg, packets net.PacketConn, to net.Addr) {
			_, _ = packets.WriteTo([]byte("no"), to)
		},
		"somebody else": func(h *stage, r *dns.Msg, _ net.PacketConn, to net.Addr) {
			other, err := net.ListenPacket("udp4", fmt.Sprintf("127.66.9.3:%d", h.abroad.port))
			if err != nil {
				return
			}
			defer func() { _ = other.Close() }()
			send(other, reply(r, "192.0.2.66"), to)
		},
	} {
		t.Run(claim, func(t *testing.T) {
			h := newStage(t, "127.66.9.1", "127.66.9.2")
			h.abroad.patience = 100 * time.Millisecond
			h.hinders("127.66.9.1", func(r *dns.Msg, packets net.PacketConn, to net.Addr) { first(h, r, packets, to) })
			h.upstream("127.66.9.2", says("192.0.2.2"))
			h.serve()
			if got := told(h.ask("udp", "A example.com")); got != right {
				t.Error(got)
			}
		})
	}
	t.Run("another number, and then the right one", func(t *testing.T) {
		h := newStage(t, "127.66.9.1")
		h.hinders("127.66.9.1", func(r *dns.Msg, packets net.PacketConn, to net.Addr) {
			m := reply(r, "192.0.2.66")
			m.Id++
			send(packets, m, to)
			send(packets, reply(r, "192.0.2.2"), to)
		})
		h.serve()
		if got := told(h.ask("udp", "A example.com")); got != right {
			t.Error(got)
		}
	})
}

func TestAResolverThatAsksUsIsNoticed(t *testing.T) {
	h := newStage(t, "127.66.9.1", "127.66.9.2")
	h.abroad.patience = 100 * time.Millisecond
	var join sync.WaitGroup
	defer join.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	rounds := map[string]int{}
	h.hinders("127.66.9.1", func(r *dns.Msg, packets net.PacketConn, to net.Addr) { // it asks us, under a number of its own
		mu.Lock()
		rounds[r.Question[0].Name]++
		mu.Unlock()
		join.Go(func() {
			further := r.Copy()
			further.Id = dns.Id()
			if reply, _, err := (&dns.Client{Timeout: time.Minute}).ExchangeContext(ctx, further, h.at("127.66.1.1")); err == nil {
				reply.Id = r.Id
				send(packets, reply, to)
			}
		})
	})
	u := h.upstream("127.66.9.2", says("192.0.2.2"))
	h.serve()
	if got := told(h.ask("udp", "A example.com")); got != "NOERROR\nexample.com. A 192.0.2.2" {
		t.Error(got)
	}
	h.hear("resolver asks us what we ask it")
	if got := told(h.ask("udp", "A example.net")); got != "NOERROR\nexample.net. A 192.0.2.2" {
		t.Error(got)
	}
	mu.Lock()
	defer mu.Unlock()
	if rounds["example.com."] != 1 || rounds["example.net."] != 0 || len(rounds) != 2 {
		t.Errorf("it was asked %v", rounds)
	}
	if got := u.asked(); got != "udp A example.com., udp A example.net." {
		t.Error(got)
	}
}

func TestHowMuchRoomAnAskerHas(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	h.upstream("127.66.9.1", many)
	h.serve()
	for _, c := range []struct {
		size  uint16 // 0 for no EDNS
		bound int
	}{{0, 512}, {100, 512}, {512, 512}, {800, 800}, {1232, 1232}, {4096, 1232}, {65535, 1232}} {
		r := asked(t, "A example.com")
		if c.size > 0 {
			r.SetEdns0(c.size, true)
			r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"}}
		}
		got, err := exchange(t, "udp", h.at("127.66.1.1"), r)
		if err != nil {
			t.Fatal(err)
		}
		opt := got.IsEdns0()
		if !got.Truncated || got.Len() > c.bound || got.Len() < c.bound-60 || (opt != nil) != (c.size > 0) || opt != nil && (!opt.Do() || len(opt.Option) > 0) {
			t.Errorf("%d: %d bytes, %v", c.size, got.Len(), opt)
		}
	}
	r := asked(t, "A web.shop.svc.cluster.local").SetEdns0(1232, false)
	r.IsEdns0().SetVersion(1)
	got, err := exchange(t, "udp", h.at("127.66.1.1"), r)
	if err != nil || got.Rcode != dns.RcodeBadVers || len(got.Answer) > 0 || got.IsEdns0() == nil || got.IsEdns0().Version() != 0 {
		t.Error(err, got)
	}
}

func TestASearchListAsksNobodyOutsideButForTheNameItself(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", says("192.0.2.1"))
	h.serve()
	conf := dns.ClientConfig{Search: []string{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local"}, Ndots: 5}
	for name, want := range map[string]string{
		"web": "web.shop.svc.cluster.local. 10.43.0.7", "web.shop": "web.shop.svc.cluster.local. 10.43.0.7", "web.shop.svc": "web.shop.svc.cluster.local. 10.43.0.7",
		"web.shop.svc.cluster.local": "web.shop.svc.cluster.local. 10.43.0.7", "www.example.com": "www.example.com. 192.0.2.1",
	} {
		var found string
		for _, full := range conf.NameList(name) {
			if got := h.ask("udp", "A "+full); got.Rcode == dns.RcodeSuccess && len(got.Answer) > 0 {
				found = full + " " + got.Answer[0].(*dns.A).A.String()
				break
			}
		}
		if found != want {
			t.Errorf("%s: %q", name, found)
		}
	}
	if got := u.asked(); got != "udp A www.example.com." {
		t.Error(got)
	}
}
