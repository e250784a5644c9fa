package devfleet

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mark is the environment variable that a node's processes carry; its value is the node's directory. Helpers carry the
// fleet's.
const mark = "PODKEEP_DEV_NODE"

// process is one process as /proc shows it.
type process struct {
	PID   int
	State byte // R, S, T, Z, ...
	Args  []string
	Began string // in ticks since this machine did
}

// initOf finds the init of the node whose directory this is. No init means that the node is off.
func initOf(nodeDir string) (pid int, on bool) {
	for _, pid := range marked(nodeDir) {
		if first(pid) {
			return pid, true
		}
	}
	return 0, false
}

// marked lists the live processes of this machine that carry the node's mark.
func marked(nodeDir string) []int {
	var found []int
	want := []byte(mark + "=" + nodeDir)
	for _, pid := range pids() {
		environ, err := os.ReadFile(procPath(pid, "environ"))
		if err != nil || !has(environ, want) {
			continue
		}
		if p, ok := read(pid); ok && p.State != 'Z' {
			found = append(found, pid)
		}
	}
	return found
}

// gone gives a function that says whether no process carries the mark any more. A process hides its environment for a
// moment when it becomes another program, so it takes five looks in a row to say yes.
func gone(dir string) func() bool {
	looks := 0
	return func() bool {
		looks++
		if len(marked(dir)) > 0 {
			looks = 0
		}
		return looks >= 5
	}
}

func has(environ, want []byte) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(entry, want) {
			return true
		}
	}
	return false
}

// first says whether a process is number 1 of a process namespace directly below ours.
func first(pid int) bool {
	status, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			return len(fields) == 2 && fields[1] == "1"
		}
	}
	return false
}

// beside lists the live processes in the same process namespace as pid. Containers have their own, so these are
// the node's system: init, Podman, conmon, sshd.
func beside(pid int) []process {
	namespace, err := os.Readlink(procPath(pid, "ns/pid"))
	if err != nil {
		return nil
	}
	var found []process
	for _, other := range pids() {
		if ns, err := os.Readlink(procPath(other, "ns/pid")); err != nil || ns != namespace {
			continue
		}
		if p, ok := read(other); ok && p.State != 'Z' {
			found = append(found, p)
		}
	}
	return found
}

func pids() []int {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	var all []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(filepath.Base(entry)); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

func read(pid int) (process, bool) {
	cmdline, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return process{}, false
	}
	stat, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return process{}, false
	}
	_, rest, ok := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), " ")
	if !ok || rest == "" {
		return process{}, false
	}
	args := strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	return process{PID: pid, State: rest[0], Args: args, Began: startTime(rest)}, true
}

// startTime is field 22 of /proc/PID/stat, of which rest begins with the third.
func startTime(rest string) string {
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

func procPath(pid int, file string) string { return filepath.Join("/proc", strconv.Itoa(pid), file) }

// service says whether this is the node's Podman service.
func (p process) service() bool {
	return len(p.Args) > 2 && filepath.Base(p.Args[0]) == "podman" && p.Args[1] == "system" && p.Args[2] == "service"
}

// sshd says whether this belongs to the node's SSH server; sessions rename themselves to "sshd: ...".
func (p process) sshd() bool {
	return strings.HasPrefix(filepath.Base(p.Args[0]), "sshd")
}

// keep lets nothing that this process starts from now on have the files it was itself given open, beyond the usual three. A
// node outlives who made it, and would hold a lock on such a file for as long.
func keep() { _ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }

// end kills processes and waits until they are gone.
func end(ctx context.Context, processes []process) error {
	for _, p := range processes {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	return until(ctx, patience, "end processes", func() bool {
		for _, p := range processes {
			if now, ok := read(p.PID); ok && now.State != 'Z' {
				return false
			}
		}
		return true
	})
}
