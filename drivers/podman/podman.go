// Package podman reaches a host over Podman's REST API, by a local socket or through SSH. It is the only package
// that knows Podman's bindings, and nothing of theirs is in its exported signatures.
//
// The bindings get an HTTP client of ours: it dials (unix or SSH), sees the Date of every answer, gives
// every failure once (the bindings alone would try each request three times, creations too), and tells the
// look when a connection was lost. Every call has a deadline of its own below the caller's.
package podman

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// Options are what a Node's manifest does not say.
type Options struct {
	Cluster string
	// KnownHosts are OpenSSH known_hosts files. None means PODKEEP_KNOWN_HOSTS, else what ssh takes: see package openssh.
	KnownHosts []string
	// Identity are private key files. None means PODKEEP_SSH_KEY, else what ssh takes.
	Identity []string
	// Look is how long one Observe may take; 0 means 5 s. Change is the same for one Run, Put or Delete, and what
	// Stop may take beyond the pod's grace period; 0 means 60 s.
	Look, Change time.Duration
	// Cache is a directory where it is kept what hosts said of themselves, for the next process. Empty means nowhere.
	Cache string
	// Whole has an Observe wait for what the host says of itself, as long as it may take; else that comes beside it.
	Whole bool
	Warn  func(string) // is told of what is skipped in files for SSH; may be nil
}

// Driver is one host, seen by one cluster. It satisfies drivers.Driver, Puller, Loader and Watcher.
type Driver struct {
	node    manifest.Node
	cluster string
	look    time.Duration
	change  time.Duration
	client  *client
	seen    *seen
	births  births
	host    *host
	whole   bool
	sure    atomic.Int64 // losses of the connection after which a list of pods showed none without containers; -1 when none did yet
	ips     addressBook
	places  places
	life    context.Context // until Close
	end     context.CancelFunc
}

// New makes a driver for the Node's providerID, podman+unix:///PATH or podman+ssh://[USER@]HOST[:PORT][/PATH].
// It connects when first called, and again whenever the connection was lost.
func New(node manifest.Node, o Options) (*Driver, error) {
	u, err := url.Parse(node.ProviderID)
	if err != nil {
		return nil, fmt.Errorf("%s: spec.providerID %q is not a URL", node.Name, node.ProviderID)
	}
	d := &Driver{node: node, cluster: o.Cluster, look: 5 * time.Second, change: time.Minute, seen: newSeen(), whole: o.Whole}
	d.host = newHost(node.ProviderID, o.Cache, d.inform)
	d.sure.Store(-1)
	d.life, d.end = context.WithCancel(context.Background())
	if o.Look > 0 {
		d.look = o.Look
	}
	if o.Change > 0 {
		d.change = o.Change
	}
	switch {
	case u.Scheme == "podman+unix" && u.Host == "" && filepath.IsAbs(u.Path):
		d.client = newClient(local(u.Path))
	case u.Scheme == "podman+ssh" && u.Hostname() != "":
		d.client = newClient(newRemote(u, o))
	default:
		return nil, fmt.Errorf("%s: spec.providerID %q: write podman+unix:///run/podman/podman.sock or podman+ssh://root@192.0.2.11:22/run/podman/podman.sock", node.Name, node.ProviderID)
	}
	return d, nil
}

// Close ends the connection.
func (d *Driver) Close() error {
	d.end()
	d.host.join.Wait()
	return d.client.close()
}

// do makes one or several calls of the bindings under a deadline. What failed on the way to the host is given back
// as it was; what Podman said is cleaned of its internals.
func (d *Driver) do(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return d.client.call(ctx, f)
}

// hostAddress is where other nodes reach this one, when the manifest says it.
func (d *Driver) hostAddress() string {
	if a := d.node.Annotations["podkeep.io/address"]; a != "" {
		return a
	}
	u, err := url.Parse(d.node.ProviderID)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
