package reconciler

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// failing is a source without any commit, which counts how often it was asked.
type failing struct {
	*shelf
	err   error
	loads *int
}

func (f failing) Load(context.Context, string) (manifest.Set, error) {
	*f.loads++
	return manifest.Set{}, f.err
}

func TestACommitThatCouldNotBeReadIsAskedForAgain(t *testing.T) {
	fetched := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		err   error
		loads int // in 90 seconds, asked for every second, without a fetch
	}{
		"a time-out passes":       {errors.New("i/o timeout"), 7}, // and after 1, 3, 7, 15, 31 and 63 seconds
		"what is gone stays gone": {sources.ErrGone, 1},
	} {
		loads, now := 0, fetched
		r := reader{Options: Options{Source: failing{&shelf{}, c.err, &loads}, Now: func() time.Time { return now }}}
		r.renew(reading{fetched: fetched})
		for range 90 {
			if _, err := r.commit(t.Context(), "c1"); !errors.Is(err, c.err) {
				t.Errorf("%s: %v", name, err)
			}
			now = now.Add(time.Second)
		}
		if loads != c.loads {
			t.Errorf("%s: %d loads", name, loads)
		}
	}
}

// chronicle makes each commit when it is asked for: c0 has every workload, and each later one changed the next of them, but for one that
// stays as it is.
type chronicle struct {
	*shelf
	workloads int
	loads     *int
	parsed    map[string]manifest.Parsed // by text
}

