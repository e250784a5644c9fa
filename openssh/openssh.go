// Package openssh is how this machine's user gets to a host by SSH, as OpenSSH's own client does: by ~/.ssh/config, known_hosts with its certificate
// authorities, key files, certificates and agents, and through the hosts that stand in between. Nothing is run for it.
package openssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options say what goes before the user's own configuration. The zero value is what ssh would do.
type Options struct {
	Config      []string // files; ~/.ssh/config and /etc/ssh/ssh_config when nil
	KnownHosts  []string // files; the configuration's, else ~/.ssh/known_hosts and the machine's, when empty
	Keys        []string // files: they alone are shown
	Passphrases []string // variables of the environment with what unlocks keys
	// Fallback is what a host is named that neither the target nor the configuration has a user for; the name of who runs this when empty.
	Fallback string
	Warn     func(string) // is told of what is skipped; may be nil
}

// Target is a host, by whatever name the user's configuration has for it.
type Target struct {
	User string // empty: the configuration's
	Host string
	Port string // empty: the configuration's, else 22
}

// Timeout is how long a handshake may take with each of the hosts on the way.
const Timeout = 30 * time.Second

// Client is a connection.
type Client struct {
	*ssh.Client
	User, Address string // as it came out
	// HostKey is the fingerprint of the key that the host showed and that is trusted; of a certificate, that of the key in it.
	HostKey string
}

// furthest is how many hosts may stand in between.
const furthest = 8

// Dial connects, through as many hosts as the configuration says. Dialling and handshakes end with ctx; the connection does not. An error that no time mends is
// a Refused.
func Dial(ctx context.Context, to Target, o Options) (*Client, error) {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Config == nil {
		o.Config = []string{inHome(".ssh/config"), "/etc/ssh/ssh_config"}
	}
	return o.dial(ctx, to, "", 0)
}

// Refused is why a host does not let us in, or we do not trust it, until somebody changes something.
type Refused struct{ error }

func (r Refused) Unwrap() error { return r.error }

// way is a host as the configuration has it.
type way struct {
	settings
	user, host, port, alias string
}

func (w way) address() string { return net.JoinHostPort(w.host, w.port) }

// shown is the name under which known_hosts has the host.
func (w way) shown() string {
	if w.alias != "" {
		return net.JoinHostPort(w.alias, "22")
	}
	return w.address()
}

func (o Options) way(to Target) way {
	s := configured(o.Config, to.Host, to.User, o.Warn)
	w := way{settings: s, user: to.User, host: strings.ReplaceAll(cmp.Or(s.one("hostname"), to.Host), "%h", to.Host), port: to.Port, alias: s.one("hostkeyalias")}
	w.user = cmp.Or(w.user, s.one("user"), o.Fallback, localUser())
	w.port = cmp.Or(w.port, s.one("port"), "22")
	for _, keyword := range []string{"identityfile", "certificatefile", "identityagent", "userknownhostsfile", "globalknownhostsfile"} {
		for i, file := range s[keyword] {
			s[keyword][i] = strings.NewReplacer("%%", "%", "%d", inHome(""), "%h", w.host, "%n", to.Host, "%p", w.port, "%r", w.user, "%u", localUser()).Replace(file)
		}
	}
	return w
}

// dial goes by the jumps that are given, else by those of the configuration.
func (o Options) dial(ctx context.Context, to Target, jumps string, hops int) (*Client, error) {
	if hops > furthest {
		return nil, Refused{fmt.Errorf("more than %d hosts stand in between, or one is behind itself", furthest)}
	}
	w := o.way(to)
	jumps = cmp.Or(jumps, w.one("proxyjump"))
	command := w.one("proxycommand")
	switch {
	case jumps != "" && !strings.EqualFold(jumps, "none"):
	case command != "" && !strings.EqualFold(command, "none"):
		return nil, Refused{fmt.Errorf("the ssh configuration has a ProxyCommand for %s, and no commands are run for a connection here: write ProxyJump", to.Host)}
	default:
		return o.connect(ctx, w, nil)
	}
	rest, last := "", jumps
	if i := strings.LastIndexByte(jumps, ','); i >= 0 {
		rest, last = jumps[:i], jumps[i+1:]
	}
	by, err := hop(last)
	if err != nil {
		return nil, Refused{err}
	}
	between := o
	between.Fallback = ""
	before, err := between.dial(ctx, by, rest, hops+1)
	if err != nil {
		return nil, fmt.Errorf("by way of %s: %w", by.Host, err)
	}
	client, err := o.connect(ctx, w, before)
	if err != nil {
		_ = before.Close()
	}
	return client, err
}

