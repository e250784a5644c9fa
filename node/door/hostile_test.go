package door

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/podkeep/podkeep/node/route"
)

// wire is a pod that keeps each byte it is sent, and answers each request.
type wire struct {
	mu   sync.Mutex
	seen bytes.Buffer
}

func (w *wire) speak(c net.Conn, _ *bufio.Reader) {
	r := bufio.NewReader(io.TeeReader(c, w))
	for {
		q, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, q.Body)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

func (w *wire) Write(p []byte) (int, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.seen.Write(p) }

// take is what came since.
func (w *wire) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.seen.Reset()
	return w.seen.String()
}

func TestNothingThatTwoReadersMayTakeInTwoWaysReachesAPod(t *testing.T) {
	s, pod := newStage(t), &wire{}
	s.service("a", s.raw(pod.speak))
	s.rules(to("a"))
	const hidden = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for claim, text := range map[string]string{
		"two lengths":                       "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + hidden,
		"a list of lengths":                 "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5, 6\r\n\r\nhello" + hidden,
		"a length with a sign":              "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\nhello" + hidden,
		"a length that is negative":         "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -5\r\n\r\nhello" + hidden,
		"a length that is none":             "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x5\r\n\r\nhello" + hidden,
		"an encoding that is none":          "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"two encodings":                     "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"a list of encodings":               "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
		"an encoding after a tab":           "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\tchunked, x\r\n\r\n0\r\n\r\n" + hidden,
		"a blank before the colon":          "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a line that begins with a blank":   "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
		"a null in a value":                 "GET / HTTP/1.1\r\nHost: a.test\r\nX-A: b\x00c\r\n\r\n",
		"a null in a name":                  "GET / HTTP/1.1\r\nHost: a.test\r\nX\x00A: b\r\n\r\n",
		"a carriage return in a value":      "GET / HTTP/1.1\r\nHost: a.test\r\nX-A: b\rX-B: c\r\n\r\n",
		"two hosts":                         "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
		"no host":                           "GET / HTTP/1.1\r\n\r\n",
		"a host that is none":               "GET / HTTP/1.1\r\nHost: a test\r\n\r\n",
		"no version":                        "GET /\r\nHost: a.test\r\n\r\n",
		"another version":                   "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n",
		"a blank in the path":               "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"a chunk whose size is none":        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" + hidden,
		"a chunk that is too long":          "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n" + hidden,
		"a chunk of more than there can be": "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("f", 17) + "\r\n",
		"a method that is none":             "GE(T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
	} {
		got := s.say(text)
		if len(got) < 12 || got[9] != '4' && got[9:12] != "501" && got[9:12] != "505" {
			t.Errorf("%s: %.60q", claim, got)
		}
		until(t, claim+": it has ended", func() bool { return s.under.Load() == 0 })
		if seen := pod.take(); strings.Contains(seen, "hidden") {
			t.Errorf("%s: the pod was asked %q", claim, seen)
		}
	}
}

func TestWhatIsReadInOneWayIsPassedOnInOneWay(t *testing.T) {
	s, pod := newStage(t), &wire{}
	s.service("a", s.raw(pod.speak))
	s.rules(to("a"))
	for claim, text := range map[string]string{
		"both a length and chunks: the chunks count": "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"chunks with extensions":                     "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
		"one length twice":                           "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
		"a folded line, which becomes one":           "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nConnection: close\r\nX-A: b\r\n Transfer-Encoding: chunked\r\n\r\nhello",
		"bare line feeds":                            "POST / HTTP/1.1\nHost: a.test\nContent-Length: 5\nConnection: close\n\nhello",
		"the name of the length in another case":     "POST / HTTP/1.1\r\nhost: a.test\r\ncONTENT-lENGTH: 5\r\nConnection: close\r\n\r\nhello",
	} {
		got := s.say(text)
		until(t, claim+": it has ended", func() bool { return s.under.Load() == 0 })
		seen := pod.take()
		if strings.HasPrefix(got, "HTTP/1.1 4") && seen == "" {
			continue
		}
		length, chunked := strings.Count(seen, "Content-Length: 5\r\n"), strings.Count(seen, "\nTransfer-Encoding: chunked\r\n")
		if !strings.Contains(got, " 200 ") || length+chunked != 1 || strings.Count(seen, "hello") != 1 || strings.Contains(strings.ReplaceAll(seen, "\r\n", ""), "\n") {
			t.Errorf("%s: %.60q, and the pod was asked %q", claim, got, seen)
		}
	}
}

func TestAPathOfHTTP2CannotHoldAnotherRequest(t *testing.T) {
	s, pod := newStage(t), &wire{}
	s.service("a", s.raw(pod.speak))
	s.rules(to("a"))
	for _, path := range []string{"/ HTTP/1.1\r\nHost: a.test\r\n\r\nGET /hidden", "/a HTTP/1.1", "/a\tb", "/%0d%0aHost:b"} {
		conn, err := tls.Dial("tcp", s.https, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		var head bytes.Buffer
		e := hpack.NewEncoder(&head)
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", path}} {
			_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_, _ = io.WriteString(conn, http2.ClientPreface)
		f := http2.NewFramer(conn, conn)
		_ = f.WriteSettings()
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true})
		for {
			frame, err := f.ReadFrame()
			if err != nil || frame.Header().StreamID == 1 {
				break
			}
		}
		_ = conn.Close()
		until(t, "it has ended", func() bool { return s.under.Load() == 0 })
		if seen := pod.take(); strings.Count(seen, "HTTP/1.1") > 1 || strings.Contains(seen, "\nHost:b") {
			t.Errorf("%q: the pod was asked %q", path, seen)
		}
	}
}

