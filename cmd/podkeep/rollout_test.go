package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/status"
)

func TestARolloutThatOnlyAPersonCanGoOnWithEndsWith4(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	if code := execute([]string{"sync", "--source", dir}, io.Discard, os.Stderr); code != 0 {
		t.Fatal(code)
	}
	paused := strings.NewReplacer("replicas: 1", "replicas: 1\n  paused: true", "web:v1", "web:v2").Replace(aDeployment)
	if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(paused), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if code := execute([]string{"rollout", "web", "--source", dir}, &out, &errOut); code != decision {
		t.Error("exit code", code)
	}
	if !strings.Contains(out.String(), "web: Paused; spec.paused is set") || !strings.Contains(errOut.String(), "a decision is awaited: web: spec.paused is set") {
		t.Error(out.String(), errOut.String())
	}
}

func TestARolloutIsFollowedUntilItIsOver(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	out := &reader{steps: []step{{"Progressing", func() {
		if code := execute([]string{"sync", "--source", dir}, io.Discard, os.Stderr); code != 0 {
			t.Error(code)
		}
	}}}}
	if code := execute([]string{"rollout", "web", "--source", dir}, out, os.Stderr); code != 0 {
		t.Error("exit code", code)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); !strings.Contains(out.String(), "web: Converged") || len(lines) < 2 {
		t.Error(out.String())
	}
}

const aCanary = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  strategy: {canary: {maxSurge: 1, maxUnavailable: 0, steps: [{setWeight: 50}, {pause: {}}, {setWeight: 80}]}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry.example.com/web:v1"}]}
`

func TestACanaryThatWaitsForAPersonIsToldOfEverywhere(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aCanary})
	if code := execute([]string{"sync", "--source", dir}, io.Discard, os.Stderr); code != 0 {
		t.Fatal(code)
	}
	if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(strings.Replace(aCanary, "web:v1", "web:v2", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		says []string
	}{
		{"sync", decision, []string{"a decision is awaited: rollout/web: step 2 of 3, pause", "\n  podkeep promote rollout/web         goes on\n", "\n  podkeep abort rollout/web           goes back to "}},
		{"rollout web", decision, []string{"rollout/web: Paused; step 2 of 3, pause", "weight 50, waits for a decision", "a decision is awaited: "}},
		{"rollout web --once", 0, []string{"\n  1     setWeight 50  done\n> 2     pause         now      waits for a decision", "\n  3     setWeight 80  to come\n", "\npodkeep promote rollout/web "}},
		{"status", 0, []string{"`podkeep promote rollout/web` goes on, `podkeep abort rollout/web` goes back to "}},
		{"status rollout/web -o yaml", 0, []string{"phase: Paused", "message: CanaryPauseStep", "controllerPause: true", "currentStepIndex: 1", "- reason: CanaryPauseStep"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			var out bytes.Buffer
			if code := execute(append(strings.Fields(c.args), "--source", dir), &out, &out); code != c.code {
				t.Error("exit code", code)
			}
			for _, s := range c.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("says nothing of %q", s)
				}
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

// stands is a world of one Rollout.
func stands(app plan.App) status.World {
	app.ID = manifest.ID{Kind: "Rollout", Namespace: "default", Name: "web"}
	w := manifest.Workload{Meta: manifest.Meta{ID: app.ID}, Strategy: manifest.Strategy{Type: manifest.Canary, Rollout: &manifest.Rollout{}}}
	return status.World{
		Now:     time.Unix(100, 0),
		History: manifest.History{Fetched: time.Unix(90, 0), Head: manifest.Set{Commit: "c1", Workloads: []manifest.Workload{w}}},
		Plan:    plan.Plan{Apps: []plan.App{app}},
	}
}

func TestWhatARolloutComesTo(t *testing.T) {
	paused := plan.App{
		State: plan.Paused, Why: "step 2 of 4 is a pause", Rev: "v1-b", Stable: "v1-a", Replicas: 1, Updated: 1, Total: 2,
		Rollout: &plan.Rollout{Progress: rollout.Progress{Pause: rollout.PauseCanaryStep, Decide: []string{"promote", "abort"}}},
	}
	failing := plan.App{State: plan.Failed, Why: "v1-b was rejected", Rev: "v1-b", Stable: "v1-a", Rollout: &plan.Rollout{Failed: "bad", Progress: rollout.Progress{Decide: []string{"retry"}}}}
	kept := plan.App{
		State: plan.Progressing, Rev: "v1-b", Stable: "v1-b", Replicas: 1, Updated: 1, Available: 1, Total: 1, Rollout: &plan.Rollout{},
	}
	for name, c := range map[string]struct {
		app   plan.App
		waits bool
		done  bool
		code  int
		says  string
	}{
		"a person is awaited":                {paused, false, true, decision, "podkeep promote rollout/web  goes on\n  podkeep abort rollout/web    goes back to"},
		"a person is awaited and waited for": {paused, true, false, decision, "podkeep promote rollout/web"},
		"it was rejected":                    {failing, true, true, failed, "podkeep retry rollout/web"},
		"it is under way":                    {plan.App{State: plan.Progressing, Rev: "v1-b", Replicas: 1, Rollout: &plan.Rollout{}}, false, false, 0, ""},
		"it is promoted":                     {kept, false, true, converged, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := stands(c.app)
			if got := ofRollout(w, w.Plan.Apps[0].ID, c.waits); got.done != c.done || got.code != c.code || !strings.Contains(got.why, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := judge(stands(paused), time.Unix(80, 0), false); got.code != decision || !strings.Contains(got.why, "\n  podkeep promote rollout/web  goes on") {
		t.Errorf("sync: %+v", got)
	}
	if got := judge(stands(failing), time.Unix(80, 0), false); got.code != failed || !strings.Contains(got.why, "\n  podkeep retry rollout/web  tries") {
		t.Errorf("sync: %+v", got)
	}
}

func TestAnInterruptedRolloutIsNoError(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	ctx, cancel := context.WithCancel(t.Context())
	root := rootCommand()
	root.SetArgs([]string{"rollout", "web", "--source", dir})
	root.SetOut(&reader{steps: []step{{"Progressing", cancel}}})
	if err := root.ExecuteContext(ctx); err != nil {
		t.Error(err)
	}
}
