package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// jobLanes are the parallelisms, on each node, that the straight API is tried at; the best counts.
var jobLanes = []int{2, 4}

// jobs measures so many Jobs of one pod through all nodes, from the push to the end of the last container, against the same pods
// made straight through the API, a third on each node. Both ends are the containers' own.
func jobs(ctx context.Context, f *fleet, runs, count int) ([]row, error) {
	made, err := f.jobRecipe(ctx)
	if err != nil {
		return nil, err
	}
	var written []time.Duration
	ways := map[string]func() (time.Duration, error){
		"podkeep": func() (time.Duration, error) {
			ended, noted, _, err := f.jobsByCommit(ctx, count)
			written = append(written, noted)
			return ended, err
		},
	}
	for _, n := range jobLanes {
		ways[fmt.Sprintf("api %d", n)] = func() (time.Duration, error) { return f.jobsByAPI(ctx, made, count, n) }
	}
	took, err := interleave(ways, runs)
	if err != nil {
		return nil, err
	}
	best := fmt.Sprintf("api %d", jobLanes[0])
	for _, n := range jobLanes {
		if name := fmt.Sprintf("api %d", n); median(took[name]) < median(took[best]) {
			best = name
		}
	}
	rate := quotient(median(took[best]), median(took["podkeep"]))
	return []row{
		{fmt.Sprintf("%d Jobs through %d nodes, push to all ended", count, len(f.apis)), spread(took["podkeep"]),
			best + " at once a node: " + spread(took[best]), rate, ">= 0.90 of the rate", rate >= 0.90},
		{figure: "the same, to all written down as done", ours: spread(written), ok: true},
	}, nil
}

// jobRecipe is how podkeep makes a Job's pod.
func (f *fleet) jobRecipe(ctx context.Context) (r recipe, err error) {
	_, _, calls, err := f.jobsByCommit(ctx, len(f.apis))
	if err != nil {
		return r, err
	}
	for _, c := range calls {
		switch {
		case r.pod == nil && strings.HasSuffix(c.path, "/pods/create"):
			err = json.Unmarshal(c.body, &r.pod)
		case r.container == nil && strings.HasSuffix(c.path, "/containers/create"):
			err = json.Unmarshal(c.body, &r.container)
		}
		if err != nil {
			return r, err
		}
	}
	if r.pod == nil || r.container == nil {
		return r, fmt.Errorf("podkeep made no pod that could be made again")
	}
	return r, nil
}

// jobsByCommit starts podkeep on an empty repository, pushes the Jobs, and takes the time until the last container ended, and until
// the last end was written down.
func (f *fleet) jobsByCommit(ctx context.Context, count int) (ended, noted time.Duration, calls []call, err error) {
	nodes := f.nodes(len(f.apis))
	if _, err := f.repo.push("nothing "+time.Now().String(), map[string]string{"nodes.yaml": nodes, "z.yaml": comment()}); err != nil {
		return 0, 0, nil, err
	}
	c, err := f.start(ctx)
	if err != nil {
		return 0, 0, nil, err
	}
	defer func() { _ = c.stop() }()
	if err := f.quiet(ctx); err != nil {
		return 0, 0, nil, err
	}
	pushed, err := f.repo.push("jobs", map[string]string{"nodes.yaml": nodes, "jobs.yaml": jobManifests(count)})
	if err != nil {
		return 0, 0, nil, err
	}
	last, err := f.allDone(ctx, pushed, count)
	if err != nil {
		return 0, 0, nil, err
	}
	calls = f.calls(pushed)
	narrate("%s", shares(calls))
	if err := c.stop(); err != nil {
		return 0, 0, nil, err
	}
	end, err := f.exited(ctx, count)
	if err != nil {
		return 0, 0, nil, err
	}
	return end.Sub(pushed), last.Sub(pushed), calls, f.wipe(ctx)
}

