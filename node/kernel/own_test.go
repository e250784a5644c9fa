package kernel

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

func TestWhatTheHostListensToIsTheHosts(t *testing.T) {
	l := newLab(t, 1)
	l.toHost()
	do(t, l.host, func() error { // one of the addresses outside is the host's
		link, err := netlink.LinkByName("lo")
		return errors.Join(err, address(link, "203.0.113.6/32"))
	})
	with := balanced(1, 0)
	for i := range with.Ports {
		with.Ports[i].Outside = []netip.Addr{outsideIP, netip.MustParseAddr("203.0.113.6")}
	}
	tcp, udp := route.HostPort{Port: 80, Protocol: "tcp"}, route.HostPort{Port: 53, Protocol: "udp"}
	for _, c := range []struct {
		name, network, at string
		keeps             []route.HostPort
		hosts             []string // whose answer comes from the host
		pods              []string
	}{
		{"all addresses", "tcp4", "0.0.0.0:80", []route.HostPort{tcp}, []string{hostIP + ":80", "203.0.113.6:80"}, []string{"203.0.113.5:80"}},
		{"all addresses, of IPv6 too", "tcp", "[::]:80", []route.HostPort{tcp}, []string{hostIP + ":80"}, []string{"203.0.113.5:80"}},
		{"all addresses, udp", "udp", ":53", []route.HostPort{udp}, []string{hostIP + ":53"}, []string{"203.0.113.5:53", hostIP + ":80"}},
		{"one address", "tcp4", hostIP + ":80", []route.HostPort{tcp}, []string{hostIP + ":80"}, []string{"203.0.113.6:80"}},
		{"its loopback", "tcp4", "127.0.0.1:80", nil, nil, []string{hostIP + ":80"}},
		{"its loopback, of IPv6", "tcp6", "[::1]:80", nil, nil, []string{hostIP + ":80"}},
		{"the pods' gateway", "tcp4", "10.42.1.1:80", nil, nil, []string{hostIP + ":80"}},
		{"another port", "tcp4", "0.0.0.0:81", nil, []string{hostIP + ":81"}, []string{hostIP + ":80"}},
		{"another protocol", "udp4", "0.0.0.0:80", nil, nil, []string{hostIP + ":80"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			hears := l.listen(l.host, c.network, c.at)
			defer hears.Close()
			k := New("one", quiet())
			l.put(k, tableOf(with))
			if !slices.Equal(k.Keeps(), c.keeps) {
				t.Errorf("keeps %v, not %v", k.Keeps(), c.keeps)
			}
			of := map[bool]string{true: "udp", false: "tcp"}
			for _, to := range c.hosts {
				if a := l.ask(l.outside, of[strings.HasSuffix(to, ":53")], to); a.pod != hostself {
					t.Errorf("%s: %v", to, a)
				}
			}
			for _, to := range c.pods {
				if a := l.ask(l.outside, of[strings.HasSuffix(to, ":53")], to); a.pod != 0 {
					t.Errorf("%s: %v", to, a)
				}
			}
		})
	}
}

func TestAPortChangesHandsWhenTheHostBeginsToListenAndCeases(t *testing.T) {
	l := newLab(t, 1)
	k := New("one", quiet())
	k.own.every, k.own.lingers = time.Millisecond, 2*time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	changed := make(chan struct{}, 1)
	var watch errgroup.Group
	watch.Go(func() error { return inside(l.host, func() error { k.Watch(ctx, changed); return nil }) })
	until := func(pod int) {
		t.Helper()
		for {
			select {
			case <-changed:
			case <-time.After(soon):
				t.Fatalf("pod %d does not answer, keeps %v", pod, k.Keeps())
			}
			l.put(k, tableOf(balanced(1, 0)))
			var a answer
			err := inside(l.outside, func() (err error) { a, err = ask("tcp", hostIP+":80"); return err })
			if err == nil && a.pod == pod {
				return
			}
			if err != nil && !errors.Is(err, syscall.ECONNREFUSED) { // by a host that has ceased, until that is seen
				t.Fatal(err)
			}
		}
	}
	l.put(k, tableOf(service(2, 0)))
	l.put(k, tableOf(balanced(1, 0)))
	if a := l.ask(l.outside, "tcp", hostIP+":80"); a.pod != 0 {
		t.Error(a)
	}
	for range 3 {
		hears := l.listen(l.host, "tcp", ":80")
		until(hostself)
		hears.Close()
		until(0)
	}
	do(t, l.host, k.Remove)
	if k.own.asks() {
		t.Error("nobody asks for a port any more, and it is looked")
	}
	stop()
	_ = watch.Wait()
}

