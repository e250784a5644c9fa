package podman_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/drivers/drivertest"
)

// pods makes the same 8 pods through the driver or by bare calls of the API, 4 side by side.
const (
	pods    = 8
	workers = 4
)

// BenchmarkRun makes the pods by turns through the driver and by bare calls, and reports the ratio of the medians.
func BenchmarkRun(b *testing.B) {
	shared.load(b)
	d := open(shared.socket, drivertest.Cluster)
	defer d.Close()
	api := bare()
	var ours, bares []time.Duration
	for range b.N {
		ours = append(ours, timed(b, func(name string) error { return d.Run(b.Context(), drivertest.Pod(name, drivertest.Ref)) }))
		bares = append(bares, timed(b, func(name string) error {
			return makeBare(b.Context(), api, drivertest.Pod(name, drivertest.Ref).Name)
		}))
	}
	slices.Sort(ours)
	slices.Sort(bares)
	b.ReportMetric(float64(ours[b.N/2])/float64(bares[b.N/2]), "ours/bare")
	b.ReportMetric(pods/ours[b.N/2].Seconds(), "pods/s")
}

// timed makes the pods side by side, and clears them away outside the time that it gives.
func timed(b *testing.B, make func(name string) error) time.Duration {
	began := time.Now()
	side(b, func(i int) error { return make(fmt.Sprint("bench", i)) })
	took := time.Since(began)
	if out, err := shared.podman("pod", "rm", "-f", "-t", "0", "-a").CombinedOutput(); err != nil {
		b.Fatalf("%s", out)
	}
	return took
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
