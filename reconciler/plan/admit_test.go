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

// sized is a Deployment that asks for so many cores, of an image with that tag.
func sized(name, tag string, cores int, strategy string) string {
	text := strings.Replace(deployment(name, 1, ""), ":1\"", fmt.Sprintf(":%s\", resources: {requests: {cpu: %d}}", tag, cores), 1)
	return strings.Replace(text, "spec:\n  replicas", "spec:\n  strategy: "+strategy+"\n  replicas", 1)
}

// begunAt is the beginning of a generation of HEAD's revision.
func begunAt(set manifest.Set, name string, gen int) live.Receipt {
	r := promoted(set, name)[0]
	r.Gen = gen
	return r
}

const (
	beside  = "{rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"
	stopOld = "{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}"
)

// A node of four cores, a workload web of which one pod of two cores runs there, and a new workload whose name comes first and that
// has begun: it asks for two cores as well.
func TestWhatIsNewTakesNoRoomThatAnotherWorkloadNeedsToServeOn(t *testing.T) {
	for _, c := range []struct {
		claim    string
		strategy string
		cores    int  // that HEAD's web asks for
		there    bool // the pod of web
		ends     bool // it was told to stop
		want     []string
	}{
		{"a pod that is missed comes first", beside, 3, false, false, []string{"run web-0"}},
		{"one that has to go first has the place of its successor kept", stopOld, 3, true, false, []string{"stop web-0"}},
		{"and so while it takes its time to end", stopOld, 3, true, true, nil},
		{"a place that is not needed is given away", stopOld, 2, true, false, []string{"run aaa-0", "stop web-0"}},
		{"what only changes waits for its turn", beside, 2, true, false, []string{"run aaa-0"}},
	} {
		t.Run(c.claim, func(t *testing.T) {
			before := commit(t, "a1", nodes("n1"), sized("web", "1", 2, c.strategy))
			head := commit(t, "b2", nodes("n1"), sized("aaa", "1", 2, beside), sized("web", "2", c.cores, c.strategy))
			if !c.there {
				head = commit(t, "b2", nodes("n1"), sized("aaa", "1", 2, beside), sized("web", "1", c.cores, c.strategy))
			}
			if !c.there {
				before = head
			}
			receipts := append(promoted(before, "web"), begunAt(head, "aaa", 1))
			pods := map[string][]live.Pod{}
			if c.there {
				receipts = append(receipts, begunAt(head, "web", 2))
				p := running(before, "web", 0)
				p.Stopping, p.Room.MilliCPU = c.ends, 2000
				pods["n1"] = []live.Pod{p}
			}
			h := history(head)
			h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": before}
			have := fleet(pods, receipts, "n1")
			have.Watched = time.Hour
			p := Make(h, have, noon)
			if got := doneTo(p); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("did %v, want %v:\n%s", got, c.want, p)
			}
		})
	}
}

func TestTenRolloutsOfAHigherWaveDoNotHoldUpALowerOne(t *testing.T) {
	for wave, verb := range map[string]string{"1": live.Began, "0": ""} {
		texts, olds := []string{nodes("n1")}, []string{nodes("n1")}
		var names []string
		for i := range maxRolling {
			names = append(names, fmt.Sprintf("w%d", i))
			at := fmt.Sprintf("argocd.argoproj.io/sync-wave: %q", wave)
			olds = append(olds, deployment(names[i], 1, at))
			texts = append(texts, strings.Replace(deployment(names[i], 1, at), ":1\"", ":2\"", 1))
		}
		olds, texts = append(olds, deployment("web", 1, "")), append(texts, strings.Replace(deployment("web", 1, ""), ":1\"", ":2\"", 1))
		before, head := commit(t, "a1", olds...), commit(t, "b2", texts...)
		receipts := promoted(before, "web")
		pods := []live.Pod{running(before, "web", 0)}
		for _, name := range names {
			receipts = append(append(receipts, promoted(before, name)...), begunAt(head, name, 2))
			pods = append(pods, running(before, name, 0))
		}
		h := history(head)
		h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": before}
		p := Make(h, fleet(map[string][]live.Pod{"n1": pods}, receipts, "n1"), noon)
		got := ""
		for _, a := range p.Actions {
			if a.App.Name == "web" && a.Verb == Put {
				got = a.File.Labels[live.LabelReceipt]
			}
		}
		if got != verb {
			t.Errorf("with ten of wave %s in mid-rollout web of wave 0 writes down %q, want %q: %s", wave, got, verb, app(p, "web").Why)
		}
	}
}

