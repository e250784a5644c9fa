package podman_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/drivers/drivertest"
)

// pods makes the same 8 pods through the driver or by bare calls of the API, 4 side by side.
const (
	pods    = 8
	workers = 4
)

func BenchmarkRunOfEightPods(b *testing.B) {
	shared.load(b)
	d := open(shared.socket, drivertest.Cluster)
	defer d.Close()
	for range b.N {
		side(b, func(i int) error { return d.Run(b.Context(), drivertest.Pod(fmt.Sprint("bench", i), drivertest.Ref)) })
		b.StopTimer()
		side(b, func(i int) error { return d.Stop(context.Background(), fmt.Sprint("bench", i, "-abcdef-0")) })
		b.StartTimer()
	}
}

func BenchmarkBareCallsForEightPods(b *testing.B) {
	shared.load(b)
	d := open(shared.socket, drivertest.Cluster)
	defer d.Close()
	api := bare()
	for range b.N {
		side(b, func(i int) error {
			return makeBare(b.Context(), api, drivertest.Pod(fmt.Sprint("bench", i), drivertest.Ref).Name)
		})
		b.StopTimer()
		out, err := shared.podman("pod", "rm", "-f", "-t", "0", "-a").CombinedOutput()
		if err != nil {
			b.Fatalf("%s", out)
		}
		b.StartTimer()
	}
}

func side(b *testing.B, f func(int) error) {
	var group errgroup.Group
	group.SetLimit(workers)
	for i := range pods {
		group.Go(func() error { return f(i) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

func bare() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", shared.socket)
	}}}
}

func makeBare(ctx context.Context, api *http.Client, name string) error {
	for _, call := range [][2]string{
		{"/pods/create", fmt.Sprintf(`{"name":%q,"labels":{"a":"b"}}`, name)},
		{"/containers/create", fmt.Sprintf(`{"name":"%s-a","pod":%q,"image":%q,"restart_policy":"no"}`, name, name, drivertest.Ref)},
		{"/pods/" + name + "/start", ""},
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://d/v4.3.1/libpod"+call[0], bytes.NewReader([]byte(call[1])))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		answer, err := api.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode >= 300 {
			return fmt.Errorf("%s: %s", call[0], answer.Status)
		}
	}
	return nil
}

// BenchmarkLookAtFortyPods compares a look with the two bare lists that it needs.
func BenchmarkLookAtFortyPods(b *testing.B) {
	shared.load(b)
	d := open(shared.socket, drivertest.Cluster)
	defer d.Close()
	const many = 40
	var group errgroup.Group
	group.SetLimit(workers)
	for i := range many {
		group.Go(func() error { return d.Run(b.Context(), drivertest.Pod(fmt.Sprint("look", i), drivertest.Ref)) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		for i := range many {
			group.Go(func() error { return d.Stop(context.Background(), fmt.Sprint("look", i, "-abcdef-0")) })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
	}()
	for range 2 { // the first look inspects what it has not seen
		if _, err := d.Observe(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("look", func(b *testing.B) {
		for range b.N {
			if _, err := d.Observe(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		api := bare()
		for range b.N {
			for _, list := range []string{"/containers/json?all=true", "/secrets/json"} {
				answer, err := api.Get("http://d/v4.3.1/libpod" + list)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		}
	})
}
