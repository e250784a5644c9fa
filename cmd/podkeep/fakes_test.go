package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/manifest"
)

// onFakes makes the nodes n1 and n2 hosts in memory for as long as the test runs, and gives a key to those who act.
func onFakes(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	if _, err := makeKey(os.Getenv("HOME") + "/.local/state/podkeep/key"); err != nil {
		t.Fatal(err)
	}
	hosts, real := fake.New(time.Now, "n1", "n2"), openDriver
	openDriver = func(_ context.Context, n manifest.Node, o drivers.Options) (drivers.Driver, error) {
		return hosts.Wired(n.Name, o.Cluster, nil), nil
	}
	t.Cleanup(func() { openDriver = real })
}

const aNode = `{apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {providerID: "podman+unix:///fake/n1.sock"}}`

const aDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry.example.com/web:v1"}]}
`

// fleetOf is a directory of these files.
func fleetOf(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// repositoryOf is a work tree of these files at their first commit, on branch main with tag v1.
func repositoryOf(t *testing.T, files map[string]string) string {
	dir := fleetOf(t, files)
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "the first"}, {"tag", "v1"},
	} {
		if _, err := (clone{dir: dir}).git(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
