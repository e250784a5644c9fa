package files

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher says what to watch on disk and when it matters.
type Watcher struct {
	// Dirs are the directories to watch now. Watching is not recursive.
	Dirs func() []string
	// Minds says whether an event on this path can matter.
	Minds func(path string) bool
	// Changed looks, and says whether there is something new since it last said so.
	Changed func() bool
	// Settle is how long to wait for the rest of a burst; Interval how often to look though nothing was heard.
	Settle, Interval time.Duration
}

// blind is the interval where the kernel gives no watches.
const blind = time.Second

// Watch pokes after changes until ctx ends. A poke that nobody takes yet stands until it is taken, and
// further changes join it. Where files cannot be watched it looks every second instead.
func (w Watcher) Watch(ctx context.Context, poke chan<- struct{}) error {
	var events chan fsnotify.Event
	var errs chan error
	fs, err := fsnotify.NewWatcher()
	if err == nil {
		defer fs.Close()
		events, errs = fs.Events, fs.Errors
	}
	full := w.add(fs)
	tick := time.NewTimer(0)
	defer tick.Stop()
	settle := time.NewTimer(time.Hour)
	settle.Stop()
	defer settle.Stop()
	waiting := false
	var out chan<- struct{}
	look := func() {
		full = w.add(fs)
		if w.Changed() {
			out = poke
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case out <- struct{}{}:
			out = nil
		case e, ok := <-events:
			if !ok {
				events = nil
			} else if w.Minds(e.Name) && !waiting {
				waiting = true
				settle.Reset(w.Settle)
			}
		case _, ok := <-errs:
			if !ok {
				errs = nil
			} else if !waiting {
				waiting = true
				settle.Reset(w.Settle)
			}
		case <-settle.C:
			waiting = false
			look()
		case <-tick.C:
			look()
			tick.Reset(w.interval(full))
		}
	}
}

func (w Watcher) interval(full bool) time.Duration {
	if !full {
		return min(w.Interval, blind)
	}
	return w.Interval
}

// add watches what is to be watched now, and says whether it could.
func (w Watcher) add(fs *fsnotify.Watcher) bool {
	if fs == nil {
		return false
	}
	full := true
	for _, d := range w.Dirs() {
		if fs.Add(d) != nil {
			full = false
		}
	}
	return full
}
