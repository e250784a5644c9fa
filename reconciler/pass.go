package reconciler

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// care is how much trouble a pass takes over its looks.
type care struct {
	older    time.Duration // looks of this age are made anew
	patience time.Duration // how long to wait for looks; a node that is silent already is not waited for. 0 waits for all
	hurry    bool          // a node side has said something: no look is waited for at a node that was seen before
}

// Pass fetches, looks at every node, thinks, and, unless DryRun, acts: when it returns, the actions have been begun
// or, if Serial, have ended.
func (r *Reconciler) Pass(ctx context.Context) Pass {
	r.reading = r.reader.fetch(ctx, r.reading)
	return r.pass(ctx, care{})
}

func (r *Reconciler) pass(ctx context.Context, c care) Pass {
	p := r.compose(ctx, c)
	r.voice.pass(p)
	if r.mirror != nil && p.Err == nil {
		r.mirror.show(p.Plan)
	}
	r.Tell(p)
	return p
}

func (r *Reconciler) compose(ctx context.Context, c care) Pass {
	r.awake.tick(r.Now())
	if !r.reading.ok {
		return Pass{Time: r.Now(), History: r.reader.blank(r.reading), Err: errors.New(r.reading.err)}
	}
	f := r.reader.fleet(r.reading)
	r.leaving = map[string]bool{}
	for _, n := range f.gone {
		r.leaving[n.Name] = true
	}
	r.appoint(slices.Concat(f.head, slices.DeleteFunc(slices.Clone(f.gone), r.departed)))
	r.look(ctx, c)

	p := Pass{Time: r.Now()}
	r.awake.tick(p.Time)
	p.Snapshot = r.views(p.Time)
	if p.Err = r.ponder(ctx, f, &p); p.Err != nil {
		return p
	}
	r.letGo(f.gone, p.Plan.Departed)
	p.Snapshot.Nodes = slices.DeleteFunc(p.Snapshot.Nodes, func(n live.Node) bool { return slices.Contains(p.Plan.Departed, n.Name) })
	if !r.DryRun {
		r.route(&p)
		p.Doing = r.act(ctx, p.Plan)
	}
	return p
}

// ponder reads what is wanted of the past, and thinks.
func (r *Reconciler) ponder(ctx context.Context, f fleet, p *Pass) error {
	read, cancel := context.WithTimeout(ctx, r.ReadTimeout)
	defer cancel()
	p.History = r.reader.history(read, r.reading, f, p.Snapshot)
	thought := r.think(p.History, p.Snapshot, p.Time)
	p.History = r.reader.forms(read, p.History, thought.Lacks())
	if ctx.Err() == nil {
		p.Plan = thought.Plan(p.History)
	}
	return ctx.Err()
}

// letGo remembers which of the Nodes that left HEAD need not be looked at in the next pass.
func (r *Reconciler) letGo(gone []manifest.Node, departed []string) {
	clear(r.gone)
	for _, n := range gone {
		if slices.Contains(departed, n.Name) {
			r.gone[n.Name] = n.Commit
		}
	}
}

// departed says whether a Node was let go, and was not in Git again since.
func (r *Reconciler) departed(n manifest.Node) bool {
	commit, is := r.gone[n.Name]
	return is && commit == n.Commit
}

// appoint gives each node a worker, and dismisses those of nodes that are asked for no more or are reached in
// another way now.
func (r *Reconciler) appoint(nodes []manifest.Node) {
	wanted := map[string]manifest.Node{}
	for _, n := range nodes {
		wanted[n.Name] = n
	}
	for name, w := range r.hosts {
		if n, ok := wanted[name]; !ok || n.ProviderID != w.node.ProviderID {
			r.dismiss(w)
		}
	}
	for _, n := range wanted {
		w := r.hosts[n.Name]
		switch {
		case w == nil:
			r.hire(newHost(n, r.awake.ran), served{})
		case !sameWay(w.node, n):
			known := r.memory(w)
			r.dismiss(w)
			known.node = n
			r.hire(known, w.line.known())
		}
	}
}

