package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// opens waits until the example's Service answers on each node.
func (d *demo) opens(ctx context.Context) error {
	return d.waitFor(ctx, "the Service to answer on each node", func() (bool, string) {
		port, err := d.nodePort(ctx)
		if err != nil {
			return false, err.Error()
		}
		d.doors = nil
		for _, n := range d.fleet.Nodes {
			door := fmt.Sprintf("http://%s:%d", n.Address, port)
			if _, err := fetch(ctx, door); err != nil {
				return false, err.Error()
			}
			d.doors = append(d.doors, door)
		}
		return true, ""
	})
}

// nodePort is the one of the example's Service, as the controller's status has it.
func (d *demo) nodePort(ctx context.Context) (port int32, err error) {
	err = d.objects(ctx, "Service", func(data []byte) error {
		var s corev1.Service
		err := json.Unmarshal(data, &s)
		for _, p := range s.Spec.Ports {
			port = p.NodePort
		}
		return err
	})
	if err == nil && port == 0 {
		err = errors.New("no Service has a port of the nodes yet")
	}
	return port, err
}

// curl asks the Service on each node.
func (d *demo) curl(ctx context.Context) error {
	for _, door := range d.doors {
		d.shown("curl " + door)
		body, err := fetch(ctx, door)
		if err != nil {
			return err
		}
		d.say("%s", body)
	}
	d.say("\n")
	return nil
}

// asked is a scene in which the Service is asked on all nodes until it is over. It fails if one request does.
func (d *demo) asked(play func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		end := ask(ctx, d.doors)
		err := play(ctx)
		t := end()
		if err != nil {
			return err
		}
		if t.failed > 0 {
			return fmt.Errorf("%d of %d requests to the Service failed meanwhile; the first: %w", t.failed, t.failed+t.answers(), t.why)
		}
		d.say("%s\n", d.bold(fmt.Sprintf("Requests to the Service meanwhile: %d, answered %s. None failed.", t.answers(), t)))
		return nil
	}
}

// toll is what came of many requests.
type toll struct {
	said   map[string]int // answers, by their greeting
	order  []string       // in which they were first said
	failed int
	why    error // of the first
}

func (t *toll) answers() (all int) {
	for _, n := range t.said {
		all += n
	}
	return all
}

// String is how often each greeting was said.
func (t *toll) String() string {
	var parts []string
	for _, greeting := range t.order {
		parts = append(parts, fmt.Sprintf("%q %d times", greeting, t.said[greeting]))
	}
	return strings.Join(parts, ", ")
}

// ask asks each URL again and again, until end is called.
func ask(ctx context.Context, urls []string) (end func() *toll) {
	var mu sync.Mutex
	var askers sync.WaitGroup
	t, over := &toll{said: map[string]int{}}, make(chan struct{})
	one := func(url string) {
		body, err := fetch(ctx, url)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.failed, t.why = t.failed+1, cmp.Or(t.why, err)
			return
		}
		greeting, _, _ := strings.Cut(string(body), " from ")
		if t.said[greeting]++; t.said[greeting] == 1 {
			t.order = append(t.order, greeting)
		}
	}
	for _, url := range urls {
		askers.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-over:
					return
				case <-tick.C:
					one(url)
				}
			}
		})
	}
	return func() *toll {
		close(over)
		askers.Wait()
		return t
	}
}

// visitor makes a connection for each request, as curl does: one that is kept would stay with one pod.
var visitor = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

func fetch(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := visitor.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, bytes.TrimSpace(body))
	}
	return body, err
}
