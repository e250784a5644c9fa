package devfleet

import (
	"bytes"
	"fmt"
	"path/filepath"
)

// NodesFile is where Up writes Manifests.
func (f *Fleet) NodesFile() string { return filepath.Join(f.Dir, "nodes.yaml") }

// ProviderID is how podkeep reaches the node.
func (n Node) ProviderID() string {
	switch {
	case n.SSH && n.Rootless:
		return "podman+ssh://" + keeper + "@" + n.Address + ":22" + n.runtimeDir() + "/podman/podman.sock"
	case n.SSH:
		return "podman+ssh://root@" + n.Address + ":22/run/podman/podman.sock"
	}
	return "podman+unix://" + n.Socket
}

// User is whose Podman the node has.
func (n Node) User() string {
	if n.Rootless {
		return fmt.Sprintf("%s (%d)", keeper, n.UID)
	}
	return "root"
}

// Manifests are the fleet's Node objects, as a repository should hold them.
func (f *Fleet) Manifests() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# The nodes of local fleet %s, written by `podkeep dev up`.\n", f.Name)
	for i, n := range f.Nodes {
		if i > 0 {
			out.WriteString("---\n")
		}
		if n.Rootless {
			fmt.Fprintf(&out, "# Its Podman is a user's own: %s.\n", n.User())
		}
		fmt.Fprintf(&out, "apiVersion: v1\nkind: Node\nmetadata:\n  name: %s\n  annotations:\n    podkeep.io/address: %s\n", n.Name, n.Address)
		fmt.Fprintf(&out, "spec:\n  providerID: %s\n  podCIDR: %s\n", n.ProviderID(), n.PodCIDR)
	}
	return out.Bytes()
}
