package live

import (
	"strings"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// SideApp is whose pods the node side's are, one on each host. No manifest can name its namespace.
var SideApp = manifest.ID{Kind: "DaemonSet", Namespace: "podkeep.io", Name: "node"}

// SideName is how Podman shows one of its pods. No other pod has such a name: those end in a slot.
func SideName(cluster, rev string) string {
	return strings.TrimLeft(unless("default", cluster)+"_podkeep-node-"+ShortRev(rev), "_")
}

// SideVolume is the claim that keeps what the node side knows. It outlives its pods, and is no claim of a workload's.
const SideVolume = "state"

// LabelSide is on the node side's pod: its version. Of two the one that sorts later is the higher.
const LabelSide = "podkeep.io/side"

// Side is what the node side on a host last said, none when it has not been heard, or not for a while.
type Side struct {
	Version string // empty: it is not heard
	// Tends are the pods that it looks after, sorted: it starts again what ends in them, and probes them.
	Tends []string
	// Silent is how long it is not heard though its container runs, and Why what the newest attempt to reach it came to.
	Silent time.Duration
	Why    string
}

// Heard says whether the node side answers.
func (s Side) Heard() bool { return s.Version != "" }

// Probed is what the node side says of one container that has probes. Times are on the reader's clock.
type Probed struct {
	Container string
	ID        string    // of the container: what was said of another one of that name does not count
	Started   bool      // its startup probe has succeeded, or it has none
	Ready     bool      // it is Started, and its readiness probe says so, or it has none
	Since     time.Time // when Ready last changed, or the container was first seen
	Why       string    // while it is not Ready: what its probe last came to, with no word of what it answered
}
