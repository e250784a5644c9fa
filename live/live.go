// Package live is what is: the fleet as the last look found it, and the names and labels by which podkeep
// knows its own. Labels are written once, at birth, and cannot be edited afterwards; with the receipts they are
// all the memory that podkeep has.
package live

import (
	"errors"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// Snapshot is the fleet at one moment. Nodes are sorted by name; there is one for every Node that HEAD asks for
// and for every Node that left HEAD. Watched is how long this controller has been watching: what was due while nobody watched
// has not been tried yet.
type Snapshot struct {
	Nodes   []Node
	Watched time.Duration
}

// Node is one host as last seen. A look is all or nothing: a Node that failed to answer any list is Silent and
// carries what it last said.
type Node struct {
	Name   string
	Known  bool          // has answered this controller at least once; if not, nothing below means anything
	Silent time.Duration // how long it has not answered; 0 when it answered this look
	Why    string        // why it is silent
	Late   bool          // it is silent only because it has not answered this look yet: none has failed
	Slow   bool          // it is silent because it did not answer in time: it was not refused, and may just be busy
	Pings  bool          // it is silent, and answered a ping after the last look that failed: it is there, and busy
	// Back is for how long it has answered again since it was silent; 0 when it is silent, or never was while this controller watched.
	Back time.Duration
	Room manifest.Resources
	// Unsized is for how long it has answered without having said how big it is; Room means nothing then. 0 when it has.
	Unsized time.Duration
	// Facts about the host for people: Podman's version, OS, architecture, kernel.
	Facts    Facts
	HostKey  string    // fingerprint of the SSH host key that it showed; empty where there is none
	Pods     []Pod     // ours (our cluster), sorted by name
	Files    []File    // ours, receipts not among them, sorted by name
	Receipts []Receipt // sorted by name
	Volumes  []string  // claims whose volume is there, as namespace/name, sorted
	// Pulls: its driver fetches images in a call of their own. Images are those that this controller fetched or found there, sorted.
	Pulls  bool
	Images []string
	// Troubles are the errors of this controller's own last attempts here; they explain, they do not decide availability.
	Troubles []Trouble
	Side     Side // what its node side last said
}

// Facts are shown by status. But for Arch and Rootless, nothing is decided upon them.
type Facts struct {
	Podman, OS, Arch, Kernel string
	CPUs                     int
	Memory                   int64 // bytes
	Rootless                 bool  // its Podman is a user's own
	Unbound                  bool  // limits take no effect there
	// Skew is how far the node's clock is ahead of the controller's; times in this package are corrected by it.
	Skew time.Duration
}

// Trouble is an attempt that failed.
type Trouble struct {
	Name  string // of the pod or file
	Rev   string // of the pod, if it was one
	Why   string
	At    time.Time // of the newest failure
	Count int
	Taken int       // of them, those that failed because something else on the host had the pod's address
	Next  time.Time // no attempt is made before
}

// ErrTaken is what a pod's start fails with when something else on the host has its address.
var ErrTaken = errors.New("is taken by another container")

// Pod is one pod of ours. All times are on the controller's clock.
type Pod struct {
	Name            string
	Cluster, Source string
	App             manifest.ID
	Slot            int
	Rev             string
	Gen             int
	Commit          string
	Created         time.Time
	Expect          []string // the containers that its label names, init containers too; it counts only when all exist
	Init            []Init   // its init containers, in the order in which they run
	Try             int      // of a Job's pod: which attempt at its completion it is, from 0
	Containers      []Container
	Restart         string // Always, OnFailure or Never
	Room            manifest.Resources
	Ports           []string // host ports taken, "80/tcp" or "192.0.2.1:80/tcp", sorted
	Keep            bool     // born of an object with podkeep.io/prune: disabled
	Birth           Birth    // what its template said of it
	Signer          string   // the key that signed its birth on this host; empty if none did, or its labels say something else
	Host            string   // the identity of this host for which it did
	IP              string
	Side            string   // of a node side's pod: its version
	Probed          []Probed // what the node side says of its containers, sorted by name
	// Unheard: nobody knows what its probes come to, since the node side of its host is not heard. Unprobed is why nobody runs them, for as
	// long as nobody changes that. Neither is known to a look: who thinks sets them.
	Unheard  bool
	Unprobed string
	// Asked: this controller has asked for it and not yet seen it. It takes room and gives no availability.
	Asked bool
	// Stopping: this controller has told it to stop, or Podman says it is stopping.
	Stopping bool
}

// Container states, as Podman's lists say them.
const (
	Created = "created"
	Running = "running"
	Exited  = "exited"
	Stopped = "stopped"
	Paused  = "paused"
)

// Container is one workload container; the pod's infra container is not listed.
type Container struct {
	ID                string
	Name              string // the name in the manifest
	Image             string
	State             string
	Exit              int
	Started, Finished time.Time
	Attempt           int // which start this is: 0 is the first
}

// File is a complete File on a node: one whose writing did not finish is not listed.
type File struct {
	Name   string
	Labels map[string]string
	Signer string // the key that signed its name and labels; empty if none did, or they are others
}

// Receipt verbs.
const (
	Began    = "began"    // a rollout to Rev begins
	Halted   = "paused"   // it stands still because someone said so
	Resumed  = "resumed"  // it goes on
	Stepped  = "step"     // so many of the rollout's steps are done, as Steps says; only the newest counts
	Switched = "switched" // blue-green: the active Service leads to Rev from here on
	Promoted = "promoted" // Rev is the stable one from here on
	Failed   = "failed"   // Rev missed its deadline, or was aborted, and is held until Git changes
	Tallied  = "tally"    // so much of a Job has ended; only the newest is kept, and none when the Job has ended
	Bound    = "bound"    // a claim's volume is to be on Node
	Made     = "made"     // it has been seen there
	Done     = "done"     // a run-to-completion workload finished, or a Node that left HEAD was seen empty
	Adopted  = "adopted"  // what source Of made is taken over
)

// Receipt is a transition written down before it is acted on. It is stored as a File whose labels say all of it.
type Receipt struct {
	App    manifest.ID
	Verb   string
	Rev    string
	Gen    int
	Commit string
	Step   int
	Steps  string // how far the rollout is, in the form that its verb has
	Time   time.Time
	Why    string
	Node   string   // of receipts that speak of a host: its name then
	Host   string   // and its identity
	Of     string   // of an adoption: the source that is taken over
	Before []string // of a promotion: revisions that were promoted before, the newest first, at most MostBefore
	At     []string // and the commits of those promotions, in short, as far as they are known
	// Answers are the decisions (Decision.ID) of the workload that had been read when this was written: none of them counts after it.
	Answers []string
	Source  string // of which repository it is
	Signer  string // the key that signed it; empty if none did
	File    string // in which it was seen
}

// MostBefore is how many earlier promotions a promotion names.
const MostBefore = 20
