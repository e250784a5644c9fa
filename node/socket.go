package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/podkeep/podkeep/node/wire"
)

// listen puts a socket at a path that only its owner can use, in place of whatever stands there.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", fresh)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // whoever comes next may have put its own there
	err = os.Chmod(fresh, 0o600)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// serve speaks with whoever connects until ctx ends. Where there can be no socket it tries again.
func (s *side) serve(ctx context.Context) {
	for failures := 1; ctx.Err() == nil; failures++ {
		l, err := s.listen()
		if err == nil {
			failures = 0
			err = s.accept(ctx, l)
		}
		if ctx.Err() == nil {
			s.Log.WithError(err).Warn("no controller can connect")
		}
		pause(ctx, backoff(failures, firstLookAgain, mostLookAgain))
	}
}

// mostControllers is how many may be connected at a time, commands that look among them. One more is turned away, and tries again as one does that
// finds nobody here. Each may have one line in memory that he has not ended.
const mostControllers = 64

func (s *side) accept(ctx context.Context, l net.Listener) error {
	var join sync.WaitGroup
	defer join.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	slots, said := make(chan struct{}, mostControllers), false
	for {
		c, err := l.Accept()
		if err != nil {
			_ = l.Close()
			return err
		}
		select {
		case slots <- struct{}{}:
			join.Go(func() { s.talk(ctx, c); <-slots })
			said = false
		default:
			_ = c.Close()
			if !said {
				s.Log.WithField("controllers", mostControllers).Warn("as many are connected as may be: others are turned away")
			}
			said = true
		}
	}
}

// conn is a controller. It is given reports, and tables that it has asked for, of each of which it needs the newest alone.
type conn struct {
	net.Conn
	newest chan json.RawMessage
	tables chan *wire.Table
}

// give never waits. Only the loop calls it.
func give[T any](to chan T, what T) {
	select {
	case <-to:
	default:
	}
	to <- what
}

// talk says and hears until one of the two is gone. Who does not read, or says nothing, is dropped.
func (s *side) talk(ctx context.Context, stream net.Conn) {
	c := &conn{stream, make(chan json.RawMessage, 1), make(chan *wire.Table, 1)}
	s.ask(ctx, func() { s.joins(c) })
	defer s.ask(ctx, func() { s.leaves(c) })
	ctx, cancel := context.WithCancel(ctx)
	var join sync.WaitGroup
	join.Go(func() {
		defer cancel()
		if err := s.hear(ctx, c); ctx.Err() == nil && !errors.Is(err, io.EOF) {
			s.Log.WithError(err).Warn("a controller is not understood, or silent")
		}
	})
	join.Go(func() {
		defer cancel()
		if err := s.speak(ctx, c); err != nil && ctx.Err() == nil {
			s.Log.WithError(err).Warn("a controller does not listen")
		}
	})
	<-ctx.Done()
	_ = c.Close()
	join.Wait()
}

// hear takes in what a controller says, until that ends, and says why it did.
func (s *side) hear(ctx context.Context, c *conn) error {
	lines := wire.NewReader(c)
	for {
		if err := c.SetReadDeadline(time.Now().Add(wire.Deaf)); err != nil {
			return err
		}
		var down wire.Down
		if err := lines.Read(&down); err != nil {
			return err
		}
		if down.Tend != nil {
			s.ask(ctx, func() { s.tend(*down.Tend) })
		}
		if down.Table != nil {
			says, err := wire.Open(*down.Table)
			s.ask(ctx, func() { s.take(*down.Table, says, err) })
		}
		if down.Show {
			s.ask(ctx, func() { s.show(c) })
		}
	}
}

// speak says what there is to say, and that somebody is there.
func (s *side) speak(ctx context.Context, c *conn) error {
	say := func(v any) error {
		if err := c.SetWriteDeadline(time.Now().Add(wire.Deaf)); err != nil {
			return err
		}
		return wire.Write(c, v)
	}
	if err := say(wire.Up{Hello: &wire.Hello{Version: s.Version}}); err != nil {
		return err
	}
	beat := time.NewTicker(wire.Beat)
	defer beat.Stop()
	for {
		var line any = wire.Up{}
		select {
		case newest := <-c.newest:
			line = newest
		case table := <-c.tables:
			line = wire.Up{Table: table}
		case <-beat.C:
		case <-ctx.Done():
			return nil
		}
		if err := say(line); err != nil {
			return err
		}
	}
}

// Attach joins a stream to the node side's socket, until one of them ends.
func Attach(ctx context.Context, socket string, in io.Reader, out io.Writer) error {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	ended := make(chan error, 2) // a read of in cannot be cut off: it ends with the process
	go func() { _, err := io.Copy(c, in); ended <- err }()
	go func() { _, err := io.Copy(out, c); ended <- err }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return err
}

// Back-off between attempts to watch the host.
const (
	firstWatch = time.Second
	mostWatch  = time.Minute
)

// watch has events cause looks until ctx ends.
func (s *side) watch(ctx context.Context) {
	for failures := 1; ctx.Err() == nil; failures++ {
		began := time.Now()
		_ = s.Driver.Watch(ctx, s.events)
		if time.Since(began) > mostWatch {
			failures = 0
		}
		pause(ctx, backoff(failures, firstWatch, mostWatch))
		select {
		case s.events <- struct{}{}: // what was missed meanwhile
		default:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
