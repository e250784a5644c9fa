package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/config"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/podkeep/podkeep/sources/files"
)

// settle is how long a burst of ref updates is let finish.
const settle = 5 * time.Millisecond

// Place is where a local repository lies.
type Place struct {
	Root   string // the work tree, or the bare repository: what a person would call the repository
	Git    string // its own Git directory: HEAD
	Common string // the one it shares with linked work trees: objects and refs
	Sub    string // the path below Root that was asked for; "." is all
}

// Find finds the repository that the directory at p is, or is inside of; what is not there is looked for with .git behind its name, as git
// does. ok is false when there is none.
func Find(p string) (at Place, ok bool, err error) {
	p, err = filepath.Abs(p)
	if err != nil {
		return at, false, err
	}
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrNotExist) && isGitDir(p+".git") {
		p += ".git"
		return place(p, p, p)
	}
	if err != nil || !info.IsDir() {
		return at, false, errors.Join(err, unless(err != nil || info.IsDir(), fmt.Errorf("%s: is not a directory", p)))
	}
	if isGitDir(p) {
		return place(strings.TrimSuffix(p, "/.git"), p, p)
	}
	for root := p; ; root = filepath.Dir(root) {
		dot := filepath.Join(root, ".git")
		if isGitDir(dot) {
			return place(root, dot, p)
		}
		if linked, ok := gitFile(dot); ok {
			return place(root, linked, p)
		}
		if root == filepath.Dir(root) {
			return at, false, nil
		}
	}
}

func place(root, git, asked string) (Place, bool, error) {
	sub, err := filepath.Rel(root, asked)
	if err != nil || strings.HasPrefix(sub, "..") || asked == git {
		sub = "."
	}
	at := Place{Root: root, Git: git, Common: git, Sub: filepath.ToSlash(sub)}
	text, err := os.ReadFile(filepath.Join(git, "commondir"))
	if errors.Is(err, fs.ErrNotExist) {
		return at, true, nil
	}
	if at.Common = strings.TrimSpace(string(text)); !filepath.IsAbs(at.Common) {
		at.Common = filepath.Join(git, at.Common)
	}
	return at, true, err
}

// isGitDir wants HEAD, and objects unless that is in a common directory.
func isGitDir(p string) bool {
	_, head := os.Lstat(filepath.Join(p, "HEAD"))
	_, objects := os.Stat(filepath.Join(p, "objects"))
	_, common := os.Stat(filepath.Join(p, "commondir"))
	return head == nil && (objects == nil || common == nil)
}

// gitFile reads a .git that is a file, as linked work trees and submodules have.
func gitFile(p string) (string, bool) {
	text, err := os.ReadFile(p)
	target, ok := strings.CutPrefix(string(text), "gitdir:")
	if err != nil || !ok {
		return "", false
	}
	if target = strings.TrimSpace(target); !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(p), target)
	}
	return target, isGitDir(target)
}

// local is a repository of this machine, read where it stands.
type local struct {
	at   Place
	refs *filesystem.Storage
	src  *Source
}

func (s *Source) openLocal(p string) error {
	at, ok, err := Find(p)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s: is not in a Git repository", p)
	}
	if s.path, err = CleanPath(path.Join(at.Sub, s.path)); err != nil {
		return err
	}
	s.name = nameOf(at.Root, s.path)
	dot := dotgit.NewRepositoryFilesystem(osfs.New(at.Git), osfs.New(at.Common))
	l := &local{at: at, refs: filesystem.NewStorage(dot, cache.NewObjectLRU(0)), src: s}
	if err := l.readable(); err != nil {
		return s.named(err)
	}
	s.origin, s.objects = l, openObjects(at.Common)
	return nil
}

// errSHA256 is a repository of a kind that go-git does not read.
var errSHA256 = errors.New("its objects are named by SHA-256, which cannot be read yet: push the branch to a repository with SHA-1, which git init makes unless it is asked for another")

// readable says why the repository cannot be read. Work trees, sparse ones too, do not matter here.
func (l *local) readable() error {
	c, err := l.refs.Config()
	if err != nil {
		return err
	}
	extensions := c.Raw.Section("extensions")
	if strings.EqualFold(extensions.Option("objectformat"), "sha256") {
		return errSHA256
	}
	if how := extensions.Option("refstorage"); how != "" && how != "files" {
		return fmt.Errorf("its refs are stored as %s, which cannot be read yet: run git -C %s refs migrate --ref-format=files", how, l.at.Root)
	}
	return nil
}

// explained says of an object that is not here that it was left out, if the clone is one that leaves out some.
func (l *local) explained(err error) error {
	c, e := l.refs.Config()
	if e != nil || !errors.Is(err, plumbing.ErrObjectNotFound) {
		return err
	}
	if slices.ContainsFunc(c.Raw.Section("remote").Subsections, func(s *config.Subsection) bool { return s.Option("promisor") == "true" }) {
		return fmt.Errorf("an object is not here: the clone is partial; run git -C %s fetch --refetch --filter=blob:limit=4m", l.at.Root)
	}
	return err
}

