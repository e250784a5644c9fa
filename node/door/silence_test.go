package door

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/node/route"
)

func TestEventsMayHaveLongSilencesBetweenThem(t *testing.T) {
	s := newStage(t, func(l *limits) { l.quiet, l.slack = 400*time.Millisecond, 0 })
	events := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n")
		w.(http.Flusher).Flush()
		time.Sleep(5 * s.limits.quiet / 2)
		_, _ = io.WriteString(w, "data: 2\n")
	}
	s.service("first", s.pod(events))
	s.service("second", s.second(events))
	s.rules(to("first", at("/first")), to("second", at("/second"), speaks("h2c")))
	for _, url := range []string{"http://a.test/first", "https://a.test/first", "https://a.test/second"} {
		r, _ := http.NewRequest("GET", url, nil)
		if got := s.do(s.client(true), r).text; got != "data: 1\ndata: 2\n" {
			t.Errorf("%s: %q", url, got)
		}
	}
}

func TestAClientThatTakesNothingOfAStreamLosesIt(t *testing.T) {
	s := newStage(t, func(l *limits) { l.quiet = 100 * time.Millisecond })
	ended := make(chan struct{})
	s.service("a", s.pod(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		_, _ = io.CopyN(w, zeros{}, 1<<30)
	}))
	s.rules(to("a"))
	a, err := s.client(true).Get("https://a.test/")
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	if _, err := io.Copy(io.Discard, a.Body); err == nil {
		t.Error("all of it came")
	}
	_ = a.Body.Close()
}

func TestAClientOfAGRPCCallMayListenForLong(t *testing.T) {
	s := newStage(t, func(l *limits) { l.quiet, l.slack = 400*time.Millisecond, 0 })
	s.service("a", s.second(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		_ = http.NewResponseController(w).Flush()
		for said := bufio.NewReader(r.Body); ; {
			text, err := said.ReadString('\n')
			if err != nil {
				return
			}
			time.Sleep(5 * s.limits.quiet / 2)
			_, _ = io.WriteString(w, "re "+text)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	s.rules(to("a", speaks("h2c")))
	body, says := io.Pipe()
	r, _ := http.NewRequest("POST", "https://a.test/", body)
	r.Header.Set("Content-Type", "application/grpc")
	a, err := s.client(true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	heard := bufio.NewReader(a.Body)
	for _, word := range []string{"one\n", "two\n"} {
		_, _ = io.WriteString(says, word)
		if text, err := heard.ReadString('\n'); err != nil || text != "re "+word {
			t.Fatalf("%q, %v", text, err)
		}
	}
	_ = says.Close()
	if _, err := heard.ReadByte(); err != io.EOF {
		t.Error(err)
	}
}

func TestASocketIsSilentOnlyWhereNobodySpeaks(t *testing.T) {
	for claim, c := range map[string]struct {
		change func(*route.DoorRule)
		before time.Duration // the protocol is changed
		says   []time.Duration
	}{
		"the pod alone speaks, for longer than may be silence": {func(r *route.DoorRule) { r.Read = time.Second }, 0, slices.Repeat([]time.Duration{100 * time.Millisecond}, 25)},
		"nobody speaks for longer than an answer may take":     {func(*route.DoorRule) {}, 0, []time.Duration{2500 * time.Millisecond}},
		"nobody speaks, and the protocol is changed late":      {func(*route.DoorRule) {}, 500 * time.Millisecond, []time.Duration{1500 * time.Millisecond}},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, func(l *limits) { l.read = time.Second })
			s.service("a", s.raw(func(pod net.Conn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				time.Sleep(c.before)
				_, _ = io.WriteString(pod, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tick\r\n\r\n")
				for _, after := range c.says {
					time.Sleep(after)
					_, _ = io.WriteString(pod, "x")
				}
			}))
			s.rules(to("a", c.change))
			got := s.say("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: tick\r\n\r\n")
			if want := strings.Repeat("x", len(c.says)); !strings.HasSuffix(got, "\r\n\r\n"+want) {
				t.Errorf("%q, not %q", got, want)
			}
		})
	}
}

func TestASocketOnWhichNobodySpeaksIsClosed(t *testing.T) {
	s := newStage(t)
	s.service("a", s.raw(func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tick\r\n\r\n")
		_, _ = io.Copy(io.Discard, r)
	}))
	s.rules(to("a", func(r *route.DoorRule) { r.Read = 100 * time.Millisecond }))
	if got := s.say("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: tick\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 101 ") {
		t.Errorf("%q", got)
	}
	until(t, "it has ended", func() bool { return s.under.Load() == 0 })
}

// What breaks a silence may come after the exchange: it would hold all of that for as long as a silence may last.
func TestASilenceThatHasEndedCountsNoMore(t *testing.T) {
	q := newSilence(time.Hour, func(*silence) {})
	q.broken()
	q.end()
	q.broken()
	if q.timer.Stop() {
		t.Error("it counts")
	}
}
