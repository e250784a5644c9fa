package door

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// stage is a door on loopback before Services on loopback. Port 80 of its table is HTTP, 443 is HTTPS, whatever the listeners' ports are.
type stage struct {
	*Door
	t      *testing.T
	http   string // addresses
	https  string
	keys   *keys
	access *lines
	mu     sync.Mutex
	table  route.Table
}

// keys has one certificate for all names, and one password.
type keys struct{ cert tls.Certificate }

func (k *keys) Certificate(uint16) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == "lacking.test" {
			return nil, fmt.Errorf("there is no certificate for %s", h.ServerName)
		}
		return &k.cert, nil
	}
}

func (k *keys) Allowed(users, name, password string) bool {
	return users == "shop/users@1" && name == "ann" && password == "secret"
}

func (k *keys) Challenge(w http.ResponseWriter, r *http.Request) bool {
	if strings.HasSuffix(r.URL.Path, "/known") {
		_, _ = io.WriteString(w, "token")
		return true
	}
	return false
}

// lines are what was written to a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// newStage is a door that serves at both ports until the test ends.
func newStage(t *testing.T, change ...func(*limits)) *stage {
	t.Helper()
	l := defaults
	for _, c := range change {
		c(&l)
	}
	s := &stage{t: t, access: &lines{}, keys: &keys{}}
	source := httptest.NewUnstartedServer(nil)
	source.StartTLS()
	s.keys.cert = source.TLS.Certificates[0]
	source.Close()
	s.Door = newDoor(Options{Keys: s.keys, Access: s.access}, l)
	s.table = route.Table{Doors: &route.Doors{Ports: []route.DoorPort{{Port: 80}, {Port: 443, TLS: true}}, Log: true}}
	s.http, s.https = s.listen(80, false), s.listen(443, true)
	t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		s.Leave(over)
	})
	return s
}

func (s *stage) listen(port uint16, secure bool) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l, port, secure); err != nil {
			s.t.Error(err)
		}
	}()
	s.t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}

// rules are what is served at both ports under every name.
func (s *stage) rules(rules ...route.DoorRule) { s.hosts(route.DoorHost{Rules: rules}) }

func (s *stage) hosts(hosts ...route.DoorHost) {
	s.change(func(t *route.Table) {
		for i := range t.Doors.Ports {
			t.Doors.Ports[i].Hosts = hosts
		}
	})
}

// change puts another table.
func (s *stage) change(f func(*route.Table)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.table
	doors := *next.Doors
	doors.Ports = append([]route.DoorPort(nil), doors.Ports...)
	next.Doors, next.Services = &doors, append([]route.Service(nil), next.Services...)
	f(&next)
	next.Number++
	s.table = next
	s.Put(&next)
}

// service names the pods at those addresses; a service is made of names and pods that are sorted.
func (s *stage) service(name string, pods ...string) {
	one := route.Service{Namespace: "shop", Name: name, Ports: []route.Port{{Protocol: "tcp", Port: 80}}}
	for _, p := range pods {
		at := netip.MustParseAddrPort(p)
		one.Endpoints = append(one.Endpoints, route.Endpoint{Pod: p, IP: at.Addr(), Ports: []uint16{at.Port()}})
	}
	s.change(func(t *route.Table) {
		for i := range t.Services {
			if t.Services[i].Name == name {
				t.Services[i] = one
				return
			}
		}
		t.Services = append(t.Services, one)
		slices.SortFunc(t.Services, func(a, b route.Service) int { return strings.Compare(a.Name, b.Name) })
	})
}

// pod is a server that answers so; its address.
func (s *stage) pod(h http.HandlerFunc) string {
	server := httptest.NewServer(h)
	s.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// raw is a pod that speaks to each connection as the function does.
func (s *stage) raw(speak func(net.Conn, *bufio.Reader)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer func() { _ = c.Close() }(); speak(c, bufio.NewReader(c)) })
		}
	})
	s.t.Cleanup(func() {
		_ = l.Close()
		over, end := context.WithCancel(context.Background())
		end()
		s.Leave(over)
		all.Wait()
	})
	return l.Addr().String()
}

// to is a rule for all paths that leads to a service.
func to(service string, change ...func(*route.DoorRule)) route.DoorRule {
	r := route.DoorRule{From: "Ingress/shop/" + service, Match: route.DoorMatch{Kind: route.Prefix, Path: "/"}, To: []route.DoorBackend{{Namespace: "shop", Service: service, Port: 80, Weight: 1}}}
	for _, c := range change {
		c(&r)
	}
	return r
}

// madeOf are the rules that objects in YAML ask for at the first host of port 80. Each Service is looked for in namespace shop.
func madeOf(t *testing.T, text string) []route.DoorRule {
	t.Helper()
	set := manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(text))})
	for _, p := range set.Problems {
		t.Fatal(p)
	}
	services := []manifest.Service{{Meta: manifest.Meta{ID: manifest.ID{Kind: "Service", Namespace: "default", Name: "echo"}}, Ports: []manifest.ServicePort{{Protocol: "tcp", Port: 80}}}}
	net := manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"}
	made, _, _ := route.Build(route.Want{Net: net, Services: services, Doors: &route.DoorWant{
		Offer: manifest.DoorOffer{HTTP: 80}, Nodes: []string{"n1"}, Ingresses: set.Ingresses, Gateways: set.Gateways, Routes: set.HTTPRoutes,
	}})
	if made.Doors == nil || len(made.Doors.Ports) == 0 {
		t.Fatal("nothing is served")
	}
	rules := made.Doors.Ports[0].Hosts[0].Rules
	for i := range rules {
		for j := range rules[i].To {
			rules[i].To[j].Namespace = "shop"
		}
	}
	return rules
}

// routed is a Gateway and an HTTPRoute with that rule.
func routed(rule string) string {
	return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: podkeep, listeners: [{name: a, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: web}]
  rules:
  - {` + rule + "}\n"
}

func at(path string) func(*route.DoorRule) { return func(r *route.DoorRule) { r.Match.Path = path } }

// client trusts any certificate and dials the door whatever the URL's host is.
func (s *stage) client(second bool) *http.Client {
	tr := &http.Transport{
		ForceAttemptHTTP2: second, MaxIdleConnsPerHost: 100, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, RootCAs: x509.NewCertPool()},
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			to := s.http
			if strings.HasSuffix(addr, ":443") {
				to = s.https
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", to)
		},
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is what came of a request.
type answer struct {
	*http.Response
	text string
}

// get asks; headers are pairs.
func (s *stage) get(url string, headers ...string) answer {
	s.t.Helper()
	return s.send(http.MethodGet, url, nil, headers...)
}

func (s *stage) send(method, url string, body io.Reader, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	return s.do(s.client(false), r)
}

func (s *stage) do(c *http.Client, r *http.Request) answer {
	s.t.Helper()
	a, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{a, string(text)}
}

// say sends bytes to the HTTP port and is all that comes until the door closes.
func (s *stage) say(text string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, text)
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	all, _ := io.ReadAll(c)
	return string(all)
}

// until waits for a state.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// echo says what a pod was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %s %s\n%s\n", r.Method, r.Host, r.RequestURI, body)
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-Ip", "Forwarded", "X-Set", "X-Add", "X-Gone", "Connection", "X-Hop", "X_forwarded_for"} {
		if v := r.Header[name]; v != nil {
			_, _ = fmt.Fprintf(w, "%s: %s\n", name, strings.Join(v, "|"))
		}
	}
}
