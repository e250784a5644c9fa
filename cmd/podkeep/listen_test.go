package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/node/turnstile/turnstiletest"
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

func TestAFloodOfConnectionsLeavesRoomForOthers(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	fine := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") })
	turnstiletest.Flood(t, func(d *turnstiletest.Door) func() { return answered(d, fine, log) }, mostConnections, mostOfOne, headerWithin, idleFor)
}
