package status

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// The page is written from what /metrics says.
func TestEveryMetricIsOnItsPage(t *testing.T) {
	const page = "../docs/metrics.md"
	b := NewBoard(time.Minute, (&clock{noon}).now)
	b.Metrics.Build("v1", "abc")
	b.Metrics.Did(plan.Run, time.Second, nil)
	b.Show(World{Now: noon, History: history()}, 0)
	w := fleet()
	w.History.Head.Services, w.History.Head.NetworkPolicies = routed().History.Head.Services, policed().History.Head.NetworkPolicies
	at := doors()
	at.Nodes = []string{"edge-1"}
	w.History.Head.Ingresses, w.Plan.Doored, w.Plan.Table = doored(t).History.Head.Ingresses[:1], doored(t).Plan.Doored, &route.Table{Doors: at}
	canary := waitsForAPerson()
	w.History.Head.Workloads = append(w.History.Head.Workloads, canary.History.Head.Workloads...)
	w.Plan.Apps = append(w.Plan.Apps, canary.Plan.Apps...)
	b.Show(w, 0)
	families, err := b.Metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "podkeep_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		sort.Strings(labels)
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp()))
	}
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- generated from the code -->\n", "<!-- end of generated -->"
	before, rest, _ := strings.Cut(string(data), begin)
	was, after, _ := strings.Cut(rest, end)
	now := "| metric | type | labels | meaning |\n|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+now+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(was, now); diff != "" {
		t.Error(diff)
	}
}

func TestOfAWorkloadThatIsGoneThereIsNoSeries(t *testing.T) {
	b := NewBoard(time.Minute, (&clock{noon}).now)
	for i := range 50 {
		for _, state := range []plan.State{plan.Progressing, plan.Converged} {
			w := fleet()
			w.Plan.Apps = w.Plan.Apps[:1]
			w.Plan.Apps[0].ID.Name, w.Plan.Apps[0].State = fmt.Sprint("web-", i), state
			b.Show(w, 0)
		}
	}
	families, err := b.Metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); f.GetName() == "podkeep_app_sync_total" && n != 1 {
			t.Errorf("%d series of one workload", n)
		}
	}
}
