package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// withProbes is the YAML of a Deployment whose pods have a readiness probe.
func withProbes(name string, replicas int) string {
	return strings.Replace(deployment(name, replicas, ""), "image: ", "readinessProbe: {tcpSocket: {port: 80}}, image: ", 1)
}

// probedPod is one that has been up for a minute, and that the node side says is ready or not.
func probedPod(set manifest.Set, name string, slot int, ready bool) live.Pod {
	p := running(set, name, slot)
	p.Containers[0].ID = "1"
	p.Probed = []live.Probed{{Container: "app", ID: "1", Started: true, Ready: ready, Since: noon.Add(-time.Minute)}}
	if !ready {
		p.Probed[0].Why = "readiness probe: 503"
	}
	return p
}

// serving is a fleet with a node side on each node, on which a settled workload of three runs.
func serving(set manifest.Set, name string) live.Snapshot {
	have := sides("n1=1+", "n2=1+", "n3=1+")
	for i, r := range fleet(nil, promoted(set, name), "n1", "n2", "n3").Nodes {
		p := probedPod(set, name, i, true)
		have.Nodes[i].Receipts, have.Nodes[i].Pods = r.Receipts, append(have.Nodes[i].Pods, p)
		have.Nodes[i].Side.Tends = []string{p.Name}
		have.Nodes[i].Files = []live.File{formFile(set, name, live.FormLabels(find(set, p.App).Revision, "default", source))}
	}
	return have
}

func formFile(set manifest.Set, name string, labels map[string]string) live.File {
	r := find(set, manifest.ID{Kind: "Deployment", Namespace: "default", Name: name}).Revision
	return live.File{Name: live.RevFile(r.App, r.Rev, key), Labels: labels, Signer: key}
}

// mute is a fleet of which one node side is not heard.
func mute(have live.Snapshot, node int) live.Snapshot {
	n := &have.Nodes[node]
	n.Side = live.Side{Silent: time.Second, Why: "connection refused"}
	n.Pods[len(n.Pods)-1].Probed = nil
	return have
}

// works are the plan's actions that are of no node side.
func works(p Plan) (did []string) {
	for _, a := range p.Actions {
		if a.App != live.SideApp && a.Verb != Put {
			did = append(did, a.Node+" "+string(a.Verb))
		}
	}
	return did
}

