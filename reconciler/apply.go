package reconciler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// Bounds on what is under way at once on one node, beside Options.Parallel. Stopping is waiting, so it does not take
// the places of starts.
const (
	mostStops = 8
	mostPulls = 8
)

// mostPresent is how many images are remembered as being there, many more than a node has at a time. With one more they are forgotten, and each
// is looked for once more.
const mostPresent = 1_000

// lane is what is to be done on one node and how much of it is under way. What has not begun is given up when
// the next list comes: it was thought of without knowing what that list knows.
type lane struct {
	held    bool // the loop is thinking: begin nothing
	puts    []plan.Action
	noting  bool     // the put that is under way is of a receipt
	pods    []errand // runs and stops
	deletes []plan.Action

	under   map[plan.Verb]int
	pulls   map[need]pull
	present map[string]bool // images that were pulled and need no look again while nothing fails
}

// errand is a Run, a Pull or a Stop that waits. lacks are the images that must be pulled first; a Pull is done when there are none.
type errand struct {
	plan.Action
	lacks []need
}

// need is an image under a pull policy.
type need struct {
	image  string
	policy corev1.PullPolicy
}

type pull struct {
	app   manifest.ID
	began time.Time
}

func newLane() lane {
	return lane{under: map[plan.Verb]int{}, pulls: map[need]pull{}, present: map[string]bool{}}
}

// flights is how many calls that change the node are under way, pulls not counted.
func (l *lane) flights() int {
	n := 0
	for _, c := range l.under {
		n += c
	}
	return n
}

// take replaces the list of what is to be done.
func (w *worker) take(actions []plan.Action) {
	now, before := w.Now(), w.pods
	w.forget(now)
	w.puts, w.pods, w.deletes, w.held = nil, nil, nil, false
	for _, a := range actions {
		if why := w.refuses(a, now); why != "" {
			if a.Verb == plan.Put && w.woes[keyOf(a)].Count > 0 {
				w.lacks[a.Name] = why
			}
			continue
		}
		switch a.Verb {
		case plan.Put:
			w.puts = append(w.puts, a)
		case plan.Delete:
			w.deletes = append(w.deletes, a)
		default:
			if e := w.errand(a, before); a.Verb != plan.Pull || !ready(e) {
				w.pods = append(w.pods, e)
			}
		}
	}
}

// errand finds out which images a Run or a Pull needs pulled. One that was waiting already keeps what it has got.
func (w *worker) errand(a plan.Action, before []errand) errand {
	for _, e := range before {
		if e.Name == a.Name && e.Verb == a.Verb && a.Pod != nil && maps.Equal(e.Pod.Attempt, a.Pod.Attempt) {
			return errand{Action: a, lacks: e.lacks}
		}
	}
	return errand{Action: a, lacks: w.needs(a)}
}

func (w *worker) needs(a plan.Action) (needs []need) {
	if _, ok := w.driver.(drivers.Puller); !ok || a.Verb != plan.Run && a.Verb != plan.Pull {
		return nil
	}
	for _, c := range slices.Concat(a.Pod.Spec.InitContainers, a.Pod.Spec.Containers) {
		n := need{c.Image, policy(c)}
		if (n.policy != corev1.PullAlways || a.Verb == plan.Pull) && w.present[n.image] || slices.Contains(needs, n) {
			continue
		}
		needs = append(needs, n)
	}
	return needs
}

func policy(c corev1.Container) corev1.PullPolicy {
	if c.ImagePullPolicy == "" {
		return corev1.PullIfNotPresent
	}
	return c.ImagePullPolicy
}

// dispatch begins what may begin: Files one after the other, then pods, Files to delete when nothing else is left but
// waiting for images. Pulls wait for nothing. Pods do not wait for receipts: what a receipt announces is planned once it has been seen.
func (w *worker) dispatch() {
	if w.held || w.driver == nil {
		return
	}
	w.beginPulls()
	if w.under[plan.Put] == 0 && len(w.puts) > 0 {
		a := w.puts[0]
		w.puts, w.noting = w.puts[1:], isReceipt(a)
		w.begin(a)
	}
	if w.under[plan.Put] > 0 && !(w.noting && !slices.ContainsFunc(w.puts, isContent)) {
		return
	}
	w.beginPods()
	if w.flights() == 0 && len(w.deletes) > 0 && !slices.ContainsFunc(w.pods, ready) {
		a := w.deletes[0]
		w.deletes = w.deletes[1:]
		w.begin(a)
	}
}

