package reconciler

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

type (
	ctx    = context.Context
	driver = drivers.Driver
)

func TestASerialPassActsInPlanOrder(t *testing.T) {
	b := newBed("n1", "n2")
	b.Serial = true
	b.sites["n1"].fails["put f"] = 1
	b.sites["n1"].fails["pull bad"] = 1
	a := runs("n1", "a")
	a.Pod.Spec.ImagePullSecrets = append(a.Pod.Spec.ImagePullSecrets, named("f"))
	b.think = until(puts("n1", "f"), a, runs("n2", "b"), with(runs("n1", "c"), "bad", ""), runs("n1", "d"))
	r := b.new()
	defer r.Close()
	p := r.Pass(t.Context())
	if p.Err != nil || len(p.Plan.Actions) != 5 {
		t.Fatal(p.Err, p.Plan.Actions)
	}
	if diff := cmp.Diff([]string{"put f", "pull bad", "pull img", "run d"}, b.sites["n1"].heard()); diff != "" {
		t.Error(diff)
	}
	p = r.Pass(t.Context())
	var why []string
	for _, trouble := range p.Snapshot.Nodes[0].Troubles {
		why = append(why, trouble.Name+": "+trouble.Why)
	}
	if diff := cmp.Diff([]string{"a: waits for file f: broken", "c: broken", "f: broken"}, why); diff != "" {
		t.Error(diff)
	}
}

func TestADryRunBeginsNothing(t *testing.T) {
	for _, serial := range []bool{true, false} {
		b := newBed("n1")
		b.DryRun, b.Serial = true, serial
		b.think = until(puts("n1", "f"))
		r := b.new()
		p := r.Pass(t.Context())
		r.Close()
		if len(p.Plan.Actions) != 1 || len(b.sites["n1"].heard()) > 0 {
			t.Errorf("planned %v, heard %q", p.Plan.Actions, b.sites["n1"].heard())
		}
	}
}

func TestAPassThatIsCutOffThinksOfNothing(t *testing.T) {
	b := newBed("n1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.think = func(manifest.History, live.Snapshot, time.Time) plan.Plan {
		t.Error("it thought")
		return plan.Plan{}
	}
	r := b.new()
	defer r.Close()
	if p := r.Pass(ctx); !errors.Is(p.Err, context.Canceled) {
		t.Error(p.Err)
	}
}

func TestThisMachineIsTheFleetOnlyWhenNoOtherCanBe(t *testing.T) {
	here := manifest.Node{Meta: manifest.Meta{ID: manifest.ID{Kind: "Node", Name: "here"}}, ProviderID: "stub://here"}
	broken := []manifest.Problem{{Origin: manifest.Origin{File: "x.yaml", Line: 3}, Text: "what is this"}}
	notice := []manifest.Problem{{Text: "not built yet", Notice: true}}
	for _, c := range []struct {
		name   string
		line   []manifest.Set // oldest first
		want   string
		errHas string
	}{
		{"no Node anywhere", []manifest.Set{{}, {}}, "here", ""},
		{"a Node at HEAD", []manifest.Set{{}, {Nodes: fleetOf("n1")}}, "n1", ""},
		{"a Node that left", []manifest.Set{{Nodes: fleetOf("n1")}, {}}, "n1", ""},
		{"a file in error", []manifest.Set{{}, {Problems: broken}}, "", "x.yaml:3"},
		{"a notice is no error", []manifest.Set{{}, {Problems: notice}}, "here", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed("here", "n1")
			b.shelf.sets = map[string]manifest.Set{}
			for i, set := range c.line {
				b.shelf.head = "c" + string(rune('0'+i))
				if i > 0 {
					set.Parent = "c" + string(rune('0'+i-1))
				}
				b.shelf.sets[b.shelf.head] = set
			}
			b.Source, b.Local, b.Serial = past{b.shelf}, &here, true
			r := b.new()
			defer r.Close()
			p := r.Pass(t.Context())
			var names []string
			for _, n := range p.Snapshot.Nodes {
				names = append(names, n.Name)
			}
			if got := strings.Join(names, " "); got != c.want || !strings.Contains(p.History.Err, c.errHas) || p.Err != nil {
				t.Errorf("nodes %q, err %q, %v", got, p.History.Err, p.Err)
			}
			if c.want == "here" && (len(p.History.Head.Nodes) != 1 || p.History.Head.Nodes[0].Commit != b.shelf.head) {
				t.Errorf("HEAD's nodes: %+v", p.History.Head.Nodes)
			}
		})
	}
}

