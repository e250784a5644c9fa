// Package plan thinks: from what Git asks for, what the fleet is, and the time, it makes the list of what to do
// next, with a reason for each line and for each wait. It does no I/O, keeps no memory and reads no clock, so the same
// three inputs give the same plan byte for byte.
//
// A plan is safe in part: any prefix of it, on any subset of nodes, keeps every availability floor, because what
// was asked for takes room and only what has been seen gives availability. What a plan cannot do yet, the plan
// of the next pass does, when a look has seen the effect of this one.
package plan

import (
	"sort"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/job"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// Verb is what a driver is told to do.
type Verb string

// The verbs are the driver's methods. Pull is asked for where it comes before a Stop; what comes before a Run needs no word.
const (
	Put    Verb = "put"
	Pull   Verb = "pull"
	Run    Verb = "run"
	Stop   Verb = "stop"
	Delete Verb = "delete"
)

// Action is one thing for one node. Pod is set for Run, and for Pull, which is of all its images; File for Put. Lull is how long a Stop waits before
// anything is done: requests that are on their way to the pod are taken by it until then.
type Action struct {
	Node string
	Verb Verb
	Name string
	App  manifest.ID
	Why  string
	Pod  *manifest.Pod  `json:",omitempty"`
	File *manifest.File `json:",omitempty"`
	Lull time.Duration  `json:",omitempty"`
}

// State of a workload, for sync's exit code and for status.
type State string

// States, from good to bad.
const (
	Converged   State = "Converged"   // at HEAD's revision and available
	Progressing State = "Progressing" // on the way
	Suspended   State = "Suspended"   // podkeep.io/suspend; Held lists what is not done
	Paused      State = "Paused"      // spec.paused, or waiting for a person's decision
	Held        State = "Held"        // something stands in the way that podkeep will not step over; Why says what
	Failed      State = "Failed"      // the revision was rejected, or its pods fail again and again
	Pruning     State = "Pruning"     // left HEAD, its pods are being stopped
)

// App is what the plan thinks of one workload.
type App struct {
	ID        manifest.ID
	State     State
	Why       string
	Rev       string // what HEAD asks for
	Stable    string // what was promoted last
	Commit    string // of the form in force
	Replicas  int    // asked for
	Updated   int    // pods of Rev
	Ready     int
	Available int
	Total     int
	Lost      int         // on nodes that were silent for longer than their grace: they count for nothing
	Intended  int         // starts, stops and pulls that it wants, as if it were alone
	Admitted  int         // of them, those that this plan has; Waits say what stands in the way of the others
	Suspended []Action    // what would be done were it not suspended
	Rollout   *Rollout    `json:",omitempty"` // of what runs for ever: how far its newest rollout is
	Job       *job.Status `json:",omitempty"` // of a Job: how far it is. Its Available are the completions that succeeded
	Waits     []string    // one line for each slot or pod that is waited for
	Awaits    []string    // nodes that fell silent together: if they come back it may go on, though it is held
}

// Rollout is how far the newest rollout of a workload is.
type Rollout struct {
	rollout.Progress
	Phase  rollout.Phase
	Gen    int               // of the newest rollout; 0 while none has begun
	Failed string            // why HEAD's revision was rejected; empty if it was not
	Serve  map[string]string `json:",omitempty"` // Services of its namespace that lead to one revision alone, by name
	Share  int               `json:",omitempty"` // of 100, what its canaryService has of the requests that Ingresses and HTTPRoutes share out
	Pods   []RolloutPods     // by revision, the oldest generation first
}

// RolloutPods are the pods of one revision, those stopping not counted.
type RolloutPods struct {
	Rev                           string
	Gen, Want, Have, Ready, Avail int
	Commit                        string // of one of them
}

// Plan is what to do now. Wake is when to think again though nothing happens; zero means never.
type Plan struct {
	Commit  string
	Actions []Action
	Apps    []App   // sorted by ID
	Claims  []Claim // sorted by ID
	// Ledgers are what is written down of each object, as far as it is believed.
	Ledgers map[manifest.ID]ledger.Ledger `json:"-"`
	// Heirs are the workloads of HEAD that pods of others count for, which left HEAD and had their name, by those.
	Heirs map[manifest.ID]manifest.ID `json:"-"`
	// Held are Nodes that show the identity of another one, with what to do about that: nothing there is counted or touched.
	Held map[string]string `json:",omitempty"`
	// Sides are the nodes that have no node side at the version that is offered, and why not.
	Sides map[string]string `json:",omitempty"`
	// Doors are the nodes that are to have a door and have none that serves as it is to, at the version that is offered, and why not.
	Doors map[string]string `json:",omitempty"`
	// Tend are the pods that the node side of each node is to look after; nodes without one are not in it.
	Tend map[string]live.Tend `json:"-"`
	// Table is what hosts are to route by, nil while that is not known, or nobody routes. It is numbered when it is handed out. Services, Policies
	// and Doored are what came of each.
	Table    *route.Table   `json:"-"`
	Services []route.Built  `json:",omitempty"`
	Policies []route.Ruled  `json:",omitempty"`
	Doored   []route.Doored `json:",omitempty"`
	// Unrouted is why there is no Table; it is for another source's sake where it Yields: none of ours is to come into force then. Before is the newest that is in
	// force anywhere and believed.
	Unrouted string       `json:",omitempty"`
	Yields   bool         `json:"-"`
	Before   *route.Table `json:"-"`
	// Silent are the nodes that do not answer.
	Silent map[string]Silence `json:",omitempty"`
	// Departed are Nodes that left HEAD and need not be looked at any more.
	Departed []string `json:",omitempty"`
	Notes    []string // what concerns the fleet as a whole: silence, held pruning, foreign sources
	Wake     time.Time
	// Fetch is the time that a fetch must begin after for something held to go on; zero when none is waited for.
	Fetch time.Time
}

// Silence is that of one node: what comes of it, if that is known, and the one of the plan's Notes that says so.
type Silence struct{ Then, Note string }

// Make thinks. The answer's actions are in the order in which they are to be begun on each node: what is written down, then
// what is started, then what is stopped, then what is pruned and collected.
func Make(want manifest.History, have live.Snapshot, now time.Time) Plan {
	return newWorld(want, have, now).make()
}

func (w *world) make() Plan {
	w.plan.Commit, w.plan.Ledgers = w.h.Head.Commit, w.receipts.Ledgers
	if w.h.Head.Commit == "" {
		w.note("nothing has been read from Git yet, so nothing is done")
		return w.plan
	}
	w.tellGone()
	w.placeSides()
	works := w.intend()
	w.admit(works)
	w.prune()
	w.route()
	w.tend(works)
	for _, k := range works {
		k.tell()
	}
	w.tellWithheld()
	w.tellClaims()
	w.tellBlank()
	if w.hold == "" {
		w.clearGone()
		w.writeRecords()
		w.tidyReceipts()
		w.collectFiles()
	}
	w.plan.sort()
	w.holdIdle()
	return w.plan
}

// sort puts actions and apps in order. What is pruned goes last of all stops.
func (p *Plan) sort() {
	pruned := map[manifest.ID]bool{}
	for _, a := range p.Apps {
		pruned[a.ID] = a.State == Pruning
	}
	rank := func(a Action) int {
		switch {
		case a.Verb == Put && a.File.Labels[live.LabelReceipt] != "":
			return 0
		case a.Verb == Put:
			return 1
		case a.Verb == Run || a.Verb == Pull:
			return 2
		case a.Verb == Stop && !pruned[a.App]:
			return 3
		case a.Verb == Stop:
			return 4
		}
		return 5
	}
	sort.SliceStable(p.Actions, func(i, j int) bool {
		a, b := p.Actions[i], p.Actions[j]
		switch {
		case rank(a) != rank(b):
			return rank(a) < rank(b)
		case a.App != b.App:
			return a.App.Less(b.App)
		case a.Name != b.Name:
			return a.Name < b.Name
		}
		return a.Node < b.Node
	})
	sort.Slice(p.Apps, func(i, j int) bool { return p.Apps[i].ID.Less(p.Apps[j].ID) })
}
