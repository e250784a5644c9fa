package keyring

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	_ "golang.org/x/crypto/x509roots/fallback" // a door's image has no certificates of authorities

	"github.com/podkeep/podkeep/node/route"
)

// client has certificates issued for some hosts, and renews them.
type client struct {
	of     route.DoorACME
	store  *store
	cache  *certmagic.Cache
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer

	mu     sync.Mutex
	ends   map[string]context.CancelFunc // by host
	failed map[string]string
}

// issue has issued what this node is the issuer of, and nothing else. Hosts that are there already cost nothing.
func (k *Keyring) issue() {
	d := k.doors()
	var hosts []string
	for host, issuer := range k.shown.Load().issuers {
		if issuer == k.node && d.ACME != nil {
			hosts = append(hosts, host)
		}
	}
	if k.client != nil && (len(hosts) == 0 || k.client.of != *d.ACME) {
		k.beside.Go(k.client.close) // what is under way has to end first
		k.client = nil
	}
	if len(hosts) == 0 {
		return
	}
	if k.client == nil {
		k.client = newClient(*d.ACME, k.store)
	}
	k.client.hold(hosts)
}

func newClient(of route.DoorACME, s *store) *client {
	c := &client{of: of, store: s, ends: map[string]context.CancelFunc{}, failed: map[string]string{}}
	log := zap.NewNop()
	c.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return c.config, nil }, Logger: log,
	})
	c.config = certmagic.New(c.cache, certmagic.Config{
		Storage: s, Logger: log, OCSP: certmagic.OCSPConfig{DisableStapling: true}, DisableStorageCheck: true, OnEvent: c.event,
	})
	c.issuer = certmagic.NewACMEIssuer(c.config, certmagic.ACMEIssuer{
		CA: of.Directory, TestCA: of.Directory, Email: of.Email, Agreed: true, DisableTLSALPNChallenge: true, TrustedRoots: roots(of.Roots), Logger: log,
		// It listens itself while it waits for the issuer, where nobody comes: the door's own port is the one that is asked.
		ListenHost: "127.0.0.1", AltHTTPPort: spare(),
	})
	c.config.Issuers = []certmagic.Issuer{c.issuer}
	return c
}

// roots are those of the system, or the fallback's, and further ones; nil is the former alone.
func roots(text string) *x509.CertPool {
	if text == "" {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM([]byte(text))
	return pool
}

// spare is a port of loopback that nobody has.
func spare() int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// hold has these hosts issued, and no others any more.
func (c *client) hold(hosts []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for host, end := range c.ends {
		if !slices.Contains(hosts, host) {
			end()
			delete(c.ends, host)
			delete(c.failed, host)
			c.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: host}})
		}
	}
	for _, host := range hosts {
		if c.ends[host] != nil {
			continue
		}
		c.store.mend(c.of.Directory, host)
		if chain, _ := c.store.certificate(c.of.Directory, host); chain == nil && !c.store.room() {
			c.failed[host] = "as many certificates are kept as may be: serve several hosts by one certificate of a Secret, or leave some out"
			continue
		}
		delete(c.failed, host)
		ctx, end := context.WithCancel(context.Background())
		c.ends[host] = end
		if err := c.config.ManageAsync(ctx, []string{host}); err != nil {
			c.failed[host] = err.Error()
		}
	}
}

// event takes in what the client says.
func (c *client) event(_ context.Context, event string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch event {
	case "cert_failed":
		if err, ok := data["error"].(error); ok && !errors.Is(err, context.Canceled) {
			c.failed[host] = err.Error()
		}
	case "cert_obtained":
		delete(c.failed, host)
	}
	return nil
}

// why is what the newest attempt for a host came to.
func (c *client) why(host string) string {
	if c == nil {
		return "nobody has it issued"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if why := c.failed[host]; why != "" {
		return "the issuer is asked again later: " + why
	}
	return "the issuer is asked"
}

func (c *client) close() {
	c.mu.Lock()
	for _, end := range c.ends {
		end()
	}
	c.mu.Unlock()
	c.cache.Stop()
}

// passed is on what a door passes on to the issuer's, which answers it or nobody does.
const passed = "X-Podkeep-Challenge"

const (
	challengePath    = "/.well-known/acme-challenge/"
	longestChallenge = 10 * time.Second
	largestChallenge = 4 << 10
	httpPort         = 80
)

// Challenge answers what the ACME issuer asks, or has the door of the node answer that it is asked for: true if it did.
func (k *Keyring) Challenge(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.HasPrefix(r.URL.Path, challengePath) {
		return false
	}
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	v := k.shown.Load()
	issuer, at := v.issuers[host], ""
	if issuer == "" {
		return false
	}
	k.mu.Lock()
	own, c := issuer == k.node, k.client
	k.mu.Unlock()
	switch at = v.address(issuer); {
	case own && c != nil:
		return c.issuer.HandleHTTPChallenge(w, r)
	case own || at == "" || r.Header.Get(passed) != "":
		return false
	}
	if err := passOn(w, r, at); err != nil {
		k.Log.WithFields(map[string]any{"node": issuer, "why": err}).Warn("the issuer's question cannot be passed on")
		http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
	}
	return true
}

// address is where a node's door is asked in the open; empty where nowhere.
func (v *view) address(node string) string {
	n, ok := v.table.Node(node)
	if !ok || !n.Address.IsValid() {
		return ""
	}
	port := uint16(0)
	for _, p := range v.table.Doors.Ports {
		if !p.TLS && (port == 0 || p.Port == httpPort) {
			port = p.Port
		}
	}
	if port == 0 {
		return ""
	}
	return net.JoinHostPort(n.Address.String(), fmt.Sprint(port))
}

func passOn(w http.ResponseWriter, r *http.Request, at string) error {
	ctx, cancel := context.WithTimeout(r.Context(), longestChallenge)
	defer cancel()
	to, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+r.URL.EscapedPath(), nil)
	if err != nil {
		return err
	}
	to.Host = r.Host
	to.Header.Set(passed, "1")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(to)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, largestChallenge))
	if err != nil {
		return err
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(text)
	return nil
}
