package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// older is a fleet on which each workload of the set runs in an older network layout, spread over the nodes.
func older(set manifest.Set, names ...string) live.Snapshot {
	pods := map[string][]live.Pod{}
	var receipts []live.Receipt
	for _, wl := range set.Workloads {
		if wl.Job != nil {
			continue
		}
		for slot := range wl.Replicas {
			node := names[slot%len(names)]
			pods[node] = append(pods[node], aged(wl, set.Commit, slot))
		}
		r := live.Receipt{App: wl.ID, Rev: wl.Revision.Rev, Gen: 1, Commit: set.Commit, Time: noon.Add(-time.Minute)}
		began := r
		began.Verb, r.Verb = live.Began, live.Promoted
		receipts = append(receipts, began, r)
	}
	return fleet(pods, receipts, names...)
}

func aged(wl manifest.Workload, commit string, slot int) live.Pod {
	p := live.Pod{
		Name: live.PodName("default", wl.ID, wl.Revision.Rev, slot), Cluster: "default", Source: source, App: wl.ID, Slot: slot,
		Rev: wl.Revision.Rev, Gen: 1, Commit: commit, Created: noon.Add(-time.Minute), Expect: []string{"app"}, Restart: string(wl.Revision.Spec.RestartPolicy),
		Containers: []live.Container{{Name: "app", State: live.Running, Started: noon.Add(-time.Minute)}}, Birth: live.BirthOf(wl.Revision),
		Room: requests(wl.Revision.Spec), Signer: key,
	}
	p.Birth.Network = 0
	for _, c := range wl.Revision.Spec.Containers {
		p.Ports = portsOf(c, wl.Revision.Spec.HostNetwork)
	}
	return p
}

// watch does what plans say until there is nothing more to do, and holds every step to the workloads' bounds.
func watch(t *testing.T, h manifest.History, have live.Snapshot, floor, ceiling int) (live.Snapshot, Plan) {
	t.Helper()
	now := noon
	for range 60 {
		plan := Make(h, have, now)
		if len(plan.Actions) == 0 && plan.Wake.IsZero() {
			return have, plan
		}
		have = applied(have, plan, now)
		now = now.Add(3 * time.Second)
		for _, a := range Make(h, have, now).Apps {
			total := 0
			for _, n := range have.Nodes {
				for _, p := range n.Pods {
					if p.App == a.ID {
						total++
					}
				}
			}
			if a.Available < floor || total > ceiling {
				t.Errorf("after\n%s%d pods, %d available, want %d to %d", plan, total, a.Available, floor, ceiling)
			}
		}
	}
	t.Fatalf("it never ends:\n%s", Make(h, have, now))
	return have, Plan{}
}

func ages(have live.Snapshot) (old, fresh int) {
	for _, n := range have.Nodes {
		for _, p := range n.Pods {
			if p.Birth.Network < manifest.NetworkLayout {
				old++
			} else {
				fresh++
			}
		}
	}
	return old, fresh
}

func TestPodsOfAnOlderNetworkAreReplacedWithinBounds(t *testing.T) {
	port := func(text string) string {
		return strings.ReplaceAll(text, `:1"}`, `:1", ports: [{containerPort: 80, hostPort: 80}]}`)
	}
	cpu := func(text string) string {
		return strings.ReplaceAll(text, `:1"}`, `:1", resources: {requests: {cpu: "1"}}}`)
	}
	strategy := func(text, s string) string {
		return strings.Replace(text, "spec:\n", "spec:\n  strategy: "+s+"\n", 1)
	}
	bare := "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app, image: example.com/web:1}]}\n"
	claimed := strings.Replace(deployment("web", 1, ""), `:1"}]`, `:1", volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, persistentVolumeClaim: {claimName: d}}]`, 1) +
		"---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: d}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
	for _, c := range []struct {
		name, text     string
		nodes          []string
		floor, ceiling int
	}{
		{"one pod, one node", deployment("web", 1, ""), []string{"n1"}, 1, 2},
		{"four pods, one node", deployment("web", 4, ""), []string{"n1"}, 3, 5},
		{"four pods, three nodes", deployment("web", 4, ""), []string{"n1", "n2", "n3"}, 3, 5},
		{"no surge", strategy(deployment("web", 3, ""), "{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}"), []string{"n1"}, 2, 3},
		{"no room for one more, and one may be away", cpu(deployment("web", 4, "")), []string{"n1"}, 3, 4},
		{"Recreate, one by one", strategy(deployment("web", 3, ""), "{type: Recreate}"), []string{"n1"}, 2, 3},
		{"a host port of which there is one", port(deployment("web", 1, "")), []string{"n1"}, 0, 1},
		{"a host port, and a node that is free", port(deployment("web", 1, "")), []string{"n1", "n2"}, 0, 2},
		{"a claim for one pod at a time", claimed, []string{"n1"}, 0, 1},
		{"a bare Pod", bare, []string{"n1"}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := commit(t, "a1", nodes(c.nodes...), c.text)
			have := older(head, c.nodes...)
			if len(head.Claims) > 0 {
				have.Nodes[0].Volumes = []string{"default/d"}
			}
			was, _ := ages(have)
			have, plan := watch(t, history(head), have, c.floor, c.ceiling)
			if old, fresh := ages(have); old > 0 || fresh != was || app(plan, "web").State != Converged {
				t.Errorf("%d old pods and %d new ones are left, %s\n%s", old, fresh, app(plan, "web").State, plan)
			}
		})
	}
}

