package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// wayTo is how the host of that Node of nodes() is reached.
func wayTo(name string) string {
	return manifest.Node{ProviderID: "podman+unix:///run/" + name + ".sock"}.Way()
}

// says is a record of a host's identity, written so long before noon.
func says(file, id, way string, ago time.Duration, signer string) live.File {
	h := live.Host{ID: id, Way: way, Time: noon.Add(-ago), Source: source}
	return live.File{Name: file, Labels: h.Labels("default"), Signer: signer}
}

// was is the first record, of a day ago, of a host that was reached as the Node of that name.
func was(id, name string) []live.File {
	return []live.File{says("host", id, wayTo(name), 24*time.Hour, key)}
}

// hosts is a fleet in which each node has the files given for it; a node of which nothing is given has not answered yet.
func hosts(files map[string][]live.File, names ...string) live.Snapshot {
	s := fleet(nil, nil, names...)
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Files = files[n.Name]; n.Files == nil {
			*n = live.Node{Name: n.Name, Silent: time.Second, Why: "no answer"}
		}
	}
	return s
}

// keyed is a history of a controller whose key is key.
func keyed(head manifest.Set, gone ...manifest.Node) manifest.History {
	h := history(head)
	h.Key, h.Gone = key, gone
	return h
}

func TestOfNodesWithOneIdentityOneHasIt(t *testing.T) {
	later := says("host-2", "i1", wayTo("n2"), time.Hour, key)
	for _, c := range []struct {
		claim string
		files map[string][]live.File
		held  string
	}{
		{"two hosts", map[string][]live.File{"n1": was("i1", "n1"), "n2": was("i2", "n2")}, ""},
		{"a copy of a disk", map[string][]live.File{"n1": was("i1", "n1"), "n2": was("i1", "n1")}, "n2"},
		{"a copy of a disk, the other way round", map[string][]live.File{"n1": was("i2", "n2"), "n2": was("i2", "n2")}, "n1"},
		{"a copy of a host that moved before", map[string][]live.File{"n1": append(was("i1", "n1"), later), "n2": append(was("i1", "n1"), later)}, "n1"},
		{"neither is where it was: the lower name", map[string][]live.File{"n1": was("i1", "n7"), "n2": was("i1", "n7")}, "n2"},
		{"the other one has not answered", map[string][]live.File{"n2": was("i1", "n1")}, "n2"},
		{"the host moved, and another took its place", map[string][]live.File{"n1": was("i3", "n1"), "n2": was("i1", "n1")}, ""},
		{"what a stranger signed says nothing", map[string][]live.File{"n1": was("i1", "n1"), "n2": {says("host", "i1", wayTo("n1"), time.Hour, "root")}}, ""},
		{"nor what nobody did", map[string][]live.File{"n1": was("i1", "n1"), "n2": {says("host", "i1", wayTo("n1"), time.Hour, "")}}, ""},
		{"the first record names the host", map[string][]live.File{"n1": was("i1", "n1"), "n2": append(was("i2", "n2"), says("host-9", "i1", wayTo("n1"), time.Hour, key))}, ""},
	} {
		plan := Make(keyed(commit(t, "a1", nodes("n1", "n2", "n3"))), hosts(c.files, "n1", "n2"), noon)
		if got := strings.Join(sorted(plan.Held), " "); got != c.held {
			t.Errorf("%s: held is %q, want %q", c.claim, got, c.held)
		}
		for _, a := range plan.Actions {
			if a.Node == c.held {
				t.Errorf("%s: %s %s is asked of a node that is held", c.claim, a.Verb, a.Name)
			}
		}
	}
}

func TestANodeThatIsHeldSaysWhatToDo(t *testing.T) {
	h := keyed(commit(t, "a1", nodes("n1", "n2")))
	h.Cluster = "prod"
	files := append(was("i1", "n1"), says("host-2", "i1", wayTo("n1"), time.Hour, key))
	plan := Make(h, hosts(map[string][]live.File{"n1": files, "n2": files}, "n1", "n2"), noon)
	for _, want := range []string{"identity of n1", "podman secret rm podkeep-prod-host podkeep-prod-host-2 on n2", "remove one of the two Nodes from Git"} {
		if !strings.Contains(plan.Held["n2"], want) || !slices.Contains(plan.Notes, "n2 is held: "+plan.Held["n2"]) {
			t.Errorf("%q lacks %q, or is not said: %q", plan.Held["n2"], want, plan.Notes)
		}
	}
}

func TestWhatRunsOnANodeThatIsHeldIsNeitherCountedNorTouched(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	have := hosts(map[string][]live.File{"n1": was("i1", "n1"), "n2": was("i1", "n1")}, "n1", "n2")
	receipts := fleet(nil, promoted(head, "web"), "n1").Nodes[0].Receipts
	have.Nodes[1].Pods, have.Nodes[1].Receipts = []live.Pod{running(head, "web", 0), running(head, "web", 1)}, receipts
	plan := Make(keyed(head), have, noon)
	if a := app(plan, "web"); a.Total != 0 || len(plan.Actions) != 1 || plan.Actions[0].Node != "n1" || plan.Actions[0].File.Labels[live.LabelReceipt] != live.Began {
		t.Errorf("%d pods are counted\n%s", a.Total, plan)
	}
}

