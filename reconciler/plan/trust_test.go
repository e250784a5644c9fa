package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Keys that are not the controller's.
var (
	oldKey   = manifest.KeyText([]byte("the key of the controller before"))
	otherKey = manifest.KeyText([]byte("a key that nobody else has heard"))
)

var webID = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}

// by gives what is on every node a signer.
func by(signer string, s live.Snapshot) live.Snapshot {
	out := live.Snapshot{Watched: s.Watched}
	for _, n := range s.Nodes {
		n.Pods, n.Receipts, n.Files = slices.Clone(n.Pods), slices.Clone(n.Receipts), slices.Clone(n.Files)
		for i := range n.Pods {
			n.Pods[i].Signer = signer
		}
		for i := range n.Receipts {
			n.Receipts[i].Signer = signer
			n.Receipts[i].File = n.Receipts[i].Name(signer)
		}
		for i := range n.Files {
			n.Files[i].Signer = signer
		}
		out.Nodes = append(out.Nodes, n)
	}
	return out
}

// live through rounds of plans, five seconds apart, all of which are carried out; each sees every plan and what it was made of.
func lived(h manifest.History, have live.Snapshot, rounds int, each func(round int, have live.Snapshot, p Plan)) live.Snapshot {
	for i := range rounds {
		now := noon.Add(time.Duration(i) * 5 * time.Second)
		p := Make(h, have, now)
		each(i, have, p)
		have = applied(have, p, now)
	}
	return have
}

// evil is a form and receipts as root on one host may write them: a revision that was never in Git, promoted, and HEAD's, rejected.
func evil(set manifest.Set, signer string) (receipts []live.Receipt, form live.File) {
	wl := find(set, webID)
	r := wl.Revision
	r.Rev = "v1-eeeeeeeeeeeeeeeeeeee"
	r.Spec = *wl.Revision.Spec.DeepCopy()
	privileged := true
	r.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &privileged}
	form = live.File{Name: live.RevFile(webID, r.Rev, signer), Signer: signer, Labels: live.FormLabels(r, "default", source)}
	add := func(verb, rev string, gen int) {
		w := live.Receipt{App: webID, Verb: verb, Rev: rev, Gen: gen, Commit: "z0", Time: noon.Add(-time.Minute), Source: source, Signer: signer}
		w.File = w.Name(signer)
		receipts = append(receipts, w)
	}
	add(live.Began, r.Rev, 50)
	add(live.Promoted, r.Rev, 50)
	add(live.Began, wl.Revision.Rev, 51)
	add(live.Failed, wl.Revision.Rev, 51)
	return receipts, form
}

func TestWhatOneHostForgedRunsNowhereAndIsNotCopied(t *testing.T) {
	set := commit(t, "c2", nodes("n1", "n2"), deployment("web", 2, ""))
	for name, signer := range map[string]string{"nobody": "", "a key of its own": otherKey} {
		have := fleet(map[string][]live.Pod{"n1": {running(set, "web", 0)}, "n2": {running(set, "web", 1)}}, promoted(set, "web"), "n1", "n2")
		receipts, form := evil(set, signer)
		n1 := &have.Nodes[0]
		n1.Files, n1.Receipts = append(n1.Files, form), append(slices.Clone(n1.Receipts), receipts...)
		h := history(set)
		h.Ancestor["z0"] = true
		p := Make(h, have, noon)
		if a := app(p, "web"); len(p.Actions) > 0 || a.State != Converged {
			t.Errorf("%s: %s %s\n%s", name, a.State, a.Why, p)
		}
		want := []string{"n1 shows 4 receipts that no trusted key signed (", "n1 shows 1 form that no trusted key signed ("}
		if len(p.Notes) != 2 || !strings.Contains(p.Notes[0], want[0]) || !strings.Contains(p.Notes[1], want[1]) {
			t.Errorf("%s: %q", name, p.Notes)
		}
		if !strings.Contains(p.Notes[0], name) && !strings.Contains(p.Notes[0], live.ShortKey(otherKey)+" since 2026-09-01 11:59") {
			t.Errorf("%s: %q", name, p.Notes[0])
		}
	}
}

