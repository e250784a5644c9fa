package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// FuzzMake makes up a repository and a fleet from bytes, sane or not, and holds the laws of one plan and of the next ones.
func FuzzMake(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a fleet that is as it should be, more or less"))
	f.Add([]byte(strings.Repeat("\x01\x02\x03\x05\x07\x0b\x0d\x11", 24)))
	f.Add([]byte(strings.Repeat("\xff\x00\x80", 60)))
	for seed := range 16 {
		var mixed []byte
		for i := range 300 {
			mixed = append(mixed, byte((i+1)*(i+seed)*2654435761>>9))
		}
		f.Add(mixed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &dice{data: data}
		h, line := d.history()
		have := d.snapshot(h, line)
		h = along(h, have, line...)
		now := noon.Add(d.moment())
		first := Make(h, have, now)
		if err := lawful(h, have, first); err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if again := Make(h, mirrored(have), now); whole(again) != whole(first) {
			t.Fatalf("the same in another order gave\n%s\nand\n%s", whole(first), whole(again))
		}
		before := h
		before.At = nil
		thought := Think(before, have, now)
		thought.Lacks()
		if ended := thought.Plan(h); whole(ended) != whole(first) {
			t.Fatalf("what was lacking came in between, and gave\n%s\nand not\n%s", whole(ended), whole(first))
		}
		done := have
		for range 3 {
			p := Make(h, done, now)
			done = applied(done, p, now)
			now = now.Add(time.Second)
			next := Make(h, done, now)
			if err := lawful(h, done, next); err != nil {
				t.Fatalf("%v\n%s", err, next)
			}
			if err := notTwice(p, next); err != nil {
				t.Fatalf("%v\nfirst\n%sthen\n%s", err, p, next)
			}
		}
	})
}

// lawful holds the laws that one plan shows.
func lawful(h manifest.History, have live.Snapshot, p Plan) error {
	alien := map[string]bool{}
	quiet := map[string]bool{}
	for _, n := range have.Nodes {
		quiet[n.Name] = n.Silent > 0 || !n.Known
		for _, pod := range n.Pods {
			if pod.Source != h.Source {
				alien[n.Name+" "+pod.Name] = true
			}
		}
	}
	for _, a := range p.Actions {
		switch {
		case a.Why == "" || a.Node == "" || a.Name == "":
			return fmt.Errorf("%s %s %s has no reason, node or name: %q", a.Node, a.Verb, a.Name, a.Why)
		case quiet[a.Node]:
			return fmt.Errorf("%s %s is asked of a node that does not answer", a.Verb, a.Name)
		case (a.Verb == Run || a.Verb == Stop) && alien[a.Node+" "+a.Name]:
			return fmt.Errorf("%s %s %s is another source's", a.Node, a.Verb, a.Name)
		case a.Verb == Run && a.Pod == nil || a.Verb == Put && a.File == nil:
			return fmt.Errorf("%s %s %s says not what", a.Node, a.Verb, a.Name)
		}
	}
	for _, a := range p.Apps {
		if a.State != Converged && a.Why == "" || slices.Contains(a.Waits, "") {
			return fmt.Errorf("%s is %s and waits without a reason", a.ID, a.State)
		}
	}
	return nil
}

// notTwice says which action of a plan comes again though it was done.
func notTwice(done, next Plan) error {
	did := map[string]Action{}
	name := func(a Action) string { return fmt.Sprint(a.Node, " ", a.Verb, " ", a.Name) }
	for _, a := range done.Actions {
		did[name(a)] = a
	}
	for _, a := range next.Actions {
		before, twice := did[name(a)]
		if twice && (a.Pod == nil || fmt.Sprint(a.Pod.Attempt) == fmt.Sprint(before.Pod.Attempt)) {
			return fmt.Errorf("%s is done and asked for again", name(a))
		}
	}
	return nil
}

func whole(p Plan) string {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return p.String() + string(data)
}

// mirrored is the snapshot with every list back to front.
func mirrored(s live.Snapshot) live.Snapshot {
	out := live.Snapshot{Nodes: slices.Clone(s.Nodes), Watched: s.Watched}
	slices.Reverse(out.Nodes)
	for i := range out.Nodes {
		n := &out.Nodes[i]
		n.Pods, n.Files, n.Receipts = slices.Clone(n.Pods), slices.Clone(n.Files), slices.Clone(n.Receipts)
		slices.Reverse(n.Pods)
		slices.Reverse(n.Files)
		slices.Reverse(n.Receipts)
	}
	return out
}

