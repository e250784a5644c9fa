package reconciler

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

var web = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}

// call is one call that reached a site, and when it began.
type call struct {
	what string
	at   time.Time
}

// site is a host whose calls take time, fail or hang as a test wants.
type site struct {
	mu    sync.Mutex
	pods  map[string]live.Pod
	files map[string]live.File
	calls []call
	took  map[string]time.Duration // by "run a", else by "run"
	fails map[string]int
	hangs map[string]bool
	now   map[string]int // calls under way, by verb
	most  map[string]int
	open  int
	shown []string // logins, to pull with
	watch chan<- struct{}
}

func newSite() *site {
	return &site{
		pods: map[string]live.Pod{}, files: map[string]live.File{}, took: map[string]time.Duration{},
		fails: map[string]int{}, hangs: map[string]bool{}, now: map[string]int{}, most: map[string]int{},
	}
}

// enter is the part of a call before it has an effect.
func (s *site) enter(ctx context.Context, verb, name string) error {
	what := verb + " " + name
	s.mu.Lock()
	s.calls = append(s.calls, call{what, time.Now()})
	s.now[verb]++
	s.most[verb] = max(s.most[verb], s.now[verb])
	took, ok := s.took[what]
	if !ok {
		took = s.took[verb]
	}
	hangs := s.hangs[what] || s.hangs[verb]
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.now[verb]--; s.mu.Unlock() }()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range []string{what, verb} {
		if s.fails[k] > 0 {
			s.fails[k]--
			return errors.New("broken")
		}
	}
	return nil
}

func (s *site) Observe(ctx context.Context) (live.Node, error) {
	s.mu.Lock()
	n := live.Node{}
	for _, p := range s.pods {
		n.Pods = append(n.Pods, p)
	}
	for _, f := range s.files {
		n.Files = append(n.Files, f)
	}
	s.mu.Unlock()
	sort.Slice(n.Pods, func(i, j int) bool { return n.Pods[i].Name < n.Pods[j].Name })
	return n, s.enter(ctx, "look", "")
}

// Ping fails where a test says that it hangs, or has said nothing of it.
func (s *site) Ping(ctx context.Context) error {
	s.mu.Lock()
	hangs, said := s.hangs["ping"]
	s.mu.Unlock()
	if said && !hangs {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *site) Run(ctx context.Context, p manifest.Pod) error {
	return s.change(ctx, "run", p.Name, func() {
		pod, _ := live.ParsePod(p.Name, p.Labels)
		pod.Signer, pod.Host = live.PodSigner(live.HostsOf(slices.Collect(maps.Values(s.files))), p.Name, p.Labels)
		pod.Containers = []live.Container{{Name: "main", State: live.Running}}
		s.pods[p.Name] = pod
	})
}

func (s *site) Stop(ctx context.Context, name string) error {
	return s.change(ctx, "stop", name, func() { delete(s.pods, name) })
}

func (s *site) Put(ctx context.Context, f manifest.File) error {
	return s.change(ctx, "put", f.Name, func() { s.keep(f) })
}

// keep stores a File if none has its name.
func (s *site) keep(f manifest.File) {
	if _, ok := s.files[f.Name]; !ok {
		s.files[f.Name] = live.File{Name: f.Name, Labels: f.Labels, Signer: live.FileSigner(f.Name, f.Labels)}
	}
}

func (s *site) Delete(ctx context.Context, name string) error {
	return s.change(ctx, "delete", name, func() { delete(s.files, name) })
}

func (s *site) Pull(ctx context.Context, image, policy string, auth ...manifest.Bytes) error {
	s.mu.Lock()
	for _, login := range auth {
		s.shown = append(s.shown, string(login))
	}
	s.mu.Unlock()
	return s.enter(ctx, "pull", image)
}

func (s *site) change(ctx context.Context, verb, name string, f func()) error {
	if err := s.enter(ctx, verb, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	return nil
}

func (s *site) Watch(ctx context.Context, poke chan<- struct{}) error {
	s.mu.Lock()
	s.watch = poke
	s.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (s *site) poke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch <- struct{}{}
}

func (s *site) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	return nil
}

// heard are the calls that were made, in order, looks left out.
func (s *site) heard() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.what != "look " {
			list = append(list, c.what)
		}
	}
	return list
}

