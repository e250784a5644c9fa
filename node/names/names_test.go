package names

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/turnstile"
)

// stage is a node on loopback that answers names: its pods have addresses in 127.66.1.0/24, and all of loopback counts as the cluster's pods.
type stage struct {
	*Names
	t     *testing.T
	file  string
	table *route.Table
	said  chan string // log lines
	end   context.CancelFunc
	ended chan struct{}
}

// Levels and Fire make a hook of it.
func (h *stage) Levels() []logrus.Level { return logrus.AllLevels }
func (h *stage) Fire(e *logrus.Entry) error {
	select {
	case h.said <- e.Message:
	default: // nobody waits
	}
	return nil
}

// newStage is one whose resolvers are at such addresses. It does not serve yet.
func newStage(t *testing.T, resolvers ...string) *stage {
	h := &stage{t: t, file: filepath.Join(t.TempDir(), "resolv.conf"), said: make(chan string, 100), table: table(), ended: make(chan struct{})}
	h.table.Pods = netip.MustParsePrefix("127.0.0.0/8")
	h.table.Nodes[0].Range = netip.MustParsePrefix("127.66.1.0/24")
	h.resolve(resolvers...)
	log := logrus.New()
	log.SetOutput(t.Output())
	log.AddHook(h)
	h.Names = New(Options{Resolv: h.file, Log: log, Port: freePort(t, "127.66.1.1")})
	h.Names.again, h.Names.quiet = time.Millisecond, time.Minute
	return h
}

// serve puts the table and answers until the test ends.
func (h *stage) serve() *stage {
	h.put()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.end = cancel
	go func() { h.Serve(ctx); close(h.ended) }()
	h.t.Cleanup(func() { cancel(); <-h.ended })
	h.hear("names are answered")
	return h
}

func (h *stage) put() {
	h.t.Helper()
	h.table.Number++
	copied := *h.table
	copied.Services, copied.Nodes = slices.Clone(h.table.Services), slices.Clone(h.table.Nodes)
	if err := h.Put(&copied, "n1"); err != nil {
		h.t.Fatal(err)
	}
}

// hear waits for a log line that begins so.
func (h *stage) hear(begin string) {
	h.t.Helper()
	for {
		select {
		case line := <-h.said:
			if strings.HasPrefix(line, begin) {
				return
			}
		case <-time.After(time.Minute):
			h.t.Fatalf("never: %s", begin)
		}
	}
}

// resolve writes which resolvers the node has. A file is never as it was before.
func (h *stage) resolve(resolvers ...string) {
	text := "# " + strings.Repeat(".", len(h.said)) + "\nsearch example.com\n"
	for _, r := range resolvers {
		text += "nameserver " + r + "\n"
	}
	next := h.file + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(next, h.file); err != nil {
		h.t.Fatal(err)
	}
}

// ask sends a query "TYPE NAME" to the host.
func (h *stage) ask(network, query string) *dns.Msg {
	h.t.Helper()
	reply, err := exchange(h.t, network, h.at("127.66.1.1"), asked(h.t, query))
	if err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return reply
}

func (h *stage) at(ip string) string { return fmt.Sprintf("%s:%d", ip, h.port) }

func exchange(t *testing.T, network, at string, r *dns.Msg) (*dns.Msg, error) {
	t.Helper()
	client := dns.Client{Net: network, Timeout: time.Minute}
	reply, _, err := client.Exchange(r, at)
	if reply != nil {
		reply.Compress = true // as it came, so that Len is what it was
	}
	return reply, err
}

// freePort is one that nobody has at that address.
func freePort(t *testing.T, ip string) uint16 {
	t.Helper()
	for range 100 {
		packets, err := net.ListenPacket("udp4", ip+":0")
		if err != nil {
			t.Fatal(err)
		}
		conns, err := net.Listen("tcp4", packets.LocalAddr().String())
		_ = packets.Close()
		if err == nil {
			_ = conns.Close()
			return netip.MustParseAddrPort(conns.Addr().String()).Port()
		}
	}
	t.Fatal("no port is free")
	return 0
}

// upstream is a resolver. It answers by answer, and remembers what it was asked.
type upstream struct {
	mu    sync.Mutex
	heard []string
}

func (u *upstream) asked() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.heard, ", ")
}

