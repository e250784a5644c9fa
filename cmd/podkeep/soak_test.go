package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/status"
)

// river is a source in which everything comes and goes, and no name is there twice. It has the newest of its commits.
type river struct {
	mu    sync.Mutex
	sets  map[string]manifest.Set
	order []string
	poke  chan<- struct{}
}

// depth is how many commits it has.
const depth = 40

var _ sources.Historian = (*river)(nil)

// flows adds a commit: two Nodes that stay, one that stays for a while, and some workloads, of which one is new.
func (r *river) flows(n int) {
	var text strings.Builder
	for _, node := range []string{"a", "b", fmt.Sprintf("n%d", n/8)} {
		fmt.Fprintf(&text, "---\n{apiVersion: v1, kind: Node, metadata: {name: %s}, spec: {providerID: \"podman+ssh://root@%[1]s/run/podman/podman.sock\"}}\n", node)
	}
	for i := max(0, n-2); i <= n; i++ {
		fmt.Fprintf(&text, `---
{apiVersion: v1, kind: ConfigMap, metadata: {name: cfg-%d}, data: {a: "%[1]d"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-%[1]d}
spec:
  replicas: 2
  selector: {matchLabels: {app: web-%[1]d}}
  template:
    metadata: {labels: {app: web-%[1]d}}
    spec:
      containers: [{name: app, image: "registry.example.com/web:%[1]d", ports: [{containerPort: 80}], envFrom: [{configMapRef: {name: cfg-%[1]d}}]}]
---
{apiVersion: v1, kind: Service, metadata: {name: web-%[1]d}, spec: {selector: {app: web-%[1]d}, ports: [{port: 80}]}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: job-%[1]d}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: "registry.example.com/job:1"}]}}}}
`, i)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	info := manifest.Info{Commit: fmt.Sprintf("%040x", n+1), Time: time.Now()}
	if n > 0 {
		info.Parent = fmt.Sprintf("%040x", n)
	}
	r.sets[info.Commit] = manifest.Assemble(info, []manifest.Parsed{manifest.Parse("fleet.yaml", []byte(text.String()))})
	if r.order = append(r.order, info.Commit); len(r.order) > depth {
		delete(r.sets, r.order[0])
		r.order = r.order[1:]
	}
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

func (r *river) Head(context.Context) (string, time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.order[len(r.order)-1], time.Now(), nil
}

func (r *river) Load(_ context.Context, commit string) (manifest.Set, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set, ok := r.sets[commit]
	if !ok {
		return manifest.Set{}, sources.ErrGone
	}
	return set, nil
}

func (r *river) Watch(ctx context.Context, poke chan<- struct{}) error {
	r.mu.Lock()
	r.poke = poke
	r.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (r *river) Ancestor(_ context.Context, commit, head string) (bool, error) {
	return commit <= head, nil
}

func (r *river) Nodes(context.Context, string) (all []manifest.Node, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[string]bool{}
	for i := len(r.order) - 1; i >= 0; i-- {
		for _, n := range r.sets[r.order[i]].Nodes {
			if !known[n.Name] {
				known[n.Name] = true
				all = append(all, n)
			}
		}
	}
	return all, nil
}

func (r *river) Renewed(context.Context, string, map[manifest.ID][]string) (map[manifest.ID][]string, error) {
	return nil, nil
}

func (r *river) Decisions(context.Context, string) ([]manifest.Decision, error) { return nil, nil }
func (r *river) Name() string                                                   { return "river" }
func (r *river) Close() error                                                   { return nil }

// sideArchive is an archive that has an image of the name, and no content.
func sideArchive(name string) (io.ReadCloser, error) {
	index := fmt.Sprintf(`[{"RepoTags": [%q]}]`, name)
	var out bytes.Buffer
	files := tar.NewWriter(&out)
	if err := files.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(index))}); err != nil {
		return nil, err
	}
	_, err := io.WriteString(files, index)
	return io.NopCloser(&out), err
}

// footprint is what a controller takes.
type footprint struct {
	passes, series, goroutines int
	heap                       uint64
}

// Whatever a controller remembers has to do with what is there now: it takes no more after many passes than after some.
func TestAControllerTakesNoMoreAfterManyPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := fake.New(time.Now, "a", "b")
		hosts.Image("registry.example.com/job:1", fake.Image{Ends: time.Second, Works: 1})
		board := status.NewBoard(stale, time.Now)
		r := &river{sets: map[string]manifest.Set{}}
		log := logrus.New()
		log.SetOutput(io.Discard)
		passes := 0
		var mu sync.Mutex
		var last reconciler.Pass
		c := reconciler.New(reconciler.Options{
			Source: r, Cluster: "c", Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)), Log: log,
			Open: func(_ context.Context, n manifest.Node) (drivers.Driver, error) {
				return counted(hosts.Wired(n.Name, "c", nil), board.Metrics.Did), nil
			},
			Side:  manifest.SideOffer{Version: "v1", Images: map[string]string{"amd64": nodeImageName("v1")}},
			Image: sideArchive,
			Net:   manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"},
			Tell: func(p reconciler.Pass) {
				mu.Lock()
				defer mu.Unlock()
				passes++
				last = p
				board.Show(world(p), time.Since(p.Time))
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		r.flows(0)
		go func() { ended <- c.Run(ctx) }()
		measure := func() (f footprint) {
			synctest.Wait()
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			answer := httptest.NewRecorder()
			board.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
			for line := range strings.Lines(answer.Body.String()) {
				if strings.HasPrefix(line, "podkeep_") {
					f.series++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			f.passes, f.heap, f.goroutines = passes, m.HeapAlloc, runtime.NumGoroutine()
			return f
		}
		var some footprint
		for n := 1; ; n++ {
			node := fmt.Sprintf("n%d", n/8)
			if n%8 == 0 {
				hosts.Add(node, manifest.Resources{MilliCPU: 4000, Memory: 8 << 30})
			}
			hosts.Cut("b", n%16 < 3)
			r.flows(n)
			time.Sleep(6 * time.Second)
			synctest.Wait()
			mu.Lock()
			done := passes
			mu.Unlock()
			if some.passes == 0 && done >= 500 && n%8 == 7 {
				some = measure()
			}
			if done >= 2000 && n%8 == 7 {
				break
			}
		}
		many := measure()
		if many.series > some.series*5/4 || many.goroutines > some.goroutines+8 || many.heap > some.heap*3/2 {
			t.Errorf("after some passes it takes %+v, after many %+v", some, many)
		}
		if last.Err != nil || len(last.Snapshot.Nodes) != 3 || len(last.Plan.Apps) < 6 || some.series < 100 {
			t.Errorf("what is seen of the last pass is no fleet: %d nodes, %d workloads, %d series, %v", len(last.Snapshot.Nodes), len(last.Plan.Apps), some.series, last.Err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
