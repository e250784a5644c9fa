package git

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"

	"github.com/podkeep/podkeep/sources/files"
)

// A first fetch brings the whole history at once. When one has broken off, the next ones bring it step by step, from the newest commits to the root, and
// what one step brought is kept. Until the root is here nothing is known of the branch: a history that ends too early is taken for no answer.

// part is how much of a history is here.
type part struct {
	depth int             // commits from the tips
	step  int             // how many more are asked for next
	tips  []plumbing.Hash // what was asked for
	cut   []plumbing.Hash // commits whose parents are not here
}

// Steps grow by this much when one has come, and shrink by it when one has not.
const stride = 4

// wholeDepth is a depth that is deeper than any history, as Git has it.
const wholeDepth = math.MaxInt32

func (s *store) partOf(branch string) string { return s.line(branch) + ".part" }

// part is what is here of a branch whose first fetch was begun; ok is false if none was.
func (s *store) part(branch string) (p part, ok bool) {
	text, _ := os.ReadFile(s.partOf(branch))
	lines := strings.Split(string(text), "\n")
	if len(lines) < 3 {
		return p, false
	}
	if n, _ := fmt.Sscan(lines[0], &p.depth, &p.step); n != 2 || p.depth < 0 || p.step < 1 {
		return part{}, false
	}
	for i, into := range []*[]plumbing.Hash{&p.tips, &p.cut} {
		for _, name := range strings.Fields(lines[1+i]) {
			*into = append(*into, plumbing.NewHash(name))
		}
	}
	return p, true
}

// savePart remembers it, over the end of this process.
func (s *store) savePart(branch string, p part) error {
	text := fmt.Sprintf("%d %d\n%s\n%s\n", p.depth, p.step, hashes(p.tips), hashes(p.cut))
	return s.write(s.partOf(branch), text)
}

func hashes(all []plumbing.Hash) string {
	var names []string
	for _, h := range all {
		names = append(names, h.String())
	}
	return strings.Join(names, " ")
}

// first fetches a history of which nothing is known.
func (r *remote) first(ctx context.Context, s session, refs *packp.AdvRefs, wants []plumbing.Hash) error {
	branch := r.options.Branch
	p, broken := r.cache.part(branch)
	var err error
	if broken && refs.Capabilities.Supports(capability.Shallow) && len(refs.Shallows) == 0 {
		err = r.deepen(ctx, s, refs, wants, p)
	} else {
		err = r.cache.savePart(branch, part{step: 1})
		if err == nil {
			err = r.cache.fetch(ctx, s, refs.Capabilities, wants, nil)
		}
	}
	if err == nil {
		_ = os.Remove(r.cache.partOf(branch))
	}
	return err
}

// deepen goes on with a history, step by step, until all of it is here.
func (r *remote) deepen(ctx context.Context, s session, refs *packp.AdvRefs, wants []plumbing.Hash, p part) error {
	for {
		next, err := r.step(ctx, s, refs.Capabilities, wants, p)
		if err != nil {
			return p.explained(causeOf(ctx, err))
		}
		if p = next; r.whole(ctx, wants) {
			return ctx.Err()
		}
		if p.depth == wholeDepth {
			_ = os.Remove(r.cache.partOf(r.options.Branch))
			return errors.New("the server left some of the history out")
		}
		if s, refs, err = r.connect(ctx); err != nil {
			return p.explained(explainedHTTP(causeOf(ctx, err)))
		}
		defer s.Close()
	}
}

// whole says whether the history of everything that was asked for is here. What is no commit has none.
func (r *remote) whole(ctx context.Context, wants []plumbing.Hash) bool {
	return !slices.ContainsFunc(wants, func(h plumbing.Hash) bool {
		commit, err := r.cache.objects.peel(h)
		return isDamage(err) || err == nil && !r.descends(ctx, commit)
	})
}

// explained says of an error how far the first fetch is.
func (p part) explained(err error) error {
	if p.depth == 0 || errors.Is(err, files.ErrLasting) {
		return err
	}
	return fmt.Errorf("%w; the newest %d commits of the first fetch are here, the next goes on from there", err, p.depth)
}

// step asks for some more of a history. That it was begun is written down, so that the next one is smaller if this one does not end.
func (r *remote) step(ctx context.Context, s session, caps *capability.List, wants []plumbing.Hash, p part) (part, error) {
	again := p
	again.step = max(1, p.step/stride)
	if err := r.cache.savePart(r.options.Branch, again); err != nil {
		return p, err
	}
	depth := min(p.depth+p.step, wholeDepth)
	req := request(caps, wants, slices.DeleteFunc(slices.Clone(p.tips), func(h plumbing.Hash) bool { return !r.cache.objects.has(h) }))
	_ = req.Capabilities.Set(capability.Shallow)
	req.Depth, req.Shallows = packp.DepthCommits(depth), slices.Clone(p.cut)
	moved, err := r.cache.ask(ctx, s, req)
	if err != nil {
		return p, err
	}
	next := part{depth: depth, step: min(p.step*stride, wholeDepth/2), tips: wants}
	for _, h := range append(p.cut, moved.Shallows...) {
		if !slices.Contains(moved.Unshallows, h) && !slices.Contains(next.cut, h) {
			next.cut = append(next.cut, h)
		}
	}
	return next, r.cache.savePart(r.options.Branch, next)
}
