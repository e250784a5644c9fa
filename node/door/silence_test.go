package door

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"
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
