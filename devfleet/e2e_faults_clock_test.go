package devfleet_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/podkeep/podkeep/devfleet"
)

// wrongClock stands before a node's Podman and shifts every time that Podman tells, the Date of its answers among
// them: what a host does whose clock is wrong.
type wrongClock struct {
	ahead  atomic.Int64 // time.Duration
	socket string
}

// serveWrongClock listens on a socket until the scene ends.
func serveWrongClock(s *stage, n devfleet.Node) *wrongClock {
	s.Helper()
	c := &wrongClock{socket: s.path(n.Name, "wrong.sock")}
	listener, err := net.Listen("unix", c.socket)
	s.ok(err)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "podman"})
	proxy.FlushInterval = -1
	proxy.ModifyResponse = c.shift
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", n.Socket)
	}}
	server := &http.Server{Handler: proxy}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	s.Cleanup(func() { _ = server.Close(); <-done })
	return c
}

var (
	wholeSeconds = regexp.MustCompile(`"(StartedAt|ExitedAt|Created)":(\d{9,})`)
	fullTimes    = regexp.MustCompile(`"(StartedAt|Created|CreatedAt|UpdatedAt|ExitedAt|FinishedAt)":"(2\d\d\d-[^"]*)"`)
)

func (c *wrongClock) shift(r *http.Response) error {
	ahead := time.Duration(c.ahead.Load())
	if at, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		r.Header.Set("Date", at.Add(ahead).Format(http.TimeFormat))
	}
	if !strings.HasSuffix(r.Request.URL.Path, "/json") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	body = wholeSeconds.ReplaceAllFunc(body, func(found []byte) []byte {
		m := wholeSeconds.FindSubmatch(found)
		seconds, _ := strconv.ParseInt(string(m[2]), 10, 64)
		return []byte(`"` + string(m[1]) + `":` + strconv.FormatInt(seconds+int64(ahead/time.Second), 10))
	})
	body = fullTimes.ReplaceAllFunc(body, func(found []byte) []byte {
		m := fullTimes.FindSubmatch(found)
		at, err := time.Parse(time.RFC3339Nano, string(m[2]))
		if err != nil || at.Year() < 2000 {
			return found
		}
		return []byte(`"` + string(m[1]) + `":"` + at.Add(ahead).Format(time.RFC3339Nano) + `"`)
	})
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// clockWrong rolls with n2 a day ahead, and again with it a day behind. Whoever believes its times waits for a day.
func clockWrong(s *stage) {
	before := s.census()
	node, err := s.fleet.Node("n2")
	s.ok(err)
	clock := serveWrongClock(s, node)
	clock.ahead.Store(int64(24 * time.Hour))
	s.edit("nodes.yaml", "podman+unix://"+node.Socket, "podman+unix://"+clock.socket)
	s.converges(s.push("n2 is a day ahead"))
	s.well()
	s.still(before)
	mood := "calm"
	for _, ahead := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		clock.ahead.Store(int64(ahead))
		least := s.least()
		next := "off by " + ahead.String()
		s.edit("config.yaml", "mood: "+mood, "mood: "+next)
		mood = next
		s.converges(s.push("a rollout with n2 " + next))
		s.well()
		if n := least(); n < 3 {
			s.Errorf("%s: only %d ran for a while, want 3 throughout", next, n)
		}
	}
	s.edit("config.yaml", "mood: "+mood, "mood: calm")
	s.edit("nodes.yaml", "podman+unix://"+clock.socket, "podman+unix://"+node.Socket)
	s.converges(s.push("n2's clock is set"))
	s.well()
}
