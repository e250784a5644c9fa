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

// staged is a Rollout with these steps.
func staged(name, tag string, replicas int, steps string) string {
	return fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: %s}
spec:
  replicas: %d
  selector: {matchLabels: {app: %[1]s}}
  strategy: {canary: {steps: [%[3]s]}}
  template:
    metadata: {labels: {app: %[1]s, tier: front}}
    spec: {containers: [{name: app, image: "example.com/%[1]s:%[4]s"}]}
`, name, replicas, steps, tag)
}

// rolloutID is a Rollout's.
func rolloutID(name string) manifest.ID {
	return manifest.ID{Kind: "Rollout", Namespace: "default", Name: name}
}

// asking is the set with a word about its Rollout's strategy.
func asking(set manifest.Set, say func(*manifest.Strategy)) manifest.Set {
	for i := range set.Workloads {
		if r := set.Workloads[i].Strategy.Rollout; r != nil {
			own := *r
			set.Workloads[i].Strategy.Rollout = &own
			say(&set.Workloads[i].Strategy)
		}
	}
	return set
}

// paused is a fleet of three nodes in the midst of a rollout from one set's revision of web to another's: so many pods of either, and the first
// step is done.
func paused(old, head manifest.Set, stable, canary int) (manifest.History, live.Snapshot) {
	names, pods, i := []string{"n1", "n2", "n3"}, map[string][]live.Pod{}, 0
	var receipts []live.Receipt
	for gen, set := range []manifest.Set{old, head} {
		wl := find(set, rolloutID("web"))
		for slot := range []int{stable, canary}[gen] {
			p := aged(*wl, set.Commit, slot)
			p.Gen, p.Birth = gen+1, live.BirthOf(wl.Revision)
			pods[names[i%3]] = append(pods[names[i%3]], p)
			i++
		}
		r := live.Receipt{App: wl.ID, Verb: live.Began, Rev: wl.Revision.Rev, Gen: gen + 1, Commit: set.Commit, Time: noon.Add(-time.Minute)}
		receipts = append(receipts, r)
		if r.Verb = live.Promoted; gen == 1 {
			r.Verb, r.Step, r.Steps = live.Stepped, 1, "1@"+wl.Strategy.StepsDigest()
		}
		receipts = append(receipts, r)
	}
	h := history(head)
	h.Ancestor[old.Commit], h.At = true, map[string]manifest.Set{old.Commit: old}
	return h, fleet(pods, receipts, names...)
}

func TestPodsOlderThanRestartAtAreReplacedInTheirRevision(t *testing.T) {
	for _, c := range []struct {
		name, steps    string
		away           int
		floor, ceiling int
	}{
		{"a successor comes first", "", 0, 4, 5},
		{"so many at a time as may be away", "", 1, 3, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := asking(commit(t, "a1", nodes("n1", "n2"), staged("web", "1", 4, c.steps)), func(s *manifest.Strategy) {
				s.Rollout.RestartAt, s.MaxUnavailable, s.MaxSurge = noon.Add(-30*time.Second), c.away, 1
			})
			have := older(head, "n1", "n2")
			for i := range have.Nodes {
				for j := range have.Nodes[i].Pods {
					have.Nodes[i].Pods[j].Birth.Network = manifest.NetworkLayout
				}
			}
			have, last := watch(t, history(head), have, c.floor, c.ceiling)
			total := 0
			for _, n := range have.Nodes {
				for _, p := range n.Pods {
					total++
					if p.Created.Before(noon) || p.Gen != 1 {
						t.Errorf("%s of %s in generation %d is left", p.Name, p.Created, p.Gen)
					}
				}
			}
			if total != 4 || app(last, "web").State != Converged {
				t.Errorf("%d pods are left\n%s", total, last)
			}
		})
	}
}

func TestARestartIsWaitedFor(t *testing.T) {
	at := noon.Add(time.Hour)
	head := asking(commit(t, "a1", nodes("n1"), staged("web", "1", 2, "")), func(s *manifest.Strategy) { s.Rollout.RestartAt = at })
	have := older(head, "n1")
	for j := range have.Nodes[0].Pods {
		have.Nodes[0].Pods[j].Birth.Network = manifest.NetworkLayout
	}
	if p := Make(history(head), have, noon); len(p.Actions) > 0 || !p.Wake.Equal(at) {
		t.Errorf("it wakes at %s\n%s", p.Wake, p)
	}
}

func TestAmidARolloutStablePodsAreRestartedFirst(t *testing.T) {
	for _, c := range []struct {
		name string
		away int
		stop string
	}{
		{"as many as may be away", 1, "stop web 1"},
		{"and none where none may", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			say := func(s *manifest.Strategy) {
				s.Rollout.RestartAt, s.MaxUnavailable, s.MaxSurge = noon.Add(-30*time.Second), c.away, 1
			}
			old := asking(commit(t, "a1", nodes("n1", "n2", "n3"), staged("web", "1", 4, "{setWeight: 25}, {pause: {}}")), say)
			head := asking(commit(t, "b2", nodes("n1", "n2", "n3"), staged("web", "2", 4, "{setWeight: 25}, {pause: {}}")), say)
			h, have := paused(old, head, 3, 1)
			var stopped []string
			for _, a := range Make(h, have, noon).Actions {
				if a.Verb == Stop {
					stopped = append(stopped, fmt.Sprint("stop web ", genOn(have, a.Name)))
				}
			}
			if got := strings.Join(stopped, ", "); got != c.stop {
				t.Errorf("%q, want %q", got, c.stop)
			}
		})
	}
}

// genOn is the generation of the pod of that name.
func genOn(have live.Snapshot, name string) int {
	for _, n := range have.Nodes {
		if i := slices.IndexFunc(n.Pods, func(p live.Pod) bool { return p.Name == name }); i >= 0 {
			return n.Pods[i].Gen
		}
	}
	return 0
}

// born are the pods that a plan runs, with what they are given.
func born(p Plan) (pods []live.Pod) {
	for _, a := range p.Actions {
		if a.Verb == Run {
			pod, _ := live.ParsePod(a.Name, a.Pod.Labels)
			pod.IP = a.Node
			pods = append(pods, pod)
		}
	}
	return pods
}

func TestAPodIsBornInTheRoleOfItsRevision(t *testing.T) {
	say := func(s *manifest.Strategy) {
		s.MaxSurge = 4
		s.Rollout.New = manifest.RoleMeta{Labels: map[string]string{"tier": "canary"}, Annotations: map[string]string{"example.com/role": "new"}}
		s.Rollout.Stable = manifest.RoleMeta{Labels: map[string]string{"role": "stable"}}
	}
	old := asking(commit(t, "a1", nodes("n1", "n2", "n3"), staged("web", "1", 4, "{setWeight: 50}")), say)
	head := asking(commit(t, "b2", nodes("n1", "n2", "n3"), staged("web", "2", 4, "{setWeight: 50}")), say)
	if find(old, rolloutID("web")).Revision.Rev != find(commit(t, "a1", staged("web", "1", 4, "")), rolloutID("web")).Revision.Rev {
		t.Error("what a role adds is part of the revision")
	}
	first := born(Make(history(old), fleet(nil, hasBegunAs(old), "n1", "n2", "n3"), noon))
	h, have := paused(old, head, 1, 1)
	midway := born(Make(h, have, noon))
	for _, c := range []struct {
		name        string
		pods        []live.Pod
		gen         int
		labels      map[string]string
		annotations map[string]string
	}{
		{"the first revision is stable from the beginning", first, 1, map[string]string{"app": "web", "tier": "front", "role": "stable"}, nil},
		{"so is one that the stable one lost", midway, 1, map[string]string{"app": "web", "tier": "front", "role": "stable"}, nil},
		{"HEAD's is new beside it", midway, 2, map[string]string{"app": "web", "tier": "canary"}, map[string]string{"example.com/role": "new"}},
	} {
		i := slices.IndexFunc(c.pods, func(p live.Pod) bool { return p.Gen == c.gen })
		if i < 0 {
			t.Errorf("%s: none is born: %v", c.name, c.pods)
			continue
		}
		if diff := cmp.Diff(c.labels, c.pods[i].Birth.Labels) + cmp.Diff(c.annotations, c.pods[i].Birth.Role.Annotations); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// hasBegunAs are the receipts of a first rollout of web that goes on.
func hasBegunAs(set manifest.Set) []live.Receipt {
	wl := find(set, rolloutID("web"))
	return []live.Receipt{{App: wl.ID, Verb: live.Began, Rev: wl.Revision.Rev, Gen: 1, Commit: set.Commit, Time: noon}}
}

func TestARolloutWhosePodsCannotStandSideBySideIsNotBegun(t *testing.T) {
	port := func(text string) string {
		return strings.ReplaceAll(text, `"}]}`, `", ports: [{containerPort: 80, hostPort: 80}]}]}`)
	}
	claimed := func(text string) string {
		return strings.ReplaceAll(text, `"}]}`, `", volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, persistentVolumeClaim: {claimName: d}}]}`) +
			"---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: d}\nspec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}\n"
	}
	for _, c := range []struct {
		name     string
		with     func(string) string
		replicas int
		kind     string
		away     int
		why      string
	}{
		{"a host port on every node, and no pod may be away", port, 3, manifest.Canary, 0,
			"host port 80/tcp leaves room on 3 nodes for 3 pods, and a Rollout stops no pod first: it needs room for 4; do without the host port, or make it a Deployment"},
		{"one may be", port, 3, manifest.Canary, 1, ""},
		{"a node is free", port, 2, manifest.Canary, 0, ""},
		{"two sets need twice the room", port, 2, manifest.BlueGreen, 0,
			"host port 80/tcp leaves room on 3 nodes for 2 pods, and a Rollout stops no pod first: it needs room for 4; do without the host port, or make it a Deployment"},
		{"or have it", port, 1, manifest.BlueGreen, 0, ""},
		{"a claim for one pod at a time", claimed, 1, manifest.Canary, 1,
			"claim d is for one pod at a time, and a Rollout stops no pod first: make it a Deployment, or the claim ReadWriteMany"},
	} {
		t.Run(c.name, func(t *testing.T) {
			say := func(s *manifest.Strategy) { s.Type, s.MaxUnavailable = c.kind, c.away }
			old := asking(commit(t, "a1", nodes("n1", "n2", "n3"), c.with(staged("web", "1", c.replicas, ""))), say)
			head := asking(commit(t, "b2", nodes("n1", "n2", "n3"), c.with(staged("web", "2", c.replicas, ""))), say)
			old.Claims, head.Claims = nil, nil // of a claim that nobody knows one pod at a time is sure to be right
			h, have := paused(old, head, c.replicas, 0)
			for i := range have.Nodes {
				have.Nodes[i].Receipts, have.Nodes[i].Volumes = have.Nodes[i].Receipts[:2], []string{"default/d"}
			}
			p := Make(h, have, noon)
			_, why, held := strings.Cut(app(p, "web").Why, "is not begun: ")
			if held != (c.why != "") || why != c.why || held && len(born(p)) > 0 {
				t.Errorf("%s: %q, want %q", app(p, "web").State, why, c.why)
			}
		})
	}
}

func TestAntiAffinityKeepsRevisionsApartWhileARolloutIsUnderWay(t *testing.T) {
	for _, c := range []struct {
		name     string
		required bool
		stable   int
		over     bool
		on, why  string
	}{
		{"a node without the other revision", true, 2, false, "n3", ""},
		{"or none", true, 3, false, "", "3 with a pod of another revision, which antiAffinity keeps apart"},
		{"any, where it is preferred", false, 3, false, "n1", ""},
		{"and where the rollout is over", true, 3, true, "n1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			say := func(s *manifest.Strategy) {
				s.MaxSurge, s.Rollout.AntiAffinity = 1, &manifest.Apart{Required: c.required, Weight: 1}
			}
			text := func(tag string) string { return staged("web", tag, 3, "{setWeight: 34}, {setWeight: 34}") }
			old := asking(commit(t, "a1", nodes("n1", "n2", "n3"), text("1")), say)
			head := asking(commit(t, "b2", nodes("n1", "n2", "n3"), text("2")), say)
			h, have := paused(old, head, c.stable, 0)
			if c.over {
				wl := find(head, rolloutID("web"))
				done := live.Receipt{App: wl.ID, Verb: live.Promoted, Rev: wl.Revision.Rev, Gen: 2, Commit: "b2", Time: noon, Source: source, Signer: key}
				for i := range have.Nodes {
					have.Nodes[i].Receipts = append(slices.Clone(have.Nodes[i].Receipts), done)
				}
			}
			p, on := Make(h, have, noon), ""
			for _, pod := range born(p) {
				if pod.Gen == 2 && on == "" {
					on = pod.IP
				}
			}
			if on != c.on || !strings.Contains(strings.Join(app(p, "web").Waits, "\n"), c.why) {
				t.Errorf("on %q, want %q, %q\n%s", on, c.on, c.why, p)
			}
		})
	}
}
