package node

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// aDoor is one that is connected. It serves by each table that it is given, unless it is frozen.
type aDoor struct {
	net.Conn
	mu     sync.Mutex
	frozen bool
	told   []wire.DoorDown // but for signs of life
	gone   error
}

// doorway has the node side meet doors from its next life on.
func (s *stage) doorway() {
	s.t.Helper()
	s.doors, s.listenDoors = s.t.TempDir(), make(listener)
}

// door has a door come.
func (s *stage) door(pod string, frozen bool) *aDoor {
	s.t.Helper()
	here, there := net.Pipe()
	s.listenDoors <- there
	d := &aDoor{Conn: here, frozen: frozen}
	says := make(chan wire.DoorUp, 10)
	says <- wire.DoorUp{Door: &live.Door{Pod: pod, Version: "v1"}}
	go d.hear(pod, says)
	go func() {
		for {
			up := wire.DoorUp{}
			select {
			case up = <-says:
			case <-time.After(wire.Beat):
			}
			if wire.Write(d, up) != nil {
				return
			}
		}
	}()
	s.passes(0)
	return d
}

func (d *aDoor) hear(pod string, says chan<- wire.DoorUp) {
	lines := wire.NewReader(d)
	for {
		var down wire.DoorDown
		err := lines.Read(&down)
		d.mu.Lock()
		if d.gone = err; err != nil {
			d.mu.Unlock()
			_ = d.Close()
			return
		}
		if down != (wire.DoorDown{}) {
			d.told = append(d.told, down)
		}
		frozen := d.frozen
		d.mu.Unlock()
		if down.Table != nil && !frozen {
			says <- wire.DoorUp{Door: &live.Door{Pod: pod, Version: "v1", Number: down.Table.Number, Ports: []uint16{80}}, Took: down.Table.Digest}
		}
	}
}

func (d *aDoor) isGone() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

// words are what it was told, in order.
func (d *aDoor) words() (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, down := range d.told {
		switch {
		case down.Keys != nil:
			var names []string
			for _, k := range down.Keys.Keys {
				names = append(names, k.Name+"="+string(k.Users))
			}
			all = append(all, "keys "+down.Keys.Mark+": "+strings.Join(names, " "))
		case down.Table != nil:
			all = append(all, "table "+string(rune('0'+down.Table.Number)))
		case down.Kept != nil:
			for name, e := range down.Kept.Entries {
				all = append(all, "kept "+name+"="+string(e.Value))
			}
		}
	}
	return all
}

func (d *aDoor) wrote(name, value string, at time.Time) {
	_ = wire.Write(d, wire.DoorUp{Kept: &wire.Kept{Entries: map[string]wire.KeptEntry{name: {Value: []byte(value), Time: at}}}})
}

func (c *controller) keys(k wire.Keys) { _ = wire.Write(c, wire.Down{Keys: &k}) }

func TestATableIsInForceOnceTheDoorsServeByItAndAFrozenOneIsDropped(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.doorway()
		s.begins()
		c := s.connects()
		well, frozen := s.door("b", false), s.door("a", true)
		one := numbered(1, "")
		c.sends(one)
		s.passes(doorServes - time.Second)
		if err := c.serves(wire.Table{}); err != nil || !slices.Equal(well.words(), []string{"table 1"}) || k.does != 1 {
			t.Errorf("%v; %v", err, well.words())
		}
		if r := c.report(); len(r.Doors) != 2 || r.Doors[0].Pod != "a" || r.Doors[0].Number != 0 || r.Doors[1].Number != 1 || !slices.Equal(r.Doors[1].Ports, []uint16{80}) {
			t.Errorf("%+v", r.Doors)
		}
		s.passes(2 * time.Second)
		if err := c.serves(one); err != nil || frozen.isGone() == nil || well.isGone() != nil {
			t.Errorf("%v; %v, %v", err, frozen.isGone(), well.isGone())
		}
		if r := c.report(); len(r.Doors) != 1 || r.Doors[0].Pod != "b" {
			t.Errorf("%+v", r.Doors)
		}
		s.door("a", false)
		c.sends(numbered(2, ""))
		s.passes(time.Second)
		if err := c.serves(numbered(2, "")); err != nil {
			t.Error(err)
		}
	})
}

func TestAFrozenDoorHoldsNothingElseUp(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		s.doorway()
		web := s.has("web", ready)
		s.begins()
		s.door("a", true)
		c := s.connects()
		c.sends(numbered(1, ""))
		c.tends(web)
		s.passes(5 * time.Second)
		if !c.probed(web, "app").Ready || c.report().Number != 0 {
			t.Errorf("%+v", c.report())
		}
		c.sends(numbered(2, ""))
		s.passes(doorServes)
		if err := c.serves(numbered(2, "")); err != nil {
			t.Error(err)
		}
	})
}

