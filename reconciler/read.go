package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// excerpt is what thinking asked of one commit.
type excerpt struct {
	manifest.Set
	apps  map[manifest.ID]bool
	files []string
}

// absence is why a commit could not be had. One that is gone stays so until the next fetch; any other reason may pass, and it is asked for
// again, first after firstRetry and then after twice as long each time, at most lastRetry.
type absence struct {
	err   error
	wait  time.Duration
	again time.Time
}

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// mostMissing is how many commits are remembered as not to be had while no fetch brings anything. A host may name others without end; with one more all
// of them are asked for again.
const mostMissing = 10_000

// reading is what the newest good fetch brought, and why a newer one brought nothing. It is replaced, never edited.
type reading struct {
	ok        bool // there is a head
	head      manifest.Set
	fetched   time.Time
	nodes     []manifest.Node // all that the first-parent history ever held, as sources.Historian has them
	decisions []manifest.Decision
	err       string
	lasting   bool // no time mends that
}

// because is a reading with why a newer fetch brought nothing, or not all.
func (r reading) because(err error, otherwise string) reading {
	r.err, r.lasting = text(err, otherwise), errors.Is(err, sources.ErrLasting)
	return r
}

// reader reads the source. fetch may run beside the loop; the caches belong to the loop.
type reader struct {
	Options
	local     bool   // the fleet is this machine: it was so when everything could be read
	of        string // the head that ancestors are about
	ancestors map[string]bool
	searches  map[manifest.Question]*search // what the last pass asked of the line
	excerpts  map[string]excerpt            // of commits that pods and receipts name, what this pass uses
	before    map[string]excerpt            // what the last one did
	missing   map[string]absence            // commits that could not be had since the last fetch
	asOf      time.Time
}

// fetch asks the source for what is wanted now. Whatever fails, the last good reading stays, with the reason.
func (r *reader) fetch(ctx context.Context, last reading) reading {
	ctx, cancel := context.WithTimeout(ctx, r.ReadTimeout)
	defer cancel()
	commit, fetched, err := r.Source.Head(ctx)
	if commit == "" {
		return last.because(err, "the source names no commit")
	}
	next, problem := r.load(ctx, commit, last)
	if problem != nil {
		return last.because(errors.Join(err, problem), "")
	}
	next.fetched = fetched
	if err != nil {
		next = next.because(err, "")
	}
	return next
}

// load reads a head whole: what it asks for, which Nodes there ever were, what people decided.
func (r *reader) load(ctx context.Context, commit string, last reading) (reading, error) {
	next := reading{ok: true, head: last.head, nodes: last.nodes, decisions: last.decisions}
	past, _ := r.Source.(sources.Historian)
	var err error
	if !last.ok || last.head.Commit != commit {
		if next.head, err = r.Source.Load(ctx, commit); err != nil {
			return reading{}, fmt.Errorf("load %s: %w", commit, err)
		}
		if past != nil {
			if next.nodes, err = past.Nodes(ctx, commit); err != nil {
				return reading{}, fmt.Errorf("nodes up to %s: %w", commit, err)
			}
		}
	}
	if past != nil {
		if next.decisions, err = past.Decisions(ctx, commit); err != nil {
			next.decisions = last.decisions
			next.err = live.Words("decisions: " + err.Error())
		}
	}
	return next, nil
}

