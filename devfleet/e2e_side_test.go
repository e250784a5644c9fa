package devfleet_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

const probedManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 3
  selector: {matchLabels: {app: hello}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  progressDeadlineSeconds: 600
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: hello
          image: localhost/probed:v1
          imagePullPolicy: Never
          env: [{name: READY, value: "yes"}]
          ports: [{name: web, containerPort: 8080}]
          startupProbe: {exec: {command: [/app, started]}, periodSeconds: 1, failureThreshold: 600, timeoutSeconds: 30}
          readinessProbe: {httpGet: {path: /ready, port: web}, periodSeconds: 1, timeoutSeconds: 5}
          livenessProbe: {httpGet: {path: /live, port: 8080}, periodSeconds: 1, failureThreshold: 3, timeoutSeconds: 5}
`

// TestProbesDecideOnRealNodes has three nodes, one of them over SSH, with their node sides.
func TestProbesDecideOnRealNodes(t *testing.T) {
	t.Parallel()
	s := sided(t, "side")
	first, nodes := s.push("probed"), []string{"n1", "n2", "n3"}

	s.scene("pods are ready when their probes say so, on every host", func(s *stage) {
		s.start()
		s.converges(first)
		s.three()
		s.sides(nodes...)
	})
	s.scene("a rollout waits for one that is not ready, and nothing is taken away for it", func(s *stage) {
		before := s.three()
		s.edit("deployment.yaml", `value: "yes"`, `value: "no"`)
		s.edit("deployment.yaml", "progressDeadlineSeconds: 600", "progressDeadlineSeconds: 20")
		why := s.rejects(s.push("never ready"))
		if !strings.Contains(why, "503") {
			s.Errorf("why says nothing of the probe: %s", why)
		}
		s.edit("deployment.yaml", "progressDeadlineSeconds: 20", "progressDeadlineSeconds: 600")
		s.edit("deployment.yaml", `value: "no"`, `value: "yes"`)
		s.converges(s.push("ready again"))
		if after := s.three(); !slices.Equal(before, after) {
			s.Errorf("the pods that served are others: %v, %v", before, after)
		}
	})
	s.scene("without a controller, what fails its liveness probe is begun anew, and nothing else", func(s *stage) {
		s.stop()
		for _, pod := range slices.Sorted(maps.Keys(s.byPod())) {
			before := s.byPod()
			sick := before[pod]
			s.set(sick, "live=no")
			s.await(func() error {
				now := s.byPod()
				for name, c := range now {
					if name != pod && c.ID != before[name].ID {
						s.Fatalf("%s is another: %v, %v", name, before[name], c)
					}
				}
				if c := now[pod]; c.State != "running" || c.attempt() == sick.attempt() {
					return fmt.Errorf("%s on %s is at attempt %s, %s", pod, sick.node, c.attempt(), c.State)
				}
				return nil
			})
		}
	})
	s.scene("a node side that is killed comes back, and nothing is begun anew", func(s *stage) {
		before := s.three()
		for range 3 {
			for _, n := range nodes {
				// It may answer before Podman says that it runs.
				s.on(n, "sh", "-c", `until c=$(podman ps --quiet --filter label=`+live.LabelSide+` --filter label=`+live.LabelContainer+`) && [ -n "$c" ] &&
						pid=$(podman inspect --format '{{.State.Pid}}' $c) && [ "$pid" -gt 0 ]; do sleep 0.1; done
					kill -9 $pid`)
			}
			s.sides(nodes...)
		}
		s.start()
		s.converges(s.command(s.path("work"), "git", "rev-parse", "HEAD"))
		if after := s.three(); !slices.Equal(before, after) {
			s.Errorf("%v, %v", before, after)
		}
	})
	s.scene("a higher version takes over, and no verdict is lost", func(s *stage) {
		s.stop()
		before, old := s.three(), s.sides(nodes...)
		s.binary = filepath.Join(s.TempDir(), "podkeep")
		build := exec.Command("go", "build", "-ldflags", "-X main.committed=20991231235959 -X main.version=next", "-o", s.binary, "../cmd/podkeep")
		if out, err := build.CombinedOutput(); err != nil {
			s.Fatalf("%v: %s", err, out)
		}
		s.start()
		s.await(func() error {
			if now := s.sides(nodes...); slices.ContainsFunc(now, func(v string) bool { return v != "20991231235959-next" }) {
				return fmt.Errorf("%v, before %v", now, old)
			}
			return nil
		})
		s.converges(s.command(s.path("work"), "git", "rev-parse", "HEAD"))
		if after := s.three(); !slices.Equal(before, after) {
			s.Errorf("%v, %v", before, after)
		}
	})
	s.scene("where none is wanted, they go, and the network with them", func(s *stage) {
		s.stop()
		s.nodeSide = "never"
		s.start()
		s.await(func() error {
			for _, n := range s.fleet.Nodes {
				if found, err := listed(n, `{"label":["`+live.LabelSide+`"]}`); err != nil || len(found) > 0 {
					return fmt.Errorf("%s: %v %v", n.Name, found, err)
				}
				left, err := s.fleet.Output(s.Context(), n.Name, "sh", "-c", "podman volume ls --quiet; podman images --format '{{.Repository}}'")
				if err != nil { // an image went meanwhile
					return err
				}
				if strings.Contains(left, live.SideVolume) || strings.Contains(left, live.SideImage) {
					return fmt.Errorf("%s keeps %s", n.Name, left)
				}
				if left := s.netLeft(n.Name); left != "" {
					return fmt.Errorf("%s keeps %s", n.Name, left)
				}
			}
			return nil
		})
		s.three()
	})
}

// netLeft is what a node has of the cluster's own network, where none is to be.
func (s *stage) netLeft(node string) string {
	s.Helper()
	named := route.NamedOf("e2e")
	return s.on(node, "sh", "-c", fmt.Sprintf(`
		nft list table ip %[1]s 2>/dev/null | head -1
		ip route show proto 112
		ip -brief link | grep -E '^(%[2]s|%[3]s)'
		podman network ls --format '{{.Name}}' | grep -x %[4]s
		true`, named.Table, named.Bridge, named.Tunnel, named.Network))
}

// sided is a stage whose hosts get node sides, with hello as a program that is probed.
func sided(t *testing.T, name string) *stage {
	t.Helper()
	s := build(t, name)
	s.nodeSide = "auto"
	s.source = []string{"--source", s.path("fleet.git"), "--branch", "main"}
	s.ok(s.fleet.LoadEverywhere(t.Context(), image(t, "localhost/probed:v1", "testdata/probed")))
	s.write("nodes.yaml", strings.ReplaceAll(string(s.fleet.Manifests()), "  annotations:\n", "  annotations:\n    podkeep.io/silence-grace: 15m\n"))
	s.write("deployment.yaml", probedManifest)
	return s
}

// byPod are hello's containers by their pods.
func (s *stage) byPod() map[string]container {
	s.Helper()
	all, err := s.containers()
	s.ok(err)
	by := map[string]container{}
	for _, c := range all {
		by[c.PodName] = c
	}
	return by
}

// sides waits until these nodes run a node side, and gives their versions.
func (s *stage) sides(nodes ...string) (versions []string) {
	s.Helper()
	s.await(func() error {
		versions = nil
		for _, n := range s.fleet.Nodes {
			if !slices.Contains(nodes, n.Name) {
				continue
			}
			found, err := listed(n, `{"label":["`+live.LabelSide+`","`+live.LabelContainer+`"]}`)
			if err != nil {
				return err
			}
			if len(found) != 1 || found[0].State != "running" {
				return fmt.Errorf("%s: %+v", n.Name, found)
			}
			versions = append(versions, found[0].Labels[live.LabelSide])
		}
		return nil
	})
	return versions
}

// set tells the program in a container what its probes are to come to.
func (s *stage) set(c container, what string) {
	s.Helper()
	infra := s.on(c.node, "sh", "-c", `podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' $(podman pod inspect --format '{{.InfraContainerID}}' `+c.PodName+`)`)
	s.await(func() error { // it may have begun a moment ago
		response, err := http.Get("http://" + infra + ":8080/set?" + what)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}
