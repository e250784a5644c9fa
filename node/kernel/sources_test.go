package kernel

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/podkeep/podkeep/node/route"
)

// limitedTo is a Service that is everywhere outside, for some alone.
func limitedTo(sources ...string) route.Service {
	s := addressed(1, 0)
	s.Ports[0].Hosts, s.Ports[0].NodePort = true, 30080
	s.Ports[1].Hosts, s.Ports[1].NodePort = true, 30053
	for _, p := range sources {
		s.Sources = append(s.Sources, netip.MustParsePrefix(p))
	}
	return s
}

var waysIn = []struct{ network, to string }{
	{"tcp", hostIP + ":30080"}, {"tcp", hostIP + ":80"}, {"tcp", "203.0.113.5:80"},
	{"udp", hostIP + ":30053"}, {"udp", hostIP + ":53"}, {"udp", "203.0.113.5:53"},
}

func TestWhoMayComeFromOutside(t *testing.T) {
	l := newLab(t, 2)
	l.toHost()
	k := New("one", quiet())
	all := []netns.NsHandle{l.outside, l.pods[1]}
	for _, c := range []struct {
		sources []string
		may     []netns.NsHandle
	}{
		{nil, all},
		{[]string{"192.0.2.0/24"}, []netns.NsHandle{l.outside}},
		{[]string{"192.0.2.2/32", "192.0.2.0/30"}, []netns.NsHandle{l.outside}},
		{[]string{"10.42.0.0/16", "2001:db8::/32"}, []netns.NsHandle{l.pods[1]}},
		{[]string{"10.42.1.11/32", "192.0.2.2/32"}, all},
		{[]string{"2001:db8::/32"}, nil},
		{[]string{"0.0.0.0/0"}, all},
		{[]string{"10.0.0.0/8", "192.0.2.3/32"}, []netns.NsHandle{l.pods[1]}},
		{nil, all},
	} {
		open := addressed(2, 0)
		open.Ports[0].Port, open.Ports[1].Port = 81, 54
		l.put(k, tableOf(limitedTo(c.sources...), open))
		for _, way := range waysIn {
			for _, from := range all {
				may := false
				for _, m := range c.may {
					may = may || m == from
				}
				if may {
					l.ask(from, way.network, way.to)
				} else {
					l.silent(from, way.network, way.to)
				}
			}
			l.ask(l.host, way.network, way.to) // the host itself may always
		}
		l.ask(l.pods[1], "tcp", "10.43.0.1:80") // and so may everybody inside
		l.ask(l.outside, "tcp", "203.0.113.5:81")
	}
}

// Sources change, and come and go, under who may come all the while.
func TestNoConnectionIsLostWhileSourcesChange(t *testing.T) {
	l := newLab(t, 1)
	k := New("one", quiet())
	l.put(k, tableOf(limitedTo()))
	stop, lost := make(chan struct{}), make(chan error, 1)
	go func() {
		lost <- inside(l.outside, func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				c, err := net.DialTimeout("tcp4", hostIP+":80", soon)
				if err != nil {
					return err
				}
				hangUp(c)
			}
		})
	}()
	r := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		var sources []string
		for n := range r.IntN(4) {
			sources = append(sources, fmt.Sprintf("198.51.%d.0/24", n+r.IntN(9)))
		}
		if len(sources) > 0 {
			sources = append(sources, "192.0.2.0/24")
		}
		l.put(k, tableOf(limitedTo(sources...)))
	}
	close(stop)
	if err := <-lost; err != nil {
		t.Error(err)
	}
}

func TestANewProcessTakesUpTheSourcesThatItFinds(t *testing.T) {
	l := newLab(t, 1)
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	table := tableOf(limitedTo("192.0.2.0/24", "0.0.0.0/8", "255.0.0.0/8"))
	l.put(New("one", quiet()), table)
	for _, then := range []*route.Table{table, tableOf(limitedTo("192.0.2.0/25", "10.0.0.0/8")), tableOf(limitedTo()), table} {
		l.put(New("one", quiet()), then)
		do(t, l.host, func() error {
			found, err := found()
			if left := diff(found, wantOf(then, "n1", route.NamedOf("one").VNI, false)); err == nil && len(left) > 0 {
				t.Errorf("left to do: %+v", left)
			}
			return err
		})
	}
	do(t, l.host, func() error {
		out, err := exec.Command(nft, "list", "ruleset").CombinedOutput()
		if want := "203.0.113.5 . tcp . 80 . 192.0.2.0/24"; !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
		return err
	})
}
