package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// sharer is the YAML of a Deployment of one pod that mounts claim data, or of it the subPath.
func sharer(name, annotation, subPath string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, annotations: {%s}}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
      containers: [{name: app, image: "example.com/%[1]s:1", volumeMounts: [{name: v, mountPath: /v, subPath: %[3]q}]}]
`, name, annotation, subPath)
}

const dataClaim = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

// onDisk is a fleet of n1, which has claim data and these pods.
func onDisk(receipts []live.Receipt, pods ...live.Pod) live.Snapshot {
	r := live.Receipt{App: manifest.ClaimID("default", "data"), Verb: live.Bound, Gen: 1, Node: "n1", Time: noon.Add(-time.Hour)}
	made := r
	made.Verb = live.Made
	s := fleet(map[string][]live.Pod{"n1": pods}, append(receipts, r, made), "n1")
	s.Nodes[0].Volumes = []string{"default/data"}
	return s
}

// since is a history in which old came before head, and pods are of it.
func since(old, head manifest.Set) manifest.History {
	h := history(head)
	h.At, h.Ancestor[old.Commit] = map[string]manifest.Set{old.Commit: old}, true
	var n live.Node
	for _, wl := range old.Workloads {
		n.Pods = append(n.Pods, live.Pod{App: wl.ID, Source: source})
	}
	return along(h, live.Snapshot{Nodes: []live.Node{n}}, old)
}

func runs(p Plan, name string) bool {
	for _, a := range p.Actions {
		if a.Verb == Run && a.App.Name == name {
			return true
		}
	}
	return false
}

func TestAPodWithASubPathWaitsForPodsThatCouldReplaceIt(t *testing.T) {
	const keep = "podkeep.io/prune: disabled"
	for name, c := range map[string]struct {
		old   string // what left Git
		state State
		runs  bool
		why   string
	}{
		"nobody else has the claim":              {deployment("old", 1, keep), Progressing, true, ""},
		"one has it whole and will be pruned":    {sharer("old", "", ""), Progressing, false, "-0 mounts all of claim default/data at /v and may write there: it could put a link to anywhere on the node in the place of subPath pg of claim default/data; waits until old-"},
		"one has it whole and is kept":           {sharer("old", keep, ""), Held, false, " from n1 by hand, or give the two a volume each"},
		"one has a part beside it":               {sharer("old", keep, "log"), Progressing, true, ""},
		"one has the same part":                  {sharer("old", keep, "pg"), Progressing, true, ""},
		"one has a part of its part and is kept": {sharer("old", keep, "pg/x"), Held, false, "in the place of subPath pg/x of claim default/data, which old-"},
	} {
		was := commit(t, "a1", nodes("n1"), dataClaim, c.old)
		head := commit(t, "b2", nodes("n1"), dataClaim, sharer("db", "", "pg"))
		db := find(head, manifest.ID{Kind: "Deployment", Namespace: "default", Name: "db"})
		began := live.Receipt{App: db.ID, Rev: db.Revision.Rev, Verb: live.Began, Gen: 1, Commit: "b2", Time: noon.Add(-time.Second)}
		plan := Make(since(was, head), onDisk([]live.Receipt{began}, running(was, "old", 0)), noon)
		got := app(plan, "db")
		if said := got.Why + "\n" + strings.Join(got.Waits, "\n"); runs(plan, "db") != c.runs || got.State != c.state || !strings.Contains(said, c.why) {
			t.Errorf("%s: runs %t, %s\n%s\n%s", name, runs(plan, "db"), got.State, said, plan)
		}
	}
}

func TestAPodOfWhichNothingIsKnownHoldsUpASubPathOfItsNamespace(t *testing.T) {
	head := commit(t, "b2", nodes("n1"), dataClaim, sharer("db", "", "pg"))
	for namespace, want := range map[string]bool{"default": false, "other": true} {
		p := running(head, "db", 0)
		p.App, p.Rev, p.Name, p.Keep = manifest.ID{Kind: "Job", Namespace: namespace, Name: "lost"}, "v1-0123456789", "lost", true
		for over, exit := range map[bool]string{false: live.Running, true: live.Exited} {
			p.Restart, p.Containers[0].State, p.Containers[0].Finished = "Never", exit, noon
			db := find(head, manifest.ID{Kind: "Deployment", Namespace: "default", Name: "db"})
			began := live.Receipt{App: db.ID, Rev: db.Revision.Rev, Verb: live.Began, Gen: 1, Commit: "b2", Time: noon.Add(-time.Second)}
			plan := Make(history(head), onDisk([]live.Receipt{began}, p), noon)
			if runs(plan, "db") != (want || over) {
				t.Errorf("%s, over %t: %s\n%s", namespace, over, app(plan, "db").Why, plan)
			}
			if why := app(plan, "db").Why; !want && !over && !strings.Contains(why, "lost may mount claim default/data and replace subPath pg of it: its form is neither in Git nor on a node") {
				t.Error(why)
			}
		}
	}
}

func TestAPodDoesNotStartAgainBesideOneThatCouldReplaceItsSubPath(t *testing.T) {
	was := commit(t, "a1", nodes("n1"), dataClaim, sharer("db", "", "pg"))
	other := commit(t, "a0", nodes("n1"), dataClaim, sharer("old", "podkeep.io/prune: disabled", ""))
	db, old := running(was, "db", 0), running(other, "old", 0)
	db.Containers[0].State, db.Containers[0].Finished = live.Exited, noon.Add(-time.Second)
	for _, beside := range []bool{false, true} {
		pods := []live.Pod{db}
		if beside {
			pods = append(pods, old)
		}
		plan := Make(since(other, was), onDisk(promoted(was, "db"), pods...), noon)
		if runs(plan, "db") == beside {
			t.Errorf("beside it %t: %s", beside, plan)
		}
	}
}

func TestAPodWaitsThatCouldReplaceTheSubPathOfOneThatRuns(t *testing.T) {
	was := commit(t, "a1", nodes("n1"), dataClaim, sharer("db", "podkeep.io/prune: disabled", "pg"))
	head := commit(t, "b2", nodes("n1"), dataClaim, sharer("backup", "", ""))
	backup := find(head, manifest.ID{Kind: "Deployment", Namespace: "default", Name: "backup"})
	began := live.Receipt{App: backup.ID, Rev: backup.Revision.Rev, Verb: live.Began, Gen: 1, Commit: "b2", Time: noon.Add(-time.Second)}
	plan := Make(since(was, head), onDisk([]live.Receipt{began}, running(was, "db", 0)), noon)
	if why := app(plan, "backup").Why; runs(plan, "backup") || !strings.Contains(why, "in the place of subPath pg of claim default/data, which db-") {
		t.Errorf("%s\n%s", why, plan)
	}
}

func TestOfTwoPodsThatAreAPerilToEachOtherOnePlanBeginsOne(t *testing.T) {
	backup := commit(t, "a1", nodes("n1"), dataClaim, sharer("backup", "", ""))
	head := commit(t, "b2", nodes("n1"), dataClaim, sharer("db", "", "pg"))
	var began []live.Receipt
	for _, wl := range append(backup.Workloads, head.Workloads...) {
		began = append(began, live.Receipt{App: wl.ID, Rev: wl.Revision.Rev, Verb: live.Began, Gen: 1, Commit: "b2", Time: noon.Add(-time.Second)})
	}
	head.Workloads = append(backup.Workloads, head.Workloads...) // as when an ancestor's form stands in for a file that does not load
	plan := Make(since(backup, head), onDisk(began), noon)
	if !runs(plan, "backup") || runs(plan, "db") {
		t.Error(plan)
	}
}

func TestPodsOfAWorkloadThatIsRefusedStayThoughNoFormOfItLoads(t *testing.T) {
	before := commit(t, "a1", nodes("n1"))
	ran := commit(t, "b2", nodes("n1"), deployment("web", 1, ""))
	head := manifest.Assemble(manifest.Info{Commit: "c3", Time: noon}, []manifest.Parsed{
		manifest.Parse("f0.yaml", []byte(nodes("n1"))), manifest.Parse("f1.yaml", []byte(deployment("web", -1, ""))),
	})
	plan := Make(since(before, head), fleet(map[string][]live.Pod{"n1": {running(ran, "web", 0)}}, promoted(ran, "web"), "n1"), noon)
	if a := app(plan, "web"); a.State != Held || a.Why != "is in Git and stays as it runs: f1.yaml does not load, and never did" || len(plan.Actions) > 0 {
		t.Errorf("%s: %s\n%s", a.State, a.Why, plan)
	}
}
