package counts

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/turnstile/turnstiletest"
)

// table has one Service with endpoints on those nodes.
func table(health uint16, nodes ...string) *route.Table {
	s := route.Service{Namespace: "shop", Name: "web", Health: health}
	for _, n := range nodes {
		s.Endpoints = append(s.Endpoints, route.Endpoint{Pod: "p", Node: n})
	}
	return &route.Table{Nodes: []route.Node{{Name: "n1"}}, Services: []route.Service{s}}
}

// own is an address of this machine that is not its loopback.
func own(t *testing.T) string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n := a.(*net.IPNet); n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but its loopback's")
	return ""
}

// free is a port that nobody has.
func free(t *testing.T) uint16 {
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func get(host string, port uint16) string {
	answer, err := http.Get(fmt.Sprintf("http://%s:%d/healthz", host, port))
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSpace(string(body)))
}

func TestALoadBalancerIsToldWhetherThereAreEndpoints(t *testing.T) {
	at, port := own(t), free(t)
	ctx, stop := context.WithCancel(t.Context())
	c, ended := New(), make(chan struct{})
	go func() { c.Serve(ctx); close(ended) }()
	for _, step := range []struct {
		table *route.Table
		want  string
	}{
		{table(port, "n1", "n1", "n2"), `200 {"service":{"namespace":"shop","name":"web"},"localEndpoints":2}`},
		{table(port, "n2"), `503 {"service":{"namespace":"shop","name":"web"},"localEndpoints":0}`},
		{table(0, "n1"), ""},
		{table(port, "n1"), `200 {"service":{"namespace":"shop","name":"web"},"localEndpoints":1}`},
		{&route.Table{Services: table(port, "n1").Services}, ""}, // the node is none of the cluster's any more
		{table(port, "n1"), `200 {"service":{"namespace":"shop","name":"web"},"localEndpoints":1}`},
	} {
		if err := c.Put(step.table, "n1"); err != nil {
			t.Fatal(err)
		}
		if got := get(at, port); got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
	for range 3 * mostConns / 2 { // some of them are turned away, and keep nobody from asking once they have gone
		conn, err := net.Dial("tcp4", fmt.Sprint(at, ":", port))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if got := get("127.0.0.1", port); got != "" {
		t.Errorf("by the loopback: %s", got)
	}
	stop()
	<-ended
	if got := get(at, port); got != "" {
		t.Errorf("after its end: %s", got)
	}
}

func TestAPortThatSomebodyHasIsSaidAndTriedAgain(t *testing.T) {
	at := own(t)
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	ctx, stop := context.WithCancel(t.Context())
	c, ended := New(), make(chan struct{})
	go func() { c.Serve(ctx); close(ended) }()
	err = c.Put(table(port, "n1"), "n1")
	if want := fmt.Sprintf("healthCheckNodePort %d of shop/web is not answered: ", port); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("said %v", err)
	}
	l.Close()
	if err := c.Put(table(port, "n1"), "n1"); err != nil || !strings.HasPrefix(get(at, port), "200") {
		t.Error(err)
	}
	stop()
	<-ended
}

func TestAFloodOfConnectionsLeavesRoomForOthers(t *testing.T) {
	turnstiletest.Flood(t, func(d *turnstiletest.Door) func() {
		c := New()
		server := c.server(80)
		go func() { _ = server.Serve(guarded(d)) }()
		return func() { _ = server.Close() }
	}, mostConns, mostOfOne, patience, patience)
}
