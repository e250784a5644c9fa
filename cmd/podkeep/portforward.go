package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
)

type forwardOptions struct {
	settings
	namespace string
	addresses []string
}

func portForwardCommand() *cobra.Command {
	var o forwardOptions
	cmd := &cobra.Command{
		Use:   "port-forward KIND/NAME | POD [LOCAL:]REMOTE...",
		Short: "Reach a pod's port from this machine",
		Long: paragraphs(`
Listens on this machine and carries each connection to a port of a pod, by way of the pod's node: that of a workload or a
Service which is ready, first by name. When it does not answer any more, it looks at the fleet again, says so, and goes on with another.
It ends when it is interrupted.

A port is LOCAL:REMOTE, REMOTE for the same on both sides, or :REMOTE for a free one here. REMOTE is a number or
a name: of a Service, one of its ports, which leads to the targetPort; else a port of the pod.`),
		Example: examples(`
podkeep port-forward svc/web 8080:80
# a free port here, and a pod's port by its name
podkeep port-forward deploy/web :http
# several, for others in this network too
podkeep port-forward web-3fa9c1-0 5432 9090 --address 0.0.0.0`),
		Args: takes(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1:]) },
	}
	o.bind(cmd)
	o.namespaceFlag(cmd, &o.namespace)
	cmd.Flags().StringSliceVar(&o.addresses, "address", []string{"localhost"}, "where to listen: addresses of this machine, between commas")
	completed(cmd, free(nothing), "address")
	cmd.ValidArgsFunction = o.reachable(&o.namespace, 1, nothing)
	return cmd
}

// forward is one port here, and what it leads to.
type forward struct {
	local  string // empty: the same as the other; "0": a free one
	remote string
	to     peer      // where connections go for now
	seen   time.Time // when that pod was last seen at that address
}

// parseForward reads LOCAL:REMOTE, :REMOTE or REMOTE.
func parseForward(arg string) (*forward, error) {
	local, remote, both := strings.Cut(arg, ":")
	switch {
	case !both:
		local, remote = "", arg
	case local == "":
		local = "0"
	}
	if _, err := strconv.ParseUint(local, 10, 16); local != "" && err != nil || remote == "" || strings.Contains(remote, ":") {
		return nil, fmt.Errorf("%q: write LOCAL:REMOTE, such as 8080:80, :80 or 8080:http", arg)
	}
	return &forward{local: local, remote: remote}, nil
}

// forwarding is a command that forwards. What it knows of the fleet is guarded by mu, as is what it says.
type forwarding struct {
	*forwardOptions
	cmd    *cobra.Command
	arg    string
	mu     sync.Mutex
	crew   *crew
	looked time.Time
	join   sync.WaitGroup
}

func (o *forwardOptions) run(cmd *cobra.Command, arg string, ports []string) error {
	var all []*forward
	for _, p := range ports {
		f, err := parseForward(p)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	w := &forwarding{forwardOptions: o, cmd: cmd, arg: arg, crew: c, looked: time.Now()}
	ctx, cancel := context.WithCancel(ctx)
	defer w.join.Wait()
	defer cancel()
	for _, f := range all {
		if err := w.begin(ctx, f); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// begin listens for one port, and serves it until ctx ends.
func (w *forwarding) begin(ctx context.Context, f *forward) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	peers, err := w.crew.peers(w.arg, w.namespace, f.remote)
	if err != nil {
		return err
	}
	f.to, f.seen = peers[0], w.looked
	port := f.local
	if port == "" {
		port = f.remote
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			port = strconv.Itoa(int(f.to.at.Port()))
		}
	}
	listeners, err := listenAt(ctx, w.addresses, port)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		w.print("Forwarding from %s -> %d of %s", l.Addr(), f.to.at.Port(), f.to)
		context.AfterFunc(ctx, func() { _ = l.Close() })
		w.join.Go(func() { w.serve(ctx, l, f) })
	}
	return nil
}

// listenAt listens at a port of all addresses. Of localhost's two one is enough where the other is not there; one that somebody has is not.
func listenAt(ctx context.Context, addresses []string, port string) (all []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				_ = l.Close()
			}
		}
	}()
	for _, address := range addresses {
		hosts := []string{address}
		if address == "localhost" {
			hosts = []string{"127.0.0.1", "::1"}
		}
		var errs []error
		for _, host := range hosts {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
			if errors.Is(err, syscall.EADDRINUSE) {
				return all, err
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if _, given, _ := net.SplitHostPort(l.Addr().String()); port == "0" {
				port = given
			}
			all = append(all, l)
		}
		if len(errs) == len(hosts) {
			return all, errs[0]
		}
	}
	return all, nil
}

