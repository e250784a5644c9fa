// Package reconciler is the loop: it reads what Git asks for, looks at the nodes, thinks, acts, and tells. Only
// thinking is clever, and that is package plan's. This package is where the clock is read, where waiting is done, and where
// a failure to see or to act becomes data for the next pass.
//
// It is level-triggered: a poke says no more than "think again", and a pass starts from what is, not from what
// changed. Nothing is remembered that a new Reconciler would not find out by itself.
//
// One goroutine owns the passes. Each node has a worker, a goroutine that owns the node's driver, what was last seen
// there, and what is being done there; the loop asks it for a view and gives it the newest list of actions. So a node
// that hangs holds up nobody else, and no variable has two owners.
package reconciler

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// Options are what a Reconciler works with. Source, Open and Cluster must be set; the zero value of everything else
// is a default.
type Options struct {
	Source  sources.Source
	Open    func(context.Context, manifest.Node) (drivers.Driver, error)
	Cluster string
	// AllowPrune is sync --allow-prune. Proposal says that
	// Source is not in force: the plan is what would be done if it were. It goes with DryRun.
	AllowPrune, Proposal bool
	// Side is the node side that hosts are given, and Image opens the archive of one of its images.
	Side  manifest.SideOffer
	Image func(name string) (io.ReadCloser, error)
	// Net says which addresses pods and Services are given.
	Net manifest.Net
	// Doors says how doors are set up.
	Doors manifest.DoorOffer
	// Local is the fleet while the repository holds no Node and never did; nil means LocalNode().
	Local *manifest.Node
	Now   func() time.Time
	// Serial is for simulation: Pass does everything itself, one thing after the other in plan order.
	Serial bool
	// DryRun looks, reads and thinks, and does not act.
	DryRun bool
	// Key signs what is written on hosts, and says which receipts are this controller's. Without one it is a DryRun.
	Key ed25519.PrivateKey
	// Random is what identities of hosts are made of; crypto/rand's Reader. It is read from several goroutines.
	Random io.Reader
	// Mirror is where Run writes receipts for people; nil is nowhere.
	Mirror sources.Mirror
	// Tell hears of every pass, in order, from the goroutine that made it. It must not block.
	Tell func(Pass)
	Log  *logrus.Logger

	Resync    time.Duration // the longest time between two passes; 30 s
	LookEvery time.Duration // the longest time between two looks at a node; 10 s
	// Parallel is how many pods are started at once on a node; 6. Podman starts no more pods a second with more.
	Parallel int

	ReadTimeout time.Duration // of a fetch, and of loading a commit; 1 min
	LookTimeout time.Duration // of a look, with the dialling it may need; 10 s
	PutTimeout  time.Duration // of Put and Delete; 15 s
	RunTimeout  time.Duration // of starting a pod whose images are there; 2 min
	PullTimeout time.Duration // of pulling one image; 10 min
}

// Pass is what one pass read, saw and thought, and what is being done. Err is why it came to no plan. Nodes that Plan.Departed names
// were looked at for the last time, and are not in Snapshot.
type Pass struct {
	Time     time.Time
	History  manifest.History
	Snapshot live.Snapshot
	Plan     plan.Plan
	Doing    []Doing // sorted by node, then by when it began
	Err      error
}

// Doing is something under way on a node. Verb is a plan.Verb or Pull, and Name is the image then.
type Doing struct {
	Node  string
	Verb  plan.Verb
	Name  string
	App   manifest.ID
	Since time.Time
}

// Pull is what Doing and the log call the step before a Run.
const Pull = plan.Pull

// Reconciler makes passes. Its methods are called from one goroutine.
type Reconciler struct {
	Options
	reader  reader
	reading reading
	hosts   map[string]*worker
	gone    map[string]string // Nodes that left HEAD and need not be looked at, with the last commit that held each
	leaving map[string]bool   // Nodes that left HEAD
	awake   stopwatch

	tables     tables
	order      order               // the newest table of ours
	renumbered time.Time           // when it was last given another number, and nothing else
	kept       wire.Kept           // what all doors' ACME clients keep, as far as it is believed
	issued     map[string][]string // nodes whose doors had certificates of a host issued by a table that was in force, by host

	voice  voice
	mirror *mirror // nil where nothing is mirrored

	ctx    context.Context // of the workers; ends with Close
	cancel context.CancelFunc
	join   sync.WaitGroup
	nudge  chan struct{} // a worker says that its node is worth a look
	said   chan struct{} // a node side has said something

	// think is package plan's; tests put their own.
	think func(manifest.History, live.Snapshot, time.Time) thought
}

// thought is a plan.Thought.
type thought interface {
	Lacks() []plan.Need
	Plan(want manifest.History) plan.Plan
}

// New is a Reconciler that has not looked at anything yet. Whoever calls Pass and not Run calls Close.
func New(o Options) *Reconciler {
	o = o.withDefaults()
	r := &Reconciler{
		Options: o, hosts: map[string]*worker{}, gone: map[string]string{}, nudge: make(chan struct{}, 1), said: make(chan struct{}, 1),
		reader: reader{Options: o}, think: func(want manifest.History, have live.Snapshot, now time.Time) thought {
			return plan.Think(want, have, now)
		},
		awake: stopwatch{most: o.Resync + lagSlack},
		voice: voice{log: o.Log},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = logrus.New()
		o.Log.SetOutput(io.Discard)
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	o.DryRun = o.DryRun || o.Key == nil
	if o.Tell == nil {
		o.Tell = func(Pass) {}
	}
	if o.Parallel == 0 {
		o.Parallel = 6
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Resync, 30 * time.Second}, {&o.LookEvery, 10 * time.Second},
		{&o.ReadTimeout, time.Minute}, {&o.LookTimeout, 10 * time.Second}, {&o.PutTimeout, 15 * time.Second},
		{&o.RunTimeout, 2 * time.Minute}, {&o.PullTimeout, 10 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}

// Close cancels what is under way, waits for it to end, and closes the drivers. The Source stays open.
func (r *Reconciler) Close() {
	r.cancel()
	r.join.Wait()
	for name, w := range r.hosts {
		if r.Serial {
			w.closeDriver()
		}
		delete(r.hosts, name)
	}
}
