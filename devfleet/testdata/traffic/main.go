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
	"sync/atomic"
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

// tally is what load says: how many answers there were, how many failures, and the first few of those.
type tally struct {
	Answers, Failures int64
	Why               []string
}

// load asks each URL from two connections at a time, one that is kept and one that is new for each request, until ctx ends. It writes what came of
// it whenever a line comes in, or every second where none can.
func load(ctx context.Context, urls []string) {
	var answers, failures atomic.Int64
	var mu sync.Mutex
	var why []string
	say := func() {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(os.Stdout).Encode(tally{answers.Load(), failures.Load(), why})
	}
	var join sync.WaitGroup
	for _, url := range urls {
		for _, kept := range []bool{true, false} {
			client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
				DisableKeepAlives: !kept, DialContext: (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
			}}
			join.Go(func() {
				for ctx.Err() == nil {
					if err := ask(client, url); err == nil {
						answers.Add(1)
					} else {
						failures.Add(1)
						mu.Lock()
						if len(why) < 10 {
							why = append(why, fmt.Sprintf("%s kept=%v: %v", time.Now().Format(time.TimeOnly), kept, err))
						}
						mu.Unlock()
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
