package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/podkeep/podkeep/sources/dir"
	"github.com/podkeep/podkeep/sources/git"
)

// Options say where manifests are. URL is a Git URL (https://…, ssh://…, user@host:path), a path in the file system, or
// dir:PATH for a directory whose repository, if it lies in one, does not matter.
type Options = git.Options

// Open picks the source for a URL or a path. A path in a Git repository is that repository, opened in place,
// limited to the path; any other is a plain directory.
func Open(ctx context.Context, o Options) (Source, error) {
	if plain, ok := strings.CutPrefix(o.URL, "dir:"); ok {
		return openDir(o, plain)
	}
	if o.URL == "" {
		o.URL = "."
	}
	if local, ok := git.Local(o.URL); ok {
		_, ok, err := git.Find(local)
		if err != nil {
			return nil, err
		}
		if !ok {
			return openDir(o, local)
		}
	}
	s, err := git.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// errNoBranch is a branch of what has none.
var errNoBranch = errors.New("a plain directory has no branches: give a Git repository, or no branch")

func openDir(o Options, p string) (Source, error) {
	if o.Branch != "" {
		return nil, fmt.Errorf("%s: %w", p, errNoBranch)
	}
	sub, err := git.CleanPath(o.Path)
	if err != nil {
		return nil, err
	}
	s, err := dir.Open(p+"/"+sub, o.Interval, o.Admission)
	if err != nil {
		return nil, err
	}
	return s, nil
}
