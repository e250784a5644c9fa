package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// What is asked of the switch from one set of pods to another: so long after it was written down, on the last node.
const changeTime = time.Second

const (
	changes = 6 // of sides, for each run asked for
	facing  = "10.43.0.110"
)

// sided is a Rollout of two sides, both of which stay: each change but the first is a switch and nothing else.
const sided = `---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: sided}
spec:
  replicas: 3
  selector: {matchLabels: {app: sided}}
  strategy: {blueGreen: {activeService: sided, scaleDownDelaySeconds: 86400}}
  template:
    metadata: {labels: {app: sided}, annotations: {side: %q}}
    spec:
      containers:
      - name: app
        image: "` + probedImage + `"
        imagePullPolicy: Never
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: sided}
spec:
  clusterIP: ` + facing + `
  selector: {app: sided}
  ports: [{port: 80, targetPort: 8080}]
`

// rollouts measures how long blue-green takes to switch three nodes, one of them over SSH.
func rollouts(ctx context.Context, name string, runs int) (rows []row, err error) {
	f := &fleet{name: name + "-rollouts"}
	if f.dir, err = os.MkdirTemp("", "podkeep-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.probe(ctx, devfleet.Options{Nodes: 3, SSH: []string{"n3"}}, fmt.Sprintf(sided, "blue")); err != nil {
		return nil, err
	}
	end, err := f.controlled(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	watching, err := f.watchers(ctx)
	defer func() { err = errors.Join(err, watching.close()) }()
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range changes*runs + 1 {
		written, last, err := f.change(ctx, watching, i+2, []string{"green", "blue"}[i%2])
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first one has pods to start
			took = append(took, last.Sub(written))
		}
	}
	narrate("switched %s", spread(took))
	return []row{within("blue-green: its switch written down, to the last of 3 nodes", took, changeTime)}, nil
}

// change asks for the other side, by a rollout of this generation, and says when the switch was written down and when the last node had made it. It returns
// once the rollout is over.
func (f *fleet) change(ctx context.Context, watching group, gen int, side string) (written, last time.Time, err error) {
	table := []string{route.NamedOf("bench").Table, facing}
	now, err := watching[:1].all(order{Do: "places", To: table})
	if err != nil {
		return written, last, err
	}
	text := fmt.Sprintf("# change %d\n", gen) + string(f.nest.Manifests()) + fmt.Sprintf(sided, side) // no two commits of a directory are the same
	if err := os.WriteFile(filepath.Join(f.dir, "probed.yaml"), []byte(text), 0o644); err != nil {
		return written, last, err
	}
	moved, err := watching.all(order{Do: "moved", To: slices.Concat(table, now[0].Places)})
	if err != nil {
		return written, last, err
	}
	for _, m := range moved {
		last = latest(last, m.At)
	}
	if written, err = f.receipt(ctx, gen, live.Switched); err != nil {
		return written, last, err
	}
	_, err = f.receipt(ctx, gen, live.Promoted)
	return written, last, err
}

// receipt waits until one of this generation is written down, and says when its first copy was.
func (f *fleet) receipt(ctx context.Context, gen int, verb string) (first time.Time, err error) {
	name := fmt.Sprintf("receipt-sided-g%d-%s-", gen, verb)
	err = until(ctx, name+" is written down", func() (bool, error) {
		for _, a := range f.apis {
			var all []struct {
				CreatedAt time.Time
				Spec      struct{ Name string }
			}
			if err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/secrets/json", nil, &all); err != nil {
				return false, err
			}
			for _, s := range all {
				if strings.Contains(s.Spec.Name, name) && (first.IsZero() || s.CreatedAt.Before(first)) {
					first = s.CreatedAt
				}
			}
		}
		return !first.IsZero(), nil
	})
	return first, err
}

// controlled starts a controller of hosts with node sides, a process of its own. What is returned ends it.
func (f *fleet) controlled(ctx context.Context) (end func() error, err error) {
	control := f.podkeep(ctx, "run", "--listen", "", "--node-side", "auto")
	log, err := os.Create(filepath.Join(f.dir, "controller.log"))
	if err != nil {
		return nil, err
	}
	control.Stdout, control.Stderr = log, log
	if err := control.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return func() error { return errors.Join(control.Process.Signal(syscall.SIGTERM), control.Wait(), log.Close()) }, nil
}

// watchers are this program in the network of each node.
func (f *fleet) watchers(ctx context.Context) (all group, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, n := range f.nest.Nodes {
		w, err := f.worker(ctx, n.Name, self, "-client")
		if err != nil {
			return all, err
		}
		all = append(all, w)
	}
	return all, nil
}