func TestWhatTheNodeSideKnows(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2", "n3"), withProbes("web", 3))
	newer := commit(t, "b2", nodes("n1", "n2", "n3"), strings.Replace(withProbes("web", 3), "web:1", "web:2", 1))
	drained := commit(t, "a1", nodes("n1", "n3"), withProbes("web", 3),
		strings.Replace(nodes("n2"), "spec: {", "spec: {taints: [{key: a, effect: NoExecute}], ", 1))
	none := commit(t, "b2", nodes("n1", "n2", "n3"), withProbes("web", 0))
	gone := commit(t, "b2", nodes("n1", "n2", "n3"))
	const unknown = "container app: the node side is not heard"
	exited := func(have live.Snapshot) live.Snapshot {
		c := &have.Nodes[1].Pods[1].Containers[0]
		c.State, c.Exit, c.Attempt, c.Finished = live.Exited, 137, live.Attempt(1, 1), noon
		return have
	}
	for _, c := range []struct {
		claim  string
		head   manifest.Set
		have   live.Snapshot
		change func(*manifest.History)
		did    string
		state  State
		says   string // among why and waits
		wake   time.Duration
	}{
		{"a settled workload needs nothing", head, serving(head, "web"), nil, "", Converged, "3 of 3", 0},
		{"one that is not ready is not counted, nor replaced", head, func() live.Snapshot {
			have := serving(head, "web")
			have.Nodes[1].Pods[1] = probedPod(head, "web", 1, false)
			return have
		}(), nil, "", Progressing, "container app: readiness probe: 503", patient - time.Minute},
		{"and is said to fail when that lasts", head, func() live.Snapshot {
			have := serving(head, "web")
			have.Nodes[1].Pods[1] = probedPod(head, "web", 1, false)
			have.Nodes[1].Pods[1].Probed[0].Since = noon.Add(-patient)
			return have
		}(), nil, "", Failed, "is not ready since 2026-09-01 11:50:00: container app: readiness probe: 503; push a revision that works", 0},
		{"nothing is stopped or replaced while the node side is not heard", head, mute(serving(head, "web"), 1), nil, "", Progressing, unknown, deaf - time.Second},
		{"nor drained", drained, mute(serving(head, "web"), 1), nil, "", Progressing, unknown, deaf - time.Second},
		{"nor counted: no update goes on without a word", newer, func() live.Snapshot {
			have := mute(serving(head, "web"), 1)
			began := promoted(newer, "web")[0]
			began.Gen, began.Source, began.Signer = 2, source, key
			for i := range have.Nodes {
				have.Nodes[i].Receipts = append(have.Nodes[i].Receipts, began)
			}
			fresh := probedPod(newer, "web", 0, false)
			fresh.Gen = 2
			have.Nodes[0].Pods = append(have.Nodes[0].Pods, fresh)
			return have
		}(), nil, "", Progressing, unknown, deaf - time.Second},
		{"what has no replicas goes all the same", none, mute(serving(head, "web"), 1), nil, "n1 stop, n2 stop, n3 stop", Converged, "", -1},
		{"and what left Git", gone, mute(serving(head, "web"), 1), func(h *manifest.History) { h.AllowPrune = true }, "n1 stop, n2 stop, n3 stop", Pruning, "", -1},
		{"a person has to see to a node side that is not heard for long, and that nobody begins anew", head, func() live.Snapshot {
			have := mute(serving(head, "web"), 1)
			have.Nodes[1].Pods[0].Side, have.Nodes[1].Side.Silent = "9", 0
			have.Nodes[1].Pods[0].Containers[0].State = live.Exited
			return have
		}(), nil, "", Held, "is not known: its node side is not heard: connection refused; see there what podman logs says of it", 0},
		{"where none is wanted, that is said", head, mute(serving(head, "web"), 1), func(h *manifest.History) { h.Side = manifest.SideOffer{Refused: true} }, "", Held,
			"container app: its probes are not run: no node side is wanted on hosts (--node-side=never); give the host a node side, or push a revision without probes", 0},
		{"what ended is started again by the node side", head, exited(serving(head, "web")), nil, "", Progressing,
			"container app exited with 137, restarts at 12:00:10, which the node side of n2 sees to", 10 * time.Second},
		{"and by nobody else", head, func() live.Snapshot {
			have := exited(serving(head, "web"))
			have.Nodes[1].Pods[1].Containers[0].Attempt = 0
			return have
		}(), nil, "", Progressing, "container app exited with 137, which the node side of n2 sees to", patient},
		{"while it is heard", head, func() live.Snapshot {
			have := mute(exited(serving(head, "web")), 1)
			have.Nodes[1].Pods[1].Containers[0].Attempt = 0
			return have
		}(), nil, "n2 run", Progressing, "", deaf - time.Second},
		{"what it does not tend is the controller's", head, func() live.Snapshot {
			have := exited(serving(head, "web"))
			have.Nodes[1].Side.Tends, have.Nodes[1].Pods[1].Containers[0].Attempt = nil, 0
			return have
		}(), nil, "n2 run", Progressing, "", 0},
		{"and what is half made", head, func() live.Snapshot {
			have := serving(head, "web")
			have.Nodes[1].Pods[1].Containers = nil
			return have
		}(), nil, "n2 run", Progressing, "", 0},
	} {
		h := sideful(c.head, "1")
		if c.head.Commit != "a1" {
			h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": head}
		}
		if c.change != nil {
			c.change(&h)
		}
		plan := Make(along(h, c.have, head), c.have, noon)
		a := app(plan, "web")
		if did := strings.Join(works(plan), ", "); did != c.did || a.State != c.state || !strings.Contains(strings.Join(append(a.Waits, a.Why), "\n"), c.says) {
			t.Errorf("%s: %s: %s %q\n%s", c.claim, did, a.State, a.Why, plan)
		}
		if c.wake > 0 && !plan.Wake.Equal(noon.Add(c.wake)) || c.wake == 0 && !plan.Wake.IsZero() {
			t.Errorf("%s: wakes at %s", c.claim, plan.Wake)
		}
	}
}

func TestAFormWithoutItsProbesIsPutAgain(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2", "n3"), withProbes("web", 3))
	form := func(labels map[string]string) live.File { return formFile(head, "web", labels) }
	whole := live.FormLabels(head.Workloads[0].Revision, "default", source)
	bare := head.Workloads[0].Revision
	bare.Spec = *bare.Spec.DeepCopy()
	bare.Spec.Containers[0].ReadinessProbe = nil
	old := live.FormLabels(bare, "default", source)
	delete(old, live.LabelProbes)
	for _, c := range []struct {
		claim string
		files []live.File
		asked bool
		want  string
	}{
		{"an older podkeep's goes", []live.File{form(old)}, false, "delete"},
		{"to come again", nil, false, "put"},
		{"and stays", []live.File{form(whole)}, false, ""},
		{"that of a pod that is being started was put before, and is not seen yet", nil, true, ""},
	} {
		have := serving(head, "web")
		for i := range have.Nodes[1].Pods {
			have.Nodes[1].Pods[i].Asked = c.asked
		}
		have.Nodes[1].Files = c.files
		var did []string
		for _, a := range Make(sideful(head, "1"), have, noon).Actions {
			did = append(did, string(a.Verb))
			if a.Node != "n2" || !strings.HasPrefix(a.Name, "rev-web-") || a.File != nil && a.File.Labels[live.LabelObject] != whole[live.LabelObject] {
				t.Errorf("%s: %+v", c.claim, a)
			}
		}
		if got := strings.Join(did, " "); got != c.want {
			t.Errorf("%s: %s", c.claim, got)
		}
	}
	lost := sideful(commit(t, "b2", nodes("n1", "n2", "n3")), "1")
	have := serving(head, "web")
	for i := range have.Nodes {
		have.Nodes[i].Files = []live.File{form(old)}
	}
	for _, a := range Make(lost, have, noon).Actions {
		if a.Name == form(old).Name {
			t.Errorf("what nobody can write again stays: %+v", a)
		}
	}
}
