package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var up = Answer{OK: true}

// secret stands in places that no reason may quote.
const secret = "hunter2"

// askHTTP runs an httpGet probe against a server. PORT in the answer's reason stands for the server's.
func askHTTP(t *testing.T, server net.Addr, g corev1.HTTPGetAction) Answer {
	t.Helper()
	host, port := split(t, server)
	g.Port = intstr.FromInt32(port)
	a := NewProber(Runtime{}).Run(t.Context(), Target{IP: host}, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &g}})
	a.Why = strings.ReplaceAll(a.Why, strconv.Itoa(int(port)), "PORT")
	return a
}

func split(t *testing.T, at net.Addr) (host string, port int32) {
	t.Helper()
	host, number, err := net.SplitHostPort(at.String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return host, int32(n)
}

func expect(t *testing.T, want, got Answer) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func code(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n); fmt.Fprint(w, secret) }
}

func to(url string, codes ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(codes[0])
			return
		}
		w.Header().Set("Location", url)
		w.WriteHeader(http.StatusFound)
	}
}

func TestACodeFrom200To399IsSuccess(t *testing.T) {
	for n, want := range map[int]Answer{
		200: up, 204: up, 304: up, 399: up,
		400: {Why: "GET http://127.0.0.1:PORT/: 400"},
		404: {Why: "GET http://127.0.0.1:PORT/: 404"},
		503: {Why: "GET http://127.0.0.1:PORT/: 503"},
		999: {Why: "GET http://127.0.0.1:PORT/: 999"},
	} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s := httptest.NewServer(code(n))
			defer s.Close()
			expect(t, want, askHTTP(t, s.Listener.Addr(), corev1.HTTPGetAction{Path: "/"}))
		})
	}
}

func TestAServerIsFollowedToItselfOnly(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve http.HandlerFunc
		want  Answer
	}{
		{"to itself, and well there", to("/well", 200), up},
		{"to itself, and not well there", to("/ill?token="+secret, 500), Answer{Why: "GET http://127.0.0.1:PORT/: 500"}},
		{"to another host, where nobody is asked", to("http://127.0.0.2:1/"), up},
		{"in a circle", to("/"), Answer{Why: "GET http://127.0.0.1:PORT/: redirected more than 10 times"}},
		{"to what cannot be asked", to("gopher://127.0.0.1/" + secret), Answer{Why: "GET http://127.0.0.1:PORT/: no proper answer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(c.serve)
			defer s.Close()
			expect(t, c.want, askHTTP(t, s.Listener.Addr(), corev1.HTTPGetAction{Path: "/"}))
		})
	}
}

func TestWhatIsSent(t *testing.T) {
	for _, c := range []struct {
		name string
		ask  corev1.HTTPGetAction
		want string // the request's first line, its host and its headers
	}{
		{"nothing is said", corev1.HTTPGetAction{}, "/ HOST Accept: */* User-Agent: kube-probe/podkeep"},
		{"a path with a query", corev1.HTTPGetAction{Path: "/a%2Fb?c=d&e"}, "/a%2Fb?c=d&e HOST Accept: */* User-Agent: kube-probe/podkeep"},
		{"a path without its slash", corev1.HTTPGetAction{Path: "healthz?a"}, "/healthz?a HOST Accept: */* User-Agent: kube-probe/podkeep"},
		{"a path that looks like a URL", corev1.HTTPGetAction{Path: "http://u:p@192.0.2.1/x"}, "/x HOST Accept: */* User-Agent: kube-probe/podkeep"},
		{"a path that is none", corev1.HTTPGetAction{Path: "/100%"}, "/100%25 HOST Accept: */* User-Agent: kube-probe/podkeep"},
		{"headers", corev1.HTTPGetAction{HTTPHeaders: []corev1.HTTPHeader{
			{Name: "host", Value: "example.com"}, {Name: "x-a", Value: "1"}, {Name: "X-A", Value: "2"}, {Name: "accept", Value: "text/plain"}, {Name: "User-Agent", Value: "me"},
		}}, "/ example.com Accept: text/plain User-Agent: me X-A: 1 X-A: 2"},
		{"headers taken out", corev1.HTTPGetAction{HTTPHeaders: []corev1.HTTPHeader{{Name: "Accept"}, {Name: "User-Agent"}}}, "/ HOST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				var all bytes.Buffer
				r.Header.Del("Connection")
				_ = r.Header.Write(&all)
				got = strings.Join(append([]string{r.RequestURI, r.Host}, strings.FieldsFunc(all.String(), func(c rune) bool { return c == '\r' || c == '\n' })...), " ")
				got = strings.ReplaceAll(got, r.Context().Value(http.LocalAddrContextKey).(net.Addr).String(), "HOST")
			}))
			defer s.Close()
			expect(t, up, askHTTP(t, s.Listener.Addr(), c.ask))
			if got != c.want {
				t.Errorf("sent %q, want %q", got, c.want)
			}
		})
	}
}

