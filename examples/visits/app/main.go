// Visits is a small web app and its cache, in one program: run as `app cache` it counts what it is asked to count, and else it serves a page that
// has the cache, which it knows by name alone, count each visit.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

var version = "v0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	port, handler := ":8080", http.HandlerFunc(page)
	if len(os.Args) > 1 && os.Args[1] == "cache" {
		port, handler = ":6000", counter()
	}
	server := &http.Server{Addr: port, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()
	log.Print("listening on ", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// counter says how often it was asked.
func counter() http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, n.Add(1)) }
}

// page says how many visits the cache has counted. It is of use without the cache too.
func page(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		return
	}
	host, _ := os.Hostname()
	n, err := visit(r.Context(), os.Getenv("CACHE"))
	if err != nil {
		fmt.Fprintf(w, "%s, %s: nobody counts visits: %v\n", host, version, err)
		return
	}
	fmt.Fprintf(w, "%s, %s: visit %s\n", host, version, n)
}

func visit(ctx context.Context, cache string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, cache, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	n, err := io.ReadAll(response.Body)
	return string(n), err
}
