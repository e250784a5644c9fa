package route

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Named is what a cluster's own things are called on every host. Two clusters on one host have no two alike.
type Named struct {
	Network string // Podman's network of the pods
	Bridge  string // its link
	Tunnel  string // the VXLAN link to other nodes
	Table   string // of nftables
	VNI     int    // of the tunnel, below 1<<24
}

// TunnelPort is the UDP port of the tunnel: IANA's for VXLAN.
const TunnelPort = 4789

// NamedOf names the things of a cluster.
func NamedOf(cluster string) Named {
	sum := sha256.Sum256([]byte(cluster))
	short := hex.EncodeToString(sum[:4])
	return Named{
		Network: "podkeep-" + cluster, Bridge: "pk-" + short, Tunnel: "pkx-" + short, Table: "podkeep-" + cluster,
		VNI: int(binary.BigEndian.Uint32(sum[4:8])>>8) | 1,
	}
}
