package git

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/podkeep/podkeep/sources/files"
)

// unpackLimit is below how many objects a fetch is kept as single files, as Git does, so that a year of small
// pushes leaves no thousand packs, each of which would cost memory.
const unpackLimit = 200

// store is the cache of what was fetched: a bare repository of objects and, per branch, a line that says what the last
// good fetch gave. It holds nothing that cannot be fetched again.
type store struct {
	dir       string
	temporary bool
	objects   *objects
}

// openStore makes the cache directory for a URL, below base or the user's cache directory. Only this user can read it.
func openStore(base, url string) (*store, error) {
	sum := sha256.Sum256([]byte(url))
	if base == "" {
		if user, err := os.UserCacheDir(); err == nil {
			base = filepath.Join(user, "podkeep", "git")
		}
	}
	s := &store{dir: filepath.Join(base, hex.EncodeToString(sum[:8]))}
	if base == "" || s.make() != nil {
		dir, err := os.MkdirTemp("", "podkeep-git-")
		if err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
		s = &store{dir: dir, temporary: true}
		if err := s.make(); err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
	}
	s.sweep()
	s.objects = openObjects(s.dir)
	return s, nil
}

// make makes the directories; a file that stands in their place goes.
func (s *store) make() error {
	for _, dir := range []string{"objects", "objects/pack", "fetched"} {
		path := filepath.Join(s.dir, dir)
		if info, err := os.Lstat(path); err == nil && !info.IsDir() {
			_ = os.Remove(path)
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) close() error {
	if s.temporary {
		return os.RemoveAll(s.dir)
	}
	return nil
}

func (s *store) line(branch string) string {
	sum := sha256.Sum256([]byte(branch))
	return filepath.Join(s.dir, "fetched", hex.EncodeToString(sum[:8]))
}

// save remembers what a fetch gave.
func (s *store) save(branch string, now state, at time.Time) error {
	if err := s.make(); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if info, err := os.Lstat(s.line(branch)); err == nil && !info.Mode().IsRegular() {
		_ = os.RemoveAll(s.line(branch))
	}
	text := fmt.Sprintf("%s %s %s\n", now.head, now.notes, at.UTC().Format(time.RFC3339Nano))
	f, err := os.CreateTemp(filepath.Join(s.dir, "fetched"), "new-")
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	_, err = f.WriteString(text)
	err = cmp.Or(err, f.Close(), os.Rename(f.Name(), s.line(branch)))
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// load gives what was saved, or nothing.
func (s *store) load(branch string) (state, time.Time) {
	text, _ := os.ReadFile(s.line(branch))
	fields := strings.Fields(string(text))
	if len(fields) != 3 {
		return state{}, time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, fields[2])
	now := state{plumbing.NewHash(fields[0]), plumbing.NewHash(fields[1])}
	if err != nil || !s.holds(now) {
		return state{}, time.Time{}
	}
	return now, at
}

// holds says whether the commits of a state are here.
func (s *store) holds(now state) bool {
	return (now.head.IsZero() || s.objects.has(now.head)) && (now.notes.IsZero() || s.objects.has(now.notes))
}

// fetch asks for a pack and keeps it. A server that can leaves out what is too large to be read: it would only take time, and go-git's memory.
func (s *store) fetch(ctx context.Context, from session, caps *capability.List, wants, haves []plumbing.Hash) error {
	if err := s.make(); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	req := packp.NewUploadPackRequestFromCapabilities(caps)
	if caps.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}
	if caps.Supports(capability.Filter) {
		_ = req.Capabilities.Set(capability.Filter)
		req.Filter = packp.FilterBlobLimit(files.MaxFile+1, packp.BlobLimitPrefixNone)
	}
	req.Wants, req.Haves = wants, haves
	res, err := from.UploadPack(ctx, req)
	if errors.Is(err, transport.ErrEmptyUploadPackRequest) {
		return nil
	}
	if err != nil {
		return explainedHTTP(err)
	}
	defer res.Close()
	return s.keep(demuxed(req.Capabilities, res))
}

func demuxed(caps *capability.List, r io.Reader) io.Reader {
	switch {
	case caps.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case caps.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// keep writes a pack: whole, or a small one as its objects. Of one that cannot be written to its end nothing is left.
func (s *store) keep(pack io.Reader) (err error) {
	before := s.unfinished()
	defer func() {
		if err == nil {
			return
		}
		for _, file := range s.unfinished() {
			if !slices.Contains(before, file) {
				_ = os.Remove(file)
			}
		}
	}()
	into := filesystem.NewStorage(osfs.New(s.dir), cache.NewObjectLRU(objectCache))
	defer into.Close()
	from := &watched{Reader: pack}
	head := bufio.NewReader(from)
	start, err := head.Peek(12)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if n := binary.BigEndian.Uint32(start[8:]); n == 0 {
		return nil
	} else if n > unpackLimit {
		err = packfile.UpdateObjectStorage(into, head)
	} else {
		err = packfile.UpdateObjectStorage(singly{into}, head)
	}
	if err != nil && (from.err == nil || errors.Is(from.err, io.EOF)) { // the server did not break off
		err = damaged{err: err}
	}
	return wrapped("pack", err)
}

// watched remembers how its Reader ended.
type watched struct {
	io.Reader
	err error
}

func (w *watched) Read(p []byte) (n int, err error) {
	n, err = w.Reader.Read(p)
	w.err = cmp.Or(w.err, err)
	return n, err
}

// unfinished are files that go-git has not given their names yet.
func (s *store) unfinished() []string {
	packs, _ := filepath.Glob(filepath.Join(s.dir, "objects", "pack", "tmp_*"))
	objects, _ := filepath.Glob(filepath.Join(s.dir, "objects", "tmp_*"))
	return append(packs, objects...)
}

// singly hides that a store can take whole packs.
type singly struct{ storer.Storer }

func wrapped(what string, err error) error {
	if err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// crowd is how many single objects are many, in one of the 256 directories they are spread over: about 7,000 in all.
const crowd = 27

// crowded says whether the cache holds many single objects.
func (s *store) crowded() bool {
	some, _ := os.ReadDir(filepath.Join(s.dir, "objects", "17"))
	return len(some) > crowd
}
