package devfleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Kill makes a node go dark: its Podman service and its SSH server are killed and its cable is pulled. Its containers
// keep running, which nobody can see. Heal ends it.
func (f *Fleet) Kill(ctx context.Context, node string) error {
	n, pid, err := f.running(node)
	if err != nil {
		return err
	}
	if err := f.setLink(n, false); err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	return end(ctx, append(n.services(pid), n.sshds(pid)...))
}

// KillService kills the Podman service alone.
func (f *Fleet) KillService(ctx context.Context, node string) error {
	n, pid, err := f.running(node)
	if err != nil {
		return err
	}
	return end(ctx, n.services(pid))
}

// Heal undoes every fault: the node is on, plugged in, thawed, and answers.
func (f *Fleet) Heal(ctx context.Context, node string) error {
	n, err := f.Node(node)
	if err != nil {
		return err
	}
	unlock, err := lock(ctx, f.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := f.heal(ctx, n); err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	return nil
}

// Freeze stops the Podman service's clock: connections are accepted, nothing answers. Containers run on. Thaw or Heal
// ends it.
func (f *Fleet) Freeze(node string) error { return f.signal(node, syscall.SIGSTOP) }

// Thaw ends Freeze.
func (f *Fleet) Thaw(node string) error { return f.signal(node, syscall.SIGCONT) }

func (f *Fleet) signal(node string, sig syscall.Signal) error {
	n, pid, err := f.running(node)
	if err != nil {
		return err
	}
	services := n.services(pid)
	if len(services) == 0 {
		return fmt.Errorf("%s: its Podman service does not run", node)
	}
	for _, p := range services {
		if err := syscall.Kill(p.PID, sig); err != nil {
			return fmt.Errorf("%s: %w", node, err)
		}
	}
	return until(context.Background(), patience, node+": its Podman service does not obey", func() bool {
		return f.status(n).Frozen == (sig == syscall.SIGSTOP)
	})
}

// Partition pulls the node's cable. A node that is reached by unix socket still answers this machine; its pods and an
// SSH node do not. Reconnect or Heal ends it.
func (f *Fleet) Partition(node string) error { return f.link(node, false) }

// Reconnect ends Partition.
func (f *Fleet) Reconnect(node string) error { return f.link(node, true) }

func (f *Fleet) link(node string, up bool) error {
	n, _, err := f.running(node)
	if err != nil {
		return err
	}
	if err := f.setLink(n, up); err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	return nil
}

// PowerOff cuts the node's power: everything that ran on it is gone, its disk is not. Heal turns it on again.
func (f *Fleet) PowerOff(ctx context.Context, node string) error {
	n, err := f.Node(node)
	if err != nil {
		return err
	}
	return powerOff(ctx, n.Dir)
}

// Reboot is PowerOff and Heal. Podman starts nothing again by itself.
func (f *Fleet) Reboot(ctx context.Context, node string) error {
	if err := f.PowerOff(ctx, node); err != nil {
		return err
	}
	return f.Heal(ctx, node)
}

// Erase is PowerOff with an empty disk afterwards: no images, no containers, no secrets, no volumes.
func (f *Fleet) Erase(ctx context.Context, node string) error {
	if err := f.PowerOff(ctx, node); err != nil {
		return err
	}
	n, err := f.Node(node)
	if err != nil {
		return err
	}
	if err := unmountDisk(n.Dir); err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	for _, path := range []string{"storage", "etc", "home"} {
		if err := os.RemoveAll(filepath.Join(n.Dir, path)); err != nil {
			return fmt.Errorf("%s: %w", node, err)
		}
	}
	return nil
}

// Wipe is Erase and Heal.
func (f *Fleet) Wipe(ctx context.Context, node string) error {
	if err := f.Erase(ctx, node); err != nil {
		return err
	}
	return f.Heal(ctx, node)
}

// Replace is Erase, with another disk put in that holds so many bytes, and Heal. The disk is in memory. Erase takes it
// out again.
func (f *Fleet) Replace(ctx context.Context, node string, size int64) error {
	if err := f.Erase(ctx, node); err != nil {
		return err
	}
	n, err := f.Node(node)
	if err != nil {
		return err
	}
	disk := filepath.Join(n.Dir, "storage")
	if err := os.MkdirAll(disk, 0o755); err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	if err := unix.Mount("disk", disk, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", size)); err != nil {
		return fmt.Errorf("%s: mount %s: %w", node, disk, err)
	}
	return f.Heal(ctx, node)
}

// unmountDisk takes out the disk that Replace put into the node whose directory this is, if it did.
func unmountDisk(nodeDir string) error {
	disk := filepath.Join(nodeDir, "storage")
	err := unix.Unmount(disk, unix.MNT_DETACH)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("unmount %s: %w", disk, err)
}

func (f *Fleet) running(node string) (n Node, pid int, err error) {
	if n, err = f.Node(node); err != nil {
		return n, 0, err
	}
	pid, on := initOf(n.Dir)
	if !on {
		return n, 0, fmt.Errorf("%s: it is off", node)
	}
	return n, pid, nil
}
