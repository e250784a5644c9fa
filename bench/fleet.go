package main

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/devfleet"
)

const (
	image    = "localhost/podkeep-bench:1"
	patience = 5 * time.Minute
)

// fleet is a local fleet of real nodes, each behind a tap, and the repository that podkeep reads.
type fleet struct {
	dir  string
	name string
	nest *devfleet.Fleet
	taps []*tap
	apis []*api
	repo repo
	key  ed25519.PrivateKey // of all its controllers, in this process and in others
}

// newFleet makes it. What it began, close ends, also after an error.
func newFleet(ctx context.Context, name string, nodes int) (*fleet, error) {
	f := &fleet{name: name}
	var err error
	if f.dir, err = os.MkdirTemp("", "podkeep-bench-"); err != nil {
		return f, err
	}
	if err := f.makeKey(); err != nil {
		return f, err
	}
	if f.nest, err = devfleet.Up(ctx, devfleet.Options{Name: name, Nodes: nodes}); err != nil {
		return f, err
	}
	if err := f.load(ctx); err != nil {
		return f, err
	}
	for _, n := range f.nest.Nodes {
		t, err := newTap(filepath.Join(f.dir, n.Name+".sock"), n.Socket)
		if err != nil {
			return f, err
		}
		f.taps, f.apis = append(f.taps, t), append(f.apis, newAPI(t.socket))
	}
	f.repo, err = newRepo(filepath.Join(f.dir, "repo"))
	return f, err
}

// makeKey writes the key where controllers that are processes of their own read it.
func (f *fleet) makeKey() (err error) {
	if _, f.key, err = ed25519.GenerateKey(nil); err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(f.key, "")
	if err != nil {
		return err
	}
	return os.WriteFile(f.keyFile(), pem.EncodeToMemory(block), 0o600)
}

func (f *fleet) keyFile() string { return filepath.Join(f.dir, "key") }

func (f *fleet) close() error {
	for _, t := range f.taps {
		t.Close()
	}
	err := devfleet.Down(context.Background(), f.name, "")
	return errors.Join(err, os.RemoveAll(f.dir))
}

// load gives every node the smallest image there can be: a program that waits to be told to end.
func (f *fleet) load(ctx context.Context) error {
	program, err := devfleet.Build(ctx, "drivers/drivertest/testapp")
	if err != nil {
		return err
	}
	archive, err := devfleet.Image(image, program, devfleet.ImageOptions{Args: []string{"term"}})
	if err != nil {
		return err
	}
	return f.nest.LoadEverywhere(ctx, archive)
}

// nodes are the manifests of the first count nodes, reached through their taps.
func (f *fleet) nodes(count int) string {
	var out strings.Builder
	for i, n := range f.nest.Nodes[:count] {
		fmt.Fprintf(&out, "---\napiVersion: v1\nkind: Node\nmetadata: {name: %s}\nspec: {providerID: \"podman+unix://%s\", podCIDR: %s}\n",
			n.Name, f.taps[i].socket, n.PodCIDR)
	}
	return out.String()
}

// wipe leaves no pod and no file on any node.
func (f *fleet) wipe(ctx context.Context) error {
	var group errgroup.Group
	for _, a := range f.apis {
		group.Go(func() error { return errors.Join(a.clear(ctx), a.forget(ctx)) })
	}
	return group.Wait()
}

// forget removes all secrets, which is what podkeep's files are.
func (a *api) forget(ctx context.Context) error {
	var secrets []struct{ ID string }
	if err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/secrets/json", nil, &secrets); err != nil {
		return err
	}
	for _, s := range secrets {
		if err := a.do(ctx, http.MethodDelete, "/v4.0.0/libpod/secrets/"+s.ID, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// running waits until so many workload containers run on the fleet, and says when the last one began.
func (f *fleet) running(ctx context.Context, want int) (time.Time, error) {
	var last time.Time
	err := until(ctx, fmt.Sprintf("%d containers run", want), func() (bool, error) {
		total := 0
		for _, a := range f.apis {
			count, at, err := a.started(ctx)
			if err != nil {
				return false, err
			}
			total += count
			if at.After(last) {
				last = at
			}
		}
		return total == want, nil
	})
	return last, err
}

// quiet waits until no node was asked anything for a second and a half.
func (f *fleet) quiet(ctx context.Context) error {
	return until(ctx, "podkeep is idle", func() (bool, error) {
		return len(f.calls(time.Now().Add(-1500*time.Millisecond))) == 0 && len(f.calls(time.Time{})) > 0, nil
	})
}

// calls are those of all taps since a moment, in the order in which they began.
func (f *fleet) calls(since time.Time) (all []call) {
	for _, t := range f.taps {
		all = append(all, t.since(since)...)
	}
	slices.SortFunc(all, func(a, b call) int { return a.began.Compare(b.began) })
	return all
}

// controller is `podkeep run`, a process of its own as a user has it.
type controller struct {
	cmd *exec.Cmd
	log *os.File
}

func (f *fleet) start(ctx context.Context) (*controller, error) {
	log, err := os.OpenFile(filepath.Join(f.dir, "controller.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "bin/podkeep", "run", "--source", f.repo.bare, "--cluster", "bench", "--key", f.keyFile(), "--listen", "", "--node-side", "never")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return nil, err
	}
	return &controller{cmd, log}, nil
}

// stop ends it as a user would, and waits.
func (c *controller) stop() error {
	defer c.log.Close()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return c.cmd.Wait()
}

// repo is a bare repository with a work tree beside it to push from.
type repo struct{ bare, work string }

func newRepo(dir string) (repo, error) {
	r := repo{bare: filepath.Join(dir, "fleet.git"), work: filepath.Join(dir, "work")}
	if err := os.MkdirAll(r.work, 0o755); err != nil {
		return r, err
	}
	return r, errors.Join(
		git(dir, "init", "-q", "--bare", "-b", "main", r.bare),
		git(r.work, "init", "-q", "-b", "main"),
		git(r.work, "remote", "add", "origin", r.bare),
	)
}

// push makes files all that the repository holds, and says when the push was there: the time of the branch's file.
func (r repo) push(message string, files map[string]string) (time.Time, error) {
	old, err := filepath.Glob(filepath.Join(r.work, "*.yaml"))
	if err != nil {
		return time.Time{}, err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return time.Time{}, err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.work, name), []byte(text), 0o644); err != nil {
			return time.Time{}, err
		}
	}
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", message}, {"push", "-q", "origin", "main"}} {
		if err := git(r.work, args...); err != nil {
			return time.Time{}, err
		}
	}
	info, err := os.Stat(filepath.Join(r.bare, "refs", "heads", "main"))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

func git(dir string, args ...string) error {
	cmd := exec.Command("git", append([]string{"-c", "user.name=bench", "-c", "user.email=bench@localhost"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return nil
}

// until asks every 100 ms, for at most patience.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// deployment is a Deployment of one-container pods.
func deployment(name string, replicas int) string {
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers:
      - {name: app, image: %[3]q, imagePullPolicy: Never}
`, name, replicas, image)
}

// podManifest is the same pod as a Pod, for kube play.
func podManifest(name string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  containers:
  - {name: app, image: %q, imagePullPolicy: Never}
`, name, image)
}