func TestHeadersHaveABound(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	s.rules(to("echo"))
	for claim, text := range map[string]string{
		"one header": "GET / HTTP/1.1\r\nHost: a.test\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
		"many":       "GET / HTTP/1.1\r\nHost: a.test\r\n" + strings.Repeat("X-A: a\r\n", 1<<17) + "\r\n",
		"the line":   "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: a.test\r\n\r\n",
	} {
		if got := s.say(text); got != "" && !strings.HasPrefix(got, "HTTP/1.1 431") { // a client that still sends may miss the answer
			t.Errorf("%s: %.40q", claim, got)
		}
	}
	if got := s.say("GET / HTTP/1.1\r\nHost: a.test\r\nX-A: " + strings.Repeat("a", mostHead+5000)); !strings.HasPrefix(got, "HTTP/1.1 431") {
		t.Errorf("%.40q", got)
	}
	if got := s.get("http://a.test/", "X-A", strings.Repeat("a", mostHead-1000)).StatusCode; got != 200 {
		t.Error(got)
	}
}

func TestAClientThatIsSlowLosesHisConnection(t *testing.T) {
	s := newStage(t, func(l *limits) {
		l.head, l.quiet, l.linger, l.idle, l.slack = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, 0
	})
	s.service("echo", s.pod(echo))
	s.service("large", s.pod(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, zeros{}, 1<<30) }))
	s.rules(to("large", at("/large")), to("echo", at("/limited"), func(r *route.DoorRule) { r.Body = 1 }), to("echo"))
	for claim, c := range map[string]struct{ text, want string }{
		"he says nothing":                     {"", ""},
		"half a line":                         {"GET /", ""},
		"half of his headers":                 {"GET / HTTP/1.1\r\nHost: a.test\r\nX-A: ", ""},
		"half a body":                         {"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nhalf", "HTTP/1.1 408 "},
		"half a small body":                   {"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 408 "},
		"half a chunk":                        {"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", "HTTP/1.1 408 "},
		"half a body that nobody asks for":    {"POST /limited HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nhalf", "HTTP/1.1 413 "},
		"no second request on his connection": {"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "HTTP/1.1 200 "},
	} {
		if got := s.say(c.text); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("%s: %.60q", claim, got)
		}
	}
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n")
	until(t, "an answer that he does not take ends", func() bool { return strings.Contains(s.access.String(), `"path":"/large"`) })
	if secure, err := net.Dial("tcp", s.https); err != nil {
		t.Fatal(err)
	} else {
		_, _ = io.WriteString(secure, "\x16\x03\x01")
		_ = secure.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := secure.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Errorf("half a handshake: %v", err)
		}
		_ = secure.Close()
	}
	until(t, "all have gone", func() bool { return len(s.open()) == 0 })
}

func TestConnectionsHaveABoundOfEachAndTogether(t *testing.T) {
	s := newStage(t, func(l *limits) { l.conns, l.each = 4, 3 })
	s.service("echo", s.pod(echo))
	s.rules(to("echo"))
	const ask = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
	dial := func(from string) net.Conn {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", s.http)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	asks := func(c net.Conn) bool {
		_, _ = io.WriteString(c, ask)
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		return err == nil && a.StatusCode == 200
	}
	for range 3 {
		if !asks(dial("127.0.0.1")) {
			t.Fatal("it is not let in")
		}
	}
	if asks(dial("127.0.0.1")) {
		t.Error("one has more than his share")
	}
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} { // the second takes the place of one that is idle
		if !asks(dial(from)) {
			t.Errorf("%s is not let in", from)
		}
	}
	if n := len(s.open()); n > 4 {
		t.Errorf("%d are open", n)
	}
}

func TestRequestsUnderWayHaveABound(t *testing.T) {
	s := newStage(t, func(l *limits) { l.requests = 1 })
	came, end := make(chan struct{}), make(chan struct{})
	s.service("a", s.pod(func(http.ResponseWriter, *http.Request) { close(came); <-end }))
	s.rules(to("a", at("/slow")), to("a"))
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-came
	if got := s.get("http://a.test/").StatusCode; got != 503 {
		t.Error(got)
	}
	close(end)
}

func TestOneHTTP2ConnectionHasSoManyRequests(t *testing.T) {
	s := newStage(t)
	conn, err := tls.Dial("tcp", s.https, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, http2.ClientPreface)
	f := http2.NewFramer(conn, conn)
	_ = f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
			if n, _ := settings.Value(http2.SettingMaxConcurrentStreams); n != mostStreams {
				t.Error(n)
			}
			return
		}
	}
}