// The kernel itself asks whether the host listens, each time that somebody comes.
func TestWhatTheHostBeginsToListenToIsItsAtOnce(t *testing.T) {
	l := newLab(t, 1)
	l.toHost()
	s := balanced(1, 0)
	s.Ports[0].NodePort, s.Ports[0].Outside, s.Ports[1].Outside = 30080, []netip.Addr{outsideIP}, []netip.Addr{netip.MustParseAddr(hostIP)}
	for name, c := range map[string]struct {
		hears func(*link) error
		want  int // who answers until it is looked again
	}{
		"rules ask for sockets": {(*link).hears, hostself},
		"they cannot":           {func(*link) error { return unix.ENOENT }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			k := New("one", quiet())
			k.own.listens, k.hears = func() (heard, error) { return heard{}, nil }, c.hears
			l.put(k, tableOf(s))
			l.ask(l.outside, "tcp", hostIP+":80")
			for at, network := range map[string]string{"[::]:80": "tcp", hostIP + ":53": "udp4", ":30080": "tcp4"} {
				hears := l.listen(l.host, network, at)
				defer hears.Close()
			}
			for to, want := range map[string]int{hostIP + ":80": c.want, outsideIP.String() + ":80": 0, hostIP + ":30080": 0} {
				if a := l.ask(l.outside, "tcp", to); a.pod != want {
					t.Errorf("%s: %v, want %d", to, a, want)
				}
			}
			if a := l.ask(l.outside, "udp", hostIP+":53"); a.pod != c.want {
				t.Errorf("udp: %v, want %d", a, c.want)
			}
		})
	}
}

func TestWhatMayBeTheHostsIsLeftToItWhereThatIsNotKnown(t *testing.T) {
	l := newLab(t, 1)
	s := balanced(1, 0)
	s.Ports[0].NodePort = 30080
	k := New("one", quiet())
	k.own.listens = func() (heard, error) { return heard{}, unix.ENOENT }
	l.put(k, tableOf(s))
	if k.Lacks() == nil || k.Keeps() != nil {
		t.Errorf("lacks %v, keeps %v", k.Lacks(), k.Keeps())
	}
	l.refused(l.outside, "tcp", hostIP+":80")
	l.ask(l.outside, "tcp", hostIP+":30080")
	k.own.listens = listens
	l.put(k, tableOf(s))
	if l.ask(l.outside, "tcp", hostIP+":80"); k.Lacks() != nil {
		t.Error(k.Lacks())
	}
}

func TestAPortStaysTheHostsForAMoment(t *testing.T) {
	f := front{proto: unix.IPPROTO_TCP, port: 80}
	hears, fails := true, error(nil)
	o := newOwn()
	o.listens = func() (heard, error) {
		h := heard{}
		if hears {
			h.sockets = []socket{{f.proto, f.port, netip.IPv4Unspecified()}}
		}
		return h, fails
	}
	began := time.Now()
	after := func(d time.Duration, listens, want bool) {
		t.Helper()
		hears = listens
		changed := o.changed(began.Add(d))
		had := o.kept[f]
		kept, err := o.keeps(map[front]bool{f: true}, netip.Addr{}, began.Add(d))
		if kept[f] != want || err != nil || d > 0 && changed != (had != want) {
			t.Errorf("%v: kept %v, changed %v, %v", d, kept, changed, err)
		}
	}
	after(0, true, true)
	after(time.Minute, true, true)
	after(time.Minute+o.lingers/2, false, true)
	after(time.Minute+o.lingers, false, false)
	after(2*time.Minute, true, true)
	fails = errors.New("no")
	if o.changed(began.Add(3 * time.Minute)) {
		t.Error("what is not known is no change")
	}
	if kept, err := o.keeps(map[front]bool{f: true}, netip.Addr{}, began.Add(3*time.Minute)); !kept[f] || err == nil {
		t.Errorf("what is not known is the host's: %v, %v", kept, err)
	}
}

func BenchmarkListens(b *testing.B) {
	for b.Loop() {
		if _, err := listens(); err != nil {
			b.Fatal(err)
		}
	}
}