func TestAFormComesFromGitOrFromATrustedKey(t *testing.T) {
	was := commit(t, "c1", nodes("n1"), strings.Replace(deployment("web", 1, ""), "web:1", "web:0", 1))
	head := commit(t, "c2", nodes("n1"), deployment("web", 1, ""))
	_, form := evil(head, key)
	rev := form.Labels[live.LabelRev]
	have := fleet(nil, nil, "n1")
	for name, c := range map[string]struct {
		rev, signer string
		ancestor    bool
		found       bool
	}{
		"a commit that HEAD descends from":     {find(was, webID).Revision.Rev, "", true, true},
		"a commit that HEAD does not know":     {find(was, webID).Revision.Rev, "", false, false},
		"a File that this controller signed":   {rev, key, false, true},
		"a File that another trusted one did":  {rev, oldKey, false, true},
		"a File that a key did, and no matter": {rev, otherKey, false, false},
		"a File that nobody did":               {rev, "", false, false},
	} {
		h := history(head)
		h.At = map[string]manifest.Set{"c1": was}
		h.Ancestor["c1"] = c.ancestor
		h.Head.Signers = []string{oldKey}
		form.Signer = c.signer
		have.Nodes[0].Files = []live.File{form}
		if _, ok := newWorld(h, have, noon).form(webID, c.rev); ok != c.found {
			t.Errorf("%s: found %t", name, ok)
		}
	}
}

func TestAForgedPodCountsForNothingAndStopsNobody(t *testing.T) {
	set := commit(t, "c2", nodes("n1", "n2", "n3"), deployment("web", 2, ""))
	for _, by := range [][2]string{{"", ""}, {otherKey, ""}, {key, "i2"}} { // the last with the record of another host, brought here
		signer := by[0]
		forged := func(slot, gen int, signer string) live.Pod {
			p := running(set, "web", slot)
			p.Gen, p.Signer, p.Host, p.Created = gen, signer, by[1], noon.Add(-time.Hour)
			return p
		}
		have := fleet(map[string][]live.Pod{
			"n1": {forged(0, 9, signer), forged(1, 9, signer), forged(2, 9, signer), forged(3, 9, signer)},
			"n2": {running(set, "web", 0)}, "n3": {running(set, "web", 1)},
		}, promoted(set, "web"), "n1", "n2", "n3")
		have.Nodes[0].Files = was("i1", "n1")
		next := commit(t, "c3", nodes("n1", "n2", "n3"), strings.Replace(deployment("web", 2, ""), "web:1", "web:2", 1))
		h := history(next)
		h.At, h.Ancestor["c2"] = map[string]manifest.Set{"c2": set}, true
		stopped := map[string]int{}
		lived(h, have, 14, func(round int, before live.Snapshot, p Plan) {
			for _, a := range p.Actions {
				if round == 0 && a.Verb == Stop && a.Node != "n1" {
					t.Errorf("%q: a true pod is stopped: %s", signer, p)
				}
				if a.Verb == Stop {
					stopped[a.Node]++
				}
			}
			// the host does not heed: its pods are back
			before.Nodes[0].Pods = nil
			for i := range 4 {
				before.Nodes[0].Pods = append(before.Nodes[0].Pods, forged(i, 9, signer))
			}
			if round == 13 {
				if a := app(p, "web"); a.Updated != 2 || a.Available != 2 || a.Stable != find(next, webID).Revision.Rev {
					t.Errorf("%q: what a host does not stop holds up the rollout: %+v\n%s", signer, a, p)
				}
			}
		})
		if stopped["n1"] == 0 || stopped["n2"]+stopped["n3"] != 2 {
			t.Errorf("%q: %v", signer, stopped)
		}
	}
}

