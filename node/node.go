// Package node is the node side: one process on every host that goes on keeping pods well when no controller is there. It looks at its host,
// runs the probes of the pods that it was told to tend, ends what a probe gives up, and starts again what ended, as the plan would. It
// never makes a pod, never stops one, and does nothing to pods that it does not tend.
//
// What it was told, and how far its probes are, it keeps in one file; what pods are made of it finds on the host. So it goes on after a restart
// with nobody to ask, and loses little with its file.
package node

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Driver is what it needs of a driver for its own host; package drivers says what the methods promise.
type Driver interface {
	Observe(ctx context.Context) (live.Node, error)
	Run(ctx context.Context, pod manifest.Pod) error
	End(ctx context.Context, pod manifest.Pod, container string, grace time.Duration) error
	Watch(ctx context.Context, poke chan<- struct{}) error
}

// Asker runs one probe, for as long as that may take and not much longer. It may be called from several goroutines.
type Asker interface {
	Run(ctx context.Context, target Target, probe *corev1.Probe) Answer
}

// Options are what the node side is made of.
type Options struct {
	Driver  Driver
	Prober  Asker
	Router  Router          // nil where the host cannot be made to route
	Stirs   <-chan struct{} // it is time to route again: the host has changed; nil: nobody says
	HostIP  string          // at which pods on the host's own network are probed
	Inside  bool            // it is among the pods of a user's own Podman, from where nothing but those is reached
	Dir     string          // where it keeps what outlives it; it is made if it is not there
	Socket  string          // at which controllers reach it
	Doors   string          // the directory in which it meets its host's doors; empty: there are none
	Version string          // what it says of itself
	Machine string          // which one this is, as far as that can be told; what another one's node side was told is not obeyed
	Log     *logrus.Logger

	listen, listenDoors func() (net.Listener, error) // in place of the sockets, in tests
}

// Run keeps the host's pods until ctx ends, and returns once all that it began has ended too. What it was told stays in force for the next.
// It returns nil.
func Run(ctx context.Context, o Options) error {
	if o.listen == nil {
		o.listen = func() (net.Listener, error) { return listen(o.Socket) }
	}
	if o.listenDoors == nil {
		o.listenDoors = func() (net.Listener, error) { return listen(filepath.Join(o.Doors, live.DoorSocket)) }
	}
	s := newSide(o)
	var join sync.WaitGroup
	join.Go(func() { s.watch(ctx) })
	join.Go(func() { s.serve(ctx, post{"controllers", mostControllers, o.listen, s.talk}) })
	if o.Doors != "" {
		join.Go(func() { s.serve(ctx, post{"doors", mostDoors, o.listenDoors, s.talkToDoor}) })
	}
	s.work(ctx)
	join.Wait()
	return nil
}
