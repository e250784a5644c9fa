package status

import (
	"strings"
	"testing"

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
