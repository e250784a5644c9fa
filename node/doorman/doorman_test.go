package doorman

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

func TestADoorListensAtThePortsOfItsTableAndAtNoOthers(t *testing.T) {
	s, ports := newSide(t), free(t, 4)
	d := s.door("a", "v1")
	s.tells(1, ports[3], route.DoorPort{Port: ports[0]}, route.DoorPort{Port: ports[1], TLS: true})
	s.listens("a", 1, ports[0], ports[1], ports[3])
	answers(t, ports[0], fmt.Sprintf("table 1, port %d, tls false", ports[0]))
	answers(t, ports[1], "tls true")
	if got, err := ask(fresh(), ports[3], "/metrics"); err != nil || got != "podkeep_door_requests_total 0\n" {
		t.Errorf("%q, %v", got, err)
	}
	s.tells(2, 0, route.DoorPort{Port: ports[1]}, route.DoorPort{Port: ports[2]})
	s.listens("a", 2, ports[1], ports[2])
	answers(t, ports[1], "tls false")
	answers(t, ports[2], "table 2")
	for _, port := range []uint16{ports[0], ports[3]} {
		if text, err := ask(fresh(), port, "/"); err == nil {
			t.Errorf("%d answers %q", port, text)
		}
	}
	if want := []string{"keys 1", "table 1 on n1", "keys 2", "table 2 on n1"}; !slices.Equal(d.ring.noted(), want) {
		t.Errorf("%q", d.ring.noted())
	}
}

func TestAPortThatTheHostHasIsSaidAndTakenOnceItIsFree(t *testing.T) {
	s, ports := newSide(t), free(t, 2)
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	s.door("a", "v1")
	s.tells(1, 0, route.DoorPort{Port: ports[0]}, route.DoorPort{Port: ports[1]})
	s.until("a", "says which port", func(d live.Door) bool {
		return slices.Equal(d.Ports, ports[1:]) && hasTrouble(fmt.Sprintf("port %d: the host has it already, at 127.0.0.1", ports[0]))(d)
	})
	answers(t, ports[1], "table 1")
	_ = l.Close()
	s.listens("a", 1, ports...)
	answers(t, ports[0], "table 1")
}

func TestWhatTheKeyringLacksIsSaid(t *testing.T) {
	s := newSide(t)
	d := s.door("a", "v1")
	s.tells(1, 0)
	s.listens("a", 1)
	d.ring.mu.Lock()
	d.ring.lacks = []string{"shop.example.org: there is no certificate"}
	d.ring.mu.Unlock()
	s.until("a", "says what it lacks", hasTrouble("shop.example.org: there is no certificate"))
}

func TestADoorServesOnWhileThereIsNoNodeSideAndFindsTheNext(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	d := s.door("a", "v1")
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	s.listens("a", 1, ports...)
	d.ring.changed(wire.Kept{Entries: map[string]wire.KeptEntry{"x": {Value: []byte("1")}}})
	eventually(t, "what its ACME client wrote is said", func() error { return s.heard(1) })
	s.ends()
	answers(t, ports[0], "table 1")
	s.begins()
	s.listens("a", 1, ports...)
	eventually(t, "and said to the next", func() error { return s.heard(2) })
	s.tells(2, 0, route.DoorPort{Port: ports[0]})
	s.listens("a", 2, ports...)
}

// heard says whether what ACME clients keep was said so often.
func (s *aSide) heard(times int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) < times || string(s.kept[times-1].Entries["x"].Value) != "1" {
		return fmt.Errorf("%d times", len(s.kept))
	}
	return nil
}

func TestATableThatCannotBeReadLeavesTheOneBefore(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.door("a", "v1")
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	s.listens("a", 1, ports...)
	s.gave(wire.DoorDown{Table: &wire.Table{Body: []byte("x"), Digest: "bad", Number: 2}})
	s.until("a", "says why", hasTrouble("the table that it was given cannot be read: "))
	s.mu.Lock()
	if up := s.said["a"]; up.Took != "bad" || up.Door.Number != 1 {
		t.Errorf("%+v", up)
	}
	s.mu.Unlock()
	answers(t, ports[0], "table 1")
	s.tells(3, 0, route.DoorPort{Port: ports[0]})
	s.listens("a", 3, ports...)
}

func TestADoorThatIsToldToEndLetsEndWhatIsUnderWay(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	d := s.door("a", "v1")
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	s.listens("a", 1, ports...)
	slow := make(chan error, 1)
	go func() { _, err := ask(fresh(), ports[0], "/slow"); slow <- err }()
	eventually(t, "the request is under way", func() error {
		if d.engine.conns.Load() == 0 {
			return errors.New("none")
		}
		return nil
	})
	d.end()
	s.until("a", "leaves", leaves)
	if text, err := ask(fresh(), ports[0], "/"); err == nil {
		t.Errorf("it still accepts: %q", text)
	}
	select {
	case <-d.ended:
		t.Error("it has ended before the request")
	default:
	}
	close(d.engine.holds)
	if err := <-slow; err != nil {
		t.Error(err)
	}
	<-d.ended
	if turns := d.ring.noted(); turns[len(turns)-1] != "closed" {
		t.Errorf("%q", turns)
	}
}

func TestADoorListensAtSoManyPorts(t *testing.T) {
	s := newSide(t)
	var ports []route.DoorPort
	for _, port := range free(t, mostPorts+1) {
		ports = append(ports, route.DoorPort{Port: port})
	}
	s.door("a", "v1")
	s.tells(1, 0, ports...)
	s.until("a", "says which is too much", func(d live.Door) bool {
		return len(d.Ports) == mostPorts && hasTrouble(fmt.Sprintf("port %d: a door listens at 256 ports at most", ports[mostPorts].Port))(d)
	})
	next := s.door("b", "v1")
	s.until("b", "has them all", func(d live.Door) bool { return len(d.Ports) == mostPorts })
	s.until("a", "leaves", leaves)
	answers(t, ports[0].Port, "table 1")
	if next.engine.served.Load() == 0 {
		t.Error("the second serves nothing")
	}
}

func TestAFloodForMetricsIsHeldOff(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.door("a", "v1")
	s.tells(1, ports[0])
	s.listens("a", 1, ports...)
	var flood []net.Conn
	for range mostOfOne {
		c, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", ports[0]), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		flood = append(flood, c)
	}
	eventually(t, "one more of the same address is turned away", func() error {
		if _, err := ask(fresh(), ports[0], "/metrics"); err == nil {
			return errors.New("it is answered")
		}
		return nil
	})
	_ = flood[0].Close()
	eventually(t, "and let in when one has gone", func() error { _, err := ask(fresh(), ports[0], "/metrics"); return err })
}
