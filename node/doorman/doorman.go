// Package doorman is a door's process but for what it does with requests. It hears from the node side of its host by which table to serve and with which keys, opens
// the table's ports, and says what is so. A door that comes beside an older one takes that one's ports over, and no connection is lost. While no node side is there it
// serves on by what it has.
package doorman

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// Engine answers requests.
type Engine interface {
	// Put has new requests go by the table once it returns.
	Put(t *route.Table)
	// Serve answers who connects to l, which is at that port of the table, until l is closed.
	Serve(l net.Listener, port uint16, tls bool) error
	// Leave asks clients to connect anew, and returns once all that they have begun has ended, or ctx has.
	Leave(ctx context.Context)
	Metrics() http.Handler
}

// Keyring has certificates and passwords.
type Keyring interface {
	Put(t *route.Table, node string)
	Take(k wire.Keys)
	Keep(k wire.Kept)
	Lacks() []string // what of the table it does not have, and why, sorted
	Close()
}

// Options are what a door is made of.
type Options struct {
	Dir     string        // where it meets the node side, and other doors of its host
	Pod     string        // what its pod is called
	Version string        // what it says of itself; of two the one that sorts later is the higher
	Grace   time.Duration // how long what has been begun may go on once it is told to end
	Log     *logrus.Logger
	// Make makes its parts. changed is to be called with all that the ACME client keeps when that has written something.
	Make func(changed func(wire.Kept)) (Engine, Keyring)

	addresses []string // at which it listens, in tests
}

// How often what could not be done is tried again, and what is said is looked at.
const again = time.Second

// doorman owns all that a door knows. Its fields belong to the goroutine that runs work; others have it call a function through asks.
type doorman struct {
	Options
	engine  Engine
	keyring Keyring
	asks    chan func()
	beside  sync.WaitGroup // all goroutines but the one of work

	table   *wire.Table // by which it serves
	wanted  map[uint16]kind
	ports   map[uint16]*port
	refused string // why the newest table that it was given is none
	took    string // Digest of the newest that it was given
	kept    *wire.Kept

	charge  *charge // nil: another door has it
	taking  bool    // it is asking for it
	untaken string  // why it does not get it
	lower   bool    // the door in charge is of a higher version: the ports are that one's
	leaving bool
	left    chan struct{} // closed once all that was begun has ended

	life  context.Context // of all that is beside work
	grace context.Context // of what was begun

	side *side // that it is connected to; nil: none
	said wire.DoorUp
}

// Run is a door until ctx ends, and then until what was begun has ended, or the grace has. It returns nil.
func Run(ctx context.Context, o Options) error {
	if o.addresses == nil {
		o.addresses = []string{"0.0.0.0", "::"}
	}
	d := &doorman{Options: o, asks: make(chan func()), ports: map[uint16]*port{}, left: make(chan struct{})}
	var end, cut context.CancelFunc
	d.life, end = context.WithCancel(context.WithoutCancel(ctx))
	d.grace, cut = context.WithCancel(d.life)
	kept := make(chan wire.Kept, 1)
	var one sync.Mutex
	d.engine, d.keyring = o.Make(func(k wire.Kept) {
		one.Lock()
		defer one.Unlock()
		give(kept, k)
	})
	defer context.AfterFunc(ctx, func() { time.AfterFunc(o.Grace, cut) })()
	d.beside.Go(func() { d.speak(d.life) })
	d.work(ctx, kept)
	d.closePorts()
	cut()
	end()
	d.beside.Wait()
	d.keyring.Close()
	return nil
}

// work is the door's life: until it was told to end, and has left.
func (d *doorman) work(ctx context.Context, kept <-chan wire.Kept) {
	tick := time.NewTicker(again)
	defer tick.Stop()
	told, left := ctx.Done(), (<-chan struct{})(nil)
	for {
		select {
		case f := <-d.asks:
			f()
		case k := <-kept:
			d.kept = &k
			d.side.give(wire.DoorUp{Kept: &k})
		case <-tick.C:
			d.takeCharge()
			d.openPorts()
		case <-told:
			told, left = nil, d.left
			d.leave()
		case <-left:
			d.say()
			return
		}
		d.say()
	}
}

// ask has the loop call f, unless ctx ends first.
func (d *doorman) ask(ctx context.Context, f func()) {
	select {
	case d.asks <- f:
	case <-ctx.Done():
	}
}

// serve has the door serve by a table, once it has its ports: those of the door before it, where there is one.
func (d *doorman) serve(sealed wire.Table, says *route.Table, err error) {
	d.took = sealed.Digest
	if err != nil {
		d.refused = live.Words(err.Error())
		d.Log.WithField("why", d.refused).Warn("the table cannot be read: the one before stays")
		return
	}
	d.refused = ""
	first := d.table == nil
	if !first && d.table.Digest == sealed.Digest {
		return
	}
	d.keyring.Put(says, sealed.Node)
	d.engine.Put(says)
	d.table, d.wanted = &sealed, portsOf(says.Doors)
	d.Log.WithField("table", sealed.Number).Info("serves by it")
	if first {
		d.takeCharge()
	}
	d.openPorts()
}

// leave has it take no new connection, and what is under way go on to its end.
func (d *doorman) leave() {
	if d.leaving {
		return
	}
	d.leaving = true
	d.closePorts()
	d.charge.yield()
	d.Log.Info("leaves")
	d.beside.Go(func() {
		d.engine.Leave(d.grace)
		close(d.left)
	})
}

// say says to the node side what is so, when it is not what was said last.
func (d *doorman) say() {
	is := live.Door{Pod: d.Pod, Version: d.Version, Leaving: d.leaving, Troubles: d.keyring.Lacks()}
	if d.table != nil {
		is.Number = d.table.Number
	}
	for number, p := range d.ports {
		if len(p.open) > 0 {
			is.Ports = append(is.Ports, number)
		}
		if p.why != "" {
			is.Troubles = append(is.Troubles, p.why)
		}
	}
	for what, why := range map[string]string{"the table that it was given cannot be read: ": d.refused, "": d.untaken} {
		if why != "" {
			is.Troubles = append(is.Troubles, what+why)
		}
	}
	slices.Sort(is.Ports)
	slices.Sort(is.Troubles)
	up := wire.DoorUp{Door: &is, Took: d.took}
	if reflect.DeepEqual(up, d.said) {
		return
	}
	for _, why := range is.Troubles {
		if d.said.Door == nil || !slices.Contains(d.said.Door.Troubles, why) {
			d.Log.Warn(why)
		}
	}
	d.said = up
	d.side.give(up)
}

func (d *doorman) at(name string) string { return filepath.Join(d.Dir, name) }

// give puts something into a channel of one in place of what is there. Only one calls it at a time.
func give[T any](to chan T, what T) {
	select {
	case <-to:
	default:
	}
	to <- what
}
