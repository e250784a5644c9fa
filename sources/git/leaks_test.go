package git_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// A server that sends us on to another one gets no password sent there, though that one serves what was asked for.
func TestARedirectTakesNoCredentialsToAnotherServer(t *testing.T) {
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	behind, err := url.Parse(h.URL)
	must(t, err)
	var asked, told atomic.Int64
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: behind.Scheme, Host: behind.Host}) },
		Transport: trusting(t, h.CAFile),
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" {
			told.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(other.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(other.URL, "http://"), ":")
	for _, place := range []string{"http://localhost:" + port, "http://127.0.0.1:" + port} {
		var trusted atomic.Bool
		first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			trusted.Store(r.Header.Get("Authorization") != "")
			http.Redirect(w, r, place+r.URL.RequestURI(), http.StatusFound)
		}))
		t.Cleanup(first.Close)
		t.Setenv("PODKEEP_GIT_TOKEN", "s3cret")
		s := open(t, git.Options{URL: first.URL + behind.Path, Cache: t.TempDir()})
		_, _, err = s.Head(t.Context())
		if asked.Swap(0) == 0 || !trusted.Load() {
			t.Errorf("%s: who sends us on was sent the token: %t; nobody was asked behind him: %v", place, trusted.Load(), err)
		}
		if n := told.Swap(0); n > 0 {
			t.Errorf("%s: was sent the token %d times", place, n)
		}
	}
}

func trusting(t *testing.T, ca string) *http.Transport {
	t.Helper()
	text, err := os.ReadFile(ca)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
}

func TestCredentialsAreNotSentInTheOpen(t *testing.T) {
	t.Setenv("PODKEEP_GIT_TOKEN", "s3cret")
	refused(t, headError(t, open(t, git.Options{URL: "http://git.example.invalid/fleet", Cache: t.TempDir()})), "credentials are not sent over http: use https")
}

// What was fetched is for who fetched it: manifests with Secrets are in it.
func TestACacheIsItsUsersAlone(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	a.push(t, one("1"))
	sourcetest.Head(t, open(t, a.options))
	kept, err := filepath.Glob(filepath.Join(a.options.Cache, "*"))
	must(t, err)
	if len(kept) == 0 {
		t.Fatal("nothing is kept")
	}
	for _, path := range kept {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: others may enter: %s", path, info.Mode())
		}
	}
}
