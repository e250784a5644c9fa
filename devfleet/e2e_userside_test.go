package devfleet_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/live"
)

// usersManifest are pods of a user's own Podman: one with each kind of probe, hello with all that it may have, and some whose probes nobody there can run.
const usersManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  progressDeadlineSeconds: 600
  template:
    metadata: {labels: {app: hello}}
    spec:
      nodeName: n2
      terminationGracePeriodSeconds: 0
      containers:
        - name: hello
          image: localhost/probed:v1
          imagePullPolicy: Never
          ports: [{name: web, containerPort: 8080}]
          startupProbe: {exec: {command: [/app, started]}, periodSeconds: 1, failureThreshold: 600, timeoutSeconds: 30}
          readinessProbe: {httpGet: {path: /ready, port: web}, periodSeconds: 1, timeoutSeconds: 5}
          livenessProbe: {httpGet: {path: /live, port: 8080}, periodSeconds: 1, failureThreshold: 3, timeoutSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {selector: {app: hello}, ports: [{port: 80, targetPort: web}]}
`

const askedManifest = `---
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 0
  hostNetwork: %t
  containers:
    - {name: app, image: localhost/probed:v1, imagePullPolicy: Never, %s: {%s, periodSeconds: 1, timeoutSeconds: 30}}
`

// kinds are probes of each kind.
var kinds = map[string]string{
	"http": "httpGet: {path: /ready, port: 8080}", "tcp": "tcpSocket: {port: 8080}", "grpc": "grpc: {port: 9090}", "exec": "exec: {command: [/app, started]}",
}

// TestProbesDecideOnAUsersOwnPodman has two nodes whose Podman is a user's own, one of them over SSH, beside one of root's.
func TestProbesDecideOnAUsersOwnPodman(t *testing.T) {
	t.Parallel()
	s := usersStage(t)
	manifests := usersManifest
	for _, n := range []string{"n2", "n3"} {
		for kind, probe := range kinds {
			manifests += fmt.Sprintf(askedManifest, kind+n, n, false, "readinessProbe", probe)
		}
	}
	manifests += fmt.Sprintf(askedManifest, "elsewhere", "n2", false, "readinessProbe", "tcpSocket: {port: 53, host: 192.0.2.1}")
	manifests += fmt.Sprintf(askedManifest, "onhost", "n2", true, "readinessProbe", kinds["http"])
	manifests += fmt.Sprintf(askedManifest, "lasts", "n2", true, `env: [{name: LISTEN, value: ":8081"}], livenessProbe`, kinds["http"])
	s.write("pods.yaml", manifests)
	commit := s.push("probed")

	s.scene("a pod with each kind of probe becomes ready", func(s *stage) {
		s.start()
		s.converges(commit)
		for kind := range kinds {
			s.pod(kind+"n2", corev1.ConditionTrue, "")
			s.pod(kind+"n3", corev1.ConditionTrue, "")
		}
	})
	s.scene("what cannot be asked from there is refused by name, with what to write", func(s *stage) {
		s.pod("onhost", corev1.ConditionFalse, "leave hostNetwork out")
		s.pod("elsewhere", corev1.ConditionFalse, "leave host out")
		s.shows("liveness probe of app is not run", "Services are not served here", "1 of the 1 pods that it chooses have no address in the cluster's network")
	})
	s.scene("a port of a pod is reached by way of the node side", func(s *stage) {
		for _, n := range []string{"n2", "n3"} {
			if said := s.prints("curl", "pod/http"+n+":8080/"); said != "probed\n" {
				s.Errorf("%s: %q", n, said)
			}
		}
	})
	s.scene("without a controller, what fails its liveness probe is begun anew", func(s *stage) {
		s.stop()
		before := s.only()
		s.sets("live=no")
		s.await(func() error {
			all, err := s.containers("n2")
			if err == nil && (len(all) != 1 || all[0].attempt() == before.attempt() || all[0].State != "running") {
				err = fmt.Errorf("%+v, before %+v", all, before)
			}
			return err
		})
	})
	s.scene("a node side that is killed comes back, and nothing is begun anew", func(s *stage) {
		before := s.only()
		for range 3 {
			s.on("n2", "kill", "-9", strconv.Itoa(s.sidePID()))
			s.sides("n2")
		}
		s.start()
		s.converges(commit)
		if after := s.only(); after.ID != before.ID {
			s.Errorf("%+v, before %+v", after, before)
		}
	})
	s.scene("after a restart of the host its pods are probed again", func(s *stage) {
		s.ok(s.fleet.Reboot(s.Context(), "n2"))
		s.sets("ready=no")
		s.pod("hello", corev1.ConditionFalse, "503")
		s.sets("ready=yes")
		s.pod("hello", corev1.ConditionTrue, "")
	})
	s.scene("the node side is nobody but that user, in his pods' network", func(s *stage) {
		pid, uid := s.sidePID(), s.fleet.Nodes[1].UID
		status := s.on("n2", "cat", fmt.Sprintf("/proc/%d/status", pid))
		for _, line := range []string{fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", uid), fmt.Sprintf("Gid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", uid)} {
			if !strings.Contains(status, line) {
				s.Errorf("no %q in %s", line, status)
			}
		}
		for _, ns := range []string{"user", "net"} {
			if its, hosts := s.on("n2", "readlink", fmt.Sprintf("/proc/%d/ns/%s", pid, ns)), s.on("n2", "readlink", "/proc/self/ns/"+ns); its == hosts {
				s.Errorf("it is in the host's %s namespace", ns)
			}
		}
	})
}

// usersStage is a stage whose n2 and n3 have a user's own Podman, with node sides and the program that is probed.
func usersStage(t *testing.T) *stage {
	t.Helper()
	const name = "userside"
	s := &stage{T: t, binary: podkeep(t), listen: freeAddress(t), nodeSide: "auto"}
	s.ok(devfleet.Down(t.Context(), name, ""))
	t.Cleanup(func() { s.lower(name) })
	var err error
	s.fleet, err = devfleet.Up(t.Context(), devfleet.Options{Name: name, Nodes: 3, SSH: []string{"n3"}, Rootless: []string{"n2", "n3"}})
	s.ok(err)
	s.log, err = os.Create(s.path("controller.log"))
	s.ok(err)
	s.ok(s.fleet.LoadEverywhere(t.Context(), image(t, "localhost/probed:v1", "testdata/probed")))
	s.command(s.fleet.Dir, "git", "init", "--quiet", "--bare", "--initial-branch=main", "fleet.git")
	s.command(s.fleet.Dir, "git", "clone", "--quiet", "fleet.git", "work")
	s.command(s.path("work"), "git", "checkout", "--quiet", "-B", "main")
	s.source = []string{"--source", s.path("fleet.git"), "--branch", "main"}
	s.write("nodes.yaml", strings.ReplaceAll(string(s.fleet.Manifests()), "  annotations:\n", "  annotations:\n    podkeep.io/silence-grace: 15m\n"))
	return s
}

// pod waits until the pod of that name is ready or not, as is wanted, and says why.
func (s *stage) pod(name string, ready corev1.ConditionStatus, why string) {
	s.Helper()
	s.await(func() error {
		var list struct{ Items []json.RawMessage }
		if err := ask(http.DefaultClient, "http://"+s.listen+"/status", &list); err != nil {
			return err
		}
		for _, item := range list.Items {
			p := corev1.Pod{}
			if err := json.Unmarshal(item, &p); err != nil || p.Kind != "Pod" || !strings.Contains(p.Name, "_"+name+"-") {
				continue
			}
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == ready && strings.Contains(c.Message, why) {
					return nil
				}
			}
			return fmt.Errorf("%s: %+v", name, p.Status.Conditions)
		}
		return fmt.Errorf("no pod %s", name)
	})
}

// shows waits until status prints all of these.
func (s *stage) shows(all ...string) {
	s.Helper()
	s.await(func() error {
		status := s.podkeep("status")
		status.Stdout = nil
		out, err := status.Output()
		for _, text := range all {
			if err == nil && !strings.Contains(string(out), text) {
				err = fmt.Errorf("no %q in:\n%s", text, out)
			}
		}
		return err
	})
}

// sets tells hello what its probes are to come to, once it is up.
func (s *stage) sets(what string) {
	s.Helper()
	s.await(func() error {
		all, err := s.containers("n2")
		if err == nil && len(all) == 1 {
			_, err = s.fleet.Output(s.Context(), "n2", "podman", "exec", all[0].ID, "/app", "set?"+what)
		} else if err == nil {
			err = fmt.Errorf("%+v", all)
		}
		return err
	})
}

// only is hello's one container.
func (s *stage) only() container {
	s.Helper()
	all, err := s.containers("n2")
	s.ok(err)
	if len(all) != 1 {
		s.Fatalf("%+v", all)
	}
	return all[0]
}

// sidePID is the process of the node side of n2, as the node counts.
func (s *stage) sidePID() (pid int) {
	s.Helper()
	s.await(func() (err error) { // it may answer before Podman says that it runs
		out, err := s.fleet.Output(s.Context(), "n2", "sh", "-c", "podman inspect --format '{{.State.Pid}}' $(podman ps --quiet --filter label="+live.LabelSide+" --filter label="+live.LabelContainer+")")
		if err != nil {
			return err
		}
		if pid, err = strconv.Atoi(strings.TrimSpace(out)); err == nil && pid == 0 {
			err = fmt.Errorf("it does not run yet")
		}
		return err
	})
	return pid
}
