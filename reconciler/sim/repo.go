package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
)

// repo is a Git repository in memory with one branch. Commits have short names that the story chooses.
type repo struct {
	name      string // of the source
	now       func() time.Time
	commits   map[string]*commit
	head      string
	down      bool // fetches fail
	decisions []manifest.Decision
	sets      map[string]manifest.Set
}

// commit is files made from objects. Files in broken hold something else.
type commit struct {
	id, parent, message string
	at                  time.Time
	objects             map[string]object // by key
	broken              map[string]string // content by file
	signers             []string          // keys that are trusted
}

func newRepo(name string, now func() time.Time) *repo {
	return &repo{name: name, now: now, commits: map[string]*commit{}, sets: map[string]manifest.Set{}}
}

// draft is a copy of the head, to be changed and added.
func (r *repo) draft(id string) *commit {
	c := &commit{id: id, parent: r.head, at: r.now(), message: id, objects: map[string]object{}, broken: map[string]string{}}
	if p := r.commits[r.head]; p != nil {
		c.objects, c.broken = maps.Clone(p.objects), maps.Clone(p.broken)
		c.signers = p.signers
	}
	return c
}

// emptied says whether a file holds comments alone since it last held something, whatever became of it then.
func (r *repo) emptied(c *commit, file string) bool {
	for ; c != nil; c = r.commits[c.parent] {
		text, broken := c.broken[file]
		switch {
		case !broken:
			return false
		case strings.HasPrefix(text, "#"):
			return true
		}
	}
	return false
}

func (r *repo) add(c *commit) error {
	if r.commits[c.id] != nil {
		return fmt.Errorf("commit %s is there already", c.id)
	}
	r.commits[c.id], r.head = c, c.id
	return nil
}

// revert puts back every object that commit id changed, in the form that its parent had.
func (r *repo) revert(c *commit, id string) error {
	bad := r.commits[id]
	if bad == nil {
		return fmt.Errorf("%w: no commit %s", errNothing, id)
	}
	before := &commit{objects: map[string]object{}, broken: map[string]string{}}
	if p := r.commits[bad.parent]; p != nil {
		before = p
	}
	for _, key := range slices.Concat(slices.Collect(maps.Keys(bad.objects)), slices.Collect(maps.Keys(before.objects))) {
		was, there := before.objects[key]
		if was.equal(bad.objects[key]) {
			continue
		}
		delete(c.objects, key)
		if there {
			c.objects[key] = was
		}
	}
	for file := range bad.broken {
		if _, was := before.broken[file]; !was {
			delete(c.broken, file)
		}
	}
	return nil
}

// force moves the branch to an older commit and forgets all that is not behind it.
func (r *repo) force(id string) error {
	if r.commits[id] == nil {
		return fmt.Errorf("%w: no commit %s", errNothing, id)
	}
	r.head = id
	line := r.line(id)
	maps.DeleteFunc(r.commits, func(id string, _ *commit) bool { return !slices.Contains(line, id) })
	maps.DeleteFunc(r.sets, func(id string, _ manifest.Set) bool { return !slices.Contains(line, id) })
	return nil
}

// line is a commit and its ancestors, nearest first.
func (r *repo) line(id string) (ids []string) {
	for c := r.commits[id]; c != nil; c = r.commits[c.parent] {
		ids = append(ids, c.id)
	}
	return ids
}

// files renders a commit's objects.
func (c *commit) files() map[string]string {
	docs := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		o := c.objects[key]
		docs[o.file] = append(docs[o.file], o.docs...)
	}
	files := map[string]string{}
	for file, texts := range docs {
		files[file] = strings.Join(texts, "---\n")
	}
	maps.Copy(files, c.broken)
	return files
}

