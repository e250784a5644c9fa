package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// mostLine is how many ancestors of HEAD are asked at most.
const mostLine = 1000

// search is one question that is put to the first-parent line of a head, and how far back that has been asked. No commit of the line is
// kept but as the answer.
type search struct {
	manifest.Question
	head   string // whose ancestors are asked
	next   string // the one to be asked next
	asked  int    // how many were
	done   bool
	answer manifest.Set // empty if there is none
	old    *search      // the same, of an older head, which may be met on the line
}

// past has the line asked what thinking wants to know of it, as far as it can be read. What it says may raise more questions.
func (r *reader) past(ctx context.Context, h *manifest.History, s live.Snapshot) map[manifest.Question]manifest.Set {
	h.Past = map[manifest.Question]manifest.Set{}
	used := map[manifest.Question]*search{}
	for {
		var open []*search
		for _, q := range plan.Asks(*h, s) {
			if used[q] == nil {
				used[q] = r.search(q, h.Head)
				open = append(open, used[q])
			}
		}
		if len(open) == 0 {
			r.searches = used
			return h.Past
		}
		r.follow(ctx, h, open)
	}
}

// search goes on with what the last pass knows of a question.
func (r *reader) search(q manifest.Question, head manifest.Set) *search {
	last := r.searches[q]
	if last != nil && last.head == head.Commit {
		return last
	}
	if last != nil && !last.done && last.old != nil {
		last = last.old
	}
	return &search{Question: q, head: head.Commit, next: head.Parent, done: head.Parent == "", old: last}
}

// follow reads the line back, each commit once, and puts down what it says. Where it cannot be read a search stays as it is, for the next pass
// to go on from.
func (r *reader) follow(ctx context.Context, h *manifest.History, open []*search) {
	for {
		open = slices.DeleteFunc(open, func(s *search) bool {
			if s.done {
				h.Past[s.Question] = s.answer
			}
			return s.done
		})
		if len(open) == 0 {
			return
		}
		commit := slices.MinFunc(open, func(a, b *search) int { return cmp.Compare(a.asked, b.asked) }).next
		set, err := r.commit(ctx, commit)
		if err != nil && !errors.Is(err, sources.ErrGone) {
			note(h, fmt.Errorf("load %s: %w", commit, err))
		}
		open = slices.DeleteFunc(open, func(s *search) bool {
			switch {
			case s.next != commit:
				return false
			case err == nil:
				s.ask(set, h.Head)
			case errors.Is(err, sources.ErrGone): // the line ends here, until a fetch brings more
				h.Past[s.Question] = manifest.Set{}
			}
			return err != nil
		})
	}
}

// ask puts the question to the next commit. From where an older head is met on, what is known already need not be asked again: an answer is
// only read anew, for what is wanted of it depends on HEAD.
func (s *search) ask(set, head manifest.Set) {
	s.asked++
	s.next = set.Parent
	s.answer, s.done = s.Of(set, head)
	if old := s.old; old != nil && old.head == set.Commit && !s.done {
		s.asked, s.next, s.done, s.old = s.asked+old.asked, old.next, old.done, nil
		if old.answer.Commit != "" {
			s.next, s.done = old.answer.Commit, false
			return
		}
	}
	s.done = s.done || s.next == "" || s.asked >= mostLine
	if s.done {
		s.old = nil
	}
}
