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

func TestAForwardLeavesWhoeverHasItsPodsAddressNow(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	if code := execute([]string{"sync", "--source", dir}, io.Discard, os.Stderr); code != 0 {
		t.Fatal(code)
	}
	var o forwardOptions
	var said bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetOut(io.Discard)
	cmd.SetErr(&said)
	o.bind(cmd)
	if err := cmd.ParseFlags([]string{"--source", dir}); err != nil {
		t.Fatal(err)
	}
	c, err := o.crew(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	o.namespace = "default"
	w := &forwarding{forwardOptions: &o, cmd: cmd, arg: "deploy/web", crew: c}
	peers, err := c.peers(w.arg, o.namespace, "80")
	if err != nil {
		t.Fatal(err)
	}
	f := &forward{remote: "80", to: peers[0]}
	f.to.pod = "web-gone-0"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	here, there := net.Pipe()
	go w.carry(ctx, there, f)
	if _, err := io.WriteString(here, "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(here)
	if err != nil || !strings.Contains(string(answer), peers[0].pod) {
		t.Errorf("%q, %v", answer, err)
	}
	if want := "podkeep: web-gone-0 on n1: is gone; goes on with " + peers[0].String() + "\n"; said.String() != want {
		t.Errorf("it said %q", said.String())
	}
	if f.to != peers[0] || time.Since(f.seen) > time.Hour {
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