// times are when a call was made.
func (s *site) times(what string) (list []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.what == what {
			list = append(list, c.at)
		}
	}
	return list
}

func (s *site) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// shelf is a source in memory.
type shelf struct {
	mu    sync.Mutex
	head  string
	sets  map[string]manifest.Set
	err   error
	hangs bool
	loads []string
	watch chan<- struct{}
}

func (s *shelf) Head(ctx context.Context) (string, time.Time, error) {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return "", time.Time{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, time.Now(), s.err
}

func (s *shelf) Load(_ context.Context, commit string) (manifest.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads = append(s.loads, commit)
	set, ok := s.sets[commit]
	if !ok {
		return manifest.Set{}, sources.ErrGone
	}
	set.Commit = commit
	return set, nil
}

func (s *shelf) Watch(ctx context.Context, poke chan<- struct{}) error {
	s.mu.Lock()
	s.watch = poke
	s.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// push makes another commit the head, and pokes.
func (s *shelf) push(commit string, set manifest.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head, s.sets[commit] = commit, set
	s.watch <- struct{}{}
}

func (s *shelf) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *shelf) Name() string { return "shelf" }
func (s *shelf) Close() error { return nil }

// past is a shelf with a history: a commit's parent is in its Set.
type past struct{ *shelf }

var _ sources.Historian = past{}

func (s past) line(head string) (line []manifest.Set) {
	for c := head; c != ""; c = s.sets[c].Parent {
		line = append(line, s.sets[c])
		line[len(line)-1].Commit = c
	}
	return line
}

func (s past) Ancestor(_ context.Context, commit, head string) (bool, error) {
	return slices.ContainsFunc(s.line(head), func(c manifest.Set) bool { return c.Commit == commit }), nil
}

func (s past) Nodes(_ context.Context, head string) (nodes []manifest.Node, err error) {
	for _, c := range s.line(head) {
		for _, n := range c.Nodes {
			if !slices.ContainsFunc(nodes, func(m manifest.Node) bool { return m.Name == n.Name && m.Way() == n.Way() }) {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes, nil
}

// Renewed takes each object that it is asked about for one that came anew with head, and cannot tell of a head that it lacks.
func (s past) Renewed(_ context.Context, head string, named map[manifest.ID][]string) (map[manifest.ID][]string, error) {
	if _, ok := s.sets[head]; !ok {
		return nil, sources.ErrGone
	}
	return named, nil
}

func (s past) Decisions(context.Context, string) ([]manifest.Decision, error) { return nil, nil }

// bed is a Reconciler over sites, with a plan that a test writes.
type bed struct {
	Options
	sites map[string]*site
	shelf *shelf
	think func(manifest.History, live.Snapshot, time.Time) plan.Plan
	mu    sync.Mutex
	told  []Pass
}

func newBed(nodes ...string) *bed {
	b := &bed{sites: map[string]*site{}, shelf: &shelf{head: "c1", sets: map[string]manifest.Set{"c1": {Nodes: fleetOf(nodes...)}}}}
	b.Options = Options{
		Source: b.shelf, Cluster: "test", Key: testKey(0), Now: time.Now,
		Open: func(_ context.Context, n manifest.Node) (drivers.Driver, error) {
			s := b.sites[n.Name]
			s.set(func() { s.open++ })
			return s, nil
		},
		Tell: func(p Pass) { b.mu.Lock(); b.told = append(b.told, p); b.mu.Unlock() },
	}
	b.think = func(manifest.History, live.Snapshot, time.Time) plan.Plan { return plan.Plan{} }
	for _, n := range fleetOf(nodes...) {
		b.sites[n.Name] = newSite()
		b.sites[n.Name].keep(b.recordOf(live.HostFile, "id-of-"+n.Name, n))
	}
	return b
}

// by is a Reconciler of another key on the same sites.
func (b *bed) by(key byte) *bed {
	other := &bed{Options: b.Options, sites: b.sites, shelf: b.shelf, think: b.think}
	other.Key = testKey(key)
	return other
}

// testKey is a key that is the same in each run.
func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

// recordOf is a signed record of who a host is.
func (b *bed) recordOf(name, id string, n manifest.Node) manifest.File {
	return *b.Signed(plan.Action{File: b.record(name, id, n, "")}, "").File
}

func fleetOf(names ...string) (nodes []manifest.Node) {
	for _, n := range names {
		nodes = append(nodes, manifest.Node{
			Meta: manifest.Meta{ID: manifest.ID{Kind: "Node", Name: n}}, ProviderID: "stub://" + n, Grace: 30 * time.Second,
		})
	}
	return nodes
}

func (b *bed) new() *Reconciler {
	r := New(b.Options)
	r.think = func(h manifest.History, s live.Snapshot, now time.Time) thought {
		return scripted{plan.Think(h, s, now), func(h manifest.History) plan.Plan {
			b.mu.Lock()
			think := b.think
			b.mu.Unlock()
			return think(h, s, now)
		}}
	}
	return r
}

// scripted is a thought that ends in the plan that a test wrote.
type scripted struct {
	plan.Thought
	plan func(manifest.History) plan.Plan
}

func (s scripted) Plan(h manifest.History) plan.Plan { return s.plan(h) }

func (b *bed) passes() []Pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.told)
}

func (b *bed) last() Pass {
	all := b.passes()
	return all[len(all)-1]
}

// during runs the loop while f is doing, and is sure that nothing is left of it afterwards.
func during(t *testing.T, b *bed, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.new().Run(ctx) }()
	f()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for name, s := range b.sites {
		if s.open != 0 {
			t.Errorf("%s: %d drivers are open", name, s.open)
		}
	}
}

// after lets time pass in the bubble, and everything that it sets off come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func runs(node, name string) plan.Action {
	p := live.Pod{Name: name, Cluster: "test", App: web, Rev: "v1-a", Expect: []string{"main"}}
	return plan.Action{Node: node, Verb: plan.Run, Name: name, App: web, Pod: &manifest.Pod{
		Name: name, Labels: live.PodLabels(p),
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "img"}}},
	}}
}