// applied is the fleet after all of a plan has been done, and has worked.
func applied(s live.Snapshot, p Plan, now time.Time) live.Snapshot {
	out := live.Snapshot{Nodes: slices.Clone(s.Nodes), Watched: s.Watched + time.Second}
	for i := range out.Nodes {
		n := &out.Nodes[i]
		n.Pods, n.Files, n.Receipts = slices.Clone(n.Pods), slices.Clone(n.Files), slices.Clone(n.Receipts)
		n.Volumes, n.Troubles = slices.Clone(n.Volumes), nil
		for _, a := range p.Actions {
			if a.Node == n.Name {
				apply(n, a, now)
			}
		}
	}
	return out
}

func apply(n *live.Node, a Action, now time.Time) {
	switch a.Verb {
	case Put:
		if r, ok := live.ParseReceipt(a.File.Labels); ok {
			r.File, r.Signer = a.Name, key
			n.Receipts = append(n.Receipts, r)
		} else {
			n.Files = append(n.Files, live.File{Name: a.Name, Labels: a.File.Labels, Signer: key})
		}
	case Delete:
		n.Files = slices.DeleteFunc(n.Files, func(f live.File) bool { return f.Name == a.Name })
		n.Receipts = slices.DeleteFunc(n.Receipts, func(r live.Receipt) bool { return r.File == a.Name })
	case Stop:
		n.Pods = slices.DeleteFunc(n.Pods, func(p live.Pod) bool { return p.Name == a.Name })
	case Run:
		n.Volumes = append(n.Volumes, a.Pod.Make...)
		run(n, a, now)
	}
}

// run makes the pod, or starts what is not running of it: init containers are over at once, and well.
func run(n *live.Node, a Action, now time.Time) {
	p, err := live.ParsePod(a.Name, a.Pod.Labels)
	if err != nil {
		panic(err)
	}
	p.Created, p.Signer = now, key
	at := slices.IndexFunc(n.Pods, func(q live.Pod) bool { return q.Name == a.Name })
	if at >= 0 {
		p = n.Pods[at]
		p.Asked, p.Containers = false, slices.Clone(p.Containers)
	}
	for _, name := range p.Expect {
		i := slices.IndexFunc(p.Containers, func(c live.Container) bool { return c.Name == name })
		if i < 0 {
			p.Containers = append(p.Containers, live.Container{Name: name})
			i = len(p.Containers) - 1
		}
		c := &p.Containers[i]
		if c.State == live.Running || c.State == live.Exited && c.Attempt >= a.Pod.Attempt[name] {
			continue
		}
		*c = live.Container{ID: "new", Name: name, State: live.Running, Started: now, Attempt: a.Pod.Attempt[name]}
		if slices.ContainsFunc(p.Init, func(i live.Init) bool { return i.Name == name && !i.Sidecar }) {
			c.State, c.Finished = live.Exited, now
		}
	}
	if at >= 0 {
		n.Pods[at] = p
	} else {
		n.Pods = append(n.Pods, p)
	}
}

// dice are bytes to choose by; when they are used up, the first choice is taken always.
type dice struct {
	data []byte
}

func (d *dice) of(n int) int {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b) % n
}

// rarely is true one time in eight.
func (d *dice) rarely() bool { return d.of(8) == 7 }

func pick[T any](d *dice, list []T) T { return list[d.of(len(list))] }

// moment is around now: a few seconds, minutes or an hour before or after.
func (d *dice) moment() time.Duration {
	unit := pick(d, []time.Duration{time.Second, 10 * time.Second, time.Minute, 10 * time.Minute})
	return time.Duration(d.of(16)-8) * unit
}

// past is most of the time before noon.
func (d *dice) past() time.Time {
	at := d.moment()
	if !d.rarely() {
		at = -at.Abs()
	}
	return noon.Add(at)
}

