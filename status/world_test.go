package status

import (
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/plan"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	commitA = "3f2a1bc0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6"
	commitB = "9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d"
	revOld  = "v1-9a8b7c6d5e4f"
	revNew  = "v1-4c1f09aabbcc"
)

// signer is the key of what is on the nodes.
var signer = manifest.KeyText([]byte("controller"))

// fleet is a world in which something of everything happens.
func fleet() World {
	w := World{Now: noon, History: history(), Snapshot: snapshot(), Plan: next()}
	w.Plan.Ledgers = ledgers(w.Snapshot)
	return w
}

func history() manifest.History {
	return manifest.History{
		Cluster: "default", Source: "git.example.com/fleet", Fetched: noon.Add(-4 * time.Second),
		Head: manifest.Set{
			Commit: commitA, Time: noon.Add(-3 * time.Minute), Author: "Ann <ann@example.com>", Subject: "web: v2",
			Nodes: []manifest.Node{wantNode("edge-1", false), wantNode("edge-2", true), wantNode("edge-3", false)},
			Workloads: []manifest.Workload{
				workload("api", revNew, 4), workload("broken", revNew, 1), workload("night", revNew, 1), workload("web", revNew, 2),
			},
			Problems: []manifest.Problem{{
				Origin: manifest.Origin{File: "shop/cart.yaml", Line: 12}, Object: "Deployment/cart",
				Field: "spec.template.spec.containers[0].imagee", Text: `unknown field; did you mean "image"?`,
			}},
		},
	}
}

func wantNode(name string, cordoned bool) manifest.Node {
	return manifest.Node{
		Meta: manifest.Meta{ID: manifest.ID{Kind: "Node", Name: name}}, Unschedulable: cordoned,
		Object: &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"zone": "a"}},
			Spec:       corev1.NodeSpec{ProviderID: "podman+ssh://root@" + name, Unschedulable: cordoned},
		},
	}
}

func appID(name string) manifest.ID {
	return manifest.ID{Kind: "Deployment", Namespace: "default", Name: name}
}

func workload(name, rev string, replicas int) manifest.Workload {
	count := int32(replicas)
	form := revision(name, rev)
	return manifest.Workload{
		Meta: manifest.Meta{ID: appID(name), Commit: commitA}, Replicas: replicas, Revision: form,
		Object: &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Annotations: map[string]string{"team": "shop"}},
			Spec: appsv1.DeploymentSpec{
				Replicas: &count, Selector: &metav1.LabelSelector{MatchLabels: form.Labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: form.Labels}, Spec: form.Spec},
			},
		},
	}
}

func revision(name, rev string) manifest.Revision {
	return manifest.Revision{
		App: appID(name), Rev: rev, Commit: commitA, Labels: map[string]string{"app": name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "registry.example.com/" + name + ":" + live.ShortRev(rev),
			Env: []corev1.EnvVar{{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{
				SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "file-1"}},
			}}},
		}}},
	}
}

func snapshot() live.Snapshot {
	facts := live.Facts{Podman: "4.3.1", OS: "Debian 12", Arch: "amd64", Kernel: "6.1.0", CPUs: 4, Memory: 8 << 30}
	room := manifest.Resources{MilliCPU: 3500, Memory: 7 << 30}
	return live.Snapshot{Nodes: []live.Node{
		{
			Name: "edge-1", Known: true, Room: room, Facts: facts,
			Pods: []live.Pod{
				livePod("api", revNew, 0, 2, noon.Add(-40*time.Second)), livePod("api", revOld, 1, 1, noon.Add(-26*time.Hour)),
				crashed(livePod("broken", revNew, 0, 1, noon.Add(-7*time.Minute))), livePod("web", revNew, 0, 3, noon.Add(-3*time.Minute)),
			},
			Files: []live.File{{Name: "rev-9a8b7c", Signer: signer, Labels: live.FormLabels(revision("api", revOld), "", "")}},
			Receipts: []live.Receipt{{
				App: appID("web"), Verb: live.Promoted, Rev: revNew, Gen: 3, Commit: commitA, Time: noon.Add(-2 * time.Minute), Source: "git.example.com/fleet", Signer: signer,
			}},
			Troubles: []live.Trouble{{
				Name: "api-4c1f09-2", Why: "pull registry.example.com/api:4c1f09: denied", Count: 3, Next: noon.Add(20 * time.Second),
			}},
		},
		{
			Name: "edge-2", Known: true, Room: room, Facts: facts,
			Pods: []live.Pod{livePod("web", revNew, 1, 3, noon.Add(-2*time.Minute))},
		},
		{
			Name: "edge-3", Known: true, Silent: 12 * time.Second, Why: "dial tcp 192.0.2.13:22: connect: no route to host",
			Room: room, Facts: facts, Pods: []live.Pod{livePod("api", revOld, 2, 1, noon.Add(-26*time.Hour))},
		},
		{Name: "edge-4", Why: "host key is not in known_hosts"},
	}}
}