func TestEveryCertificateIsBelieved(t *testing.T) {
	s := httptest.NewTLSServer(code(200))
	defer s.Close()
	expect(t, up, askHTTP(t, s.Listener.Addr(), corev1.HTTPGetAction{Scheme: corev1.URISchemeHTTPS}))
}

func TestNoConnectionIsKept(t *testing.T) {
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(code(200))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	host, port := split(t, s.Listener.Addr())
	p := NewProber(Runtime{})
	for range 3 {
		expect(t, up, p.Run(t.Context(), Target{IP: host}, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(port)}}}))
	}
	if n := opened.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// serve accepts connections and hands each to a goroutine of its own. The test does not end before each of them has seen its own end.
func serve(t *testing.T, each func(net.Conn)) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				each(conn)
			})
		}
	})
	return l.Addr()
}

// Servers that do not do what a server does.
func frozen(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func resets(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.(*net.TCPConn).SetLinger(0)
}

func says(begin string, more string) func(net.Conn) {
	return func(conn net.Conn) {
		_, err := io.WriteString(conn, begin)
		for more != "" && err == nil {
			_, err = io.WriteString(conn, more)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

func waits(begin string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, begin); frozen(conn) }
}

func TestAServerThatDoesNotAnswerProperlyCostsNoMoreThanTheTimeout(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		http  string // why, of httpGet; empty: success
		https string
		grpc  string
	}{
		{"it accepts and never answers", frozen, "no answer within 1s", "no answer within 1s", "no answer within 1s"},
		{"it speaks first and never answers", waits("HTTP/1.1 200 OK\r\nX-A: "), "no answer within 1s", "answers HTTP where HTTPS was asked for", "no proper answer"},
		{"it resets", resets, "connection reset", "connection reset", "no proper answer"},
		{"it hangs up", says("", ""), "hung up before its answer was complete", "hung up before its answer was complete", "no proper answer"},
		{"it says something else", says("220 "+secret+"\r\n", ""), "no proper answer", "does not speak TLS", "no proper answer"},
		{"it sends headers for ever", says("HTTP/1.1 200 OK\r\n", "X-A: "+secret+"\r\n"), "no proper answer", "answers HTTP where HTTPS was asked for", "no proper answer"},
		{"it sends a body for ever", says("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat(secret, 1000)), "", "answers HTTP where HTTPS was asked for", "no proper answer"},
		{"it sends one of 100 MB", says("HTTP/1.1 503 No\r\nContent-Length: 104857600\r\n\r\n", strings.Repeat(secret, 1000)), "503", "answers HTTP where HTTPS was asked for", "no proper answer"},
		{"it stops in its body", waits("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"), "no answer within 1s", "answers HTTP where HTTPS was asked for", "no proper answer"},
		{"it cuts its body short", says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", ""), "hung up before its answer was complete", "answers HTTP where HTTPS was asked for", "no proper answer"},
		{"it asks to go on for ever", says("", "HTTP/1.1 100 Continue\r\n\r\n"), "no proper answer", "answers HTTP where HTTPS was asked for", "no proper answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := serve(t, c.serve)
			expect(t, down("GET http://127.0.0.1:PORT/: ", c.http), askHTTP(t, at, corev1.HTTPGetAction{}))
			expect(t, down("GET https://127.0.0.1:PORT/: ", c.https), askHTTP(t, at, corev1.HTTPGetAction{Scheme: corev1.URISchemeHTTPS}))
			expect(t, down("gRPC 127.0.0.1:PORT: ", c.grpc), askGRPC(t, at, nil))
		})
	}
}

func TestWhatAServerSaysUnaskedIsNotInTheLog(t *testing.T) {
	var all bytes.Buffer
	log.SetOutput(&all)
	defer log.SetOutput(os.Stderr)
	for range 50 {
		askHTTP(t, serve(t, says("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"+secret, "")), corev1.HTTPGetAction{})
	}
	if all.Len() > 0 {
		t.Errorf("%s", &all)
	}
}

func down(what, why string) Answer {
	if why == "" {
		return up
	}
	return Answer{Why: what + why}
}

func TestNoReasonQuotesWhatWasSent(t *testing.T) {
	s := httptest.NewServer(code(500))
	defer s.Close()
	got := askHTTP(t, s.Listener.Addr(), corev1.HTTPGetAction{
		Path: "/p?token=" + secret + "#" + secret, HTTPHeaders: []corev1.HTTPHeader{{Name: "Authorization", Value: secret}},
	})
	expect(t, Answer{Why: "GET http://127.0.0.1:PORT/p: 500"}, got)
}

func TestWhereAProbeGoes(t *testing.T) {
	ip := "::1"
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil { // a machine without IPv6 has its other address
		ip = "127.0.0.1"
		if l, err = net.Listen("tcp", ip+":0"); err != nil {
			t.Fatal(err)
		}
	}
	defer l.Close()
	_, port := split(t, l.Addr())
	at := intstr.FromInt32(port)
	ports := []corev1.ContainerPort{{Name: "other", ContainerPort: 1}, {Name: "web", ContainerPort: port}}
	for _, c := range []struct {
		name   string
		target Target
		ask    corev1.TCPSocketAction
		want   Answer
	}{
		{"to the pod", Target{IP: ip}, corev1.TCPSocketAction{Port: at}, up},
		{"to a port by its name", Target{IP: ip, Ports: ports}, corev1.TCPSocketAction{Port: intstr.FromString("web")}, up},
		{"to a port that has no such name", Target{IP: ip, Ports: ports}, corev1.TCPSocketAction{Port: intstr.FromString("wbe")},
			Answer{Void: true, Why: `the container has no port "wbe"`}},
		{"to a host that is named", Target{IP: "192.0.2.1"}, corev1.TCPSocketAction{Host: ip, Port: at}, up},
		{"where nobody listens", Target{IP: "127.0.0.1"}, corev1.TCPSocketAction{Port: intstr.FromInt32(1)}, Answer{Why: "TCP 127.0.0.1:1: connection refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := NewProber(Runtime{}).Run(t.Context(), c.target, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &c.ask}})
			expect(t, c.want, got)
		})
	}
}

func TestWhatIsBrokenOffCountsForNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	host, port := split(t, serve(t, func(conn net.Conn) { cancel(); frozen(conn) }))
	got := NewProber(Runtime{}).Run(ctx, Target{IP: host}, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(port)}}})
	expect(t, Answer{Void: true, Why: fmt.Sprintf("GET http://127.0.0.1:%d/: broken off", port)}, got)
}

// When the host lets no connection begin, nobody knows how a pod is that is not heard in time.
func TestWhatIsNotAnsweredWhileConntrackIsFullCountsForNothing(t *testing.T) {
	host, port := split(t, serve(t, frozen))
	for crowded, want := range map[bool]Answer{
		false: {Why: fmt.Sprintf("GET http://127.0.0.1:%d/: no answer within 1s", port)},
		true:  {Void: true, Why: fmt.Sprintf("GET http://127.0.0.1:%d/: conntrack of the host is full: it may never have been asked", port)},
	} {
		p := NewProber(Runtime{})
		p.Crowded = func() bool { return crowded }
		expect(t, want, p.Run(t.Context(), Target{IP: host}, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(port)}}}))
		_, refused := split(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
		expect(t, Answer{Why: "TCP 127.0.0.1:1: connection refused"}, p.Run(t.Context(), Target{IP: host}, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(refused)}}}))
	}
}
