// Package door answers HTTP from outside by the table that routes go by: it finds the port, the host and the first rule that matches a request, and asks a pod
// of the Service that the rule names.
//
// All that has to be decided is decided in the table. A request goes by the table that was put last when it came; those under way keep theirs. What is read
// from outside has a bound in bytes and in time, and nothing that two readers could take in two ways is passed on to a pod.
package door

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/turnstile"
)

// Keys are the certificates and passwords that a table only names.
type Keys interface {
	Certificate(port uint16) func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Allowed(users, name, password string) bool
	Challenge(http.ResponseWriter, *http.Request) bool // whether it answered what an ACME server asks
}

// Options are what a Door works with. The zero value of Log and Access is silence.
type Options struct {
	Keys   Keys
	Log    *logrus.Logger
	Access io.Writer // a line a request, where the table says so
}

// Door answers by the table that was put last.
type Door struct {
	keys    Keys
	log     *logrus.Logger
	limits  limits
	table   atomic.Pointer[table]
	leaving atomic.Bool
	under   atomic.Int64 // requests under way
	slots   chan struct{}
	shares  *turnstile.Shares
	metrics metrics

	writing sync.Mutex // of access's lines, each whole
	access  *json.Encoder

	mu      sync.Mutex
	pods    map[podKey]*pod
	ruled   *route.Policies // by which connections to them began
	conns   map[*conn]struct{}
	serving map[*port]struct{}
}

// New is a Door that answers nobody yet: it needs a table, and Serve.
func New(o Options) *Door { return newDoor(o, defaults) }

func newDoor(o Options, l limits) *Door {
	if o.Log == nil {
		o.Log = logrus.New()
		o.Log.SetOutput(io.Discard)
	}
	d := &Door{
		keys: o.Keys, log: o.Log, limits: l, slots: make(chan struct{}, l.conns), shares: turnstile.NewShares(l.each),
		pods: map[podKey]*pod{}, conns: map[*conn]struct{}{}, serving: map[*port]struct{}{},
	}
	if o.Access != nil {
		d.access = json.NewEncoder(o.Access)
		d.access.SetEscapeHTML(false)
	}
	d.metrics.begin(d)
	none := d.compile(nil)
	d.table.Store(none)
	d.metrics.keep(none)
	return d
}

// Put has requests answered as the table says, from the next one on. Idle connections to endpoints that it does not name are closed; requests to them that are
// under way end as they may. Where policies change, no connection from before is used again: it may be one that would not be let in now.
func (d *Door) Put(t *route.Table) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t != nil && !reflect.DeepEqual(t.Policies, d.ruled) {
		d.ruled = t.Policies
		d.leavePods()
	}
	next := d.compile(t)
	d.table.Store(next)
	d.metrics.keep(next)
	for key, p := range d.pods {
		if !next.pods[key] {
			delete(d.pods, key)
			p.leave()
		}
	}
}

// leavePods has no connection to a pod used again. d.mu is held.
func (d *Door) leavePods() {
	for key, p := range d.pods {
		delete(d.pods, key)
		p.leave()
	}
}

// Serve answers what comes by the listener, which is that port of the table, until the listener is closed or Leave is called. Both are no error.
func (d *Door) Serve(l net.Listener, number uint16, secure bool) error {
	p := newPort(d, l, number)
	d.mu.Lock()
	if d.leaving.Load() {
		d.mu.Unlock()
		return nil
	}
	d.serving[p] = struct{}{}
	d.mu.Unlock()
	err := p.serve(secure)
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Metrics answers with what Prometheus reads.
func (d *Door) Metrics() http.Handler { return d.metrics.handler }
