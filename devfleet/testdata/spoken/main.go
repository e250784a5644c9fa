// What doors pass on: HTTP, WebSockets, server-sent events, large bodies and requests that take long at one port, gRPC at another.
// Once it is told to end it says so by WebSockets and to requests that take long, and ends when there are none of either.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

var (
	version = os.Getenv("VERSION")
	told    = make(chan struct{}) // closed once it is to end
	open    sync.WaitGroup        // WebSockets, and requests that take long
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go serveGRPC()
	paths := http.NewServeMux()
	paths.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, version, r.URL.Path) })
	paths.HandleFunc("/sum", sum)
	paths.HandleFunc("/bytes", give)
	paths.HandleFunc("/events", events)
	paths.HandleFunc("/long", long)
	paths.HandleFunc("/socket", socket)
	server := &http.Server{Addr: ":8080", Handler: paths}
	go func() { log.Print(server.ListenAndServe()) }()
	<-signals
	close(told)
	open.Wait()
	_ = server.Shutdown(context.Background())
}

// sum is the length of a body, and its SHA-256.
func sum(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Fprintf(w, "%d %x\n", n, hash.Sum(nil))
}

// give is as many bytes as n says. Each is its place's lowest eight bits.
func give(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
	}
	for ; n > 0; n -= len(all) {
		if _, err := w.Write(all[:min(n, len(all))]); err != nil {
			return
		}
	}
}

// events never end, so that who waits for the end before it passes something on never does.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := 0; r.Context().Err() == nil; i++ {
		fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", i, i)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(50 * time.Millisecond)
	}
}

// long begins its answer at once, and ends it some time after it is told to.
func long(w http.ResponseWriter, r *http.Request) {
	open.Add(1)
	defer open.Done()
	say := func(what string) {
		fmt.Fprintln(w, version, what)
		_ = http.NewResponseController(w).Flush()
	}
	say("begins")
	select {
	case <-told:
	case <-r.Context().Done():
		return
	}
	for range 20 {
		say("is told to end")
		time.Sleep(50 * time.Millisecond)
	}
	say("ends")
}

// socket says back what it hears, with its version.
func socket(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		log.Print(err)
		return
	}
	open.Add(1)
	defer open.Done()
	defer conn.Close()
	heard := make(chan string)
	go func() {
		defer close(heard)
		for {
			_, text, err := conn.ReadMessage()
			if err != nil {
				return
			}
			heard <- string(text)
		}
	}()
	said, told := "hello", told
	for there := true; there; {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(version+" "+said)); err != nil {
			log.Print(err)
		}
		select {
		case said, there = <-heard:
		case <-told:
			said, told = "is told to end", nil
		}
	}
}

func serveGRPC() {
	listener, err := net.Listen("tcp", ":9090")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "spoken.Echo", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Say", Handler: say, ServerStreams: true, ClientStreams: true}},
	}, nil)
	log.Fatal(server.Serve(listener))
}

// say says back each message before the next one comes. A message of health checks stands for any.
func say(_ any, stream grpc.ServerStream) error {
	for {
		heard := new(healthpb.HealthCheckRequest)
		if err := stream.RecvMsg(heard); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(&healthpb.HealthCheckRequest{Service: version + " " + heard.Service}); err != nil {
			return err
		}
	}
}
