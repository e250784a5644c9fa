package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// NotesRef is where decisions are.
const NotesRef plumbing.ReferenceName = "refs/notes/podkeep"

// Bounds on notes: the bytes of one, how many there are of one name, for directories may stand in each other's places and be as many as one likes, and how
// many decisions are read.
const (
	maxNote      = 1 << 20
	maxNotes     = 500_000
	maxDecisions = 100_000
)

// verbs are the decisions there are.
var verbs = []string{"promote", "promote-full", "abort", "retry", "pause", "resume", "skip"}

// FormatDecision gives a decision's line in a note: seven fields with a tab between them,
//
//	TIME verb kind/namespace/name rev step who why
//
// TIME is RFC 3339 in UTC with whole seconds, so that sorted lines are in order and cat_sort_uniq merges notes. who
// and why are one line each; why may be empty. There is no line end.
func FormatDecision(d manifest.Decision) string {
	return strings.Join([]string{
		d.Time.UTC().Format(time.RFC3339), d.Verb, d.App.String(), d.Rev, strconv.Itoa(d.Step), oneField(d.Who), oneField(d.Why),
	}, "\t")
}

// oneField joins words by single spaces, so that no tab or line end is left.
func oneField(s string) string { return strings.Join(strings.Fields(s), " ") }

// ParseDecision reads a line of a note. A line without tabs is read as words, of which the sixth is who and the rest why.
// ok is false for a line that is no decision.
func ParseDecision(line string) (d manifest.Decision, ok bool) {
	line = strings.TrimSpace(line)
	fields := strings.Split(line, "\t")
	if len(fields) == 1 {
		fields = strings.Fields(line)
	}
	if len(fields) < 6 {
		return d, false
	}
	at, err := time.Parse(time.RFC3339, fields[0])
	if err != nil || !slices.Contains(verbs, fields[1]) {
		return d, false
	}
	app, err := manifest.ParseID(fields[2])
	if err != nil || fields[3] == "" {
		return d, false
	}
	step, err := strconv.Atoi(fields[4])
	if err != nil || step < 0 {
		return d, false
	}
	return manifest.Decision{
		Time: at.UTC(), Verb: fields[1], App: app, Rev: fields[3], Step: step,
		Who: fields[5], Why: oneField(strings.Join(fields[6:], " ")),
	}, true
}

// Decisions are the lines of refs/notes/podkeep on head and its first-parent ancestors, oldest first. Without such notes
// there are none. A remote's notes come in one fetch with its branch, so an error of Head covers them; an error
// here means that notes exist and cannot be read, and that nothing may pass by itself.
func (s *Source) Decisions(ctx context.Context, head string) ([]manifest.Decision, error) {
	var all []manifest.Decision
	err := s.whole(ctx, func() (err error) {
		all, err = s.decisions(ctx, plumbing.NewHash(head))
		return err
	})
	if err != nil {
		return nil, s.named(fmt.Errorf("%s: %w", NotesRef, err))
	}
	return all, nil
}

func (s *Source) decisions(ctx context.Context, head plumbing.Hash) ([]manifest.Decision, error) {
	tip, err := s.origin.notes()
	if err != nil || tip.IsZero() {
		return nil, err
	}
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	notes, err := s.notesAt(tip)
	if err != nil {
		return nil, err
	}
	l, err := s.lineOf(ctx, head)
	if err != nil {
		return nil, err
	}
	counts, err := s.counting(ctx, tip)
	if err != nil {
		return nil, err
	}
	var all []manifest.Decision
	for commit, blobs := range notes {
		if i, ok := l.at[commit]; !ok || i > l.at[head] {
			continue
		}
		for _, blob := range blobs {
			some, err := s.note(commit, blob, counts)
			if err != nil {
				return nil, err
			}
			if all = append(all, some...); len(all) > maxDecisions {
				return nil, fmt.Errorf("there are more than %d decisions: remove the notes of old commits with git notes --ref=podkeep remove", maxDecisions)
			}
		}
	}
	slices.SortFunc(all, compareDecisions)
	return slices.Compact(all), nil
}

func compareDecisions(a, b manifest.Decision) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	if c := strings.Compare(FormatDecision(a), FormatDecision(b)); c != 0 {
		return c
	}
	return strings.Compare(a.Note, b.Note)
}

func (s *Source) note(commit, blob plumbing.Hash, counts func(on plumbing.Hash, line string) bool) ([]manifest.Decision, error) {
	lines, err := s.lines(commit, blob)
	if err != nil {
		return nil, err
	}
	var all []manifest.Decision
	for _, line := range lines {
		if d, ok := ParseDecision(line); ok && counts(commit, line) {
			d.Note = commit.String()
			all = append(all, d)
		}
	}
	return all, nil
}

// lines are those of a note that say something.
func (s *Source) lines(commit, blob plumbing.Hash) (all []string, err error) {
	data, err := s.objects.read(blob, plumbing.BlobObject, maxNote)
	if errors.Is(err, files.ErrTooLarge) {
		return nil, fmt.Errorf("note on %s: is larger than %d KiB", short(commit), maxNote>>10)
	}
	if err != nil {
		return nil, fmt.Errorf("note on %s: %w", short(commit), err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all, nil
}

// notesAt lists the notes of a notes commit, by the commit they are on. Git spreads many notes over directories of
// two hex digits; the names along a path, put together, are the commit.
func (s *Source) notesAt(tip plumbing.Hash) (map[plumbing.Hash][]plumbing.Hash, error) {
	if s.past.notes.tip == tip {
		return s.past.notes.on, nil
	}
	on, err := s.notesOf(tip)
	if err != nil {
		return nil, err
	}
	s.past.notes.tip, s.past.notes.on = tip, on
	return on, nil
}

// notesOf is notesAt, not remembered. The zero commit has none.
func (s *Source) notesOf(tip plumbing.Hash) (map[plumbing.Hash][]plumbing.Hash, error) {
	on := map[plumbing.Hash][]plumbing.Hash{}
	if tip.IsZero() {
		return on, nil
	}
	c, err := s.objects.commit(tip)
	if err != nil {
		return nil, err
	}
	left := maxNotes
	return on, s.fanout(c.TreeHash, "", on, &left)
}

// errNotNotes is a tree that no notes have.
var errNotNotes = errors.New("is nested deeper than notes are")

func (s *Source) fanout(h plumbing.Hash, prefix string, on map[plumbing.Hash][]plumbing.Hash, left *int) error {
	if len(prefix) > 38 {
		return errNotNotes
	}
	t, err := s.objects.tree(h)
	if err != nil {
		return err
	}
	if *left -= len(t.Entries); *left < 0 {
		return fmt.Errorf("there are more than %d notes: somebody has put into it what is none", maxNotes)
	}
	for _, e := range t.Entries {
		name := prefix + e.Name
		switch {
		case e.Mode == filemode.Dir && len(e.Name) == 2:
			if err := s.fanout(e.Hash, name, on, left); err != nil {
				return err
			}
		case e.Mode != filemode.Dir && plumbing.IsHash(name):
			commit := plumbing.NewHash(name)
			on[commit] = append(on[commit], e.Hash)
		}
	}
	return nil
}
