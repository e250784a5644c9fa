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

// post is where some are spoken with.
type post struct {
	who    string
	most   int // at a time
	listen func() (net.Listener, error)
	talk   func(context.Context, net.Conn)
}

// serve speaks with whoever connects until ctx ends. Where there can be no socket it tries again.
func (s *side) serve(ctx context.Context, p post) {
	for failures := 1; ctx.Err() == nil; failures++ {
		l, err := p.listen()
		if err == nil {
			failures = 0
			err = s.accept(ctx, l, p)
		}
		if ctx.Err() == nil {
			s.Log.WithError(err).Warnf("no %s can connect", p.who)
		}
		pause(ctx, backoff(failures, firstLookAgain, mostLookAgain))
	}
}

// mostControllers is how many may be connected at a time, commands that look among them. One more is turned away, and tries again as one does that
// finds nobody here. Each may have one line in memory that he has not ended.
const mostControllers = 64

func (s *side) accept(ctx context.Context, l net.Listener, p post) error {
	var join sync.WaitGroup
	defer join.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	slots, said := make(chan struct{}, p.most), false
	for {
		c, err := l.Accept()
		if err != nil {
			_ = l.Close()
			return err
		}
		select {
		case slots <- struct{}{}:
			join.Go(func() { p.talk(ctx, c); <-slots })
			said = false
		default:
			_ = c.Close()
			if !said {
				s.Log.WithField(p.who, p.most).Warn("as many are connected as may be: others are turned away")
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
	kept   chan *wire.Kept
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
	c := &conn{stream, make(chan json.RawMessage, 1), make(chan *wire.Table, 1), make(chan *wire.Kept, 1)}
	s.ask(ctx, func() { s.joins(c) })
	defer s.ask(ctx, func() { s.leaves(c) })
	s.converse(ctx, stream, "a controller", func(ctx context.Context) error { return s.hear(ctx, c) }, func(ctx context.Context) error { return s.speak(ctx, c) })
}

// converse hears and speaks until one of the two ends.
func (s *side) converse(ctx context.Context, stream net.Conn, who string, hear, speak func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	var join sync.WaitGroup
	join.Go(func() {
		defer cancel()
		if err := hear(ctx); ctx.Err() == nil && !errors.Is(err, io.EOF) {
			s.Log.WithError(err).Warnf("%s is not understood, or silent", who)
		}
	})
	join.Go(func() {
		defer cancel()
		if err := speak(ctx); err != nil && ctx.Err() == nil {
			s.Log.WithError(err).Warnf("%s does not listen", who)
		}
	})
	<-ctx.Done()
	_ = stream.Close()
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
		if s.Doors != "" {
			s.hearForDoors(ctx, down)
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
	say := saying(c)
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
		case kept := <-c.kept:
			select {
			case newest := <-c.newest: // the report comes first
				if err := say(newest); err != nil {
					return err
				}
			default:
			}
			line = wire.Up{Kept: kept}
		case <-beat.C:
		case <-ctx.Done():
			return nil
		}
		if err := say(line); err != nil {
			return err
		}
	}
}

// saying writes a line to one who is to take it in time.
func saying(c net.Conn) func(any) error {
	return func(v any) error {
		if err := c.SetWriteDeadline(time.Now().Add(wire.Deaf)); err != nil {
			return err
		}
		return wire.Write(c, v)
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
