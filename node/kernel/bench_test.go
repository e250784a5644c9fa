package kernel

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/podkeep/podkeep/node/route"
)

// sizes are how many Services there are, and how many pods each has.
var sizes = []struct{ services, pods int }{{1000, 10}, {10000, 2}}

// large is a table of that many Services, whose pods are spread over a hundred nodes.
func large(services, pods int) *route.Table {
	t := &route.Table{Pods: netip.MustParsePrefix("10.64.0.0/10"), Virtual: virtual}
	for n := range 100 {
		t.Nodes = append(t.Nodes, route.Node{
			Name: fmt.Sprintf("n%02d", n), Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}),
			Range: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 64 + byte(n/4), byte(n%4) << 6, 0}), 18),
		})
	}
	for n := range services {
		s := route.Service{Name: fmt.Sprint(n), IP: netip.AddrFrom4([4]byte{10, 43, byte(n >> 8), byte(n)}), Ports: []route.Port{{Protocol: "tcp", Port: 80}}}
		for p := range pods {
			i := n*pods + p
			ip := netip.AddrFrom4([4]byte{10, 64 + byte(i%100/4), byte(i%100%4)<<6 | byte(i/100>>8), byte(i / 100)})
			s.Endpoints = append(s.Endpoints, route.Endpoint{Pod: fmt.Sprint(i), Node: fmt.Sprintf("n%02d", i%100), IP: ip, Ports: []uint16{8080}})
		}
		t.Services = append(t.Services, s)
	}
	return t
}

func BenchmarkPut(b *testing.B) {
	for _, size := range sizes {
		name := fmt.Sprintf("%dx%d", size.services, size.pods)
		table := large(size.services, size.pods)
		b.Run("cold/"+name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				ns := newSpace(b)
				b.StartTimer()
				do(b, ns, func() error { return New("one", quiet()).Put(table, "n00") })
				b.StopTimer()
				ns.Close()
				b.StartTimer()
			}
			b.ReportMetric(anonymous(b), "anonymous-MB")
		})
		change := func(name string, alter func(t *route.Table, n int)) {
			b.Run(name, func(b *testing.B) {
				table, k := large(size.services, size.pods), New("one", quiet())
				do(b, newSpace(b), func() error {
					if err := k.Put(table, "n00"); err != nil {
						return err
					}
					n := 0
					for b.Loop() {
						alter(table, n)
						if err := k.Put(table, "n00"); err != nil {
							return err
						}
						n++
					}
					return nil
				})
			})
		}
		change("move/"+name, func(t *route.Table, n int) { t.Services[7].Endpoints[1].Ports = []uint16{uint16(8080 + n%2)} })
		change("fewer/"+name, func(t *route.Table, n int) {
			all := t.Services[7].Endpoints
			t.Services[7].Endpoints = all[:size.pods-1+n%2]
		})
		change("same/"+name, func(*route.Table, int) {})
		b.Run("adopt/"+name, func(b *testing.B) {
			do(b, newSpace(b), func() error {
				if err := New("one", quiet()).Put(table, "n00"); err != nil {
					return err
				}
				for b.Loop() {
					if err := New("one", quiet()).Put(table, "n00"); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

// BenchmarkChangeUnderLoad changes the table once for every hundred connections, which host and pods make all the while, and says how many of those were lost.
func BenchmarkChangeUnderLoad(b *testing.B) {
	const each, ahead = 100, 10_000 // connections for a change; ones that nobody has counted yet
	l, k, r := newLab(b, 4), New("one", quiet()), rand.New(rand.NewPCG(7, 8))
	l.put(k, tableOf(some(r, 1), some(r, 2)))
	made, end := make(chan error, ahead), make(chan struct{})
	var under sync.WaitGroup
	for _, from := range []netns.NsHandle{l.host, l.pods[0], l.pods[1]} {
		under.Go(func() {
			_ = inside(from, func() error {
				for n := 1; ; n = 3 - n {
					_, err := ask("tcp", fmt.Sprintf("10.43.0.%d:80", n))
					select {
					case made <- err:
					case <-end:
						return nil
					}
				}
			})
		})
	}
	var total, lost float64
	for b.Loop() {
		l.put(k, tableOf(some(r, 1), some(r, 2)))
		for range each {
			total++
			if err := <-made; err != nil {
				lost++
				b.Log(err)
			}
		}
	}
	close(end)
	under.Wait()
	b.ReportMetric(total, "connections")
	b.ReportMetric(lost, "lost")
}

// anonymous is the memory of this process that is no file's, in MB.
func anonymous(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatal(err)
	}
	return kb / 1000
}
