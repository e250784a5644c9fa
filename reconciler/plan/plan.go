// Package plan thinks: from what Git asks for, what the fleet is, and the time, it makes the list of what to do
// next, with a reason for each line and for each wait. It does no I/O, keeps no memory and reads no clock, so the same
// three inputs give the same plan byte for byte.
//
// A plan is safe in part: any prefix of it, on any subset of nodes, keeps every availability floor, because what
// was asked for takes room and only what has been seen gives availability. What a plan cannot do yet, the plan
// of the next pass does, when a look has seen the effect of this one.
package plan

import (
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Verb is what a driver is told to do.
type Verb string

// The verbs are the driver's methods.
const (
	Put    Verb = "put"
	Run    Verb = "run"
	Stop   Verb = "stop"
	Delete Verb = "delete"
)

// Action is one thing for one node. Pod is set for Run, File for Put.
type Action struct {
	Node string
	Verb Verb
	Name string
	App  manifest.ID
	Why  string
	Pod  *manifest.Pod  `json:",omitempty"`
	File *manifest.File `json:",omitempty"`
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
	Failed      State = "Failed"      // the revision was rejected
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
	Suspended []Action // what would be done were it not suspended
	Waits     []string // one line for each slot or pod that is waited for
}

// Plan is what to do now. Wake is when to think again though nothing happens; zero means never.
type Plan struct {
	Commit  string
	Actions []Action
	Apps    []App    // sorted by ID
	Notes   []string // what concerns the fleet as a whole: silence, held pruning, foreign sources
	Wake    time.Time
}

// Make thinks. The answer's actions are in the order in which they are to be begun on each node.
func Make(want manifest.History, have live.Snapshot, now time.Time) Plan { panic("being written") }

// Deeper says whether thinking needs one more of HEAD's first-parent ancestors than want.Line holds.
func Deeper(want manifest.History, have live.Snapshot) bool { panic("being written") }
