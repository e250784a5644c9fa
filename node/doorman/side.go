package doorman

import (
	"cmp"
	"context"
	"net"
	"sync"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// side is the node side that it is connected to.
type side struct {
	net.Conn
	next chan wire.DoorUp // what is to be said: the newest of each
}

// give has something said, and never waits. Only the loop calls it.
func (s *side) give(up wire.DoorUp) {
	if s == nil {
		return
	}
	select {
	case waits := <-s.next:
		if up.Door == nil {
			up.Door, up.Took = waits.Door, waits.Took
		}
		up.Kept = cmp.Or(up.Kept, waits.Kept)
	default:
	}
	s.next <- up
}

// speak speaks with whichever node side is there, until ctx ends.
func (d *doorman) speak(ctx context.Context) {
	for said := ""; ctx.Err() == nil; pause(ctx, again/4) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", d.at(live.DoorSocket))
		if err == nil {
			err = d.talk(ctx, conn)
		}
		if ctx.Err() == nil && said != err.Error() {
			said = err.Error()
			d.Log.WithField("why", live.Words(said)).Warn("the node side is not there, or not heard")
		}
	}
}

// talk says and hears until one of the two is gone, and says why.
func (d *doorman) talk(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &side{conn, make(chan wire.DoorUp, 1)}
	d.ask(ctx, func() {
		d.side = s
		s.give(wire.DoorUp{Door: d.said.Door, Took: d.said.Took, Kept: d.kept})
	})
	var join sync.WaitGroup
	join.Go(func() { cancel(d.hear(ctx, conn)) })
	join.Go(func() { cancel(s.say(ctx)) })
	<-ctx.Done()
	_ = conn.Close()
	join.Wait()
	return context.Cause(ctx)
}

// hear takes in what the node side says, and why that ended.
func (d *doorman) hear(ctx context.Context, conn net.Conn) error {
	lines := wire.NewReader(conn)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(wire.Deaf)); err != nil {
			return err
		}
		var down wire.DoorDown
		if err := lines.Read(&down); err != nil {
			return err
		}
		if down.Keys != nil {
			d.ask(ctx, func() { d.keyring.Take(*down.Keys) })
		}
		if down.Kept != nil {
			d.ask(ctx, func() { d.keyring.Keep(*down.Kept) })
		}
		if down.Table != nil {
			says, err := wire.Open(*down.Table)
			d.ask(ctx, func() { d.serve(*down.Table, says, err) })
		}
	}
}

// say says what there is to say, and that somebody is there.
func (s *side) say(ctx context.Context) error {
	beat := time.NewTicker(wire.Beat)
	defer beat.Stop()
	for {
		var up wire.DoorUp
		select {
		case up = <-s.next:
		case <-beat.C:
		case <-ctx.Done():
			return nil
		}
		if err := s.SetWriteDeadline(time.Now().Add(wire.Deaf)); err != nil {
			return err
		}
		if err := wire.Write(s, up); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
