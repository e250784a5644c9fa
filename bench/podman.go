package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"
)

// api speaks to one Podman service as plainly as can be: JSON over its socket, nothing kept, nothing decided. It is
// what podkeep is held against.
type api struct{ client *http.Client }

func newAPI(socket string) *api {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &api{&http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 16}}}
}

// do calls, and decodes the answer into out unless that is nil.
func (a *api) do(ctx context.Context, method, path string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://podman"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(data))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// recipe is how podkeep made one pod: the two bodies it sent, to be sent again under another name.
type recipe struct{ pod, container map[string]any }

// make creates and starts one pod by the recipe.
func (a *api) make(ctx context.Context, r recipe, name string) error {
	pod, container := renamed(r.pod, name), renamed(r.container, name+"-app")
	container["pod"] = name
	var made struct{ ID string }
	if err := a.do(ctx, http.MethodPost, "/v4.0.0/libpod/pods/create", encode(pod), &made); err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodPost, "/v4.0.0/libpod/containers/create", encode(container), nil); err != nil {
		return err
	}
	return a.do(ctx, http.MethodPost, "/v4.0.0/libpod/pods/"+name+"/start", nil, nil)
}

// renamed is the body under another name and for no cluster, so that podkeep does not take it for its own.
func renamed(body map[string]any, name string) map[string]any {
	out := map[string]any{}
	for k, v := range body {
		out[k] = v
	}
	out["name"], out["labels"] = name, map[string]string{"bench": "peer"}
	return out
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// makeAll makes count pods, so many at a time.
func (a *api) makeAll(ctx context.Context, r recipe, count, atOnce int) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range count {
		group.Go(func() error { return a.make(ctx, r, fmt.Sprintf("peer-%d", i)) })
	}
	return group.Wait()
}

// play is `podman kube play`, without the start of its process.
func (a *api) play(ctx context.Context, yaml []byte) error {
	var report struct {
		Pods []struct{ ContainerErrors []string }
	}
	if err := a.do(ctx, http.MethodPost, "/v4.0.0/libpod/play/kube", yaml, &report); err != nil {
		return err
	}
	for _, p := range report.Pods {
		if len(p.ContainerErrors) > 0 {
			return fmt.Errorf("kube play: %v", p.ContainerErrors)
		}
	}
	return nil
}

type container struct {
	ID, State string
	IsInfra   bool
	StartedAt int64 // seconds
	Labels    map[string]string
	Pod       string
}

// containers lists the workload containers that carry a label, or all.
func (a *api) containers(ctx context.Context, label string) ([]container, error) {
	filter := url.QueryEscape(string(encode(map[string][]string{"label": {label}})))
	if label == "" {
		filter = url.QueryEscape("{}")
	}
	var all, found []container
	if err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/containers/json?all=true&filters="+filter, nil, &all); err != nil {
		return nil, err
	}
	for _, c := range all {
		if !c.IsInfra {
			found = append(found, c)
		}
	}
	return found, nil
}

// started is when the last of the running workload containers began.
func (a *api) started(ctx context.Context) (count int, last time.Time, err error) {
	all, err := a.containers(ctx, "")
	if err != nil {
		return 0, time.Time{}, err
	}
	for _, c := range all {
		if c.State != "running" {
			continue
		}
		var inspect struct{ State struct{ StartedAt time.Time } }
		if err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/containers/"+c.ID+"/json", nil, &inspect); err != nil {
			return 0, time.Time{}, err
		}
		count++
		if at := inspect.State.StartedAt; at.After(last) {
			last = at
		}
	}
	return count, last, nil
}

// clear removes every pod there is, a few at a time.
func (a *api) clear(ctx context.Context) error {
	var pods []struct{ Id string }
	if err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/pods/json", nil, &pods); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(6)
	for _, p := range pods {
		group.Go(func() error {
			return a.do(ctx, http.MethodDelete, "/v4.0.0/libpod/pods/"+p.Id+"?force=true", nil, nil)
		})
	}
	return group.Wait()
}