func TestADoorThatEndsWhileItIsWaitedForIsWaitedForNoMore(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		s.doorway()
		s.begins()
		c, d := s.connects(), s.door("a", true)
		c.sends(numbered(1, ""))
		s.passes(time.Second)
		_ = d.Close()
		s.passes(time.Second)
		if err := c.serves(numbered(1, "")); err != nil || len(c.report().Doors) > 0 {
			t.Errorf("%v, %+v", err, c.report().Doors)
		}
	})
}

func TestAfterARestartOfTheNodeSideADoorThatIsThereIsAwaitedBeforeATableIsInForce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		s.doorway()
		s.begins()
		c := s.connects()
		c.sends(numbered(1, ""))
		s.passes(time.Second)
		if err := c.serves(numbered(1, "")); err != nil {
			t.Error("where no door ever was: ", err)
		}
		s.end()
		if err := os.WriteFile(filepath.Join(s.doors, live.DoorHandover), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.begins()
		c = s.connects()
		s.passes(doorFinds / 2)
		if err := c.serves(wire.Table{}); err != nil {
			t.Error(err)
		}
		d := s.door("a", true)
		s.passes(doorFinds)
		if err := c.serves(wire.Table{}); err != nil || !slices.Equal(d.words(), []string{"table 1"}) {
			t.Errorf("%v, %q", err, d.words())
		}
		s.passes(doorServes)
		if err := c.serves(numbered(1, "")); err != nil {
			t.Error(err)
		}
		s.end()
		s.begins()
		c = s.connects()
		s.passes(doorFinds + time.Second)
		if err := c.serves(numbered(1, "")); err != nil {
			t.Error("where the door has gone: ", err)
		}
	})
}

func TestADoorThatComesWhileATableWaitsForOthersIsWaitedForToo(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		s.doorway()
		s.begins()
		c, a := s.connects(), s.door("a", true)
		c.sends(numbered(1, ""))
		s.passes(doorServes / 2)
		b := s.door("b", true)
		s.passes(doorServes/2 + time.Second)
		if a.isGone() == nil {
			t.Error("the frozen one is not dropped")
		}
		if err := c.serves(wire.Table{}); err != nil {
			t.Error(err)
		}
		s.passes(doorServes / 2)
		if b.isGone() == nil {
			t.Error("the second frozen one is not dropped")
		}
		if err := c.serves(numbered(1, "")); err != nil {
			t.Error(err)
		}
	})
}

func TestDoorsThatComeAgainAndAgainHoldATableUpOnlySoLong(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		s.doorway()
		s.begins()
		c := s.connects()
		s.door("a", true)
		c.sends(numbered(1, ""))
		for range 2*doorServes/(4*time.Second) + 1 {
			s.passes(4 * time.Second)
			s.door("a", true)
		}
		if err := c.serves(numbered(1, "")); err != nil {
			t.Error(err)
		}
	})
}

func TestKeysGoToDoorsBeforeTheTableAndOutliveTheNodeSideInAFileOfItsOwn(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		s.doorway()
		s.begins()
		c, d := s.connects(), s.door("a", false)
		c.keys(wire.Keys{Mark: "m1", Keys: []wire.Key{{Name: "a@1", Users: []byte("hunter22")}, {Name: "b@1", Users: []byte("x")}}})
		c.sends(numbered(1, ""))
		s.passes(time.Second)
		c.keys(wire.Keys{Mark: "m2", Keys: []wire.Key{{Name: "b@2", Users: []byte("y")}}, Keep: []string{"a@1"}})
		s.passes(time.Second)
		last := "keys m2: b@2=y a@1=hunter22"
		if want := []string{"keys m1: a@1=hunter22 b@1=x", "table 1", last}; !slices.Equal(d.words(), want) || c.report().Keys != "m2" {
			t.Errorf("%q, %q", d.words(), c.report().Keys)
		}
		file := filepath.Join(s.dir, "keys.json")
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		s.kill()
		s.begins()
		c, d = s.connects(), s.door("a", false)
		s.passes(time.Second)
		if want := []string{last, "table 1"}; !slices.Equal(d.words(), want) || c.report().Keys != "m2" {
			t.Errorf("%q, %q", d.words(), c.report().Keys)
		}
		c.keys(wire.Keys{Mark: "m3", Keys: []wire.Key{{Name: "big", Chain: make([]byte, 8<<20)}}})
		s.passes(time.Second)
		if c.report().Keys != "m2" || !strings.Contains(c.troubles(), "doors: certificates and passwords for doors of more than") {
			t.Errorf("%q, %q", c.report().Keys, c.troubles())
		}
		if text := s.log.String(); strings.Contains(text, "hunter22") {
			t.Error(text)
		}
		s.end()
		if err := os.WriteFile(file, []byte(`{"Mark":"hunter22`), 0o600); err != nil {
			t.Fatal(err)
		}
		s.begins()
		c = s.connects()
		s.passes(time.Second)
		if r := c.report(); r.Keys != "" || r.Trouble != file+" is damaged" {
			t.Errorf("%q, %q", r.Keys, r.Trouble)
		}
		c.keys(wire.Keys{Mark: "m4"})
		s.passes(time.Second)
		if r := c.report(); r.Keys != "m4" || r.Trouble != "" {
			t.Errorf("%q, %q", r.Keys, r.Trouble)
		}
	})
}

