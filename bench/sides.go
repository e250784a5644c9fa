package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/sources"
)

// What is asked of a node side that probes 50 pods every 10 s, and of the way of a verdict.
const (
	sideMemory  = 15.0 // MB
	sideCore    = 0.5  // % of a core
	verdictTime = time.Second
)

const (
	probedImage = "localhost/podkeep-probed:1"
	flips       = 6 // of each pod, for each run asked for
)

// probed is a Deployment of two pods, one a node, whose readiness the program in them is told.
const probed = `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: probed}
spec:
  replicas: 2
  selector: {matchLabels: {app: probed}}
  template:
    metadata: {labels: {app: probed}}
    spec:
      containers:
      - name: app
        image: ` + probedImage + `
        imagePullPolicy: Never
        ports: [{name: web, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /ready, port: web}, periodSeconds: 1, failureThreshold: 1}
`

// sides measures the node side: what it takes while it has little to do, how long a verdict is on its way to the controller from a node by unix
// socket and from one over SSH, and what a command that it probes with costs.
func sides(ctx context.Context, name string, runs int) (rows []row, err error) {
	if rows, err = sideIdle(ctx); err != nil {
		return nil, err
	}
	f := &fleet{name: name + "-sides"}
	if f.dir, err = os.MkdirTemp("", "podkeep-bench-"); err != nil {
		return rows, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.probe(ctx, devfleet.Options{Nodes: 2, SSH: []string{"n2"}}, probed); err != nil {
		return rows, err
	}
	more, err := f.verdicts(ctx, runs)
	if rows = append(rows, more...); err != nil {
		return rows, err
	}
	more, err = f.commands(ctx, runs)
	return append(rows, more...), err
}

// sideIdle has the benchmark beside the program say what its process takes.
func sideIdle(ctx context.Context) ([]row, error) {
	said, err := exec.CommandContext(ctx, "go", "test", "-vet", "off", "-run", "^$", "-bench", "^BenchmarkNodeSide$", "-benchtime", "3x", "./cmd/podkeep").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test: %w: %s", err, said)
	}
	memory, err := metric(string(said), "MiB-RssAnon")
	if err != nil {
		return nil, err
	}
	core, err := metric(string(said), "%-of-a-core")
	if err != nil {
		return nil, err
	}
	return []row{
		{"node side's anonymous memory, 50 pods probed every 10 s", fmt.Sprintf("%.1f MB", memory), fmt.Sprintf("asked: %.0f MB", sideMemory), memory / sideMemory, "<= 1.00", memory <= sideMemory},
		{"its share of a core", fmt.Sprintf("%.2f %%", core), fmt.Sprintf("asked: %.1f %%", sideCore), core / sideCore, "<= 1.00", core <= sideCore},
	}, nil
}

// metric is the number that stands before a unit in what a benchmark prints.
func metric(said, unit string) (n float64, err error) {
	before, _, found := strings.Cut(said, " "+unit)
	fields := strings.Fields(before)
	if !found || len(fields) == 0 {
		return 0, fmt.Errorf("the benchmark says no %s: %s", unit, said)
	}
	_, err = fmt.Sscan(fields[len(fields)-1], &n)
	return n, err
}

// probe makes the fleet, with node sides and pods of the program whose probes come to what it is told.
func (f *fleet) probe(ctx context.Context, o devfleet.Options, manifests string) (err error) {
	if err := f.makeKey(); err != nil {
		return err
	}
	o.Name = f.name
	if f.nest, err = devfleet.Up(ctx, o); err != nil {
		return err
	}
	for _, n := range f.nest.Nodes {
		f.apis = append(f.apis, newAPI(n.Socket))
	}
	program, err := devfleet.Build(ctx, "devfleet/testdata/probed")
	if err != nil {
		return err
	}
	archive, err := devfleet.Image(probedImage, program, devfleet.ImageOptions{})
	if err != nil {
		return err
	}
	if err := f.nest.LoadEverywhere(ctx, archive); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(f.dir, "probed.yaml"), []byte(string(f.nest.Manifests())+manifests), 0o644); err != nil {
		return err
	}
	if said, err := f.podkeep(ctx, "sync", "--node-side", "auto").CombinedOutput(); err != nil {
		return fmt.Errorf("sync: %w: %s", err, said)
	}
	return nil
}

