package door

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podkeep/podkeep/node/route"
)

// nobodyAt is an address at which nobody listens.
func nobodyAt(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestWhatNobodyAnswersHasAStatus(t *testing.T) {
	s := newStage(t)
	silent := s.raw(func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	s.service("dead", nobodyAt(t))
	s.service("empty")
	s.service("silent", silent)
	s.service("odd", s.raw(func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
	}))
	s.service("wordy", s.raw(func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", mostAnswered)+"\r\n\r\n")
	}))
	s.service("unasked", s.raw(func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
	}))
	s.service("interim", s.raw(func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", mostInterim))
	}))
	s.rules(
		to("dead", at("/dead")), to("empty", at("/empty")), to("none", at("/none")), to("odd", at("/odd")), to("wordy", at("/wordy")), to("unasked", at("/unasked")), to("interim", at("/interim")),
		to("silent", at("/read"), func(r *route.DoorRule) { r.Read = 50 * time.Millisecond }),
		to("silent", at("/attempt"), func(r *route.DoorRule) { r.Attempt = 50 * time.Millisecond }),
		to("silent", at("/whole"), func(r *route.DoorRule) { r.Whole = 50 * time.Millisecond }),
		to("silent", at("/backend"), func(r *route.DoorRule) { r.To[0].Status = 500 }),
		route.DoorRule{Match: route.DoorMatch{Path: "/why"}, Status: 503, Why: "the Service shop/a is not there"},
	)
	for path, want := range map[string]int{"dead": 502, "empty": 503, "none": 503, "odd": 502, "wordy": 502, "unasked": 502, "interim": 502, "read": 504, "attempt": 504, "whole": 504, "backend": 500, "why": 503} {
		if got := s.get("http://a.test/" + path); got.StatusCode != want || got.text != http.StatusText(want)+"\n" {
			t.Errorf("%s: %d %q, not %d", path, got.StatusCode, got.text, want)
		}
	}
	if got := s.send("CONNECT", "http://a.test/", nil).StatusCode; got != 405 {
		t.Error(got)
	}
}

func TestAnAnswerMayTakeAsLongAsItsRouteSays(t *testing.T) {
	s := newStage(t, func(l *limits) { l.read, l.send = 50*time.Millisecond, 50*time.Millisecond })
	var never atomic.Bool
	slow := func(w http.ResponseWriter, r *http.Request) {
		if never.Load() {
			<-r.Context().Done()
			return
		}
		time.Sleep(200 * time.Millisecond)
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(200 * time.Millisecond)
	}
	second := httptest.NewUnstartedServer(http.HandlerFunc(slow))
	second.Config.Protocols = new(http.Protocols)
	second.Config.Protocols.SetUnencryptedHTTP2(true)
	second.Start()
	t.Cleanup(second.Close)
	s.service("echo", s.pod(slow))
	s.service("h2c", second.Listener.Addr().String())
	for timeouts, want := range map[string]int{
		"": 504, "request: 100ms": 504, "backendRequest: 100ms": 504, "request: 1h, backendRequest: 100ms": 504, "request: 0s, backendRequest: 100ms": 504,
		"request: 1h": 200, "backendRequest: 1h": 200, "request: 0s": 200, "backendRequest: 0s": 200, "request: 0s, backendRequest: 1h": 200,
	} {
		rules := madeOf(t, routed("backendRefs: [{name: echo, port: 80}], timeouts: {"+timeouts+"}"))
		h2 := rules[0]
		h2.Match.Path, h2.To = "/h2", slices.Clone(h2.To)
		h2.To[0].Service, h2.To[0].Protocol = "h2c", "h2c"
		s.rules(h2, rules[0])
		never.Store(want == 504)
		for _, path := range []string{"/", "/h2"} {
			if got := s.get("http://a.test" + path).StatusCode; got != want {
				t.Errorf("%s of %q: %d, not %d", path, timeouts, got, want)
			}
		}
	}
}

