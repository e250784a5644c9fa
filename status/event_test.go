package status

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// eventful is the fleet, with a past.
func eventful() World {
	w := fleet()
	write := func(app manifest.ID, verb, rev, commit string, ago time.Duration, why string) {
		w.Plan.Ledgers[app] = append(w.Plan.Ledgers[app], live.Receipt{App: app, Verb: verb, Rev: rev, Commit: commit, Time: noon.Add(-ago), Why: why})
	}
	write(appID("web"), live.Began, revNew, commitA, 3*time.Minute, "begins: 4c1f09 at 3f2a1bc")
	write(appID("broken"), live.Failed, revNew, commitA, time.Minute, "missed its deadline of 10m0s")
	write(appID("broken"), live.Began, revNew, commitB, 11*time.Minute, "begins: 4c1f09 at 9c8d7e6")
	data := manifest.ID{Kind: "PersistentVolumeClaim", Namespace: "default", Name: "data"}
	write(data, live.Bound, "", commitB, time.Hour, "its first pod is to run on edge-2")
	w.Plan.Claims = []plan.Claim{{ID: data, Node: "edge-2", Made: true}}
	again := &w.Snapshot.Nodes[1].Pods[0].Containers[0]
	again.Attempt, again.Started = live.Attempt(2, 1), noon.Add(-30*time.Second)
	return w
}

func TestWhatHappenedLatelyIsToldOfWhatIsNamedAlone(t *testing.T) {
	s := Selection{Objects: []manifest.ID{appID("web"), appID("broken"), {Kind: "PersistentVolumeClaim", Namespace: "default", Name: "data"}}, Events: true}
	var named, all bytes.Buffer
	Of(eventful()).Only(s).Text(&named, Look{}, true)
	golden(t, "describe.txt", named.Bytes())
	Of(eventful()).Text(&all, Look{}, true)
	if strings.Contains(all.String(), "EVENT") {
		t.Error(all.String())
	}
}

func TestOfAPodWhatItsContainersDidIsTold(t *testing.T) {
	pod := manifest.ID{Kind: "Pod", Namespace: "default", Name: "broken-4c1f09-0"}
	var b bytes.Buffer
	Of(eventful()).Only(Selection{Objects: []manifest.ID{pod}, Events: true}).Text(&b, Look{}, true)
	if _, events, _ := strings.Cut(b.String(), "EVENT"); strings.Count(events, "broken") != 1 || !strings.Contains(events, "exited") {
		t.Error(b.String())
	}
}

func TestTheTenNewestEventsOfAnObjectAreShown(t *testing.T) {
	w := fleet()
	for i := range 13 {
		r := live.Receipt{App: appID("api"), Verb: live.Began, Time: noon.Add(-time.Duration(i) * time.Hour), Why: fmt.Sprintf("%d hours ago", i)}
		w.Plan.Ledgers[r.App] = append(w.Plan.Ledgers[r.App], r)
	}
	var b bytes.Buffer
	Of(w).Only(Selection{Objects: []manifest.ID{appID("api")}, Events: true}).Text(&b, Look{}, true)
	_, events, _ := strings.Cut(b.String(), "EVENT")
	if strings.Count(events, " began ") != recent || strings.Index(events, " 9 hours") > strings.Index(events, " 0 hours") || !strings.Contains(events, "and 3 before") {
		t.Error(b.String())
	}
}

func TestAnInitContainerThatDidItsWorkIsNoEvent(t *testing.T) {
	p := Pod{Pod: live.Pod{Init: []live.Init{{Name: "first"}}}}
	for exit, told := range map[int]bool{0: false, 3: true} {
		if e, ok := p.happened(live.Container{Name: "first", State: live.Exited, Started: noon, Finished: noon, Exit: exit}); ok != told {
			t.Errorf("%+v", e)
		}
	}
}
