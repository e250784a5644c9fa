package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// sideful is a history whose controller offers a node side for amd64.
func sideful(head manifest.Set, version string) manifest.History {
	h := history(head)
	h.Side = manifest.SideOffer{Version: version, Images: map[string]string{"amd64": "localhost/podkeep-node:" + version}}
	return h
}

// sidePod is a node side that runs.
func sidePod(version string) live.Pod {
	return live.Pod{
		Name: "node-" + version, Cluster: "default", Source: source, App: live.SideApp, Side: version, Restart: "Always", Expect: []string{live.SideContainer},
		Created: noon.Add(-time.Hour), Containers: []live.Container{{Name: live.SideContainer, State: live.Running, Started: noon.Add(-time.Hour)}},
	}
}

// sides are nodes with node sides, as "n1=1+" has it: version 1, which is heard.
func sides(all ...string) live.Snapshot {
	var s live.Snapshot
	for _, text := range all {
		name, version, _ := strings.Cut(text, "=")
		n := live.Node{Name: name, Known: true, Room: manifest.Resources{MilliCPU: 4000, Memory: 8 << 30}, Facts: live.Facts{Arch: "amd64"}}
		for v := range strings.SplitSeq(version, ",") {
			v, heard := strings.CutSuffix(v, "+")
			if v != "" {
				n.Pods = append(n.Pods, sidePod(v))
			}
			if heard {
				n.Side.Version = v
			}
		}
		s.Nodes = append(s.Nodes, n)
	}
	return s
}

func TestEveryHostGetsANodeSide(t *testing.T) {
	for _, c := range []struct {
		claim  string
		have   live.Snapshot
		change func(*manifest.History, *live.Snapshot)
		want   []string
		lacks  map[string]string
	}{
		{"where there is none", sides("n1", "n2=1+"), nil, []string{"n1 run"}, nil},
		{"all at once", sides("n1", "n2"), nil, []string{"n1 run", "n2 run"}, nil},
		{"tainted and cordoned ones too", sides("n1"), func(h *manifest.History, _ *live.Snapshot) {
			h.Head.Nodes[0].Unschedulable = true
		}, []string{"n1 run"}, nil},
		{"none while it is not known which binary it needs", sides("n1"), func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Facts.Arch = "" },
			nil, map[string]string{"n1": "it has not said yet which architecture it has"}},
		{"none where there is no binary for it", sides("n1"), func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Facts.Arch = "riscv64" },
			nil, map[string]string{"n1": "there is no node side for riscv64 (--node-binary riscv64=PATH)"}},
		{"what keeps it from starting is said", sides("n1"), func(h *manifest.History, s *live.Snapshot) {
			name := Make(*h, *s, noon).Actions[0].Name
			s.Nodes[0].Troubles = []live.Trouble{{Name: name, Why: "permission denied"}}
		}, []string{"n1 run"}, map[string]string{"n1": "its node side does not start: permission denied"}},
		{"nothing is done about one that is heard", sides("n1=1+"), nil, nil, nil},
		{"a silent host is left alone", sides("n1"), func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Silent = time.Second }, nil, nil},
		{"one that is not heard is waited for", sides("n1=1"), func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Side.Why = "connection refused" },
			nil, map[string]string{"n1": "its node side is not heard: connection refused"}},
		{"for a while", sides("n1=1"), func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Side.Silent = deaf },
			[]string{"n1 stop node-1"}, map[string]string{"n1": "its node side is not heard yet"}},
		{"one that exited is Podman's to start again", sides("n1=1"), func(_ *manifest.History, s *live.Snapshot) {
			s.Nodes[0].Pods[0].Containers[0] = live.Container{Name: live.SideContainer, State: live.Exited, Started: noon.Add(-time.Hour), Finished: noon.Add(1 - restarting)}
		}, nil, map[string]string{"n1": "its node side is not heard yet"}},
		{"and if that does not, it is made anew", sides("n1=1"), func(_ *manifest.History, s *live.Snapshot) {
			s.Nodes[0].Pods[0].Containers[0] = live.Container{Name: live.SideContainer, State: live.Exited, Started: noon.Add(-time.Hour), Finished: noon.Add(-restarting)}
		}, []string{"n1 stop node-1"}, map[string]string{"n1": "its node side is not heard yet"}},
		{"one that was made and not started is started", sides("n1=1"), func(_ *manifest.History, s *live.Snapshot) {
			s.Nodes[0].Pods[0].Containers[0] = live.Container{Name: live.SideContainer, State: live.Created}
		}, []string{"n1 run node-1"}, map[string]string{"n1": "its node side is not heard yet"}},
		{"a higher one follows on one host first", sides("n1=1+", "n2=1+"), func(h *manifest.History, _ *live.Snapshot) { h.Side.Version, h.Side.Images["amd64"] = "2", "i" },
			[]string{"n1 stop node-1"}, map[string]string{"n2": "version 2 follows 1 once it is heard on n1"}},
		{"and while it is not heard there, the others keep theirs", sides("n1=2", "n2=1+"), func(h *manifest.History, _ *live.Snapshot) { h.Side.Version = "2" },
			nil, map[string]string{"n1": "its node side is not heard yet", "n2": "version 2 follows 1 once it is heard on n1"}},
		{"heard there, it follows on all", sides("n1=2+", "n2=1+", "n3=1+"), func(h *manifest.History, _ *live.Snapshot) { h.Side.Version = "2" },
			[]string{"n2 stop node-1", "n3 stop node-1"}, nil},
		{"its image is there before the old one goes", sides("n1=1+"), func(h *manifest.History, s *live.Snapshot) { h.Side.Version, s.Nodes[0].Pulls = "2", true },
			[]string{"n1 pull"}, nil},
		{"a lower one replaces nothing", sides("n1=2+"), nil, nil, nil},
		{"of two the lower one goes", sides("n1=1,2+"), func(h *manifest.History, _ *live.Snapshot) { h.Side.Version = "2" }, []string{"n1 stop node-1"}, nil},
		{"a reader that has none to offer leaves what is there", sides("n1=1+"), func(h *manifest.History, _ *live.Snapshot) { h.Side = manifest.SideOffer{} }, nil, nil},
		{"and what it leaves behind", sides("n1"), func(h *manifest.History, s *live.Snapshot) {
			h.Side, s.Nodes[0].Volumes = manifest.SideOffer{Refused: true}, []string{"podkeep.io/state", "default/data"}
		}, []string{"n1 delete podkeep-node"}, nil},
		{"but not while a pod is in the network that goes with it", sides("n1"), func(h *manifest.History, s *live.Snapshot) {
			h.Side, s.Nodes[0].Volumes = manifest.SideOffer{Refused: true}, []string{"podkeep.io/state"}
			s.Nodes[0].Pods = []live.Pod{{Name: "another-0", Source: "another", Birth: live.Birth{Network: manifest.NetworkOwn}}}
		}, nil, nil},
		{"where none is wanted it goes", sides("n1=1+"), func(h *manifest.History, _ *live.Snapshot) { h.Side = manifest.SideOffer{Refused: true} },
			[]string{"n1 stop node-1"}, nil},
	} {
		var names []string
		for _, n := range c.have.Nodes {
			names = append(names, n.Name)
		}
		h := sideful(commit(t, "a1", nodes(names...)), "1")
		if c.change != nil {
			c.change(&h, &c.have)
		}
		plan := Make(h, c.have, noon)
		var got []string
		for _, a := range plan.Actions {
			if a.App != live.SideApp || a.Why == "" {
				t.Errorf("%s: %+v", c.claim, a)
			}
			line, _, _ := strings.Cut(strings.Join([]string{a.Node, string(a.Verb), a.Name}, " "), " podkeep-node-")
			got = append(got, line)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s\n%s", c.claim, diff)
		}
		if len(c.lacks) != len(plan.Sides) || len(c.lacks) > 0 && cmp.Diff(c.lacks, plan.Sides) != "" {
			t.Errorf("%s: %v", c.claim, plan.Sides)
		}
	}
}

