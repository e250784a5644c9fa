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

func TestAClientThatIsWatchedAsksAgain(t *testing.T) {
	s := newStage(t)
	watched := func() bool {
		for _, c := range s.open() {
			c.in.mu.Lock()
			is := c.in.looking != nil
			c.in.mu.Unlock()
			if is {
				return true
			}
		}
		return false
	}
	s.service("a", s.pod(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			until(t, "the client is watched", watched)
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	s.rules(to("a"))
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	answers := bufio.NewReader(c)
	for _, paths := range [][]string{{"/long"}, {"/short"}, {"/long", "/at once"}, {"/short", "/long"}, {"/long"}} {
		for _, path := range paths {
			_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.test\r\n\r\n", strings.ReplaceAll(path, " ", "%20"))
		}
		for _, path := range paths {
			a, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(a.Body); err != nil || string(text) != path {
				t.Errorf("%s is answered with %q, %v", path, text, err)
			}
		}
	}
}

func TestAConnectionThatAPodHasClosedOrSpokenByUnaskedGetsNoRequest(t *testing.T) {
	for _, unasked := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"} {
		s := newStage(t)
		after := make(chan struct{})
		s.service("a", s.raw(func(c net.Conn, r *bufio.Reader) {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, q.Body)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
			<-after
			_, _ = io.WriteString(c, unasked)
			if unasked == "" {
				_ = c.Close()
			}
			after <- struct{}{}
			_, _ = r.ReadByte() // until the door closes it
		}))
		s.rules(to("a"))
		for range 5 {
			for _, method := range []string{"GET", "POST"} { // a POST is not sent twice
				a := s.send(method, "http://a.test/", nil)
				if a.StatusCode != 200 || a.ContentLength != int64(len("good")) {
					t.Errorf("after %q: %s is answered %s with %d bytes", unasked, method, a.Status, a.ContentLength)
				}
				after <- struct{}{}
				<-after
			}
		}
	}
}
