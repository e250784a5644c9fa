package devfleet_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// forge serves the stage's repository over TLS on loopback, by Git's own program, to those who bring a token that is
// let in. It may go away and come back at the same address.
type forge struct {
	stage   *stage
	address string
	server  *httptest.Server

	mu  sync.Mutex
	let []string
}

// serveForge serves fleet.git and makes the controller follow the clone's folder in it.
func (s *stage) serveForge() {
	s.Helper()
	f := &forge{stage: s, address: freeAddress(s.T)}
	s.forge = f
	f.begins()
	s.Cleanup(f.ends)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
	s.ok(os.WriteFile(s.path("ca.pem"), certificate, 0o600))
	s.source = s.follows("token")
	s.lets("token")
}

// follows are the flags of a controller that brings the token in this file of the fleet's directory.
func (s *stage) follows(token string) []string {
	return []string{"--source", "https://" + s.forge.address + "/fleet.git", "--branch", "main", "--path", s.folder, "--interval", "1s",
		"--token-file", s.path(token), "--ca-file", s.path("ca.pem")}
}

// lets writes a token into each file, and has the forge let in these and no others.
func (s *stage) lets(tokens ...string) {
	s.Helper()
	s.forge.mu.Lock()
	defer s.forge.mu.Unlock()
	s.forge.let = nil
	for _, file := range tokens {
		token := file + "-" + rand8()
		s.ok(os.WriteFile(s.path(file), []byte(token), 0o600))
		s.forge.let = append(s.forge.let, token)
	}
}

// revokes has the forge let in nobody who brings the token in this file.
func (s *stage) revokes(file string) {
	s.Helper()
	token := s.read(s.path(file))
	s.forge.mu.Lock()
	defer s.forge.mu.Unlock()
	s.forge.let = slices.DeleteFunc(s.forge.let, func(t string) bool { return t == token })
}

func (f *forge) begins() {
	f.stage.Helper()
	listener, err := net.Listen("tcp", f.address)
	f.stage.ok(err)
	f.server = httptest.NewUnstartedServer(f.door(&cgi.Handler{
		Path: filepath.Join(f.stage.command(".", "git", "--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + f.stage.fleet.Dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}))
	f.server.Listener.Close()
	f.server.Listener = listener
	f.server.StartTLS()
}

func (f *forge) ends() {
	f.server.CloseClientConnections()
	f.server.Close()
}

func (f *forge) door(git http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := r.BasicAuth()
		f.mu.Lock()
		in := slices.Contains(f.let, token)
		f.mu.Unlock()
		if !in {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		git.ServeHTTP(w, r)
	})
}
