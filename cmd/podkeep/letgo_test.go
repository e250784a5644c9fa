package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// sideOf is a node side that answers each word with what is to be reported then. It ends where nil is.
type sideOf struct {
	drivers.Driver
	first  wire.Report
	answer func(wire.Down) *wire.Report
}

func (s sideOf) Attach(context.Context) (io.ReadWriteCloser, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer ours.Close()
		lines, said := wire.NewReader(ours), &s.first
		for {
			var down wire.Down
			if lines.Read(&down) != nil {
				return
			}
			if down.Hello == nil {
				said = s.answer(down)
			}
			if said == nil || wire.Write(ours, wire.Up{Report: said}) != nil {
				return
			}
		}
	}()
	return theirs, nil
}

func TestANodeSideLetsGoOfItsHost(t *testing.T) {
	tends := wire.Report{InForce: []wire.Tend{{Source: "s", Tend: live.Tend{Pods: []string{"web-0"}}}}, Tends: []string{"web-0"}}
	if err := tendNothing(t.Context(), sideOf{first: tends, answer: func(down wire.Down) *wire.Report {
		if down.Tend == nil || down.Tend.Source != "s" || len(down.Tend.Pods) > 0 {
			return nil
		}
		return &wire.Report{InForce: []wire.Tend{*down.Tend}}
	}}); err != nil {
		t.Error(err)
	}

	ranged := live.Net{Range: netip.MustParsePrefix("10.42.1.0/24")}
	routes := wire.Report{Number: 7, Taken: 7, Digest: "x", Net: ranged}
	var empty wire.Table
	if err := routeNothing(t.Context(), sideOf{first: routes, answer: func(down wire.Down) *wire.Report {
		if down.Table == nil {
			return &wire.Report{Number: empty.Number, Digest: empty.Digest}
		}
		empty = *down.Table
		if says, err := wire.Open(empty); err != nil || !empty.Anew || len(says.Nodes) > 0 || empty.Signer("c") == "" {
			return nil
		}
		return &wire.Report{Number: empty.Number, Digest: empty.Digest, Net: ranged}
	}}, "c"); err != nil {
		t.Error(err)
	}
	if empty.Digest == "" {
		t.Error("it was sent no table")
	}

	if err := routeNothing(t.Context(), sideOf{first: wire.Report{}}, "c"); err != nil {
		t.Errorf("it never had a table: %v", err)
	}
	if err := tendNothing(t.Context(), drivers.Driver(nil)); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Error(err)
	}
}
