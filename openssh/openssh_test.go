package openssh_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/podkeep/podkeep/openssh"
)

// sshd is a real one on loopback, for each connection anew.
type sshd struct {
	dir, port string
	host      ssh.Signer
}

func write(t *testing.T, file string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// newKey writes a private key, and the public one beside it.
func newKey(t *testing.T, file, passphrase string) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, pem.EncodeToMemory(block))
	write(t, file+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()))
	return signer
}

// certified is a certificate of the key, for a host or a user.
func certified(t *testing.T, authority ssh.Signer, key ssh.PublicKey, kind uint32, principals []string, until time.Time) []byte {
	t.Helper()
	cert := &ssh.Certificate{Key: key, CertType: kind, KeyId: "test", ValidPrincipals: principals, ValidBefore: uint64(until.Unix())}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	return ssh.MarshalAuthorizedKey(cert)
}

func serve(t *testing.T, options string) *sshd {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{dir: t.TempDir()}
	_, s.port, _ = net.SplitHostPort(listener.Addr().String())
	s.host = newKey(t, s.path("host"), "")
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := write(t, s.path("sshd_config"), fmt.Appendf(nil, "HostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n%s\n",
		s.path("host"), s.path("authorized"), strings.ReplaceAll(options, "DIR", s.dir)))
	write(t, s.path("authorized"), nil)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
			serving.Go(func() {
				defer c.Close()
				socket, err := c.(*net.TCPConn).File()
				if err != nil {
					return
				}
				defer socket.Close()
				server := exec.CommandContext(ctx, "/usr/sbin/sshd", "-i", "-e", "-f", config)
				server.Stdin, server.Stdout = socket, socket
				_ = server.Run()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		cancel()
		serving.Wait()
	})
	return s
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

// lets lets the keys in.
func (s *sshd) lets(t *testing.T, keys ...ssh.Signer) {
	t.Helper()
	var all []byte
	for _, k := range keys {
		all = append(all, ssh.MarshalAuthorizedKey(k.PublicKey())...)
	}
	write(t, s.path("authorized"), all)
}

// known is its line in known_hosts.
func (s *sshd) known(as string) string {
	return as + " " + string(ssh.MarshalAuthorizedKey(s.host.PublicKey()))
}

func (s *sshd) address() string { return "[127.0.0.1]:" + s.port }

// desk is somebody's ~/.ssh.
type desk struct {
	t      *testing.T
	dir    string
	warned []string
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: t.TempDir()}
	t.Setenv("HOME", d.dir)
	t.Setenv("SSH_AUTH_SOCK", "")
	if err := os.Mkdir(filepath.Join(d.dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, ".ssh", name) }

// dial goes to the host as podkeep does.
func (d *desk) dial(host string) error {
	to := openssh.Target{Host: host}
	if h, port, err := net.SplitHostPort(host); err == nil {
		to = openssh.Target{Host: h, Port: port}
	}
	c, err := openssh.Dial(d.t.Context(), to, openssh.Options{Passphrases: []string{"PODKEEP_SSH_PASSPHRASE"}, Warn: func(s string) { d.warned = append(d.warned, s) }})
	if err == nil {
		_ = c.Close()
	}
	return err
}

// real goes there as ssh does.
func (d *desk) real(host string) error {
	args := []string{"-F", d.path("config"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"}
	if h, port, err := net.SplitHostPort(host); err == nil {
		host, args = h, append(args, "-p", port)
	}
	out, err := exec.CommandContext(d.t.Context(), "ssh", append(args, host, "true")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// holding starts an agent with the keys.
func (d *desk) holding(keys ...string) {
	d.t.Helper()
	ring := agent.NewKeyring()
	for _, name := range keys {
		text, err := os.ReadFile(d.path(name))
		if err != nil {
			d.t.Fatal(err)
		}
		key, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			d.t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			d.t.Fatal(err)
		}
	}
	socket := filepath.Join(d.dir, "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
			go func() { _ = agent.ServeAgent(ring, c); _ = c.Close() }()
		}
	}()
	d.t.Setenv("SSH_AUTH_SOCK", socket)
}

// TestItGoesWhereSSHGoes has the same configuration read by ssh and by podkeep. Where nothing else is said, HOME is the ~/.ssh of the test, PORT the server's port, and
// ADDRESS what known_hosts calls it; the server lets the key "mine" in.
func TestItGoesWhereSSHGoes(t *testing.T) {
	const usual = "IdentityFile HOME/mine\nUserKnownHostsFile HOME/known_hosts\n"
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		config  string // of the desk
		server  string // more of sshd's
		make    func(d *desk, s *sshd)
		host    string // 127.0.0.1:PORT if empty
		refused string // what podkeep says; empty where both get in
		better  bool   // ssh does not get in there
		warned  string
	}{
		"a key and a known host":     {config: usual},
		"an alias":                   {config: "Host desk\n HostName 127.0.0.1\n Port PORT\n" + usual, host: "desk"},
		"a pattern and its negation": {config: "Host * !127.*\n Port 1\n IdentityFile HOME/other\nHost d?s*\n HostName 127.0.0.1\nHost *\n Port PORT\n IdentityFile HOME/mine\n UserKnownHostsFile HOME/known_hosts\n", host: "desk", refused: "127.0.0.1:1"},
		"the first value counts":     {config: "Host desk\n Port PORT\nHost *\n HostName 127.0.0.1\n Port 1\n" + usual, host: "desk"},
		"equals signs and quotes":    {config: "Host=\"desk\"\n HostName = 127.0.0.1\n Port=PORT\n IdentityFile \"HOME/mine\"\n UserKnownHostsFile=\"HOME/known_hosts\"\n", host: "desk"},
		"tokens of the host":         {config: "Host 127\n HostName %h.0.0.1\n Port PORT\n" + usual, host: "127"},
		"tokens in names of files": {config: "IdentityFile %d/.ssh/of-%h-%%\nUserKnownHostsFile HOME/known-%r-%p\n", better: true, // ssh has another home
			make: func(d *desk, s *sshd) {
				s.lets(d.t, newKey(d.t, d.path("of-127.0.0.1-%"), ""))
				write(d.t, d.path("known-"+me(d.t)+"-"+s.port), []byte(s.known(s.address())))
			}},
		"a Match of hosts": {config: "Match host 127.* !originalhost desk\n Port 1\nMatch originalhost desk\n HostName 127.0.0.1\n Port PORT\nMatch all\n" + usual, host: "desk"},
		"a Match that runs something": {
			config: "Match exec \"true\" host nowhere\n Port 1\nHost *\n" + usual, warned: "config:1: a Match of exec is not looked into here; skipped"},
		"an included file": {config: "Include HOME/more*\n" + usual, host: "desk",
			make: func(d *desk, s *sshd) {
				write(d.t, d.path("more1"), []byte("Host desk\n HostName 127.0.0.1\n Port "+s.port+"\n"))
			}},
		"a file that is included for others": {config: "Host other\n Include HOME/more\nHost *\n" + usual,
			make: func(d *desk, s *sshd) { write(d.t, d.path("more"), []byte("Port 1\nHostName 127.0.0.99\n")) }},
		"an unknown host": {config: usual, refused: "run: echo '[127.0.0.1]:PORT ssh-ed25519 ",
			make: func(d *desk, s *sshd) { write(d.t, d.path("known_hosts"), nil) }},
		"a changed key": {config: usual, refused: "known_hosts:1 has another; if the host was made anew, run: ssh-keygen -f ",
			make: func(d *desk, s *sshd) {
				other := newKey(d.t, d.path("foreign"), "")
				write(d.t, d.path("known_hosts"), fmt.Appendf(nil, "%s %s", s.address(), ssh.MarshalAuthorizedKey(other.PublicKey())))
			}},
		"a hashed name": {config: usual,
			make: func(d *desk, s *sshd) {
				write(d.t, d.path("known_hosts"), []byte(s.known(knownhosts.HashHostname(s.address()))))
			}},
		"a revoked key": {config: usual, refused: "is revoked in HOME/known_hosts:2",
			make: func(d *desk, s *sshd) {
				write(d.t, d.path("known_hosts"), []byte(s.known(s.address())+"@revoked "+s.known(s.address())))
			}},
		"another name for the host's key": {config: "HostKeyAlias shared\n" + usual,
			make: func(d *desk, s *sshd) { write(d.t, d.path("known_hosts"), []byte(s.known("shared"))) }},
		"a line that cannot be read": {config: usual, warned: "known_hosts:1: ",
			make: func(d *desk, s *sshd) {
				write(d.t, d.path("known_hosts"), []byte("host.example ssh-ed25519 AAAAnonsense\n"+s.known(s.address())))
			}},
		"an authority of hosts": {config: usual, server: "HostCertificate DIR/host-cert.pub",
			make: func(d *desk, s *sshd) {
				ca := newKey(d.t, d.path("ca"), "")
				write(d.t, s.path("host-cert.pub"), certified(d.t, ca, s.host.PublicKey(), ssh.HostCert, []string{"127.0.0.1"}, later))
				write(d.t, d.path("known_hosts"), fmt.Appendf(nil, "@cert-authority * %s", ssh.MarshalAuthorizedKey(ca.PublicKey())))
			}},
		"a host's certificate that has ended": {config: usual, server: "HostCertificate DIR/host-cert.pub", refused: "the host's certificate \"test\", signed by SHA256:",
			make: func(d *desk, s *sshd) {
				ca := newKey(d.t, d.path("ca"), "")
				write(d.t, s.path("host-cert.pub"), certified(d.t, ca, s.host.PublicKey(), ssh.HostCert, []string{"127.0.0.1"}, before))
				write(d.t, d.path("known_hosts"), fmt.Appendf(nil, "@cert-authority * %s", ssh.MarshalAuthorizedKey(ca.PublicKey())))
			}},
		"a host's certificate for another one": {config: usual, server: "HostCertificate DIR/host-cert.pub", refused: "the host's certificate \"test\", signed by SHA256:",
			make: func(d *desk, s *sshd) {
				ca := newKey(d.t, d.path("ca"), "")
				write(d.t, s.path("host-cert.pub"), certified(d.t, ca, s.host.PublicKey(), ssh.HostCert, []string{"192.0.2.1"}, later))
				write(d.t, d.path("known_hosts"), fmt.Appendf(nil, "@cert-authority * %s", ssh.MarshalAuthorizedKey(ca.PublicKey())))
			}},
		"an authority of users": {config: "UserKnownHostsFile HOME/known_hosts\nIdentityFile HOME/signed\n", server: "TrustedUserCAKeys DIR/ca.pub",
			make: func(d *desk, s *sshd) {
				s.lets(d.t)
				ca := newKey(d.t, s.path("ca"), "")
				mine := newKey(d.t, d.path("signed"), "")
				write(d.t, d.path("signed-cert.pub"), certified(d.t, ca, mine.PublicKey(), ssh.UserCert, []string{me(d.t)}, later))
			}},
		"a certificate that is named": {config: "UserKnownHostsFile HOME/known_hosts\nIdentityFile HOME/signed\nCertificateFile HOME/elsewhere\n", server: "TrustedUserCAKeys DIR/ca.pub",
			make: func(d *desk, s *sshd) {
				s.lets(d.t)
				ca := newKey(d.t, s.path("ca"), "")
				mine := newKey(d.t, d.path("signed"), "")
				write(d.t, d.path("elsewhere"), certified(d.t, ca, mine.PublicKey(), ssh.UserCert, []string{me(d.t)}, later))
			}},
		"a key that is not let in": {config: usual, refused: "the host accepts none of our keys, HOME/mine: let one in",
			make: func(d *desk, s *sshd) { s.lets(d.t) }},
		"several keys": {config: "IdentityFile HOME/other\nIdentityFile HOME/missing\n" + usual},
		"an agent":     {config: "UserKnownHostsFile HOME/known_hosts\nIdentityFile none\n", make: func(d *desk, s *sshd) { d.holding("other", "mine") }},
		"a full agent, and the key that is named": {config: "IdentitiesOnly yes\n" + usual,
			make: func(d *desk, s *sshd) { d.holding(append(crowd(d), "mine")...) }},
		"a full agent": {config: "UserKnownHostsFile HOME/known_hosts\n", better: true, make: func(d *desk, s *sshd) { d.holding(append(crowd(d), "mine")...) }},
		"a locked key": {config: "UserKnownHostsFile HOME/known_hosts\nIdentityFile HOME/locked\n", refused: "HOME/locked: is locked: give its passphrase in PODKEEP_SSH_PASSPHRASE, or add it to an agent (ssh-add)",
			make: func(d *desk, s *sshd) { s.lets(d.t, newKey(d.t, d.path("locked"), "secret")) }},
		"a locked key with its passphrase": {config: "UserKnownHostsFile HOME/known_hosts\nIdentityFile HOME/locked\n", better: true,
			make: func(d *desk, s *sshd) {
				s.lets(d.t, newKey(d.t, d.path("locked"), "secret"))
				d.t.Setenv("PODKEEP_SSH_PASSPHRASE", "secret")
			}},
		"a locked key with another passphrase": {config: "UserKnownHostsFile HOME/known_hosts\nIdentityFile HOME/locked\n", refused: "HOME/locked: is locked, and not with the passphrase in PODKEEP_SSH_PASSPHRASE",
			make: func(d *desk, s *sshd) {
				s.lets(d.t, newKey(d.t, d.path("locked"), "secret"))
				d.t.Setenv("PODKEEP_SSH_PASSPHRASE", "guess")
			}},
		"a host in between": {config: "Host far\n HostName 127.0.0.1\n Port PORT\n ProxyJump near\nHost near\n HostName 127.0.0.1\n Port PORT\nHost *\n" + usual, host: "far"},
		"hosts in between":  {config: "Host far\n HostName 127.0.0.1\n Port PORT\n ProxyJump near,ssh://middle\nHost near middle\n HostName 127.0.0.1\n Port PORT\nHost *\n" + usual, host: "far"},
		"a host behind itself": {config: "Host far\n HostName 127.0.0.1\n Port PORT\n ProxyJump near\nHost near\n ProxyJump near\nHost *\n" + usual, host: "far",
			refused: "more than 8 hosts stand in between, or one is behind itself"},
		"a host in between that does not let us in": {config: "Host far\n HostName 127.0.0.1\n Port PORT\n ProxyJump near\nHost near\n HostName 127.0.0.1\n Port 1\nHost *\n" + usual, host: "far",
			refused: "by way of near: "},
		"a command in between": {config: "ProxyCommand nc %h %p\n" + usual, refused: "write ProxyJump", make: func(*desk, *sshd) {}},
	} {
		t.Run(name, func(t *testing.T) {
			d, s := newDesk(t), serve(t, c.server)
			fill := strings.NewReplacer("HOME", filepath.Join(d.dir, ".ssh"), "PORT", s.port).Replace
			s.lets(t, newKey(t, d.path("mine"), ""))
			newKey(t, d.path("other"), "")
			write(t, d.path("known_hosts"), []byte(s.known(s.address())))
			write(t, d.path("config"), []byte(fill(c.config)))
			if c.make != nil {
				c.make(d, s)
			}
			host := c.host
			if host == "" {
				host = "127.0.0.1:" + s.port
			}
			err := d.dial(host)
			switch {
			case c.refused == "" && err != nil:
				t.Error(err)
			case c.refused != "" && (err == nil || !strings.Contains(err.Error(), fill(c.refused))):
				t.Errorf("%v", err)
			}
			if said := strings.Join(d.warned, "\n"); !strings.Contains(said, c.warned) || c.warned == "" && said != "" {
				t.Errorf("it is said %q", said)
			}
			if name == "a command in between" {
				return // ssh runs it
			}
			if real := d.real(host); (real == nil) != (c.refused == "" && !c.better) {
				t.Errorf("ssh: %v", real)
			}
		})
	}
}

// crowd are more keys than a server looks at.
func crowd(d *desk) (names []string) {
	for i := range 7 {
		names = append(names, fmt.Sprintf("wrong%d", i))
		newKey(d.t, d.path(names[i]), "")
	}
	return names
}

func me(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "id", "-un").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
