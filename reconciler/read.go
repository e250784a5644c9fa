package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
)

// mostLine is how many ancestors of HEAD are read at most.
const mostLine = 1000

// reading is what the newest good fetch brought, and why a newer one brought nothing. It is replaced, never edited.
type reading struct {
	ok        bool // there is a head
	head      manifest.Set
	fetched   time.Time
	nodes     []manifest.Node // all that the first-parent history ever held, as sources.Historian has them
	decisions []manifest.Decision
	err       string
}

// reader reads the source. fetch may run beside the loop; the caches belong to the loop.
type reader struct {
	Options
	local     bool   // the fleet is this machine: it was so when everything could be read
	of        string // the head that ancestors are about
	ancestors map[string]bool
	sets      map[string]manifest.Set // commits that the last pass used
	missing   map[string]error        // commits that could not be had since the last fetch
	asOf      time.Time
}

// fetch asks the source for what is wanted now. Whatever fails, the last good reading stays, with the reason.
func (r *reader) fetch(ctx context.Context, last reading) reading {
	ctx, cancel := context.WithTimeout(ctx, r.ReadTimeout)
	defer cancel()
	commit, fetched, err := r.Source.Head(ctx)
	if commit == "" {
		last.err = text(err, "the source names no commit")
		return last
	}
	next, problem := r.load(ctx, commit, last)
	if problem != nil {
		last.err = text(errors.Join(err, problem), "")
		return last
	}
	next.fetched = fetched
	if err != nil {
		next.err = text(err, "")
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
		Cluster: r.Cluster, Source: r.Source.Name(), Key: r.signer(), AllowPrune: r.AllowPrune, Proposal: r.Proposal,
		Err: from.err,
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

// history is all that thinking is given of the past, as deep as deeper asks for.
func (r *reader) history(ctx context.Context, from reading, f fleet, s live.Snapshot,
	deeper func(manifest.History, live.Snapshot) bool) manifest.History {
	ctx, cancel := context.WithTimeout(ctx, r.ReadTimeout)
	defer cancel()
	r.renew(from)
	h := r.blank(from)
	h.Head, h.Fetched, h.Gone, h.Renamed, h.Decisions = from.head, from.fetched, f.gone, f.renamed, from.decisions
	h.Head.Nodes, h.Err = f.head, cmp.Or(h.Err, f.why)
	used := map[string]manifest.Set{}
	h.At, h.Ancestor = r.named(ctx, &h, s, used)
	h.Renewed = r.renewed(ctx, &h, s)
	r.deepen(ctx, &h, s, used, deeper)
	r.sets = used
	return h
}

// renew drops what may be answered differently since the newest fetch.
func (r *reader) renew(from reading) {
	if r.of != from.head.Commit || r.ancestors == nil {
		r.of, r.ancestors = from.head.Commit, map[string]bool{}
	}
	if r.missing == nil || !r.asOf.Equal(from.fetched) {
		r.missing, r.asOf = map[string]error{}, from.fetched
	}
}

// named reads the commits that live pods and receipts name, and whether HEAD descends from them.
func (r *reader) named(ctx context.Context, h *manifest.History, s live.Snapshot, used map[string]manifest.Set) (map[string]manifest.Set, map[string]bool) {
	at, ancestor := map[string]manifest.Set{}, map[string]bool{}
	for _, commit := range commits(s) {
		set, err := r.set(ctx, h.Head, commit, used)
		if err == nil {
			at[commit] = set
		} else if !errors.Is(err, sources.ErrGone) {
			note(h, fmt.Errorf("load %s: %w", commit, err))
		}
		is, err := r.ancestor(ctx, commit)
		if err != nil {
			note(h, fmt.Errorf("is %s an ancestor: %w", commit, err))
			continue
		}
		ancestor[commit] = is
	}
	return at, ancestor
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

// set is one commit's Set, from the last pass if that used it. What could not be had is not asked for again before the next
// fetch.
func (r *reader) set(ctx context.Context, head manifest.Set, commit string, used map[string]manifest.Set) (manifest.Set, error) {
	if commit == head.Commit {
		return head, nil
	}
	if err := r.missing[commit]; err != nil {
		return manifest.Set{}, err
	}
	set, ok := r.sets[commit]
	if !ok {
		set, ok = used[commit]
	}
	if !ok {
		var err error
		if set, err = r.Source.Load(ctx, commit); err != nil {
			r.missing[commit] = err
			return manifest.Set{}, err
		}
	}
	used[commit] = set
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

// deepen reads HEAD's first-parent ancestors while thinking asks for one more.
func (r *reader) deepen(ctx context.Context, h *manifest.History, s live.Snapshot, used map[string]manifest.Set,
	deeper func(manifest.History, live.Snapshot) bool) {
	parent := h.Head.Parent
	h.Root = parent == ""
	for !h.Root && len(h.Line) < mostLine && deeper(*h, s) {
		set, err := r.set(ctx, h.Head, parent, used)
		if errors.Is(err, sources.ErrGone) {
			h.Root = true
			return
		}
		if err != nil {
			note(h, fmt.Errorf("load %s: %w", parent, err))
			return
		}
		h.Line = append(h.Line, set)
		parent = set.Parent
		h.Root = parent == ""
	}
}

// note adds a reason why the history may be incomplete.
func note(h *manifest.History, err error) {
	if h.Err == "" {
		h.Err = text(err, "")
	}
}
