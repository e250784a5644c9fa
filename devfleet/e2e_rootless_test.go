package devfleet_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/manifest"
)

// usersFleet makes a fleet that the test's end removes.
func usersFleet(t *testing.T, o devfleet.Options) *devfleet.Fleet {
	t.Helper()
	if err := devfleet.Down(t.Context(), o.Name, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := devfleet.Down(context.Background(), o.Name, ""); err != nil {
			t.Error(err)
		}
	})
	fleet, err := devfleet.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

// driverOf reaches a node's Podman on behalf of a cluster.
func driverOf(t *testing.T, f *devfleet.Fleet, node, cluster string) drivers.Driver {
	t.Helper()
	n, err := f.Node(node)
	if err != nil {
		t.Fatal(err)
	}
	m := manifest.Node{ProviderID: n.ProviderID()}
	m.Name = n.Name
	d, err := drivers.Open(t.Context(), m, drivers.Options{
		Cluster: cluster, Whole: true, Look: drivertest.Patience, Change: drivertest.Patience,
		KnownHosts: []string{f.KnownHosts()}, Identity: []string{f.Identity()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A user's own Podman does all that a driver promises.
func TestAUsersPodmanKeepsTheContract(t *testing.T) {
	t.Parallel()
	f := usersFleet(t, devfleet.Options{Name: "fl-user", Nodes: 1, Rootless: []string{"n1"}})
	if err := f.LoadEverywhere(t.Context(), drivertest.Archive(t)); err != nil {
		t.Fatal(err)
	}
	on := func(args ...string) *exec.Cmd {
		cmd, err := f.Command(context.Background(), "n1", args...)
		if err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	drivertest.Run(t, drivertest.Host{
		Open:  func(t *testing.T, cluster string) drivers.Driver { return driverOf(t, f, "n1", cluster) },
		Image: drivertest.Ref, Ends: drivertest.Ref,
		Tick: func() { time.Sleep(20 * time.Millisecond) },
		Foreign: func(t *testing.T, name string) {
			if out, err := on("podman", "pod", "create", "--name", name).CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
			t.Cleanup(func() { _ = on("podman", "pod", "rm", "-f", name).Run() })
		},
	})
}

// usersFiles are what the pods of each node have in common; usersOwn is what one node has.
const usersFiles = `
apiVersion: v1
kind: ConfigMap
metadata: {name: words}
data: {greeting: hello}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {key: open sesame}
`

const usersOwn = `---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-NODE}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-NODE}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: web-NODE}}
  template:
    metadata: {labels: {app: web-NODE}}
    spec:
      nodeName: NODE
      terminationGracePeriodSeconds: 1
      securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}
      initContainers:
      - {name: first, image: IMAGE, imagePullPolicy: Never, args: [write, /scratch/first, came first], volumeMounts: [{name: scratch, mountPath: /scratch}]}
      containers:
      - name: app
        image: IMAGE
        imagePullPolicy: Never
        args: [id, cat, /scratch/first, cat, /etc/app/greeting, cat, /etc/key/key, append, /data/log, "$(GREETING) ", cat, /data/log, listen, ":8080", term]
        env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: words, key: greeting}}}]
        ports: [{containerPort: 8080, hostPort: 8090}]
        LIMITS
        volumeMounts:
        - {name: words, mountPath: /etc/app}
        - {name: key, mountPath: /etc/key}
        - {name: data, mountPath: /data}
        - {name: scratch, mountPath: /scratch}
      volumes:
      - {name: words, configMap: {name: words}}
      - {name: key, secret: {secretName: key}}
      - {name: data, persistentVolumeClaim: {claimName: data-NODE}}
      - {name: scratch, emptyDir: {}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once-NODE}
spec:
  template:
    spec:
      nodeName: NODE
      restartPolicy: Never
      containers:
      - {name: app, image: IMAGE, imagePullPolicy: Never, args: [say, did it, exit, "0"]}
`

// What runs on a user's own Podman, by its socket and over SSH, beside root's: no node side takes part.
func TestUsersKeepTheirPods(t *testing.T) {
	t.Parallel()
	s := &stage{T: t, binary: podkeep(t)}
	s.fleet = usersFleet(t, devfleet.Options{Name: "fl-users", Nodes: 3, SSH: []string{"n3"}, Rootless: []string{"n2", "n3"}})
	var err error
	s.log, err = os.Create(s.path("controller.log"))
	s.ok(err)
	t.Cleanup(func() { s.lower("fl-users") })
	s.ok(s.fleet.LoadEverywhere(t.Context(), drivertest.Archive(t)))
	s.ok(os.Mkdir(s.path("work"), 0o755))
	s.source = []string{"--source", s.path("work")}
	nodes := string(s.fleet.Manifests())
	s.write("nodes.yaml", nodes)
	s.write("files.yaml", usersFiles)
	limits := "resources: {requests: {cpu: 10m}, limits: {memory: 64Mi}}"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		limits = "resources: {}" // on version 2 they need a controller that is delegated, which is systemd's to do
	}
	for _, n := range s.fleet.Nodes {
		s.write(n.Name+".yaml", strings.NewReplacer("NODE", n.Name, "IMAGE", drivertest.Ref, "LIMITS", limits).Replace(usersOwn))
	}
	s.scene("a Deployment, a Job and a claim are there on each node", func(s *stage) {
		s.ok(s.podkeep("sync").Run())
		for _, n := range s.fleet.Nodes {
			said := s.prints("logs", "deployment/web-"+n.Name)
			for _, want := range []string{"uid 1000 gid 1000 groups [1000 2000]", "came first", "/etc/app/greeting: hello", "open sesame", "/data/log: hello \n"} {
				if !strings.Contains(said, want) {
					s.Errorf("%s: no %q in\n%s", n.Name, want, said)
				}
			}
			if said := s.prints("logs", "job/once-"+n.Name); !strings.Contains(said, "did it") {
				s.Errorf("%s: the Job said %q", n.Name, said)
			}
		}
	})
	s.scene("they are reached as far as they can be", func(s *stage) {
		for _, n := range s.fleet.Nodes {
			cmd := s.podkeep("exec", "deployment/web-"+n.Name)
			cmd.Args, cmd.Stdout = append(cmd.Args, "--", "/testapp", "cat", "/data/log"), nil
			if said, err := cmd.Output(); err != nil || !strings.Contains(string(said), "hello") {
				s.Errorf("%s: %q, %v", n.Name, said, err)
			}
			conn, err := net.DialTimeout("tcp", n.Address+":8090", patience)
			if err != nil {
				s.Errorf("%s: the host's port: %v", n.Name, err)
				continue
			}
			_ = conn.Close()
		}
		cmd := s.podkeep("curl", "deployment/web-n2:8080/")
		var said strings.Builder
		cmd.Stderr = &said
		if cmd.Run() == nil || !strings.Contains(said.String(), "reached through its node side alone") {
			s.Errorf("it is reached without a node side: %s", said.String())
		}
	})
	s.scene("check finds nothing wrong with the users", func(s *stage) {
		var found []struct{ Where, What, Level, Text string }
		s.ok(json.Unmarshal([]byte(s.prints("check", "-o", "json")), &found))
		good := map[string]bool{}
		for _, f := range found {
			if f.Where != "n1" && f.Level == "fine" {
				good[f.Where+" "+f.What] = true
			}
		}
		for _, n := range []string{"n2", "n3"} {
			for _, what := range []string{"reach", "sub-ids", "network", "low ports"} {
				if !good[n+" "+what] {
					s.Errorf("%s: %s is not fine: %+v", n, what, found)
				}
			}
		}
	})
	s.scene("a changed ConfigMap makes pods anew, with the data of their claims", func(s *stage) {
		s.edit("files.yaml", "greeting: hello", "greeting: good day")
		s.ok(s.podkeep("sync").Run())
		for _, n := range s.fleet.Nodes {
			said := s.prints("logs", "deployment/web-"+n.Name)
			if !strings.Contains(said, "/etc/app/greeting: good day") || !strings.Contains(said, "/data/log: hello good day \n") {
				s.Errorf("%s: %s", n.Name, said)
			}
		}
	})
	s.scene("a host that was rebooted has them again", func(s *stage) {
		s.ok(s.fleet.Reboot(s.Context(), "n2"))
		s.ok(s.podkeep("sync").Run())
		if said := s.prints("logs", "deployment/web-n2"); !strings.Contains(said, "good day good day") {
			s.Error(said)
		}
	})
	s.scene("what left Git goes, and but for the claims nothing is left of it", func(s *stage) {
		s.edit("nodes.yaml", nodes, nodes[:strings.LastIndex(nodes, "---\n")])
		for _, file := range []string{"n1.yaml", "n2.yaml", "n3.yaml", "files.yaml"} {
			s.ok(os.Remove(s.path("work", file)))
		}
		s.ok(s.podkeep("sync", "--allow-prune").Run())
		n3, err := s.fleet.Node("n3")
		s.ok(err)
		s.ok(s.podkeep("clean", n3.ProviderID(), "--yes").Run())
		const left = `podman pod ps --quiet; podman ps --all --quiet; podman volume ls --format {{.Name}}; podman secret ls --format {{.Name}}`
		if got, want := s.on("n3", "sh", "-c", left), "podkeep-e2e_claim_default_data-n3\npodkeep-e2e-host"; got != want {
			s.Errorf("on n3 there is\n%s", got)
		}
		if got := s.on("n2", "sh", "-c", "podman pod ps --quiet; podman ps --all --quiet; id -un"); got != "keeper" {
			s.Errorf("on n2 there is\n%s", got)
		}
	})
	s.scene("what such a user may not do is refused by name", refusedToUsers)
	s.scene("nothing is left of the users", func(s *stage) {
		users := map[uint32]bool{}
		for _, n := range s.fleet.Nodes {
			users[uint32(n.UID)] = n.Rootless
		}
		s.ok(devfleet.Down(s.Context(), "fl-users", ""))
		for _, left := range devfleet.Traces(s.T, "fl-users") {
			s.Errorf("left behind: %s", left)
		}
		for _, dir := range []string{"/proc", "/tmp", "/var/tmp", "/run", "/dev/shm"} {
			entries, err := os.ReadDir(dir)
			s.ok(err)
			for _, e := range entries {
				info, err := os.Stat(filepath.Join(dir, e.Name()))
				if err == nil && users[info.Sys().(*syscall.Stat_t).Uid] {
					s.Errorf("left behind: %s/%s", dir, e.Name())
				}
			}
		}
	})
}

func refusedToUsers(s *stage) {
	d := driverOf(s.T, s.fleet, "n2", drivertest.Cluster)
	defer d.Close()
	yes, high := true, int64(70_000)
	for _, c := range []struct {
		name string
		ask  func(*corev1.PodSpec)
		want string
	}{
		{"privileged", func(p *corev1.PodSpec) { p.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes} },
			"container a: securityContext.privileged: a user's own Podman"},
		{"clock", func(p *corev1.PodSpec) {
			p.Containers[0].SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_TIME"}}}
		}, "capabilities.add SYS_TIME: a user's own Podman"},
		{"lowport", func(p *corev1.PodSpec) {
			p.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 80, Protocol: corev1.ProtocolTCP}}
		}, "ip_unprivileged_port_start"},
		{"highid", func(p *corev1.PodSpec) { p.SecurityContext = &corev1.PodSecurityContext{FSGroup: &high} }, "--add-subuids"},
	} {
		pod := drivertest.Pod(c.name, drivertest.Ref)
		c.ask(&pod.Spec)
		if err := d.Run(s.Context(), pod); err == nil || !strings.Contains(err.Error(), c.want) {
			s.Errorf("%s: %v", c.name, err)
		}
		s.ok(d.Stop(s.Context(), pod.Name))
	}
}
