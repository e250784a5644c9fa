package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const (
	longestBody   = 10 << 10  // bytes of an answer's body that are waited for; what follows is not read
	longestHeader = 256 << 10 // bytes of an answer's header; one that is longer is no answer
	mostRedirects = 10
)

// agent is what probes call themselves: what looks for kubelet's finds ours.
const agent = "kube-probe/podkeep"

// newClient asks as kubelet does: it believes every certificate, knows no proxy, keeps no connection, and follows a server only to itself.
// It is good for one run, at whose end all its connections are closed: a transport goes on with those that a request no longer waits for.
func newClient(run context.Context) *http.Client {
	return &http.Client{CheckRedirect: follow, Transport: &http.Transport{
		DialContext:            func(_ context.Context, _, address string) (net.Conn, error) { return dialAsker(run, address) },
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: longestHeader,
	}}
}

// asker is a connection on which nothing is heard before something was asked. Package http writes into the log what a server says unasked.
type asker struct {
	net.Conn
	ask   func()
	asked context.Context // ends with the first question
}

func dialAsker(run context.Context, address string) (net.Conn, error) {
	conn, err := dial(run, address)
	if err != nil {
		return nil, err
	}
	asked, ask := context.WithCancel(run)
	return asker{conn, ask, asked}, nil
}

func (a asker) Write(b []byte) (int, error) {
	a.ask()
	return a.Conn.Write(b)
}

func (a asker) Read(b []byte) (int, error) {
	<-a.asked.Done()
	return a.Conn.Read(b)
}

// follow lets a server send us elsewhere on the same host. Being sent to another one is its answer.
func follow(next *http.Request, via []*http.Request) error {
	if next.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= mostRedirects {
		return said(fmt.Sprintf("redirected more than %d times", mostRedirects))
	}
	return nil
}

// httpGet succeeds with codes from 200 to 399. A path may hold a token in its query, so that is not told.
func httpGet(ctx context.Context, t Target, g *corev1.HTTPGetAction) (what string, err error) {
	target, err := t.url(g)
	if err != nil {
		return "", err
	}
	what = fmt.Sprintf("GET %s://%s%s", target.Scheme, target.Host, target.EscapedPath())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return what, void("that is no URL")
	}
	request.Header = headers(g.HTTPHeaders)
	request.Host = request.Header.Get("Host")
	answer, err := newClient(ctx).Do(request)
	if err != nil {
		return what, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, longestBody)); err != nil {
		return what, err
	}
	if answer.StatusCode < 200 || answer.StatusCode >= 400 {
		return what, said(fmt.Sprint(answer.StatusCode))
	}
	return what, nil
}

// url takes of a path what a path may hold, and its query.
func (t Target) url(g *corev1.HTTPGetAction) (url.URL, error) {
	host, err := t.address(g.Host, g.Port)
	if err != nil {
		return url.URL{}, err
	}
	path, err := url.Parse(g.Path)
	if err != nil || path.Opaque != "" {
		path = &url.URL{Path: g.Path}
	}
	if !strings.HasPrefix(path.Path, "/") {
		path = &url.URL{Path: "/" + path.Path, RawQuery: path.RawQuery}
	}
	scheme := "http"
	if g.Scheme == corev1.URISchemeHTTPS {
		scheme = "https"
	}
	return url.URL{Scheme: scheme, Host: host, Path: path.Path, RawPath: path.RawPath, RawQuery: path.RawQuery}, nil
}

// headers are the probe's. An empty Accept or User-Agent sends none.
func headers(asked []corev1.HTTPHeader) http.Header {
	all := http.Header{}
	for _, h := range asked {
		all.Add(h.Name, h.Value)
	}
	if _, given := all["User-Agent"]; !given {
		all.Set("User-Agent", agent)
	}
	if _, given := all["Accept"]; !given {
		all.Set("Accept", "*/*")
	} else if all.Get("Accept") == "" {
		all.Del("Accept")
	}
	return all
}
