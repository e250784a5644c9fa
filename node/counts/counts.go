// Package counts tells load balancers outside whether a node has endpoints of its own for a Service: at the Service's healthCheckNodePort, over HTTP, as kube-proxy
// does. Who is told that there is none sends nothing there.
package counts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/turnstile"
)

// Bounds on who asks: how long he may take, how many connections there may be at one port, how many of one address, and how long a request's header.
const (
	patience      = 5 * time.Second
	mostConns     = 64
	mostOfOne     = 16
	longestHeader = 8 << 10
)

// Counts answers as the table says that was put last.
type Counts struct {
	mu     sync.Mutex // over all below
	count  map[uint16]count
	at     map[uint16]*http.Server // by port
	under  sync.WaitGroup
	closed bool
}

// count is what is said of a Service.
type count struct {
	namespace, name string
	own             int // endpoints on this node
}

// New answers nobody yet.
func New() *Counts { return &Counts{at: map[uint16]*http.Server{}} }

// Put has it answer as the table says, seen from the node of that name, at all addresses of the host but its loopback. A port that cannot be had is the
// error, and is tried again by the next Put.
func (c *Counts) Put(t *route.Table, node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count = countsOf(t, node)
	for port, server := range c.at {
		if _, wanted := c.count[port]; !wanted {
			_ = server.Close()
			delete(c.at, port)
		}
	}
	var all []error
	for port, is := range c.count {
		if c.at[port] != nil || c.closed {
			continue
		}
		if err := c.listen(port); err != nil {
			all = append(all, fmt.Errorf("healthCheckNodePort %d of %s/%s is not answered: %w", port, is.namespace, is.name, err))
		}
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(all...)
}

// Serve ends it all when ctx does.
func (c *Counts) Serve(ctx context.Context) {
	<-ctx.Done()
	c.mu.Lock()
	c.closed = true
	for _, server := range c.at {
		_ = server.Close()
	}
	c.mu.Unlock()
	c.under.Wait()
}

// countsOf are by port; of two Services with one port the first has it.
func countsOf(t *route.Table, node string) map[uint16]count {
	all := map[uint16]count{}
	if _, named := t.Node(node); !named {
		return all
	}
	for _, s := range slices.Backward(t.Services) {
		if s.Health != 0 {
			all[s.Health] = count{s.Namespace, s.Name, len(s.On(node).Endpoints)}
		}
	}
	return all
}

func (c *Counts) listen(port uint16) error {
	listener, err := net.Listen("tcp4", ":"+strconv.Itoa(int(port)))
	if err != nil {
		return err
	}
	server := c.server(port)
	c.at[port] = server
	c.under.Go(func() { _ = server.Serve(guarded(listener)) })
	return nil
}

func (c *Counts) server(port uint16) *http.Server {
	return &http.Server{
		Handler: c.answer(port), ErrorLog: log.New(io.Discard, "", 0),
		ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: longestHeader,
	}
}

// guarded lets in whom there is room for, but for who comes by the loopback.
func guarded(l net.Listener) net.Listener {
	return turnstile.New(abroad{l}, mostConns, mostOfOne, 0)
}

// answer says how many there are, whatever the path.
func (c *Counts) answer(port uint16) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		is := c.count[port]
		c.mu.Unlock()
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Load-Balancing-Endpoint-Weight", strconv.Itoa(is.own))
		if is.own == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "{\"service\":{\"namespace\":%q,\"name\":%q},\"localEndpoints\":%d}\n", is.namespace, is.name, is.own)
	}
}

// abroad turns away who comes by the loopback.
type abroad struct{ net.Listener }

func (a abroad) Accept() (net.Conn, error) {
	for {
		conn, err := a.Listener.Accept()
		if err != nil || !conn.LocalAddr().(*net.TCPAddr).IP.IsLoopback() {
			return conn, err
		}
		_ = conn.Close()
	}
}