// hire gives a node a worker. What is known to be served there was said to another one.
func (r *Reconciler) hire(h host, known served) {
	w := newWorker(r.Options, h, r.nudge)
	w.line.tables, w.line.serves = &r.tables, known
	w.line.poke = r.hurry
	r.hosts[h.node.Name] = w
	if r.Serial {
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	w.dismiss = cancel
	r.join.Go(func() { w.work(ctx) })
}

func (r *Reconciler) dismiss(w *worker) {
	delete(r.hosts, w.node.Name)
	if r.Serial {
		w.closeDriver()
		return
	}
	w.dismiss()
}

// memory is what is known of a node that will be reached in another way: what was seen, not what is under way.
func (r *Reconciler) memory(w *worker) (known host) {
	r.ask(w, func() { known = w.host.remembered() })
	return known
}

// ask has the worker's goroutine call f, and waits. A worker that was dismissed does not call it.
func (r *Reconciler) ask(w *worker, f func()) {
	if r.Serial {
		f()
		return
	}
	called := make(chan struct{})
	select {
	case w.asks <- func() { f(); close(called) }:
		<-called
	case <-w.gone:
	}
}

// names are the nodes that have a worker, sorted.
func (r *Reconciler) names() []string {
	names := make([]string, 0, len(r.hosts))
	for name := range r.hosts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// look has the nodes looked at, all at once, and waits as long as care says.
func (r *Reconciler) look(ctx context.Context, c care) {
	if r.Serial {
		for _, name := range r.names() {
			r.hosts[name].leaving = r.leaving[name]
			r.hosts[name].lookNow(ctx, r.awake.ran)
		}
		return
	}
	var looks []pending
	for name, w := range r.hosts {
		r.ask(w, func() {
			w.leaving = r.leaving[name]
			looks = append(looks, pending{w, w.look(c, r.awake.ran), !w.seen.Known})
		})
	}
	r.await(ctx, c, looks)
}

// pending is a look that may be under way.
type pending struct {
	*worker
	ends  <-chan struct{}
	first bool // the node was not seen before
}

// await waits for looks. Of those that are left a pass is made when they end.
func (r *Reconciler) await(ctx context.Context, c care, looks []pending) {
	var late, said <-chan struct{}
	if c.patience > 0 {
		timed, cancel := context.WithTimeout(ctx, c.patience)
		defer cancel()
		late, said = timed.Done(), r.said
	}
	for _, l := range looks {
		for waits := true; waits && (l.first || !c.hurry); {
			select {
			case <-l.ends:
				waits = false
			case <-said:
				c.hurry = true
			case <-late:
				return
			case <-ctx.Done():
				return
			}
		}
	}
	for _, l := range looks {
		if c.hurry {
			r.ask(l.worker, func() { l.left = l.inLook })
		}
	}
}

// hurry has a pass made that waits for nobody: what a node side has said is wanted on other nodes at once.
func (r *Reconciler) hurry() {
	select {
	case r.said <- struct{}{}:
	default:
	}
}

// views collects what the workers know. They begin nothing new until they are given the next list, so that what is
// thought about does not change under the thinking.
func (r *Reconciler) views(now time.Time) (s live.Snapshot) {
	s.Watched = r.awake.ran
	for _, name := range r.names() {
		w := r.hosts[name]
		r.ask(w, func() {
			w.held = true
			s.Nodes = append(s.Nodes, w.view(r.awake.ran, now))
		})
	}
	return s
}

// act hands out the actions, and what the node sides are to look after, and says what is under way then.
func (r *Reconciler) act(ctx context.Context, p plan.Plan) (doing []Doing) {
	lists := map[string][]plan.Action{}
	for _, a := range p.Actions {
		lists[a.Node] = append(lists[a.Node], a)
	}
	for _, name := range r.names() {
		w := r.hosts[name]
		if tend, ok := p.Tend[name]; ok {
			w.line.wants(r.Source.Name(), tend)
		}
		r.ask(w, func() {
			w.take(lists[name])
			if !r.Serial {
				w.dispatch()
				doing = append(doing, w.doing()...)
			}
		})
	}
	if r.Serial {
		r.actInOrder(ctx, p.Actions)
	}
	return doing
}

func (r *Reconciler) actInOrder(ctx context.Context, actions []plan.Action) {
	for _, a := range actions {
		if w := r.hosts[a.Node]; w != nil {
			w.doNow(ctx, a)
		}
	}
}