func (h *stage) upstream(ip string, answer func(network string, reply *dns.Msg)) *upstream {
	h.t.Helper()
	if h.abroad.port == 53 {
		h.abroad.port = freePort(h.t, ip)
	}
	u, at := &upstream{}, fmt.Sprintf("%s:%d", ip, h.abroad.port)
	for _, network := range []string{"udp", "tcp"} {
		started := make(chan struct{})
		s := &dns.Server{Addr: at, Net: network, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			u.mu.Lock()
			u.heard = append(u.heard, network+" "+dns.TypeToString[r.Question[0].Qtype]+" "+r.Question[0].Name)
			u.mu.Unlock()
			reply := new(dns.Msg).SetReply(r)
			answer(network, reply)
			_ = w.WriteMsg(reply)
		})}
		ended := make(chan error, 1)
		go func() { ended <- s.ListenAndServe() }()
		select {
		case <-started:
		case err := <-ended:
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	}
	return u
}

// says answers an A.
func says(ip string) func(string, *dns.Msg) {
	return func(_ string, reply *dns.Msg) {
		reply.Answer = addresses(reply.Question[0], reply.Question[0].Name, netip.MustParseAddr(ip))
	}
}

func fails(rcode int) func(string, *dns.Msg) {
	return func(_ string, reply *dns.Msg) { reply.Rcode = rcode }
}

// many answers more than fits into a packet, and by UDP a part of it.
func many(network string, reply *dns.Msg) {
	for i := range 200 {
		says(fmt.Sprintf("192.0.2.%d", i))(network, reply)
		reply.Extra = append(reply.Extra, reply.Answer...)
	}
	reply.Answer, reply.Extra = reply.Extra, nil
	if network == "udp" {
		reply.Truncate(dns.MinMsgSize)
	}
}

// silent is a resolver that takes queries and never answers one.
func (h *stage) silent(ip string) (heard <-chan struct{}) {
	h.t.Helper()
	if h.abroad.port == 53 {
		h.abroad.port = freePort(h.t, ip)
	}
	packets, err := net.ListenPacket("udp4", fmt.Sprintf("%s:%d", ip, h.abroad.port))
	if err != nil {
		h.t.Fatal(err)
	}
	all, ended := make(chan struct{}, 1000), make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 1024); ; all <- struct{}{} {
			if _, _, err := packets.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	h.t.Cleanup(func() { _ = packets.Close(); <-ended })
	return all
}

func TestNamesOfTheClusterAreAnsweredHere(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", says("192.0.2.1"))
	h.serve()
	for _, network := range []string{"udp", "tcp"} {
		if got := told(h.ask(network, "A web.shop.svc.cluster.local")); got != "NOERROR\nweb.shop.svc.cluster.local. A 10.43.0.7" {
			t.Errorf("%s: %s", network, got)
		}
		if got := h.ask(network, "A nope.shop.svc.cluster.local"); got.Rcode != dns.RcodeNameError || len(got.Ns) != 1 || !got.Authoritative || !got.RecursionAvailable {
			t.Errorf("%s: %s", network, got)
		}
	}
	if u.asked() != "" {
		t.Errorf("somebody outside was asked: %s", u.asked())
	}
}

func TestOtherNamesAreAskedOfTheNodesResolvers(t *testing.T) {
	const first, second = "127.66.9.1", "127.66.9.2"
	for claim, c := range map[string]struct {
		one, two     func(string, *dns.Msg) // nil for nobody there
		network      string
		want         string
		ofOne, ofTwo string
	}{
		"by UDP":                                  {says("192.0.2.1"), says("192.0.2.2"), "udp", "NOERROR\nexample.com. A 192.0.2.1", "udp A example.com.", ""},
		"by TCP where that was asked":             {says("192.0.2.1"), says("192.0.2.2"), "tcp", "NOERROR\nexample.com. A 192.0.2.1", "tcp A example.com.", ""},
		"what is not there is not there":          {fails(dns.RcodeNameError), says("192.0.2.2"), "udp", "NXDOMAIN", "udp A example.com.", ""},
		"the next one if there is none":           {nil, says("192.0.2.2"), "udp", "NOERROR\nexample.com. A 192.0.2.2", "", "udp A example.com."},
		"the next one if the first is not able":   {fails(dns.RcodeServerFailure), says("192.0.2.2"), "udp", "NOERROR\nexample.com. A 192.0.2.2", "udp A example.com.", "udp A example.com."},
		"or not willing":                          {fails(dns.RcodeRefused), says("192.0.2.2"), "udp", "NOERROR\nexample.com. A 192.0.2.2", "udp A example.com.", "udp A example.com."},
		"the last that was able to say something": {fails(dns.RcodeRefused), nil, "udp", "REFUSED", "udp A example.com.", ""},
		"nobody": {nil, nil, "udp", "SERVFAIL", "", ""},
	} {
		t.Run(claim, func(t *testing.T) {
			h := newStage(t, first, second)
			one, two := &upstream{}, &upstream{}
			if c.one != nil {
				one = h.upstream(first, c.one)
			}
			if c.two != nil {
				two = h.upstream(second, c.two)
			}
			if h.abroad.port == 53 {
				h.abroad.port = freePort(t, first)
			}
			h.serve()
			reply := h.ask(c.network, "A example.com")
			if got := told(reply); got != c.want || one.asked() != c.ofOne || two.asked() != c.ofTwo {
				t.Errorf("%s; asked %q and %q", got, one.asked(), two.asked())
			}
		})
	}
}

