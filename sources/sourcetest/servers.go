package sourcetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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

// programs is where Git keeps its own.
var programs = sync.OnceValue(func() string { return printed("git", "--exec-path") })

// ServeHTTPS serves a bare repository.
func ServeHTTPS(t testing.TB, r Repository) *HTTPS {
	t.Helper()
	h := &HTTPS{}
	server := httptest.NewUnstartedServer(h.handler(&cgi.Handler{
		Path:   filepath.Join(programs(), "git-http-backend"),
		Env:    []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.Dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null"},
		Stderr: io.Discard,
		Logger: log.New(io.Discard, "", 0),
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
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

// SSH is a real sshd on loopback that lets one key in. The port is held from beginning to end: each connection is
// handed to an sshd of its own, as inetd would.
type SSH struct {
	URL        string      // of the repository
	KeyFile    string      // of the user
	KnownHosts string      // names the server's key
	Down       atomic.Bool // hangs up on everybody
	authorized string
	host       string
	config     string
	listener   net.Listener
}

// ServeSSH serves a repository until the test ends.
func ServeSSH(t testing.TB, r Repository) *SSH {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &SSH{
		KeyFile: filepath.Join(dir, "id"), KnownHosts: filepath.Join(dir, "known_hosts"), authorized: filepath.Join(dir, "authorized"),
		host: filepath.Join(dir, "host"), config: filepath.Join(dir, "sshd_config"), listener: listener,
	}
	s.URL = fmt.Sprintf("ssh://%s@%s%s", user(), listener.Addr(), r.Dir)
	WriteFile(t, s.authorized, ssh.MarshalAuthorizedKey(NewKey(t, s.KeyFile, "")))
	s.NewHostKey(t)
	s.Know(t)
	s.serve(t)
	return s
}

var user = sync.OnceValue(func() string { return printed("id", "-un") })

// NewHostKey gives the server another key; it counts from the next connection.
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
	WriteFile(t, s.KnownHosts, fmt.Appendf(nil, "[127.0.0.1]:%d %s", s.listener.Addr().(*net.TCPAddr).Port, key))
}

// Authorize lets this key in, and no other.
func (s *SSH) Authorize(t testing.TB, key ssh.PublicKey) {
	t.Helper()
	WriteFile(t, s.authorized, ssh.MarshalAuthorizedKey(key))
}

// serve answers until the test ends.
func (s *SSH) serve(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	WriteFile(t, s.config, fmt.Appendf(nil, `
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
`, s.host, s.authorized))
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for c, err := s.listener.Accept(); err == nil; c, err = s.listener.Accept() {
			serving.Go(func() { s.answer(ctx, c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		_ = s.listener.Close()
		cancel()
		serving.Wait()
	})
}

// answer hands one connection to sshd.
func (s *SSH) answer(ctx context.Context, c *net.TCPConn) {
	defer c.Close()
	if s.Down.Load() {
		return
	}
	socket, err := c.File()
	if err != nil {
		return
	}
	defer socket.Close()
	server := exec.CommandContext(ctx, "/usr/sbin/sshd", "-i", "-e", "-f", s.config)
	server.Stdin, server.Stdout = socket, socket
	_ = server.Run()
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

// printed is what a program that cannot fail here prints, without the line's end.
func printed(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(out))
}
