// Hello is a small web server to try podkeep with. It answers on :8080 with its greeting, its version and the name of
// the pod that speaks. It is built into an image without a registry: podkeep dev build localhost/hello:v1 ./app
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

var version = "v0"

// greetingFile is where the manifests mount the ConfigMap.
const greetingFile = "/etc/hello/greeting"

func main() {
	if os.Getenv("MOOD") == "BREAK" {
		log.Fatal("told to BREAK, so I do")
	}
	text, err := greeting()
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 1 && os.Args[1] == "check" {
		check(text)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, text); err != nil {
		log.Fatal(err)
	}
}

// check is what a Job runs before the server is given new words: it fails when there are none.
func check(greeting string) {
	if greeting == "" {
		log.Fatal("the greeting is empty")
	}
	log.Printf("%q will do", greeting)
}

// greeting is the first word from the file, or "hello" without one. It is read once: changed configuration means new
// pods, never old ones that changed their mind.
func greeting() (string, error) {
	data, err := os.ReadFile(greetingFile)
	if errors.Is(err, os.ErrNotExist) {
		return "hello", nil
	}
	return strings.TrimSpace(string(data)), err
}

func serve(ctx context.Context, greeting string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%s from %s, version %s, mood %s\n", greeting, host, version, mood())
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, line)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	log.Print("listening on ", server.Addr)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}

func mood() string {
	if m := os.Getenv("MOOD"); m != "" {
		return m
	}
	return "calm"
}
