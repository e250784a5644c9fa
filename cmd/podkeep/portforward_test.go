package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// forwarder is a command that forwards to a Deployment of fakes, and what it says.
func forwarder(t *testing.T, out, said io.Writer) (w *forwarding, to peer) {
	t.Helper()
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	if code := execute([]string{"sync", "--source", dir}, io.Discard, os.Stderr); code != 0 {
		t.Fatal(code)
	}
	var o forwardOptions
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetOut(out)
	cmd.SetErr(said)
	o.bind(cmd)
	if err := cmd.ParseFlags([]string{"--source", dir}); err != nil {
		t.Fatal(err)
	}
	c, err := o.crew(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.close() })
	o.namespace = "default"
	w = &forwarding{forwardOptions: &o, cmd: cmd, arg: "deploy/web", crew: c}
	peers, err := c.peers(w.arg, o.namespace, "80")
	if err != nil {
		t.Fatal(err)
	}
	return w, peers[0]
}

// lines counts what is written, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestAPortCarriesSoManyConnectionsAtATime(t *testing.T) {
	out := make(lines, 2*mostForwarded)
	w, to := forwarder(t, out, io.Discard)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(ctx, func() { _ = l.Close() })
	w.join.Go(func() { w.serve(ctx, l, &forward{remote: "80", to: to, seen: time.Now().Add(time.Hour)}) })
	defer w.join.Wait()
	defer cancel()
	var all []net.Conn
	for range mostForwarded + 8 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		all = append(all, c)
	}
	for range mostForwarded {
		<-out
	}
	for _, c := range all[:4] {
		if len(out) > 0 {
			t.Fatal("one more is carried than may be")
		}
		_ = c.Close()
		<-out
	}
}

func TestAForwardLeavesWhoeverHasItsPodsAddressNow(t *testing.T) {
	var said bytes.Buffer
	w, to := forwarder(t, io.Discard, &said)
	f := &forward{remote: "80", to: to}
	f.to.pod = "web-gone-0"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	here, there := net.Pipe()
	go w.carry(ctx, there, f)
	if _, err := io.WriteString(here, "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(here)
	if err != nil || !strings.Contains(string(answer), to.pod) {
		t.Errorf("%q, %v", answer, err)
	}
	if want := "podkeep: web-gone-0 on n1: is gone; goes on with " + to.String() + "\n"; said.String() != want {
		t.Errorf("it said %q", said.String())
	}
	if f.to != to || time.Since(f.seen) > time.Hour {
		t.Errorf("it leads to %v, seen %v", f.to, f.seen)
	}
}

func TestAPortOfLocalhostThatSomebodyHasIsNotTakenHalf(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	all, err := listenAt(t.Context(), []string{"localhost"}, portOf(taken.Addr()))
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v, %v", all, err)
	}
}
