package kernel

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/node/route"
)

// load connects from host and a pod, over and over, to two Services, until it ends. Every connection has to be answered.
type load struct {
	errgroup.Group
	answered atomic.Int64
	stop     context.CancelFunc
}

func (l *lab) load() *load {
	ctx, stop := context.WithCancel(context.Background())
	under := &load{stop: stop}
	for _, from := range []netns.NsHandle{l.host, l.pods[0]} {
		under.Go(func() error {
			return inside(from, func() error {
				for n := 1; ctx.Err() == nil; n = 3 - n {
					if _, err := ask("tcp", fmt.Sprintf("10.43.0.%d:80", n)); err != nil {
						return fmt.Errorf("after %d were answered: %w", under.answered.Load(), err)
					}
					under.answered.Add(1)
				}
				return nil
			})
		})
	}
	return under
}

// end says how it went.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d connections were answered", l.answered.Load())
}

// some are pods, in some order, with weights; by TCP alone, for so many connections are in the way of looking for UDP's.
func some(r *rand.Rand, n int) route.Service {
	s := service(n, r.Perm(4)[:1+r.IntN(4)]...)
	s.Ports = s.Ports[:1]
	for i := range s.Endpoints {
		s.Endpoints[i].Weight = []int{1, 1, 1, 2, 30}[r.IntN(5)]
	}
	return s
}

func TestNoConnectionIsLostWhileTheTableChanges(t *testing.T) {
	l := newLab(t, 4)
	k := New("one", quiet())
	r := rand.New(rand.NewPCG(1, 2))
	l.put(k, tableOf(some(r, 1), some(r, 2)))
	under := l.load()
	for n := range 200 {
		s := some(r, 1)
		table := tableOf(s, some(r, 2))
		if n%10 == 0 { // base chains get other rules
			table.Virtual = netip.PrefixFrom(virtual.Addr(), 17)
		}
		l.put(k, table)
		if a := l.ask(l.host, "tcp", "10.43.0.1:80"); !has(s, a.pod) {
			t.Fatalf("change %d: pod %d answered, which the table does not name", n, a.pod)
		}
	}
	under.end(t)
}

func has(s route.Service, pod int) bool {
	return slices.ContainsFunc(s.Endpoints, func(e route.Endpoint) bool { return e.IP == podIP(pod) })
}

func TestANewProcessTakesUpWhatIsThere(t *testing.T) {
	l := newLab(t, 4)
	r := rand.New(rand.NewPCG(3, 4))
	l.put(New("one", quiet()), tableOf(some(r, 1), some(r, 2)))
	under := l.load()
	for range 25 {
		s := some(r, 1)
		l.put(New("one", quiet()), tableOf(s, some(r, 2)))
		if a := l.ask(l.host, "tcp", "10.43.0.1:80"); !has(s, a.pod) {
			t.Fatalf("pod %d answered, which the table does not name", a.pod)
		}
	}
	under.end(t)
}

// A process that ends between two transactions leaves what is half done.
func TestANewProcessFinishesWhatIsHalfDone(t *testing.T) {
	l := newLab(t, 4)
	r := rand.New(rand.NewPCG(5, 6))
	l.put(New("one", quiet()), tableOf(some(r, 1), some(r, 2)))
	under := l.load()
	for range 25 {
		table := tableOf(some(r, 1), some(r, 2))
		do(t, l.host, func() error { return half(New("one", quiet()), table) })
	}
	want := tableOf(some(r, 1), some(r, 2))
	l.put(New("one", quiet()), want)
	under.end(t)
	do(t, l.host, func() error {
		found, err := found()
		if left := diff(found, wantOf(want, "n1", route.NamedOf("one").VNI, false)); err == nil && len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
		return err
	})
}

// half makes all changes but the last.
func half(k *Kernel, t *route.Table) error {
	l, err := open(k.named.Table)
	if err != nil {
		return err
	}
	defer l.close()
	have, err := l.read()
	if err != nil {
		return err
	}
	want := wantOf(t, "n1", k.named.VNI, false)
	changes := diff(have, want)
	for _, c := range changes[:max(0, len(changes)-1)] {
		if err := l.write(c, want.facts); err != nil {
			return err
		}
	}
	return nil
}

func found() (*state, error) {
	l, err := open(route.NamedOf("one").Table)
	if err != nil {
		return nil, err
	}
	defer l.close()
	return l.read()
}