// verdict is that a pod is ready or not, when a probe came to it, and when a pass of the controller knew.
type verdict struct {
	ready     bool
	at, known time.Time
}

// listener hears verdicts of each node's pod.
type listener struct {
	last  map[string]verdict
	heard map[string]chan verdict
}

// hear takes out of a pass what is new. Times are the node's own again: its clock is this machine's.
func (l listener) hear(p reconciler.Pass) {
	now := time.Now()
	for _, n := range p.Snapshot.Nodes {
		for _, pod := range n.Pods {
			for _, said := range pod.Probed {
				v := verdict{said.Ready, said.Since.Add(n.Facts.Skew), now}
				if v.ready != l.last[n.Name].ready {
					l.heard[n.Name] <- v
				}
				l.last[n.Name] = v
			}
		}
	}
}

// verdicts flips what probes come to, on each node in turn, and takes the time from each verdict until a pass knew it.
func (f *fleet) verdicts(ctx context.Context, runs int) (rows []row, err error) {
	ctx, cancel := context.WithCancel(ctx)
	l := listener{map[string]verdict{}, map[string]chan verdict{}}
	for _, n := range f.nest.Nodes {
		l.heard[n.Name] = make(chan verdict, 2*flips*runs+2)
	}
	ended, err := f.control(ctx, l.hear)
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() { cancel(); err = errors.Join(err, <-ended) }()
	took := map[string][]time.Duration{}
	for i := range flips * runs {
		for k, n := range f.nest.Nodes {
			d, err := f.flip(ctx, k, i%2 == 1, l.heard[n.Name])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", n.Name, err)
			}
			took[n.Name] = append(took[n.Name], d)
		}
	}
	return []row{
		within("a probe's verdict to the controller, unix socket", took["n1"], verdictTime),
		within("a probe's verdict to the controller, over SSH", took["n2"], verdictTime),
	}, nil
}

// control runs a controller in this process until ctx ends; what its end came to is received.
func (f *fleet) control(ctx context.Context, tell func(reconciler.Pass)) (<-chan error, error) {
	source, err := sources.Open(ctx, sources.Options{URL: "dir:" + f.dir})
	if err != nil {
		return nil, err
	}
	r := reconciler.New(reconciler.Options{
		Source: source, Cluster: "bench", Key: f.key, Tell: tell,
		Open: func(ctx context.Context, n manifest.Node) (drivers.Driver, error) {
			return drivers.Open(ctx, n, drivers.Options{Cluster: "bench", KnownHosts: []string{f.nest.KnownHosts()}, Identity: []string{f.nest.Identity()}})
		},
	})
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(r.Run(ctx), source.Close()) }()
	return ended, nil
}

// flip tells the pod of a node what it is to answer, and says how long the verdict about that was on its way.
func (f *fleet) flip(ctx context.Context, k int, ready bool, heard <-chan verdict) (time.Duration, error) {
	pod, err := f.apis[k].probed(ctx)
	if err != nil {
		return 0, err
	}
	if err := pod.answers(ready); err != nil {
		return 0, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case v := <-heard:
			if v.ready == ready {
				return v.known.Sub(v.at), nil
			}
		case <-late.C:
			return 0, fmt.Errorf("no verdict within %v", patience)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// target is a pod of one container.
type target struct {
	id, ip string
	pid    int // on its node
}

// probed finds the node's pod that is probed.
func (a *api) probed(ctx context.Context) (target, error) {
	t, err := a.target(ctx, "Deployment/default/probed")
	if err == nil && t.id == "" {
		err = errors.New("no pod is probed here")
	}
	return t, err
}

// target finds the one pod of the app on this node; the zero target when there is none.
func (a *api) target(ctx context.Context, app string) (t target, err error) {
	all, err := a.containers(ctx, live.LabelApp+"="+app)
	if err != nil || len(all) == 0 {
		return t, err
	}
	if len(all) > 1 {
		return t, fmt.Errorf("%d pods of %s are here, want 1", len(all), app)
	}
	var inspect struct{ State struct{ Pid int } }
	if err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/containers/"+all[0].ID+"/json", nil, &inspect); err != nil {
		return t, err
	}
	var pod struct{ Labels map[string]string }
	err = a.do(ctx, http.MethodGet, "/v4.0.0/libpod/pods/"+all[0].Pod+"/json", nil, &pod)
	return target{all[0].ID, pod.Labels[live.LabelIP], inspect.State.Pid}, err
}