func TestKeysThatCannotBeWrittenDownServeAndThatIsSaid(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.doorway()
		s.begins()
		c, d := s.connects(), s.door("a", false)
		blocked := filepath.Join(s.dir, "keys.json.new")
		if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		c.keys(wire.Keys{Mark: "m1"})
		s.passes(time.Second)
		if r := c.report(); r.Keys != "m1" || !strings.Contains(r.Trouble, "is a directory") || len(d.words()) != 1 {
			t.Errorf("%+v, %q", r, d.words())
		}
		if err := os.RemoveAll(blocked); err != nil {
			t.Fatal(err)
		}
		s.passes(saveAgain)
		if _, err := os.Stat(filepath.Join(s.dir, "keys.json")); err != nil || c.report().Trouble != "" {
			t.Errorf("%v, %q", err, c.report().Trouble)
		}
	})
}

func TestWhatADoorsACMEClientKeepsGoesToOtherDoorsAndUpAndOutlivesAll(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.doorway()
		s.begins()
		c, a, b := s.connects(), s.door("a", false), s.door("b", false)
		now := time.Now()
		a.wrote("x", "1", now)
		s.passes(time.Second)
		if want := []string{"kept x=1"}; !slices.Equal(c.keptWords(), want) || !slices.Equal(b.words(), want) || len(a.words()) > 0 {
			t.Errorf("%q, %q, %q", c.keptWords(), b.words(), a.words())
		}
		_ = wire.Write(c, wire.Down{Kept: &wire.Kept{Entries: map[string]wire.KeptEntry{"x": {Value: []byte("2"), Time: now.Add(1)}}}})
		b.wrote("x", "0", now.Add(-1))
		s.passes(time.Second)
		if want := []string{"kept x=2"}; !slices.Equal(a.words(), want) {
			t.Errorf("%q", a.words())
		}
		s.kill()
		s.begins()
		c = s.connects()
		s.passes(time.Second)
		if want := []string{"kept x=2"}; !slices.Equal(c.keptWords(), want) || !c.keptLast {
			t.Errorf("%q, before the first report: %t", c.keptWords(), !c.keptLast)
		}
	})
}

func TestAFloodOfDoorsIsTurnedAway(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.doorway()
		s.begins()
		c := s.connects()
		var flood []*aDoor
		for range mostDoors + 3 {
			flood = append(flood, s.door("a", false))
		}
		s.passes(time.Second)
		gone := 0
		for _, d := range flood {
			if d.isGone() != nil {
				gone++
			}
		}
		if gone != 3 || len(c.report().Doors) != mostDoors {
			t.Errorf("%d are turned away, %d are told of", gone, len(c.report().Doors))
		}
	})
}

func TestWhatADoorSaysOfItselfIsPassedOnSoFar(t *testing.T) {
	said := live.Door{Pod: "a\x1b[2J", Ports: make([]uint16, 2*mostDoorPorts)}
	for range 2 * mostDoorTroubles {
		said.Troubles = append(said.Troubles, "PASSWORD=hunter22")
	}
	is := plainDoor(said)
	if len(is.Ports) != mostDoorPorts || len(is.Troubles) != mostDoorTroubles || strings.Contains(is.Pod, "\x1b") || strings.Contains(is.Troubles[0], "hunter22") {
		t.Errorf("%d ports, %d troubles, %q, %q", len(is.Ports), len(is.Troubles), is.Pod, is.Troubles[0])
	}
}
