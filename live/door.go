package live

import (
	"github.com/podkeep/podkeep/manifest"
)

// DoorApp is whose pods the doors are, one on each host that has one, and two while a higher version takes over. No manifest can name its namespace.
var DoorApp = manifest.ID{Kind: "DaemonSet", Namespace: "podkeep.io", Name: "door"}

// DoorVolume is the claim in which node side and doors meet: there are their sockets, and nothing else. It is mounted at DoorDir in both.
const (
	DoorVolume    = "doors"
	DoorDir       = "/run/podkeep-doors"
	DoorSocket    = "side.sock"     // on which the node side hears doors, in DoorDir
	DoorHandover  = "handover.sock" // on which a door hears the one that comes after it, in DoorDir
	DoorContainer = "door"
)

// Door is what a node side says of a door on its host.
type Door struct {
	Pod     string // its pod, as it was told it is called
	Version string // of its program, as LabelSide has it
	Number  uint64 `json:",omitempty"` // of the table that it serves; 0 while none
	Leaving bool   `json:",omitempty"` // it takes no new connection: another one has its ports
	// Ports are those that it listens at, sorted. Troubles are what of the table it cannot do, and why, sorted: a port that the host has, a certificate that it lacks.
	Ports    []uint16 `json:",omitempty"`
	Troubles []string `json:",omitempty"`
}