func (l *local) head(context.Context, string) (state, time.Time, error) {
	began := time.Now()
	now, err := l.now()
	return now, began, err
}

// lookup reads a ref through symbolic ones; zero when there is none.
func (l *local) lookup(name plumbing.ReferenceName) (plumbing.Hash, error) {
	ref, err := storer.ResolveReference(l.refs, name)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return plumbing.ZeroHash, nil
	}
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("%s: %w", name, err)
	}
	return ref.Hash(), nil
}

func (l *local) notes() (plumbing.Hash, error) { return l.lookup(NotesRef) }

func (l *local) obtain(context.Context, plumbing.Hash) error { return files.ErrGone }

func (l *local) heal(context.Context, plumbing.Hash) bool { return false }

func (l *local) shallow() (map[plumbing.Hash]bool, error) {
	text, err := os.ReadFile(filepath.Join(l.at.Common, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	cut := map[plumbing.Hash]bool{}
	for line := range strings.Lines(string(text)) {
		cut[plumbing.NewHash(strings.TrimSpace(line))] = true
	}
	return cut, err
}

func (l *local) close() error { return nil }

// now is the state of the refs; err when they do not resolve.
func (l *local) now() (state, error) {
	h, err := l.src.resolve(l.src.branch)
	if err != nil {
		return state{}, err
	}
	n, err := l.notes()
	if err != nil {
		return state{}, err
	}
	return state{h, n}, nil
}

func (l *local) watch(ctx context.Context, s *Source, poke chan<- struct{}) error {
	said, saidErr := s.last()
	return files.Watcher{
		Dirs:     l.dirs,
		Minds:    func(p string) bool { return !strings.HasSuffix(p, ".lock") },
		Settle:   settle,
		Interval: s.interval,
		Changed: func() bool {
			now, err := l.now()
			if (err == nil) == (saidErr == nil) && (err != nil || now == said) {
				return false
			}
			said, saidErr = now, err
			return true
		},
	}.Watch(ctx, poke)
}

// dirs are where Git writes when a ref changes: HEAD, packed-refs, and refs with all below.
func (l *local) dirs() []string {
	dirs := []string{l.at.Git, l.at.Common}
	_ = filepath.WalkDir(filepath.Join(l.at.Common, "refs"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		return nil
	})
	return slices.Compact(dirs)
}

// minAbbreviated is how many digits of a commit are enough.
const minAbbreviated = 7

// Resolve gives the full hash of a branch, a tag, a ref, or a commit that may be abbreviated to 7 digits; each may be
// followed by ~N and ^N, which go back from there. Empty means HEAD. A remote's answer is as of the last fetch.
func (s *Source) Resolve(name string) (string, error) {
	h, err := s.resolve(name)
	if err != nil {
		return "", s.named(err)
	}
	return h.String(), nil
}

func (s *Source) resolve(name string) (plumbing.Hash, error) {
	base, way, err := ascend(name)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	h, err := s.refer(base)
	if err != nil {
		return h, err
	}
	return s.objects.climb(h, way)
}

// refer resolves a name without a way back.
func (s *Source) refer(name string) (plumbing.Hash, error) {
	l, ok := s.origin.(interface {
		lookup(plumbing.ReferenceName) (plumbing.Hash, error)
	})
	if !ok {
		return s.completed(name)
	}
	for _, candidate := range candidates(name) {
		h, err := l.lookup(candidate)
		if err != nil {
			return h, err
		}
		if !h.IsZero() {
			return s.objects.peel(h)
		}
	}
	if name == "" {
		return plumbing.ZeroHash, errors.New("has no commit yet")
	}
	return s.completed(name)
}

func (s *Source) completed(name string) (plumbing.Hash, error) {
	name = strings.ToLower(name)
	switch {
	case plumbing.IsHash(name):
		return s.objects.peel(plumbing.NewHash(name))
	case len(name) >= minAbbreviated && len(name) < 40 && isHex(name):
		return s.objects.complete(name)
	}
	return plumbing.ZeroHash, files.Lasting(fmt.Errorf("no branch, tag or commit %q", name))
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// candidates are the refs that a name may mean, the likeliest first.
func candidates(name string) []plumbing.ReferenceName {
	if name == "" || name == "HEAD" || name == "@" {
		return []plumbing.ReferenceName{plumbing.HEAD}
	}
	out := []plumbing.ReferenceName{
		plumbing.NewBranchReferenceName(name), plumbing.NewTagReferenceName(name),
		plumbing.ReferenceName("refs/remotes/origin/" + name),
	}
	if strings.HasPrefix(name, "refs/") {
		out = append([]plumbing.ReferenceName{plumbing.ReferenceName(name)}, out...)
	}
	return out
}
