package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/wire"
)

// crowd is how many pods the node side of the benchmark tends. Each has one probe that is run every ten seconds.
const crowd = 50

// nodeOnCrowd is podkeep on a host in memory with a crowd of pods, probed at the port that CROWD says. What it is to tend, it writes down first.
func nodeOnCrowd() {
	hosts := fake.New(time.Now, "n1")
	openDriver = func(_ context.Context, n manifest.Node, o drivers.Options) (drivers.Driver, error) {
		return hosts.Open("n1", o.Cluster, nil), nil
	}
	text := "apiVersion: v1\nkind: Pod\nmetadata: {name: web%d}\nspec: {containers: [{name: app, image: app, readinessProbe: {httpGet: {port: " + os.Getenv("CROWD") + "}}}]}\n"
	tend, host := wire.Tend{Source: "s"}, hosts.Open("n1", "default", nil)
	for i := range crowd {
		set := manifest.Assemble(manifest.Info{}, []manifest.Parsed{manifest.Parse("x.yaml", fmt.Appendf(nil, text, i))})
		r := set.Workloads[0].Revision
		p := live.Pod{Name: live.PodName("", r.App, r.Rev, 0), Cluster: "default", App: r.App, Rev: r.Rev, Gen: 1, Expect: []string{"app"}, Birth: live.BirthOf(r)}
		form := live.RevFile(r.App, r.Rev, "")
		tend.Pods = append(tend.Pods, p.Name)
		if err := errors.Join(
			host.(drivers.Puller).Pull(context.Background(), r.Spec.Containers[0].Image, "IfNotPresent"),
			host.Put(context.Background(), manifest.File{Name: form, Labels: live.FormLabels(r, "default", "s")}),
			host.Run(context.Background(), live.PodOf(r, p, nil)),
		); err != nil {
			panic(err)
		}
	}
	told, _ := json.Marshal(map[string]any{"Tends": []wire.Tend{tend}})
	if err := os.WriteFile(filepath.Join(os.Args[len(os.Args)-1], "state.json"), told, 0o600); err != nil {
		panic(err)
	}
	main()
}

// BenchmarkNodeSide says what a node side takes that tends a crowd: of one core, and of memory.
func BenchmarkNodeSide(b *testing.B) {
	asked := make(chan struct{}, 1<<20)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	defer server.Close()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	link := filepath.Join(b.TempDir(), "nodeoncrowd")
	if err := os.Symlink(self, link); err != nil {
		b.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pk")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.Command(link, "node", "run", "--name", "n1", "--dir", dir)
	cmd.Env = append(os.Environ(), "CROWD="+server.URL[strings.LastIndexByte(server.URL, ':')+1:])
	cmd.Stderr = b.Output()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-ended }()
	round := func() { // of all of them once
		for range crowd {
			select {
			case <-asked:
			case err := <-ended:
				ended <- err
				b.Fatal("it ended: ", err)
			}
		}
	}
	round() // the first come at once
	round()
	began, before := time.Now(), ticks(b, cmd.Process.Pid)
	for b.Loop() {
		round()
	}
	took := time.Since(began).Seconds()
	b.ReportMetric(float64(ticks(b, cmd.Process.Pid)-before)/took, "%-of-a-core") // a tick is 10 ms
	for _, line := range strings.Split(read(b, "/proc/%d/status", cmd.Process.Pid), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && (fields[0] == "VmRSS:" || fields[0] == "RssAnon:") {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			b.ReportMetric(kib/1024, "MiB-"+strings.TrimSuffix(fields[0], ":"))
		}
	}
}

// ticks is how much processor time a process has taken.
func ticks(b *testing.B, pid int) (n int) {
	stat := read(b, "/proc/%d/stat", pid)
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	for _, f := range fields[11:13] {
		used, _ := strconv.Atoi(f)
		n += used
	}
	return n
}

func read(b *testing.B, path string, pid int) string {
	text, err := os.ReadFile(fmt.Sprintf(path, pid))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
