package devfleet_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
)

const trafficManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 6
  selector: {matchLabels: {app: hello}}
  strategy: {rollingUpdate: {maxSurge: 2, maxUnavailable: 0}}
  progressDeadlineSeconds: 600
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
        - name: hello
          image: localhost/traffic:v1
          imagePullPolicy: Never
          env: [{name: VERSION, value: "1"}]
          ports: [{name: web, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: web}, periodSeconds: 1, timeoutSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec:
  type: NodePort
  selector: {app: hello}
  ports: [{port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: each}
spec:
  clusterIP: None
  selector: {app: hello}
  ports: [{name: web, port: 8080}]
`

// clientManifest is a pod on each node that asks by name.
const clientManifest = `
apiVersion: v1
kind: Pod
metadata: {name: client-%[1]s}
spec:
  nodeName: %[1]s
  containers:
    - name: client
      image: localhost/traffic:v1
      imagePullPolicy: Never
      command: [/app, load, "http://hello/", "http://hello.default.svc.cluster.local/", "http://each:8080/"]
---
`

// TestUpdatesLoseNoRequest has three nodes, one over SSH, and requests from all of them, from pods and from outside, while updates roll.
func TestUpdatesLoseNoRequest(t *testing.T) {
	s := asked(t, "traffic")
	var clients strings.Builder
	for _, n := range s.fleet.Nodes {
		fmt.Fprintf(&clients, clientManifest, n.Name)
	}
	var loads []*asker
	s.scene("a Service answers on every node, at its address and at its ports", func(s *stage) {
		s.start()
		s.edit("deployment.yaml", "type: NodePort", "type: LoadBalancer")
		s.converges(s.push("traffic"))
		svc := s.service("hello")
		virtual, port := svc.Spec.ClusterIP, svc.Spec.Ports[0].NodePort
		var outside, balanced []string
		for _, n := range s.fleet.Nodes {
			outside = append(outside, fmt.Sprintf("http://%s:%d/", n.Address, port))
			balanced = append(balanced, "http://"+n.Address+"/")
		}
		for _, n := range s.fleet.Nodes {
			loads = append(loads, s.asks(t.Context(), n.Name, "http://"+virtual+"/", outside[0], outside[1], outside[2]))
		}
		loads = append(loads, s.asks(t.Context(), "", balanced...))
		for _, l := range loads {
			l.atLeast(s, 100)
		}
	})
	if len(loads) == 0 {
		return
	}
	s.scene("pods ask by name", func(s *stage) {
		s.write("clients.yaml", clients.String())
		s.converges(s.push("clients"))
	})
	s.scene("three updates lose nothing", func(s *stage) {
		for i := 2; i <= 4; i++ {
			s.edit("deployment.yaml", fmt.Sprintf(`value: "%d"`, i-1), fmt.Sprintf(`value: "%d"`, i))
			s.converges(s.push(fmt.Sprintf("version %d", i)))
		}
		for _, n := range s.fleet.Nodes {
			said := s.on(n.Name, "sh", "-c", `podman logs --tail 1 $(podman ps --quiet --filter label=podkeep.io/app=Pod/default/client-`+n.Name+` --filter label=podkeep.io/container) 2>&1`)
			var of toll
			if err := json.Unmarshal([]byte(said), &of); err != nil || of.Answers == 0 {
				s.Errorf("the client on %s: %s (%v)", n.Name, said, err)
			}
			s.lostAtMost("the client on "+n.Name, of)
		}
	})
	s.scene("nor do node sides and a controller that are killed while one rolls", func(s *stage) {
		s.edit("deployment.yaml", `value: "4"`, `value: "5"`)
		commit := s.push("version 5")
		for range 2 {
			for _, n := range s.fleet.Nodes {
				s.killSide(n.Name)
			}
			s.stop()
			s.start()
		}
		s.converges(commit)
	})
	s.scene("and all of a hundred thousand requests were answered", func(s *stage) {
		for _, l := range loads {
			l.atLeast(s, 100_000/int64(len(loads)))
		}
		var sum toll
		for _, l := range loads {
			sum = sum.with(l.end(s), l.node)
		}
		s.lostAtMost("all", sum)
	})
}

// asked is a stage whose hosts get node sides, with hello as a server that many ask.
func asked(t *testing.T, name string) *stage {
	t.Helper()
	s := build(t, name)
	s.nodeSide = "auto"
	s.source = []string{"--source", s.path("fleet.git"), "--branch", "main"}
	s.ok(s.fleet.LoadEverywhere(t.Context(), image(t, "localhost/traffic:v1", "testdata/traffic")))
	s.write("nodes.yaml", strings.ReplaceAll(string(s.fleet.Manifests()), "  annotations:\n", "  annotations:\n    podkeep.io/silence-grace: 15m\n"))
	s.write("deployment.yaml", trafficManifest)
	return s
}

// service is one as the controller's status has it, with its address.
func (s *stage) service(name string) (svc corev1.Service) {
	s.Helper()
	s.await(func() error {
		var list struct{ Items []json.RawMessage }
		if err := ask(http.DefaultClient, "http://"+s.listen+"/status", &list); err != nil {
			return err
		}
		for _, item := range list.Items {
			svc = corev1.Service{}
			if err := json.Unmarshal(item, &svc); err == nil && svc.Kind == "Service" && svc.Name == name {
				_, err := netip.ParseAddr(svc.Spec.ClusterIP)
				return err
			}
		}
		return fmt.Errorf("no Service %s in the status", name)
	})
	return svc
}

// killSide kills a node side, if it runs. One that has just ended has process 0, which would be whoever runs the tests.
func (s *stage) killSide(node string) {
	s.Helper()
	s.on(node, "sh", "-c", `for c in $(podman ps --quiet --filter label=podkeep.io/container=node --filter label=podkeep.io/app=`+live.SideApp.String()+`); do pid=$(podman inspect --format '{{.State.Pid}}' $c); [ $pid = 0 ] || kill -9 $pid; done`)
}

// toll is what a load says.
type toll struct {
	Answers, Failures int64
	Why               []string
	Failed, Oldest    time.Time // when the newest request that failed began, and the oldest that is under way
	Courses           []course
}

// course is what one URL answered: how often each version did, which last, and how often that was another one than before.
type course struct {
	URL   string
	Kept  bool // connections are, else each request has its own
	By    map[string]int64
	Last  string
	Turns int
}

// with adds what another says, from a node.
func (t toll) with(other toll, node string) toll {
	t.Answers, t.Failures = t.Answers+other.Answers, t.Failures+other.Failures
	for _, why := range other.Why {
		t.Why = append(t.Why, fmt.Sprintf("from %q %s", node, why))
	}
	return t
}

// lostAtMost holds what was asked to that none fails, but for one, and one in each hundred thousand: a machine with many times more to do than it can
// loses an answer now and then that no rule of ours touches, such as a SYN-ACK whose pod ends before it sends it again. Each is told.
func (s *stage) lostAtMost(who string, t toll) {
	s.Helper()
	s.Logf("%s: %d of %d failed: %s", who, t.Failures, t.Failures+t.Answers, strings.Join(t.Why, "\n"))
	if t.Failures > 1+t.Answers/100_000 {
		s.Errorf("%s: too many failed", who)
	}
}

// asker is somebody who asks again and again.
type asker struct {
	node  string // from which; "" is this machine
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// asks begins to ask from a node, until ctx ends; with a pause after each request, if the first URL is one.
func (s *stage) asks(ctx context.Context, node string, urls ...string) *asker {
	s.Helper()
	program := s.path("traffic")
	if _, err := os.Stat(program); err != nil {
		build := exec.Command("go", "build", "-o", program, "./"+filepath.Join("testdata", "traffic"))
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			s.Fatalf("%v: %s", err, out)
		}
	}
	args := append([]string{program, "load"}, urls...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if node != "" {
		var err error
		cmd, err = s.fleet.Command(ctx, node, args...)
		s.ok(err)
	}
	l := &asker{node: node, cmd: cmd}
	out, err := cmd.StdoutPipe()
	s.ok(err)
	l.stdin, err = cmd.StdinPipe()
	s.ok(err)
	l.lines = bufio.NewScanner(out)
	s.ok(cmd.Start())
	return l
}

// said asks it what came of it so far.
func (l *asker) said(s *stage) (t toll) {
	s.Helper()
	_, err := l.stdin.Write([]byte("\n"))
	s.ok(err)
	if !l.lines.Scan() {
		s.Fatalf("load from %q has ended: %v", l.node, l.lines.Err())
	}
	s.ok(json.Unmarshal(l.lines.Bytes(), &t))
	return t
}

// atLeast waits until so many requests were answered.
func (l *asker) atLeast(s *stage, n int64) {
	s.Helper()
	s.await(func() error {
		if t := l.said(s); t.Answers < n {
			return fmt.Errorf("%d of %d answered from %q: %v", t.Answers, n, l.node, t)
		}
		return nil
	})
}

// end has it stop, and say what came of it.
func (l *asker) end(s *stage) toll {
	s.Helper()
	last := l.said(s)
	_ = l.cmd.Process.Kill()
	_ = l.cmd.Wait()
	return last
}