func TestWhatIsTooLongForAPacketComesByTCP(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", many)
	for i := range 200 {
		h.table.Services[1].Endpoints = append(h.table.Services[1].Endpoints, route.Endpoint{IP: netip.AddrFrom4([4]byte{10, 42, 3, byte(i)}), Ports: []uint16{1, 2}})
	}
	h.serve()
	for name, whole := range map[string]int{"db.shop.svc.cluster.local": 203, "example.com": 200} {
		if got := h.ask("udp", "A "+name); !got.Truncated || got.Len() > dns.MinMsgSize || got.Rcode != 0 {
			t.Errorf("%s: %d bytes, cut short: %v", name, got.Len(), got.Truncated)
		}
		if got := h.ask("tcp", "A "+name); got.Truncated || len(got.Answer) != whole {
			t.Errorf("%s: %d of %d", name, len(got.Answer), whole)
		}
		roomy := asked(t, "A "+name).SetEdns0(4096, false)
		got, err := exchange(t, "udp", h.at("127.66.1.1"), roomy)
		if err != nil || !got.Truncated || got.Len() > largest || len(got.Answer) < 60 || got.IsEdns0() == nil {
			t.Errorf("%s: %v, %d answers", name, err, len(got.Answer))
		}
	}
	if got := u.asked(); got != "udp A example.com., tcp A example.com., tcp A example.com., udp A example.com., tcp A example.com." {
		t.Error(got)
	}
}

func TestADeadResolverDelaysNoNameOfTheCluster(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	h.abroad.patience = time.Hour
	heard := h.silent("127.66.9.1")
	h.serve()
	var join sync.WaitGroup
	for i := range 50 {
		join.Go(func() {
			_, _ = exchange(t, "udp", h.at("127.66.1.1"), new(dns.Msg).SetQuestion(fmt.Sprintf("%d.example.com.", i), dns.TypeA))
		})
	}
	for range 50 {
		<-heard
	}
	for _, network := range []string{"udp", "tcp"} {
		if got := told(h.ask(network, "A web.shop.svc.cluster.local")); !strings.HasPrefix(got, "NOERROR") {
			t.Error(got)
		}
	}
	h.end() // and nothing is waited for
	<-h.ended
	join.Wait()
}

func TestAResolverThatDoesNotAnswerIsAskedLast(t *testing.T) {
	h := newStage(t, "127.66.9.1", "127.66.9.2")
	h.abroad.patience = 50 * time.Millisecond
	heard := h.silent("127.66.9.1")
	u := h.upstream("127.66.9.2", says("192.0.2.2"))
	h.serve()
	for i := range 5 {
		name := fmt.Sprintf("%d.example.com", i)
		if got := told(h.ask("udp", "A "+name)); got != "NOERROR\n"+name+". A 192.0.2.2" {
			t.Fatal(got)
		}
	}
	if n := len(heard); n > 2 { // what was to be known, and whether it asks us
		t.Errorf("it was asked %d times", n)
	}
	if n := strings.Count(u.asked(), ","); n != 4 {
		t.Errorf("the other was asked %s", u.asked())
	}
}

