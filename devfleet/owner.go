package devfleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/dump"
)

// A fleet may have an owner, a process without which it is good for nothing: that of a test. Such a fleet is removed once
// its owner has ended, whatever ended it. People's fleets have no owner and stay.

// ownerMark is the environment variable whose value names the owner of a process and of the fleets that it makes.
const ownerMark = "PODKEEP_DEV_OWNER"

// reaperMark makes a program that calls Own a reaper. Its value is the owner, a blank, and the owner's TMPDIR.
const reaperMark = "PODKEEP_DEV_REAPER"

// Own makes this process an owner: of the fleets that it makes, of its child processes and the fleets that they make, and
// of its temporary files, for which TMPDIR is set. A second process of the same program removes them all once this one
// has ended. Call it first in main or TestMain: in the second process it does not return.
func Own() error {
	if owner, dir, ok := strings.Cut(os.Getenv(reaperMark), " "); ok {
		if err := reapAfter(context.Background(), owner, dir); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "podkeep-")
	if err != nil {
		return err
	}
	me := ownerName(os.Getpid())
	if err := startReaper(me, dir); err != nil {
		return fmt.Errorf("start a reaper: %w", err)
	}
	return errors.Join(os.Setenv("TMPDIR", dir), os.Setenv(ownerMark, me))
}

// reapAfter reaps when the owner has ended. Its files are closed, the pipe to here among them, a moment before.
func reapAfter(ctx context.Context, owner, dir string) error {
	_, _ = io.Copy(io.Discard, os.Stdin)
	err := until(ctx, patience, owner+": end", func() bool { return !lives(owner) })
	return errors.Join(err, reap(ctx), os.RemoveAll(dir))
}

// startReaper starts this program again, in a session of its own, so that what ends this one does not end it too. It is
// owned by nobody. It reads from a pipe whose other end is a descriptor that nobody closes for as long as this process lives.
func startReaper(owner, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	in := os.NewFile(uintptr(pipe[0]), "owner")
	defer in.Close()
	cmd := exec.Command(self)
	cmd.Dir, cmd.Stdin = "/", in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, ownerMark+"=") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, reaperMark+"="+owner+" "+dir)
	return cmd.Start()
}

// reap ends the processes and removes the fleets whose owner has ended. It finds fleets below Root, and elsewhere by
// their links.
func reap(ctx context.Context) error {
	if root() != nil {
		return nil // without root there are none
	}
	if err := endOrphans(ctx); err != nil {
		return err
	}
	dirs, err := fleetDirs()
	if err != nil {
		return err
	}
	var all []error
	for _, dir := range dirs {
		all = append(all, reapFleet(ctx, dir))
	}
	return errors.Join(all...)
}

func reapFleet(ctx context.Context, dir string) error {
	if !orphaned(dir) {
		return nil
	}
	unlock, err := lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if !orphaned(dir) { // somebody was quicker
		_ = os.Remove(dir) // which lock made, if it is empty
		return nil
	}
	return remove(ctx, dir)
}

// orphaned says whether the fleet whose directory this is had an owner that has ended.
func orphaned(dir string) bool {
	f, err := load(dir)
	return err == nil && f.Owner != "" && !lives(f.Owner)
}

func fleetDirs() ([]string, error) {
	dirs, _ := filepath.Glob(filepath.Join(Root, "*"))
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		if dir, ok := strings.CutPrefix(link.Attrs().Alias, alias("")); ok {
			dirs = append(dirs, dir)
		}
	}
	return unique(dirs), nil
}

// endOrphans kills the processes whose owner has ended.
func endOrphans(ctx context.Context) error {
	calm := 0
	return until(ctx, patience, "end the processes of an owner that has ended", func() bool {
		calm++
		for _, pid := range pids() {
			if owner := ownerOf(pid); owner != "" && !lives(owner) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				calm = 0
			}
		}
		return calm >= 5 // see gone
	})
}

// ownerOf is the mark that a live process carries, if it does.
func ownerOf(pid int) string {
	environ, err := os.ReadFile(procPath(pid, "environ"))
	if err != nil || !bytes.Contains(environ, []byte(ownerMark)) {
		return ""
	}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if owner, ok := strings.CutPrefix(string(entry), ownerMark+"="); ok {
			if p, on := read(pid); on && p.State != 'Z' {
				return owner
			}
		}
	}
	return ""
}

// ownerName names a live process so that no later one has the same name: its id, when it started, and in which process
// namespace that is so. Nothing for one that has ended.
func ownerName(pid int) string {
	p, on := read(pid)
	namespace, err := os.Readlink(procPath(pid, "ns/pid"))
	if !on || p.State == 'Z' || err != nil {
		return ""
	}
	return fmt.Sprintf("%d.%s.%s", pid, p.Began, namespace)
}

// lives says whether an owner has not ended. Whoever is of another process namespace, a container's or its host, may live.
func lives(owner string) bool {
	id, rest, _ := strings.Cut(owner, ".")
	_, namespace, _ := strings.Cut(rest, ".")
	here, _ := os.Readlink("/proc/self/ns/pid")
	pid, err := strconv.Atoi(id)
	return err == nil && (namespace != here || ownerName(pid) == owner)
}
