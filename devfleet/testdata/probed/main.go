// Probed is a web server whose probes come to what it was told: /set?live=no, /set?ready=no, /set?hang=yes. Run as `probed started` it is an exec
// probe, which succeeds once the server listens, and as `probed live` one that says what /live does; `probed set?live=no` tells the server that runs
// beside it. At port 9090 it serves gRPC's health, which is well.
package main

import (
	"cmp"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	if len(os.Args) > 1 {
		probe(os.Args[1])
		return
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { <-term; os.Exit(0) }()
	time.Sleep(time.Second) // it takes its time to start
	go serveHealth()
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("LISTEN"), ":8080"), server(map[string]string{"ready": os.Getenv("READY")})))
}

// probe asks the server that runs beside it.
func probe(what string) {
	response, err := http.Get("http://127.0.0.1:8080/" + what)
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		log.Fatal(response.Status)
	}
}

func serveHealth() {
	listener, err := net.Listen("tcp", ":9090")
	if err != nil {
		log.Print(err)
		return
	}
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, health.NewServer())
	log.Print(s.Serve(listener))
}

// server answers as the settings say.
func server(settings map[string]string) http.Handler {
	var mu sync.Mutex
	get := func(key string) string { mu.Lock(); defer mu.Unlock(); return settings[key] }
	answer := func(key string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if get("hang") == "yes" {
				<-r.Context().Done()
				return
			}
			if get(key) == "no" {
				http.Error(w, "not "+key, http.StatusServiceUnavailable)
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/live", answer("live"))
	mux.HandleFunc("/ready", answer("ready"))
	mux.HandleFunc("/set", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for key, values := range r.URL.Query() {
			settings[key] = values[0]
		}
		fmt.Fprintln(w, "as you say")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "probed") })
	return mux
}
