package node

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// longestHealth is how many bytes a health service's answer may have: it is one small number.
const longestHealth = 1 << 10

// checkHealth asks the gRPC health service, without TLS. The connection is ours, so that its failure is told apart from what is answered.
func checkHealth(ctx context.Context, t Target, a *corev1.GRPCAction) (what string, err error) {
	address, err := t.address("", intstr.FromInt32(a.Port))
	if err != nil {
		return "", err
	}
	what = "gRPC " + address
	conn, err := dial(ctx, address)
	if err != nil {
		return what, err
	}
	defer conn.Close()
	client, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return conn, nil }),
		grpc.WithUserAgent(agent), grpc.WithMaxHeaderListSize(longestHeader), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(longestHealth)))
	if err != nil {
		return what, err
	}
	defer client.Close()
	var ask health.HealthCheckRequest
	if a.Service != nil {
		ask.Service = *a.Service
	}
	answer, err := health.NewHealthClient(client).Check(ctx, &ask)
	if err != nil {
		return what, said(refusal(status.Code(err)))
	}
	if answer.Status != health.HealthCheckResponse_SERVING {
		return what, said(answer.Status.String())
	}
	return what, nil
}

// refusal is what a code means here. The message that comes with one is the server's.
func refusal(code codes.Code) string {
	switch code {
	case codes.Unimplemented:
		return "has no gRPC health service"
	case codes.NotFound:
		return "does not know the service"
	case codes.Unavailable:
		return "no proper answer"
	}
	return code.String()
}
