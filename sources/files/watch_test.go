package files_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podkeep/podkeep/sources/files"
)

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

// watching is a Watcher of one directory whose every step is heard.
type watching struct {
	*testing.T
	dir     string
	written int
	heard   atomic.Int64  // events that it was asked about
	looks   atomic.Int64  // how often it looked
	news    atomic.Bool   // the next look finds something new
	poke    chan struct{} // holds one
}

// watch begins to watch, and returns when it has looked for the first time.
func watch(t *testing.T, settle time.Duration) *watching {
	w := &watching{T: t, dir: t.TempDir(), poke: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() {
		over <- files.Watcher{
			Dirs:   func() []string { return []string{w.dir} },
			Minds:  func(string) bool { w.heard.Add(1); return true },
			Settle: settle, Interval: time.Hour,
			Changed: func() bool { w.looks.Add(1); return w.news.Swap(false) },
		}.Watch(ctx, w.poke)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	w.until("it has looked", func() bool { return w.looks.Load() > 0 })
	return w
}

// until writes files for as long as it takes.
func (w *watching) until(what string, is func() bool) {
	w.Helper()
	for deadline := time.Now().Add(patience); !is(); w.written++ {
		if time.Now().After(deadline) {
			w.Fatalf("it never came to that: %s", what)
		}
		if err := os.WriteFile(filepath.Join(w.dir, fmt.Sprint(w.written)), nil, 0o600); err != nil {
			w.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// again waits until it has looked some more.
func (w *watching) again() {
	w.Helper()
	from := w.looks.Load()
	w.until("it looks again and again", func() bool { return w.looks.Load() > from+9 })
}

// poked waits for a poke and takes it.
func (w *watching) poked() {
	w.Helper()
	w.until("it pokes", func() bool { return len(w.poke) > 0 })
	<-w.poke
}

func TestABurstIsNotLookedAtBeforeItSettles(t *testing.T) {
	w := watch(t, time.Hour)
	w.until("it heard of a burst", func() bool { return w.heard.Load() > 50 })
	if n := w.looks.Load(); n != 1 {
		t.Errorf("it looked %d times in the middle of a burst", n-1)
	}
}

func TestOneChangeIsOnePokeAndNoChangeIsNone(t *testing.T) {
	w := watch(t, time.Millisecond)
	w.again()
	if len(w.poke) > 0 {
		t.Error("a poke without a change")
	}
	w.news.Store(true)
	w.poked()
	w.again()
	if len(w.poke) > 0 {
		t.Error("a second poke for the same change")
	}
}

func TestAPokeThatNobodyTakesStands(t *testing.T) {
	w := watch(t, time.Millisecond)
	select {
	case w.poke <- struct{}{}: // there is no room for another
	default:
		t.Fatal("a poke without a change")
	}
	w.news.Store(true)
	w.again()
	<-w.poke
	w.poked()
}
