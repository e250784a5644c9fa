package node

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
)

// askGRPC runs a gRPC probe against a server. PORT in the answer's reason stands for the server's.
func askGRPC(t *testing.T, server net.Addr, service *string) Answer {
	t.Helper()
	host, port := split(t, server)
	a := NewProber(Runtime{}).Run(t.Context(), Target{IP: host}, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: port, Service: service}}})
	a.Why = strings.ReplaceAll(a.Why, strconv.Itoa(int(port)), "PORT")
	return a
}

// serveGRPC serves on loopback until the test ends.
func serveGRPC(t *testing.T, s *grpc.Server) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr()
}

func TestAGRPCServiceIsWellWhenItServes(t *testing.T) {
	s, states := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(s, states)
	states.SetServingStatus("well", healthpb.HealthCheckResponse_SERVING)
	states.SetServingStatus("ill", healthpb.HealthCheckResponse_NOT_SERVING)
	at := serveGRPC(t, s)
	for service, want := range map[string]Answer{
		"": up, "well": up,
		"ill":     {Why: "gRPC 127.0.0.1:PORT: NOT_SERVING"},
		"nowhere": {Why: "gRPC 127.0.0.1:PORT: does not know the service"},
	} {
		t.Run(service, func(t *testing.T) { expect(t, want, askGRPC(t, at, &service)) })
	}
	expect(t, up, askGRPC(t, at, nil))
}

func TestAGRPCServerNeedsAHealthService(t *testing.T) {
	expect(t, Answer{Why: "gRPC 127.0.0.1:PORT: has no gRPC health service"}, askGRPC(t, serveGRPC(t, grpc.NewServer()), nil))
}

func TestAGRPCServerThatIsNotThereIsRefusedAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	expect(t, Answer{Why: "gRPC 127.0.0.1:PORT: connection refused"}, askGRPC(t, l.Addr(), nil))
}

func TestAGRPCServerThatAnswersAtLengthIsNotHeardOut(t *testing.T) {
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		return stream.SendMsg(&healthpb.HealthCheckRequest{Service: strings.Repeat("x", longestHealth)})
	}))
	expect(t, Answer{Why: "gRPC 127.0.0.1:PORT: ResourceExhausted"}, askGRPC(t, serveGRPC(t, s), nil))
}
