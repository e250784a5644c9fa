package devfleet_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// stays are the shapes that do not end Converged on a node that has all their images, and why.
var stays = map[string]struct {
	state plan.State
	why   string
}{
	"controllers/job-backoff-limit-per-index-example":   {plan.Failed, "more than maxFailedIndexes"},
	"controllers/job-backoff-limit-per-index-failindex": {plan.Failed, "index 0-3 failed"},
	"controllers/job-pod-failure-policy-example":        {plan.Failed, "exited with 42"},
	"pods/pod-nginx-specific-node":                      {plan.Progressing, "not foo-node, which nodeName asks for"},
	"pods/security/seccomp/ga/fine-pod":                 {plan.Progressing, "opening seccomp profile failed"},
	"application/job/rabbitmq/job":                      {plan.Progressing, "0 of 8 succeeded"}, // its worker has no end here
	// The loop of this test brings no node side along, so nobody runs their probes.
	"pods/multi-container/startup-coordination": {plan.Progressing, "there is no node side"},
	"pods/probe/exec-liveness":                  {plan.Progressing, "there is no node side"},
	"pods/probe/grpc-liveness":                  {plan.Progressing, "there is no node side"},
	"pods/probe/http-liveness":                  {plan.Progressing, "there is no node side"},
	"pods/probe/tcp-liveness-readiness":         {plan.Progressing, "there is no node side"},
	// What these run ends at once, and restartPolicy is Always.
	"pods/inject/dependent-envars": {plan.Progressing, ""},
	"secret/dotfile-secret":        {plan.Progressing, ""},
}

// The manifests that the Kubernetes documentation teaches with, all at once on one node. Each has a namespace of its own.
// Every image is one with a shell, and a program named perl, python3 or printenv in it only exits as it is told to.
func TestTheDocumentationsShapesRunForReal(t *testing.T) {
	t.Parallel()
	const name = "fl-shapes"
	if err := devfleet.Down(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := devfleet.Down(context.Background(), name, ""); err != nil {
			t.Error(err)
		}
	})
	fleet, err := devfleet.Up(t.Context(), devfleet.Options{Name: name, Nodes: 1, Podman: os.Getenv("PODKEEP_TEST_PODMAN")})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	roomy := strings.Replace(string(fleet.Manifests()), "  annotations:\n",
		"  labels: {disktype: ssd}\n  annotations:\n    podkeep.io/capacity: cpu=64,memory=64Gi\n", 1)
	save(t, folder, "nodes.yaml", roomy)
	shapes, images := writeShapes(t, folder)
	shellImage(t, fleet, images)
	apps := settle(t, folder, func(apps []plan.App) error { return allAs(shapes, apps) })
	t.Logf("%d workloads of %d shapes", len(apps), len(shapes))
}

// writeShapes writes every shape that loads to a file of its own, and gives their names by namespace, and their images.
func writeShapes(t *testing.T, folder string) (map[string]string, []string) {
	t.Helper()
	archive, err := txtar.ParseFile("../manifest/testdata/shapes.txtar")
	if err != nil {
		t.Fatal(err)
	}
	shapes, images := map[string]string{}, map[string]bool{}
	for _, f := range archive.Files {
		namespace := strings.ToLower(strings.ReplaceAll(f.Name, "/", "-"))
		text := inNamespace(t, f.Data, namespace)
		set := manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(text))})
		if len(set.Workloads) == 0 {
			continue
		}
		shapes[namespace] = f.Name
		save(t, folder, namespace+".yaml", text)
		for _, w := range set.Workloads {
			for _, c := range append(w.Revision.Spec.InitContainers, w.Revision.Spec.Containers...) {
				images[c.Image] = true
			}
		}
	}
	var names []string
	for image := range images {
		names = append(names, image)
	}
	sort.Strings(names)
	return shapes, names
}

// inNamespace puts each object into the namespace, and lets no container pull: there is no registry.
func inNamespace(t *testing.T, data []byte, namespace string) string {
	t.Helper()
	var out strings.Builder
	for decoder := yaml.NewDecoder(strings.NewReader(string(data))); ; {
		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			return out.String()
		}
		object["metadata"].(map[string]any)["namespace"] = namespace
		noPull(object)
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n" + string(text))
	}
}

