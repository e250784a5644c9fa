package podman

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/containers"

	"github.com/podkeep/podkeep/live"
)

// A log that is followed is read from its file where that can be reached: on this machine, or by SSH. Podman's own reader
// takes a line that conmon has written half for a whole one, goes on at the file's end, and so loses the rest and what came
// after it: about one line in some millions. What cannot be reached is left to Podman.

// filer opens files where the containers are. With follow the stream goes on at the file's end.
type filer interface {
	file(ctx context.Context, path string, offset int64, follow bool) (io.ReadCloser, error)
}

// place is where in a log's file the lines of a second begin.
type place struct {
	at     time.Time
	offset int64
}

// places remembers for each container where it was read last, so that who asks again from there on need not read all.
type places struct {
	mu sync.Mutex
	of map[string]place
}

func (p *places) get(container string) place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[container]
}

// mostPlaces is for how many containers that is remembered. Of one that is forgotten Podman is asked.
const mostPlaces = 1_000

func (p *places) put(container string, at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.of[container]; p.of == nil || !known && len(p.of) >= mostPlaces {
		p.of = map[string]place{}
	}
	p.of[container] = at
}

// errNoFile says that the log is to be asked of Podman.
var errNoFile = errors.New("no file within reach")

// overEvery is how often a container whose log is followed is asked whether it still runs.
const overEvery = 2 * time.Second

// readFile is Logs from the file.
func (d *Driver) readFile(ctx context.Context, ask live.Log, each func(live.Line) error) error {
	from, ok := d.begins(ask)
	files, reaches := d.client.dialer.(filer)
	if !ok || !reaches {
		return errNoFile
	}
	is, err := d.state(ctx, ask.Container)
	if err != nil {
		return err
	}
	if is.path == "" {
		return errNoFile
	}
	follow := ask.Follow && is.runs
	reading, stop := context.WithCancel(ctx)
	var join sync.WaitGroup
	defer join.Wait()
	defer stop()
	stream, err := files.file(reading, is.path, from.offset, follow)
	if err != nil {
		return errNoFile
	}
	defer stream.Close()
	over := make(chan struct{})
	if follow {
		join.Go(func() {
			if d.runsOut(reading, ask.Container) {
				close(over)
				stop()
			}
		})
	}
	err = d.scan(bufio.NewReaderSize(stream, 64<<10), ask, from.offset, each)
	select {
	case <-over:
		return nil
	default:
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// begins is where to begin reading, if that is known.
func (d *Driver) begins(ask live.Log) (place, bool) {
	if ask.Previous || ask.Last >= 0 {
		return place{}, false
	}
	known := d.places.get(ask.Container)
	switch {
	case ask.Since.IsZero():
		return place{}, true
	case !known.at.IsZero() && !ask.Since.Before(known.at.Add(-1)):
		return known, true
	default:
		return place{}, false
	}
}

// logged is what a container's inspection says of its log.
type logged struct {
	path string // empty when it is no file
	runs bool
}

func (d *Driver) state(ctx context.Context, container string) (is logged, err error) {
	err = d.do(ctx, d.look, func(ctx context.Context) error {
		c, err := containers.Inspect(ctx, container, nil)
		if err != nil {
			return err
		}
		if h := c.HostConfig; h != nil && h.LogConfig != nil && h.LogConfig.Type == define.KubernetesLogging {
			is.path = h.LogConfig.Path
		}
		is.runs = c.State != nil && c.State.Running
		return nil
	})
	return is, err
}

// runsOut waits for the container's end, and is false when ctx ends first.
func (d *Driver) runsOut(ctx context.Context, container string) bool {
	for pause(ctx, overEvery) {
		is, err := d.state(ctx, container)
		if gone(err) || err == nil && !is.runs {
			return pause(ctx, overEvery/4)
		}
	}
	return false
}

// scan reads conmon's lines: a time, the stream, F or P for a piece, and the text. Only what ends in a line feed is
// taken. It remembers where each second begins.
func (d *Driver) scan(r *bufio.Reader, ask live.Log, offset int64, each func(live.Line) error) error {
	held := map[string]*live.Line{"stdout": {}, "stderr": {Err: true}}
	var last time.Time
	var long []byte
	for {
		raw, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) && len(long) < longest {
			long = append(long, raw...)
			continue
		}
		if errors.Is(err, io.EOF) {
			return rest(map[byte]*live.Line{1: held["stdout"], 2: held["stderr"]}, each)
		}
		if err != nil {
			return err
		}
		if len(long) > 0 {
			long = append(long, raw...)
			raw = long
		}
		begins := offset
		offset += int64(len(raw))
		at, stream, tag, text, err := entryOf(raw)
		if err != nil {
			return err
		}
		long = long[:0]
		second := at.Truncate(time.Second)
		if !second.Equal(last) && len(held["stdout"].Text)+len(held["stderr"].Text) == 0 {
			last = second
			d.places.put(ask.Container, place{second, begins})
		}
		line := held[stream]
		if line == nil || !at.After(ask.Since) && !ask.Since.IsZero() {
			continue
		}
		line.Time = second
		line.Text = append(line.Text, text...)
		if tag == "P" && len(line.Text) < longest {
			continue
		}
		if err := each(*line); err != nil {
			return err
		}
		line.Text = line.Text[:0]
	}
}

func entryOf(raw []byte) (at time.Time, stream, tag string, text []byte, err error) {
	parts := bytes.SplitN(bytes.TrimSuffix(raw, []byte("\n")), []byte(" "), 4)
	if len(parts) < 4 {
		return at, "", "", nil, fmt.Errorf("a line of a log that is none: %.60q", raw)
	}
	at, err = time.Parse(time.RFC3339Nano, string(parts[0]))
	return at, string(parts[1]), string(parts[2]), parts[3], err
}

// file opens a file of this machine.
func (local) file(ctx context.Context, path string, offset int64, follow bool) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, err
	}
	if !follow {
		return f, nil
	}
	return growing{f, ctx}, nil
}

