package devfleet_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
)

// What is on a host that left Git goes, and the data of a claim stays.
func TestAHostThatLeftGitIsCleaned(t *testing.T) {
	t.Parallel()
	const name = "fl-clean"
	s := &stage{T: t, binary: podkeep(t), nodeSide: "auto"}
	s.ok(devfleet.Down(t.Context(), name, ""))
	t.Cleanup(func() { s.lower(name) })
	var err error
	s.fleet, err = devfleet.Up(t.Context(), devfleet.Options{Name: name, Nodes: 2, SSH: []string{"n2"}})
	s.ok(err)
	s.log, err = os.Create(s.path("controller.log"))
	s.ok(err)
	s.ok(s.fleet.LoadEverywhere(t.Context(), drivertest.Archive(t)))
	s.ok(os.Mkdir(s.path("work"), 0o755))
	both := string(s.fleet.Manifests())
	one, _, _ := strings.Cut(both, "---\n")
	s.write("nodes.yaml", both)
	s.write("web.yaml", strings.ReplaceAll(onN2, "IMAGE", drivertest.Ref))
	s.source = []string{"--source", s.path("work")}
	s.ok(s.podkeep("sync").Run())
	const side = "podman ps --quiet --filter label=" + live.LabelSide + "; podman images --quiet " + live.SideImage
	if got := s.on("n2", "sh", "-c", side); len(strings.Fields(got)) < 2 {
		t.Fatalf("the pod is ready by its probe, and of the node side there is %q", got)
	}

	const routes = "ls /sys/class/net | grep ^pk; nft list tables | grep podkeep; podman network ls --quiet --filter label=" + live.LabelCluster + "; true"
	if got := s.on("n2", "sh", "-c", routes); len(strings.Fields(got)) < 3 {
		t.Fatalf("the host routes by %q", got)
	}

	provider := regexp.MustCompile(`podman\+ssh://\S+`).FindString(both)
	if s.podkeep("clean", provider, "--yes").Run() == nil {
		t.Fatal("it was cleaned, and is declared")
	}
	s.write("nodes.yaml", one)
	s.ok(s.podkeep("clean", provider, "--yes").Run())
	const left = `podman pod ps --quiet; podman ps --all --quiet; podman volume ls --format {{.Name}}; podman secret ls --format {{.Name}}; podman images --quiet ` + live.SideImage
	if got, want := s.on("n2", "sh", "-c", left), "podkeep-e2e_claim_default_data\npodkeep-e2e-host"; got != want {
		t.Errorf("there is\n%s", got)
	}
	if got := s.on("n2", "sh", "-c", routes); got != "" {
		t.Errorf("the host routes by\n%s", got)
	}
	s.on("n2", "podman", "volume", "rm", "podkeep-e2e_claim_default_data")
	s.ok(s.podkeep("clean", provider, "--yes").Run())
	if got := s.on("n2", "sh", "-c", left); got != "" {
		t.Errorf("there is\n%s", got)
	}
}

const onN2 = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {a: b}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {kubernetes.io/hostname: n2}
      containers:
      - name: app
        image: IMAGE
        imagePullPolicy: IfNotPresent
        envFrom: [{configMapRef: {name: config}}]
        readinessProbe: {exec: {command: [/testapp, exit, "0"]}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /scratch}]
      volumes:
      - name: data
        persistentVolumeClaim: {claimName: data}
      - name: tmp
        emptyDir: {}
`