// hop takes [user@]host[:port] apart, or ssh://[user@]host[:port].
func hop(text string) (t Target, err error) {
	u, err := url.Parse("ssh://" + strings.TrimPrefix(strings.TrimSpace(text), "ssh://"))
	if err != nil || u.Hostname() == "" {
		return t, fmt.Errorf("ProxyJump %q is not [user@]host[:port]", text)
	}
	return Target{User: u.User.Username(), Host: u.Hostname(), Port: u.Port()}, nil
}

// connect makes the connection to one host, from the one before if there is one.
func (o Options) connect(ctx context.Context, w way, before *Client) (*Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, fmt.Errorf("%s does not finish the handshake within %s", w.host, Timeout))
	defer cancel()
	hosts, err := readHosts(o.knownHosts(w.settings), o.Warn)
	if err != nil {
		return nil, Refused{err}
	}
	keys, err := keysFor(ctx, o, w.settings)
	if err != nil {
		return nil, Refused{err}
	}
	defer keys.close()
	if len(keys.signers) == 0 {
		return nil, Refused{fmt.Errorf("no usable ssh key: start an agent, put one into ~/.ssh, or name one with --ssh-key%s", keys.reasons())}
	}
	var c *Client
	for batch := range slices.Chunk(keys.signers, fewTries) {
		if c, err = shake(ctx, w, before, hosts, batch); err == nil || !unwelcome(err) {
			break
		}
	}
	if err != nil {
		return nil, explained(caused(ctx, err), keys)
	}
	if before != nil {
		go func() {
			_ = c.Wait()
			_ = before.Close()
		}()
	}
	return c, nil
}

// fewTries is how many keys are shown in one connection: sshd hangs up after six that it does not know (MaxAuthTries).
const fewTries = 5

// shake makes the connection, and shows some keys.
func shake(ctx context.Context, w way, before *Client, hosts *hosts, signers []ssh.Signer) (*Client, error) {
	c := &Client{User: w.user, Address: w.address()}
	config := &ssh.ClientConfig{
		User: w.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signers...)}, HostKeyAlgorithms: hosts.algorithms(w.shown()),
		HostKeyCallback: func(_ string, at net.Addr, key ssh.PublicKey) error {
			c.HostKey = ssh.FingerprintSHA256(key)
			if cert, is := key.(*ssh.Certificate); is {
				c.HostKey = ssh.FingerprintSHA256(cert.Key)
			}
			return hosts.check(w.shown(), at, key)
		},
	}
	conn, err := dialled(ctx, w.address(), before)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	shook, channels, requests, err := ssh.NewClientConn(conn, w.shown(), config)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	c.Client = ssh.NewClient(shook, channels, requests)
	return c, nil
}

// unwelcome says whether it is our keys that a host does not take. Such errors have no type.
func unwelcome(err error) bool {
	return strings.Contains(err.Error(), "unable to authenticate") || strings.Contains(err.Error(), "Too many authentication failures")
}

func dialled(ctx context.Context, address string, before *Client) (net.Conn, error) {
	if before == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	return before.DialContext(ctx, "tcp", address)
}

// caused prefers what ended the context over what broke because of it.
func caused(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (o Options) knownHosts(s settings) []string {
	if len(o.KnownHosts) > 0 {
		return o.KnownHosts
	}
	files := slices.Concat(s["userknownhostsfile"], s["globalknownhostsfile"])
	if s["userknownhostsfile"] == nil {
		files = append(files, "~/.ssh/known_hosts", "~/.ssh/known_hosts2")
	}
	if s["globalknownhostsfile"] == nil {
		files = append(files, "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
	}
	for i, f := range files {
		files[i] = expandHome(f)
	}
	return files
}

// reasons are why not more keys were shown.
func (k *keys) reasons() string {
	if len(k.said) == 0 {
		return ""
	}
	return "; " + strings.Join(k.said, "; ")
}

// explained leaves of a handshake's error what a person needs.
func explained(err error, k *keys) error {
	var host hostError
	switch {
	case errors.As(err, &host):
		return Refused{host}
	case unwelcome(err):
		return Refused{fmt.Errorf("the host accepts none of our keys, %s: let one in (~/.ssh/authorized_keys there, or a forge's deploy keys)%s", strings.Join(k.names, ", "), k.reasons())}
	}
	return errors.New(strings.TrimPrefix(err.Error(), "ssh: handshake failed: "))
}