func TestAnotherPodIsAskedWhereThatIsSafe(t *testing.T) {
	s := newStage(t)
	var asked atomic.Int32
	read := func(c net.Conn, r *bufio.Reader) {
		q, err := http.ReadRequest(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, q.Body)
		}
		asked.Add(1)
	}
	half := func(c net.Conn, r *bufio.Reader) {
		read(c, r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n")
	}
	good := s.pod(echo)
	for _, c := range []struct {
		claim, method, body string
		bad                 func() string
		once                bool
		want                int
	}{
		{"nobody there, of a GET", "GET", "", func() string { return nobodyAt(t) }, false, 200},
		{"nobody there, of a POST, for nothing was sent", "POST", "x", func() string { return nobodyAt(t) }, false, 200},
		{"nobody there, of a long POST", "POST", strings.Repeat("x", 100_000), func() string { return nobodyAt(t) }, false, 200},
		{"nobody there, and no second attempt is wanted", "GET", "", func() string { return nobodyAt(t) }, true, 502},
		{"no answer to a GET", "GET", "", func() string { return s.raw(read) }, false, 200},
		{"no answer to a small PUT", "PUT", "x", func() string { return s.raw(read) }, false, 200},
		{"no answer to a large PUT, which is not there twice", "PUT", strings.Repeat("x", 100_000), func() string { return s.raw(read) }, false, 502},
		{"no answer to a POST", "POST", "x", func() string { return s.raw(read) }, false, 502},
		{"part of an answer", "GET", "", func() string { return s.raw(half) }, false, 502},
	} {
		bad := c.bad()
		for range 4 { // whichever pod comes first
			s.service("a", bad, good)
			s.rules(to("a", func(r *route.DoorRule) { r.Once = c.once }))
			s.aim("a", bad)
			if got := s.send(c.method, "http://a.test/", strings.NewReader(c.body)); got.StatusCode != c.want {
				t.Errorf("%s: %d %.100s, not %d", c.claim, got.StatusCode, got.text, c.want)
			}
		}
	}
}

// aim has the pod of that address asked first.
func (s *stage) aim(_, first string) {
	for _, b := range s.Door.table.Load().ports[80].any.rules[0].backends {
		for i, p := range b.pods {
			p.badUntil.Store(0)
			if p.text == first {
				b.next.Store(uint32(i + len(b.pods) - 1))
			}
		}
	}
}

func TestNoMoreThanSoManyPodsAreAsked(t *testing.T) {
	s := newStage(t)
	var asked atomic.Int32
	var pods []string
	for range 5 {
		pods = append(pods, s.raw(func(_ net.Conn, r *bufio.Reader) { _, _ = http.ReadRequest(r); asked.Add(1) }))
	}
	s.service("a", pods...)
	s.rules(to("a"))
	if got := s.get("http://a.test/").StatusCode; got != 502 || asked.Load() != mostAttempts {
		t.Errorf("%d after %d attempts", got, asked.Load())
	}
}

func TestWeightsShareRequests(t *testing.T) {
	s := newStage(t)
	count := func(n *atomic.Int32) string {
		return s.pod(func(http.ResponseWriter, *http.Request) { n.Add(1) })
	}
	var a, b, c atomic.Int32
	s.service("a", count(&a), count(&b))
	s.service("c", count(&c))
	s.rules(to("a", func(r *route.DoorRule) {
		r.To[0].Weight = 3
		r.To = append(r.To, route.DoorBackend{Namespace: "shop", Service: "c", Port: 80, Weight: 1}, route.DoorBackend{Namespace: "shop", Service: "c", Port: 80})
	}))
	client := s.client(false)
	for range 400 {
		r, _ := http.NewRequest("GET", "http://a.test/", nil)
		s.do(client, r)
	}
	if n := c.Load(); n < 50 || n > 150 {
		t.Errorf("a quarter of 400 is %d", n)
	}
	if d := a.Load() - b.Load(); d < -40 || d > 40 {
		t.Errorf("two pods that weigh the same got %d and %d", a.Load(), b.Load())
	}
	s.change(func(t *route.Table) { t.Services[0].Endpoints[0].Weight = 9; t.Services[0].Endpoints[1].Weight = 1 })
	s.rules(to("a"))
	a.Store(0)
	for range 200 {
		r, _ := http.NewRequest("GET", "http://a.test/", nil)
		s.do(client, r)
	}
	if n := a.Load(); n < 150 {
		t.Errorf("nine tenths of 200 are %d", n)
	}
}

func TestABodyHasABound(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	s.rules(to("echo", func(r *route.DoorRule) { r.Body = 1000 }))
	for n, want := range map[int]int{1000: 200, 1001: 413, 200_000: 413} {
		if got := s.send("POST", "http://a.test/", strings.NewReader(strings.Repeat("x", n))).StatusCode; got != want {
			t.Errorf("%d bytes: %d", n, got)
		}
		if got := s.send("POST", "http://a.test/", io.MultiReader(strings.NewReader(strings.Repeat("x", n)))).StatusCode; got != want {
			t.Errorf("%d bytes in chunks: %d", n, got)
		}
	}
}

func TestALargeBodyPassesBothWaysWithoutBeingKept(t *testing.T) {
	s := newStage(t)
	s.service("a", s.pod(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Trailer-Later", "")
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.CopyN(w, zeros{}, n)
		w.Header().Set("X-Sum", fmt.Sprint(n, r.Trailer.Get("X-Asked")))
	}))
	s.rules(to("a"))
	const size = 64 << 20
	for _, url := range []string{"http://a.test/", "https://a.test/"} {
		for _, known := range []bool{true, false} {
			r, _ := http.NewRequest("POST", url, io.LimitReader(zeros{}, size))
			if known {
				r.ContentLength = size
			} else {
				r.Trailer = http.Header{"X-Asked": {"yes"}}
			}
			a, err := s.client(true).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, a.Body)
			_ = a.Body.Close()
			want := fmt.Sprint(size)
			if !known {
				want += "yes"
			}
			if err != nil || n != size || a.Trailer.Get("X-Sum") != want {
				t.Errorf("%s, length known: %v: %d bytes, %v, trailer %q", url, known, n, err, a.Trailer)
			}
		}
	}
}