func TestThisMachineIsNoFleetWhereANodeMayHaveBeenDamaged(t *testing.T) {
	for text, want := range map[string]int{"": 0, "version https://git-lfs.github.com/spec/v1\n": 0, "replicas: 3\n": 1, "# none\n": 1} {
		b := newBed("here")
		b.shelf.sets["c1"] = manifest.Assemble(manifest.Info{Commit: "c1"}, []manifest.Parsed{manifest.Parse("nodes.yaml", []byte(text))})
		b.Local, b.Serial = &fleetOf("here")[0], true
		r := b.new()
		p := r.Pass(t.Context())
		if len(p.Snapshot.Nodes) != want || strings.Contains(p.History.Err, "nodes.yaml:1: ") != (want == 0) {
			t.Errorf("%q: %+v, %q", text, p.Snapshot.Nodes, p.History.Err)
		}
		r.Close()
	}
}

func TestAFileThatBreaksDoesNotTakeThisMachineAway(t *testing.T) {
	b := newBed("here")
	b.shelf.sets["c1"] = manifest.Set{}
	b.shelf.sets["c2"] = manifest.Set{Problems: []manifest.Problem{{Text: "broken"}}}
	b.Local, b.Serial = &fleetOf("here")[0], true
	r := b.new()
	defer r.Close()
	r.Pass(t.Context())
	b.shelf.head = "c2"
	if p := r.Pass(t.Context()); len(p.Snapshot.Nodes) != 1 || p.History.Err != "" {
		t.Errorf("%+v, %q", p.Snapshot.Nodes, p.History.Err)
	}
}

func TestTheHistoryHoldsWhatPodsNameAndThinkingAsksFor(t *testing.T) {
	b := newBed("n1")
	b.shelf.head = "c4"
	b.shelf.sets = map[string]manifest.Set{
		"c1": {}, "c2": holding("c1", "a", "d", "z"), "c3": holding("c2", "d"), "c4": holding("c3", "d"), "other": holding("", "c", "z"),
	}
	head := b.shelf.sets["c4"]
	head.Nodes = fleetOf("n1")
	b.shelf.sets["c4"] = head
	for name, commit := range map[string]string{"a": "c2", "b": "gone", "c": "other", "d": "c3"} {
		b.sites["n1"].pods[name] = live.Pod{Name: name, App: deployed(name), Source: "shelf", Rev: "v1-" + name, Commit: commit}
	}
	b.Source, b.Serial = past{b.shelf}, true
	r := b.new()
	defer r.Close()
	r.Pass(t.Context())
	h := r.Pass(t.Context()).History

	if diff := cmp.Diff(map[string]bool{"c2": true, "gone": false, "other": false, "c3": true}, h.Ancestor); diff != "" {
		t.Error(diff)
	}
	at := map[string]string{}
	for c, set := range h.At {
		for _, wl := range set.Workloads {
			at[c] += wl.Name
		}
	}
	if diff := cmp.Diff(map[string]string{"c2": "a", "other": "c"}, at); diff != "" {
		t.Errorf("of commits: what HEAD does not say itself, and nothing else: %s", diff)
	}
	for name, commit := range map[string]string{"a": "c2", "b": "", "c": "", "d": ""} {
		set, asked := h.Past[manifest.LastStood(deployed(name))]
		if set.Commit != commit || asked != (name != "d") || len(set.Workloads) != len(commit)/2 {
			t.Errorf("%s: stood in %v", name, set)
		}
	}
	counts := map[string]int{}
	for _, c := range b.shelf.loads {
		counts[c]++
	}
	if diff := cmp.Diff(map[string]int{"c1": 1, "c2": 2, "c3": 1, "c4": 1, "other": 1, "gone": 2}, counts); diff != "" {
		t.Errorf("loads, in two passes with a fetch each: %s", diff)
	}
}

func TestTheLineEndsAtTheRoot(t *testing.T) {
	b := newBed("n1")
	b.shelf.head = "c2"
	b.shelf.sets["c2"] = manifest.Set{Parent: "c1", Nodes: fleetOf("n1")}
	b.sites["n1"].pods["web"] = live.Pod{Name: "web", App: web, Source: "shelf"}
	for _, first := range []string{"", "gone"} {
		b.shelf.sets["c1"] = manifest.Set{Parent: first}
		b.Source, b.Serial = past{b.shelf}, true
		r := b.new()
		h := r.Pass(t.Context()).History
		r.Close()
		if set, asked := h.Past[manifest.LastStood(web)]; !asked || set.Commit != "" || h.Err != "" {
			t.Errorf("parent %q: stood in %q, asked %v, %s", first, set.Commit, asked, h.Err)
		}
	}
}

func named(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
