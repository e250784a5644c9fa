package door

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/podkeep/podkeep/node/route"
)

func TestHTTP2ComesInAndGoesOut(t *testing.T) {
	s := newStage(t)
	serve := func(change func(*httptest.Server)) string {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Proto", r.Proto)
			_, _ = io.WriteString(w, r.Host+r.RequestURI+string(body))
		}))
		change(server)
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	s.service("h1", serve(func(h *httptest.Server) { h.Start() }))
	s.service("https", serve(func(h *httptest.Server) { h.StartTLS() }))
	s.service("h2", serve(func(h *httptest.Server) { h.EnableHTTP2 = true; h.StartTLS() }))
	s.service("h2c", serve(func(h *httptest.Server) {
		h.Config.Protocols = new(http.Protocols)
		h.Config.Protocols.SetUnencryptedHTTP2(true)
		h.Start()
	}))
	by := func(protocol string) func(*route.DoorRule) {
		return func(r *route.DoorRule) { r.To[0].Protocol = protocol }
	}
	s.rules(to("h1", at("/h1")), to("https", at("/https"), by("https")), to("h2", at("/h2"), by("h2")), to("h2c", at("/h2c"), by("h2c")))
	for path, want := range map[string]string{"h1": "HTTP/1.1", "https": "HTTP/1.1", "h2": "HTTP/2.0", "h2c": "HTTP/2.0"} {
		for _, scheme := range []string{"http", "https"} {
			for _, body := range []string{"", "small", strings.Repeat("large", 10_000)} {
				r, _ := http.NewRequest("PUT", scheme+"://a.test/"+path+"/%2F//x?q=1", strings.NewReader(body))
				got := s.do(s.client(true), r)
				if got.Header.Get("X-Proto") != want || got.text != "a.test/"+path+"/%2F//x?q=1"+body {
					t.Errorf("%s to %s: %d %s %.80s", scheme, path, got.StatusCode, got.Header.Get("X-Proto"), got.text)
				}
				if scheme == "https" && got.ProtoMajor != 2 {
					t.Errorf("answered by %s", got.Proto)
				}
			}
		}
	}
}

// talk is a gRPC service with a stream both ways.
func talk(_ any, stream grpc.ServerStream) error {
	for {
		m := new(healthpb.HealthCheckRequest)
		if err := stream.RecvMsg(m); err == io.EOF {
			return status.Error(codes.DataLoss, "by trailer")
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(&healthpb.HealthCheckRequest{Service: "re " + m.Service}); err != nil {
			return err
		}
	}
}

func TestGRPCStreamsBothWaysWithTrailers(t *testing.T) {
	s := newStage(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Talk", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{StreamName: "Talk", Handler: talk, ServerStreams: true, ClientStreams: true}}}, struct{}{})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	s.service("grpc", l.Addr().String())
	s.rules(to("grpc", func(r *route.DoorRule) { r.To[0].Protocol = "h2c" }))

	conn, err := grpc.NewClient(s.https, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil || got.Status != healthpb.HealthCheckResponse_SERVING {
		t.Fatal(got, err)
	}
	if _, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: "none"}); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Talk/Talk")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", "two"} {
		got := new(healthpb.HealthCheckRequest)
		if err := stream.SendMsg(&healthpb.HealthCheckRequest{Service: word}); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(got); err != nil || got.Service != "re "+word {
			t.Fatal(got, err)
		}
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(new(healthpb.HealthCheckRequest)); status.Code(err) != codes.DataLoss {
		t.Error(err)
	}
}

func TestAWebSocketSpeaksBothWays(t *testing.T) {
	s := newStage(t)
	up := websocket.Upgrader{Subprotocols: []string{"chat"}}
	s.service("a", s.pod(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, http.Header{"X-Pod": {"yes"}})
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		for {
			kind, text, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, append([]byte("re "), text...)) != nil {
				return
			}
		}
	}))
	s.rules(to("a"))
	for _, at := range []string{"ws://" + s.http, "wss://" + s.https} {
		dial := websocket.Dialer{Subprotocols: []string{"chat"}, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		c, a, err := dial.Dial(at+"/", http.Header{"Origin": nil})
		if err != nil {
			t.Fatal(at, err)
		}
		if a.Header.Get("X-Pod") != "yes" || c.Subprotocol() != "chat" {
			t.Error(a.Header)
		}
		for _, word := range []string{"one", strings.Repeat("long", 100_000)} {
			if err := c.WriteMessage(websocket.TextMessage, []byte(word)); err != nil {
				t.Fatal(err)
			}
			if _, text, err := c.ReadMessage(); err != nil || string(text) != "re "+word {
				t.Fatalf("%.20s %v", text, err)
			}
		}
		_ = c.Close()
	}
	until(t, "both have ended", func() bool { return s.under.Load() == 0 })
}

func TestAPodsUpgradeToAnotherHTTPIsNotAskedFor(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	s.rules(to("echo"))
	for _, to := range []string{"h2c", "H2C", "HTTP/2.0", "websocket, h2c", "TLS/1.0"} {
		if got := s.get("http://a.test/", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", to, "Http2-Settings", "AAMAAABkAAQAAP__"); got.StatusCode != 200 || strings.Contains(got.text, "Connection: Up") {
			t.Errorf("%s: %d %s", to, got.StatusCode, got.text)
		}
	}
}

func TestEventsComeAsTheyAreSaid(t *testing.T) {
	s := newStage(t)
	next := make(chan struct{})
	s.service("a", s.pod(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			<-next
		}
	}))
	s.rules(to("a"))
	for _, url := range []string{"http://a.test/", "https://a.test/"} {
		a, err := s.client(true).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(a.Body)
		for range 3 {
			if text, err := lines.ReadString('\n'); err != nil || text != "data: x\n" {
				t.Fatal(text, err)
			}
			_, _ = lines.ReadString('\n')
			next <- struct{}{}
		}
		_ = a.Body.Close()
	}
}

func TestThePROXYProtocolIsReadFromThoseWhoSpeakIt(t *testing.T) {
	s := newStage(t, func(l *limits) { l.head = time.Second })
	s.service("echo", s.pod(echo))
	s.rules(to("echo"))
	const ask = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
	const one = "PROXY TCP4 5.5.5.5 127.0.0.1 1234 80\r\n"
	if got := s.say(one + ask); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("nobody told us of a balancer: %s", got)
	}
	s.change(func(t *route.Table) { t.Doors.Proxied = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	two := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + "\x05\x05\x05\x05\x7f\x00\x00\x01"
	two += string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, 1234), 80))
	for name, begin := range map[string]string{"version 1": one, "version 2": two} {
		if got := s.say(begin + ask); !strings.Contains(got, "X-Real-Ip: 5.5.5.5\n") {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, text := range map[string]string{"none": ask, "a part": "PROXY TCP4", "another": "PROXY TCP9 x\r\n" + ask, "nothing": ""} {
		if got := s.say(text); strings.Contains(got, " 200 ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	r, _ := http.NewRequest("GET", "https://a.test/", nil)
	c := s.client(false)
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.https)
		if err == nil {
			_, err = io.WriteString(conn, one)
		}
		return conn, err
	}
	if got := s.do(c, r).text; !strings.Contains(got, "X-Real-Ip: 5.5.5.5\n") {
		t.Error(got)
	}
}