// rolled lives through the replacement of pods whose key is trusted no more, and holds the floor and the ceiling.
func rolled(t *testing.T, h manifest.History, have live.Snapshot, replicas, surge, floor, rounds int) {
	t.Helper()
	end := lived(h, have, rounds, func(round int, before live.Snapshot, p Plan) {
		pods, stops := 0, 0
		for _, n := range before.Nodes {
			pods += len(n.Pods)
		}
		for _, a := range p.Actions {
			switch a.Verb {
			case Run:
				pods++
			case Stop:
				if stops++; a.Why != unsigned {
					t.Errorf("round %d: %s is stopped: %s", round, a.Name, a.Why)
				}
			}
		}
		up := available(before, noon.Add(time.Duration(round)*5*time.Second))
		if pods-stops > replicas+surge || up < floor || stops > 0 && up-stops < floor {
			t.Errorf("round %d: %d pods, %d up, %d stops\n%s", round, pods, up, stops, p)
		}
	})
	for _, n := range end.Nodes {
		for _, p := range n.Pods {
			if p.Signer != key {
				t.Errorf("%s on %s is left", p.Name, n.Name)
			}
		}
	}
	p := Make(h, end, noon.Add(time.Hour))
	if a := app(p, "web"); a.State != Converged || a.Available != replicas || len(p.Actions) > 0 {
		t.Errorf("%s %s\n%s", a.State, a.Why, p)
	}
}

// available are the pods that have run for more than two seconds.
func available(s live.Snapshot, now time.Time) (n int) {
	for _, node := range s.Nodes {
		for _, p := range node.Pods {
			if now.Sub(p.Containers[0].Started) >= 2*time.Second {
				n++
			}
		}
	}
	return n
}

func TestPodsOfAKeyThatIsTrustedNoMoreRollWithinTheFloor(t *testing.T) {
	for _, c := range []struct {
		strategy        string
		surge, floor, n int
		names           []string
	}{
		{"{rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}", 1, 3, 3, []string{"n1", "n2"}},
		{"{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}", 0, 2, 3, []string{"n1", "n2"}},
		{"{rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}", 1, 1, 1, []string{"n1"}},
		{"{type: Recreate}", 0, 0, 2, []string{"n1", "n2"}},
	} {
		text := strings.Replace(deployment("web", c.n, ""), "spec:\n", "spec:\n  strategy: "+c.strategy+"\n", 1)
		set := commit(t, "c2", nodes(c.names...), text)
		pods := map[string][]live.Pod{}
		for slot := range c.n {
			name := c.names[slot%len(c.names)]
			pods[name] = append(pods[name], running(set, "web", slot))
		}
		have := by(otherKey, fleet(pods, nil, c.names...))
		for i := range have.Nodes { // what is written down was put again under the controller's key before
			have.Nodes[i].Receipts = fleet(nil, promoted(set, "web"), "n").Nodes[0].Receipts
		}
		t.Run(c.strategy+" on "+strings.Join(c.names, " "), func(t *testing.T) {
			rolled(t, history(set), have, c.n, c.surge, c.floor, 20)
		})
	}
}

func TestADoubtfulPodOfAClaimIsGoneBeforeTheNextOneStarts(t *testing.T) {
	set := commit(t, "b2", nodes("n1"), dataClaim, sharer("db", "", "pg"))
	id := manifest.ID{Kind: "Deployment", Namespace: "default", Name: "db"}
	p := running(set, "db", 0)
	p.Signer = otherKey
	have := onDisk(promoted(set, "db"), p)
	for i := range have.Nodes[0].Receipts {
		have.Nodes[0].Receipts[i].Source, have.Nodes[0].Receipts[i].Signer = source, key
	}
	first := Make(history(set), have, noon)
	if runs(first, "db") || !slices.ContainsFunc(first.Actions, func(a Action) bool { return a.Verb == Stop && a.App == id }) {
		t.Fatalf("%s", first)
	}
	if next := Make(history(set), applied(have, first, noon), noon); !runs(next, "db") {
		t.Errorf("%s", next)
	}
}

