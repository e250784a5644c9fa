package podman

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/containers/podman/v4/pkg/bindings"

	"github.com/podkeep/podkeep/live"
)

// errClosed ends a Watch whose stream the host closed.
var errClosed = errors.New("the event stream closed")

// Watch pokes on the events of pods and containers that may be this cluster's, and when the host has said of itself what a look
// lacked, until ctx or the stream ends. It does not notice a host that hangs: events are hints.
func (d *Driver) Watch(ctx context.Context, poke chan<- struct{}) error {
	ctx, cancel := context.WithCancel(endless(ctx))
	var join sync.WaitGroup
	join.Go(func() { d.host.tell(ctx, poke) })
	defer join.Wait()
	defer cancel()
	return d.client.call(ctx, func(ctx context.Context) error {
		conn, err := bindings.GetClient(ctx)
		if err != nil {
			return err
		}
		ask := url.Values{"stream": {"true"}, "filters": {`{"type":["pod","container"]}`}}
		answer, err := conn.DoRequest(ctx, nil, http.MethodGet, "/events", ask, nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if !answer.IsSuccess() {
			return answer.Process(nil)
		}
		return d.follow(answer.Body, poke)
	})
}

// Ping asks Podman for what it answers without a look at its store.
func (d *Driver) Ping(ctx context.Context) error {
	return d.client.call(ctx, func(ctx context.Context) error {
		conn, err := bindings.GetClient(ctx)
		if err != nil {
			return err
		}
		answer, err := conn.DoRequest(ctx, nil, http.MethodGet, "/_ping", nil, nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		return answer.Process(nil)
	})
}

// event is what of an event is read.
type event struct {
	Action string
	Actor  struct{ Attributes map[string]string }
}

func (d *Driver) follow(stream io.Reader, poke chan<- struct{}) error {
	pieces := &piecewise{Reader: stream, most: longestEvent}
	events := json.NewDecoder(pieces)
	for {
		var e event
		pieces.next()
		if err := events.Decode(&e); err != nil {
			return fmt.Errorf("%w: %w", errClosed, err)
		}
		if !d.concerns(e) {
			continue
		}
		select {
		case poke <- struct{}{}:
		default:
		}
	}
}

// quiet are the events that change nothing a look shows. Probes make many of them.
var quiet = map[string]bool{
	"exec": true, "exec_died": true, "exec_create": true, "exec_start": true, "health_status": true,
	"attach": true, "mount": true, "unmount": true, "init": true, "sync": true, "export": true, "top": true,
}

func (d *Driver) concerns(e event) bool {
	cluster, ok := e.Actor.Attributes[live.LabelCluster]
	return !quiet[e.Action] && (!ok || cluster == d.cluster)
}
