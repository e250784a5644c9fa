package drivers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/podkeep/podkeep/drivers/podman"
	"github.com/podkeep/podkeep/manifest"
)

// Options are what a driver needs to know and a Node's manifest does not say.
type Options struct {
	// Cluster is whose pods and files these are.
	Cluster string
	// KnownHosts and Identity are files for SSH; none means the user's own (see podman.Options).
	KnownHosts, Identity []string
	// Look bounds one Observe, Change one Run, Put or Delete, and Stop beyond the grace period. 0 means 5 s and 60 s.
	Look, Change time.Duration
	// Cache is a directory where it is kept what hosts said of themselves, for the next process. Empty means nowhere.
	Cache string
	// Whole has an Observe wait for what the host says of itself, as long as it may take; else it may come with a later one.
	Whole bool
	Warn  func(string) // is told of what is skipped in files for SSH; may be nil
}

// Open gives the driver for a Node's providerID. It does not connect: an unreachable host is Observe's to tell.
func Open(_ context.Context, node manifest.Node, o Options) (Driver, error) {
	switch scheme, _, _ := strings.Cut(node.ProviderID, "://"); scheme {
	case "podman+unix", "podman+ssh":
		return podman.New(node, podman.Options(o))
	}
	return nil, fmt.Errorf("%s: spec.providerID %q: no driver for it; write podman+unix:///run/podman/podman.sock or podman+ssh://root@HOST:22/run/podman/podman.sock", node.Name, node.ProviderID)
}
