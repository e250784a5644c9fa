package live

import "time"

// Checkup is what a host says of itself when it is asked in full, once, before anything is made there. Texts are empty and numbers
// are -1 where it cannot be known.
type Checkup struct {
	Podman      string // version
	OS, Kernel  string
	Cgroups     string   // v1 or v2
	Controllers []string // cgroup controllers that containers may use
	Runtime     string   // crun, runc
	Runs        string   // that runtime's version, as 1.8.1
	Network     string   // netavark or cni
	Netavark    string   // its version, as 1.4.0; Podman 4.3 does not say it
	Outside     []string // programs that join the pods of a user's Podman to the host's network, of those that Podman found
	Events      string   // journald, file or none
	Rootless    bool
	Skew        time.Duration // how far its clock is ahead of ours; below 1.5 s it cannot be told
	Storage     string        // overlay, vfs, btrfs: how images and containers are kept
	Disk        string        // where they lie
	Size, Free  int64         // of that disk, in bytes
	Locks       int           // that are free
	LowPort     int           // the lowest port that a user without rights may listen at
	Socket      string        // whether podman.socket starts with the host: as systemctl is-enabled says
	Restart     string        // the same of podman-restart.service
	Lingers     string        // whether a user's services run without a login: yes or no
	User        string        // whose Podman it is, if not root's
	SubUIDs     int           // how many user ids that user has beside the own one
	SubGIDs     int           // the same of group ids
	Checked     []string      // images that have a HEALTHCHECK, by all their names
}
