package podman

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/openssh"
)

// How long a way may say nothing before it is given up, and how often it is asked.
const (
	keepalive   = 5 * time.Second
	dialTimeout = 10 * time.Second
)

// remote is a Podman socket behind SSH. Streams to it share one SSH connection, which is made when first needed and
// again after it broke.
type remote struct {
	target  openssh.Target
	options Options
	slot    chan struct{} // held by who dials

	mu     sync.Mutex
	client *openssh.Client
	path   string // of the socket; empty until asked for
	key    string // fingerprint of the host key of the newest connection
	at     string // user and address of the newest connection, which the ssh configuration has its say in
	done   sync.WaitGroup
}

func newRemote(u *url.URL, o Options) *remote {
	r := &remote{target: openssh.Target{User: u.User.Username(), Host: u.Hostname(), Port: u.Port()}, options: o, slot: make(chan struct{}, 1)}
	if u.Path != "" && u.Path != "/" {
		r.path = u.Path
	}
	return r
}

func (r *remote) dial(ctx context.Context) (net.Conn, error) { return r.dialTo(ctx, "") }

// dialTo opens a stream; to Podman's socket without a path.
func (r *remote) dialTo(ctx context.Context, path string) (net.Conn, error) {
	conn, err := r.open(ctx, "unix", func(podmans string) string {
		path = cmp.Or(path, podmans)
		return path
	})
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("ssh %s: no way to %s (%s): is podman.socket enabled there, and are AllowStreamLocalForwarding and AllowTcpForwarding on in sshd_config?", r.name(), path, refused.Message)
	}
	return conn, err
}

// open opens a stream to an address, which may depend on where Podman's socket is. A connection that broke since it was last used is replaced
// once. What the host refuses is an ssh.OpenChannelError.
func (r *remote) open(ctx context.Context, network string, address func(podmans string) string) (net.Conn, error) {
	for attempt := 0; ; attempt++ {
		client, podmans, err := r.connect(ctx)
		if err != nil {
			return nil, fmt.Errorf("ssh %s: %w", r.name(), err)
		}
		conn, err := client.DialContext(ctx, network, address(podmans))
		var refused *ssh.OpenChannelError
		if err == nil || errors.As(err, &refused) {
			return conn, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ssh %s: %w", r.name(), ctx.Err())
		}
		r.drop(client)
		if attempt > 0 {
			return nil, fmt.Errorf("ssh %s: %w", r.name(), err)
		}
	}
}

// socket asks the host whether the path is a link. Where no commands may be run it is taken for none.
func (r *remote) socket(ctx context.Context) (string, error) {
	_, path, err := r.connect(ctx)
	if err != nil {
		return "", fmt.Errorf("ssh %s: %w", r.name(), err)
	}
	real := r.said(ctx, "readlink -f '"+strings.ReplaceAll(path, "'", `'\''`)+"'")
	if !strings.HasPrefix(real, "/") {
		return path, nil
	}
	return real, nil
}

// connect gives the connection and the socket's path, making and asking what is not known. One caller does; the others
// wait, no longer than their context.
func (r *remote) connect(ctx context.Context) (*openssh.Client, string, error) {
	select {
	case r.slot <- struct{}{}:
		defer func() { <-r.slot }()
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	r.mu.Lock()
	client, path := r.client, r.path
	r.mu.Unlock()
	if client == nil {
		var err error
		if client, err = r.handshake(ctx); err != nil {
			return nil, "", err
		}
		r.keep(client)
	}
	if path == "" {
		var err error
		if path, err = r.ask(ctx, client); err != nil {
			r.drop(client)
			return nil, "", err
		}
		r.mu.Lock()
		r.path = path
		r.mu.Unlock()
	}
	return client, path, nil
}

// handshake connects. Both the dialling and the handshake end with ctx.
func (r *remote) handshake(ctx context.Context) (*openssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	client, err := openssh.Dial(ctx, r.target, r.options.sshOptions())
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.key, r.at = client.HostKey, client.User+"@"+client.Address
	r.mu.Unlock()
	return client, nil
}

// name is whom and where, as far as it is known.
func (r *remote) name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at != "" {
		return r.at
	}
	name := r.target.Host
	if r.target.Port != "" {
		name = net.JoinHostPort(name, r.target.Port)
	}
	if r.target.User != "" {
		name = r.target.User + "@" + name
	}
	return name
}

// sshOptions are those of this driver, else of the environment.
func (o Options) sshOptions() openssh.Options {
	s := openssh.Options{KnownHosts: o.KnownHosts, Keys: o.Identity, Passphrases: []string{"PODKEEP_SSH_PASSPHRASE"}, Warn: o.Warn}
	if len(s.KnownHosts) == 0 {
		s.KnownHosts = filepath.SplitList(os.Getenv("PODKEEP_KNOWN_HOSTS"))
	}
	if key := os.Getenv("PODKEEP_SSH_KEY"); len(s.Keys) == 0 && key != "" {
		s.Keys = []string{key}
	}
	return s
}

// hostKey is the fingerprint of the key that the host showed and that is trusted; empty before there was a connection.
func (r *remote) hostKey() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.key
}

// keep takes a new connection into use and watches over it: one that gives no sign of life is closed, which ends
// every call that waits on it.
func (r *remote) keep(client *openssh.Client) {
	r.mu.Lock()
	r.client = client
	r.mu.Unlock()
	ended := make(chan struct{})
	r.done.Add(2)
	go func() {
		defer r.done.Done()
		_ = client.Wait()
		r.drop(client)
		close(ended)
	}()
	go func() {
		defer r.done.Done()
		r.beat(client, ended)
	}()
}

// beat asks for a sign of life every few seconds and closes the connection when two in a row did not come.
func (r *remote) beat(client *openssh.Client, ended <-chan struct{}) {
	tick := time.NewTicker(keepalive)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		late := time.AfterFunc(2*keepalive, func() { _ = client.Close() })
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		late.Stop()
		if err != nil {
			_ = client.Close()
			return
		}
	}
}

func (r *remote) drop(client *openssh.Client) {
	r.mu.Lock()
	if r.client == client {
		r.client = nil
	}
	r.mu.Unlock()
	_ = client.Close()
}

// ask finds the user's default socket: root's is fixed, others' lie in their runtime directory.
func (r *remote) ask(ctx context.Context, client *openssh.Client) (string, error) {
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	out, err := printed(session, "id -u")
	if err != nil {
		return "", fmt.Errorf("id -u: %w", err)
	}
	uid := strings.TrimSpace(out)
	if uid == "0" {
		return "/run/podman/podman.sock", nil
	}
	if _, err := strconv.ParseUint(uid, 10, 32); err != nil {
		return "", fmt.Errorf("id -u: %.20q is no number", uid)
	}
	return "/run/user/" + uid + "/podman/podman.sock", nil
}

// printed is what a command prints, up to longestOutput. Of one that prints more the rest is not read.
func printed(session *ssh.Session, command string) (string, error) {
	out, err := session.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := session.Start(command); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(out, longestOutput+1))
	if err != nil {
		return "", err
	}
	if len(text) > longestOutput {
		return "", fmt.Errorf("%s: prints over %d KiB", command, longestOutput>>10)
	}
	return string(text), session.Wait()
}

func (r *remote) close() error {
	r.mu.Lock()
	client := r.client
	r.client = nil
	r.mu.Unlock()
	if client != nil {
		_ = client.Close()
	}
	r.done.Wait()
	return nil
}
