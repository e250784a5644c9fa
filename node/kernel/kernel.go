// Package kernel makes a host's kernel do as a route table says: connections to virtual addresses, ports of nodes and addresses outside go to pods, the other sides
// see the sources that they can answer, and tunnels take what nodes send alone. Pods speak as themselves, and what the host itself listens to stays its own. All of it is one nftables
// table of the cluster's name, with others of that name for IPv6 and for the bridge (wall.go, bound.go), and entries of conntrack.
//
// The table has one shape for any number of Services. Maps hold what changes: one leads from a front (address, protocol, port) to a chain, another from a
// front and a number to a place (address, port). The chain pick-N draws a number below N and looks the place up. See want and diff, which are pure: what the
// table asks for, and in which order to change what is there without losing a connection.
//
// A new process takes up what it finds. Nothing but our table is ever touched, and that is made once and never replaced.
package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

// Kernel keeps one cluster's table on this host. One goroutine at a time may use it, on a thread in the host's network namespace.
type Kernel struct {
	named route.Named
	log   *logrus.Entry

	link       *link  // kept open: the kernel lets no connection go before it has freed all that was deleted by it
	have       *state // what the kernel has while its generation is still that; nil: that is not known
	generation uint32
	flows      flows // of conntrack, that are still to go

	offers func(*link) error // fails where the kernel has no timeouts for tables
	hears  func(*link) error // or where its rules cannot ask for sockets
	learnt bool              // that was asked
	lacks  error             // and that is what came of it
	deaf   bool              // and that of the other
	unseen error             // why policies do not see all that they should
	forged error             // why pods may speak as others

	crowded bool // conntrack was full when it was last looked at

	own     *own
	keeps   []route.HostPort
	unheard error // why that is not known
}

// New is for a cluster. It does nothing yet.
func New(cluster string, log *logrus.Logger) *Kernel {
	named := route.NamedOf(cluster)
	return &Kernel{named: named, log: log.WithField("table", named.Table), flows: flows{all: true}, offers: (*link).offers, hears: (*link).hears, own: newOwn()}
}

// patience is how long the kernel may take for one attempt.
const patience = time.Minute

// mostTries bounds how often the kernel is read again because what was read did not hold.
const mostTries = 5

// Put makes the kernel do as the table says, seen from the node of that name. It returns once new connections go by it. Called again it sees whether
// anybody has changed nftables since, and puts right what is not as it should be. After an error it is not known what is in force.
func (k *Kernel) Put(t *route.Table, node string) error {
	if err := k.learn(); err != nil {
		return fmt.Errorf("nftables: table %s: %w", k.named.Table, err)
	}
	want := wantOf(k.spared(t, node), node, k.named.VNI, k.lacks != nil)
	if want.deaf = k.deaf; k.deaf {
		want.chains = chainsOf(want.fronts, want.facts)
	}
	k.unseen = k.parts(want.policed)
	if err := k.rules(want); err != nil {
		return fmt.Errorf("nftables: table %s: %w", k.named.Table, err)
	}
	k.forged = k.speak()
	k.crowded = CrowdOf().still(k.crowded)
	if err := k.flows.end(want); err != nil {
		k.log.WithError(err).Warn("conntrack: some UDP flows still go where they went, until the next attempt")
	}
	return nil
}

// learn finds out, once, whether the kernel has timeouts for our table.
func (k *Kernel) learn() error {
	if k.learnt {
		return nil
	}
	if err := k.open(); err != nil {
		return err
	}
	err := k.offers(k.link)
	if err != nil {
		k.close() // answers may still come
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) {
		k.lacks, err = fmt.Errorf("%w: %w", errUntimed, err), nil
		k.log.WithError(k.lacks).Warn("nftables: the table does without")
	}
	if k.learnt = err == nil; k.learnt {
		k.deaf = k.hearing() != nil
	}
	return err
}

// hearing fails where rules cannot ask for sockets.
func (k *Kernel) hearing() error {
	err := k.open()
	if err == nil {
		err = k.hears(k.link)
	}
	if err != nil {
		k.close() // answers may still come
		k.log.WithError(err).Info("nftables: what the host begins to listen to is its own a little later")
	}
	return err
}

// Lacks says what the kernel cannot do of what a table asks, once one was put; nil: nothing.
func (k *Kernel) Lacks() error { return errors.Join(k.lacks, k.unseen, k.forged, k.unheard) }

// Crowded says whether conntrack of the host was full when a table was last put: no new connection begins.
func (k *Kernel) Crowded() bool { return k.crowded }

// parts has policies see all that passes between the pods of this node, and says what they do not see.
func (k *Kernel) parts(policed bool) error {
	if err := k.wall(policed); err != nil && policed {
		return fmt.Errorf("NetworkPolicies do not keep pods of this node from each other by IPv6: %w", err)
	}
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil && policed {
		return errUnseen
	}
	return nil
}

var errUnseen = errors.New("NetworkPolicies do not hold between pods of this node: the kernel module br_netfilter is not loaded")

// rules makes nftables have what is wanted.
func (k *Kernel) rules(want *state) (err error) {
	for try, done := 0, false; try < mostTries && !done; try++ {
		if err = k.open(); err == nil {
			done, err = k.try(want)
		}
		if err != nil {
			k.close() // answers may still come
		}
	}
	return err
}

// try makes the kernel have what is wanted. It is done if nobody else changed nftables all the while, or there was nothing to do; else what it began from may
// not have been so.
func (k *Kernel) try(want *state) (done bool, err error) {
	first, err := k.link.generation()
	if err != nil {
		return false, err
	}
	mends := false
	if k.have == nil || first != k.generation {
		if mends, err = k.read(); err != nil {
			return false, err
		}
	}
	changes := diff(k.have, want)
	for _, c := range changes {
		if err := k.link.write(c, want.facts); err != nil {
			return false, err
		}
		k.flows.note(c, mends)
	}
	k.have, k.generation = want, first+uint32(len(changes))
	last, err := k.link.generation()
	if last != k.generation {
		k.have = nil
	}
	return k.have != nil || len(changes) == 0, err
}

// read finds out what the kernel has, and whether that may be something else than it was left with.
func (k *Kernel) read() (differs bool, err error) {
	had := k.have
	if k.have, err = k.link.read(); err != nil || had == nil {
		return true, err
	}
	differs = len(diff(k.have, had)) > 0
	if differs {
		k.log.Warn("nftables: somebody else has changed our table: putting it right")
	}
	return differs, nil
}

// Remove takes our table away, and so all that this package has ever made.
func (k *Kernel) Remove() error {
	k.unseen, k.forged, k.crowded = nil, nil, false
	if err := k.open(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	defer k.close()
	k.spared(&route.Table{}, "")
	if err := errors.Join(k.wall(false), k.unbind()); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	k.link.DelTable(k.link.table)
	if err := k.link.Flush(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nftables: table %s: %w", k.named.Table, err)
	}
	return nil
}

func (k *Kernel) open() (err error) {
	if k.link == nil {
		if k.link, err = open(k.named.Table); err != nil {
			return err
		}
	}
	return k.link.raw.SetDeadline(time.Now().Add(patience))
}

func (k *Kernel) close() {
	if k.link != nil {
		k.link.close()
	}
	k.link, k.have = nil, nil
}
