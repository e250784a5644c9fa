// Traffic is both ends of it: a web server that says its VERSION and ends when its requests have, and, run as `traffic load URL ..`, somebody who asks
// the URLs again and again until told to stop, and says how often that failed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) > 2 && os.Args[1] == "load" {
		load(ctx, os.Args[2:])
		return
	}
	serve(ctx)
}

func serve(ctx context.Context) {
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, os.Getenv("VERSION"))
	})}
	over := make(chan struct{})
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
		close(over)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-over
}

// tally is what load says: how many answers there were, how many failures, and the last few of those.
type tally struct {
	Answers, Failures int64
	Why               []string
	Failed            time.Time // when the newest of the requests that failed began
	Oldest            time.Time // when the oldest of those that are under way began
}

// load asks each URL from two connections at a time, one that is kept and one that is new for each request, until ctx ends. It writes what came of
// it whenever a line comes in, or every second where none can.
func load(ctx context.Context, urls []string) {
	var mu sync.Mutex
	var said tally
	began := map[*http.Client]time.Time{}
	say := func() {
		mu.Lock()
		defer mu.Unlock()
		said.Oldest = time.Now()
		for _, at := range began {
			if at.Before(said.Oldest) {
				said.Oldest = at
			}
		}
		_ = json.NewEncoder(os.Stdout).Encode(said)
	}
	begins := func(client *http.Client) time.Time {
		mu.Lock()
		defer mu.Unlock()
		began[client] = time.Now()
		return began[client]
	}
	ends := func(at time.Time, how string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			said.Answers++
			return
		}
		said.Failures++
		said.Why = append(said.Why[max(0, len(said.Why)-9):], fmt.Sprintf("%s %s: %v", at.Format("15:04:05.000"), how, err))
		if at.After(said.Failed) {
			said.Failed = at
		}
	}
	var join sync.WaitGroup
	for _, url := range urls {
		for _, kept := range []bool{true, false} {
			client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
				DisableKeepAlives: !kept, DialContext: (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
			}}
			join.Go(func() {
				for ctx.Err() == nil {
					at := begins(client)
					err := ask(client, url)
					if ends(at, fmt.Sprintf("kept=%v", kept), err); err != nil {
						time.Sleep(50 * time.Millisecond)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
	go func() {
		one := make([]byte, 1)
		for {
			if _, err := os.Stdin.Read(one); err != nil {
				time.Sleep(time.Second) // nobody tells it when
			}
			say()
		}
	}()
	join.Wait()
}

func ask(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", response.Status)
	}
	return nil
}
