package reconciler

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

var epoch = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func testHost() *host {
	h := newHost(fleetOf("n1")[0], 0)
	h.lookEnds(h.lookBegins(), 0, live.Node{}, nil)
	return &h
}

func names(n live.Node) (s string) {
	for _, p := range n.Pods {
		s += p.Name
		if p.Asked {
			s += "?"
		}
		if p.Stopping {
			s += "!"
		}
	}
	return s
}

func TestWhatWasAskedForTakesItsPlaceUntilALookThatBeganLaterIsAnswered(t *testing.T) {
	h := testHost()
	h.begins(runs("n1", "a"), epoch)
	look := h.lookBegins()
	h.ends(runs("n1", "a"), nil, epoch)
	h.lookEnds(look, 0, live.Node{}, nil)
	if got := names(h.view(0)); got != "a?" {
		t.Errorf("after a look that began before the end: %q", got)
	}
	h.lookEnds(h.lookBegins(), 0, live.Node{}, errors.New("broken"))
	if got := names(h.view(0)); got != "a?" {
		t.Errorf("after a look that failed: %q", got)
	}
	h.lookEnds(h.lookBegins(), 0, live.Node{}, nil)
	if got := names(h.view(0)); got != "" {
		t.Errorf("after a look that began after the end: %q", got)
	}
}

func TestWhatWasSeenWholeIsNoMoreAskedFor(t *testing.T) {
	h := testHost()
	h.begins(runs("n1", "a"), epoch)
	pod := live.Pod{Name: "a", Expect: []string{"x", "y"}, Containers: []live.Container{{Name: "x", State: live.Running}}}
	h.lookEnds(h.lookBegins(), 0, live.Node{Pods: []live.Pod{pod}}, nil)
	if got := names(h.view(0)); got != "a?" {
		t.Errorf("half made: %q", got)
	}
	pod.Containers = append(pod.Containers, live.Container{Name: "y", State: live.Running})
	h.lookEnds(h.lookBegins(), 0, live.Node{Pods: []live.Pod{pod}}, nil)
	if got := names(h.view(0)); got != "a" {
		t.Errorf("whole: %q", got)
	}
}

func TestAPodIsStoppingFromTheFirstCallUntilItIsSeenGone(t *testing.T) {
	h := testHost()
	here := live.Node{Pods: []live.Pod{{Name: "a"}}}
	h.lookEnds(h.lookBegins(), 0, here, nil)
	h.begins(stops("n1", "a"), epoch)
	look := h.lookBegins()
	h.ends(stops("n1", "a"), nil, epoch)
	h.lookEnds(look, 0, here, nil)
	if got := names(h.view(0)); got != "a!" {
		t.Error(got)
	}
	if names(h.seen) != "a" {
		t.Error("the overlay wrote into what was seen")
	}
}

func TestSilenceCountsFromTheLastAnswerAndFromTheStart(t *testing.T) {
	h := newHost(fleetOf("n1")[0], 10*time.Second)
	h.lookEnds(h.lookBegins(), 10*time.Second, live.Node{}, errors.New("refused"))
	if n := h.view(14 * time.Second); n.Known || n.Silent != 4*time.Second || n.Why != "refused" {
		t.Errorf("never heard: %+v", n)
	}
	h.lookEnds(h.lookBegins(), 20*time.Second, live.Node{}, nil)
	if n := h.view(29 * time.Second); !n.Known || n.Silent != 0 || n.Why != "" {
		t.Errorf("answers: %+v", n)
	}
	h.lookEnds(h.lookBegins(), 20*time.Second, live.Node{}, errors.New("refused"))
	if n := h.view(20 * time.Second); n.Silent == 0 {
		t.Error("a node that did not answer this look is not silent")
	}
	if n := h.view(32 * time.Second); n.Silent != 12*time.Second {
		t.Errorf("silent for %v", n.Silent)
	}
}

