package door

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/node/route"
)

// second is a pod that speaks HTTP/2 without TLS.
func (s *stage) second(h http.HandlerFunc) string {
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	s.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// speaks has pods asked by that protocol.
func speaks(protocol string) func(*route.DoorRule) {
	return func(r *route.DoorRule) { r.To[0].Protocol = protocol }
}

// slowly is a body in parts, of which each comes a while after the one before.
func slowly(parts int, between time.Duration) io.Reader {
	r, w := io.Pipe()
	go func() {
		for range parts {
			time.Sleep(between)
			_, _ = io.WriteString(w, "part ")
		}
		_ = w.Close()
	}()
	return r
}

func TestABodyTakesAsLongAsItsClientNeeds(t *testing.T) {
	s := newStage(t, func(l *limits) { l.read, l.slack = time.Second, 0 })
	s.service("first", s.pod(echo))
	s.service("second", s.second(echo))
	s.rules(to("first", at("/first")), to("second", at("/second"), speaks("h2c")))
	for _, url := range []string{"http://a.test/first", "http://a.test/second", "https://a.test/first", "https://a.test/second"} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			r, _ := http.NewRequest("PUT", url, slowly(2, 1500*time.Millisecond)) // longer than the patience for an answer, all of it and each part
			if got := s.do(s.client(true), r); got.StatusCode != 200 || !strings.Contains(got.text, "\npart part \n") {
				t.Errorf("%d %q", got.StatusCode, got.text)
			}
		})
	}
}

func TestAPodThatTakesABodyAndSaysNothingIsGivenUp(t *testing.T) {
	s := newStage(t, func(l *limits) { l.read = 50 * time.Millisecond })
	silent := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	s.service("first", s.pod(silent))
	s.service("second", s.second(silent))
	s.rules(to("first", at("/first")), to("second", at("/second"), speaks("h2c")))
	for _, url := range []string{"http://a.test/first", "http://a.test/second", "https://a.test/first", "https://a.test/second"} {
		r, _ := http.NewRequest("PUT", url, slowly(2, 100*time.Millisecond))
		if got := s.do(s.client(true), r); got.StatusCode != 504 {
			t.Errorf("%s: %d %q", url, got.StatusCode, got.text)
		}
	}
}

func TestAPodThatTakesNothingOfABodyIsGivenUpOnce(t *testing.T) {
	s := newStage(t, func(l *limits) { l.send, l.read = 100*time.Millisecond, time.Hour }) // it is not waited for again as long as for an answer
	over := make(chan struct{})
	s.service("a", s.raw(func(net.Conn, *bufio.Reader) { <-over }))
	defer close(over)
	s.rules(to("a"))
	r, _ := http.NewRequest("PUT", "http://a.test/", io.LimitReader(rand.NewChaCha8([32]byte{}), 64<<20))
	if got := s.do(s.client(false), r); got.StatusCode != 504 {
		t.Errorf("%d %q", got.StatusCode, got.text)
	}
}
