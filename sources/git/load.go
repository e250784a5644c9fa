package git

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// Load gives the Set of a commit: a full hash, or anything that Resolve understands. When the path is not in the commit, the
// Set has a Problem for the path, and one for each manifest that the nearest first-parent ancestor with the path
// holds there: so nothing is taken for deleted. files.ErrGone when the repository does not have the commit and
// cannot get it.
func (s *Source) Load(ctx context.Context, commit string) (manifest.Set, error) {
	if set, ok := s.loader.Held(commit); ok {
		return set, nil
	}
	var set manifest.Set
	err := s.whole(ctx, func() error {
		c, err := s.obtain(ctx, commit)
		if err != nil {
			return err
		}
		if set, err = s.assemble(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", short(c.Hash), err)
		}
		return nil
	})
	if err != nil {
		return manifest.Set{}, s.named(err)
	}
	return set, nil
}

// obtain reads a commit, asking the remote for it when it is not here.
func (s *Source) obtain(ctx context.Context, commit string) (*object.Commit, error) {
	h := plumbing.NewHash(commit)
	if !plumbing.IsHash(commit) {
		var err error
		if h, err = s.resolve(commit); err != nil {
			return nil, err
		}
	}
	c, err := s.objects.commit(h)
	if !errors.Is(err, plumbing.ErrObjectNotFound) {
		return c, err
	}
	if err := s.origin.obtain(ctx, h); err != nil {
		return nil, fmt.Errorf("%s: %w", short(h), err)
	}
	return s.objects.commit(h)
}

func (s *Source) assemble(ctx context.Context, c *object.Commit) (manifest.Set, error) {
	parent, err := s.parent(c)
	if err != nil {
		return manifest.Set{}, err
	}
	found, err := s.walk(c)
	if errors.Is(err, errNoPath) {
		found, err = s.missing(ctx, c)
	}
	if err != nil {
		return manifest.Set{}, err
	}
	info := infoOf(c)
	if !parent.IsZero() {
		info.Parent = parent.String()
	}
	return s.loader.Set(info, found, func(f files.File) ([]byte, error) {
		data, err := s.objects.read(plumbing.NewHash(f.Key), plumbing.BlobObject, files.MaxFile)
		if err != nil && !errors.Is(err, files.ErrTooLarge) {
			err = fmt.Errorf("%s: %w", f.Path, err)
		}
		return data, err
	})
}

// errNoPath is a commit without the path.
var errNoPath = errors.New("the path is not in the commit")

// walk finds the manifests of a commit under the path.
func (s *Source) walk(c *object.Commit) (files.Found, error) {
	t := newTree(s.objects, c.TreeHash)
	if _, ok, err := t.sub(s.path); err != nil || !ok {
		return files.Found{}, errors.Join(err, unless(ok, errNoPath))
	}
	return files.Walk(t, s.path)
}

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// missing makes Problems of a path that is not there.
func (s *Source) missing(ctx context.Context, c *object.Commit) (files.Found, error) {
	text := fmt.Sprintf("path %q is not in commit %s", s.path, short(c.Hash))
	found := files.Found{Problems: []manifest.Problem{files.Problem(s.path, text)}}
	for at := c; ; {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		parent, err := s.parent(at)
		if err != nil || parent.IsZero() {
			return found, err
		}
		if at, err = s.objects.commit(parent); err != nil {
			return found, err
		}
		before, err := s.walk(at)
		if errors.Is(err, errNoPath) {
			continue
		}
		for _, f := range before.Files {
			found.Problems = append(found.Problems, files.Problem(f.Path, text))
		}
		return found, err
	}
}

// parent is the first parent, or zero at the root and where a shallow clone ends.
func (s *Source) parent(c *object.Commit) (plumbing.Hash, error) {
	if len(c.ParentHashes) == 0 {
		return plumbing.ZeroHash, nil
	}
	cut, err := s.origin.shallow()
	if err != nil || cut[c.Hash] {
		return plumbing.ZeroHash, err
	}
	return c.ParentHashes[0], nil
}
