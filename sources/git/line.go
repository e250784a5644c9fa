package git

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// line remembers head's first-parent history, root first, so that a new head costs only its new commits.
type line struct {
	commits []plumbing.Hash
	at      map[plumbing.Hash]int
	cut     bool // it ends where a shallow clone ends
}

// past is what was learnt of history so far. Its methods are called with the lock held.
type past struct {
	mu    sync.Mutex
	line  line
	nodes nodesMemory
	reach reach
	names namesMemory
	notes struct {
		tip plumbing.Hash
		on  map[plumbing.Hash][]plumbing.Hash
	}
	signed signed
}

// lineOf brings the line up to head.
func (s *Source) lineOf(ctx context.Context, head plumbing.Hash) (*line, error) {
	l := &s.past.line
	var fresh []plumbing.Hash
	from := 0
	cut := l.cut
	for at := head; ; {
		if i, ok := l.at[at]; ok {
			from = i + 1
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := s.objects.commit(at)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, at)
		parent, err := s.parent(c)
		if err != nil {
			return nil, err
		}
		if parent.IsZero() {
			cut = len(c.ParentHashes) > 0
			break
		}
		at = parent
	}
	l.replace(from, fresh)
	l.cut = cut
	return l, nil
}

// replace cuts the line to its first n commits and appends fresh, which is newest first.
func (l *line) replace(n int, fresh []plumbing.Hash) {
	for _, h := range l.commits[n:] {
		delete(l.at, h)
	}
	if l.at == nil {
		l.at = map[plumbing.Hash]int{}
	}
	l.commits = l.commits[:n]
	for i := len(fresh) - 1; i >= 0; i-- {
		l.at[fresh[i]] = len(l.commits)
		l.commits = append(l.commits, fresh[i])
	}
}

// reach remembers every commit that head descends from.
type reach struct {
	head plumbing.Hash
	seen map[plumbing.Hash]struct{}
}

// Ancestor says whether commit is head or an ancestor of it, through any parent.
func (s *Source) Ancestor(ctx context.Context, commit, head string) (bool, error) {
	if commit == head {
		return true, nil
	}
	if !plumbing.IsHash(commit) || !plumbing.IsHash(head) {
		return false, nil
	}
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	h := plumbing.NewHash(head)
	if s.past.reach.head != h {
		if err := s.whole(ctx, func() error { return s.extend(ctx, h) }); err != nil {
			return false, s.named(fmt.Errorf("ancestors of %s: %w", short(h), err))
		}
	}
	_, ok := s.past.reach.seen[plumbing.NewHash(commit)]
	return ok, nil
}

// extend brings reach to head. When the old head is not among head's ancestors, it begins anew.
func (s *Source) extend(ctx context.Context, head plumbing.Hash) error {
	r := &s.past.reach
	fresh, met, err := s.ancestors(ctx, head, r.seen, r.head)
	if err != nil {
		return err
	}
	if !met {
		if fresh, _, err = s.ancestors(ctx, head, nil, plumbing.ZeroHash); err != nil {
			return err
		}
		r.seen = fresh
	}
	for h := range fresh {
		r.seen[h] = struct{}{}
	}
	r.head = head
	s.rest(len(fresh))
	return nil
}

// ancestors collects what head descends from and is not in known. met says whether that touched the commit old.
func (s *Source) ancestors(ctx context.Context, head plumbing.Hash, known map[plumbing.Hash]struct{}, old plumbing.Hash) (
	fresh map[plumbing.Hash]struct{}, met bool, err error) {
	cut, err := s.origin.shallow()
	if err != nil {
		return nil, false, err
	}
	fresh = map[plumbing.Hash]struct{}{}
	for todo := []plumbing.Hash{head}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		met = met || at == old
		if _, ok := known[at]; ok {
			continue
		}
		if _, ok := fresh[at]; ok {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		c, err := s.objects.commit(at)
		if err != nil {
			return nil, false, err
		}
		fresh[at] = struct{}{}
		if !cut[at] {
			todo = append(todo, c.ParentHashes...)
		}
	}
	return fresh, met, nil
}