func (r *repo) load(id string) (manifest.Set, error) {
	if set, ok := r.sets[id]; ok {
		return set, nil
	}
	c := r.commits[id]
	if c == nil {
		return manifest.Set{}, fmt.Errorf("%s: %w", id, sources.ErrGone)
	}
	files := c.files()
	var parsed []manifest.Parsed
	for _, path := range slices.Sorted(maps.Keys(files)) {
		parsed = append(parsed, parseOnce(path, files[path]))
	}
	info := manifest.Info{Commit: c.id, Parent: c.parent, Time: c.at, Author: "sim", Message: c.message}
	set := manifest.Assemble(info, parsed)
	set.Signers = c.signers
	r.sets[id] = set
	return set, nil
}

// known are the files that any telling of any story has parsed, by path and text.
var known sync.Map

// parseOnce parses a file that may have been parsed before: nobody changes what comes of it.
func parseOnce(path, text string) manifest.Parsed {
	key := [2]string{path, text}
	if p, ok := known.Load(key); ok {
		return p.(manifest.Parsed)
	}
	p := manifest.Parse(path, []byte(text))
	known.Store(key, p)
	return p
}

// clone is the repository as one controller knows it.
type clone struct {
	repo    *repo
	stale   bool   // between two fetches: what was known is still the answer
	pinned  string // the head of another branch
	known   string
	fetched time.Time
	heard   []manifest.Decision // with the head that is known
}

var (
	_ sources.Source    = (*clone)(nil)
	_ sources.Historian = (*clone)(nil)
)

func (c *clone) Head(context.Context) (string, time.Time, error) {
	if c.repo.down {
		return c.known, c.fetched, fmt.Errorf("fetch: connection refused")
	}
	if !c.stale || c.known == "" {
		c.known, c.fetched, c.heard = c.repo.head, c.repo.now(), c.repo.decisions
	}
	if c.pinned != "" {
		c.known = c.pinned
	}
	return c.known, c.fetched, nil
}

func (c *clone) Load(_ context.Context, id string) (manifest.Set, error) { return c.repo.load(id) }
func (c *clone) Name() string                                            { return c.repo.name }
func (c *clone) Close() error                                            { return nil }

func (c *clone) Watch(ctx context.Context, _ chan<- struct{}) error {
	<-ctx.Done()
	return ctx.Err()
}

func (c *clone) Ancestor(_ context.Context, id, head string) (bool, error) {
	return slices.Contains(c.repo.line(head), id), nil
}

func (c *clone) Nodes(_ context.Context, head string) (nodes []manifest.Node, err error) {
	seen := map[[2]string]bool{}
	for _, id := range c.repo.line(head) {
		set, err := c.repo.load(id)
		if err != nil {
			return nil, err
		}
		for _, n := range set.Nodes {
			if key := [2]string{n.Name, n.Way()}; !seen[key] {
				seen[key] = true
				nodes = append(nodes, n)
			}
		}
	}
	return nodes, nil
}

func (c *clone) Renewed(_ context.Context, head string, named map[manifest.ID][]string) (map[manifest.ID][]string, error) {
	line, out := c.repo.line(head), map[manifest.ID][]string{}
	for id, commits := range named {
		for _, commit := range commits {
			came, err := c.repo.cameAfter(id, line, slices.Index(line, commit))
			if err != nil {
				return nil, err
			}
			if came {
				out[id] = append(out[id], commit)
			}
		}
	}
	return out, nil
}

// void says whether a receipt is from before its object was last taken out.
func (r *repo) void(x live.Receipt, head string) bool {
	line := r.line(head)
	came, err := r.cameAfter(x.App, line, slices.Index(line, x.Commit))
	return came && err == nil
}

// cameAfter says whether the object was taken out and came anew after the i-th commit of a line, which is nearest first.
func (r *repo) cameAfter(id manifest.ID, line []string, i int) (bool, error) {
	var before manifest.Set
	gone := false
	for ; i >= 0; i-- {
		set, err := r.load(line[i])
		switch {
		case err != nil:
			return false, err
		case set.Has(id) && gone:
			return true, nil
		case set.Has(id):
			before = set
		case before.Has(id):
			gone = gone || manifest.Removed(id, before, set)
		}
	}
	return false, nil
}

func (c *clone) Decisions(context.Context, string) ([]manifest.Decision, error) {
	return slices.Clone(c.heard), nil
}
