package podman_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
)

// archiveOf is the test program's image with another name and another configuration.
func archiveOf(t *testing.T, ref string, config v1.Config) *bytes.Buffer {
	t.Helper()
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.Config(drivertest.Image(t), config)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := tarball.Write(tag, image, &archive); err != nil {
		t.Fatal(err)
	}
	return &archive
}

func TestAnImagesOwnHealthCheckIsNotRun(t *testing.T) {
	b := newBench(t)
	const ref = "localhost/healthy:1"
	config := v1.Config{Entrypoint: []string{"/testapp"}, Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/testapp", "exit", "1"}, Interval: time.Second}}
	b.ok(b.Driver.(drivers.Loader).Load(t.Context(), archiveOf(t, ref, config)))
	pod := b.pod("healthy", "say", "up", "term")
	pod.Spec.Containers[0].Image = ref
	b.says(pod, "up")
	out, err := shared.podman("inspect", "--format", "{{json .Config.Healthcheck}} {{with .State.Health}}{{.Status}}{{end}}", pod.Name+"-a").CombinedOutput()
	if got, want := strings.TrimSpace(string(out)), `{"Test":["NONE"]}`; err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
	up, err := b.Driver.(drivers.Examiner).Examine(t.Context())
	if err != nil || !slices.Contains(up.Checked, ref) || slices.Contains(up.Checked, drivertest.Ref) {
		t.Errorf("%v %v", up.Checked, err)
	}
}
