package status

import (
	"bytes"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/job"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// jobs is a world of Jobs: one done, one that failed, one that runs.
func jobs() World {
	w := World{Now: noon, History: manifest.History{
		Cluster: "default", Source: "git.example.com/fleet", Fetched: noon,
		Head: manifest.Set{Commit: commitA, Time: noon.Add(-3 * time.Minute), Author: "Ann <ann@example.com>", Subject: "shop: v2"},
	}, Plan: plan.Plan{Commit: commitA}}
	began := noon.Add(-2 * time.Minute)
	var pods []live.Pod
	add := func(name string, state plan.State, why string, st job.Status, states ...string) {
		id := manifest.ID{Kind: "Job", Namespace: "default", Name: name}
		object := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
		w.History.Head.Workloads = append(w.History.Head.Workloads, manifest.Workload{
			Meta: manifest.Meta{ID: id, Commit: commitA}, Object: object,
			Revision: manifest.Revision{App: id, Rev: revNew, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}},
		})
		st.Started = began
		w.Plan.Apps = append(w.Plan.Apps, plan.App{
			ID: id, State: state, Why: why, Rev: revNew, Stable: revNew, Commit: commitA, Replicas: st.Completions, Total: len(states), Job: &st,
		})
		for i, s := range states {
			p := livePod(name, revNew, i, 1, began)
			p.App, p.Restart, p.Name = id, "Never", live.PodName("default", id, revNew, i)+"-0"
			p.Containers[0].State = s
			if s == live.Exited {
				p.Containers[0].Finished = began.Add(40 * time.Second)
			}
			pods = append(pods, p)
		}
	}
	add("import", plan.Failed, "failed 2 times, and backoffLimit is 1", job.Status{
		Completions: 1, Failed: 2, Broken: true, Ended: began.Add(time.Minute), Reason: job.Backoff, Message: "failed 2 times, and backoffLimit is 1",
	})
	add("migrate", plan.Converged, "1 of 1 succeeded", job.Status{
		Completions: 1, Succeeded: 1, Complete: true, Ended: began.Add(40 * time.Second), Reason: job.Reached, Message: "1 of 1 succeeded",
	}, live.Exited)
	add("shards", plan.Progressing, "3 of 5 succeeded, failed attempts: 1", job.Status{
		Completions: 5, Succeeded: 3, Failed: 1, Active: 2, Ready: 2, CompletedIndexes: "0-2",
	}, live.Running, live.Running)
	w.Snapshot.Nodes = []live.Node{{Name: "edge-1", Known: true, Room: manifest.Resources{MilliCPU: 3500, Memory: 7 << 30}, Pods: pods}}
	return w
}

func TestJobsAreShownByTheirCompletions(t *testing.T) {
	var text bytes.Buffer
	Of(jobs()).Text(&text, Look{}, false)
	golden(t, "jobs.txt", text.Bytes())
}

func TestJobsAreObjectsWithAStatusThatKubernetesToolsRead(t *testing.T) {
	var objects []any
	for _, item := range List(jobs()).Items {
		if j, ok := item.Object.(*batchv1.Job); ok {
			objects = append(objects, j)
		}
	}
	text, err := yaml.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "jobs.yaml", text)
}