// forms are what each file of the made-up repository may hold.
var forms = [][]string{
	{
		nodes("n1", "n2", "n3"), nodes("n1", "n2"), nodes("n2", "n3"), "",
		nodes("n1", "n3") + "---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\nspec: {providerID: podman+unix:///run/n2.sock, unschedulable: true}\n",
		nodes("n1", "n3") + "---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\nspec: {providerID: podman+unix:///run/n2.sock, taints: [{key: a, effect: NoExecute}]}\n",
		"kind: Node\n",
	},
	{
		deployment("web", 2, ""), deployment("web", 4, ""), deployment("web", 0, ""), "", " \n",
		deployment("web", 2, "podkeep.io/suspend: 'true'"), deployment("web", 2, "podkeep.io/prune: disabled"),
		strings.Replace(deployment("web", 2, ""), "web:1", "web:2", 1),
		strings.Replace(deployment("web", 2, ""), "web:1", "web:3", 1),
		strings.Replace(deployment("web", 3, ""), "spec:\n", "spec:\n  paused: true\n", 1),
		strings.Replace(deployment("web", 3, ""), "spec:\n", "spec:\n  strategy: {type: Recreate}\n", 1),
		strings.Replace(deployment("web", 3, ""), "spec:\n", "spec:\n  minReadySeconds: 20\n  progressDeadlineSeconds: 60\n", 1),
		strings.Replace(deployment("web", 2, ""), "replicas", "replicass", 1),
	},
	{"", deployment("api", 1, ""), deployment("api", 3, "argocd.argoproj.io/sync-wave: '2'"), deployment("api", 1, "podkeep.io/depends-on: Deployment/web")},
	{
		"", "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {containers: [{name: app, image: example.com/one:1}]}\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {restartPolicy: Never, initContainers: [{name: i, image: example.com/i:1}], containers: [{name: app, image: example.com/one:1}]}\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {containers: [{name: app, image: example.com/one:1, ports: [{containerPort: 80, hostPort: 80}]}]}\n",
	},
	{
		"", jobOf(""), jobOf("completions: 3, parallelism: 2, "), jobOf("completions: 3, completionMode: Indexed, backoffLimit: 1, "),
		jobOf("suspend: true, "), jobOf("activeDeadlineSeconds: 30, ttlSecondsAfterFinished: 60, "),
		strings.Replace(jobOf(""), "name: work}", "name: work, annotations: {argocd.argoproj.io/hook: PreSync}}", 1),
		strings.Replace(jobOf(""), "name: work}", "name: work, annotations: {argocd.argoproj.io/hook: PostSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded}}", 1),
	},
}

// jobOf is a Job of these further fields.
func jobOf(fields string) string {
	return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: work}\nspec: {" + fields +
		"template: {spec: {restartPolicy: Never, containers: [{name: app, image: example.com/work:1}]}}}\n"
}

// sets are those that were assembled already.
var sets = map[string]manifest.Set{}

// commit is a Set of one form of each file.
func (d *dice) commit(id, parent string) manifest.Set {
	key := id + parent
	var files []manifest.Parsed
	for i, texts := range forms {
		form := d.of(len(texts))
		key += fmt.Sprint(" ", form)
		if texts[form] != "" {
			files = append(files, manifest.Parse(fmt.Sprintf("f%d.yaml", i), []byte(texts[form])))
		}
	}
	set, ok := sets[key]
	if !ok {
		set = manifest.Assemble(manifest.Info{Commit: id, Parent: parent, Time: noon.Add(-time.Hour), Message: id}, files)
		sets[key] = set
	}
	set.AllowPrune, set.Signers = d.rarely(), []string{"ssh-ed25519 b2xk"}
	return set
}

var commits = []string{"c9", "c8", "c7", "c6", "zz"}

func (d *dice) history() (h manifest.History, line []manifest.Set) {
	h = manifest.History{
		Cluster: "default", Source: source, Key: key, Fetched: d.past(), Ancestor: map[string]bool{}, At: map[string]manifest.Set{}, Past: map[manifest.Question]manifest.Set{},
		AllowPrune: d.rarely(), Proposal: d.rarely(),
	}
	h.Head = d.commit("c9", "c8")
	for i := range d.of(4) {
		line = append(line, d.commit(commits[i+1], commits[i+2]))
	}
	for _, c := range commits {
		h.Ancestor[c] = c == "c9" || !d.rarely()
		if d.of(3) == 0 {
			h.At[c] = d.commit(c, "")
		}
	}
	if d.rarely() {
		h.Err = "the forge is away"
	}
	for _, past := range line {
		for _, n := range past.Nodes {
			named := func(o manifest.Node) bool { return o.Name == n.Name }
			if !slices.ContainsFunc(h.Head.Nodes, named) && !slices.ContainsFunc(h.Gone, named) {
				h.Gone = append(h.Gone, n)
			}
		}
	}
	return h, line
}

// revisions are those that the history knows, and one that it does not.
func revisions(h manifest.History, line []manifest.Set) (all []manifest.Revision) {
	known := append([]manifest.Set{h.Head}, line...)
	for _, c := range commits {
		known = append(known, h.At[c])
	}
	for _, set := range known {
		for _, w := range set.Workloads {
			all = append(all, w.Revision)
		}
	}
	lost := manifest.Revision{App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Rev: "v1-1057"}
	return append(all, lost)
}