func TestAWorkloadThatIsInNoCommitIsPlannedLikeAnother(t *testing.T) {
	head, more := commit(t, "a1", nodes("n1")), commit(t, "a1", nodes("n1"), deployment("web", 1, ""))
	have := fleet(map[string][]live.Pod{"n1": {running(more, "web", 0)}}, promoted(more, "web"), "n1")
	w := newWorld(history(head), have, noon)
	w.want.Workloads = more.Workloads
	if p := w.make(); app(p, "web").State != Converged || len(p.Actions) > 0 {
		t.Errorf("%s: %s\n%s", app(p, "web").State, app(p, "web").Why, p)
	}
}

func TestPodsOnLostNodesAreCountedAndCountForNothing(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), nodes("n2"), nodes("n3"), deployment("web", 1, ""))
	have := fleet(map[string][]live.Pod{"n3": {running(head, "web", 0)}}, promoted(head, "web"), "n1", "n2", "n3")
	have.Nodes[2].Silent = time.Hour
	p := Make(history(head), have, noon)
	if a := app(p, "web"); a.Lost != 1 || a.Total != 0 || a.Intended != 1 || a.Admitted != 1 {
		t.Errorf("%d lost, %d in all, %d of %d admitted, want 1, 0, 1 of 1:\n%s", a.Lost, a.Total, a.Admitted, a.Intended, p)
	}
}

// doneTo are the starts and stops of a plan, by workload and slot.
func doneTo(p Plan) (done []string) {
	for _, a := range p.Actions {
		if a.Verb == Run || a.Verb == Stop {
			done = append(done, fmt.Sprintf("%s %s-%s", a.Verb, a.App.Name, a.Name[strings.LastIndex(a.Name, "-")+1:]))
		}
	}
	return done
}

// A node of four cores, of which the pod of web has one. Its successor is to have three, and db has lost a pod of two.
func TestAPodStaysWhoseSuccessorsPlaceWentToOneThatIsMissed(t *testing.T) {
	before := commit(t, "a1", nodes("n1"), sized("db", "1", 2, beside), sized("web", "1", 1, stopOld))
	head := commit(t, "b2", nodes("n1"), sized("db", "1", 2, beside), sized("web", "2", 3, stopOld))
	p := running(before, "web", 0)
	p.Room.MilliCPU = 1000
	have := fleet(map[string][]live.Pod{"n1": {p}}, append(slices.Concat(promoted(before, "web"), promoted(head, "db")), begunAt(head, "web", 2)), "n1")
	h := history(head)
	h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": before}
	plan := Make(h, have, noon)
	if got := doneTo(plan); !slices.Equal(got, []string{"run db-0"}) {
		t.Errorf("did %v:\n%s", got, plan)
	}
}

func TestALowerWaveHasTheFirstChoiceOfRoom(t *testing.T) {
	waved := func(name, wave string) string {
		return strings.Replace(sized(name, "1", 3, beside), "annotations: {", "annotations: {"+wave, 1)
	}
	head := commit(t, "a1", nodes("n1"), waved("db", lower), waved("aaa", higher))
	plan := Make(history(head), fleet(nil, slices.Concat(promoted(head, "db"), promoted(head, "aaa")), "n1"), noon)
	if got := doneTo(plan); !slices.Equal(got, []string{"run db-0"}) {
		t.Errorf("did %v:\n%s", got, plan)
	}
}

