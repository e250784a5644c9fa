package node

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onHost calls f on a thread that is in the namespaces of the process that runs our container, which is in those where Podman is, and so will
// be what f starts: there are the runtime, what it knows, its containers' roots and their cgroups. That thread ends with the call.
func onHost(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() { // a process' first thread cannot end: it is kept busy meanwhile
			defer runtime.UnlockOSThread()
			done <- onHost(f)
			return
		}
		err := leave()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// leave takes the thread out of the container, if we are in one. That of the files comes last: then our own paths are gone.
func leave() error {
	pid := outside()
	if pid == 0 {
		return nil
	}
	if unix.Unshare(unix.CLONE_FS) != nil {
		return void("the host's files cannot be reached")
	}
	for _, ns := range []struct {
		name string
		flag int
	}{{"cgroup", unix.CLONE_NEWCGROUP}, {"mnt", unix.CLONE_NEWNS}} {
		if !shared(pid, ns.name) && join(pid, ns.name, ns.flag) != nil {
			return void(fmt.Sprintf("the host's %s namespace cannot be joined", ns.name))
		}
	}
	return nil
}

// shared says whether the thread is in that namespace of a process already: of the host's own a user may not join even that.
func shared(pid int, name string) bool {
	own, err := os.Stat("/proc/thread-self/ns/" + name)
	its, err2 := os.Stat(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
	return err == nil && err2 == nil && os.SameFile(own, its)
}

func join(pid int, name string, flag int) error {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
	if err != nil {
		return err
	}
	defer ns.Close()
	return unix.Setns(int(ns.Fd()), flag)
}

// outside is the nearest of the processes above ours that sees other files than we do, or 0: conmon, or what was left with its container.
func outside() int {
	own, err := os.Stat("/proc/self/ns/mnt")
	for pid := os.Getppid(); err == nil && pid > 0; pid = parent(pid) {
		its, err := os.Stat(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		if err != nil {
			break
		}
		if !os.SameFile(own, its) {
			return pid
		}
	}
	return 0
}
