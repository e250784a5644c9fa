package devfleet_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// realJobs fail at first: flaky twice, and index 1 of shards once.
const realJobs = `apiVersion: batch/v1
kind: Job
metadata: {name: flaky}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: "localhost/shell:1", imagePullPolicy: Never, command: [sh, -c, 'echo attempt $PODKEEP_ATTEMPT; [ "$PODKEEP_ATTEMPT" -ge 2 ]']}
---
apiVersion: batch/v1
kind: Job
metadata: {name: shards}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: localhost/shell:1
        imagePullPolicy: Never
        command: [sh, -c, 'echo $JOB_COMPLETION_INDEX of $OWN on $(hostname); [ "$JOB_COMPLETION_INDEX" != 1 ] || [ "$PODKEEP_ATTEMPT" -ge 1 ]']
        env:
        - {name: OWN, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}}
`

// A Job that fails twice and an Indexed one, on a real node; then their pods are pruned, and neither runs again.
func TestJobsRunToTheirEndForReal(t *testing.T) {
	t.Parallel()
	const name = "job-e2e"
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
	shellImage(t, fleet, []string{"localhost/shell:1"})
	folder := t.TempDir()
	save(t, folder, "nodes.yaml", string(fleet.Manifests()))
	save(t, folder, "jobs.yaml", realJobs)
	settle(t, folder, allDone)

	node := fleet.Nodes[0].Name
	on := func(args ...string) string {
		out, err := fleet.Output(t.Context(), node, args...)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return string(out)
	}
	pods := on("podman", "ps", "--all", "--filter", "label=podkeep.io/container", "--format", "{{.Names}} {{.ExitCode}}")
	if n := len(strings.Fields(pods)) / 2; n != 7 {
		t.Errorf("%d attempts were made, want 3 and 4:\n%s", n, pods)
	}
	logs := ""
	for _, container := range strings.Fields(on("podman", "ps", "--all", "--quiet", "--filter", "label=podkeep.io/container")) {
		logs += on("podman", "logs", container)
	}
	for _, want := range []string{"attempt 0\n", "attempt 1\n", "attempt 2\n", "0 of 0 on shards-0\n", "1 of 1 on shards-1\n", "2 of 2 on shards-2\n"} {
		if !strings.Contains(logs, want) {
			t.Errorf("no pod said %q; all said:\n%s", want, logs)
		}
	}

	on("podman", "pod", "rm", "--force", "--all")
	on("podman", "system", "prune", "--force")
	settle(t, folder, allDone)
	if left := on("podman", "ps", "--all", "--quiet"); strings.TrimSpace(left) != "" {
		t.Errorf("pruned, a finished Job runs again: %s", left)
	}
}

func allDone(apps []plan.App) error {
	for _, a := range apps {
		if a.State != plan.Converged {
			return fmt.Errorf("%s is %s: %s; %s", a.ID, a.State, a.Why, strings.Join(a.Waits, "; "))
		}
	}
	if len(apps) != 2 {
		return fmt.Errorf("%d Jobs", len(apps))
	}
	return nil
}
