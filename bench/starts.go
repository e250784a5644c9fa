package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const pods = 20

// lanes are the parallelisms that the straight API is tried at; the best counts.
var lanes = []int{4, 6, 8}

// starts measures 20 one-container pods on one node, from the commit to the start of the last container, against the
// same pods made straight through the API and by kube play. All are measured by the containers' own start times.
func starts(ctx context.Context, f *fleet, runs int) ([]row, error) {
	made, err := f.recipe(ctx)
	if err != nil {
		return nil, err
	}
	ways := map[string]func() (time.Duration, error){
		"podkeep": func() (time.Duration, error) { d, _, err := f.byCommit(ctx); return d, err },
		"play":    func() (time.Duration, error) { return f.byAPI(ctx, f.playAll) },
	}
	for _, n := range lanes {
		ways[fmt.Sprintf("api %d", n)] = func() (time.Duration, error) {
			return f.byAPI(ctx, func(ctx context.Context) error { return f.apis[0].makeAll(ctx, made, pods, n) })
		}
	}
	took, err := interleave(ways, runs)
	if err != nil {
		return nil, err
	}
	best := bestLane(took)
	ours := median(took["podkeep"])
	api := quotient(ours, median(took[best]))
	play := quotient(ours, median(took["play"]))
	return []row{
		{"20 pods, commit to all started", spread(took["podkeep"]), best + " at once: " + spread(took[best]), api, "<= 1.15", api <= 1.15},
		{"20 pods, commit to all started", spread(took["podkeep"]), "kube play: " + spread(took["play"]), play, "< 1", play < 1},
	}, nil
}

// interleave runs every way in turn, so many times, each round beginning with another one.
func interleave(ways map[string]func() (time.Duration, error), runs int) (map[string][]time.Duration, error) {
	var names []string
	for name := range ways {
		names = append(names, name)
	}
	slices.Sort(names)
	took := map[string][]time.Duration{}
	for round := range runs {
		for i := range names {
			name := names[(round+i)%len(names)]
			d, err := ways[name]()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			narrate("%-8s %s", name, short(d))
			took[name] = append(took[name], d)
		}
	}
	return took, nil
}

func bestLane(took map[string][]time.Duration) string {
	best := ""
	for _, n := range lanes {
		name := fmt.Sprintf("api %d", n)
		if best == "" || median(took[name]) < median(took[best]) {
			best = name
		}
	}
	return best
}

// byCommit starts podkeep on an empty repository, pushes 20 pods, and takes the time until the last one began.
func (f *fleet) byCommit(ctx context.Context) (time.Duration, []call, error) {
	if _, err := f.repo.push("nothing "+time.Now().String(), map[string]string{"nodes.yaml": f.nodes(1), "z.yaml": comment()}); err != nil {
		return 0, nil, err
	}
	c, err := f.start(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = c.stop() }()
	if err := f.quiet(ctx); err != nil {
		return 0, nil, err
	}
	pushed, err := f.repo.push("twenty", map[string]string{"nodes.yaml": f.nodes(1), "web.yaml": deployment("web", pods)})
	if err != nil {
		return 0, nil, err
	}
	last, err := f.all(ctx, pushed)
	if err != nil {
		return 0, nil, err
	}
	calls := f.calls(pushed)
	narrate("%s", anatomy(calls, pushed, last))
	if err := c.stop(); err != nil {
		return 0, nil, err
	}
	return last.Sub(pushed), calls, f.wipe(ctx)
}

// all waits for the 20 pods without asking Podman, which would slow it down, while they are being made.
func (f *fleet) all(ctx context.Context, since time.Time) (time.Time, error) {
	err := until(ctx, "20 starts were asked for", func() (bool, error) {
		asked := 0
		for _, c := range f.calls(since) {
			if strings.HasSuffix(c.path, "/start") && !c.ended.IsZero() {
				asked++
			}
		}
		return asked >= pods, nil
	})
	if err != nil {
		return time.Time{}, err
	}
	return f.running(ctx, pods)
}

// comment makes a commit differ from the last.
func comment() string { return "# " + time.Now().Format(time.RFC3339Nano) + "\n" }

// byAPI takes the time until the last of 20 pods began that do makes.
func (f *fleet) byAPI(ctx context.Context, do func(context.Context) error) (time.Duration, error) {
	began := time.Now()
	if err := do(ctx); err != nil {
		return 0, err
	}
	last, err := f.running(ctx, pods)
	if err != nil {
		return 0, err
	}
	return last.Sub(began), f.wipe(ctx)
}

func (f *fleet) playAll(ctx context.Context) error {
	var yaml strings.Builder
	for i := range pods {
		yaml.WriteString(podManifest(fmt.Sprintf("peer-%d", i)))
	}
	return f.apis[0].play(ctx, []byte(yaml.String()))
}

// recipe lets podkeep make the pods once, which also warms everything up, and keeps how it made one of them.
func (f *fleet) recipe(ctx context.Context) (r recipe, err error) {
	_, calls, err := f.byCommit(ctx)
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
