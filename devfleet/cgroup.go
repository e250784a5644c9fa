package devfleet

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
)

// A power cut leaves the containers' control groups behind, which no real machine would. They are named for pods and
// containers, whose ids are 64 hex digits; Podman's database on the node's disk holds every one of them.

var hexRun = regexp.MustCompile(`[0-9a-f]{64,}`)

// cgroupParents are the groups under which Podman makes its own: one a controller, or a single one.
func cgroupParents() []string {
	parents, _ := filepath.Glob("/sys/fs/cgroup/*/libpod_parent")
	return append(parents, "/sys/fs/cgroup/libpod_parent")
}

// removeCgroups removes the groups of the pods and containers that the node's database names. The kernel refuses to
// remove one in which something runs, so a foreign one cannot be hurt.
func removeCgroups(ctx context.Context, nodeDir string) error {
	ids := idsOn(nodeDir)
	if len(ids) == 0 {
		return nil
	}
	return until(ctx, patience, nodeDir+": remove control groups", func() bool {
		clean := true
		for _, parent := range cgroupParents() {
			clean = removeOwn(parent, ids) && clean
		}
		return clean
	})
}

func removeOwn(parent string, ids map[string]bool) (clean bool) {
	groups, _ := os.ReadDir(parent)
	clean = true
	for _, group := range groups {
		if !group.IsDir() || !ids[lastID(group.Name())] {
			continue
		}
		clean = removeTree(filepath.Join(parent, group.Name())) && clean
	}
	return clean
}

// lastID is the id in a group's name: ID or libpod-ID.
func lastID(name string) string { return name[max(0, len(name)-64):] }

func removeTree(group string) bool {
	entries, _ := os.ReadDir(group)
	for _, entry := range entries {
		if entry.IsDir() {
			removeTree(filepath.Join(group, entry.Name()))
		}
	}
	err := os.Remove(group)
	return err == nil || os.IsNotExist(err)
}

// idsOn finds what may be an id in the node's database. Ids can touch other hex digits there, so every window counts.
func idsOn(nodeDir string) map[string]bool {
	ids := map[string]bool{}
	for _, pattern := range []string{"storage/libpod/bolt_state.db", "storage/db.sql*"} {
		paths, _ := filepath.Glob(filepath.Join(nodeDir, pattern))
		for _, path := range paths {
			data, _ := os.ReadFile(path)
			for _, run := range hexRun.FindAll(data, -1) {
				for i := 0; i+64 <= len(run); i++ {
					ids[string(run[i:i+64])] = true
				}
			}
		}
	}
	return ids
}

// removeParentCgroups removes Podman's parent group once the last Podman on the machine has left it.
func removeParentCgroups() {
	for _, parent := range cgroupParents() {
		_ = os.Remove(filepath.Join(parent, "conmon"))
		_ = os.Remove(parent)
	}
}
