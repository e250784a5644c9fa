package devfleet_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// through reaches a node for whatever host.
func through(node string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(node, port))
	}
}

// client asks a node's door by HTTP/2, if it may.
func client(t *testing.T, trusted *x509.CertPool, node string, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: through(node), TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: http2}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// speaks is that a body goes up and another down, by HTTP/1.1 and HTTP/2, that events come while more are to come, and that
// WebSockets and gRPC speak both ways.
func (s *stage) speaks(trusted *x509.CertPool, node string) {
	s.Helper()
	ctx, cancel := patient(s.T)
	defer cancel()
	body := make([]byte, 32<<20)
	for i := range body {
		body[i] = byte(i)
	}
	for proto, c := range map[string]*http.Client{"HTTP/1.1": client(s.T, trusted, node, false), "HTTP/2.0": client(s.T, trusted, node, true)} {
		s.asked(ctx, c, "PUT", "https://web.example.org/sum", bytes.NewReader(body), func(r *http.Response) error {
			said, err := io.ReadAll(r.Body)
			if want := fmt.Sprintf("%d %x\n", len(body), sha256.Sum256(body)); err != nil || string(said) != want || r.Proto != proto {
				return fmt.Errorf("%s: up came %s, want %s: %v", r.Proto, said, want, err)
			}
			return nil
		})
		s.asked(ctx, c, "GET", fmt.Sprintf("https://web.example.org/bytes?n=%d", len(body)), nil, func(r *http.Response) error {
			got, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(got, body) {
				return fmt.Errorf("%s: down came %d bytes, or others: %v", r.Proto, len(got), err)
			}
			return nil
		})
		s.asked(ctx, c, "GET", "https://web.example.org/events", nil, func(r *http.Response) error {
			lines := bufio.NewScanner(r.Body)
			for i := 0; i < 3; {
				if !lines.Scan() {
					return fmt.Errorf("%s: no event %d: %v", r.Proto, i, lines.Err())
				}
				if lines.Text() == fmt.Sprintf("data: event %d", i) {
					i++
				}
			}
			return nil
		})
	}
	conn := s.socket(ctx, trusted, node)
	for i := range 3 {
		conn.says(s, fmt.Sprintf("word %d", i), fmt.Sprintf("1 word %d", i))
	}
	s.ok(conn.Close())
	s.ok(speaksGRPC(ctx, trusted, node))
}

// asked is an answer of 200 that is as it should be.
func (s *stage) asked(ctx context.Context, c *http.Client, method, url string, body io.Reader, is func(*http.Response) error) {
	s.Helper()
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	s.ok(err)
	response, err := c.Do(request)
	s.ok(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.Fatalf("%s %s: %s", method, url, response.Status)
	}
	s.ok(is(response))
}

// socket is a WebSocket through a node's door. Its pod has said hello.
type socket struct{ *websocket.Conn }

func (s *stage) socket(ctx context.Context, trusted *x509.CertPool, node string) socket {
	s.Helper()
	dialer := websocket.Dialer{NetDialContext: through(node), TLSClientConfig: &tls.Config{RootCAs: trusted}}
	conn, _, err := dialer.DialContext(ctx, "wss://web.example.org/socket", nil)
	s.ok(err)
	s.Cleanup(func() { _ = conn.Close() })
	deadline, _ := ctx.Deadline()
	s.ok(conn.SetReadDeadline(deadline))
	c := socket{conn}
	c.hears(s, "1 hello")
	return c
}

func (c socket) hears(s *stage, want string) {
	s.Helper()
	_, said, err := c.ReadMessage()
	if err != nil || string(said) != want {
		s.Fatalf("%q, want %q: %v", said, want, err)
	}
}

func (c socket) says(s *stage, what, want string) {
	s.Helper()
	s.ok(c.WriteMessage(websocket.TextMessage, []byte(what)))
	c.hears(s, want)
}

func speaksGRPC(ctx context.Context, trusted *x509.CertPool, node string) error {
	dial := func(ctx context.Context, address string) (net.Conn, error) { return through(node)(ctx, "tcp", address) }
	conn, err := grpc.NewClient("passthrough:///grpc.example.org:443", grpc.WithContextDialer(dial), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: trusted})))
	if err != nil {
		return err
	}
	defer conn.Close()
	is, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || is.Status != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("health: %v, %w", is, err)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/spoken.Echo/Say")
	if err != nil {
		return err
	}
	for _, word := range []string{"one", "two", "three"} {
		heard := new(healthpb.HealthCheckRequest)
		if err := errors.Join(stream.SendMsg(&healthpb.HealthCheckRequest{Service: word}), stream.RecvMsg(heard)); err != nil || heard.Service != "1 "+word {
			return fmt.Errorf("%q after %q: %w", heard.Service, word, err)
		}
	}
	if err := errors.Join(stream.CloseSend(), stream.RecvMsg(new(healthpb.HealthCheckRequest))); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream has no end: %w", err)
	}
	return nil
}

// outlives is that a WebSocket and a request that are under way go on when their pods are told to end.
func (s *stage) outlives(trusted *x509.CertPool, node string, roll func()) {
	s.Helper()
	ctx, cancel := patient(s.T)
	defer cancel()
	conn := s.socket(ctx, trusted, node)
	s.asked(ctx, client(s.T, trusted, node, true), "GET", "https://web.example.org/long", nil, func(r *http.Response) error {
		lines := bufio.NewReader(r.Body)
		if begin, err := lines.ReadString('\n'); begin != "1 begins\n" {
			return fmt.Errorf("%q: %w", begin, err)
		}
		roll()
		conn.hears(s, "1 is told to end")
		conn.says(s, "still", "1 still")
		rest, err := io.ReadAll(lines)
		if err != nil || !strings.HasSuffix(string(rest), "1 is told to end\n1 ends\n") {
			return fmt.Errorf("%q: %v", rest, err)
		}
		return nil
	})
	conn.says(s, "and now", "1 and now")
	s.ok(conn.Close())
}

// shares waits until of many requests so many have each answer.
func (s *stage) shares(trusted *x509.CertPool, node, url string, header http.Header, enough func(by map[string]int) bool) {
	s.Helper()
	c := client(s.T, trusted, node, false)
	s.await(func() error {
		by := map[string]int{}
		for range 300 {
			request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, url, nil)
			s.ok(err)
			request.Header = header
			said, err := text(c, request)
			if err != nil {
				return err
			}
			by[said]++
		}
		if !enough(by) {
			return fmt.Errorf("%s with %v: %v", url, header, by)
		}
		return nil
	})
}

// text is an answer's status and body.
func text(c *http.Client, request *http.Request) (string, error) {
	once := *c
	once.Timeout = time.Minute
	response, err := once.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	return fmt.Sprint(response.StatusCode, " ", strings.TrimSpace(string(said))), err
}