func isReceipt(a plan.Action) bool { return a.File.Labels[live.LabelReceipt] != "" }

func isContent(a plan.Action) bool { return !isReceipt(a) }

func ready(e errand) bool { return len(e.lacks) == 0 }

func (w *worker) beginPods() {
	var wait []errand
	for _, e := range w.pods {
		file, why := w.lacking(e.Action)
		switch {
		case file != "":
			w.waitFor(e.Action, file, why)
		case !ready(e) || w.under[e.Verb] >= w.most(e.Verb):
			wait = append(wait, e)
		default:
			w.begin(e.Action)
		}
	}
	w.pods = wait
}

// lacking says what a Run waits for besides images, and why: a File that could not be put, or the record of who the host is.
func (w *worker) lacking(a plan.Action) (file, why string) {
	file, why = w.host.lacking(a)
	if file == "" && a.Verb == plan.Run && w.hostFor(w.seen.Files) == "" {
		return live.HostFile, w.unintroduced()
	}
	return file, why
}

func (w *worker) most(v plan.Verb) int {
	if v == plan.Stop {
		return mostStops
	}
	return w.Parallel
}

// waitFor gives up a Run whose File could not be put. It is tried again when the File is.
func (w *worker) waitFor(a plan.Action, file, why string) {
	now := w.Now()
	w.suffers(a, fmt.Errorf("waits for file %s: %s", file, why), now)
	t := w.woes[keyOf(a)]
	t.Count = 1
	if f, ok := w.woes[key{file: true, name: file}]; ok {
		t.Next = f.Next
	}
	w.woes[keyOf(a)] = t
	w.voice.skipped(a, w.rev(a), t.Why)
}

func (w *worker) begin(a plan.Action) {
	a = w.Signed(a, w.hostFor(w.seen.Files))
	w.under[a.Verb]++
	w.begins(a, w.Now())
	driver := w.driver
	w.spawn(func(ctx context.Context) func() {
		err := live.Gate{}.Error(w.do(ctx, driver, a))
		return func() {
			w.under[a.Verb]--
			w.end(a, err)
		}
	})
}

// end takes in how an action went.
func (w *worker) end(a plan.Action, err error) {
	now := w.Now()
	f := w.flying[keyOf(a)]
	w.ends(a, err, now)
	w.stale, w.acted = true, true
	if err != nil && a.Verb == plan.Run {
		for _, c := range slices.Concat(a.Pod.Spec.InitContainers, a.Pod.Spec.Containers) {
			delete(w.present, c.Image)
		}
	}
	w.voice.did(a, f.rev, now.Sub(f.began), err)
}

// do makes the one call that an action is, with its deadline.
func (w *worker) do(ctx context.Context, driver drivers.Driver, a plan.Action) error {
	switch a.Verb {
	case plan.Put:
		return within(ctx, w.PutTimeout, func(ctx context.Context) error { return driver.Put(ctx, *a.File) })
	case plan.Run:
		return within(ctx, w.RunTimeout+live.Extra(*a.Pod), func(ctx context.Context) error { return driver.Run(ctx, *a.Pod) })
	case plan.Stop:
		if err := w.wait(ctx, a.Lull); err != nil {
			return err
		}
		return driver.Stop(ctx, a.Name) // which knows the pod's grace period, and ends soon after it
	case plan.Delete:
		if cleaner, ok := driver.(drivers.Cleaner); ok && a.App == live.SideApp {
			return within(ctx, w.RunTimeout, cleaner.Clean)
		}
		return within(ctx, w.PutTimeout, func(ctx context.Context) error { return driver.Delete(ctx, a.Name) })
	}
	return fmt.Errorf("%s: not a verb", a.Verb)
}