func TestADoubtfulPodIsToldToStopOnce(t *testing.T) {
	set := commit(t, "a1", nodes("n1"), deployment("web", 1, ""))
	p := running(set, "web", 1)
	p.Signer, p.Stopping = "", true
	have := fleet(map[string][]live.Pod{"n1": {running(set, "web", 0), p}}, promoted(set, "web"), "n1")
	if plan := Make(history(set), have, noon); len(plan.Actions) > 0 {
		t.Errorf("%s", plan)
	}
}

// jobNamed is the YAML of a Job, and jobPod a pod of it that ended well, or runs.
func jobNamed(name string) string {
	return fmt.Sprintf("apiVersion: batch/v1\nkind: Job\nmetadata: {name: %s}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: \"example.com/x:1\"}]}}}\n", name)
}

func jobPod(set manifest.Set, name, state, signer string) live.Pod {
	id := manifest.ID{Kind: "Job", Namespace: "default", Name: name}
	wl := find(set, id)
	p := live.Pod{
		Name: live.PodName("default", id, wl.Revision.Rev, 0) + "-0", Cluster: "default", Source: source, App: id, Rev: wl.Revision.Rev, Gen: 1, Commit: set.Commit,
		Created: noon.Add(-time.Minute), Expect: []string{"app"}, Restart: "Never", Signer: signer,
		Containers: []live.Container{{Name: "app", State: state, Started: noon.Add(-time.Minute)}},
	}
	if state == live.Exited {
		p.Containers[0].Finished = noon.Add(-time.Second)
	}
	return p
}

func TestADoubtfulPodIsNoJobsSuccess(t *testing.T) {
	set := commit(t, "c2", nodes("n1", "n2"), jobNamed("migrate"), deployment("web", 1, ""))
	for name, c := range map[string]struct {
		state, signer string
		elsewhere     bool // the key has signed on other hosts too
		runs          bool
	}{
		"that its host says ended":                     {live.Exited, "", false, true},
		"that its host says runs":                      {live.Running, "", false, true},
		"under a key that its host alone shows":        {live.Running, otherKey, false, true},
		"of a controller whose key is trusted no more": {live.Running, otherKey, true, false},
	} {
		have := fleet(map[string][]live.Pod{"n1": {jobPod(set, "migrate", c.state, c.signer)}}, promoted(set, "web"), "n1", "n2")
		if c.elsewhere {
			r := promoted(set, "web")[0]
			r.Source, r.Signer = source, c.signer
			have.Nodes[1].Receipts = append(slices.Clone(have.Nodes[1].Receipts), r)
		}
		p := Make(history(set), have, noon)
		stops := slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Verb == Stop && a.App.Name == "migrate" && a.Why == unsigned })
		if runs(p, "migrate") != c.runs || !stops || app(p, "migrate").State == Converged {
			t.Errorf("%s: %s %s\n%s", name, app(p, "migrate").State, app(p, "migrate").Why, p)
		}
	}
}

func TestDoubtfulPodsThatLeftGitArePrunedAndUseUpNobodysBudget(t *testing.T) {
	var texts, names []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("app%d", i))
		texts = append(texts, deployment(names[i], 1, ""))
	}
	before := commit(t, "a1", append([]string{nodes("n1", "n2")}, texts...)...)
	head := commit(t, "b2", nodes("n1", "n2"), texts[0], texts[1])
	pods := map[string][]live.Pod{}
	for i, name := range names {
		p := running(before, name, 0)
		if i > 2 { // five that a host made up
			p.Signer = ""
		}
		pods["n1"] = append(pods["n1"], p)
	}
	receipts := slices.Concat(promoted(before, "app0"), promoted(before, "app1"), promoted(before, "app2"))
	h := history(head)
	h.Ancestor["a1"] = true
	stops := func() (all []string) {
		have := fleet(pods, receipts, "n1", "n2")
		for _, a := range Make(along(h, have, before), have, noon).Actions {
			if a.Verb == Stop {
				all = append(all, a.App.Name)
			}
		}
		return all
	}
	if got := stops(); !slices.Equal(got, []string{"app2"}) {
		t.Errorf("five of five are too many at once, and one of three is not: %v", got)
	}
	pods["n1"] = pods["n1"][:5]
	if got := stops(); !slices.Equal(got, []string{"app2", "app3", "app4"}) {
		t.Errorf("two are not: %v", got)
	}
}