func TestANodeIsBackFromTheFirstAnswerAfterASilence(t *testing.T) {
	h := testHost()
	if got := h.view(time.Minute).Back; got != 0 {
		t.Errorf("never silent, and back for %v", got)
	}
	h.lookEnds(h.lookBegins(), time.Minute, live.Node{}, errors.New("refused"))
	if got := h.view(2 * time.Minute).Back; got != 0 {
		t.Errorf("silent, and back for %v", got)
	}
	for i := range time.Duration(2) {
		h.lookEnds(h.lookBegins(), 3*time.Minute+i*time.Second, live.Node{}, nil)
		if got := h.view(3*time.Minute + 5*time.Second).Back; got != 5*time.Second {
			t.Errorf("look %d: back for %v", i, got)
		}
	}
}

func TestHowLongANodeHasNotSaidHowBigItIsCountsFromTheFirstLookThatAsked(t *testing.T) {
	h := newHost(fleetOf("n1")[0], 0)
	mute := live.Node{Unsized: 1}
	for i := range time.Duration(3) {
		h.lookEnds(h.lookBegins(), (5+i)*time.Second, mute, nil)
		if got := h.view((6 + i) * time.Second).Unsized; got != (1+i)*time.Second {
			t.Errorf("look %d: %s", i, got)
		}
	}
	h.lookEnds(h.lookBegins(), time.Minute, live.Node{}, nil)
	if got := h.view(time.Minute).Unsized; got != 0 {
		t.Errorf("it said so, and still %s", got)
	}
}

func TestOnlyALookThatWasNotAnsweredInTimeIsSlow(t *testing.T) {
	h := testHost()
	for _, c := range []struct {
		err  error
		slow bool
	}{{fmt.Errorf("no answer within 10s: %w", context.DeadlineExceeded), true}, {errors.New("refused"), false}, {nil, false}} {
		h.lookEnds(h.lookBegins(), 0, live.Node{}, c.err)
		if got := h.view(0).Slow; got != c.slow {
			t.Errorf("%v: slow is %v", c.err, got)
		}
	}
}

func TestATroubleOutlivesThePlanThatAvoidsItAndEndsWithSuccess(t *testing.T) {
	h := testHost()
	a := runs("n1", "a")
	for n := 1; n <= 3; n++ {
		h.begins(a, epoch)
		h.ends(a, errors.New("broken"), epoch)
		h.lookEnds(h.lookBegins(), 0, live.Node{}, nil)
		h.forget(epoch.Add(time.Minute))
		if got := h.view(0).Troubles; len(got) != 1 || got[0].Count != n {
			t.Fatalf("%+v", got)
		}
	}
	if h.refuses(a, epoch.Add(3900*time.Millisecond)) == "" || h.refuses(a, epoch.Add(4*time.Second)) != "" {
		t.Error("the third attempt that failed is not followed by a fourth after 4s")
	}
	up := live.Pod{Name: "a", Expect: []string{"main"}, Containers: []live.Container{{Name: "main", State: live.Running}}}
	h.lookEnds(h.lookBegins(), 0, live.Node{Pods: []live.Pod{up}}, nil)
	if got := h.view(0).Troubles; len(got) > 0 {
		t.Errorf("it runs, with %+v", got)
	}
}

func TestAnotherRevisionStartsWithoutTheTroublesOfTheLast(t *testing.T) {
	h := testHost()
	a := runs("n1", "a")
	h.suffers(a, errors.New("broken"), epoch)
	b := runs("n1", "a")
	b.Pod.Labels[live.LabelRev] = "v1-b"
	if why := h.refuses(b, epoch); why != "" {
		t.Error(why)
	}
	h.suffers(b, errors.New("broken"), epoch)
	if got := h.view(0).Troubles; got[0].Count != 1 {
		t.Errorf("%+v", got)
	}
	h.suffers(b, fmt.Errorf("address 10.42.1.2 %w", live.ErrTaken), epoch)
	if got := h.view(0).Troubles; got[0].Count != 2 || got[0].Taken != 1 {
		t.Errorf("its address was taken once: %+v", got)
	}
}

func TestBackOffDoublesUpToItsMost(t *testing.T) {
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute} {
		if got := backoff(n, time.Second, time.Minute); got != want {
			t.Errorf("after %d failures %v, not %v", n, got, want)
		}
	}
}
