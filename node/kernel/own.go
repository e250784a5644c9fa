package kernel

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/podkeep/podkeep/node/route"
)

// What is the host's own. Services may ask for any port of hosts, and a host may listen there itself: what comes there is the host's, and the table does
// without. That is found out before each Put, and between one and the next.

// own are the ports that Services ask of this host, and which of them it has for itself.
type own struct {
	listens func() (heard, error)
	every   time.Duration // how often it is looked
	lingers time.Duration // for how long a port stays the host's after it was last seen to be: a server that begins again loses nothing

	mu     sync.Mutex // over all below
	asked  map[front]bool
	but    netip.Addr          // what is there alone does not count
	seen   map[front]time.Time // when the host last had it
	kept   map[front]bool      // as the table in force has it
	wanted chan struct{}       // something is asked, after nothing was
}

func newOwn() *own {
	return &own{listens: listens, every: 2 * time.Second, lingers: 5 * time.Second, seen: map[front]time.Time{}, wanted: make(chan struct{}, 1)}
}

// keeps are those of the fronts that the host has for itself: all of them while that is not known.
func (o *own) keeps(asked map[front]bool, but netip.Addr, now time.Time) (map[front]bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.asked) == 0 && len(asked) > 0 {
		select {
		case o.wanted <- struct{}{}:
		default:
		}
	}
	o.asked, o.but = asked, but
	kept, err := o.look(now)
	if o.kept = kept; err != nil {
		o.kept = asked
	}
	return o.kept, err
}

// look finds out what the host has, or had until a moment ago.
func (o *own) look(now time.Time) (map[front]bool, error) {
	maps.DeleteFunc(o.seen, func(f front, _ time.Time) bool { return !o.asked[f] })
	if len(o.asked) == 0 {
		return nil, nil
	}
	heard, err := o.listens()
	if err != nil {
		return nil, err
	}
	kept := map[front]bool{}
	for f := range o.asked {
		if heard.at(f, o.but) {
			o.seen[f] = now
		}
		if at, was := o.seen[f]; was && now.Sub(at) < o.lingers {
			kept[f] = true
		}
	}
	return kept, nil
}

// changed says whether the host has something else for itself by now than the table in force has it.
func (o *own) changed(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept, err := o.look(now)
	return err == nil && !maps.Equal(kept, o.kept)
}

func (o *own) asks() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.asked) > 0
}

// Watch says when it is time for another Put, until ctx ends: the host begins or ceases to listen at a port that Services ask of it. It runs on a thread in the
// host's network namespace, beside Put, and does nothing while no port is asked for.
func (k *Kernel) Watch(ctx context.Context, changed chan<- struct{}) {
	for {
		var due <-chan time.Time
		if k.own.asks() {
			due = time.After(k.own.every)
		}
		select {
		case <-ctx.Done():
			return
		case <-k.own.wanted:
			continue
		case <-due:
		}
		if k.own.changed(time.Now()) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}
}

// Keeps are the ports that the host has for itself, though Services ask for them, as of the last Put: sorted.
func (k *Kernel) Keeps() []route.HostPort { return k.keeps }

// spared is the table without what the host has for itself.
func (k *Kernel) spared(t *route.Table, node string) *route.Table {
	v := viewOf(t, node)
	kept, err := k.own.keeps(v.sharedOf(t), v.self.Gateway(), time.Now())
	k.unheard, k.keeps = nil, portsOf(kept)
	if err != nil {
		k.unheard, k.keeps = fmt.Errorf("at which ports the host listens is not known, so Services have none of those that they share with it: %w", err), nil
	}
	return without(t, kept)
}

func portsOf(fronts map[front]bool) (all []route.HostPort) {
	for f := range fronts {
		all = append(all, route.HostPort{Port: f.port, Protocol: protocols[f.proto]})
	}
	slices.SortFunc(all, func(a, b route.HostPort) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return slices.Compact(all)
}

// without leaves fronts out of a table, where they are shared with the host.
func without(t *route.Table, kept map[front]bool) *route.Table {
	if len(kept) == 0 {
		return t
	}
	left := *t
	left.Services = slices.Clone(t.Services)
	for i := range left.Services {
		ports := slices.Clone(left.Services[i].Ports)
		for j, p := range ports {
			f := front{proto: protocol(p.Protocol), port: p.Port}
			ports[j].Hosts = p.Hosts && !kept[f]
			ports[j].Outside = slices.DeleteFunc(slices.Clone(p.Outside), func(ip netip.Addr) bool {
				return ip.Is4() && kept[front{ip.As4(), f.proto, f.port}]
			})
		}
		left.Services[i].Ports = ports
	}
	return &left
}
