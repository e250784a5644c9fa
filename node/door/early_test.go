package door

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/node/route"
)

// early is a pod that answers a POST with 401 before it has its body, and says of other requests what they ask for.
func early(c net.Conn, r *bufio.Reader) {
	for {
		q, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if q.Method == "POST" {
			_, _ = io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
			_, _ = io.Copy(io.Discard, r)
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(q.URL.Path), q.URL.Path)
	}
}

func TestWhatFollowsAnAnswerThatCameBeforeTheBodyHasEndedIsNoRequest(t *testing.T) {
	s := newStage(t)
	s.service("first", s.raw(early))
	s.service("second", s.second(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(401)
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	s.rules(to("first", at("/first")), to("second", at("/second"), speaks("h2c")))
	const hidden = "GET /first/hidden HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for _, path := range []string{"/first", "/second"} {
		for claim, c := range map[string]struct{ head, part, rest string }{
			"a body of known length":        {"Content-Length: 40000", strings.Repeat("a", 20000), strings.Repeat("b", 20000-len(hidden)) + hidden},
			"the end of a chunk":            {"Transfer-Encoding: chunked", "5\r\nhello\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden)},
			"a request in place of a chunk": {"Transfer-Encoding: chunked", fmt.Sprintf("5\r\nhello\r\n%x\r\n", len(hidden)), hidden + "\r\n0\r\n\r\n"},
		} {
			conn, err := net.Dial("tcp", s.http)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: a.test\r\n"+c.head+"\r\n\r\n"+c.part)
			answers := bufio.NewReader(conn)
			a, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("%s, %s: %v", path, claim, err)
			}
			if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != 401 || !a.Close {
				t.Errorf("%s, %s: %d, the last: %v, %v", path, claim, a.StatusCode, a.Close, err)
			}
			_, _ = io.WriteString(conn, c.rest+"GET /first/more HTTP/1.1\r\nHost: a.test\r\n\r\n")
			if more, _ := io.ReadAll(answers); len(more) > 0 {
				t.Errorf("%s, %s: then %q", path, claim, more)
			}
			_ = conn.Close()
		}
	}
	until(t, "all have ended", func() bool { return s.under.Load() == 0 })
	if log := s.access.String(); strings.Contains(log, "hidden") || strings.Contains(log, "more") {
		t.Errorf("more was asked: %s", log)
	}
}

func TestAnAnswerIsNotHeldUpByABodyThatDoesNotEnd(t *testing.T) {
	s := newStage(t, func(l *limits) { l.linger = time.Hour })
	s.service("first", s.raw(early))
	s.service("second", s.second(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }))
	s.rules(to("first", at("/first")), to("second", at("/second"), speaks("h2c")))
	for _, path := range []string{"/first", "/second"} {
		for range 100 { // whether the body is read just then or not
			conn, err := net.Dial("tcp", s.http)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2a\r\n")
			if a, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || a.StatusCode != 401 {
				t.Fatal(path, a, err)
			}
			_ = conn.Close()
		}
	}
	until(t, "all have ended", func() bool { return s.under.Load() == 0 && len(s.open()) == 0 })
}

func TestAClientThatSendsOnAfterAnEarlyAnswerCanReadIt(t *testing.T) {
	s := newStage(t)
	s.service("a", s.raw(early))
	s.rules(to("a"))
	for _, head := range []string{"Content-Length: 120000", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", s.http)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a.test\r\n"+head+"\r\n\r\n")
		until(t, "it is answered", func() bool { return strings.Count(s.access.String(), `"status":401`) == 1 })
		for range 10 {
			text := strings.Repeat("x", 10_000)
			if strings.HasPrefix(head, "T") {
				text = fmt.Sprintf("%x\r\n%s\r\n", len(text), text)
			}
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatalf("%s: he is reset: %v", head, err)
			}
		}
		if a, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || a.StatusCode != 401 {
			t.Error(head, a, err)
		}
		_ = conn.Close()
		s.access.mu.Lock()
		s.access.b.Reset()
		s.access.mu.Unlock()
	}
}

func TestAClientThatSendsOnAfterAnEarlyAnswerIsReadForSoLong(t *testing.T) {
	s := newStage(t, func(l *limits) { l.linger = 100 * time.Millisecond })
	s.service("a", s.raw(early))
	s.rules(to("a"))
	for _, address := range []string{s.http, s.https} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if address == s.https {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
		if all, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 401 ") {
			t.Errorf("%q, %v", all, err)
		}
		until(t, "the door has closed it", func() bool { return len(s.open()) == 0 })
	}
}

func TestAPodThatFailsWhileAClientSendsIsNoFaultOfHis(t *testing.T) {
	s := newStage(t)
	s.service("dies", s.raw(func(_ net.Conn, r *bufio.Reader) { _, _ = http.ReadRequest(r) }))
	s.service("silent", s.raw(func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }))
	s.service("dies2", s.second(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	s.service("silent2", s.second(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	whole := func(r *route.DoorRule) { r.Whole = 100 * time.Millisecond }
	s.rules(to("dies", at("/dies")), to("silent", at("/silent"), whole), to("dies2", at("/dies2"), speaks("h2c")), to("silent2", at("/silent2"), speaks("h2c"), whole))
	for path, want := range map[string]string{"/dies": "502", "/silent": "504", "/dies2": "502", "/silent2": "504"} {
		for _, body := range []string{"Content-Length: 40000\r\n\r\n" + strings.Repeat("a", 20000), "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"} {
			conn, err := net.Dial("tcp", s.http)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: a.test\r\n"+body)
			if a, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || a.Status[:3] != want || !a.Close {
				t.Errorf("%s: %v, %v", path, a, err)
			}
			_ = conn.Close()
		}
	}
}

func TestAPodMayEndAGRPCCallThatItsClientHasNot(t *testing.T) {
	s := newStage(t)
	s.service("a", s.second(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.WriteString(w, "word")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("Grpc-Status", "7")
	}))
	s.rules(to("a", speaks("h2c")))
	for _, said := range []string{"", "hello"} {
		body, says := io.Pipe()
		go func() { _, _ = io.WriteString(says, said) }()
		r, _ := http.NewRequest("POST", "https://a.test/", body)
		r.Header.Set("Content-Type", "application/grpc")
		if got := s.do(s.client(true), r); got.text != "word" || got.Trailer.Get("Grpc-Status") != "7" {
			t.Errorf("after %q: %q, %v", said, got.text, got.Trailer)
		}
		_ = says.Close()
	}
	until(t, "both have ended", func() bool { return s.under.Load() == 0 })
}

func TestAConnectionWhoseLastAnswerBeganEarlyIsClosedThoughItsClientDoesNotGo(t *testing.T) {
	s := newStage(t, func(l *limits) { l.linger = 100 * time.Millisecond })
	s.service("a", s.pod(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
	}))
	s.rules(to("a"))
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "0\r\n\r\n")
	if text, err := io.ReadAll(a.Body); err != nil || string(text) != "hello" || !a.Close {
		t.Errorf("%q, close %v: %v", text, a.Close, err)
	}
	until(t, "the door has closed it", func() bool { return len(s.open()) == 0 })
}
