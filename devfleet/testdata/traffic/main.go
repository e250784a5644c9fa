// Traffic is both ends of it: a web server that says its VERSION and ends when its requests have, and, run as `traffic load URL ..`, somebody who asks
// the URLs again and again until told to stop, and says how often that failed, and who answered. What follows a # in a URL is the address to ask at.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
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
	Courses           []*course
}

// course is what one URL answered, over one connection after the other.
type course struct {
	URL   string
	Kept  bool             // connections are, else each request has its own
	By    map[string]int64 // how often each version answered,
	Last  string           // which did last,
	Turns int              // and how often it was another one than before
}

func (c *course) add(version string) {
	if c.Last != version && c.Last != "" {
		c.Turns++
	}
	c.Last = version
	c.By[version]++
}

// load asks each URL from two connections at a time, one that is kept and one that is new for each request, until ctx ends, with a pause after each, if the
// first of them is one. It writes what came of it whenever a line comes in, or every second where none can.
func load(ctx context.Context, urls []string) {
	pause, err := time.ParseDuration(urls[0])
	if err == nil {
		urls = urls[1:]
	} else {
		pause = 20 * time.Millisecond // more than a few at a time would leave a small machine no time for what is tested
	}
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
	ends := func(c *course, at time.Time, version string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			said.Answers++
			c.add(version)
			return
		}
		said.Failures++
		said.Why = append(said.Why[max(0, len(said.Why)-9):], fmt.Sprintf("%s kept=%v: %v", at.Format("15:04:05.000"), c.Kept, err))
		if at.After(said.Failed) {
			said.Failed = at
		}
	}
	var join sync.WaitGroup
	for _, url := range urls {
		for _, kept := range []bool{true, false} {
			client := &http.Client{Timeout: time.Minute, Transport: asker(url, kept)}
			c := &course{URL: url, Kept: kept, By: map[string]int64{}}
			said.Courses = append(said.Courses, c)
			join.Go(func() {
				for ctx.Err() == nil {
					at := begins(client)
					version, err := ask(client, url)
					if ends(c, at, version, err); err != nil {
						time.Sleep(50 * time.Millisecond)
					}
					time.Sleep(pause)
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

// asker connects to where the URL says. By TLS, a connection that is kept is one of HTTP/2; that certificates are right is for other tests.
func asker(url string, kept bool) *http.Transport {
	_, at, elsewhere := strings.Cut(url, "#")
	dialer := net.Dialer{Timeout: 20 * time.Second}
	return &http.Transport{
		DisableKeepAlives: !kept, ForceAttemptHTTP2: kept, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if _, port, err := net.SplitHostPort(address); err == nil && elsewhere {
				address = net.JoinHostPort(at, port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

func ask(client *http.Client, url string) (version string, err error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", response.Status)
	}
	return strings.TrimSpace(string(body)), err
}
