package sourcetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// HTTPS is a Git server over TLS on loopback: Git's own http-backend.
type HTTPS struct {
	URL    string // of the repository
	CAFile string
	Basic  atomic.Pointer[[2]string] // user and password it wants, if set; an empty user is any
	Bearer atomic.Pointer[string]    // token it wants, if set
	Down   atomic.Bool               // answers 503
	Packs  atomic.Int64              // how many packs were asked for
}

// ServeHTTPS serves a bare repository.
func ServeHTTPS(t testing.TB, r Repository) *HTTPS {
	t.Helper()
	h := &HTTPS{}
	server := httptest.NewTLSServer(h.handler(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(output(t, "git", "--exec-path")), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.Dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}))
	t.Cleanup(server.Close)
	h.URL = server.URL + "/" + filepath.Base(r.Dir)
	h.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(h.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *HTTPS) handler(git http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case h.Down.Load():
			http.Error(w, "down for a while", http.StatusServiceUnavailable)
		case !h.allowed(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
		default:
			if r.Method == http.MethodPost {
				h.Packs.Add(1)
			}
			git.ServeHTTP(w, r)
		}
	}
}

func (h *HTTPS) allowed(r *http.Request) bool {
	if want := h.Bearer.Load(); want != nil {
		return r.Header.Get("Authorization") == "Bearer "+*want
	}
	want := h.Basic.Load()
	if want == nil {
		return true
	}
	user, password, _ := r.BasicAuth()
	return (want[0] == "" && user != "" || user == want[0]) && password == want[1]
}

// SSH is a real sshd on loopback that lets one key in.
type SSH struct {
	URL        string // of the repository
	KeyFile    string // of the user
	KnownHosts string // names the server's key
	authorized string
	host, dir  string
	port       int
	server     *exec.Cmd
}

// ServeSSH starts a server for a repository.
func ServeSSH(t testing.TB, r Repository) *SSH {
	t.Helper()
	dir := t.TempDir()
	s := &SSH{
		KeyFile: filepath.Join(dir, "id"), KnownHosts: filepath.Join(dir, "known_hosts"),
		authorized: filepath.Join(dir, "authorized"), host: filepath.Join(dir, "host"), dir: dir, port: freePort(t),
	}
	s.URL = fmt.Sprintf("ssh://%s@127.0.0.1:%d%s", strings.TrimSpace(output(t, "id", "-un")), s.port, r.Dir)
	WriteFile(t, s.authorized, ssh.MarshalAuthorizedKey(NewKey(t, s.KeyFile, "")))
	s.NewHostKey(t)
	s.Know(t)
	s.Start(t)
	return s
}

// NewHostKey gives the server another key; it counts from the next Start.
func (s *SSH) NewHostKey(t testing.TB) {
	t.Helper()
	WriteFile(t, s.host+".pub", ssh.MarshalAuthorizedKey(NewKey(t, s.host, "")))
}

// Know writes the server's present key to KnownHosts.
func (s *SSH) Know(t testing.TB) {
	t.Helper()
	key, err := os.ReadFile(s.host + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	WriteFile(t, s.KnownHosts, fmt.Appendf(nil, "[127.0.0.1]:%d %s", s.port, key))
}

// Authorize lets this key in, and no other.
func (s *SSH) Authorize(t testing.TB, key ssh.PublicKey) {
	t.Helper()
	WriteFile(t, s.authorized, ssh.MarshalAuthorizedKey(key))
}

// Start starts sshd and waits until it listens. It is stopped with the test.
func (s *SSH) Start(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(s.dir, "sshd_config")
	WriteFile(t, config, fmt.Appendf(nil, `
ListenAddress 127.0.0.1:%d
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 100
`, s.port, s.host, s.authorized))
	server := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", config)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	s.server = server
	t.Cleanup(func() { s.stop(server) })
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Stop stops the server.
func (s *SSH) Stop() { s.stop(s.server) }

func (s *SSH) stop(server *exec.Cmd) {
	_ = server.Process.Kill()
	_ = server.Wait()
}

// NewKey writes a new private key to a file, locked if there is a passphrase, and gives the public one.
func NewKey(t testing.TB, file, passphrase string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
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
	WriteFile(t, file, pem.EncodeToMemory(block))
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// WriteFile writes a file that only its owner can read.
func WriteFile(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