func TestAPodOfAnOlderNetworkIsGoneBeforeAnotherTakesItsPlace(t *testing.T) {
	for claim, c := range map[string]struct{ text, waits string }{
		"no surge":              {sized("web", "1", 1, stopOld), "wait until"},
		"Recreate":              {sized("web", "1", 1, "{type: Recreate}"), "wait until"},
		"a claim for one pod":   {sharer("web", "", ""), "is being stopped"},
		"one more may be there": {sized("web", "1", 1, beside), ""},
	} {
		t.Run(claim, func(t *testing.T) {
			head := commit(t, "a1", nodes("n1"), dataClaim, c.text)
			old := aged(head.Workloads[0], "a1", 0)
			old.Stopping = true
			have := onDisk(promoted(head, "web"), old)
			for i := range have.Nodes[0].Receipts {
				have.Nodes[0].Receipts[i].Source, have.Nodes[0].Receipts[i].Signer = source, key
			}
			plan := Make(history(head), have, noon)
			if waits := strings.Join(app(plan, "web").Waits, "\n"); runs(plan, "web") != (c.waits == "") || !strings.Contains(waits, c.waits) {
				t.Errorf("waits %s:\n%s", waits, plan)
			}
		})
	}
}

func TestWhatHasNoLayoutOrEndsByItselfRunsOn(t *testing.T) {
	once := "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {restartPolicy: Never, containers: [{name: app, image: example.com/web:1}]}\n"
	host := strings.Replace(deployment("web", 2, ""), "spec: {containers", "spec: {hostNetwork: true, containers", 1)
	for _, text := range []string{once, host} {
		head := commit(t, "a1", nodes("n1"), text)
		if plan := Make(history(head), older(head, "n1"), noon); len(plan.Actions) > 0 {
			t.Errorf("%s", plan)
		}
	}
	head := commit(t, "a1", nodes("n1"), jobOf(""))
	have := applied(fleet(nil, nil, "n1"), Make(history(head), fleet(nil, nil, "n1"), noon), noon)
	have = applied(have, Make(history(head), have, noon), noon)
	if len(have.Nodes[0].Pods) != 1 {
		t.Fatalf("%d pods", len(have.Nodes[0].Pods))
	}
	have.Nodes[0].Pods[0].Birth.Network = 0
	if plan := Make(history(head), have, noon.Add(3*time.Second)); len(plan.Actions) > 0 {
		t.Errorf("%s", plan)
	}
}

func TestOnlySoManyWorkloadsGetPodsOfANewerNetworkAtOnce(t *testing.T) {
	var texts []string
	for i := range 14 {
		texts = append(texts, deployment(fmt.Sprintf("web-%02d", i), 1, ""))
	}
	head := commit(t, "a1", nodes("n1"), strings.Join(texts, "---\n"))
	have := older(head, "n1")
	plan := Make(history(head), have, noon)
	runs := 0
	for _, a := range plan.Actions {
		if a.Verb == Run {
			runs++
		}
	}
	if runs != maxRolling || len(app(plan, "web-13").Waits) != 1 {
		t.Errorf("%d begin at once, want %d\n%s", runs, maxRolling, plan)
	}
	if next := Make(history(head), applied(have, plan, noon), noon); len(doneTo(next)) > 0 {
		t.Errorf("while they are on their way, more begin:\n%s", next)
	}
	have, _ = watch(t, history(head), have, 1, 2)
	if old, fresh := ages(have); old != 0 || fresh != 14 {
		t.Errorf("%d old pods and %d new ones", old, fresh)
	}
}

