package live

// Load is what is used: CPU in thousandths of a core, over a while that was waited for, and bytes.
type Load struct{ MilliCPU, Memory int64 }

// Use is what a host measured.
type Use struct {
	Containers map[string]Load // by ID: those that ran all the while, whoever's they are
	Host       *HostUse        // nil where nobody on the host says it
	Why        string          // why not
}

// HostUse is the load of a whole host, and what it has. Disk is that of the file system where Podman keeps volumes.
type HostUse struct {
	Load
	CPUs, MemoryAll, Disk, DiskAll int64
}
