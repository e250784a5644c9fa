package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Answer is what one run of a probe came to.
type Answer struct {
	OK   bool
	Void bool   // nothing was learnt about the container, for a reason that lies with the host or with us: it counts for nothing
	Why  string // unless OK: in few words of our own, with none of what was sent, run, answered or printed
}

// Target is what a probe is run against.
type Target struct {
	IP    string                 // of the pod; where it has the host's network, of the host
	ID    string                 // of the container
	Ports []corev1.ContainerPort // of the container: a probe may name them
}

// Prober runs probes as kubelet does. It may be used by several goroutines.
type Prober struct {
	// Crowded says, if anybody knows, whether the host lets no new connection begin. A probe that then has no answer in time has asked nobody.
	Crowded func() bool

	oci    []Runtime
	starts chan struct{} // holds one for each command that is being started
}

// NewProber makes a Prober whose commands are run by the first of these that has the container; without any, by those that are usual.
func NewProber(oci ...Runtime) *Prober {
	if len(oci) == 0 {
		oci = runtimes()
	}
	return &Prober{oci: oci, starts: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))}
}

// Run runs a probe once, within its timeout. What waits for its turn to start a command waits outside of that.
func (p *Prober) Run(ctx context.Context, t Target, probe *corev1.Probe) Answer {
	timeout := time.Duration(max(probe.TimeoutSeconds, 1)) * time.Second
	what, err := p.ask(ctx, t, probe.ProbeHandler, timeout)
	if err == nil {
		return Answer{OK: true}
	}
	if what != "" {
		what += ": "
	}
	var v void
	return Answer{Void: errors.As(err, &v) || ctx.Err() != nil, Why: what + words(err, timeout)}
}

// ask gives nil when the probe succeeded, and what was asked.
func (p *Prober) ask(ctx context.Context, t Target, h corev1.ProbeHandler, timeout time.Duration) (what string, err error) {
	if h.Exec != nil {
		return "", p.exec(ctx, t.ID, h.Exec.Command, timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case h.HTTPGet != nil:
		what, err = httpGet(ctx, t, h.HTTPGet)
	case h.TCPSocket != nil:
		what, err = tcpSocket(ctx, t, h.TCPSocket)
	case h.GRPC != nil:
		what, err = checkHealth(ctx, t, h.GRPC)
	default:
		return "", void("the probe asks for nothing that is known here")
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) && p.Crowded != nil && p.Crowded() {
		err = void("conntrack of the host is full: it may never have been asked")
	}
	return what, err
}

// tcpSocket succeeds when somebody accepts the connection.
func tcpSocket(ctx context.Context, t Target, a *corev1.TCPSocketAction) (what string, err error) {
	address, err := t.address(a.Host, a.Port)
	if err != nil {
		return "", err
	}
	_, err = dial(ctx, address)
	return "TCP " + address, err
}

// dial opens a connection that is closed when ctx ends, whoever has it by then.
func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	return conn, err
}

// address is where a probe goes to: to the pod, unless it names a host.
func (t Target) address(host string, port intstr.IntOrString) (string, error) {
	if host == "" {
		host = t.IP
	}
	if port.Type == intstr.Int {
		return net.JoinHostPort(host, port.String()), nil
	}
	for _, p := range t.Ports {
		if p.Name == port.StrVal {
			return net.JoinHostPort(host, strconv.Itoa(int(p.ContainerPort))), nil
		}
	}
	return "", void(fmt.Sprintf("the container has no port %q", port.StrVal))
}

// said is an error that may be shown as it is.
type said string

func (s said) Error() string { return string(s) }

// void is one that may be shown, and says nothing about the container.
type void string

func (v void) Error() string { return string(v) }

// words is what of an error may be shown: what others answered is quoted in many of them.
func words(err error, timeout time.Duration) string {
	var s said
	var v void
	var errno syscall.Errno
	var dns *net.DNSError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &s):
		return s.Error()
	case errors.As(err, &v):
		return v.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", timeout)
	case errors.Is(err, context.Canceled):
		return "broken off"
	case errors.As(err, &errno):
		return strings.TrimSuffix(errno.Error(), " by peer")
	case errors.As(err, &dns):
		return "no such host"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "answers HTTP where HTTPS was asked for"
	case errors.As(err, &header):
		return "does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "hung up before its answer was complete"
	}
	return "no proper answer"
}
