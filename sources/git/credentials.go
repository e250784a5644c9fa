package git

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// Credentials are files and the environment, read at every fetch so that a new key or token counts at once. A zero field
// is taken from the environment: PODKEEP_GIT_TOKEN, PODKEEP_GIT_TOKEN_FILE, PODKEEP_GIT_USERNAME, PODKEEP_GIT_PASSWORD,
// PODKEEP_GIT_CA_FILE, PODKEEP_GIT_SSH_KEY (a file), PODKEEP_GIT_SSH_PASSPHRASE or PODKEEP_SSH_PASSPHRASE, PODKEEP_GIT_KNOWN_HOSTS.
type Credentials struct {
	TokenFile  string // https: holds a token
	CAFile     string // https: certificates to trust beside the system's
	SSHKey     string // ssh: a private key. Else what ssh takes
	KnownHosts string // ssh: else what ssh takes: see package openssh

	Warn func(string) // is told of what is skipped in files for ssh; may be nil

	// Keep keeps the environment's token, user name and password here: the URL is not the user's own. Keys are offered to any
	// host, as ssh does; what a host gets of them is a signature that is good for nothing else.
	Keep bool
}

// secrets are the variables whose content an https server gets to see.
var secrets = []string{"PODKEEP_GIT_TOKEN", "PODKEEP_GIT_TOKEN_FILE", "PODKEEP_GIT_PASSWORD"}

// Kept are the variables of the environment that the source would be sent if it were the user's own.
func Kept(o Options) (names []string) {
	w, err := parseURL(o.URL)
	if err != nil || !o.Keep || !strings.HasPrefix(w.scheme, "http") || w.password != "" || o.TokenFile != "" {
		return nil
	}
	for _, name := range secrets {
		if os.Getenv(name) != "" {
			names = append(names, name)
		}
	}
	return names
}

// tokenUser is the user name that goes with a token where none is given; the big forges accept any.
const tokenUser = "x-access-token"

// login is what an HTTP request carries.
type login struct {
	user, password string
	token          bool
}

// login finds the credentials for https: the URL's, then a token, then user and password.
func (c Credentials) login(w where) (login, error) {
	if w.password != "" {
		return login{w.user, w.password, false}, nil
	}
	user := cmp.Or(w.user, c.variable("PODKEEP_GIT_USERNAME"))
	token := c.variable("PODKEEP_GIT_TOKEN")
	if file := cmp.Or(c.TokenFile, c.variable("PODKEEP_GIT_TOKEN_FILE")); file != "" && (token == "" || c.TokenFile != "") {
		text, err := os.ReadFile(file)
		if err != nil {
			return login{}, fmt.Errorf("token: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	if token != "" {
		return login{cmp.Or(user, tokenUser), token, true}, nil
	}
	return login{user, c.variable("PODKEEP_GIT_PASSWORD"), false}, nil
}

// Login is what a git of the user's is to be told for the repository, so that it gets in as a Source does: a URL without
// credentials, and the user name and password for it, which are empty where there are none, or keys are used.
func Login(o Options) (url, user, password string, err error) {
	w, err := parseURL(o.URL)
	if err != nil || !strings.HasPrefix(w.scheme, "http") {
		return o.URL, "", "", err
	}
	l, err := o.login(w)
	if w.scheme == "http" && !loopback(w.host) {
		return w.String(), "", "", err
	}
	return w.String(), l.user, l.password, err
}

// variable is one of the environment, unless that is kept.
func (c Credentials) variable(name string) string {
	if c.Keep {
		return ""
	}
	return os.Getenv(name)
}

// errPlain is a password that would be readable on the way.
var errPlain = errors.New("credentials are not sent over http: use https")

// auth makes the header. bearer is the second way to send a token.
func (c Credentials) auth(w where, bearer bool) (githttp.AuthMethod, error) {
	l, err := c.login(w)
	switch {
	case err != nil:
		return nil, err
	case l.user == "" && l.password == "":
		return nil, nil
	case w.scheme == "http" && !loopback(w.host):
		return nil, errPlain
	case bearer && l.token:
		return &githttp.TokenAuth{Token: l.password}, nil
	}
	return &githttp.BasicAuth{Username: l.user, Password: l.password}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// httpClient trusts the system's certificates and those of the CA file.
func (c Credentials) httpClient() (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = DefaultTimeout
	t.IdleConnTimeout = 2 * DefaultInterval
	t.TLSHandshakeTimeout = 10 * time.Second
	t.MaxResponseHeaderBytes = maxHeaders
	file := cmp.Or(c.CAFile, os.Getenv("PODKEEP_GIT_CA_FILE"))
	if file == "" {
		return &http.Client{Transport: bounded{t}}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("CA: %s: holds no certificate", file)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: bounded{t}}, nil
}
