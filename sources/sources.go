// Package sources is where manifests come from. A Source turns a name for "now" into an immutable commit, and a
// commit into a manifest.Set. Open picks the source for a URL or a path.
package sources

import (
	"context"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// Source is a place that holds manifests.
type Source interface {
	// Head fetches, and says which commit is asked for now, and when the fetch behind the answer began. On failure the
	// last known commit and time come along with the error, if there are any.
	Head(ctx context.Context) (commit string, fetched time.Time, err error)
	// Load gives one commit's Set. A commit never changes, so an answer is good for ever. ErrGone when
	// the commit is not to be had any more.
	Load(ctx context.Context, commit string) (manifest.Set, error)
	// Watch pokes when Head may have a new answer. It returns when ctx ends.
	Watch(ctx context.Context, poke chan<- struct{}) error
	// Name identifies the source for label podkeep.io/source: no credentials, the same after every restart.
	Name() string
	Close() error
}

// Historian answers questions about the past. A source without one (a directory) has no past.
type Historian interface {
	// Ancestor says whether commit is head or an ancestor of it. A commit that is not to be had is none.
	Ancestor(ctx context.Context, commit, head string) (bool, error)
	// Nodes are the Nodes that head's first-parent history ever held: for each name and way (manifest.Node.Way) the newest form, with the
	// newest commit that held it. The newest come first, those of one commit by name.
	Nodes(ctx context.Context, head string) ([]manifest.Node, error)
	// Renewed are, of the commits named for each object, those on head's first-parent line since which it was taken out and came anew. An
	// object that a damaged file may hold, or one that does not load, was not taken out.
	Renewed(ctx context.Context, head string, named map[manifest.ID][]string) (map[manifest.ID][]string, error)
	// Decisions are the lines of refs/notes/podkeep on first-parent ancestors of head, oldest first.
	Decisions(ctx context.Context, head string) ([]manifest.Decision, error)
}

// Mirror is a source beside whose commits it can be written what was done about them, for people. Nothing is decided by what stands there.
type Mirror interface {
	// Mirror adds receipts of a cluster, each to its commit; those that stand there stay. It may run beside anything else.
	Mirror(ctx context.Context, cluster string, receipts []live.Receipt) error
	// Mirrored are those of a cluster on first-parent ancestors of head, oldest first: of each its time, verb, object, revision, generation,
	// commit and why, and as Step, of one that says how many steps are done, that number.
	Mirrored(ctx context.Context, cluster, head string) ([]live.Receipt, error)
}

// Error is a kind of failure to be recognised with errors.Is.
type Error = files.Error

// ErrGone is a commit that the source does not have, and could not get.
const ErrGone = files.ErrGone

// ErrLasting is a failure that no time mends: credentials, a repository or a branch that do not exist, a host that is not trusted.
// Whatever else fails may be tried again.
const ErrLasting = files.ErrLasting