func TestAWorkloadGetsPodsOfANewerNetworkAsOneHoweverManyTheyAre(t *testing.T) {
	var texts []string
	for i := range 6 {
		texts = append(texts, deployment(fmt.Sprintf("web-%d", i), 8, ""))
	}
	head := commit(t, "a1", nodes("n1"), strings.Join(texts, "---\n"))
	if plan := Make(history(head), older(head, "n1"), noon); len(doneTo(plan)) != 12 {
		t.Errorf("want two of each, for maxSurge is two:\n%s", plan)
	}
}

func TestNoPodOfAnOlderNetworkIsReplacedBesideAsManyRolloutsAsThereMayBe(t *testing.T) {
	texts := []string{deployment("web", 1, "")}
	for i := range maxRolling {
		texts = append(texts, deployment(fmt.Sprintf("w%02d", i), 1, ""))
	}
	head := commit(t, "a1", nodes("n1"), strings.Join(texts, "---\n"))
	have := older(head, "n1")
	for i := range maxRolling {
		again := begunAt(head, fmt.Sprintf("w%02d", i), 2)
		again.Source, again.Signer = source, key
		have.Nodes[0].Receipts = append(have.Nodes[0].Receipts, again)
	}
	plan := Make(history(head), have, noon)
	if a := app(plan, "web"); len(a.Waits) != 1 || len(doneTo(plan)) > 0 {
		t.Errorf("%v:\n%s", a.Waits, plan)
	}
}

func TestAPodOfAnOlderNetworkWaitsForTheRolloutUnderWay(t *testing.T) {
	one := commit(t, "a1", nodes("n1"), deployment("web", 2, ""))
	two := commit(t, "b2", nodes("n1"), strings.Replace(deployment("web", 2, ""), "web:1", "web:2", 1))
	h := history(two)
	h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": one}
	begun := older(one, "n1")
	begun.Nodes[0].Receipts = fleet(nil, append(promoted(one, "web"), begunAt(two, "web", 2)), "n1").Nodes[0].Receipts
	if plan := Make(h, begun, noon); !slices.Equal(doneTo(plan), []string{"run web-0"}) {
		t.Errorf("the first of the new revision has the place beside them:\n%s", plan)
	}
	have, plan := watch(t, h, older(one, "n1"), 2, 3)
	if old, fresh := ages(have); old != 0 || fresh != 2 || app(plan, "web").State != Converged {
		t.Errorf("%d old pods and %d new ones\n%s", old, fresh, plan)
	}
}

func TestAJobsPodIsBornWithTheLabelsThatKubernetesAdds(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), jobOf("completions: 2, completionMode: Indexed, "))
	have := applied(fleet(nil, nil, "n1"), Make(history(head), fleet(nil, nil, "n1"), noon), noon)
	have = applied(have, Make(history(head), have, noon), noon)
	if len(have.Nodes[0].Pods) == 0 {
		t.Fatal("no pod")
	}
	p := have.Nodes[0].Pods[0]
	if p.Birth.Labels["job-name"] != "work" || p.Birth.Labels[manifest.AnnotationCompletion] != "0" || p.Birth.Hostname != "work-0" {
		t.Errorf("%+v", p.Birth)
	}
}

func TestWhatIsSuspendedHoldsUpNobodysNewerNetwork(t *testing.T) {
	texts := []string{deployment("web", 1, "")}
	for i := range maxRolling {
		texts = append(texts, deployment(fmt.Sprintf("w%02d", i), 1, `podkeep.io/suspend: "true"`))
	}
	head := commit(t, "a1", nodes("n1"), strings.Join(texts, "---\n"))
	have := older(head, "n1")
	for i := range have.Nodes[0].Pods {
		p := &have.Nodes[0].Pods[i]
		p.Stopping = p.App.Name != "web" // told to, when that was suspended
	}
	if plan := Make(history(head), have, noon); len(doneTo(plan)) != 1 {
		t.Errorf("web waits: %v\n%s", app(plan, "web").Waits, plan)
	}
}
