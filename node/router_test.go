package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// parts are three that write down when it was their turn, and fail as a test says.
type parts struct {
	turns []string
	fails map[string]error
}

type (
	linker struct{ *parts }
	putter struct {
		*parts
		name string
	}
)

func (p *parts) turn(name string) error {
	p.turns = append(p.turns, name)
	return p.fails[name]
}

func (l linker) Put(context.Context, *route.Table, string) (live.Net, error) {
	return live.Net{Troubles: []string{"n2: no address"}}, l.turn("network")
}

func (p putter) Put(*route.Table, string) error { return p.turn(p.name) }

func (p putter) Remove() error { return p.turn("nothing by " + p.name) }

func (p putter) Lacks() error { return p.fails["lacks"] }

func (p putter) Crowded() bool { return p.fails["crowded"] != nil }

func (p putter) Keeps() []route.HostPort { return []route.HostPort{{Port: 80, Protocol: "tcp"}} }

// one names the node n1.
var one = &route.Table{Nodes: []route.Node{{Name: "n1"}}}

func (p *parts) routers() Routers {
	return Routers{Network: linker{p}, Names: putter{p, "names"}, Counts: putter{p, "counts"}, Kernel: putter{p, "kernel"}}
}

func TestTheKernelIsLastAndDecidesWhetherATableIsInForce(t *testing.T) {
	p := &parts{fails: map[string]error{}}
	for range 2 {
		if _, err := p.routers().Route(t.Context(), one, "n1"); err != nil {
			t.Fatal(err)
		}
	}
	if want := "network names counts kernel network names counts kernel"; strings.Join(p.turns, " ") != want {
		t.Errorf("%v", p.turns)
	}
	p.fails["kernel"] = errors.New("no such rule")
	if _, err := p.routers().Route(t.Context(), one, "n1"); err == nil || !strings.Contains(err.Error(), "no such rule") {
		t.Errorf("%v", err)
	}
}

func TestWhatTheHostLacksIsSaidAndHoldsNothingUp(t *testing.T) {
	p := &parts{fails: map[string]error{
		"network": errors.New("no bridge"), "names": errors.New("port 53 is taken"), "lacks": errors.New("no timeouts"), "counts": errors.New("healthCheckNodePort 30099 is taken"),
	}}
	net, err := p.routers().Route(t.Context(), one, "n1")
	want := []string{"n2: no address", "pod network: no bridge", "names: port 53 is taken", "connections: healthCheckNodePort 30099 is taken", "connections: no timeouts"}
	if err != nil || !slices.Equal(net.Troubles, want) || len(net.Keeps) != 1 {
		t.Errorf("%v, %q, keeps %v", err, net.Troubles, net.Keeps)
	}
}

func TestThatConntrackIsFullIsSaidInWordsThatStay(t *testing.T) {
	p := &parts{fails: map[string]error{"crowded": errors.New("yes")}}
	for range 2 {
		net, err := p.routers().Route(t.Context(), one, "n1")
		if want := []string{"n2: no address", "connections: " + errCrowded.Error()}; err != nil || !net.Crowded || !slices.Equal(net.Troubles, want) {
			t.Errorf("%v, %+v", err, net)
		}
	}
}

func TestATableOfWhichTheLinksWereCutOffIsNotInForce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &parts{}
	if _, err := p.routers().Route(ctx, one, "n1"); err == nil || len(p.turns) != 1 {
		t.Errorf("%v after %v", err, p.turns)
	}
}

func TestNothingGoesByATableThatDoesNotNameTheNode(t *testing.T) {
	p := &parts{}
	_, err := p.routers().Route(t.Context(), one, "n2")
	if want := "network names counts nothing by kernel"; err != nil || strings.Join(p.turns, " ") != want {
		t.Errorf("%v, %v", err, p.turns)
	}
}
