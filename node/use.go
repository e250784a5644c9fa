package node

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/live"
)

// Use measures the host for a while. Dir is on the file system whose room is told.
func Use(dir string, window time.Duration) (live.HostUse, error) {
	u := live.HostUse{CPUs: int64(runtime.NumCPU())}
	busyBefore, allBefore, err := ticks()
	if err != nil {
		return u, err
	}
	time.Sleep(window)
	busy, all, err := ticks()
	if err != nil {
		return u, err
	}
	if all > allBefore {
		u.MilliCPU = (busy - busyBefore) * u.CPUs * 1000 / (all - allBefore)
	}
	if u.MemoryAll, u.Memory, err = memory(); err != nil {
		return u, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return u, err
	}
	u.Disk = int64(fs.Blocks-fs.Bfree) * int64(fs.Bsize)
	u.DiskAll = u.Disk + int64(fs.Bavail)*int64(fs.Bsize) // as df has it: what is kept back is nobody's to fill
	return u, nil
}

// ticks are those of all processors since the host began: those in which something ran, and all.
func ticks() (busy, all int64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var user, nice, system, idle, wait, irq, soft, steal int64
	if _, err := fmt.Sscanf(string(line), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return 0, 0, fmt.Errorf("/proc/stat: %w", err)
	}
	busy = user + nice + system + irq + soft
	return busy, busy + idle + wait + steal, nil
}

// memory is how much there is, and how much of it is not to be had any more.
func memory() (all, used int64, err error) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	left := int64(-1)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		var kib int64
		_, _ = fmt.Sscan(value, &kib)
		switch name {
		case "MemTotal":
			all = kib << 10
		case "MemAvailable":
			left = kib << 10
		}
	}
	if all == 0 || left < 0 {
		return 0, 0, fmt.Errorf("/proc/meminfo does not say how much memory there is")
	}
	return all, all - left, nil
}