func TestOneThatLeftGitIsAHostOfHeadIfTheRecordsSaySo(t *testing.T) {
	gone := commit(t, "z9", nodes("old")).Nodes[0]
	for _, c := range []struct {
		claim    string
		n1, old  []live.File
		same     bool // it is n1
		departed bool
	}{
		{"both answer and are one", was("i1", "old"), was("i1", "old"), true, true},
		{"the old way answers no more", was("i1", "old"), nil, true, false},
		{"it is another host at the old way of n1", was("i1", "old"), was("i2", "old"), false, false},
		{"they have nothing to do with each other", was("i1", "n1"), was("i2", "old"), false, false},
		{"it does not answer, and no record has its way", was("i1", "n1"), nil, false, false},
	} {
		have := hosts(map[string][]live.File{"n1": c.n1, "old": c.old}, "n1", "old")
		w := newWorld(keyed(commit(t, "a1", nodes("n1")), gone), have, noon)
		if (w.called["old"] == "n1") != c.same || (w.lookup("old") == nil) != c.same || slices.Contains(w.plan.Departed, "old") != c.departed {
			t.Errorf("%s: it is %q, departed %q", c.claim, w.called["old"], w.plan.Departed)
		}
	}
	have := hosts(map[string][]live.File{"n1": was("i1", "old")}, "n1", "old")
	have.Nodes[1].Silent = time.Hour
	if w := newWorld(keyed(commit(t, "a1", nodes("n1")), gone), have, noon); !slices.Contains(w.plan.Departed, "old") {
		t.Error("a way that answers no more is tried for ever")
	}
}

func TestOneThatLeftGitWaitsUntilItIsKnownWhichHostItIs(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	gone := commit(t, "z9", nodes("old")).Nodes[0]
	fresh := []live.File{says("host", "i1", wayTo("n1"), time.Second, key)}
	none := []live.File{}
	for _, c := range []struct {
		claim       string
		n1, n2, old []live.File
		note        string
	}{
		{"n1 was named a moment ago, and this one may have been looked at before", fresh, was("i2", "n2"), none, "old left Git, and may be n1"},
		{"this one was, and n1 may have been looked at before", none, was("i2", "n2"), fresh, "old left Git, and may be n1"},
		{"n1 has not answered yet", nil, was("i2", "n2"), was("i3", "old"), "old left Git, and may be n1, which has not answered yet"},
		{"all is known", was("i1", "n1"), was("i2", "n2"), was("i3", "old"), "old left Git: draining, 1 pods left"},
		{"n1 was named long ago, so this one, which has no name, is another", was("i1", "n1"), was("i2", "n2"), none, "old left Git: draining, 1 pods left"},
	} {
		have := hosts(map[string][]live.File{"n1": c.n1, "n2": c.n2, "old": c.old}, "n1", "n2", "old")
		have.Nodes[2].Pods = []live.Pod{running(head, "web", 0)}
		have.Nodes[0].Receipts = fleet(nil, promoted(head, "web"), "n1").Nodes[0].Receipts
		have.Nodes[1].Receipts = have.Nodes[0].Receipts
		plan := Make(keyed(head, gone), have, noon)
		runs := slices.ContainsFunc(plan.Actions, func(a Action) bool { return a.Verb == Run })
		if drains := strings.Contains(c.note, "draining"); runs != drains || !strings.Contains(strings.Join(plan.Notes, "\n"), c.note) {
			t.Errorf("%s:\n%s", c.claim, plan)
		}
	}
}

func TestWhatIsTrustedIsWrittenAnewWhereTheWayOrTheKeyIsAnother(t *testing.T) {
	way, other := wayTo("n1"), wayTo("n9")
	mine := live.FurtherHostFile(way, key)
	day, hour := 24*time.Hour, time.Hour
	for _, c := range []struct {
		claim string
		files []live.File
		want  string
	}{
		{"as it was", was("i1", "n1"), ""},
		{"another way", was("i1", "n9"), "put i1"},
		{"and it is written", append(was("i1", "n9"), says(mine, "i1", way, hour, key)), ""},
		{"it came back to a way it had", append(was("i1", "n9"), says(mine, "i1", way, 2*day, key)), "delete"},
		{"another key that is trusted", []live.File{says("host", "i1", way, day, "them")}, "put i1"},
		{"a stranger's", []live.File{says("host", "i1", way, day, "root")}, ""},
		{"nobody's", []live.File{says("host", "i1", other, day, "")}, ""},
		{"another way, by a clock that is behind", []live.File{says("host", "i1", other, -hour, key)}, "put i1"},
		{"two controllers know two ways", append(was("i1", "n1"), says("host-2", "i1", other, hour, "them")), ""},
		{"none", []live.File{}, ""},
	} {
		h := keyed(commit(t, "a1", nodes("n1")))
		h.Head.Signers = []string{"them"}
		plan := Make(h, hosts(map[string][]live.File{"n1": c.files}, "n1"), noon)
		got := ""
		for _, a := range plan.Actions {
			if got += string(a.Verb); a.Verb == Put {
				record, _ := live.ParseHost(live.File{Name: a.Name, Labels: a.File.Labels})
				got += " " + record.ID
				before, _ := live.ParseHost(c.files[0])
				if record.Way != way || a.Name != mine || !record.Time.After(before.Time) {
					t.Errorf("%s: %+v", c.claim, record)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.claim, got, c.want)
		}
	}
}

// claiming is a Deployment of one pod that uses claim data.
const claiming = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: app, image: "example.com/db:1"}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

