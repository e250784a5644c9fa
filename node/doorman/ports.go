package doorman

import (
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/turnstile"
)

// mostPorts is at how many a door listens.
const mostPorts = 256

// kind is what is spoken at a port: requests, by TLS or not, or what a door tells of itself.
type kind struct{ tls, metrics bool }

// port is one that is wanted.
type port struct {
	kind
	open map[string]net.Listener // by address
	why  string                  // what keeps it from being served
}

// portsOf are those that a table wants.
func portsOf(doors *route.Doors) map[uint16]kind {
	all := map[uint16]kind{}
	if doors == nil {
		return all
	}
	if doors.Metrics != 0 {
		all[doors.Metrics] = kind{metrics: true}
	}
	for _, p := range doors.Ports {
		all[p.Port] = kind{tls: p.TLS}
	}
	return all
}

// openPorts opens those that are wanted and are not open, and closes all others. What is not to be had is tried again by the next call.
func (d *doorman) openPorts() {
	if d.leaving || d.taking || d.lower {
		return
	}
	for number, p := range d.ports {
		if _, wanted := d.wanted[number]; !wanted {
			p.close()
			delete(d.ports, number)
		}
	}
	for i, number := range slices.Sorted(maps.Keys(d.wanted)) {
		p := d.ports[number]
		if p == nil {
			p = &port{kind: d.wanted[number], open: map[string]net.Listener{}}
			d.ports[number] = p
		}
		if is := d.wanted[number]; is != p.kind {
			p.kind = is
			d.serveAnew(number, p)
		}
		if p.why = ""; i >= mostPorts {
			p.close()
			p.why = fmt.Sprintf("port %d: a door listens at %d ports at most", number, mostPorts)
			continue
		}
		d.open(number, p)
	}
}

// open listens at all addresses that the host has of those wanted.
func (d *doorman) open(number uint16, p *port) {
	for _, address := range d.addresses {
		if p.open[address] != nil {
			continue
		}
		network := "tcp4"
		if strings.Contains(address, ":") {
			network = "tcp6"
		}
		l, err := net.Listen(network, net.JoinHostPort(address, strconv.Itoa(int(number))))
		switch {
		case errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EPROTONOSUPPORT): // a host without IPv6
		case errors.Is(err, syscall.EADDRINUSE):
			p.why = fmt.Sprintf("port %d: the host has it already, at %s: end what listens there, or have doors listen at another port", number, address)
		case err != nil:
			p.why = fmt.Sprintf("port %d: %v", number, err)
		default:
			d.serveOn(number, p, address, l)
		}
	}
}

// serveOn has a listener served until it is closed.
func (d *doorman) serveOn(number uint16, p *port, address string, l net.Listener) {
	p.open[address] = l
	is := p.kind
	d.beside.Go(func() {
		var err error
		if is.metrics {
			err = d.tellMetrics(l)
		} else {
			err = d.engine.Serve(l, number, is.tls)
		}
		d.ask(d.life, func() {
			if p.open[address] == l { // nobody here has closed it
				_ = l.Close()
				delete(p.open, address)
				d.Log.WithError(err).WithField("port", number).Warn("is served no more, and opened again")
			}
		})
	})
}

// serveAnew has a port served as another kind. Who has connected and is not yet accepted stays.
func (d *doorman) serveAnew(number uint16, p *port) {
	for address, l := range p.open {
		file, err := l.(*net.TCPListener).File()
		if err == nil {
			var same net.Listener
			if same, err = net.FileListener(file); err == nil {
				_ = l.Close()
				d.serveOn(number, p, address, same)
			}
			_ = file.Close()
		}
		if err != nil {
			_ = l.Close()
			delete(p.open, address)
		}
	}
}

func (d *doorman) closePorts() {
	for number, p := range d.ports {
		p.close()
		delete(d.ports, number)
	}
}

func (p *port) close() {
	for address, l := range p.open {
		delete(p.open, address)
		_ = l.Close()
	}
}

// Bounds on who asks for metrics: how long he may take, how many connections there may be, how many of one address, and how long a request's header.
const (
	patience      = 10 * time.Second
	mostConns     = 32
	mostOfOne     = 8
	longestHeader = 16 << 10
)

func (d *doorman) tellMetrics(l net.Listener) error {
	paths := http.NewServeMux()
	paths.Handle("GET /metrics", d.engine.Metrics())
	server := &http.Server{Handler: paths, ReadTimeout: patience, WriteTimeout: patience, MaxHeaderBytes: longestHeader, ErrorLog: log.New(io.Discard, "", 0)}
	err := server.Serve(turnstile.New(l, mostConns, mostOfOne, patience))
	return errors.Join(err, server.Close())
}
