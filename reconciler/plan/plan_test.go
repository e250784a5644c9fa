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

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

const source = "git.example.com/fleet"

// key is the controller's, and the one that signed what fleet and running make.
const key = "ssh-ed25519 b3du"

// deployment is the YAML of a Deployment of one container.
func deployment(name string, replicas int, annotation string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, annotations: {%s}}
spec:
  replicas: %d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: app, image: "example.com/%[1]s:1"}]}
`, name, annotation, replicas)
}

// nodes is the YAML of Nodes with these names.
func nodes(names ...string) string {
	var docs []string
	for _, name := range names {
		docs = append(docs, fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: %s}\nspec: {providerID: podman+unix:///run/%s.sock}\n", name, name))
	}
	return strings.Join(docs, "---\n")
}

// commit is a Set of one file for each text.
func commit(t *testing.T, id string, texts ...string) manifest.Set {
	t.Helper()
	var files []manifest.Parsed
	for i, text := range texts {
		files = append(files, manifest.Parse(fmt.Sprintf("f%d.yaml", i), []byte(text)))
	}
	set := manifest.Assemble(manifest.Info{Commit: id, Time: noon, Message: id}, files)
	for _, p := range set.Problems {
		t.Fatal(p)
	}
	return set
}

func history(head manifest.Set) manifest.History {
	return manifest.History{
		Cluster: "default", Source: source, Key: key, Head: head, Fetched: noon,
		Ancestor: map[string]bool{head.Commit: true}, Past: map[manifest.Question]manifest.Set{},
	}
}

// along is the history with what a line of commits, nearest first, says to all that thinking asks of it.
func along(h manifest.History, have live.Snapshot, line ...manifest.Set) manifest.History {
	for more := true; more; {
		more = false
		for _, q := range Asks(h, have) {
			if _, asked := h.Past[q]; asked {
				continue
			}
			h.Past[q], more = manifest.Set{}, true
			for i, done := 0, false; i < len(line) && !done; i++ {
				h.Past[q], done = q.Of(line[i], h.Head)
			}
		}
	}
	return h
}

// fleet is a node for each name, which answers and runs the pods given for it.
func fleet(pods map[string][]live.Pod, receipts []live.Receipt, names ...string) live.Snapshot {
	var s live.Snapshot
	receipts = slices.Clone(receipts)
	for i := range receipts {
		if receipts[i].Source == "" {
			receipts[i].Source = source
		}
		if receipts[i].Signer == "" {
			receipts[i].Signer = key
		}
	}
	for _, name := range names {
		s.Nodes = append(s.Nodes, live.Node{
			Name: name, Known: true, Room: manifest.Resources{MilliCPU: 4000, Memory: 4 << 30}, Pods: pods[name], Receipts: receipts,
		})
	}
	return s
}

// running is a pod of the workload's revision in that set, up for a minute.
func running(set manifest.Set, name string, slot int) live.Pod {
	id := manifest.ID{Kind: "Deployment", Namespace: "default", Name: name}
	wl := find(set, id)
	return live.Pod{
		Name: live.PodName("default", id, wl.Revision.Rev, slot), Cluster: "default", Source: source, App: id, Slot: slot,
		Rev: wl.Revision.Rev, Gen: 1, Commit: set.Commit, Created: noon.Add(-time.Minute), Expect: []string{"app"}, Restart: "Always", Signer: key,
		Containers: []live.Container{{Name: "app", State: live.Running, Started: noon.Add(-time.Minute)}}, Birth: live.BirthOf(wl.Revision),
	}
}

// promoted are the receipts of a workload that is settled.
func promoted(set manifest.Set, name string) []live.Receipt {
	id := manifest.ID{Kind: "Deployment", Namespace: "default", Name: name}
	r := live.Receipt{App: id, Rev: find(set, id).Revision.Rev, Gen: 1, Commit: set.Commit, Time: noon.Add(-time.Minute)}
	began := r
	began.Verb, r.Verb = live.Began, live.Promoted
	return []live.Receipt{began, r}
}

func app(p Plan, name string) App {
	for _, a := range p.Apps {
		if a.ID.Name == name {
			return a
		}
	}
	return App{}
}

func TestWhatIsAsAskedForNeedsNothing(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("web", 1, ""))
	p := running(head, "web", 0)
	plan := Make(history(head), fleet(map[string][]live.Pod{"n1": {p}}, promoted(head, "web"), "n1"), noon)
	if len(plan.Actions) != 0 || !plan.Wake.IsZero() || app(plan, "web").State != Converged {
		t.Errorf("wake %v, %s\n%s", plan.Wake, app(plan, "web").State, plan)
	}
}

func TestAnotherSourcesPodsAreSaidAndLeftAloneUntilAdopted(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("web", 1, ""))
	p := running(head, "web", 0)
	p.Source, p.Commit = "git.example.com/old", "z9"
	have := fleet(map[string][]live.Pod{"n1": {p}}, nil, "n1")
	h := history(head)
	plan := Make(h, have, noon)
	if a := app(plan, "web"); len(plan.Actions) != 0 || a.State != Held || !strings.Contains(a.Why, "podkeep adopt git.example.com/old takes it over") {
		t.Errorf("%s: %s\n%s", a.State, a.Why, plan)
	}
	have.Nodes[0].Receipts, h.Fetched = []live.Receipt{adopted(p.Source)}, noon.Add(time.Minute)
	if plan := Make(h, have, noon); len(plan.Actions) != 1 || plan.Actions[0].File.Labels[live.LabelReceipt] != live.Began {
		t.Errorf("adopted, a pod of HEAD's revision needs a receipt and nothing else:\n%s", plan)
	}
}

func TestAPodOfAnUnknownCommitFreezesUntilAFetchThatBeganAfterItsBirth(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), deployment("web", 2, ""))
	p := running(head, "web", 0)
	p.Commit, p.Created = "b2", noon
	have := fleet(map[string][]live.Pod{"n1": {p}}, promoted(head, "web"), "n1")
	h := history(head)
	plan := Make(h, have, noon)
	if len(plan.Actions) != 0 || app(plan, "web").State != Held || !plan.Fetch.Equal(noon.Add(clockSlack)) {
		t.Errorf("fetch %v, %s\n%s", plan.Fetch, app(plan, "web").State, plan)
	}
	h.Fetched = noon.Add(clockSlack + time.Nanosecond)
	if plan := Make(h, have, h.Fetched); len(plan.Actions) == 0 || !plan.Fetch.IsZero() {
		t.Errorf("HEAD rules then:\n%s", plan)
	}
	h.Fetched, h.Proposal = noon, true
	if plan := Make(h, have, noon); len(plan.Actions) == 0 {
		t.Errorf("a proposal is newer than what runs:\n%s", plan)
	}
}

func TestAPodOfAnUnknownCommitIsNotPrunedUntilAFetchThatBeganAfterItsBirth(t *testing.T) {
	before := commit(t, "b2", nodes("n1"), deployment("web", 1, ""))
	p := running(before, "web", 0)
	have := fleet(map[string][]live.Pod{"n1": {p}}, nil, "n1")
	h := history(commit(t, "a1", nodes("n1")))
	h.Fetched, h.Head.AllowPrune = p.Created, true
	if plan := Make(h, have, noon); len(plan.Actions) != 0 || app(plan, "web").State != Held || plan.Fetch.IsZero() {
		t.Errorf("%s\n%s", app(plan, "web").State, plan)
	}
	h.Fetched = noon
	if plan := Make(h, have, noon); !slices.Equal(doneTo(plan), []string{"stop web-0"}) {
		t.Errorf("HEAD rules then:\n%s", plan)
	}
}

func TestWhatLeftGitIsPrunedWithinTheBudget(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	texts := []string{nodes("n1")}
	for _, name := range names {
		annotation := ""
		if name == "a" {
			annotation = "podkeep.io/prune: disabled"
		}
		texts = append(texts, deployment(name, 1, annotation))
	}
	before := commit(t, "a1", texts...)
	pods, receipts := map[string][]live.Pod{}, []live.Receipt(nil)
	for _, name := range names {
		pods["n1"] = append(pods["n1"], running(before, name, 0))
		receipts = append(receipts, promoted(before, name)...)
	}
	have := fleet(pods, receipts, "n1")
	stops := func(change func(h *manifest.History, before *manifest.Set), gone int) (stopped []string, notes string) {
		h, before := history(commit(t, "b2", append([]string{texts[0]}, texts[1+gone:]...)...)), before
		h.Ancestor["a1"] = true
		change(&h, &before)
		plan := Make(along(h, have, before), have, noon)
		for _, a := range plan.Actions {
			if a.Verb == Stop {
				stopped = append(stopped, a.App.Name)
			}
		}
		return stopped, strings.Join(plan.Notes, "\n")
	}
	rows := []struct {
		claim  string
		gone   int
		change func(h *manifest.History, before *manifest.Set)
		want   []string
		note   string
	}{
		{"three may always go, beside those with prune: disabled, which stay", 4, func(*manifest.History, *manifest.Set) {}, []string{"b", "c", "d"}, ""},
		{"more than half hold", 5, func(*manifest.History, *manifest.Set) {}, nil, "4 of 7 workloads left Git"},
		{"until the commit allows it", 5, func(h *manifest.History, _ *manifest.Set) { h.Head.AllowPrune = true }, []string{"b", "c", "d", "e"}, ""},
		{"or the flag does", 5, func(h *manifest.History, _ *manifest.Set) { h.AllowPrune = true }, []string{"b", "c", "d", "e"}, ""},
		{"a trailer from before they left does not", 5, func(_ *manifest.History, before *manifest.Set) { before.AllowPrune = true }, nil, "4 of 7"},
		{"nothing goes because HEAD is empty", 7, func(h *manifest.History, before *manifest.Set) {
			h.Head.Nodes = h.Head.Nodes[:0]
			h.Gone = before.Nodes
		}, nil, "holds no object"},
	}
	for _, r := range rows {
		t.Run(r.claim, func(t *testing.T) {
			stopped, notes := stops(r.change, r.gone)
			if diff := cmp.Diff(r.want, stopped); diff != "" || !strings.Contains(notes, r.note) {
				t.Errorf("stopped (-want +got):\n%s\nnotes: %s", diff, notes)
			}
		})
	}
}

func TestWhileANodeIsAboutToSayHowBigItIsNoRevisionIsRejected(t *testing.T) {
	asks := strings.Replace(deployment("web", 1, ""), "image: ", "resources: {requests: {cpu: 100m}}, image: ", 1)
	head := commit(t, "a1", nodes("n1"), asks)
	began := promoted(head, "web")[:1]
	began[0].Time = noon.Add(-time.Hour)
	have := fleet(nil, began, "n1")
	have.Watched = time.Hour
	room := have.Nodes[0].Room
	for _, c := range []struct {
		unsized time.Duration
		verb    string
		waits   string
	}{
		{time.Second, live.Resumed, "n1 is about to say how big it is"},
		{time.Minute, live.Failed, ""},
		{0, live.Failed, ""},
	} {
		n := &have.Nodes[0]
		n.Room = room
		if n.Unsized = c.unsized; n.Unsized > 0 {
			n.Room = manifest.Resources{}
		}
		p := Make(history(head), have, noon)
		if !strings.Contains(p.String(), "-"+c.verb+"-") || !strings.Contains(p.String(), c.waits) {
			t.Errorf("unsized for %v: want %s and %q:\n%s", c.unsized, c.verb, c.waits, p)
		}
	}
}

func TestNoRevisionIsRejectedForTheTimeThatANodeWasSilent(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	began := promoted(head, "web")[:1]
	began[0].Time = noon.Add(-time.Hour)
	ill := running(head, "web", 0)
	ill.Containers[0].State = live.Exited
	for silence, verb := range map[time.Duration]string{0: live.Failed, time.Second: live.Resumed, time.Hour: live.Failed} {
		have := fleet(map[string][]live.Pod{"n2": {ill}}, began, "n1", "n2")
		have.Watched, have.Nodes[1].Silent = time.Hour, silence
		if p := Make(history(head), have, noon); !strings.Contains(p.String(), "-"+verb+"-") {
			t.Errorf("silent for %v: want %s:\n%s", silence, verb, p)
		}
	}
}

func TestANodeIsNotDrainedWhileItMayBeInAFileThatDoesNotLoad(t *testing.T) {
	before := commit(t, "a1", nodes("n1"), nodes("n2"), deployment("web", 1, ""))
	for _, c := range []struct{ file, does, says string }{
		{"kind: [Node", "", "n1 may be in f0.yaml, which does not load: what runs there stays"},
		{"replicas: 3 # what it was could not be read yet", "", "n1 may be in f0.yaml, which does not load: what runs there stays"},
		{"# n1 is no more", "run ", "n1 left Git: draining, 1 pods left"},
	} {
		head := manifest.Assemble(manifest.Info{Commit: "b2", Parent: "a1", Time: noon, Message: "b2"}, []manifest.Parsed{
			manifest.Parse("f0.yaml", []byte(c.file)), manifest.Parse("f1.yaml", []byte(nodes("n2"))), manifest.Parse("f2.yaml", []byte(deployment("web", 1, ""))),
		})
		h := history(head)
		h.Gone, h.Ancestor["a1"] = before.Nodes[:1], true
		p := Make(h, fleet(map[string][]live.Pod{"n1": {running(before, "web", 0)}}, promoted(before, "web"), "n1", "n2"), noon)
		if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, c.says) || len(p.Actions) > 0 != (c.does != "") || !strings.Contains(p.String(), c.does) {
			t.Errorf("%s: want %q and %q:\n%s", c.file, c.does, c.says, p)
		}
	}
}

func TestReceiptsOfAnotherSourceAreItsOwn(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	theirs := live.Receipt{
		App: manifest.ID{Kind: "Job", Namespace: "default", Name: "migrate"}, Verb: live.Done, Rev: "v1-aaaaaa", Gen: 1, Commit: "a1", Time: noon,
		Source: "git.example.com/other", Signer: key,
	}
	on := func(r live.Receipt) live.Snapshot {
		have := fleet(nil, promoted(head, "web"), "n1", "n2")
		have.Nodes[0].Receipts = append(have.Nodes[0].Receipts, r)
		return have
	}
	h := history(head)
	if p := Make(h, on(theirs), noon); strings.Contains(p.String(), "migrate") {
		t.Errorf("touched:\n%s", p)
	}
	theirs.App.Kind, theirs.App.Name = "Deployment", "web"
	if p := Make(h, on(theirs), noon); len(p.Actions) > 0 || app(p, "web").State != Held || !strings.Contains(app(p, "web").Why, theirs.Source) {
		t.Errorf("of one name: %s %s\n%s", app(p, "web").State, app(p, "web").Why, p)
	}
	have := on(theirs)
	have.Nodes[1].Receipts = append(have.Nodes[1].Receipts, adopted(theirs.Source))
	if p := Make(h, have, noon); app(p, "web").State == Held || !strings.Contains(p.String(), "run ") {
		t.Errorf("adopted: %s\n%s", app(p, "web").State, p)
	}
}

// adopted says that ours has taken over another source.
func adopted(of string) live.Receipt {
	return live.Receipt{App: SourceID, Verb: live.Adopted, Gen: 1, Of: of, Time: noon, Source: source, Signer: key}
}

func TestAPlanReadsAsLines(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	rev := live.ShortRev(find(head, manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}).Revision.Rev)
	want := "*      put    receipt-web-g1-began-668bc14c060e began: " + rev + " at a1\n"
	h := history(head)
	h.Key = ""
	if got := Make(h, fleet(nil, nil, "n1", "n2"), noon).String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAFileOfSignersThatDoesNotLoadHoldsNothingUp(t *testing.T) {
	with := func(id, signers string, names ...string) manifest.Set {
		files := []manifest.Parsed{manifest.Parse("podkeep.signers", []byte(signers)), manifest.Parse("n.yaml", []byte(nodes("n1")))}
		for _, name := range names {
			files = append(files, manifest.Parse(name+".yaml", []byte(deployment(name, 1, ""))))
		}
		return manifest.Assemble(manifest.Info{Commit: id, Time: noon}, files)
	}
	was, head := with("a1", "", "web", "api"), with("b2", "nobody", "web")
	h := history(head)
	h.Ancestor["a1"] = true
	have := fleet(map[string][]live.Pod{"n1": {running(was, "api", 0), running(was, "web", 0)}}, append(promoted(was, "web"), promoted(was, "api")...), "n1")
	plan := Make(along(h, have, was), have, noon)
	if !strings.Contains(plan.String(), "pruned: api left Git") || app(plan, "web").State != Converged {
		t.Errorf("%s", plan)
	}
	h.Head = with("b2", "nobody", "web", "api")
	if asks := Asks(h, have); len(asks) != 1 {
		t.Errorf("who was trusted is not asked, or more is: %v", asks)
	}
}