func noPull(value any) {
	switch v := value.(type) {
	case []any:
		for _, x := range v {
			noPull(x)
		}
	case map[string]any:
		for _, x := range v {
			noPull(x)
		}
		if _, ok := v["image"].(string); ok {
			v["imagePullPolicy"] = "IfNotPresent"
		}
	}
}

func save(t *testing.T, folder, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shellImage makes an image of Debian's static busybox, under every one of the names.
func shellImage(t *testing.T, fleet *devfleet.Fleet, names []string) {
	t.Helper()
	root := t.TempDir()
	script := fmt.Sprintf(`set -e
cd %[1]s
mkdir -p root/bin root/tmp root/etc root/usr/share root/var
chmod 1777 root/tmp
cp /bin/busybox root/bin/
for a in $(/bin/busybox --list); do [ $a = busybox ] || ln -s busybox root/bin/$a; done
printf '#!/bin/sh\ncase "$*" in *"exit(1)"*) exit 1;; *"exit(42)"*) exit 42;; esac\nexit 0\n' > root/bin/perl
printf '#!/bin/sh\ncommand -v "$1" >/dev/null && exec "$@"\nexec sleep infinity\n' > root/bin/entry
printf '#!/bin/sh\nexec sh "$@"\n' > root/bin/bash
chmod 755 root/bin/perl root/bin/entry root/bin/bash
ln -s perl root/bin/python3; ln -s perl root/bin/printenv
tar -C root -cf image.tar .
podman import --quiet --change 'ENTRYPOINT ["/bin/entry"]' --change 'CMD ["sleep","infinity"]' --change 'ENV PATH=/bin' image.tar localhost/shell:1
podman tag localhost/shell:1 %[2]s`, root, strings.Join(names, " "))
	if _, err := fleet.Output(t.Context(), fleet.Nodes[0].Name, "sh", "-c", script); err != nil {
		t.Fatal(err)
	}
}

// settle runs the loop on the folder until its apps are as they should be.
func settle(t *testing.T, folder string, want func([]plan.App) error) []plan.App {
	t.Helper()
	ctx, cancel := patient(t)
	defer cancel()
	source, err := sources.Open(ctx, sources.Options{URL: "dir:" + folder})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var last plan.Plan
	var unlike error
	loop := reconciler.New(reconciler.Options{
		Source: source, Cluster: "shapes", Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		Open: func(ctx context.Context, n manifest.Node) (drivers.Driver, error) {
			return drivers.Open(ctx, n, drivers.Options{Cluster: "shapes"})
		},
		Tell: func(p reconciler.Pass) {
			last = p.Plan
			if unlike = want(p.Plan.Apps); p.Err == nil && unlike == nil {
				cancel()
			}
		},
	})
	var join sync.WaitGroup
	join.Go(func() { _ = loop.Run(ctx) })
	join.Wait()
	if unlike != nil {
		t.Fatal(unlike)
	}
	return last.Apps
}

// allAs says which apps are not yet as they should be.
func allAs(shapes map[string]string, apps []plan.App) error {
	var unlike []string
	seen := map[string]bool{}
	for _, a := range apps {
		shape := shapes[a.ID.Namespace]
		seen[a.ID.Namespace] = true
		want, special := stays[shape]
		if !special {
			want.state = plan.Converged
		}
		if said := a.Why + strings.Join(a.Waits, "; "); a.State != want.state || !strings.Contains(said, want.why) {
			unlike = append(unlike, fmt.Sprintf("%s: %s is %s, want %s: %s", shape, a.ID, a.State, want.state, said))
		}
	}
	for namespace, shape := range shapes {
		if !seen[namespace] {
			unlike = append(unlike, shape+" is not in the plan")
		}
	}
	sort.Strings(unlike)
	if len(unlike) > 0 {
		return fmt.Errorf("%d are not as they should be:\n%s", len(unlike), strings.Join(unlike, "\n"))
	}
	return nil
}