func with(a plan.Action, image string, policy corev1.PullPolicy) plan.Action {
	a.Pod.Spec.Containers[0].Image, a.Pod.Spec.Containers[0].ImagePullPolicy = image, policy
	return a
}

func puts(node, name string) plan.Action {
	return plan.Action{Node: node, Verb: plan.Put, Name: name, App: web, File: &manifest.File{Name: name}}
}

func stops(node, name string) plan.Action {
	return plan.Action{Node: node, Verb: plan.Stop, Name: name, App: web}
}

func deletes(node, name string) plan.Action {
	return plan.Action{Node: node, Verb: plan.Delete, Name: name, App: web}
}

// until is a plan with those of the actions whose effect has not been seen, or asked for.
func until(actions ...plan.Action) func(manifest.History, live.Snapshot, time.Time) plan.Plan {
	return func(_ manifest.History, s live.Snapshot, _ time.Time) (p plan.Plan) {
		for _, a := range actions {
			i := slices.IndexFunc(s.Nodes, func(n live.Node) bool { return n.Name == a.Node && n.Known })
			if i >= 0 && lacks(s.Nodes[i], a) {
				p.Actions = append(p.Actions, a)
			}
		}
		return p
	}
}

func lacks(n live.Node, a plan.Action) bool {
	i := slices.IndexFunc(n.Pods, func(p live.Pod) bool { return p.Name == a.Name })
	file := slices.ContainsFunc(n.Files, func(f live.File) bool { return f.Name == a.Name })
	switch a.Verb {
	case plan.Put:
		return !file
	case plan.Delete:
		return file
	case plan.Stop:
		return i >= 0 && !n.Pods[i].Stopping
	}
	return i < 0
}

func many(node string, n int) (list []plan.Action) {
	for i := range n {
		list = append(list, runs(node, fmt.Sprintf("web-%02d", i)))
	}
	return list
}
