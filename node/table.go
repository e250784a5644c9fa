package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// Router makes its host do as a table says.
type Router interface {
	// Route makes the host do as the table says, seen from the node of that name. It returns once new connections go by it, and may be called again with the
	// same table to put right what somebody else has changed: it reads what is there and mends it. err: the table is not in force.
	Route(ctx context.Context, t *route.Table, node string) (live.Net, error)
}

// How often the host is made to do again as the table in force says, how soon after an event at the earliest, and how long that may take.
const (
	routeEvery = 10 * time.Second
	routePause = time.Second
	routeFor   = time.Minute
)

// routes are the tables by which the host routes, or is to. A table is on the volume before the host does by it, and is said to be in force after
// that: so the one that comes into force again after a crash is never older than one that was said to be.
type routes struct {
	served *table // in force: the host does by it
	newest *table // the newest that was taken
	stored string // Digest of the one on the volume
	begins bool   // the one that was kept is yet to come into force, or to fail: pods that answer before that would not be reached

	net      live.Net
	refused  string // why the newest that was sent, or kept, is none
	unrouted string // why the newest attempt failed

	routing    bool
	routeAt    time.Time
	routeFails int
	routeTook  time.Duration
}

// table is one that was sent, and what it says.
type table struct {
	wire.Table
	says *route.Table
}

func (s *side) tableFile() string { return filepath.Join(s.Dir, "table.json") }

// loadTable has the table that was kept come into force again.
func (s *side) loadTable() {
	if s.Router == nil || s.copied {
		return
	}
	t, err := readTable(s.tableFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.refuses("the table that was kept", err)
	default:
		s.newest, s.stored, s.begins = t, t.Digest, true
		s.routeIn(0)
	}
}

func readTable(name string) (*table, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t := &table{}
	if err := json.Unmarshal(text, &t.Table); err != nil {
		return nil, err
	}
	t.says, err = wire.Open(t.Table)
	return t, err
}

// take has a table come into force that is newer than the newest, or is to be in its place whatever that is.
func (s *side) take(sent wire.Table, says *route.Table, err error) {
	switch {
	case s.Router == nil:
		return
	case err != nil:
		s.refuses("the table that was sent", err)
		return
	}
	s.refused = ""
	s.tellSoon()
	if w := s.newest; w != nil && (sent.Digest == w.Digest || sent.Number <= w.Number && !sent.Anew) {
		return
	}
	s.newest, s.routeFails = &table{sent, says}, 0
	s.routeIn(0)
}

func (s *side) refuses(what string, err error) {
	s.refused = live.Words(fmt.Sprintf("%s cannot be read: %v", what, err))
	s.Log.WithField("why", s.refused).Warn("the table stays as it was")
	s.tellSoon()
}

// routeIn has the host made to do as the table says within that time.
func (s *side) routeIn(wait time.Duration) { s.routeAt = s.soon(s.routeAt, wait) }

// reroute has it made so again soon: something has changed. It takes at most a tenth of the time.
func (s *side) reroute() {
	if s.newest != nil {
		s.routeIn(min(max(lookShare*s.routeTook, routePause), routeEvery))
	}
}

// route begins to make the host do as the newest table says, when that is due. One table at a time is on its way; of those that come meanwhile the
// newest alone follows.
func (s *side) route() {
	if s.routing || s.newest == nil || !s.until(s.routeAt) {
		return
	}
	s.routing, s.routeAt = true, time.Time{}
	t, stored, began := s.newest, s.stored == s.newest.Digest, time.Now()
	s.spawn(func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, routeFor)
		defer cancel()
		var net live.Net
		var err error
		if !stored {
			err = writeTable(s.tableFile(), t.Table)
			stored = err == nil
		}
		if err == nil {
			net, err = s.Router.Route(ctx, t.says, t.Node)
		}
		return func() {
			s.begins, s.routeTook = false, time.Since(began)
			if stored {
				s.stored = t.Digest
				s.giveDoors(t)
			}
			s.handing = s.hand(t, net, err)
		}
	})
}

func writeTable(name string, t wire.Table) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return write(name, text)
}

// routed takes in how it went.
func (s *side) routed(t *table, net live.Net, err error) {
	s.routing = false
	log := s.Log.WithField("table", t.Number)
	switch {
	case err != nil && s.ctx.Err() != nil:
		return
	case err != nil:
		why := live.Words(fmt.Sprintf("table %d is not in force: %v", t.Number, err))
		if s.unrouted != why {
			log.WithField("why", why).Warn("does not route by it")
		}
		s.unrouted = why
		s.routeFails++
		s.routeIn(backoff(s.routeFails, firstAgain, routeEvery))
	default:
		if s.served != t {
			log.Info("routes by it")
		}
		s.served, s.net, s.unrouted, s.routeFails = t, net, "", 0
		s.routeIn(routeEvery)
	}
	s.tellIn(0)
}

// netSaid is what is said of the host's network.
func (s *side) netSaid() live.Net {
	n := s.net
	if s.Router == nil {
		n.None = "a user's own Podman has no network that other hosts reach"
	}
	n.Troubles = nil
	for _, why := range slices.Concat(s.net.Troubles, []string{s.unrouted, s.refused, s.keysRefused, s.keptRefused}) {
		if why != "" {
			n.Troubles = append(n.Troubles, live.Words(why))
		}
	}
	return n
}

// show gives a connection the table in force, or the one that is to be.
func (s *side) show(c *conn) {
	for _, t := range []*table{s.served, s.newest} {
		if t != nil {
			give(c.tables, &t.Table)
			return
		}
	}
}