func TestAnotherKeyEverywhereHoldsTheFleet(t *testing.T) {
	set := commit(t, "c2", nodes("n1", "n2"), deployment("web", 3, ""), deployment("gone", 1, ""), jobNamed("migrate"))
	pods := map[string][]live.Pod{"n1": {running(set, "web", 0), running(set, "gone", 0)}, "n2": {running(set, "web", 1)}}
	c := &pods["n1"][0].Containers[0]
	c.State, c.Finished = live.Exited, noon.Add(-30*time.Second)
	have := by(otherKey, fleet(pods, append(promoted(set, "web"), promoted(set, "gone")...), "n1", "n2"))
	next := commit(t, "c3", nodes("n1", "n2"), deployment("web", 3, ""), jobNamed("migrate"))
	h := history(next)
	h.Ancestor["c2"] = true
	h = along(h, have, set)
	count := func(p Plan) string {
		verbs := map[Verb]int{}
		for _, a := range p.Actions {
			if a.Verb != Put || a.File.Labels[live.LabelReceipt] != "" {
				verbs[a.Verb]++
			}
		}
		return fmt.Sprint(verbs)
	}
	p := Make(h, have, noon)
	if got := count(p); got != "map[run:2]" { // the one that exited, and the one that is missing
		t.Errorf("%s\n%s", got, p)
	}
	for _, name := range []string{"web", "gone", "migrate"} {
		if a := app(p, name); a.State != Held || !strings.Contains(a.Why, "podkeep trust "+live.ShortKey(otherKey)) {
			t.Errorf("%s: %s %s", name, a.State, a.Why)
		}
	}
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "--key") {
		t.Errorf("%q", p.Notes)
	}
	have = applied(have, p, noon)
	if p := Make(h, have, noon.Add(time.Minute)); len(p.Actions) > 0 || app(p, "web").State != Held {
		t.Errorf("what it ran itself does not end the hold:\n%s", p)
	}
	changed := commit(t, "c4", nodes("n1", "n2"), strings.Replace(deployment("web", 3, ""), "web:1", "web:2", 1))
	h.Head = changed
	h.Ancestor["c3"], h.Ancestor["c4"] = true, true
	if p := Make(h, have, noon.Add(time.Minute)); len(p.Actions) > 0 {
		t.Errorf("no rollout begins:\n%s", p)
	}
	h.Head.Signers = []string{otherKey}
	if p := Make(h, have, noon.Add(time.Minute)); !strings.Contains(p.String(), "began: ") || len(p.Notes) > 0 {
		t.Errorf("trusted, it goes on:\n%s", p)
	}
}

func TestAHoldGoesOnWithNoRollout(t *testing.T) {
	one := commit(t, "a1", nodes("n1"), deployment("web", 3, ""))
	two := commit(t, "b2", nodes("n1"), strings.Replace(deployment("web", 3, ""), "web:1", "web:2", 1))
	have := by(otherKey, fleet(map[string][]live.Pod{"n1": {running(one, "web", 0), running(one, "web", 1), running(two, "web", 0)}}, promoted(one, "web"), "n1"))
	if p := Make(since(one, two), have, noon); len(p.Actions) > 0 || app(p, "web").State != Held {
		t.Errorf("%s", p)
	}
}