// wait lets time go by, but where nothing goes by itself.
func (w *worker) wait(ctx context.Context, d time.Duration) error {
	if d == 0 || w.Serial {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beginPulls pulls what waiting runs lack: each image once, and so many at a time.
func (w *worker) beginPulls() {
	wanted := 0
	for n := range w.pulls {
		if slices.ContainsFunc(w.pods, func(e errand) bool { return slices.Contains(e.lacks, n) }) {
			wanted++
		}
	}
	for _, e := range w.pods {
		for _, n := range e.lacks {
			if _, under := w.pulls[n]; under || wanted >= mostPulls {
				continue
			}
			wanted++
			w.beginPull(n, e.App)
		}
	}
}

func (w *worker) beginPull(n need, app manifest.ID) {
	w.pulls[n] = pull{app: app, began: w.Now()}
	puller, auth := w.driver.(drivers.Puller), w.auth(n)
	w.spawn(func(ctx context.Context) func() {
		err := live.Gate{}.Error(w.pull(ctx, puller, n, auth))
		return func() { w.endPull(n, err) }
	})
}

// auth is what all who wait for an image have to show for it.
func (w *worker) auth(n need) (auth []manifest.Bytes) {
	for _, e := range w.pods {
		if e.Pod != nil && slices.Contains(e.lacks, n) {
			auth = append(auth, e.Pod.Auth...)
		}
	}
	return auth
}

func (w *worker) pull(ctx context.Context, puller drivers.Puller, n need, auth []manifest.Bytes) error {
	return within(ctx, w.PullTimeout, func(ctx context.Context) error {
		if loader, ok := puller.(drivers.Loader); ok && w.Image != nil && w.Side.Has(n.image) {
			return w.load(ctx, puller, loader, n.image)
		}
		return puller.Pull(ctx, n.image, string(n.policy), auth...)
	})
}

// load gives the host an image that this controller brings along, if it is not there.
func (w *worker) load(ctx context.Context, puller drivers.Puller, loader drivers.Loader, image string) error {
	if puller.Pull(ctx, image, string(corev1.PullNever)) == nil {
		return nil
	}
	archive, err := w.Image(image)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	return loader.Load(ctx, archive)
}

// endPull lets those go on that waited for the image, or makes its failure theirs.
func (w *worker) endPull(n need, err error) {
	p, now := w.pulls[n], w.Now()
	delete(w.pulls, n)
	w.voice.pulled(w.node.Name, p.app, n.image, now.Sub(p.began), err)
	if err == nil {
		w.has(n.image)
	}
	var wait []errand
	for _, e := range w.pods {
		i := slices.Index(e.lacks, n)
		if i >= 0 && err != nil {
			w.suffers(e.Action, err, now)
			continue
		}
		if i >= 0 {
			e.lacks = slices.Delete(slices.Clone(e.lacks), i, i+1)
		}
		if e.Verb == plan.Pull && ready(e) {
			delete(w.woes, keyOf(e.Action))
			continue
		}
		wait = append(wait, e)
	}
	if len(wait) < len(w.pods) {
		w.poke()
	}
	w.pods = wait
}

// doNow does one action of a serial Reconciler, unless it waits for its time or for a File.
func (w *worker) doNow(ctx context.Context, a plan.Action) {
	if why := w.refuses(a, w.Now()); why != "" || w.driver == nil {
		return
	}
	if file, why := w.lacking(a); file != "" {
		w.waitFor(a, file, why)
		return
	}
	if err := w.pullNow(ctx, a); err != nil {
		w.suffers(a, err, w.Now())
		w.voice.did(a, w.rev(a), 0, err)
		return
	}
	if a.Verb == plan.Pull {
		delete(w.woes, keyOf(a))
		return
	}
	a = w.Signed(a, w.hostFor(w.seen.Files))
	w.begins(a, w.Now())
	w.end(a, w.do(ctx, w.driver, a))
}

func (w *worker) pullNow(ctx context.Context, a plan.Action) error {
	for _, n := range w.needs(a) {
		if err := w.pull(ctx, w.driver.(drivers.Puller), n, a.Pod.Auth); err != nil {
			return err
		}
		w.has(n.image)
	}
	return nil
}

// has remembers that an image is there.
func (l *lane) has(image string) {
	if len(l.present) >= mostPresent {
		clear(l.present)
	}
	l.present[image] = true
}
