package kernel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/dump"
)

// hammering is how short connections are made: by so many clients in each namespace, at most so many a second, for so long.
type hammering struct {
	clients int
	atMost  int64
	spell   time.Duration
}

// hammer makes short connections, and says how many a second were answered. None may fail.
func (l *lab) hammer(h hammering, to string, from ...netns.NsHandle) (rate float64) {
	l.t.Helper()
	var made atomic.Int64
	began := time.Now()
	var all errgroup.Group
	for _, ns := range from {
		for range h.clients {
			all.Go(func() error {
				return inside(ns, func() error {
					for time.Since(began) < h.spell {
						if made.Load() > h.atMost*time.Since(began).Milliseconds()/1000 {
							time.Sleep(time.Millisecond)
							continue
						}
						if err := once(to); errors.Is(err, unix.EADDRNOTAVAIL) {
							time.Sleep(time.Millisecond) // until a port may be used again
							continue
						} else if err != nil {
							return fmt.Errorf("after %d: %w", made.Load(), err)
						}
						made.Add(1)
					}
					return nil
				})
			})
		}
	}
	if err := all.Wait(); err != nil {
		l.t.Errorf("%s: %v", to, err)
	}
	return float64(made.Load()) / time.Since(began).Seconds()
}

// once is a connection that its client opens, speaks by, and closes.
func once(to string) error {
	c, err := net.DialTimeout("tcp4", to, soon)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = say(c)
	return err
}

// few leaves the clients of a namespace that many ports, which they use again once they may.
func (l *lab) few(ns netns.NsHandle, ports int) {
	for name, value := range map[string]string{"ip_local_port_range": fmt.Sprint(32768, 32768+ports-1), "tcp_tw_reuse": "1"} {
		do(l.t, ns, func() error { return os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0) })
	}
}

// What ended is soon forgotten, so that conntrack does not fill with it.
func TestShortConnectionsLeaveNothingForLong(t *testing.T) {
	l := newLab(t, 4)
	l.put(New("one", quiet()), tableOf(service(1, 0, 1, farPod)))
	h := hammering{clients: 4, atMost: 10000, spell: time.Second}
	for range 3 {
		straight := l.hammer(h, podIP(0).String()+":8080", l.pods[2:]...)
		rate := l.hammer(h, "10.43.0.1:80", l.pods[2:]...)
		t.Logf("%.0f connections a second through the Service, %.0f straight to a pod: %.2f", rate, straight, rate/straight)
	}
	ended := 0
	do(t, l.host, func() error {
		flows, err := dump.Whole(func() ([]*netlink.ConntrackFlow, error) {
			return netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		})
		for _, f := range flows {
			if tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP); !ok || tcp.State != timeWait || f.Forward.DstPort != 80 {
				continue
			}
			if ended++; f.TimeOut > mostClosed {
				return fmt.Errorf("is kept for %d seconds more: %v", f.TimeOut, f)
			}
		}
		return err
	})
	if ended == 0 {
		t.Error("none has ended as usual")
	}
}

// Clients that have used up their ports use them again, and are led by the table of that time.
func TestClientsUseTheirPortsAgain(t *testing.T) {
	l := newLab(t, 4)
	l.put(New("one", quiet()), tableOf(service(1, 0, 1, farPod)))
	for _, ns := range l.pods[2:] {
		l.few(ns, 100)
	}
	rate := l.hammer(hammering{clients: 4, atMost: 10000, spell: 4 * time.Second}, "10.43.0.1:80", l.pods[2:]...)
	t.Logf("%.0f connections a second by 200 ports", rate)
}

const timeWait = 7 // as conntrack has it