func TestAClaimIsWhereItsHostIs(t *testing.T) {
	bare := []live.File{}
	for _, c := range []struct {
		claim string
		host  string // of the receipt, which names n1
		files map[string][]live.File
		at    string // which node has the volume
		node  string
		why   string
	}{
		{"the host is n1", "i1", map[string][]live.File{"n1": was("i1", "n1"), "n2": was("i2", "n2")}, "n1", "n1", ""},
		{"it is n2 now", "i1", map[string][]live.File{"n1": was("i2", "n2"), "n2": was("i1", "n1")}, "n2", "n2", ""},
		{"n1 is another host now", "i1", map[string][]live.File{"n1": was("i3", "n1"), "n2": was("i2", "n2")}, "", "n1", "was on n1 before n1 was replaced by another host; decide"},
		{"and that has a volume of that name", "i1", map[string][]live.File{"n1": was("i3", "n1"), "n2": was("i2", "n2")}, "n1", "n1", "was on n1 before n1 was replaced"},
		{"n1 has not answered", "i1", map[string][]live.File{"n2": was("i2", "n2")}, "", "n1", "is on n1, which is silent"},
		{"n1 does not say who it is", "i1", map[string][]live.File{"n1": bare, "n2": was("i2", "n2")}, "n1", "n1", "does not say yet which host it is"},
		{"n1 is a copy, and the host is n2", "i1", map[string][]live.File{"n1": was("i1", "n2"), "n2": was("i1", "n2")}, "n2", "n2", ""},
		{"the receipt names no host", "", map[string][]live.File{"n1": was("i3", "n1"), "n2": was("i2", "n2")}, "n1", "n1", ""},
		{"and the volume is lost", "", map[string][]live.File{"n1": was("i3", "n1"), "n2": was("i2", "n2")}, "n2", "n1", "lost its volume on n1"},
	} {
		head := commit(t, "a1", nodes("n1", "n2"), claiming)
		have := hosts(c.files, "n1", "n2")
		made := live.Receipt{App: manifest.ClaimID("default", "data"), Verb: live.Made, Gen: 1, Node: "n1", Host: c.host, Time: noon.Add(-time.Hour), Source: source, Signer: key}
		made.File = made.Name(key)
		have.Nodes[1].Receipts = []live.Receipt{made}
		for i := range have.Nodes {
			if have.Nodes[i].Name == c.at {
				have.Nodes[i].Volumes = []string{"default/data"}
			}
		}
		plan := Make(keyed(head), have, noon)
		if got := plan.Claims[0]; got.Node != c.node || !strings.Contains(got.Why, c.why) || (got.Why == "") != (c.why == "") {
			t.Errorf("%s: on %s: %s", c.claim, got.Node, got.Why)
		}
		i := slices.IndexFunc(plan.Actions, func(a Action) bool {
			return a.File != nil && a.File.Labels[live.LabelReceipt] == live.Made && a.Why != "copied to a node that lacks it"
		})
		switch named := i >= 0; {
		case named != (c.host == "" && c.why == ""):
			t.Errorf("%s: a sight is written down: %v\n%s", c.claim, named, plan)
		case named && plan.Actions[i].File.Labels[live.LabelHost] != "i3":
			t.Errorf("%s: %v", c.claim, plan.Actions[i].File.Labels)
		}
	}
}

func TestARetryDecisionEndsTheWaitForAHostThatWasReplaced(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), claiming)
	data := manifest.ClaimID("default", "data")
	have := hosts(map[string][]live.File{"n1": was("i3", "n1")}, "n1")
	made := live.Receipt{App: data, Verb: live.Made, Gen: 1, Node: "n1", Host: "i1", Time: noon.Add(-time.Hour), Source: source, Signer: key}
	have.Nodes[0].Receipts = append(fleet(nil, promoted(head, "db"), "n1").Nodes[0].Receipts, made)
	h := keyed(head)
	h.Decisions = []manifest.Decision{{Time: noon.Add(-time.Minute), Verb: "retry", App: data}}
	var bound []string
	for _, a := range Make(h, have, noon).Actions {
		if a.File != nil && a.File.Labels[live.LabelReceipt] == live.Bound {
			bound = append(bound, fmt.Sprint(a.File.Labels[live.LabelNode], " ", a.File.Labels[live.LabelHost], " ", a.File.Labels[live.LabelGen]))
		}
	}
	if diff := cmp.Diff([]string{"n1 i3 2"}, bound); diff != "" {
		t.Error(diff)
	}
}