// print says a line. mu is held.
func (w *forwarding) print(format string, args ...any) {
	_, _ = fmt.Fprintln(w.cmd.OutOrStdout(), live.Plain(fmt.Sprintf(format, args...)))
}

func (w *forwarding) complain(format string, args ...any) {
	_, _ = fmt.Fprintln(w.cmd.ErrOrStderr(), "podkeep: "+live.Plain(fmt.Sprintf(format, args...)))
}

// mostForwarded is how many connections a port carries at a time: one more waits until another has ended.
const mostForwarded = 512

func (w *forwarding) serve(ctx context.Context, l net.Listener, f *forward) {
	slots := make(chan struct{}, mostForwarded)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		here, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files
			<-slots
			if !pauses(ctx, 100*time.Millisecond) {
				return
			}
			continue
		}
		w.join.Go(func() { w.carry(ctx, here, f); <-slots })
	}
}

func pauses(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// carry is one connection's life.
func (w *forwarding) carry(ctx context.Context, here net.Conn, f *forward) {
	defer func() { _ = here.Close() }()
	w.mu.Lock()
	w.print("Handling connection for %s", portOf(here.LocalAddr()))
	to, err := f.to, w.gone(ctx, f)
	w.mu.Unlock()
	var there net.Conn
	if err == nil {
		there, err = w.crew.dial(ctx, to.node, to.at.String())
	}
	if err != nil {
		there, err = w.elsewhere(ctx, f, to, err)
	}
	if err != nil {
		return
	}
	defer func() { _ = there.Close() }()
	both(ctx, here, there)
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

const (
	refresh = time.Second     // how old a look may be when a pod does not answer
	trusted = 3 * time.Second // for how long a pod that was seen is taken to be there
)

// gone is why a port does not lead to its pod any more: another pod may have its address by now, and would answer. mu is held.
func (w *forwarding) gone(ctx context.Context, f *forward) error {
	if time.Since(f.seen) < trusted {
		return nil
	}
	n, err := w.crew.drivers[f.to.node].Observe(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(n.Pods, func(p live.Pod) bool { return p.Name == f.to.pod })
	if at < 0 {
		return errors.New("is gone")
	}
	ip, err := addressOf(n.Pods[at])
	switch {
	case err != nil:
		return err
	case n.Pods[at].IP != "" && ip != f.to.at.Addr():
		return errors.New("has another address")
	}
	f.seen = time.Now()
	return nil
}

// elsewhere finds another pod for a port, for that which it leads to does not answer. Others that find the same wait here, and take what was found.
func (w *forwarding) elsewhere(ctx context.Context, f *forward, was peer, why error) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.to != was {
		if conn, err := w.crew.dial(ctx, f.to.node, f.to.at.String()); err == nil {
			return conn, nil
		}
	}
	if time.Since(w.looked) > refresh {
		if err := w.crew.again(ctx, w.cmd, &w.settings); err != nil {
			w.complain("%s: %v; and the fleet cannot be looked at: %v", was, why, err)
			return nil, err
		}
		w.looked = time.Now()
	}
	peers, err := w.crew.peers(w.arg, w.namespace, f.remote)
	if err != nil {
		w.complain("%s: %v; %v", was, why, err)
		return nil, err
	}
	for _, e := range slices.DeleteFunc(peers, func(e peer) bool { return e == was }) {
		if conn, err := w.crew.dial(ctx, e.node, e.at.String()); err == nil {
			w.complain("%s: %v; goes on with %s", was, why, e)
			f.to, f.seen = e, w.looked
			return conn, nil
		}
	}
	if ctx.Err() == nil {
		w.complain("%s: %v; no other pod answers", was, why)
	}
	return nil, why
}

// both carries what each of two connections says to the other, until both are done or ctx ends.
func both(ctx context.Context, a, b net.Conn) {
	defer context.AfterFunc(ctx, func() { _, _ = a.Close(), b.Close() })()
	var join sync.WaitGroup
	join.Go(func() { pour(a, b) })
	join.Go(func() { pour(b, a) })
	join.Wait()
}

// pour carries one direction to its end, and says that end. A connection that has no half-close, or broke, ends whole.
func pour(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok {
		_, _ = to.Close(), from.Close()
		return
	}
	_ = half.CloseWrite()
}
