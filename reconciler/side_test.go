package reconciler

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// far is a driver whose node side a test plays.
type far struct {
	drivers.Driver
	mu     sync.Mutex
	fails  error
	calls  []time.Time
	served func(net.Conn)
	join   sync.WaitGroup
}

func (f *far) Attach(context.Context) (io.ReadWriteCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, time.Now())
	if f.fails != nil {
		return nil, f.fails
	}
	here, there := net.Pipe()
	f.join.Go(func() { defer there.Close(); f.served(there) })
	return here, nil
}

// says answers as a node side does, and hands on what it hears.
func says(report wire.Report, heard chan<- wire.Tend) func(net.Conn) {
	return func(c net.Conn) {
		var mu sync.Mutex
		say := func(up wire.Up) { mu.Lock(); defer mu.Unlock(); _ = wire.Write(c, up) }
		done := make(chan struct{})
		defer func() { <-done }()
		go func() {
			defer close(done)
			lines := wire.NewReader(c)
			for {
				var down wire.Down
				if lines.Read(&down) != nil {
					return
				}
				if down.Tend != nil {
					heard <- *down.Tend
					again := report
					again.InForce = []wire.Tend{*down.Tend}
					say(wire.Up{Report: &again})
				}
			}
		}()
		say(wire.Up{Hello: &wire.Hello{Version: "1"}})
		say(wire.Up{Report: &report})
		for {
			select {
			case <-time.After(wire.Beat):
				say(wire.Up{})
			case <-done:
				return
			}
		}
	}
}

var sided = live.Node{Pods: []live.Pod{
	{Name: "podkeep-node-1", App: live.SideApp, Containers: []live.Container{{State: live.Running}}}, {Name: "web-0", App: web}},
}

// listening is a line that somebody keeps until the test ends.
func listening(t *testing.T, f *far) (l *line, pokes *int) {
	pokes = new(int)
	l = newLine(Options{Now: time.Now}, func() { *pokes++ })
	l.kept = true
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.keep(ctx) }()
	t.Cleanup(func() { cancel(); <-done; f.join.Wait() })
	return l, pokes
}

func told(l *line) live.Node {
	n := sided
	l.tell(&n)
	return n
}

func TestWhatANodeSideSaysIsLaidOverALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now().Add(-time.Minute)
		f := &far{served: says(wire.Report{
			Tends: []string{"web-0"}, Probed: map[string][]live.Probed{"web-0": {{Container: "app", ID: "c1", Ready: true, Since: since}}},
		}, make(chan wire.Tend, 9))}
		l, pokes := listening(t, f)
		if n := told(l); n.Side.Heard() {
			t.Errorf("before anybody looked: %+v", n.Side)
		}
		l.looked(f, sided)
		l.await(t.Context())
		n := sided
		n.Facts.Skew = time.Second
		l.tell(&n)
		want := []live.Probed{{Container: "app", ID: "c1", Ready: true, Since: since.Add(-time.Second)}}
		if diff := cmp.Diff(want, n.Pods[1].Probed); diff != "" || n.Side.Version != "1" || !slices.Equal(n.Side.Tends, []string{"web-0"}) {
			t.Errorf("%+v\n%s", n.Side, diff)
		}
		if *pokes == 0 || sided.Pods[1].Probed != nil {
			t.Error("nobody was told, or the look itself was changed")
		}
	})
}