func TestAHoldWritesNothingDownOfAClaim(t *testing.T) {
	set := commit(t, "b2", nodes("n1", "n2"), dataClaim, sharer("db", "", "pg"))
	have := by(otherKey, onDisk(promoted(set, "db"), running(set, "db", 0)))
	have.Nodes = append(have.Nodes, live.Node{Name: "n2", Known: true, Room: have.Nodes[0].Room})
	have.Nodes[0].Pods[0].Containers[0].State = live.Exited
	p := Make(history(set), have, noon)
	if !runs(p, "db") || strings.Contains(p.String(), "receipt-") {
		t.Errorf("where its volume is, the pod is restarted:\n%s", p)
	}
	have.Nodes[0].Pods = nil
	if p := Make(history(set), have, noon); len(p.Actions) > 0 || app(p, "db").State != Held {
		t.Errorf("no pod, nothing to keep up:\n%s", p)
	}
}

func TestAReaderWithoutAKeyBelievesWhoSigned(t *testing.T) {
	set := commit(t, "c2", nodes("n1"), deployment("web", 1, ""))
	have := by(otherKey, fleet(map[string][]live.Pod{"n1": {running(set, "web", 0)}}, promoted(set, "web"), "n1"))
	h := history(set)
	h.Key = ""
	p := Make(h, have, noon)
	if app(p, "web").State != Converged || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], live.ShortKey(otherKey)) {
		t.Errorf("%s %q\n%s", app(p, "web").State, p.Notes, p)
	}
	if p := Make(h, by("", have), noon); app(p, "web").State == Converged {
		t.Errorf("and not what nobody did:\n%s", p)
	}
	h.Head.Signers = []string{oldKey}
	if p := Make(h, have, noon); app(p, "web").State != Held {
		t.Errorf("and where Git names keys, those alone: %s\n%s", app(p, "web").State, p)
	}
}

func TestWhatOneHostSaysOfAnotherSourceFreezesNothingThatIsWrittenDown(t *testing.T) {
	set := commit(t, "c2", nodes("n1", "n2"), deployment("web", 1, ""))
	have := fleet(map[string][]live.Pod{"n2": {running(set, "web", 0)}}, promoted(set, "web"), "n1", "n2")
	for _, signer := range []string{"", otherKey} {
		n1 := &have.Nodes[0]
		p := running(set, "web", 7)
		p.Source, p.Signer = "git.example.com/other", signer
		n1.Pods = []live.Pod{p}
		r := live.Receipt{App: webID, Verb: live.Began, Rev: "v1-a", Gen: 5, Time: noon, Source: p.Source, Signer: signer}
		n1.Receipts = append(slices.Clone(have.Nodes[1].Receipts), r)
		if p := Make(history(set), have, noon); app(p, "web").State != Converged {
			t.Errorf("%q: %s %s", signer, app(p, "web").State, app(p, "web").Why)
		}
	}
}

func TestAFormUnderAnotherTrustedKeyIsPutAgainUnderOurs(t *testing.T) {
	set := commit(t, "c2", nodes("n1"), deployment("web", 1, ""))
	h := history(set)
	h.Head.Signers = []string{oldKey}
	signed := func(signer string) live.File {
		w := newWorld(h, live.Snapshot{}, noon)
		file := w.revFile(formOf(*find(set, webID)))
		return live.File{Name: live.RevFile(webID, find(set, webID).Revision.Rev, signer), Labels: file.Labels, Signer: signer}
	}
	have := fleet(map[string][]live.Pod{"n1": {running(set, "web", 0)}}, promoted(set, "web"), "n1")
	have.Nodes[0].Files = []live.File{signed(oldKey)}
	p := Make(h, have, noon)
	if len(p.Actions) != 1 || p.Actions[0].Verb != Put || p.Actions[0].Name != signed(key).Name {
		t.Fatalf("%s", p)
	}
	have = applied(have, p, noon)
	if p := Make(h, have, noon); len(p.Actions) > 0 {
		t.Errorf("the old one stays while its line stands:\n%s", p)
	}
	h.Head.Signers = nil
	if p := Make(h, have, noon); len(p.Actions) != 1 || p.Actions[0].Verb != Delete || p.Actions[0].Name != signed(oldKey).Name {
		t.Errorf("and goes after it:\n%s", p)
	}
	other := find(set, webID).Revision
	other.Priority = 7
	have.Nodes[0].Files[0].Labels = live.FormLabels(other, "default", source)
	if p := Make(h, have, noon); len(p.Actions) > 0 {
		t.Errorf("unless it says something else:\n%s", p)
	}
}

