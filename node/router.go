package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// Routers are a Router of four parts, of which none knows of the others. What each Put promises is what Route does.
type Routers struct {
	Network Linker  // links and addresses
	Names   Namer   // what names stand for
	Kernel  Ruler   // where connections go
	Counts  Counter // how many endpoints are here
}

// Linker has a host's pods reach those of other hosts, and says how far they do.
type Linker interface {
	Put(ctx context.Context, t *route.Table, node string) (live.Net, error)
}

// Namer answers who asks for a Service by its name.
type Namer interface {
	Put(t *route.Table, node string) error
}

// Counter tells load balancers how many endpoints of a Service the node has.
type Counter interface {
	Put(t *route.Table, node string) error
}

// Ruler sends new connections where the table says. Lacks says what it cannot do of that, and does without; Crowded, that the kernel lets none begin; Keeps, at
// which ports of those that Services ask of hosts this one listens itself.
type Ruler interface {
	Put(t *route.Table, node string) error
	Remove() error
	Lacks() error
	Crowded() bool
	Keeps() []route.HostPort
}

var errCrowded = errors.New("conntrack is full, or nearly so: new ones to and from this host are lost, and those that are there go on" +
	" (net.netfilter.nf_conntrack_max is how many there may be)")

// Route puts a table in force: first the links, for their addresses are what the others go by, then what names and counts are said, then where connections go.
// The last alone decides whether it is in force. What keeps the others from it is said, and keeps no pod that is gone behind its Service.
func (r Routers) Route(ctx context.Context, t *route.Table, node string) (live.Net, error) {
	net, err := r.Network.Put(ctx, t, node)
	if ctx.Err() != nil {
		return live.Net{}, ctx.Err()
	}
	net.Troubles = slices.Clone(net.Troubles)
	say := func(what string, err error) {
		if err != nil {
			net.Troubles = append(net.Troubles, fmt.Sprintf("%s: %v", what, err))
		}
	}
	say("pod network", err)
	say("names", r.Names.Put(t, node))
	say("connections", r.Counts.Put(t, node))
	if err := r.rules(t, node); err != nil {
		return live.Net{}, err
	}
	say("connections", r.Kernel.Lacks())
	if net.Crowded = r.Kernel.Crowded(); net.Crowded {
		say("connections", errCrowded)
	}
	net.Keeps = r.Kernel.Keeps()
	return net, nil
}

// rules has connections go by the table, and by nothing on a host that it does not name.
func (r Routers) rules(t *route.Table, node string) error {
	if _, named := t.Node(node); !named {
		return r.Kernel.Remove()
	}
	return r.Kernel.Put(t, node)
}