func TestANodeSideIsToldWhatToLookAfterWhenThatIsNotInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan wire.Tend, 9)
		f := &far{served: says(wire.Report{InForce: []wire.Tend{{Source: "a", Tend: live.Tend{Pods: []string{"web-0"}}}, {Source: "b", Tend: live.Tend{Pods: []string{"old"}}}}}, heard)}
		l, _ := listening(t, f)
		l.looked(f, sided)
		l.await(t.Context())
		synctest.Wait()
		if len(heard) > 0 {
			t.Fatalf("nobody has thought yet: %v", <-heard)
		}
		l.wants("a", live.Tend{Pods: []string{"web-0"}})
		synctest.Wait()
		if len(heard) > 0 {
			t.Fatalf("it is in force: %v", <-heard)
		}
		l.wants("a", live.Tend{Pods: []string{"web-0", "web-1"}})
		if got := <-heard; got.Source != "a" || !slices.Equal(got.Pods, []string{"web-0", "web-1"}) {
			t.Errorf("%v", got)
		}
		synctest.Wait()
		l.looked(f, sided)
		synctest.Wait()
		if len(heard) > 0 {
			t.Errorf("once is enough: %v", <-heard)
		}
	})
}

func TestANodeSideThatSaysNothingIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{}
		quiet := make(chan struct{})
		f.served = func(c net.Conn) {
			_ = wire.Write(c, wire.Up{Hello: &wire.Hello{Version: "1"}})
			_ = wire.Write(c, wire.Up{Report: &wire.Report{}})
			<-quiet
			_, _ = io.Copy(io.Discard, c)
		}
		l, _ := listening(t, f)
		l.looked(f, sided)
		l.await(t.Context())
		if n := told(l); !n.Side.Heard() {
			t.Fatalf("%+v", n.Side)
		}
		time.Sleep(wire.Deaf + time.Second)
		close(quiet)
		n := told(l)
		if n.Side.Heard() || n.Side.Why != "it says nothing" {
			t.Errorf("%+v", n.Side)
		}
	})
}

func TestNoLookWaitsASecondTimeForANodeSideThatHasNothingToSayYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{served: func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			for wire.Write(c, wire.Up{Hello: &wire.Hello{Version: "1"}}) == nil {
				time.Sleep(wire.Beat)
			}
		}}
		l, _ := listening(t, f)
		l.looked(f, sided)
		l.await(t.Context())
		began := time.Now()
		l.looked(f, sided)
		if l.await(t.Context()); time.Since(began) > 0 {
			t.Errorf("it waited for %v", time.Since(began))
		}
	})
}

func TestANodeSideThatCannotBeReachedIsTriedEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{fails: errors.New("connection refused")}
		l, _ := listening(t, f)
		l.looked(f, live.Node{})
		l.await(t.Context())
		time.Sleep(time.Minute)
		if len(f.calls) > 0 {
			t.Fatal("there is none")
		}
		l.looked(f, sided)
		l.await(t.Context())
		if n := told(l); n.Side.Heard() || n.Side.Why != "connection refused" {
			t.Errorf("%+v", n.Side)
		}
		time.Sleep(time.Hour)
		f.mu.Lock()
		defer f.mu.Unlock()
		if n := len(f.calls); n < 60 || n > 70 {
			t.Errorf("%d attempts in an hour", n)
		}
		if n := told(l); n.Side.Silent != time.Hour {
			t.Errorf("%+v", n.Side)
		}
		before := len(f.calls)
		f.mu.Unlock()
		l.looked(f, sided)
		synctest.Wait()
		again := sided
		again.Pods = []live.Pod{{Name: "podkeep-node-1", App: live.SideApp, Containers: []live.Container{{State: live.Running, Started: time.Now()}}}}
		l.looked(f, again)
		synctest.Wait()
		f.mu.Lock()
		if n := len(f.calls); n != before+1 {
			t.Errorf("begun anew, it is tried %d times at once", n-before)
		}
	})
}

func TestWhatIsNoWordOfANodeSideEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{served: func(c net.Conn) {
			_, _ = io.WriteString(c, "exec failed: no such file\n")
			_, _ = io.Copy(io.Discard, c)
		}}
		l, _ := listening(t, f)
		l.looked(f, sided)
		l.await(t.Context())
		if n := told(l); n.Side.Heard() || !strings.Contains(n.Side.Why, "invalid character") {
			t.Errorf("%+v", n.Side)
		}
	})
}
