package network

import (
	"context"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Watch sees to what comes between one Put and the next, until ctx ends: ports that appear on the bridge, and whether the direct way to another
// host is open. Once that is decided otherwise, it is taken, and the next Put says so.
func (n *Network) Watch(ctx context.Context) {
	var join sync.WaitGroup
	join.Go(func() { n.watchPorts(ctx) })
	n.watchWays(ctx)
	join.Wait()
}

// watchPorts asks the kernel for news of links. Where news was lost, all ports are looked at, as they are when there is some.
func (n *Network) watchPorts(ctx context.Context) {
	for ctx.Err() == nil {
		err := n.hearLinks(ctx)
		if ctx.Err() == nil {
			n.log.WithError(err).Warn("the kernel's news of links broke off")
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

func (n *Network) hearLinks(ctx context.Context) error {
	news, err := linkNews()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = news.Close() })()
	defer news.Close()
	for buffer := make([]byte, 1<<16); ; {
		n.mu.Lock()
		err := n.settle()
		n.mu.Unlock()
		if err != nil {
			n.log.WithError(err).Warn("ports of the pods' bridge")
		}
		for relevant := false; !relevant; {
			size, err := news.Read(buffer)
			if err != nil {
				return err
			}
			relevant = n.concern(buffer[:size])
		}
	}
}

// linkNews is a socket on which the kernel says what becomes of links.
func linkNews() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "links"), nil
}

// concern says whether news are of a port of the bridge.
func (n *Network) concern(news []byte) bool {
	messages, err := syscall.ParseNetlinkMessage(news)
	if err != nil {
		return true
	}
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWLINK {
			continue
		}
		link, err := netlink.LinkDeserialize(nil, m.Data)
		if err != nil || link.Attrs().MasterIndex == 0 {
			continue
		}
		if master, err := netlink.LinkByIndex(link.Attrs().MasterIndex); err == nil && master.Attrs().Name == n.named.Bridge {
			return true
		}
	}
	return false
}

// watchWays makes one round of trials after the other.
func (n *Network) watchWays(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.fresh:
		case <-timer.C:
		}
		pause := n.pace.leisure
		if n.round(ctx) {
			pause = n.pace.haste
		}
		timer.Reset(pause)
	}
}

// round asks each host that is near, and takes the other way to those of which enough answers say so. It says whether one is undecided.
func (n *Network) round(ctx context.Context) (undecided bool) {
	n.mu.Lock()
	from, to := n.known()
	n.mu.Unlock()
	if !from.IsValid() {
		return false
	}
	heard, err := echo(ctx, from, to, n.pace.patience)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		n.log.WithError(err).Warn("the direct ways to other nodes cannot be tried")
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := false
	for name, t := range n.trials {
		if t.from != from {
			continue
		}
		if t.saw(heard[t.to]) {
			n.log.WithFields(map[string]any{"node": name, "path": map[bool]string{true: direct, false: vxlan}[t.direct]}).Info("takes another way")
			changed = true
		}
		undecided = undecided || t.row > 0
	}
	if changed && n.table != nil {
		if _, err := n.mend(ctx); err != nil {
			n.log.WithError(err).Warn("the ways to other nodes")
		}
	}
	return undecided
}

// known are the other hosts' own addresses in the pod network that may be asked: those whose wire address the kernel knows. It would find that
// out in the name of whoever sends, and nobody need answer one who is not of the wire: then no packet at all would pass. So the rest are greeted
// in the name of the host first.
func (n *Network) known() (from netip.Addr, to []netip.Addr) {
	near := map[netip.Addr]bool{}
	known, err := neighbours(0, netlink.FAMILY_V4)
	if err != nil {
		return netip.Addr{}, nil
	}
	for _, e := range known {
		if ip, ok := netip.AddrFromSlice(e.IP); ok && len(e.HardwareAddr) > 0 && e.State&(netlink.NUD_FAILED|netlink.NUD_INCOMPLETE) == 0 {
			near[ip.Unmap()] = true
		}
	}
	for _, t := range n.trials {
		if from = t.from; near[t.by] {
			to = append(to, t.to)
		} else {
			greet(t.by)
		}
	}
	return from, to
}
