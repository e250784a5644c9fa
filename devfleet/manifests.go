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
	if n.SSH {
		return "podman+ssh://root@" + n.Address + ":22/run/podman/podman.sock"
	}
	return "podman+unix://" + n.Socket
}

// Manifests are the fleet's Node objects, as a repository should hold them.
func (f *Fleet) Manifests() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# The nodes of local fleet %s, written by `podkeep dev up`.\n", f.Name)
	for i, n := range f.Nodes {
		if i > 0 {
			out.WriteString("---\n")
		}
		fmt.Fprintf(&out, "apiVersion: v1\nkind: Node\nmetadata:\n  name: %s\n  annotations:\n    podkeep.io/address: %s\n", n.Name, n.Address)
		fmt.Fprintf(&out, "spec:\n  providerID: %s\n  podCIDR: %s\n", n.ProviderID(), n.PodCIDR)
	}
	return out.Bytes()
}