func TestWhatRestsOnAKeyIsCountedUntilItIsUnderOurs(t *testing.T) {
	set := commit(t, "c2", nodes("n1", "n2"), deployment("web", 2, ""))
	h := history(set)
	h.Head.Signers = []string{oldKey}
	counts := func(have live.Snapshot) (all []string) {
		for _, k := range Keys(h, have) {
			all = append(all, fmt.Sprintf("%s %v %d %d %d", map[string]string{key: "own", oldKey: "old", otherKey: "other", "": "nobody"}[k.Text], k.Nodes, k.Receipts, k.Forms, k.Pods))
		}
		return all
	}
	have := by(oldKey, fleet(map[string][]live.Pod{"n1": {running(set, "web", 0)}, "n2": {running(set, "web", 1)}}, promoted(set, "web"), "n1", "n2"))
	receipts, form := evil(set, otherKey)
	have.Nodes[0].Receipts, have.Nodes[0].Files = append(have.Nodes[0].Receipts, receipts[0]), []live.File{form}
	have.Nodes[1].Receipts = append(have.Nodes[1].Receipts, by("", fleet(nil, promoted(set, "web"), "n")).Nodes[0].Receipts[0])
	if got, want := counts(have), []string{"own [] 0 0 0", "old [n1 n2] 2 0 2", "other [n1] 1 1 0", "nobody [n2] 1 0 0"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	have.Nodes[0].Receipts = append(have.Nodes[0].Receipts, fleet(nil, promoted(set, "web"), "n").Nodes[0].Receipts...)
	have.Nodes[0].Pods[0].Signer, have.Nodes[1].Pods[0].Signer = key, key
	if got, want := counts(have)[:2], []string{"own [n1 n2] 2 0 2", "old [n1 n2] 0 0 0"}; !slices.Equal(got, want) || !Keys(h, have)[1].Unused() {
		t.Errorf("%q", got)
	}
}

func TestReceiptsThatSayTheSameAsOursAreCollectedOnceTheirKeyIsNotTrusted(t *testing.T) {
	set := commit(t, "c2", nodes("n1", "n2"), deployment("web", 1, ""))
	have := fleet(map[string][]live.Pod{"n1": {running(set, "web", 0)}}, promoted(set, "web"), "n1", "n2")
	old := by(oldKey, fleet(nil, promoted(set, "web"), "n")).Nodes[0].Receipts
	n1 := &have.Nodes[0]
	n1.Receipts = append(slices.Clone(n1.Receipts), old...)
	h := history(set)
	h.Head.Signers = []string{oldKey}
	if p := Make(h, have, noon); len(p.Actions) > 0 || len(p.Notes) > 0 {
		t.Errorf("they stay while its line stands:\n%s", p)
	}
	h.Head.Signers = nil
	p := Make(h, have, noon)
	var gone []string
	for _, a := range p.Actions {
		if a.Verb != Delete || a.Node != "n1" {
			t.Errorf("%s", p)
		}
		gone = append(gone, a.Name)
	}
	want := []string{old[0].File, old[1].File}
	slices.Sort(want)
	slices.Sort(gone)
	if !slices.Equal(gone, want) {
		t.Errorf("%q, want %q", gone, want)
	}
	if p := Make(h, applied(have, p, noon), noon); len(p.Actions) > 0 || len(p.Notes) > 0 {
		t.Errorf("and then it is still:\n%s", p)
	}
}