// allDone waits, without asking Podman, until the done receipt of every Job is on some node, and says since when.
func (f *fleet) allDone(ctx context.Context, since time.Time, count int) (last time.Time, err error) {
	err = until(ctx, fmt.Sprintf("%d Jobs are done", count), func() (bool, error) {
		first := map[string]time.Time{}
		for _, c := range f.calls(since) {
			_, name, ok := strings.Cut(c.path, "name=")
			if !ok || !strings.Contains(name, "-done-") || c.method != http.MethodPost || c.ended.IsZero() {
				continue
			}
			if at, seen := first[name]; !seen || c.ended.Before(at) {
				first[name] = c.ended
			}
		}
		for _, at := range first {
			if at.After(last) {
				last = at
			}
		}
		return len(first) >= count, nil
	})
	return last, err
}

// jobsByAPI takes the time until the last of the same pods ended that are made straight through the API.
func (f *fleet) jobsByAPI(ctx context.Context, made recipe, count, atOnce int) (time.Duration, error) {
	began := time.Now()
	var group errgroup.Group
	for i, a := range f.apis {
		share := (count + len(f.apis) - 1 - i) / len(f.apis)
		group.Go(func() error { return a.makeAll(ctx, made, share, atOnce) })
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	last, err := f.exited(ctx, count)
	if err != nil {
		return 0, err
	}
	return last.Sub(began), f.wipe(ctx)
}

// exited waits until so many workload containers have ended on the fleet, and says when the last one did.
func (f *fleet) exited(ctx context.Context, want int) (last time.Time, err error) {
	err = until(ctx, fmt.Sprintf("%d containers have ended", want), func() (bool, error) {
		total := 0
		for _, a := range f.apis {
			all, err := a.containers(ctx, "")
			if err != nil {
				return false, err
			}
			for _, c := range all {
				if c.State == "exited" {
					total++
				}
			}
		}
		return total >= want, nil
	})
	if err != nil {
		return last, err
	}
	for _, a := range f.apis {
		at, err := a.lastExit(ctx)
		if err != nil {
			return last, err
		}
		if at.After(last) {
			last = at
		}
	}
	return last, nil
}

func (a *api) lastExit(ctx context.Context) (last time.Time, err error) {
	all, err := a.containers(ctx, "")
	if err != nil {
		return last, err
	}
	for _, c := range all {
		var inspect struct {
			State struct{ FinishedAt time.Time }
		}
		if err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/containers/"+c.ID+"/json", nil, &inspect); err != nil {
			return last, err
		}
		if at := inspect.State.FinishedAt; at.After(last) {
			last = at
		}
	}
	return last, nil
}

// shares says how many calls of each kind there were, and how long they took together.
func shares(calls []call) string {
	type sum struct {
		count int
		took  time.Duration
	}
	sums := map[string]sum{}
	for _, c := range calls {
		_, path, _ := strings.Cut(c.path, "/libpod/")
		path, _, _ = strings.Cut(path, "?")
		parts := strings.Split(path, "/")
		kind := c.method + " " + parts[0] + " " + parts[len(parts)-1]
		if len(parts) == 2 && parts[1] != "create" && parts[1] != "json" {
			kind = c.method + " " + parts[0]
		}
		if c.ended.IsZero() {
			continue
		}
		s := sums[kind]
		s.count++
		s.took += c.ended.Sub(c.began)
		sums[kind] = s
	}
	var lines []string
	for kind, s := range sums {
		lines = append(lines, fmt.Sprintf("%s %d in %s", kind, s.count, short(s.took)))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// jobManifests are Jobs whose one container ends at once.
func jobManifests(count int) string {
	var out strings.Builder
	for i := range count {
		fmt.Fprintf(&out, `---
apiVersion: batch/v1
kind: Job
metadata: {name: work-%d}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: app, image: %q, imagePullPolicy: Never, args: [exit, "0"]}
`, i, image)
	}
	return out.String()
}
