package live

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// SideApp is whose pods the node side's are, one on each host. No manifest can name its namespace.
var SideApp = manifest.ID{Kind: "DaemonSet", Namespace: "podkeep.io", Name: "node"}

// SideName is how Podman shows one of its pods. No other pod has such a name: those end in a slot.
func SideName(cluster, rev string) string {
	return strings.TrimLeft(unless("default", cluster)+"_podkeep-node-"+ShortRev(rev), "_")
}

// SideVolume is the claim that keeps what the node side knows. It outlives its pods, and is no claim of a workload's.
const SideVolume = "state"

// SideLitter is what a plan calls what a node side leaves behind on a host: its volumes, its images, and the pods' network.
const SideLitter = "podkeep-node"

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
	// Troubles are what it could not do, and why. What its network lacks is in Net.
	Troubles []string
	// Serves is the table by which its host routes, and Signer the key that signed it, which is for others to believe; they are none while nobody
	// knows what it says. Number is that of the table in force there, whoever's it is: 0 while none is. Taken is that of the newest that the
	// node side was given, in force or to be: where Number is 0 and Taken is not, as after its restart, the host may still route by one from before.
	// These and Net stay what they last were while it is not heard. Nobody edits them.
	Serves *route.Table
	Signer string
	// Told are the tables that it was sent and has not said since that it serves, or a newer one: its host may route by each of them.
	Told []*route.Table
	// Behind is for how long its host routes by another table than it is told to.
	Behind time.Duration
	Number uint64
	Taken  uint64
	Net    Net
	// Doors are those of its host, and Keys the Mark of what it keeps for them.
	Doors []Door
	Keys  string
	// Mute are the pods of doors that run and are not among Doors, each with for how long that has been so while the node side was heard.
	Mute map[string]time.Duration
}

// Net is what a node side says of its host's network.
type Net struct {
	Range    netip.Prefix      `json:",omitzero"`  // of the pod network that is there, ready for pods
	Address  netip.Addr        `json:",omitzero"`  // by which the host reaches others
	Paths    map[string]string `json:",omitempty"` // how it reaches the pods of each other node: "direct", "vxlan", or why it does not
	Troubles []string          `json:",omitempty"` // what is not as the table says, and why
	Keeps    []route.HostPort  `json:",omitempty"` // ports at which the host itself listens, of those that Services ask of hosts: there they are not served. Sorted
	Crowded  bool              `json:",omitempty"` // conntrack is full: no new connection of the host and its pods begins
	None     string            `json:",omitempty"` // why the host has no pod network and will have none; its pods have addresses of its own
}

// PodNetwork is a network of pods that Podman is to know.
type PodNetwork struct {
	Name, Bridge string
	Range        netip.Prefix // the first address is the host's own
	MTU          int
}

// Tend is which pods a node side is to look after.
type Tend struct {
	Pods []string // sorted
	// Idle are those of them that are probed and no more: what ends in them stays so, and nothing is ended. Sorted.
	Idle []string `json:",omitempty"`
	Node string   `json:",omitempty"` // what their host is called, for pods that ask
}

// Equal says whether both say the same.
func (t Tend) Equal(o Tend) bool {
	return slices.Equal(t.Pods, o.Pods) && slices.Equal(t.Idle, o.Idle) && t.Node == o.Node
}

// Heard says whether the node side answers.
func (s Side) Heard() bool { return s.Version != "" }

// SidePod is the node side's pod on the node, the one of the highest version; nil where there is none.
func (n Node) SidePod() *Pod {
	var found *Pod
	for i := range n.Pods {
		if p := &n.Pods[i]; p.App == SideApp && (found == nil || p.Side > found.Side) {
			found = p
		}
	}
	return found
}

// WithoutSide are the node's pods but for podkeep's own: the node side's and doors.
func (n Node) WithoutSide() []Pod {
	is := func(p Pod) bool { return IsOwn(p.App) }
	if !slices.ContainsFunc(n.Pods, is) {
		return n.Pods
	}
	return slices.DeleteFunc(slices.Clone(n.Pods), is)
}

// Unserved says why a node has no node side for as long as nobody changes that; "" where it has one or is to have one.
func (n Node) Unserved(offer manifest.SideOffer) string {
	switch {
	case offer.Refused:
		return "no node side is wanted on hosts (--node-side=never)"
	case n.SidePod() != nil:
		return ""
	case offer.Version == "":
		return "there is no node side"
	case n.Facts.Arch != "" && offer.Images[n.Facts.Arch] == "":
		return fmt.Sprintf("there is no node side for %s (--node-binary %[1]s=PATH)", n.Facts.Arch)
	}
	return ""
}

// Judged are the node's pods but for podkeep's own, and of those with probes what is known of them: nothing, while the node side is not heard; or
// that nobody will run them.
func (n Node) Judged(offer manifest.SideOffer) []Pod {
	pods := n.WithoutSide()
	if n.Side.Heard() || !slices.ContainsFunc(pods, func(p Pod) bool { return len(p.Birth.Probes) > 0 }) {
		return pods
	}
	why := n.Unserved(offer)
	pods = slices.Clone(pods)
	for i := range pods {
		switch {
		case len(pods[i].Birth.Probes) == 0:
		case why != "":
			pods[i].Unprobed = "its probes are not run: " + why
		default:
			pods[i].Unheard = true
		}
	}
	return pods
}

// Short is its version as people call it: what stands behind the time that makes one higher than another.
func (s Side) Short() string {
	if _, name, ok := strings.Cut(s.Version, "-"); ok {
		return name
	}
	return s.Version
}

// Probed is what the node side says of one container that has probes. Times are on the reader's clock.
type Probed struct {
	Container string
	ID        string    // of the container: what was said of another one of that name does not count
	Started   bool      // its startup probe has succeeded, or it has none
	Ready     bool      // it is Started, and its readiness probe says so, or it has none
	Since     time.Time // when Ready last changed, or the container was first seen
	Why       string    // while it is not Ready: what its probe last came to, with no word of what it answered
	Ending    string    `json:",omitempty"` // kind of the probe that gave it up, which is why it is ended, or was
}