func (c chronicle) Load(_ context.Context, commit string) (manifest.Set, error) {
	*c.loads++
	var n int
	if _, err := fmt.Sscanf(commit, "c%d", &n); err != nil {
		return manifest.Set{}, err
	}
	files := []manifest.Parsed{manifest.Parse("n1.yaml", []byte("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {providerID: podman+unix:///n1}\n"))}
	for i := range c.workloads + 1 {
		last := n - (n-i+c.workloads)%c.workloads // the newest commit up to n that changed it
		if i == c.workloads {
			last = 0
		}
		text := fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: w%03d}
spec:
  selector: {matchLabels: {app: w%03d}}
  template:
    metadata: {labels: {app: w%03d}}
    spec:
      containers:
      - name: main
        image: registry.example.com/team/w%03d:%d
        env: [{name: LEVEL, value: info}, {name: LISTEN, value: ":8080"}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
`, i, i, i, i, last)
		p, ok := c.parsed[text]
		if !ok {
			p = manifest.Parse(fmt.Sprintf("w%03d.yaml", i), []byte(text))
			c.parsed[text] = p
		}
		files = append(files, p)
	}
	info := manifest.Info{Commit: commit, Time: time.Unix(0, 0), Message: commit}
	if n > 0 {
		info.Parent = fmt.Sprint("c", n-1)
	}
	return manifest.Assemble(info, files), nil
}

// still is the workload that stays as it is.
func still(s manifest.Set) manifest.Workload { return s.Workloads[len(s.Workloads)-1] }

// rejected says that its revision was rejected at a commit.
func rejected(head manifest.Set, at int) live.Receipt {
	wl := still(head)
	return live.Receipt{App: wl.ID, Source: "shelf", Signer: "k", Verb: live.Failed, Gen: 1, Rev: wl.Revision.Rev, Commit: fmt.Sprint("c", at)}
}

func (c chronicle) Ancestor(context.Context, string, string) (bool, error) { return true, nil }

func (c chronicle) Nodes(context.Context, string) ([]manifest.Node, error) { return nil, nil }

func (c chronicle) Renewed(context.Context, string, map[manifest.ID][]string) (map[manifest.ID][]string, error) {
	return nil, nil
}

func (c chronicle) Decisions(context.Context, string) ([]manifest.Decision, error) { return nil, nil }

// BenchmarkMemoryOfThePast is what a controller holds after it started anew: 300 workloads, each changed once or ten times, and receipts of each
// change; one pod in thirty is still of the revision before. With a rejection, HEAD's revision of one more was rejected so many commits ago.
func BenchmarkMemoryOfThePast(b *testing.B) {
	const workloads = 300
	for _, c := range []struct{ changes, rejection int }{{1, 0}, {10, 0}, {10, 999}} {
		b.Run(fmt.Sprintf("changes=%d/rejection=%d", c.changes, c.rejection), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				loads := 0
				source := chronicle{&shelf{}, workloads, &loads, map[string]manifest.Parsed{}}
				head, have := source.fleet(b, workloads*(c.changes+1)-1, c.changes, c.rejection)
				loads = 0
				r := reader{Options: Options{Source: source, ReadTimeout: time.Hour, Now: time.Now}}
				clear(source.parsed)
				before := heap()
				b.StartTimer()
				p := r.pass(b, head, have)
				b.StopTimer()
				clear(source.parsed)
				b.ReportMetric(float64(int64(heap())-int64(before))/(1<<20), "MiB")
				b.ReportMetric(float64(loads), "loads")
				runtime.KeepAlive(r)
				runtime.KeepAlive(p)
				runtime.KeepAlive(have)
				runtime.KeepAlive(head)
			}
		})
	}
}

// BenchmarkPassOfAnOldRejection is one pass, but the first, over 50 workloads when HEAD's revision of one more was rejected a thousand commits
// ago, beside one that was rejected one commit ago, which takes turns with it.
func BenchmarkPassOfAnOldRejection(b *testing.B) {
	loads := 0
	source := chronicle{&shelf{}, 50, &loads, map[string]manifest.Parsed{}}
	var passes []func()
	for _, commits := range []int{1, 1000} {
		head, have := source.fleet(b, 1100, 1, commits)
		r := &reader{Options: Options{Source: source, ReadTimeout: time.Hour, Now: time.Now}}
		passes = append(passes, func() { r.pass(b, head, have) })
		passes[len(passes)-1]()
	}
	loads = 0
	best := []time.Duration{time.Hour, time.Hour} // what others do on the machine only adds to it
	for b.Loop() {
		for i, pass := range passes {
			began := time.Now()
			pass()
			best[i] = min(best[i], time.Since(began))
		}
	}
	b.ReportMetric(float64(best[1])/float64(best[0]), "old/new")
	b.ReportMetric(float64(loads), "loads")
}

// pass reads and thinks.
func (r *reader) pass(b *testing.B, head manifest.Set, have live.Snapshot) manifest.History {
	now := time.Unix(1000, 0)
	h := r.history(b.Context(), reading{ok: true, head: head}, fleet{head: head.Nodes}, have)
	thought := plan.Think(h, have, now)
	h = r.forms(b.Context(), h, thought.Lacks())
	thought.Plan(h)
	return h
}

// fleet is what lives when the commit of that number is HEAD.
func (c chronicle) fleet(b *testing.B, last, changes, rejection int) (manifest.Set, live.Snapshot) {
	head, err := c.Load(b.Context(), fmt.Sprint("c", last))
	if err != nil {
		b.Fatal(err)
	}
	workloads, n := c.workloads, live.Node{Name: "n1", Known: true}
	if rejection > 0 {
		n.Receipts = append(n.Receipts, rejected(head, last-rejection))
	}
	for i, wl := range head.Workloads[:workloads] {
		newest := last - (last-i+workloads)%workloads
		for gen := range changes {
			rev := fmt.Sprintf("v1-%d", gen)
			if gen == changes-1 {
				rev = wl.Revision.Rev
			}
			n.Receipts = append(n.Receipts, live.Receipt{
				App: wl.ID, Source: "shelf", Signer: "k", Verb: live.Promoted, Gen: gen + 1, Rev: rev, Commit: fmt.Sprint("c", newest-workloads*(changes-1-gen)),
			})
		}
		p := live.Pod{Name: wl.Name, App: wl.ID, Source: "shelf", Signer: "k", Rev: wl.Revision.Rev, Commit: fmt.Sprint("c", newest)}
		if i%30 == 0 {
			p.Commit = fmt.Sprint("c", newest-workloads)
			old, err := c.Load(b.Context(), p.Commit)
			if err != nil {
				b.Fatal(err)
			}
			p.Rev = old.Workloads[i].Revision.Rev
		}
		n.Pods = append(n.Pods, p)
	}
	return head, live.Snapshot{Nodes: []live.Node{n}}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestThinkingIsToldWhichAddressesThereAre(t *testing.T) {
	net := manifest.Net{Domain: "cluster.local"}
	r := reader{Options: Options{Source: failing{shelf: &shelf{}}, Net: net}}
	if got := r.blank(reading{}).Net; !reflect.DeepEqual(got, net) {
		t.Error(got)
	}
}