// zeros are without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAnAnswerMayComeBeforeTheBodyHasEnded(t *testing.T) {
	s := newStage(t)
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }
	second := httptest.NewUnstartedServer(http.HandlerFunc(refuse))
	second.EnableHTTP2 = true
	second.StartTLS()
	t.Cleanup(second.Close)
	s.service("a", s.pod(refuse))
	s.service("h2", second.Listener.Addr().String())
	s.rules(to("h2", at("/h2"), func(r *route.DoorRule) { r.To[0].Protocol = "h2" }), to("a"))
	for _, url := range []string{"http://a.test/", "https://a.test/", "http://a.test/h2", "https://a.test/h2"} {
		body, more := io.Pipe()
		defer func() { _ = more.Close() }()
		r, _ := http.NewRequest("POST", url, body)
		r.ContentLength = 10 << 20
		go func() { _, _ = io.CopyN(more, zeros{}, 10<<20); _ = more.Close() }()
		if got := s.do(s.client(true), r).StatusCode; got != 401 {
			t.Errorf("%s: %d", url, got)
		}
	}
	until(t, "all have ended", func() bool { return s.under.Load() == 0 })
}

func TestHalfAnAnswerIsSeenToBeHalf(t *testing.T) {
	s := newStage(t)
	s.service("length", s.raw(func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
	}))
	s.service("parts", s.raw(func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
	}))
	s.rules(to("length", at("/length")), to("parts", at("/parts")))
	for _, url := range []string{"http://a.test/length", "http://a.test/parts", "https://a.test/length", "https://a.test/parts"} {
		r, _ := http.NewRequest("GET", url, nil)
		a, err := s.client(true).Do(r)
		if err != nil {
			continue // it was seen before the headers were taken
		}
		text, err := io.ReadAll(a.Body)
		_ = a.Body.Close()
		if err == nil {
			t.Errorf("%s: %q counts as whole", url, text)
		}
	}
}

func TestAClientThatGoesEndsThePodsWork(t *testing.T) {
	s := newStage(t)
	came, ended := make(chan struct{}), make(chan struct{})
	s.service("a", s.pod(func(_ http.ResponseWriter, r *http.Request) { close(came); <-r.Context().Done(); close(ended) }))
	s.rules(to("a"))
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-came
	_ = c.Close()
	<-ended
	until(t, "the log says that he went", func() bool { return strings.Contains(s.access.String(), `"status":499`) })
}

func TestAnIdleConnectionThatThePodClosedIsNotMet(t *testing.T) {
	s := newStage(t)
	var conns atomic.Int32
	s.service("a", s.raw(func(c net.Conn, r *bufio.Reader) { // answers once, as if it were to stay
		conns.Add(1)
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}))
	s.rules(to("a"))
	for range 20 {
		if got := s.send("GET", "http://a.test/", nil).StatusCode; got != 200 {
			t.Fatal(got)
		}
	}
}

func TestConnectionsToPodsAreKeptAndGoWithThem(t *testing.T) {
	s := newStage(t)
	var open, begun atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(echo), ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
			begun.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	s.service("a", l.Addr().String())
	s.rules(to("a"))
	for range 10 {
		s.get("http://a.test/")
	}
	if n := open.Load(); n != 1 {
		t.Errorf("%d connections for one request at a time", n)
	}
	for _, ruled := range []*route.Policies{{}, {}, nil} {
		s.table.Policies = ruled
		s.rules(to("a"))
		s.get("http://a.test/")
	}
	if n := begun.Load(); n != 3 {
		t.Errorf("%d connections have begun, want another one each time that policies change, which is twice", n)
	}
	s.service("a", nobodyAt(t))
	until(t, "the connection to a pod that left is closed", func() bool { return open.Load() == 0 })

	p := newPod(s.Door, podKey{addr: netip.MustParseAddrPort(l.Addr().String())})
	for range mostKept + 1 {
		link, err := p.connect(t.Context(), "", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		p.give(link)
	}
	if n := len(p.idle); n != mostKept {
		t.Errorf("%d are kept", n)
	}
	for _, l := range p.idle {
		l.since = time.Now().Add(-longestKept)
	}
	old, err := p.connect(t.Context(), "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	old.began = old.began.Add(-longestUsed)
	if p.give(old); slices.Contains(p.idle, old) {
		t.Error("one that was used for long is kept")
	}
	p.sweep()
	if len(p.idle) != 0 || p.take(false) != nil {
		t.Error("one that was idle for long is kept")
	}
	p.leave()
}
