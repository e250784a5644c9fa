package status

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

func TestAPodIsShownAsItsProbesSayItIs(t *testing.T) {
	p := live.Pod{
		Name: "web-0", App: appID("web"), Birth: live.Birth{Probes: map[string]string{"app": "startup+readiness"}}, Expect: []string{"app", "log"}, Restart: "Always",
		Containers: []live.Container{
			{Name: "app", ID: "1", State: live.Running, Started: noon.Add(-time.Minute)}, {Name: "log", ID: "2", State: live.Running, Started: noon.Add(-time.Minute)},
		},
	}
	for _, c := range []struct {
		claim   string
		version string
		word    live.Probed
		row     string
		status  corev1.ConditionStatus
		started bool
	}{
		{"ready", "v1", live.Probed{Container: "app", ID: "1", Started: true, Ready: true, Since: noon}, "2/2 Ready", corev1.ConditionTrue, true},
		{"not ready", "v1", live.Probed{Container: "app", ID: "1", Started: true, Why: "readiness probe: 503"},
			"1/2 Unready container app: readiness probe: 503", corev1.ConditionFalse, true},
		{"not started", "v1", live.Probed{Container: "app", ID: "1", Why: "startup probe: 503"}, "1/2 Starting container app: startup probe: 503", corev1.ConditionFalse, false},
		{"unknown", "", live.Probed{}, "1/2 Unheard container app: the node side is not heard",
			corev1.ConditionUnknown, false},
	} {
		p := p
		p.Probed = []live.Probed{c.word}
		w := World{
			Now: noon, History: manifest.History{Head: manifest.Set{Commit: "a1"}, Side: manifest.SideOffer{Version: "v1"}},
			Snapshot: live.Snapshot{Nodes: []live.Node{{Name: "n1", Known: true, Pods: []live.Pod{p, {App: live.SideApp, Side: "v1"}}, Side: live.Side{Version: c.version}}}},
			Plan:     plan.Plan{Apps: []plan.App{{ID: p.App}}},
		}
		r := Of(w)
		var row []string
		for _, cell := range r.pod(r.Workloads[0].Pods[0]) {
			row = append(row, cell.text)
		}
		if got := strings.TrimSpace(strings.Join([]string{row[2], row[3], row[8]}, " ")); got != c.row {
			t.Errorf("%s: %s", c.claim, got)
		}
		s := podStatus(r.Workloads[0].Pods[0])
		if s.Conditions[2].Status != c.status || *s.ContainerStatuses[0].Started != c.started || s.ContainerStatuses[0].Ready != c.word.Ready || s.Phase != corev1.PodRunning {
			t.Errorf("%s: %+v", c.claim, s)
		}
	}
}
