// Package git reads manifests from a Git repository, with go-git: no work tree, no git binary, nothing executed.
//
// A local repository, bare or not, is opened in place and, but for FleetRef, only read; a change of its refs is noticed within
// milliseconds. A remote one (https, ssh) is fetched whole into a bare cache on disk, which may be deleted at any time and may be
// shared by processes; docs/decisions/0004-git-history.md says why whole. Objects are read from a commit's tree,
// and what stands outside the path is never touched.
package git

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// Options say which repository, which commit of it, and how to get in. The zero value of everything but URL is useful.
type Options struct {
	// URL of a remote (https://…, ssh://…, user@host:path), or a path in the file system: a repository or a
	// directory inside a work tree.
	URL string
	// Branch is a branch, a tag or a commit, and may go back from there with ~N and ^N. Empty means what HEAD
	// points to.
	Branch string
	// Path is the directory of the repository that holds the manifests. Empty means all of it.
	Path string
	// Interval between fetches; 15 s when zero. Errors stretch it, to at most maxBackoff.
	Interval time.Duration
	// Timeout of a fetch; a minute when zero. The first one, which brings everything, may take ten times as long,
	// and goes on where it broke off.
	Timeout time.Duration
	// Admission is what manifests may ask for.
	Admission manifest.Admission
	// Signers is a file of public keys, as Git's gpg.ssh.allowedSignersFile: only decisions that came with a notes commit which one of them
	// signed count. Empty: all count.
	Signers string
	// Cache is the directory for fetched objects. Empty means podkeep/git in the user's cache directory, or a
	// temporary one when there is none.
	Cache string

	Credentials
}

// Defaults of Options.
const (
	DefaultInterval = 15 * time.Second
	DefaultTimeout  = time.Minute
)

// Source is a Git repository as a source of manifests. It is safe for concurrent use.
type Source struct {
	name     string
	path     string // clean; "." is all
	branch   string
	interval time.Duration
	origin   origin
	objects  *objects
	loader   *files.Loader
	signers  string // file
	past     past

	mu   sync.Mutex
	told state     // what Head said last
	at   time.Time // when the last fetch that succeeded began
	err  error     // of the last Head
}

// state is what Watch compares.
type state struct{ head, notes plumbing.Hash }

// origin is where refs come from: a local repository or a remote.
type origin interface {
	// head says what the refs are, and when the answer was begun to be got. On failure what an earlier process
	// learnt comes along, if anything.
	head(ctx context.Context, branch string) (state, time.Time, error)
	// notes is the tip of NotesRef, or zero.
	notes() (plumbing.Hash, error)
	// ref is what a ref names, of which the commit is here then; zero when there is none.
	ref(ctx context.Context, name plumbing.ReferenceName) (plumbing.Hash, error)
	// push makes a ref that names old, or is not there where that is zero, name what is new.
	push(ctx context.Context, name plumbing.ReferenceName, old plumbing.Hash, new bundle) error
	// obtain tries to get a commit that is not here; ErrGone when that is not to be had.
	obtain(ctx context.Context, h plumbing.Hash) error
	// heal gets everything anew because that object is damaged, and says whether there is something new.
	heal(ctx context.Context, h plumbing.Hash) bool
	// explained is an error that heal did nothing about, in other words.
	explained(err error) error
	// shallow are the commits whose parents a shallow clone lacks.
	shallow() (map[plumbing.Hash]bool, error)
	watch(ctx context.Context, s *Source, poke chan<- struct{}) error
	close() error
}

// Open opens a repository. A remote is not asked anything yet.
func Open(_ context.Context, o Options) (*Source, error) {
	sub, err := CleanPath(o.Path)
	if err != nil {
		return nil, err
	}
	s := &Source{path: sub, branch: o.Branch, interval: o.Interval, loader: files.NewLoader(o.Admission), signers: o.Signers}
	if s.interval <= 0 {
		s.interval = DefaultInterval
	}
	where, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if where.scheme == "" {
		err = s.openLocal(where.path)
	} else {
		err = s.openRemote(where, o)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Name is host and path of the repository, with "//" and the path inside it if there is one; for a local repository
// its absolute path. It has no credentials, and is the same over https and ssh. The branch is not in it:
// a branch, a tag or a commit is a version of a source, and going to another one is no change of owner.
func (s *Source) Name() string { return s.name }

// Head fetches once, or reads the local ref, and says which commit is asked for. On failure the last known
// commit and time come along with the error.
func (s *Source) Head(ctx context.Context) (string, time.Time, error) {
	now, at, err := s.origin.head(ctx, s.branch)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err == nil || s.told.head.IsZero() {
		s.told, s.at = now, at
	}
	if s.told.head.IsZero() {
		return "", s.at, s.named(err)
	}
	return s.told.head.String(), s.at, s.named(err)
}

// Watch pokes when Head may have a new answer: for a local repository when its refs changed, for a remote every
// interval, with jitter, and less often while Head fails.
func (s *Source) Watch(ctx context.Context, poke chan<- struct{}) error {
	return s.origin.watch(ctx, s, poke)
}

// Close lets go of files and connections.
func (s *Source) Close() error {
	s.objects.close()
	return s.origin.close()
}

func (s *Source) last() (state, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told, s.err
}

func (s *Source) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", s.name, live.Gate{}.Error(err))
}

func short(h plumbing.Hash) string { return h.String()[:12] }

// CleanPath gives "." for all of a repository, and refuses a path that leaves the repository.
func CleanPath(p string) (string, error) {
	clean := path.Clean(strings.Trim(p, "/"))
	if p == "" || clean == "." {
		return ".", nil
	}
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("path %q leads out of the repository", p)
	}
	return clean, nil
}

func split(p string) []string {
	if p == "." {
		return nil
	}
	return strings.Split(p, "/")
}