func TestNoMoreThanSoManyQueriesWait(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	h.abroad.patience, h.abroad.waiting = time.Hour, make(chan struct{}, 1)
	h.abroad.shares = turnstile.NewShares(2)
	heard := h.silent("127.66.9.1")
	h.serve()
	var join sync.WaitGroup
	join.Go(func() {
		_, _ = exchange(t, "udp", h.at("127.66.1.1"), new(dns.Msg).SetQuestion("example.com.", dns.TypeA))
	})
	<-heard
	if got := told(h.ask("udp", "A example.com")); got != "SERVFAIL" {
		t.Error(got)
	}
	h.end()
	join.Wait()
}

func TestAConnectionWaitsWhereThereAreTooMany(t *testing.T) {
	h := newStage(t)
	h.most = 2
	h.serve()
	client, r := dns.Client{Net: "tcp", Timeout: time.Minute}, asked(t, "A web.shop.svc.cluster.local")
	var conns []*dns.Conn
	for i := range 3 {
		client.Dialer = &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 66, 2, byte(i))}}
		conn, err := client.Dial(h.at("127.66.1.1"))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if i == 2 { // both slots are taken
			_ = conns[0].Close()
		}
		if _, _, err := client.ExchangeWithConn(r, conn); err != nil {
			t.Fatal(err)
		}
	}
	if got := told(h.ask("udp", "A web.shop.svc.cluster.local")); !strings.HasPrefix(got, "NOERROR") {
		t.Error(got)
	}
	h.end() // though the slots are taken
	<-h.ended
	for _, conn := range conns {
		_ = conn.Close()
	}
}

func TestTheFileOfResolversIsReadAgainWhenItChanges(t *testing.T) {
	h := newStage(t, "127.66.9.1", "no-address", "127.66.1.1")
	h.upstream("127.66.9.1", says("192.0.2.1"))
	h.upstream("127.66.9.2", says("192.0.2.2"))
	h.serve()
	for i, c := range []struct {
		resolvers []string
		want      string
	}{
		{[]string{"127.66.9.1"}, "NOERROR\nexample.com. A 192.0.2.1"},
		{[]string{"127.66.9.2"}, "NOERROR\nexample.com. A 192.0.2.2"},
		{[]string{"127.66.1.1", "127.66.9.1"}, "NOERROR\nexample.com. A 192.0.2.1"},
		{[]string{"127.66.1.1"}, "SERVFAIL"}, // it would ask itself
		{nil, "SERVFAIL"},
		{[]string{"127.66.9.2"}, "NOERROR\nexample.com. A 192.0.2.2"},
	} {
		h.resolve(c.resolvers...)
		if got := told(h.ask("udp", "A example.com")); got != c.want {
			t.Errorf("%d: %s", i, got)
		}
	}
	if err := os.Remove(h.file); err != nil {
		t.Fatal(err)
	}
	if got := told(h.ask("udp", "A example.com")); got != "NOERROR\nexample.com. A 192.0.2.2" {
		t.Errorf("without the file: %s", got)
	}
}

func TestAnotherTableIsAnsweredByAtOnce(t *testing.T) {
	h := newStage(t).serve()
	for i := range 200 {
		ip := netip.AddrFrom4([4]byte{10, 43, 1, byte(i)})
		h.table.Services[4].IP = ip
		h.put()
		if got := told(h.ask("udp", "A web.shop.svc.cluster.local")); got != "NOERROR\nweb.shop.svc.cluster.local. A "+ip.String() {
			t.Fatal(got)
		}
	}
}

func TestAnotherAddressIsAnsweredAt(t *testing.T) {
	h := newStage(t).serve()
	h.table.Nodes[0].Range = netip.MustParsePrefix("127.66.2.0/24")
	h.put()
	h.hear("names are answered")
	if got, err := exchange(t, "udp", h.at("127.66.2.1"), asked(t, "A ns.dns.cluster.local")); err != nil || told(got) != "NOERROR\nns.dns.cluster.local. A 127.66.2.1" {
		t.Error(err, got)
	}
	if _, err := exchange(t, "tcp", h.at("127.66.1.1"), asked(t, "A web.shop.svc.cluster.local")); err == nil {
		t.Error("the address before still answers")
	}
	h.table.Nodes[0].Range = netip.Prefix{} // it has no network any more
	h.put()
	h.table.Nodes[0].Range = netip.MustParsePrefix("127.66.1.0/24")
	h.put()
	h.hear("names are answered")
	if got := h.ask("udp", "A web.shop.svc.cluster.local"); len(got.Answer) != 1 {
		t.Error(got)
	}
}

