package status

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/plan"
)

func TestANodeThatIsHeldSaysWhyAndItsPodsAreNotShown(t *testing.T) {
	w := World{Now: noon, Snapshot: snapshot(), Plan: plan.Plan{
		Apps: []plan.App{{ID: appID("web"), State: plan.Converged}}, Held: map[string]string{"edge-2": "it shows the identity of edge-1"},
	}}
	r := Of(w)
	if n := r.Nodes[1]; strings.Join(n.Marks, ",") != "Held" || n.Why != "it shows the identity of edge-1" {
		t.Errorf("%s: %q, %s", n.Name, n.Marks, n.Why)
	}
	if pods := r.Workloads[0].Pods; len(pods) != 1 || pods[0].Node != "edge-1" {
		t.Errorf("%+v", pods)
	}
}

func TestThatConntrackOfANodeIsFullIsSaid(t *testing.T) {
	have := snapshot()
	have.Nodes[0].Side.Net = live.Net{Crowded: true, Troubles: []string{"connections: conntrack is full"}}
	w := World{Now: noon, Snapshot: have}
	if n := Of(w).Nodes[0]; !strings.Contains(n.Why, "conntrack is full") {
		t.Errorf("%q", n.Why)
	}
	b := NewBoard(time.Minute, (&clock{noon}).now)
	b.Show(w, time.Millisecond)
	if _, body := get(t, b, "/metrics"); !strings.Contains(body, `podkeep_node_conntrack_full{node="edge-1"} 1`+"\n") {
		t.Error("no metric says it")
	}
}

func TestANodeThatIsLateIsNotSaidToBeSilent(t *testing.T) {
	have := snapshot()
	have.Nodes[0].Silent, have.Nodes[0].Late, have.Nodes[0].Why, have.Nodes[0].Troubles = 4*time.Second, true, "no answer yet", nil
	w := World{Now: noon, Snapshot: have}
	n := Of(w).Nodes[0]
	if n.State != Late || n.Why != "late for 4s: no answer yet" {
		t.Errorf("%s, %s", n.State, n.Why)
	}
	if c := (&lister{report: Of(w), World: w}).nodeReady(n); c.Status != corev1.ConditionTrue || c.Reason != Late || c.Message != n.Why {
		t.Errorf("%+v", c)
	}
	b := NewBoard(time.Minute, (&clock{noon}).now)
	b.Show(w, time.Millisecond)
	_, body := get(t, b, "/metrics")
	for _, want := range []string{`podkeep_node_up{node="edge-1"} 1`, `podkeep_node_late_seconds{node="edge-1"} 4`, `podkeep_node_silent_seconds{node="edge-1"} 0`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}