// growing is a file that is written to: at its end it waits. It ends with ctx, after what is there.
type growing struct {
	*os.File
	ctx context.Context
}

func (g growing) Read(p []byte) (int, error) {
	for {
		n, err := g.File.Read(p)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		if !pause(g.ctx, 100*time.Millisecond) {
			return 0, io.EOF
		}
	}
}

// file reads a file over SSH with tail, which every host has that runs Podman. One that cannot be read is an error.
func (r *remote) file(ctx context.Context, path string, offset int64, follow bool) (io.ReadCloser, error) {
	client, _, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		_ = session.Close()
		return nil, err
	}
	quoted := "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	command := fmt.Sprintf("test -r %[1]s && echo ok && exec tail -c +%[2]d", quoted, offset+1)
	if follow {
		command += " -f"
	}
	if err := session.Start(command + " " + quoted); err != nil {
		_ = session.Close()
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	s := &spoken{Reader: out, session: session, stop: stop}
	var ok [3]byte
	if _, err := io.ReadFull(out, ok[:]); err != nil || string(ok[:]) != "ok\n" {
		_ = s.Close()
		return nil, fmt.Errorf("%s cannot be read", path)
	}
	return s, nil
}

// spoken is what a command over SSH prints.
type spoken struct {
	io.Reader
	session interface {
		Wait() error
		Close() error
	}
	stop func() bool
}

// Read gives the command's failure in place of a clean end, since a connection that broke looks like one.
func (s *spoken) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		if failed := s.session.Wait(); failed != nil {
			return 0, fmt.Errorf("the log broke off: %w", failed)
		}
	}
	return n, err
}

func (s *spoken) Close() error {
	s.stop()
	return s.session.Close()
}
