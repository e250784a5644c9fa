// Package dir reads manifests from a plain directory. A digest of the content stands in for the commit, and the newest
// contents are kept in memory, so that each has the one before it as its parent for as long as this process lives.
//
// A file that an editor has half written is a broken file for a moment, no more. A directory that is gone or
// cannot be read is an error, never an empty Set.
package dir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// Bounds on the contents that are kept, the newest always: how many, and how many bytes they may have together, where files that did not change
// count once.
const (
	mostKept  = 64
	mostBytes = 4 * files.MaxBytes
)

// settle lets a burst of writes finish.
const settle = 20 * time.Millisecond

// DefaultInterval is how often the directory is looked at though nothing was heard.
const DefaultInterval = 15 * time.Second

// Source is a directory as a source of manifests. It is safe for concurrent use.
type Source struct {
	path     string
	interval time.Duration
	loader   *files.Loader

	mu       sync.Mutex // over what follows
	contents map[string]*content
	order    []string // of contents, oldest first
	head     string
	read     time.Time // when head was read
	err      error     // of the last Head
}

// content is what the directory held at one time.
type content struct {
	digest, parent string
	changed        time.Time // of the newest file
	found          files.Found
	data           map[string][]byte // by Key
	size           int               // of all files
}

// Open takes a directory, which must exist.
func Open(path string, interval time.Duration, admission manifest.Admission) (*Source, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s: is not a directory", path)
	}
	if interval <= 0 {
		interval = DefaultInterval
	}
	return &Source{path: path, interval: interval, loader: files.NewLoader(admission), contents: map[string]*content{}}, nil
}

// Name is the absolute path.
func (s *Source) Name() string { return s.path }

// Head reads the directory. On failure the last content that could be read comes along with the error.
func (s *Source) Head(ctx context.Context) (string, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return "", time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	now, err := s.scan()
	s.err = err
	if err != nil {
		return s.head, s.read, fmt.Errorf("%s: %w", s.path, err)
	}
	s.keep(now)
	s.head, s.read = now.digest, began
	return s.head, s.read, nil
}

// keep adds a content. One that was there before keeps its first parent, so that parents never go in a circle.
func (s *Source) keep(now *content) {
	if s.contents[now.digest] != nil {
		return
	}
	now.parent = s.head
	s.contents[now.digest] = now
	s.order = append(s.order, now.digest)
	for len(s.order) > 1 && (len(s.order) > mostKept || s.bytes() > mostBytes) {
		delete(s.contents, s.order[0])
		s.order = s.order[1:]
	}
}

// bytes are those of all files that are kept, each once.
func (s *Source) bytes() (n int) {
	counted := map[string]bool{}
	for _, c := range s.contents {
		for key, data := range c.data {
			if !counted[key] {
				counted[key] = true
				n += len(data)
			}
		}
	}
	return n
}

// Load gives the Set of a content that Head named; files.ErrGone when that is too long ago.
func (s *Source) Load(_ context.Context, commit string) (manifest.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set, ok := s.loader.Held(commit); ok {
		return set, nil
	}
	c := s.contents[commit]
	if c == nil {
		return manifest.Set{}, fmt.Errorf("%s: %s: %w", s.path, commit, files.ErrGone)
	}
	info := manifest.Info{Commit: c.digest, Parent: c.parent, Time: c.changed}
	return s.loader.Set(info, c.found, func(f files.File) ([]byte, error) { return c.data[f.Key], nil })
}

// Watch pokes when the content changed, or can no longer or again be read.
func (s *Source) Watch(ctx context.Context, poke chan<- struct{}) error {
	s.mu.Lock()
	said, failed := s.head, s.err != nil
	s.mu.Unlock()
	return files.Watcher{
		Dirs:     s.dirs,
		Minds:    s.minds,
		Settle:   settle,
		Interval: s.interval,
		Changed: func() bool {
			digest, err := s.digest()
			if (err != nil) == failed && (failed || digest == said) {
				return false
			}
			said, failed = digest, err != nil
			return true
		},
	}.Watch(ctx, poke)
}

func (s *Source) digest() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.scan()
	if err != nil {
		return "", err
	}
	return now.digest, nil
}

// Close does nothing: no file stays open.
func (s *Source) Close() error { return nil }

// dirs are the directory, its parent (which sees it come and go, and a link be turned), and all below.
func (s *Source) dirs() []string {
	dirs := []string{filepath.Dir(s.path), s.path}
	root, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return dirs[:1]
	}
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || len(dirs) > files.MaxEntries {
			return nil
		}
		if p != root && d.Name() == ".git" {
			return fs.SkipDir
		}
		dirs = append(dirs, p)
		return nil
	})
	return dirs
}

// minds leaves out the directory's neighbours.
func (s *Source) minds(p string) bool {
	return filepath.Dir(p) != filepath.Dir(s.path) || filepath.Base(p) == filepath.Base(s.path)
}

// errTorn is a directory that changed while it was read.
var errTorn = errors.New("changes all the time")

// scan reads everything that Load could be asked for.
func (s *Source) scan() (*content, error) {
	for range 10 {
		c, err := s.once()
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
		if _, gone := os.Stat(s.path); gone != nil {
			return nil, withoutPath(gone)
		}
	}
	return nil, errTorn
}

func (s *Source) once() (*content, error) {
	root, err := os.OpenRoot(s.path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer root.Close()
	found, err := files.Walk(tree{root, files.MaxEntries + 1}, ".")
	if err != nil {
		return nil, err
	}
	c := &content{data: map[string][]byte{}, found: files.Found{Problems: found.Problems}}
	before := map[string][]byte{}
	if last := s.contents[s.head]; last != nil {
		before = last.data
	}
	for _, f := range found.Files {
		if err := c.add(root, f, before); err != nil {
			return nil, err
		}
	}
	c.digest = c.sum()
	return c, nil
}

// add reads one file. Content that was there before is shared.
func (c *content) add(root *os.Root, f files.File, before map[string][]byte) error {
	if c.size >= files.MaxBytes {
		c.found.Problems = append(c.found.Problems, files.TooMuch(f.Path))
		return nil
	}
	data, changed, err := read(root, f.From)
	if errors.Is(err, files.ErrTooLarge) {
		c.found.Problems = append(c.found.Problems, files.Problem(f.Path, err.Error()))
		return nil
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	f.Key = hex.EncodeToString(sum[:])
	if same, ok := before[f.Key]; ok {
		data = same
	}
	c.data[f.Key] = data
	c.size += len(data)
	c.found.Files = append(c.found.Files, f)
	if changed.After(c.changed) {
		c.changed = changed
	}
	return nil
}

// sum is the digest of all paths and contents, and of the Problems.
func (c *content) sum() string {
	h := sha256.New()
	for _, f := range c.found.Files {
		fmt.Fprintf(h, "%q %s\n", f.Path, f.Key)
	}
	for _, p := range c.found.Problems {
		fmt.Fprintf(h, "%q %q\n", p.File, p.Text)
	}
	return "dir-" + hex.EncodeToString(h.Sum(nil))[:12]
}

func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// IsDigest says whether a commit's name is one of a directory's.
func IsDigest(commit string) bool { return strings.HasPrefix(commit, "dir-") }
