package node

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// endBelow kills all that descends from a process, which then ends by itself, or the process where nothing does.
func endBelow(root int) error {
	seen, err := halted(root)
	if err != nil {
		return err
	}
	if len(seen) == 1 {
		return unix.Kill(root, unix.SIGKILL)
	}
	for pid := range seen {
		if pid != root {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return unix.Kill(root, unix.SIGCONT)
}

// Kill ends a process of a container by force, with all that descends from it, and waits until they have ended. One that is gone is success; one of
// another container, or of none, is an error: its number was given away anew.
func Kill(container string, pid int) error {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(container) != idLength || !bytes.Contains(groups, []byte("libpod-"+container)) {
		return fmt.Errorf("process %d is none of container %s", pid, container)
	}
	seen, err := halted(pid)
	if err != nil {
		return err
	}
	return killed(seen)
}

const (
	idLength = 64              // that of a container's whole ID
	dying    = 5 * time.Second // how long what was killed may take to end: what waits for a disk cannot
)

// killed kills processes, and waits until none of them runs.
func killed(pids map[int]bool) error {
	for pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for deadline := time.Now().Add(dying); ; time.Sleep(5 * time.Millisecond) {
		left := slices.DeleteFunc(slices.Sorted(maps.Keys(pids)), func(pid int) bool { state, _ := stat(pid); return strings.Contains("ZX", state) })
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v were killed, and do not end", left)
		}
	}
}

// halted are a process and all that descends from it. Each is halted before those below it are looked for once more, so that none is begun
// meanwhile and escapes.
func halted(root int) (map[int]bool, error) {
	_ = unix.Kill(root, unix.SIGSTOP)
	seen := map[int]bool{root: true}
	for grown := true; grown; {
		all, err := parents()
		if err != nil {
			return nil, err
		}
		grown = halt(all, seen)
	}
	return seen, nil
}

// halt stops what has a parent among seen, and adds it.
func halt(parents map[int]int, seen map[int]bool) (grown bool) {
	for pid, above := range parents {
		if seen[above] && !seen[pid] {
			_ = unix.Kill(pid, unix.SIGSTOP)
			seen[pid], grown = true, true
		}
	}
	return grown
}

// parents gives each process' parent.
func parents() (map[int]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	all := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		all[pid] = parent(pid)
	}
	return all, nil
}

// parent is the process above another, or 0.
func parent(pid int) int {
	_, above := stat(pid)
	return above
}

// stat is a process' state, as a letter, and the process above it. Of one that is gone they are empty, and 0.
func stat(pid int) (state string, above int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	_, _ = fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &above)
	return state, above
}