// ledgers are the receipts of a snapshot in which no two nodes have the same.
func ledgers(s live.Snapshot) map[manifest.ID]ledger.Ledger {
	all := map[manifest.ID]ledger.Ledger{}
	for _, n := range s.Nodes {
		for _, r := range n.Receipts {
			all[r.App] = append(all[r.App], r)
		}
	}
	return all
}

func livePod(app, rev string, slot, gen int, created time.Time) live.Pod {
	id := appID(app)
	return live.Pod{
		Name: live.PodName("default", id, rev, slot), Cluster: "default", App: id, Slot: slot, Rev: rev, Gen: gen, Commit: commitA,
		Created: created, Expect: []string{"app"}, Restart: "Always", IP: fmt.Sprintf("10.42.1.%d", 10+slot),
		Room: manifest.Resources{MilliCPU: 250, Memory: 64 << 20},
		Containers: []live.Container{{
			ID: "c0ffee", Name: "app", Image: "registry.example.com/" + app + ":" + live.ShortRev(rev), State: live.Running,
			Started: created.Add(time.Second),
		}},
	}
}

func crashed(p live.Pod) live.Pod {
	c := &p.Containers[0]
	c.State, c.Exit, c.Finished, c.Attempt = live.Exited, 1, noon.Add(-5*time.Second), live.Attempt(5, 5)
	return p
}

var (
	silent3 = plan.Silence{
		Then: "its pods count as there until 12:00:18",
		Note: "edge-3 silent for 12s, its pods count as there until 12:00:18: dial tcp 192.0.2.13:22: connect: no route to host",
	}
	silent4 = plan.Silence{
		Then: "its pods count as there until 12:05:00",
		Note: "edge-4 silent for 0s, its pods count as there until 12:05:00: host key is not in known_hosts",
	}
)

func next() plan.Plan {
	return plan.Plan{
		Commit: commitA,
		Actions: []plan.Action{
			{Node: "edge-2", Verb: plan.Run, Name: "api-4c1f09-1", App: appID("api"), Why: "1 of 4 updated, one more fits the surge"},
			{Node: "edge-1", Verb: plan.Stop, Name: "shop-77aa77-0", App: appID("shop"), Why: "left HEAD at 3f2a1bc"},
			{Node: "edge-1", Verb: plan.Delete, Name: "cfg-shop-1", Why: "no pod and no receipt names it"},
		},
		Apps: []plan.App{
			{
				ID: appID("api"), State: plan.Progressing, Rev: revNew, Stable: revOld, Commit: commitA,
				Replicas: 4, Updated: 1, Ready: 3, Available: 2, Total: 3,
				Why: "edge-3 silent for 12s, waiting until 12:00:18 before replacing slot 2",
				Waits: []string{
					"slot 1: is being started on edge-2", "slot 2: on edge-3, which is silent", "slot 3: no node fits: 1 is cordoned, 1 is silent",
					"slot 4: waits for slot 1",
				},
			},
			{
				ID: appID("broken"), State: plan.Failed, Rev: revNew, Commit: commitA, Replicas: 1, Updated: 1, Total: 1,
				Why: "missed its deadline of 10m0s: container app exited with 1; a commit that changes it starts over",
			},
			{
				ID: appID("night"), State: plan.Suspended, Rev: revNew, Commit: commitA, Replicas: 1,
				Why:       "podkeep.io/suspend is set",
				Suspended: []plan.Action{{Node: "edge-1", Verb: plan.Run, Name: "night-4c1f09-0", App: appID("night"), Why: "slot 0 has no pod"}},
			},
			{ID: appID("shop"), State: plan.Pruning, Stable: "v1-77aa77", Commit: commitB, Total: 1, Why: "left HEAD, 1 pod to stop"},
			{
				ID: appID("web"), State: plan.Converged, Rev: revNew, Stable: revNew, Commit: commitA,
				Replicas: 2, Updated: 2, Ready: 2, Available: 2, Total: 2,
			},
		},
		Notes:  []string{silent3.Note, silent4.Note, "claim data left Git: its volume stays on edge-1"},
		Silent: map[string]plan.Silence{"edge-3": silent3, "edge-4": silent4},
		Wake:   noon.Add(18 * time.Second),
	}
}

// outage is a world in which neither the source nor a node ever answered.
func outage() World {
	return World{
		Now: noon, Err: errors.New("fetch https://git.example.com/fleet.git: connection refused"),
		History:  manifest.History{Cluster: "default", Source: "git.example.com/fleet", Err: "fetch https://git.example.com/fleet.git: connection refused"},
		Snapshot: live.Snapshot{Nodes: []live.Node{{Name: "edge-1", Why: "connection refused"}}},
	}
}
