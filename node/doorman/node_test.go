package doorman

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// routed is a host that does as each table says, at once.
type routed struct{}

func (routed) Route(context.Context, *route.Table, string) (live.Net, error) { return live.Net{}, nil }

// reports are what a controller hears of a node side.
type reports struct {
	mu   sync.Mutex
	last wire.Report
}

func (r *reports) hear(c net.Conn) {
	for lines := wire.NewReader(c); ; {
		var up wire.Up
		if lines.Read(&up) != nil {
			return
		}
		if up.Report != nil {
			r.mu.Lock()
			r.last = *up.Report
			r.mu.Unlock()
		}
	}
}

func (r *reports) serves(number uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.last.Doors; r.last.Number != number || len(d) != 1 || d[0].Number != number || r.last.Keys != fmt.Sprint(number) {
		return fmt.Errorf("table %d, keys %q, doors %+v", r.last.Number, r.last.Keys, d)
	}
	return nil
}

// nodeSide begins a node side, and tells it of a table with this port.
func (s *aSide) nodeSide(state string, number uint64, port uint16) (told *reports, end func()) {
	s.t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	at := filepath.Join(state, live.SideSocket)
	go func() {
		defer close(ended)
		_ = node.Run(ctx, node.Options{Driver: fake.New(time.Now, "n1").Open("n1", "c", nil).(node.Driver), Router: routed{}, Dir: state, Socket: at, Doors: s.dir, Log: log})
	}()
	var c net.Conn
	eventually(s.t, "the node side answers", func() (err error) { c, err = net.Dial("unix", at); return err })
	sealed, err := wire.Seal(make([]byte, 64), "c", &route.Table{Number: number, Doors: &route.Doors{Ports: []route.DoorPort{{Port: port}}}})
	if err != nil {
		s.t.Fatal(err)
	}
	told = &reports{}
	go told.hear(c)
	for _, down := range []wire.Down{{Keys: &wire.Keys{Mark: fmt.Sprint(number)}}, {Table: &sealed}} {
		if err := wire.Write(c, down); err != nil {
			s.t.Fatal(err)
		}
	}
	return told, func() { cancel(); _ = c.Close(); <-ended }
}

func TestANodeSideAndItsDoorUnderstandEachOtherAndANewOneFindsTheDoor(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.ends() // a real one comes
	state := filepath.Join(s.dir, "state")
	s.door("a", "v1")
	for number := uint64(1); number < 4; number++ {
		told, end := s.nodeSide(state, number, ports[0])
		eventually(t, "the table is in force", func() error { return told.serves(number) })
		answers(t, ports[0], fmt.Sprintf("table %d", number))
		end()
		answers(t, ports[0], fmt.Sprintf("table %d", number))
	}
}