func TestTheNodeSideIsNoWorkload(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	have := sides("n1=1+", "n2=1+")
	have.Nodes[0].Pods = append(have.Nodes[0].Pods, running(head, "web", 0))
	plan := Make(sideful(head, "1"), have, noon)
	for _, a := range plan.Actions {
		if a.App == live.SideApp || a.Verb == Stop {
			t.Errorf("%+v", a)
		}
	}
	if len(plan.Apps) != 1 {
		t.Errorf("%+v", plan.Apps)
	}
	want := map[string]live.Tend{"n1": {Pods: []string{running(head, "web", 0).Name}, Node: "n1"}, "n2": {Node: "n2"}}
	if diff := cmp.Diff(want, plan.Tend); diff != "" {
		t.Error(diff)
	}
	suspended := head
	suspended.Workloads = slices.Clone(head.Workloads)
	suspended.Workloads[0].Suspended = true
	if plan := Make(sideful(suspended, "1"), have, noon); !slices.Equal(plan.Tend["n1"].Idle, want["n1"].Pods) {
		t.Errorf("what is suspended is probed and no more: %v", plan.Tend)
	}
}

func TestTheNodeSideLeavesAHostLast(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"))
	h := sideful(head, "1")
	h.Gone = []manifest.Node{left(t, "old")}
	have := sides("n1=1+", "n2=1+", "old=1+")
	have.Nodes[2].Files = was("i3", "old")
	if got := done(Make(h, have, noon)); !slices.Equal(got, []string{"old stop node-1"}) {
		t.Errorf("%v", got)
	}
	have.Nodes[2].Pods = append(have.Nodes[2].Pods, running(commit(t, "b2", nodes("n1"), deployment("web", 1, "")), "web", 0))
	if got := done(Make(h, have, noon)); slices.Contains(got, "old stop node-1") {
		t.Errorf("a pod is there still: %v", got)
	}
	have.Nodes[2].Pods, have.Nodes[2].Volumes = nil, []string{"podkeep.io/state"}
	if got := done(Make(h, have, noon)); !slices.Equal(got, []string{"old delete podkeep-node"}) {
		t.Errorf("what it leaves behind goes too: %v", got)
	}
	have.Nodes[2].Volumes = nil
	if got := done(Make(h, have, noon)); !slices.Contains(got, "n1 put done node/old") {
		t.Errorf("without it the host is done: %v", got)
	}
}
