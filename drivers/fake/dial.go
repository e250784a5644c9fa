package fake

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

var _ drivers.Dialer = driver{}

// Dial connects to a pod on the host, or by the table that the host routes by to the first pod of a Service, on whatever host. At every port of a pod one
// request of HTTP is answered, with the pod's name and what was asked of it.
func (d driver) Dial(ctx context.Context, address string) (conn net.Conn, err error) {
	err = d.call(ctx, List, func(h *host) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if to, ok := h.routed(d.cluster, at); ok {
			conn = answering(d.world.pod(to.Addr()), to)
			return nil
		}
		if p := h.holds(at.Addr()); p != "" {
			conn = answering(p, at)
			return nil
		}
		return fmt.Errorf("dial tcp %s: connect: no route to host", at)
	})
	return conn, err
}

// routed is where a connection to a virtual address goes.
func (h *host) routed(cluster string, at netip.AddrPort) (to netip.AddrPort, ok bool) {
	says := h.tables[cluster].has.says
	if says == nil {
		return to, false
	}
	for _, s := range says.Services {
		for i, port := range s.Ports {
			if targets := s.Targets(i); s.IP == at.Addr() && port.Port == at.Port() && len(targets) > 0 {
				return targets[0].AddrPort, true
			}
		}
	}
	return to, false
}

// holds is the name of the pod with that address, empty if none runs.
func (h *host) holds(ip netip.Addr) string {
	for name, p := range h.pods {
		runs := slices.ContainsFunc(p.containers, func(c *container) bool { return c.state == live.Running })
		if runs && p.labels[live.LabelIP] == ip.String() {
			return name
		}
	}
	return ""
}

// pod is the name of the one with that address on any host.
func (w *World) pod(ip netip.Addr) string {
	for _, h := range w.hosts {
		if name := h.holds(ip); name != "" {
			return name
		}
	}
	return ""
}

// answering is a connection at whose other end one request is answered. It ends with that.
func answering(pod string, at netip.AddrPort) net.Conn {
	ours, theirs := net.Pipe()
	go func() {
		defer ours.Close()
		asked, err := http.ReadRequest(bufio.NewReader(ours))
		if err != nil {
			return
		}
		body := fmt.Sprintf("%s:%d: %s %s of %s\n", pod, at.Port(), asked.Method, asked.URL, asked.Host)
		if word := asked.Header.Get("X-Word"); word != "" {
			body += word + "\n"
		}
		answer := http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: asked, Close: true, ContentLength: int64(len(body)), Header: http.Header{"Server": {"fake"}}}
		answer.Body = io.NopCloser(strings.NewReader(body))
		_ = answer.Write(ours)
	}()
	return theirs
}
