package kernel

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/podkeep/podkeep/node/route"
)

// holding is number 1, that holds its clients, at ports of nodes too.
func holding(pods ...int) route.Service {
	s := service(1, pods...)
	s.Holds, s.Ports[0].NodePort, s.Ports[1].NodePort = 10800, 30080, 30053
	return s
}

// among is some order of the pod and of some others.
func among(r *rand.Rand, pod int) []int {
	pods := r.Perm(4)
	pods = slices.DeleteFunc(pods, func(p int) bool { return p != pod && r.IntN(2) == 0 })
	return pods
}

func TestAClientKeepsItsPod(t *testing.T) {
	l := newLab(t, 4)
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name, network, to string
		from              netns.NsHandle
	}{
		{"host", "tcp", "10.43.0.1:80", l.host},
		{"a pod", "tcp", "10.43.0.1:80", l.pods[0]},
		{"a pod, udp", "udp", "10.43.0.1:53", l.pods[0]},
		{"outside", "tcp", hostIP + ":30080", l.outside},
		{"outside, udp", "udp", hostIP + ":30053", l.outside},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.put(New("one", quiet()), tableOf(holding(0, 1, 2, 3)))
			had := l.ask(c.from, c.network, c.to).pod
			for range 10 { // whatever the table says of others, and whoever puts it
				l.put(New("one", quiet()), tableOf(holding(among(r, had)...), service(2)))
				if got := l.ask(c.from, c.network, c.to).pod; got != had {
					t.Fatalf("was sent to %d, and then to %d", had, got)
				}
			}
			without := slices.DeleteFunc([]int{0, 1, 2, 3}, func(p int) bool { return p == had })
			l.put(New("one", quiet()), tableOf(holding(without...)))
			next := l.ask(c.from, c.network, c.to).pod
			if next == had {
				t.Fatalf("%d is asked, which the table does not name", had)
			}
			l.put(New("one", quiet()), tableOf(holding(0, 1, 2, 3)))
			for range 10 {
				if got := l.ask(c.from, c.network, c.to).pod; got != next {
					t.Fatalf("was sent to %d in place of %d, and then to %d", next, had, got)
				}
			}
		})
	}
}

func TestClientsAreSpread(t *testing.T) {
	l := newLab(t, 4)
	asked := map[int]bool{}
	for n := range 8 {
		s := holding(0, 1, 2, 3)
		s.Holds = 60 + n
		s.IP = s.IP.Next().Next()
		s.Ports[1].Port += uint16(n) // another front, so the client is new there
		l.put(New("one", quiet()), tableOf(s))
		for range 20 {
			asked[l.ask(l.pods[0], "udp", "10.43.0.3:"+[]string{"53", "54", "55", "56", "57", "58", "59", "60"}[n]).pod] = true
		}
	}
	if len(asked) < 2 { // by chance once in 4^7
		t.Errorf("all clients went to %v", asked)
	}
}

func TestNoConnectionIsLostWhileClientsAreHeld(t *testing.T) {
	l := newLab(t, 4)
	k := New("one", quiet())
	r := rand.New(rand.NewPCG(7, 8))
	one, two := some(r, 1), some(r, 2)
	one.Holds = 60
	l.put(k, tableOf(one, two))
	under := l.load()
	for n := range 200 {
		one, two := some(r, 1), some(r, 2)
		one.Holds, two.Holds = []int{0, 60, 60, 90}[r.IntN(4)], []int{0, 60}[r.IntN(2)]
		l.put(k, tableOf(one, two))
		if a := l.ask(l.host, "tcp", "10.43.0.1:80"); !has(one, a.pod) {
			t.Fatalf("change %d: pod %d answered, which the table does not name", n, a.pod)
		}
	}
	under.end(t)
}

func TestNftListsHeldClients(t *testing.T) {
	l := newLab(t, 1)
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	l.put(New("one", quiet()), tableOf(holding(0)))
	l.ask(l.pods[0], "tcp", "10.43.0.1:80")
	do(t, l.host, func() error {
		out, err := exec.Command(nft, "list", "ruleset").CombinedOutput()
		for _, want := range []string{"10.43.0.1 . tcp . 80 : goto pick-1-10800", "0.0.0.0 . tcp . 30080 : goto node-1-10800", "10.43.0.1 . tcp . 80 . " + podIP(0).String()} {
			if !strings.Contains(string(out), want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
		return err
	})
}

// An older version's table is without what remembers clients.
func TestATableIsGivenWhatItLacks(t *testing.T) {
	l := newLab(t, 1)
	l.put(New("one", quiet()), tableOf(service(1, 0)))
	do(t, l.host, func() error {
		older, err := open(route.NamedOf("one").Table)
		if err != nil {
			return err
		}
		defer older.close()
		for _, name := range []string{setStays, setDraws, setClients} {
			older.DelSet(older.sets[name])
		}
		return older.Flush()
	})
	l.put(New("one", quiet()), tableOf(holding(0)))
	if a := l.ask(l.outside, "tcp", hostIP+":30080"); a.pod != 0 {
		t.Error(a)
	}
}
