package git

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// namesMemory is which objects the line named, from the oldest commit that was asked about up to head. It holds the names of one commit,
// and of each object when it was away.
type namesMemory struct {
	first, head plumbing.Hash
	tree        plumbing.Hash // at the path, in head
	files       map[string]naming
	in          map[manifest.ID]int       // how many files of head name it
	left        map[manifest.ID]int       // objects that head does not name, and where on the line they left
	gaps        map[manifest.ID][]absence // oldest first
	sure        map[absence]map[manifest.ID]bool
}

// naming is a file's content, and the objects that it names.
type naming struct {
	key string
	ids []manifest.ID
}

// absence is where an object left the line, and where it came anew.
type absence struct{ from, to int }

// Renewed are, of the commits named for each object, those on head's first-parent line since which it was taken out and came anew.
// The first answer goes through the files of every commit since the oldest of them, and looks into each distinct one; later ones go on from
// there. What a walk takes for an absence is believed once the commits at its ends were loaded.
func (s *Source) Renewed(ctx context.Context, head string, named map[manifest.ID][]string) (map[manifest.ID][]string, error) {
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	h := plumbing.NewHash(head)
	var renewed map[manifest.ID][]string
	err := s.whole(ctx, func() (err error) {
		renewed, err = s.renewed(ctx, h, named)
		return err
	})
	if err != nil {
		return nil, s.named(fmt.Errorf("what came anew up to %s: %w", short(h), err))
	}
	return renewed, nil
}

func (s *Source) renewed(ctx context.Context, head plumbing.Hash, named map[manifest.ID][]string) (map[manifest.ID][]string, error) {
	l, err := s.lineOf(ctx, head)
	if err != nil {
		return nil, err
	}
	oldest := len(l.commits)
	for _, commits := range named {
		for _, c := range commits {
			if at, ok := l.position(c); ok {
				oldest = min(oldest, at)
			}
		}
	}
	if oldest == len(l.commits) {
		return nil, nil
	}
	if err := s.readNames(ctx, l, oldest); err != nil {
		return nil, err
	}
	out := map[manifest.ID][]string{}
	for id, commits := range named {
		for _, c := range commits {
			at, ok := l.position(c)
			if !ok {
				continue
			}
			came, err := s.cameAfter(ctx, l, id, at)
			if err != nil {
				return nil, err
			}
			if came {
				out[id] = append(out[id], c)
			}
		}
	}
	return out, nil
}

// position is where on the line a commit is.
func (l *line) position(commit string) (int, bool) {
	if !plumbing.IsHash(commit) {
		return 0, false
	}
	at, ok := l.at[plumbing.NewHash(commit)]
	return at, ok
}

// readNames reads what the line names, from the commit at oldest to its end. It goes on where it ended, if that is still on the line and
// it began early enough.
func (s *Source) readNames(ctx context.Context, l *line, oldest int) error {
	m := &s.past.names
	from, ok := l.at[m.head]
	if !ok || l.at[m.first] > oldest {
		*m = namesMemory{
			first: l.commits[oldest], files: map[string]naming{}, in: map[manifest.ID]int{}, left: map[manifest.ID]int{},
			gaps: map[manifest.ID][]absence{}, sure: map[absence]map[manifest.ID]bool{},
		}
		from = oldest - 1
	}
	for i := from + 1; i < len(l.commits); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.namesOf(l, i); err != nil {
			return err
		}
		m.head = l.commits[i]
	}
	s.rest(len(l.commits) - from)
	return nil
}

// namesOf takes in what the next commit of the line names. One without the path says nothing.
func (s *Source) namesOf(l *line, i int) error {
	m := &s.past.names
	c, err := s.objects.commit(l.commits[i])
	if err != nil {
		return err
	}
	t := newTree(s.objects, c.TreeHash)
	sub, ok, err := t.sub(s.path)
	if err != nil || !ok || sub == m.tree {
		return err
	}
	all, err := files.Walk(t, s.path)
	if err != nil {
		return err
	}
	now := make(map[string]naming, len(all.Files))
	for _, f := range all.Files {
		n, ok := m.files[f.Path]
		if !ok || n.key != f.Key {
			if n, err = s.naming(f); err != nil {
				return err
			}
		}
		now[f.Path] = n
	}
	m.replace(now, i)
	m.tree = sub
	return nil
}

func (s *Source) naming(f files.File) (naming, error) {
	data, err := s.objects.read(plumbing.NewHash(f.Key), plumbing.BlobObject, files.MaxFile)
	if errors.Is(err, files.ErrTooLarge) {
		data, err = nil, nil
	}
	if err != nil {
		return naming{}, fmt.Errorf("%s: %w", f.Path, err)
	}
	return naming{f.Key, manifest.Names(f.Path, data)}, nil
}

// replace puts the files of the commit at i in place of those of the one before, and notes who leaves and who comes anew.
func (m *namesMemory) replace(now map[string]naming, i int) {
	was := map[manifest.ID]bool{}
	count := func(files, others map[string]naming, by int) {
		for path, n := range files {
			if others[path].key == n.key {
				continue
			}
			for _, id := range n.ids {
				if _, met := was[id]; !met {
					was[id] = m.in[id] > 0
				}
				m.in[id] += by
			}
		}
	}
	count(m.files, now, -1)
	count(now, m.files, 1)
	m.files = now
	for id, before := range was {
		left, away := m.left[id]
		is := m.in[id] > 0
		if !is {
			delete(m.in, id)
		}
		switch {
		case before && !is:
			m.left[id] = i
		case !before && is && away:
			m.gaps[id] = append(m.gaps[id], absence{left, i})
			delete(m.left, id)
		}
	}
}

// cameAfter says whether the object was taken out, and came anew after the commit at a position of the line.
func (s *Source) cameAfter(ctx context.Context, l *line, id manifest.ID, at int) (bool, error) {
	for _, gap := range slices.Backward(s.past.names.gaps[id]) {
		if gap.to <= at {
			return false, nil
		}
		if out, err := s.takenOut(ctx, l, id, gap); out || err != nil {
			return out, err
		}
	}
	return false, nil
}

// takenOut says whether one of the commits at the ends of the absence takes the object out for certain.
func (s *Source) takenOut(ctx context.Context, l *line, id manifest.ID, gap absence) (bool, error) {
	known := s.past.names.sure
	if out, ok := known[gap][id]; ok {
		return out, nil
	}
	before, err := s.Load(ctx, l.commits[gap.from-1].String())
	if err != nil {
		return false, err
	}
	out := false
	for _, i := range []int{gap.from, gap.to - 1} {
		at, err := s.Load(ctx, l.commits[i].String())
		if err != nil {
			return false, err
		}
		if out = manifest.Removed(id, before, at); out {
			break
		}
	}
	if known[gap] == nil {
		known[gap] = map[manifest.ID]bool{}
	}
	known[gap][id] = out
	return out, nil
}