// Two nodes of four cores, and a pod of web that ends on each. One of four cores is to follow, and aaa wants two.
func TestPodsThatEndKeepPlacesForAsManyAsFollow(t *testing.T) {
	two := strings.Replace(sized("web", "1", 1, stopOld), "replicas: 1", "replicas: 2", 1)
	before := commit(t, "a1", nodes("n1", "n2"), two)
	head := commit(t, "b2", nodes("n1", "n2"), sized("aaa", "1", 2, beside), sized("web", "2", 4, stopOld))
	pods := map[string][]live.Pod{}
	for slot, name := range []string{"n1", "n2"} {
		p := running(before, "web", slot)
		p.Stopping, p.Room.MilliCPU = true, 1000
		pods[name] = []live.Pod{p}
	}
	have := fleet(pods, append(promoted(before, "web"), begunAt(head, "web", 2), begunAt(head, "aaa", 1)), "n1", "n2")
	h := history(head)
	h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": before}
	plan := Make(h, have, noon)
	if got := doneTo(plan); !slices.Equal(got, []string{"run aaa-0"}) {
		t.Errorf("did %v:\n%s", got, plan)
	}
}

// A look that takes long says nothing yet. What the node showed last is what it is taken to run, however short its grace, and nothing is asked
// of it; nor is what runs on one that did fall silent given up while so many others may be about to.
func TestANodeThatIsLateIsAskedForNothingAndNotGivenUp(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), nodes("n2"), nodes("n3"), deployment("web", 2, ""))
	for i := range head.Nodes {
		head.Nodes[i].Grace = time.Second
	}
	for _, c := range []struct {
		claim string
		late  []int
		state State
		note  string
	}{
		{"one is late", []int{2}, Progressing, "n3 late for 4s: no answer yet"},
		{"all are", []int{0, 1, 2}, Progressing, "n1 late for 4s: no answer yet"},
		{"another fell silent", []int{1}, Held, "n3 fell silent: nothing is moved until they are back or cordoned"},
	} {
		have := fleet(map[string][]live.Pod{"n2": {running(head, "web", 0)}, "n3": {running(head, "web", 1)}}, promoted(head, "web"), "n1", "n2", "n3")
		have.Nodes[2].Silent = 4 * time.Second
		for _, i := range c.late {
			have.Nodes[i].Silent, have.Nodes[i].Late = 4*time.Second, true
		}
		p := Make(history(head), have, noon)
		a := app(p, "web")
		if a.State != c.state || a.Lost > 0 || len(p.Actions) > 0 || !slices.Contains(p.Notes, c.note) || p.Wake.IsZero() {
			t.Errorf("%s: %s, %d lost, wakes at %s, want %s and %q:\n%s", c.claim, a.State, a.Lost, p.Wake, c.state, c.note, p)
		}
	}
}

func TestANodeThatAnswersPingsIsGivenUpOnlyWhenItIsCordoned(t *testing.T) {
	head := commit(t, "a1", nodes("n1"), nodes("n2"), nodes("n3"), deployment("web", 1, ""))
	for _, c := range []struct {
		silent    time.Duration
		cordoned  bool
		state     State
		lost      int
		wantsRuns bool
	}{
		{time.Second, false, Progressing, 0, false},
		{time.Hour, false, Held, 0, false},
		{time.Hour, true, Progressing, 1, true},
	} {
		have := fleet(map[string][]live.Pod{"n3": {running(head, "web", 0)}}, promoted(head, "web"), "n1", "n2", "n3")
		have.Nodes[2].Silent, have.Nodes[2].Slow, have.Nodes[2].Pings = c.silent, true, true
		head.Nodes[2].Unschedulable = c.cordoned
		p := Make(history(head), have, noon)
		runs := slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Verb == Run })
		if a := app(p, "web"); a.State != c.state || a.Lost != c.lost || runs != c.wantsRuns || c.state == Held && !slices.Equal(a.Awaits, []string{"n3"}) {
			t.Errorf("silent for %s, cordoned: %v: %s, %d lost, awaits %q, want %s:\n%s", c.silent, c.cordoned, a.State, a.Lost, a.Awaits, c.state, p)
		}
	}
}
