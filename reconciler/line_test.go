package reconciler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// rough is a source of which single commits cannot be read.
type rough struct {
	past
	broken map[string]bool
}

func (s rough) Load(ctx context.Context, commit string) (manifest.Set, error) {
	set, err := s.past.Load(ctx, commit)
	if s.broken[commit] {
		return manifest.Set{}, errors.New("i/o timeout")
	}
	return set, err
}

// walker is a reader of lines that a test writes.
type walker struct {
	reader
	source rough
	now    time.Time
}

func newWalker() *walker {
	w := &walker{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.source = rough{past{&shelf{sets: map[string]manifest.Set{}}}, map[string]bool{}}
	w.reader = reader{Options: Options{Source: w.source, ReadTimeout: time.Hour, Now: func() time.Time { return w.now }}}
	return w
}

func deployed(name string) manifest.ID {
	return manifest.ID{Kind: "Deployment", Namespace: "default", Name: name}
}

// holding is a commit in which Deployments of these names stand, in order.
func holding(parent string, names ...string) manifest.Set {
	set := manifest.Set{Parent: parent}
	for _, name := range names {
		r := manifest.Revision{App: deployed(name), Rev: "v1-" + name}
		set.Workloads = append(set.Workloads, manifest.Workload{Meta: manifest.Meta{ID: r.App}, Revision: r})
	}
	return set
}

// add puts one more commit on the line.
func (w *walker) add(commit, parent string, names ...string) {
	set := holding(parent, names...)
	set.Commit = commit
	w.source.sets[commit] = set
}

// at is what a pass is told of the past of a head when pods of these workloads live, and which commits it read for that.
func (w *walker) at(head string, pods ...string) (h manifest.History, read []string) {
	w.source.shelf.loads = nil
	n := live.Node{Name: "n1"}
	for _, name := range pods {
		n.Pods = append(n.Pods, live.Pod{Name: name, App: deployed(name), Source: "shelf"})
	}
	from := reading{ok: true, head: w.source.sets[head], fetched: w.now}
	w.now = w.now.Add(time.Second)
	h = w.history(context.Background(), from, fleet{}, live.Snapshot{Nodes: []live.Node{n}})
	return h, w.source.shelf.loads
}

// stood is where each workload that was asked about stood.
func stood(h manifest.History, names ...string) (all []string) {
	for _, name := range names {
		set, asked := h.Past[manifest.LastStood(deployed(name))]
		if asked {
			all = append(all, name+" "+set.Commit)
		}
	}
	return all
}

func TestTheLineIsReadOnceForAllQuestionsAndAllPasses(t *testing.T) {
	w := newWalker()
	w.add("c0", "", "a", "b")
	w.add("c1", "c0", "a")
	w.add("c2", "c1")
	w.add("c3", "c2")
	w.add("x2", "c1", "c")
	w.add("x3", "x2")
	for _, step := range []struct {
		claim, head string
		read, stood []string
	}{
		{"all questions take one walk", "c2", []string{"c1", "c0"}, []string{"a c1", "b c0", "c "}},
		{"the next pass reads nothing", "c2", nil, []string{"a c1", "b c0", "c "}},
		{"a push is read, and the answers, for what is wanted of them may be more", "c3", []string{"c2", "c1", "c0"}, []string{"a c1", "b c0", "c "}},
		{"another history is read back to the root", "x3", []string{"x2", "c1", "c0"}, []string{"a c1", "b c0", "c x2"}},
		{"what was pushed before is not taken for its past", "c1", []string{"c0"}, []string{"a c0", "b c0", "c "}},
	} {
		asked := []string{"a", "b", "c"}
		if step.head == "c1" { // which has one of them
			asked, step.stood = asked[1:], step.stood[1:]
		}
		h, read := w.at(step.head, asked...)
		if diff := cmp.Diff(step.read, read); diff != "" {
			t.Errorf("%s: read %s", step.claim, diff)
		}
		if diff := cmp.Diff(step.stood, stood(h, asked...)); diff != "" {
			t.Errorf("%s: %s", step.claim, diff)
		}
	}
	if w.at("c3"); len(w.searches) > 0 {
		t.Errorf("what nobody asks is remembered: %v", w.searches)
	}
}

func TestALineThatCannotBeReadIsNoAbsence(t *testing.T) {
	w := newWalker()
	w.add("c0", "", "a", "b")
	w.add("c1", "c0")
	w.add("c2", "c1", "b")
	w.add("c3", "c2")
	w.add("c4", "c3")
	w.source.broken["c1"] = true
	for i, step := range []struct {
		head        string
		read, stood []string
		err         string
	}{
		{"c3", []string{"c2", "c1"}, []string{"b c2"}, "load c1: i/o timeout"},
		{"c3", []string{"c1"}, []string{"b c2"}, "load c1: i/o timeout"}, // after a second, and then not for two
		{"c3", nil, []string{"b c2"}, "load c1: i/o timeout"},
		{"c4", []string{"c3", "c1", "c2", "c0"}, []string{"a c0", "b c2"}, ""},
		{"c4", nil, []string{"a c0", "b c2"}, ""},
	} {
		if i == 3 {
			delete(w.source.broken, "c1")
			w.now = w.now.Add(time.Minute)
		}
		if i > 0 { // no fetch came in between, so nothing is forgotten
			w.asOf = w.now
		}
		h, read := w.at(step.head, "a", "b")
		if diff := cmp.Diff(step.read, read); diff != "" {
			t.Errorf("%d: read %s", i, diff)
		}
		if diff := cmp.Diff(step.stood, stood(h, "a", "b")); diff != "" || h.Err != step.err {
			t.Errorf("%d: %q: %s", i, h.Err, diff)
		}
	}
}

// Whatever was asked before, and wherever HEAD went, the line says what it says to one who asks for the first time.
func TestWhatIsRememberedOfTheLineIsWhatItSays(t *testing.T) {
	for seed := range uint64(300) {
		dice := rand.New(rand.NewPCG(seed, 1))
		w, names := newWalker(), []string{"a", "b", "c", "d"}
		all := []string{""}
		for i := range 30 {
			some := slices.DeleteFunc(slices.Clone(names), func(string) bool { return dice.IntN(4) > 0 })
			w.add(fmt.Sprint("c", i), all[max(0, len(all)-1-dice.IntN(3)*dice.IntN(4))], some...)
			all = append(all, fmt.Sprint("c", i))
		}
		at := 1
		for range 30 {
			at = min(max(1, at+dice.IntN(6)-2), len(all)-1)
			w.source.broken = map[string]bool{all[dice.IntN(len(all))]: true}
			some := slices.DeleteFunc(slices.Clone(names), func(string) bool { return dice.IntN(3) == 0 })
			h, _ := w.at(all[at], some...)
			anew := newWalker()
			anew.source.sets = w.source.sets
			want, _ := anew.at(all[at], some...)
			for q, answer := range h.Past {
				if want.Past[q].Commit != answer.Commit || len(want.Past[q].Workloads) != len(answer.Workloads) {
					t.Fatalf("seed %d at %s: %v: %q, want %q", seed, all[at], q, answer.Commit, want.Past[q].Commit)
				}
			}
			if h.Err == "" && len(h.Past) != len(want.Past) {
				t.Fatalf("seed %d at %s: answered are %v, want %v", seed, all[at], slices.Collect(maps.Keys(h.Past)), slices.Collect(maps.Keys(want.Past)))
			}
		}
	}
}

func TestAnOldRejectionIsLookedForOnce(t *testing.T) {
	const depth = 90
	loads := 0
	source := chronicle{&shelf{}, 2, &loads, map[string]manifest.Parsed{}}
	r := reader{Options: Options{Source: source, ReadTimeout: time.Hour, Now: time.Now}}
	for _, step := range []struct{ head, loads int }{
		{100, depth}, {100, 0}, {101, 1}, // only what came since
	} {
		head, err := source.Load(t.Context(), fmt.Sprint("c", step.head))
		if err != nil {
			t.Fatal(err)
		}
		have := live.Snapshot{Nodes: []live.Node{{Name: "n1", Receipts: []live.Receipt{rejected(head, 100-depth)}}}}
		loads = 0
		h := r.history(t.Context(), reading{ok: true, head: head}, fleet{head: head.Nodes}, have)
		if loads != step.loads {
			t.Errorf("HEAD is c%d: %d loads", step.head, loads)
		}
		if set, asked := h.Past[manifest.ChangedSince(still(head), fmt.Sprint("c", 100-depth))]; !asked || set.Commit != "" || len(r.searches) != 1 {
			t.Errorf("HEAD is c%d: %d questions, changed in %q, asked %t", step.head, len(r.searches), set.Commit, asked)
		}
	}
}

func TestAPassPutsTheFactsTogetherOnce(t *testing.T) {
	b := newBed("n1")
	b.shelf.head = "c2"
	b.shelf.sets["c1"] = holding("", "web")
	b.shelf.sets["c2"] = manifest.Set{Parent: "c1", Nodes: fleetOf("n1")}
	b.sites["n1"].pods["web"] = live.Pod{Name: "web", App: web, Source: "shelf", Rev: "v1-web", Commit: "c1"}
	b.Source, b.Serial = past{b.shelf}, true
	r := b.new()
	defer r.Close()
	worlds, think := 0, r.think
	r.think = func(h manifest.History, s live.Snapshot, now time.Time) thought {
		worlds++
		return think(h, s, now)
	}
	h := r.Pass(t.Context()).History
	if worlds != 1 || h.Stood(web) == nil || len(h.At["c1"].Workloads) != 1 {
		t.Errorf("%d worlds; stood in %v, and its form in %v", worlds, h.Past, h.At)
	}
}