func text(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return live.Words(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// blank is the history of a pass that has no head.
func (r *reader) blank(from reading) manifest.History {
	return manifest.History{
		Cluster: r.Cluster, Source: r.Source.Name(), Key: r.signer(), AllowPrune: r.AllowPrune, Proposal: r.Proposal, Side: r.Side, Net: r.Net, Doors: r.Doors,
		Err: from.err, Lasting: from.lasting,
	}
}

// fleet are the Nodes of HEAD, and those that left it; why says why there may be more of them.
type fleet struct {
	head, gone []manifest.Node
	renamed    map[string]string
	why        string
}

// fleet says which Nodes there are. This machine is the fleet only when there is no Node and never was, and none can hide
// in a file that is in error, nor, where the source has no past, in one that may have been damaged. Once it was, a file that
// breaks does not change that.
func (r *reader) fleet(from reading) fleet {
	f := outcome(from)
	if len(from.head.Nodes)+len(f.gone) > 0 {
		r.local, f.head = false, from.head.Nodes
		return f
	}
	broken := slices.IndexFunc(from.head.Problems, manifest.Problem.Hides)
	if broken >= 0 && !r.local {
		f.why = "no Node is known, and one may be in a file that is in error: " + from.head.Problems[broken].Error()
		return f
	}
	if _, past := r.Source.(sources.Historian); !past && !r.local { // nobody can say which Nodes there ever were
		if p := (manifest.History{Head: from.head}).Hollow(); p != nil {
			f.why = "no Node is known, and one may have been in a file that was damaged; restore it or delete it: " + p.Error()
			return f
		}
	}
	r.local, f.head = true, []manifest.Node{r.here(from.head.Commit)}
	return f
}

// outcome says of every Node that there ever was what became of it. Whatever was reached as a Node of HEAD is that host. So is, of
// several that left, the newest of those reached alike. A name that stands for another host now, or stood for one before it left,
// does not hide the older one: that has a name of its own (manifest.Node.FormerName).
func outcome(from reading) (f fleet) {
	f.renamed = map[string]string{}
	named, at := map[string]bool{}, map[string]string{}
	for _, n := range from.head.Nodes {
		named[n.Name], at[n.Way()] = true, n.Name
	}
	for _, n := range from.nodes {
		newest := !named[n.Name]
		named[n.Name] = true
		if now, there := at[n.Way()]; there {
			if newest {
				f.renamed[n.Name] = now
			}
			continue
		}
		if !newest {
			n.Name = n.FormerName()
		}
		at[n.Way()] = n.Name
		f.gone = append(f.gone, n)
	}
	slices.SortFunc(f.gone, func(a, b manifest.Node) int { return cmp.Compare(a.Name, b.Name) })
	return f
}

func (r *reader) here(commit string) manifest.Node {
	n := LocalNode()
	if r.Local != nil {
		n = *r.Local
	}
	n.Commit = commit
	return n
}

// history is what thinking is given of the past, but for the forms that it lacks then.
func (r *reader) history(ctx context.Context, from reading, f fleet, s live.Snapshot) manifest.History {
	r.renew(from)
	r.before, r.excerpts = r.excerpts, map[string]excerpt{}
	h := r.blank(from)
	h.Head, h.Fetched, h.Gone, h.Renamed, h.Decisions = from.head, from.fetched, f.gone, f.renamed, from.decisions
	h.Head.Nodes, h.Err = f.head, cmp.Or(h.Err, f.why)
	h.Ancestor = r.named(ctx, &h, s)
	h.At = r.held(ctx, &h, s)
	h.Renewed = r.renewed(ctx, &h, s)
	h.Past = r.past(ctx, &h, s)
	return h
}

// renew drops what may be answered differently since the newest fetch.
func (r *reader) renew(from reading) {
	if r.of != from.head.Commit || r.ancestors == nil {
		r.of, r.ancestors = from.head.Commit, map[string]bool{}
	}
	if r.missing == nil || !r.asOf.Equal(from.fetched) {
		r.missing, r.asOf = map[string]absence{}, from.fetched
	}
}

// named says of each commit that live pods and receipts name whether HEAD descends from it.
func (r *reader) named(ctx context.Context, h *manifest.History, s live.Snapshot) map[string]bool {
	ancestor := map[string]bool{}
	for _, commit := range commits(s) {
		is, err := r.ancestor(ctx, commit)
		if err != nil {
			note(h, fmt.Errorf("is %s an ancestor: %w", commit, err))
			continue
		}
		ancestor[commit] = is
	}
	r.ancestors = maps.Clone(ancestor) // what nobody names any more is forgotten
	return ancestor
}

// held reads, of the commits that live pods and receipts name and HEAD descends from, what the files held that hold nothing now.
func (r *reader) held(ctx context.Context, h *manifest.History, s live.Snapshot) map[string]manifest.Set {
	at := map[string]manifest.Set{}
	if files := h.Head.Void(); len(files) > 0 {
		for _, commit := range commits(s) {
			if h.Ancestor[commit] {
				r.take(ctx, h, at, commit, nil, files)
			}
		}
	}
	return at
}

// forms is the history with those that thinking lacks, each of the first commit that has it. The rest of each commit is let go.
func (r *reader) forms(ctx context.Context, h manifest.History, needs []plan.Need) manifest.History {
	apps, files := byCommit(needs), h.Head.Void()
	h.At = maps.Clone(h.At)
	for _, need := range needs {
		for _, commit := range need.Commits {
			if r.take(ctx, &h, h.At, commit, apps[commit], files) && r.excerpts[commit].has(need) {
				break
			}
		}
	}
	return h
}

// take puts what one commit says of some workloads and files among what thinking is given.
func (r *reader) take(ctx context.Context, h *manifest.History, at map[string]manifest.Set, commit string, apps map[manifest.ID]bool, files []string) bool {
	e, err := r.excerpt(ctx, h.Head, commit, apps, files)
	if err != nil {
		if !errors.Is(err, sources.ErrGone) {
			note(h, fmt.Errorf("load %s: %w", commit, err))
		}
		return false
	}
	r.excerpts[commit], at[commit] = e, e.Set
	return true
}

// byCommit are the workloads that are sought in each commit, so that it is read once.
func byCommit(needs []plan.Need) map[string]map[manifest.ID]bool {
	apps := map[string]map[manifest.ID]bool{}
	for _, need := range needs {
		for _, commit := range need.Commits {
			if apps[commit] == nil {
				apps[commit] = map[manifest.ID]bool{}
			}
			apps[commit][need.App] = true
		}
	}
	return apps
}

func (e excerpt) has(need plan.Need) bool {
	return slices.ContainsFunc(e.Workloads, func(wl manifest.Workload) bool {
		return wl.ID == need.App && wl.Revision.Rev == need.Rev
	})
}

// excerpt is what one commit says of some workloads and files, as it is at hand if as much was asked for before.
func (r *reader) excerpt(ctx context.Context, head manifest.Set, commit string, apps map[manifest.ID]bool, files []string) (excerpt, error) {
	if commit == head.Commit {
		return excerpt{Set: head}, nil
	}
	for _, known := range []map[string]excerpt{r.excerpts, r.before} {
		if e, ok := known[commit]; ok && e.covers(apps, files) {
			return e, nil
		}
	}
	set, err := r.commit(ctx, commit)
	if err != nil {
		return excerpt{}, err
	}
	return excerpt{set.Excerpt(apps, files), apps, files}, nil
}

func (e excerpt) covers(apps map[manifest.ID]bool, files []string) bool {
	for app := range apps {
		if !e.apps[app] {
			return false
		}
	}
	return !slices.ContainsFunc(files, func(f string) bool { return !slices.Contains(e.files, f) })
}

// commits are what pods and receipts name, sorted.
func commits(s live.Snapshot) (names []string) {
	for _, n := range s.Nodes {
		for _, p := range n.Pods {
			names = append(names, p.Commit)
		}
		for _, r := range n.Receipts {
			names = append(names, r.Commit)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(c string) bool { return c == "" })
}

// commit reads one commit whole, unless it could not be had a short while ago.
func (r *reader) commit(ctx context.Context, commit string) (manifest.Set, error) {
	last, failed := r.missing[commit]
	if failed && (errors.Is(last.err, sources.ErrGone) || r.Now().Before(last.again)) {
		return manifest.Set{}, last.err
	}
	set, err := r.Source.Load(ctx, commit)
	if err != nil {
		if len(r.missing) >= mostMissing {
			clear(r.missing)
		}
		wait := min(max(2*last.wait, firstRetry), lastRetry)
		r.missing[commit] = absence{err, wait, r.Now().Add(wait)}
		return manifest.Set{}, err
	}
	delete(r.missing, commit)
	return set, nil
}

// ancestor says whether the head that is read is the commit or descends from it. A source without a past has one
// commit.
func (r *reader) ancestor(ctx context.Context, commit string) (bool, error) {
	past, ok := r.Source.(sources.Historian)
	if !ok || commit == r.of {
		return commit == r.of, nil
	}
	if is, ok := r.ancestors[commit]; ok {
		return is, nil
	}
	is, err := past.Ancestor(ctx, commit, r.of)
	if err == nil {
		r.ancestors[commit] = is
	}
	return is, err
}

// note adds a reason why the history may be incomplete.
func note(h *manifest.History, err error) {
	if h.Err == "" {
		h.Err = text(err, "")
	}
}