func (d *dice) snapshot(h manifest.History, line []manifest.Set) (s live.Snapshot) {
	revs := revisions(h, line)
	s.Watched = pick(d, []time.Duration{time.Hour, 0, 5 * time.Second, 40 * time.Second})
	for _, name := range []string{"n1", "n2", "n3"} {
		n := live.Node{Name: name, Known: !d.rarely(), Room: manifest.Resources{MilliCPU: 4000, Memory: 4 << 30}}
		if d.rarely() {
			n.Silent, n.Why = pick(d, []time.Duration{1, 20 * time.Second, time.Hour}), "no answer"
			n.Late, n.Pings = d.rarely(), d.rarely()
		}
		for range d.of(5) {
			n.Pods = append(n.Pods, d.pod(h, pick(d, revs)))
		}
		n.Pods = once(n.Pods, func(p live.Pod) string { return p.Name })
		for range d.of(4) {
			n.Receipts = append(n.Receipts, d.receipt(h, pick(d, revs)))
		}
		n.Receipts = once(n.Receipts, func(r live.Receipt) string { return r.File })
		for range d.of(3) {
			r := pick(d, revs)
			signer := d.signer()
			n.Files = append(n.Files, live.File{Name: live.RevFile(r.App, r.Rev, signer), Signer: signer, Labels: map[string]string{
				live.LabelSource: h.Source, live.LabelApp: r.App.String(), live.LabelRev: r.Rev, live.LabelObject: "{}",
			}})
		}
		n.Files = append(n.Files, d.records()...)
		n.Files = once(n.Files, func(f live.File) string { return f.Name })
		if d.rarely() && len(n.Pods) > 0 {
			p := n.Pods[0]
			n.Troubles = []live.Trouble{{Name: p.Name, Rev: p.Rev, Why: "denied", At: d.past(), Count: 1 + d.of(9), Next: noon.Add(d.moment())}}
		}
		s.Nodes = append(s.Nodes, n)
	}
	if d.rarely() {
		s.Nodes[d.of(3)].Unsized = pick(d, []time.Duration{1, time.Minute})
	}
	return s
}

// records say who a host is, more or less, or nothing.
func (d *dice) records() (files []live.File) {
	for i := range d.of(3) {
		name := pick(d, []string{"host", fmt.Sprintf("host-%d", i)})
		files = append(files, says(name, pick(d, []string{"i1", "i2", "i3"}), wayTo(pick(d, []string{"n1", "n2", "n3", "n9"})), d.moment(), pick(d, []string{key, key, key, ""})))
	}
	return files
}

// once sorts by name, and keeps one of each.
func once[T any](list []T, name func(T) string) []T {
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	return slices.CompactFunc(list, func(a, b T) bool { return name(a) == name(b) })
}

func (d *dice) pod(h manifest.History, r manifest.Revision) live.Pod {
	p := live.Pod{
		Cluster: h.Cluster, Source: h.Source, App: r.App, Slot: d.of(5), Rev: r.Rev, Gen: 1 + d.of(3), Commit: pick(d, commits),
		Created: d.past(), Restart: pick(d, []string{"Always", "Always", "OnFailure", "Never"}),
		Asked: d.rarely(), Stopping: d.rarely(), Keep: d.rarely(), Signer: d.signer(),
	}
	if d.rarely() {
		p.Source = "git.example.com/other"
	}
	if !d.rarely() {
		p.Birth = live.BirthOf(r)
	}
	p.Name = live.PodName(h.Cluster, r.App, r.Rev, p.Slot)
	if r.App.Kind == "Job" {
		p.Try = d.of(3)
		p.Name = fmt.Sprintf("%s-%d", p.Name, p.Try)
		p.Restart = "Never"
	}
	for _, c := range r.Spec.InitContainers {
		p.Expect, p.Init = append(p.Expect, c.Name), append(p.Init, live.Init{Name: c.Name})
	}
	p.Expect = append(p.Expect, "app")
	for _, name := range p.Expect {
		if !d.rarely() {
			p.Containers = append(p.Containers, d.container(name))
		}
	}
	if p.Asked {
		p.Containers = nil
	}
	return p
}

// signer is the controller's key as a rule; else one that Git names, one that it does not, or nobody's.
func (d *dice) signer() string {
	if !d.rarely() {
		return key
	}
	return pick(d, []string{"ssh-ed25519 b2xk", "ssh-ed25519 ZXZpbA==", ""})
}

func (d *dice) container(name string) live.Container {
	c := live.Container{
		ID: "id", Name: name, State: pick(d, []string{live.Running, live.Running, live.Exited, live.Created, live.Paused}),
		Attempt: pick(d, []int{0, 0, 1, 5, 101}),
	}
	if c.State != live.Created {
		c.Started = d.past()
	}
	if c.State == live.Exited {
		c.Exit, c.Finished = d.of(3), c.Started.Add(d.moment().Abs())
	}
	return c
}

func (d *dice) receipt(h manifest.History, r manifest.Revision) live.Receipt {
	verbs := []string{live.Began, live.Promoted, live.Halted, live.Resumed, live.Failed, live.Done}
	out := live.Receipt{
		App: r.App, Verb: pick(d, verbs), Rev: r.Rev, Gen: 1 + d.of(3), Commit: pick(d, commits), Time: d.past(), Why: "because", Source: h.Source,
		Signer: d.signer(),
	}
	out.File = out.Name(out.Signer)
	return out
}
