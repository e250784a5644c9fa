package door

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestNobodyIsGivenAHeaderThatNobodySent(t *testing.T) {
	s := newStage(t)
	s.service("bare", s.raw(func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")
		}
	}))
	agent := func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "agent %q", r.Header["User-Agent"])
	}
	s.service("first", s.pod(agent))
	s.service("second", s.second(agent))
	s.rules(to("bare", at("/bare")), to("first", at("/first")), to("second", at("/second"), speaks("h2c")))
	for _, url := range []string{"http://a.test/bare", "https://a.test/bare"} {
		r, _ := http.NewRequest("GET", url, nil)
		if got := s.do(s.client(true), r); got.text != "<html></html>" || got.Header["Content-Type"] != nil {
			t.Errorf("%s: %q of type %q", url, got.text, got.Header["Content-Type"])
		}
	}
	for _, path := range []string{"/first", "/second"} {
		for header, want := range map[string]string{"": `agent []`, "User-Agent: x/1\r\n": `agent ["x/1"]`} {
			if got := s.say("GET " + path + " HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n" + header + "\r\n"); !strings.HasSuffix(got, want) {
				t.Errorf("%s: %q, not %s", path, got, want)
			}
		}
	}
}

func TestAWholeURLOfAHostAloneAsksForItsRoot(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	s.rules(to("echo"))
	for target, want := range map[string]string{"http://a.test": "GET a.test /\n", "http://a.test?x=1": "GET a.test /?x=1\n", "http://a.test/b": "GET a.test /b\n", "http:a": "HTTP/1.1 400 ", "*": "HTTP/1.1 400 "} {
		if got := s.say("GET " + target + " HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %q", target, got)
		}
	}
}
