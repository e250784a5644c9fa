package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podkeep/podkeep/devfleet"
)

// What is followed: so many pods, each printing numbered lines at a rate.
const (
	talkers   = 20
	talkLines = 15_000
	talkRate  = 500 // a second
)

// logs measures `podkeep logs -f` of 20 pods on 3 nodes over SSH, from before they are made: lines that are lost or told
// twice, how many are told a second, and the memory it takes.
func logs(ctx context.Context, name string) (rows []row, err error) {
	f := &fleet{name: name + "-logs"}
	if f.dir, err = os.MkdirTemp("", "podkeep-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.makeKey(); err != nil {
		return nil, err
	}
	if f.nest, err = devfleet.Up(ctx, devfleet.Options{Name: f.name, Nodes: 3, SSH: []string{"n1", "n2", "n3"}}); err != nil {
		return nil, err
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	if err := f.talk(); err != nil {
		return nil, err
	}
	follow := f.podkeep(ctx, "logs", "-f", "deployment/talk")
	out, err := follow.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := follow.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = follow.Process.Signal(syscall.SIGINT); _ = follow.Wait() }()
	if said, err := f.podkeep(ctx, "sync", "--node-side", "never").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("sync: %w: %s", err, said)
	}
	return listen(out, follow.Process.Pid)
}

// talk writes the manifests.
func (f *fleet) talk() error {
	args := fmt.Sprintf("      - {name: app, args: [count, \"%d\", \"%d\", term], ", talkLines, talkRate)
	manifests := string(f.nest.Manifests()) + strings.Replace(deployment("talk", talkers), "      - {name: app, ", args, 1)
	return os.WriteFile(filepath.Join(f.dir, "talk.yaml"), []byte(manifests), 0o644)
}

func (f *fleet) podkeep(ctx context.Context, command string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "bin/podkeep", append([]string{command, "--source", "dir:" + f.dir, "--cluster", "bench", "--key", f.keyFile(),
		"--ssh-key", f.nest.Identity(), "--known-hosts", f.nest.KnownHosts()}, args...)...)
}

// listen counts until the last line came, or none for patience.
func listen(out io.ReadCloser, pid int) ([]row, error) {
	const total = talkers * talkLines
	late := time.AfterFunc(patience, func() { _ = out.Close() })
	defer late.Stop()
	next, perSecond := map[string]int{}, map[int64]int{}
	told, wrong := 0, 0
	var early, end int
	for lines := bufio.NewScanner(out); told < total && lines.Scan(); told++ {
		late.Reset(patience)
		var pod string
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "%s line %d", &pod, &n); err != nil || n != next[pod]+1 {
			wrong++
		}
		next[pod] = n
		perSecond[time.Now().Unix()]++
		if told == total/4 {
			early = anonymous(pid)
		}
	}
	end = anonymous(pid)
	missing := total
	for _, n := range next {
		missing -= n
	}
	var rates []int
	for _, n := range perSecond {
		rates = append(rates, n)
	}
	slices.Sort(rates)
	best := rates[len(rates)*3/4]
	grown := end - early
	return []row{
		{fmt.Sprintf("logs -f of 20 pods, of %d lines", total), fmt.Sprintf("%d missing, %d out of turn", missing, wrong), "-", 0, "0 and 0", missing == 0 && wrong == 0},
		{"lines told a second, third quartile", fmt.Sprint(best), fmt.Sprintf("printed: %d", talkers*talkRate), float64(best) / (talkers * talkRate), ">= 0.90", best >= talkers*talkRate*9/10},
		{"memory of logs -f, at a quarter and at the end", fmt.Sprintf("%.1f and %.1f MB", float64(early)/1024, float64(end)/1024), "-", 0, "+ 8 MB", grown <= 8<<10},
	}, nil
}

// anonymous is a process's memory that no file backs, in KiB; 0 when it is gone.
func anonymous(pid int) (size int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Sscanf(line, "RssAnon: %d", &size); err == nil {
			return size
		}
	}
	return 0
}
