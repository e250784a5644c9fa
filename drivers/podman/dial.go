package podman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/live"
)

// Dial opens a TCP connection as the host does: through the SSH connection, or, for a Podman on this machine, from the network that Podman is in.
// The pods of a user's own Podman no host reaches: the node side does, which is among them.
func (d *Driver) Dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.look)
	defer cancel()
	from := d.client.dialer.dialFrom
	if at, err := netip.ParseAddrPort(address); err == nil && !at.Addr().IsLoopback() && d.users(ctx) {
		from = d.dialInside
	}
	conn, err := from(ctx, address)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%s does not answer: %w", address, ctx.Err())
	}
	return conn, err
}

// users says whether the host's Podman is a user's own. It waits for what is not known yet.
func (d *Driver) users(ctx context.Context) bool {
	known, asking := d.host.facts(d.life, d.client.served())
	if !known.known() && asking != nil {
		select {
		case <-asking:
		case <-ctx.Done():
		}
		known, _ = d.host.facts(d.life, d.client.served())
	}
	return known.Facts.Rootless
}

// dialInside connects from the node side's container.
func (d *Driver) dialInside(ctx context.Context, address string) (net.Conn, error) {
	id, err := d.sideContainer(ctx)
	if err != nil {
		return nil, fmt.Errorf("pods of a user's own Podman are reached through its node side alone: %w", err)
	}
	conn, err := d.sideExec(ctx, id, "reach", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	_, err = io.ReadFull(conn, make([]byte, len(live.SideReached)))
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// dialFrom goes the way that Podman's socket shows: who listens there is in the host's network, which need not be ours.
func (path local) dialFrom(ctx context.Context, address string) (net.Conn, error) {
	ns, err := path.network(ctx)
	if err != nil {
		return nil, err
	}
	if ns == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	defer ns.Close()
	return dialIn(ctx, ns, address)
}

// network is the network namespace of the process that listens at the socket; nil where it is ours, or may not be looked at.
func (path local) network(ctx context.Context) (*os.File, error) {
	conn, err := path.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var who *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { who, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	theirs := fmt.Sprintf("/proc/%d/ns/net", who.Pid)
	is, err := os.Stat(theirs)
	if err != nil {
		return nil, nil
	}
	if ours, err := os.Stat("/proc/self/ns/net"); err != nil || os.SameFile(ours, is) {
		return nil, err
	}
	return os.Open(theirs)
}

// dialIn dials on a thread that is in a network namespace, and ends with the call. A socket stays in the one that it was made in. The address is
// no name, so the thread makes the socket itself.
func dialIn(ctx context.Context, ns *os.File, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() { // a process' first thread cannot end: it is kept busy meanwhile
			defer runtime.UnlockOSThread()
			conn, err = dialIn(ctx, ns, address)
			return
		}
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("the network that Podman is in cannot be entered, which takes root: %w", err)
			return
		}
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}()
	<-done
	return conn, err
}

// dialFrom asks sshd to connect.
func (r *remote) dialFrom(ctx context.Context, address string) (net.Conn, error) {
	conn, err := r.open(ctx, "tcp", func(string) string { return address })
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited:
		return nil, fmt.Errorf("ssh %s: sshd forbids connections through it (%s): is AllowTcpForwarding on in sshd_config?", r.name(), refused.Message)
	case errors.As(err, &refused):
		return nil, fmt.Errorf("dial tcp %s: %s", address, refused.Message)
	}
	return conn, err
}