func TestAnAddressThatSomebodyHasIsTriedAgain(t *testing.T) {
	h := newStage(t)
	taken, err := net.Listen("tcp4", h.at("127.66.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	h.put()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { h.Serve(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	h.hear("names are not answered at 127.66.1.1: listen tcp4 127.66.1.1")
	if why := h.Trouble(); !strings.Contains(why, "address already in use") {
		t.Error(why)
	}
	_ = taken.Close()
	h.hear("names are answered")
	if got := h.ask("udp", "A web.shop.svc.cluster.local"); len(got.Answer) != 1 || h.Trouble() != "" {
		t.Error(got, h.Trouble())
	}
}

func TestTheAddressNeedNotBeThereYet(t *testing.T) {
	packets, conns, err := newStage(t).bind(t.Context(), netip.MustParseAddr("192.0.2.77"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = packets.Close(), conns.Close()
}

func TestWhatIsNotAnswered(t *testing.T) {
	h := newStage(t, "127.66.9.1")
	u := h.upstream("127.66.9.1", says("192.0.2.1"))
	h.serve()
	chaos, notify := asked(t, "TXT version.bind"), asked(t, "SOA cluster.local")
	chaos.Question[0].Qclass, notify.Opcode = dns.ClassCHAOS, dns.OpcodeNotify
	for claim, c := range map[string]struct {
		query *dns.Msg
		want  int
	}{
		"a transfer":            {asked(t, "AXFR cluster.local"), dns.RcodeRefused},
		"one of others":         {asked(t, "IXFR example.com"), dns.RcodeRefused},
		"another class":         {chaos, dns.RcodeRefused},
		"something but a query": {notify, dns.RcodeNotImplemented},
	} {
		if got, err := exchange(t, "tcp", h.at("127.66.1.1"), c.query); err != nil || got.Rcode != c.want {
			t.Errorf("%s: %v %v", claim, err, got)
		}
	}
	h.table.Pods, h.table.Nodes[1].Range = netip.MustParsePrefix("10.42.0.0/16"), netip.Prefix{}
	h.put()
	if got := h.ask("udp", "A example.com"); got.Rcode != dns.RcodeRefused {
		t.Errorf("a stranger is told: %s", told(got))
	}
	if got := h.ask("udp", "A web.shop.svc.cluster.local"); len(got.Answer) != 1 {
		t.Error(got)
	}
	if u.asked() != "" {
		t.Errorf("somebody outside was asked: %s", u.asked())
	}
	for _, domain := range []string{"", ".", "a..b"} {
		if err := h.Put(&route.Table{Domain: domain}, "n1"); err == nil {
			t.Errorf("domain %q is taken", domain)
		}
	}
}

func TestAQueryWithoutAQuestionIsRefused(t *testing.T) {
	h := newStage(t).serve()
	conn, err := net.Dial("udp4", h.at("127.66.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte{1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil { // a head that promises one
		t.Fatal(err)
	}
	buf, got := make([]byte, 512), new(dns.Msg)
	n, err := conn.Read(buf)
	if err != nil || got.Unpack(buf[:n]) != nil || got.Rcode != dns.RcodeFormatError || got.Id != 0x0102 {
		t.Error(err, got)
	}
}

func BenchmarkQueries(b *testing.B) {
	log := logrus.New()
	log.SetLevel(logrus.ErrorLevel)
	t := table()
	t.Nodes[0].Range = netip.MustParsePrefix("127.66.3.0/24")
	conn, err := net.ListenPacket("udp4", "127.66.3.1:0")
	if err != nil {
		b.Fatal(err)
	}
	at := conn.LocalAddr().String()
	_ = conn.Close()
	n := New(Options{Log: log, Port: netip.MustParseAddrPort(at).Port()})
	if err := n.Put(t, "n1"); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { n.Serve(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	b.RunParallel(func(pb *testing.PB) {
		client, r := dns.Client{Timeout: time.Minute}, new(dns.Msg).SetQuestion("web.shop.svc.cluster.local.", dns.TypeA)
		conn, err := client.Dial(at)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		for pb.Next() {
			for {
				if _, _, err = client.ExchangeWithConn(r, conn); err == nil {
					break
				}
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
}
