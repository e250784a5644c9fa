package status

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/plan"
)

func TestTheNodeSideIsShownApartFromWorkloads(t *testing.T) {
	side := live.Pod{Name: "podkeep-node-1", App: live.SideApp, Side: "2026-v1", Room: manifest.Resources{MilliCPU: 100}}
	probed := live.Pod{
		Name: "web-0", App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Birth: live.Birth{Probes: map[string]string{"app": "readiness"}},
		Expect: []string{"app"}, Containers: []live.Container{{Name: "app", State: live.Running}},
	}
	w := World{
		History: manifest.History{Head: manifest.Set{Commit: "a1"}, Side: manifest.SideOffer{Version: "2026-v1"}},
		Snapshot: live.Snapshot{Nodes: []live.Node{
			{Name: "n1", Known: true, Pods: []live.Pod{side}, Side: live.Side{Version: "2026-v1"}},
			{Name: "n2", Known: true, Pods: []live.Pod{side, probed}},
		}},
		Plan: plan.Plan{Sides: map[string]string{"n2": "its node side is not heard yet"}, Apps: []plan.App{{ID: probed.App}}},
	}
	r := Of(w)
	if n := r.Nodes[0]; len(n.Pods) != 0 || n.Used.MilliCPU != 0 || n.Why != "" {
		t.Errorf("%+v", n)
	}
	if n := r.Nodes[1]; n.Why != "its node side is not heard yet" {
		t.Errorf("%+v", n)
	}
	if p := r.Workloads[0].Pods[0]; !p.Unheard || p.State == string(health.Ready) {
		t.Errorf("a pod of which nobody knows what its probes come to: %+v", p)
	}
	w.Snapshot.Nodes[0].Side.Troubles = []string{"web-0: no such image"}
	w.Snapshot.Nodes[0].Side.Net.Troubles = []string{"n2: no address"}
	if n := Of(w).Nodes[0]; n.Why != "web-0: no such image; n2: no address" {
		t.Errorf("what the node side could not do: %q", n.Why)
	}
	var text bytes.Buffer
	r.Text(&text, Look{}, true)
	if s := text.String(); !strings.Contains(s, "NODE SIDE") || !strings.Contains(s, "v1") || strings.Contains(s, "podkeep-node") {
		t.Error(s)
	}
	l := &lister{report: r, World: w}
	for i, want := range []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse} {
		c := l.node(r.Nodes[i]).Status.Conditions
		if len(c) != 2 || c[1].Type != "podkeep.io/NodeSide" || c[1].Status != want || c[1].Message == "" {
			t.Errorf("%+v", c)
		}
	}
}

func TestAHostWhereNoLimitHoldsSaysSoWhereThereIsOne(t *testing.T) {
	w := World{Snapshot: live.Snapshot{Nodes: []live.Node{{Name: "n1", Known: true, Facts: live.Facts{Rootless: true, Unbound: true}}}}}
	web := manifest.Workload{Meta: manifest.Meta{ID: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}}}
	web.Revision.Spec.Containers = []corev1.Container{{Name: "app"}}
	w.History.Head.Workloads = []manifest.Workload{web}
	if n := Of(w).Nodes[0]; n.Why != "" {
		t.Errorf("there is no limit: %s", n.Why)
	}
	web.Revision.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	if n := Of(w).Nodes[0]; !strings.Contains(n.Why, "web has, take no effect here") || !strings.Contains(n.Why, "unified_cgroup_hierarchy") {
		t.Error(n.Why)
	}
}

func TestAHostThatServesNoServiceSaysSoWhereThereIsOne(t *testing.T) {
	w := World{Snapshot: live.Snapshot{Nodes: []live.Node{{Name: "n1", Known: true, Side: live.Side{Net: live.Net{None: "a user's own"}}}}}}
	if n := Of(w).Nodes[0]; n.Why != "" {
		t.Errorf("there is no Service: %s", n.Why)
	}
	w.History.Head.Services = []manifest.Service{{Meta: manifest.Meta{ID: manifest.ID{Kind: "Service", Namespace: "default", Name: "web"}}}}
	if n := Of(w).Nodes[0]; !strings.HasPrefix(n.Why, "Services are not served here: ") || !strings.HasSuffix(n.Why, ": a user's own (use root's for what needs them)") {
		t.Error(n.Why)
	}
}
