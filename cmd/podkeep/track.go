package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

// lastWords is how long the log of a container that ended may take to end by itself; pauseAfter how long is waited after a
// log broke off.
const (
	lastWords  = 2 * time.Second
	pauseAfter = 500 * time.Millisecond
)

// track reads the log of one container, and knows how far it is: a node that was away is asked from there on. Since a
// node's times are coarse, that is a time and how many lines of it were told.
type track struct {
	node, container string
	logger          drivers.Logger
	print           func(live.Line) error
	since           time.Time // nothing older is told
	tail            int       // so many lines of what is there at first; below 0 all

	at    time.Time
	count int

	gone          chan struct{} // closed once the container has ended
	isGone        bool          // these belong to the chase
	reading, told bool
}

// over says that the container has ended.
func (t *track) over() {
	if !t.isGone {
		t.isGone = true
		close(t.gone)
	}
}

func (t *track) ended() bool {
	select {
	case <-t.gone:
		return true
	default:
		return false
	}
}

// read tells the log until it ends, through whatever breaks it off. It has been told to its end when the container
// ended; one that goes on is to be read again.
func (t *track) read(ctx context.Context) (told bool, err error) {
	for ctx.Err() == nil {
		err := t.begin(ctx)
		if err == nil && !t.ended() {
			err = t.follow(ctx)
		}
		over := t.ended()
		if err == nil || over {
			// Podman ends a log when it hears that the container has ended, and may miss what was printed last.
			err = t.ask(ctx, false)
		}
		switch {
		case err == nil, errors.Is(err, live.ErrNoLog):
			return over || err != nil, nil
		case errors.Is(err, errPress):
			return true, nil
		}
		sleep(ctx, pauseAfter)
	}
	return false, nil
}

// follow ends a little after the container.
func (t *track) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var join sync.WaitGroup
	defer join.Wait()
	defer stop()
	join.Go(func() {
		select {
		case <-t.gone:
			sleep(ctx, lastWords)
			stop()
		case <-ctx.Done():
		}
	})
	return t.ask(ctx, true)
}

// ask tells what was not told yet.
func (t *track) ask(ctx context.Context, follow bool) error {
	ask := live.Log{Container: t.container, Follow: follow, Last: -1, Since: t.since}
	at, skip := t.at, t.count
	if !at.IsZero() {
		ask.Since = at.Add(-1)
	}
	return t.logger.Logs(ctx, ask, func(l live.Line) error {
		if skip > 0 && l.Time.Equal(at) {
			skip--
			return nil
		}
		t.mark(l)
		return t.print(l)
	})
}

func (t *track) mark(l live.Line) {
	if !l.Time.Equal(t.at) {
		t.at, t.count = l.Time, 0
	}
	t.count++
}

// most is how many lines of a log's end are asked for to find out where they lie.
const most = 1 << 17

// begin tells the last lines of what is there, if no more were asked for. To go on from there, all lines of the last one's
// time have to be known, so more are asked for until there is an older one among them.
func (t *track) begin(ctx context.Context) error {
	if t.tail < 0 {
		return nil
	}
	for n := t.tail; ; n *= 2 {
		e, err := t.end(ctx, n)
		if err != nil {
			return err
		}
		if e.lines < n {
			if e, err = t.end(ctx, -1); err != nil {
				return err
			}
			return t.tell(e)
		}
		if n >= most || e.first.Before(e.at) {
			return t.tell(e)
		}
	}
}

// endOf is what a log ends with.
type endOf struct {
	kept  []live.Line // the last ones, no more than were asked for
	first time.Time
	lines int
	at    time.Time // of the last line
	count int       // lines of that time
}

func (t *track) end(ctx context.Context, n int) (e endOf, err error) {
	err = t.logger.Logs(ctx, live.Log{Container: t.container, Last: n, Since: t.since}, func(l live.Line) error {
		if e.lines++; e.lines == 1 {
			e.first = l.Time
		}
		if !l.Time.Equal(e.at) {
			e.at, e.count = l.Time, 0
		}
		e.count++
		l.Text = append([]byte(nil), l.Text...)
		if e.kept = append(e.kept, l); len(e.kept) > t.tail {
			e.kept = e.kept[1:]
		}
		return nil
	})
	return e, err
}

func (t *track) tell(e endOf) error {
	t.tail, t.at, t.count = -1, e.at, e.count
	for _, l := range e.kept {
		if err := t.print(l); err != nil {
			return err
		}
	}
	return nil
}
