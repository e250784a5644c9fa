package fake

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// wired is a driver whose host's node side is spoken with on a stream, as on a real host, and not only seen.
type wired struct{ driver }

// Wired is Open for controllers that speak with node sides themselves.
func (w *World) Wired(name, cluster string, fuse *Fuse) drivers.Driver {
	return wired{w.Open(name, cluster, fuse).(driver)}
}

func (d wired) Attach(ctx context.Context) (io.ReadWriteCloser, error) {
	n, err := d.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if !n.Side.Heard() {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	s := &spoken{wired: d, conn: ours, hello: wire.Hello{Version: n.Side.Version}, tends: map[string]wire.Tend{}, downs: make(chan wire.Down)}
	d.world.on(d.name, func(h *host) { s.table = h.sealed[d.cluster] })
	go s.hear()
	go s.speak()
	return theirs, nil
}

// spoken is a node side on one stream. It ends with the stream.
type spoken struct {
	wired
	conn  net.Conn
	hello wire.Hello
	tends map[string]wire.Tend
	table wire.Table
	downs chan wire.Down // closed once nothing more is heard
}

func (s *spoken) hear() {
	defer close(s.downs)
	for lines := wire.NewReader(s.conn); ; {
		var down wire.Down
		if lines.Read(&down) != nil {
			return
		}
		s.downs <- down
	}
}

// often is how often it looks whether there is something new to say.
const often = 20 * time.Millisecond

func (s *spoken) speak() {
	defer func() {
		_ = s.conn.Close()
		for range s.downs { // until hear has ended
		}
	}()
	tick := time.NewTicker(often)
	defer tick.Stop()
	var before []byte
	err := wire.Write(s.conn, wire.Up{Hello: &s.hello})
	for beat := time.Now(); err == nil; {
		select {
		case down, open := <-s.downs:
			if !open {
				return
			}
			err = s.obey(down)
		case <-tick.C:
			report := s.report()
			if report == nil {
				return
			}
			if text, _ := json.Marshal(report); !bytes.Equal(text, before) || time.Since(beat) > wire.Beat {
				before, beat = text, time.Now()
				err = wire.Write(s.conn, wire.Up{Report: report})
			}
		}
	}
}

func (s *spoken) obey(down wire.Down) error {
	if t := down.Tend; t != nil {
		s.tends[t.Source] = *t
		s.world.Tend(s.name, s.cluster, t.Source, t.Tend)
	}
	if t := down.Table; t != nil {
		if says, err := wire.Open(*t); err == nil {
			s.table = *t
			s.world.on(s.name, func(h *host) { h.keeps(s.cluster, *t) })
			s.world.Route(s.name, s.cluster, t.Node, says, t.Signer(s.cluster), t.Anew)
		}
	}
	if down.Show {
		return wire.Write(s.conn, wire.Up{Table: &s.table})
	}
	return nil
}

// keeps has the node side of a cluster's keep a table as it was sent, for whoever connects next. Copies of the world share the map.
func (h *host) keeps(cluster string, t wire.Table) {
	h.sealed = maps.Clone(h.sealed)
	if h.sealed == nil {
		h.sealed = map[string]wire.Table{}
	}
	h.sealed[cluster] = t
}

// report is all that there is to say, nil once the node side does not run.
func (s *spoken) report() *wire.Report {
	n, err := s.Observe(context.Background())
	if err != nil || n.Side.Version != s.hello.Version {
		return nil
	}
	r := &wire.Report{
		Tends: n.Side.Tends, Probed: map[string][]live.Probed{}, Number: n.Side.Number, Taken: n.Side.Taken, Net: n.Side.Net,
	}
	for _, t := range s.tends {
		r.InForce = append(r.InForce, t)
	}
	slices.SortFunc(r.InForce, func(a, b wire.Tend) int { return cmp.Compare(a.Source, b.Source) })
	for _, p := range n.Pods {
		if len(p.Probed) > 0 {
			r.Probed[p.Name] = p.Probed
		}
	}
	if s.table.Number == r.Number {
		r.Digest = s.table.Digest
	}
	return r
}
