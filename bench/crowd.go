package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

const crowdSize = 100

// crowd measures what podkeep costs beside 100 pods on 3 nodes: how soon a push is acted upon, how much memory the
// controller holds, and what a pass with nothing to do costs.
func crowd(ctx context.Context, f *fleet, runs int) ([]row, error) {
	files := f.crowdFiles()
	if _, err := f.repo.push("a crowd", files); err != nil {
		return nil, err
	}
	c, err := f.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.stop() }()
	if _, err := f.running(ctx, crowdSize); err != nil {
		return nil, err
	}
	if err := f.quiet(ctx); err != nil {
		return nil, err
	}
	rows, err := memory(c.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	pushes, err := f.pushes(ctx, files, runs)
	if err != nil {
		return nil, err
	}
	if err := c.stop(); err != nil {
		return nil, err
	}
	idle, err := f.idle(ctx, runs)
	return append(append(pushes, idle...), rows...), err
}

func (f *fleet) crowdFiles() map[string]string {
	files := map[string]string{"nodes.yaml": f.nodes(len(f.taps))}
	for i := range 10 {
		name := fmt.Sprintf("crowd-%d", i)
		files[name+".yaml"] = deployment(name, crowdSize/10)
	}
	return files
}

// memory is the controller's own: what is not backed by a file.
func memory(pid int) ([]row, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "RssAnon:" {
			continue
		}
		kb, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, err
		}
		mb := float64(kb) / 1024
		return []row{{"controller's anonymous memory, 100 pods", fmt.Sprintf("%.1f MB", mb), "asked: 40 MB", mb / 40, "<= 1.00", mb <= 40}}, nil
	}
	return nil, fmt.Errorf("process %d: /proc says no RssAnon", pid)
}

// pushes measures from a push to the first call that changes a node, less the look that lies between.
func (f *fleet) pushes(ctx context.Context, files map[string]string, runs int) ([]row, error) {
	var beyond, looks []time.Duration
	for i := range runs {
		name := fmt.Sprintf("push-%d", i)
		files[name+".yaml"] = deployment(name, 1)
		pushed, err := f.repo.push(name, files)
		if err != nil {
			return nil, err
		}
		first, look, err := f.firstChange(ctx, pushed)
		if err != nil {
			return nil, err
		}
		narrate("push     %s, of it looking %s", short(first), short(look))
		beyond, looks = append(beyond, first-look), append(looks, look)
		if _, err := f.running(ctx, crowdSize+i+1); err != nil {
			return nil, err
		}
		if err := f.quiet(ctx); err != nil {
			return nil, err
		}
	}
	narrate("the looks take %s", spread(looks))
	return []row{within("push to the first change, beyond one look", beyond, 50*time.Millisecond)}, nil
}

// firstChange waits for a call that changes a node, and says how long after the push it came, and how long before it
// podkeep was waiting for lists.
func (f *fleet) firstChange(ctx context.Context, pushed time.Time) (first, look time.Duration, err error) {
	err = until(ctx, "a node is changed", func() (bool, error) {
		var began, ended time.Time
		for _, c := range f.calls(pushed) {
			switch {
			case c.changes():
				first = c.began.Sub(pushed)
				look = ended.Sub(began)
				return true, nil
			case isList(c) && !c.ended.IsZero():
				if began.IsZero() {
					began = c.began
				}
				ended = latest(ended, c.ended)
			}
		}
		return false, nil
	})
	return first, look, err
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func isList(c call) bool {
	return !c.changes() && !strings.Contains(c.path, "/events") && strings.Contains(c.path, "/json")
}

// idle compares a pass that finds nothing to do with the bare lists that it asks for.
func (f *fleet) idle(ctx context.Context, runs int) ([]row, error) {
	r, end, err := f.reconciler(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := settle(ctx, r); err != nil {
		return nil, err
	}
	from := time.Now()
	last := r.Pass(ctx)
	lists := f.lists(from)
	narrate("a pass asks n1 for %s", strings.Join(lists[0], " and "))
	var passes, bare, thinking []time.Duration
	for range 3 * runs {
		passes = append(passes, timed(func() { last = r.Pass(ctx) }))
		var failed error
		bare = append(bare, timed(func() { failed = f.replay(ctx, lists) }))
		if failed != nil {
			return nil, failed
		}
		thinking = append(thinking, timed(func() { plan.Make(last.History, last.Snapshot, last.Time) }))
	}
	writes := 0
	for _, c := range f.calls(from) {
		if c.changes() {
			writes++
		}
	}
	ratio := quotient(median(passes), median(bare))
	return []row{
		{"idle pass, 3 nodes, writes", strconv.Itoa(writes), "-", 0, "0", writes == 0},
		{"idle pass, 3 nodes, against its bare lists", spread(passes), "lists: " + spread(bare), ratio, "<= 1.30", ratio <= 1.3},
		within("idle pass, 3 nodes, thinking", thinking, 5*time.Millisecond),
	}, nil
}

// reconciler is one in this process, so that its passes can be timed one by one.
func (f *fleet) reconciler(ctx context.Context) (*reconciler.Reconciler, func(), error) {
	source, err := sources.Open(ctx, sources.Options{URL: f.repo.bare})
	if err != nil {
		return nil, nil, err
	}
	r := reconciler.New(reconciler.Options{
		Source: source, Cluster: "bench", Key: f.key,
		Open: func(ctx context.Context, n manifest.Node) (drivers.Driver, error) {
			return drivers.Open(ctx, n, drivers.Options{Cluster: "bench"})
		},
	})
	return r, func() { r.Close(); _ = source.Close() }, nil
}

// settle makes passes until one has nothing to do.
func settle(ctx context.Context, r *reconciler.Reconciler) error {
	return until(ctx, "a pass has nothing to do", func() (bool, error) {
		p := r.Pass(ctx)
		return len(p.Plan.Actions) == 0 && len(p.Doing) == 0, p.Err
	})
}

// lists are the paths that each node was asked for since a moment.
func (f *fleet) lists(since time.Time) [][]string {
	all := make([][]string, len(f.taps))
	for i, t := range f.taps {
		for _, c := range t.since(since) {
			if isList(c) {
				all[i] = append(all[i], c.path)
			}
		}
	}
	return all
}

// replay asks all nodes for their lists, all at once, and throws the answers away.
func (f *fleet) replay(ctx context.Context, lists [][]string) error {
	var group errgroup.Group
	for i, paths := range lists {
		for _, path := range paths {
			group.Go(func() error { return f.apis[i].do(ctx, http.MethodGet, path, nil, nil) })
		}
	}
	return group.Wait()
}

func timed(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}
