package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

func TestOnlyItsOwnNamesAreAnswered(t *testing.T) {
	h := byName([]string{"fleet.example"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	for host, want := range map[string]int{
		"127.0.0.1:7077": 200, "[::1]:7077": 200, "192.0.2.1": 200, "localhost:7077": 200, "LOCALHOST": 200, "fleet.example": 200, "fleet.example.:7077": 200,
		"evil.example": 421, "127.0.0.1.evil.example:7077": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/status", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d %s", host, w.Code, w.Body)
		}
	}
}

func listening(t *testing.T, address string) (at string, log *bytes.Buffer) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	at = l.Addr().String()
	_ = l.Close()
	log = &bytes.Buffer{}
	logger := logrus.New()
	logger.SetOutput(log)
	end, err := serve(at, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }), logger, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return at, log
}

func TestThatOthersReachTheAddressIsSaid(t *testing.T) {
	if _, log := listening(t, "127.0.0.1:0"); log.Len() > 0 {
		t.Error(log)
	}
	if _, log := listening(t, "0.0.0.0:0"); !strings.Contains(log.String(), "there is no authentication") {
		t.Error(log)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	at, _ := listening(t, "127.0.0.1:0")
	var idle []net.Conn
	for range mostConnections {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+at, nil)
	if _, err := http.DefaultClient.Do(r); err == nil {
		t.Error("one more is answered")
	}
	_ = idle[0].Close()
	r, _ = http.NewRequestWithContext(t.Context(), "GET", "http://"+at, nil)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}
