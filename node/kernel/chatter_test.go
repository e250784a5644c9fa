package kernel

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/node/route"
)

// chatter is UDP clients that keep their ports and speak all along, while the pods behind their Service change.
type chatter struct {
	pods  [][]int       // behind the Service, one table after the other; none may be
	force atomic.Int64  // which of them is in force
	heard atomic.Int64  // questions that were answered
	lost  atomic.Int64  // and those that were not, of those that had somebody to answer
	moved chan struct{} // somebody has heard an answer by the newest
}

// speak asks until ctx ends. Each answer is by a pod of the table in force when it was asked, or of the one that comes after it. mine are the pods that it may be led to.
func (c *chatter) speak(ctx context.Context, conn net.Conn, mine func(pod int) bool) error {
	for missed, number := 0, 1; ctx.Err() == nil; number++ {
		before := c.force.Load()
		a, err := askOnce(conn, number)
		now := c.pods[before:min(int(c.force.Load())+2, len(c.pods))]
		deserted := slices.ContainsFunc(now, func(pods []int) bool { return !slices.ContainsFunc(pods, mine) })
		switch {
		case err != nil && deserted:
			missed = 0
		case err != nil:
			c.lost.Add(1)
			if missed++; missed > 100 {
				return fmt.Errorf("nobody answers, of %v: %w", now, err)
			}
		case !slices.ContainsFunc(now, func(pods []int) bool { return slices.Contains(pods, a.pod) && mine(a.pod) }):
			return fmt.Errorf("pod %d answered, of %v", a.pod, now)
		default:
			missed = 0
			c.heard.Add(1)
			select {
			case c.moved <- struct{}{}:
			default:
			}
		}
	}
	return nil
}

// askOnce asks a question that is like no other: it or its answer may be lost.
func askOnce(c net.Conn, number int) (a answer, err error) {
	_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := fmt.Fprint(c, number); err != nil {
		return a, err
	}
	b, to := make([]byte, 64), 0
	for err == nil && to != number {
		n := 0
		if n, err = c.Read(b); err == nil {
			_, err = fmt.Sscan(string(b[:n]), &a.pod, &a.from, &to)
		}
	}
	return a, err
}

func TestUDPClientsThatSpeakAllAlongFollowTheTable(t *testing.T) {
	everybody := func(int) bool { return true }
	for name, alter := range map[string]func(*route.Service){
		"as usual":     func(*route.Service) {},
		"clients held": func(s *route.Service) { s.Holds = 10800 },
		"local":        func(s *route.Service) { s.NearOutside = true },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 3)
			k := New("one", quiet())
			c := &chatter{moved: make(chan struct{}), pods: [][]int{{0}, {1}, {}, {farPod}, {farPod, 0}, {0}, {}, {1, farPod}, {farPod}, {0, 1}, {1}}}
			put := func(n int) {
				s := service(1, c.pods[n]...)
				s.Ports[1].NodePort = 30053
				alter(&s)
				l.put(k, tableOf(s))
				c.force.Store(int64(n))
			}
			put(0)
			outside := everybody
			if name == "local" {
				outside = func(pod int) bool { return pod != farPod }
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var clients errgroup.Group
			for _, w := range []struct {
				net.Conn
				mine func(int) bool
			}{
				{l.client(l.host, "10.43.0.1:53"), everybody}, {l.client(l.pods[2], "10.43.0.1:53"), everybody}, {l.client(l.outside, hostIP+":30053"), outside},
			} {
				clients.Go(func() error { return c.speak(ctx, w.Conn, w.mine) })
			}
			for n := range c.pods {
				put(n)
				if len(c.pods[n]) == 0 {
					continue
				}
				for range 30 {
					select {
					case <-c.moved:
					case <-time.After(soon):
						t.Fatalf("nobody is heard of %v", c.pods[n])
					}
				}
			}
			stop()
			if err := clients.Wait(); err != nil {
				t.Error(err)
			}
			t.Logf("%d questions were answered, %d were lost", c.heard.Load(), c.lost.Load())
		})
	}
}
