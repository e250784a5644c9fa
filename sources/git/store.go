package git

import (
	"bufio"
	"cmp"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"

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
	s.objects.holding.dir = s.dir
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
	text := fmt.Sprintf("%s %s %s\n", now.head, now.notes, at.UTC().Format(time.RFC3339Nano))
	return s.write(s.line(branch), text)
}

// write makes a file hold a text, at once.
func (s *store) write(path, text string) error {
	if err := s.make(); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		_ = os.RemoveAll(path)
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, "fetched"), "new-")
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	_, err = f.WriteString(text)
	err = cmp.Or(err, f.Close(), os.Rename(f.Name(), path))
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

// fetch asks for what is wanted and not here, and keeps it.
func (s *store) fetch(ctx context.Context, from session, caps *capability.List, wants, haves []plumbing.Hash) error {
	_, err := s.ask(ctx, from, request(caps, wants, haves))
	return err
}

// request is one for a pack. A server that can leaves out what is too large to be read: it would only take time.
func request(caps *capability.List, wants, haves []plumbing.Hash) *packp.UploadPackRequest {
	req := packp.NewUploadPackRequestFromCapabilities(caps)
	if caps.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}
	if caps.Supports(capability.Filter) {
		_ = req.Capabilities.Set(capability.Filter)
		req.Filter = packp.FilterBlobLimit(files.MaxFile+1, packp.BlobLimitPrefixNone)
	}
	req.Wants, req.Haves = wants, haves
	return req
}

// ask asks for a pack and keeps it. It gives where the history that is here ends after that, if a depth was asked for.
func (s *store) ask(ctx context.Context, from session, req *packp.UploadPackRequest) (moved packp.ShallowUpdate, err error) {
	if err := s.make(); err != nil {
		return moved, fmt.Errorf("cache: %w", err)
	}
	before, begun := withPrelude(ctx)
	res, err := from.UploadPack(before, req)
	if errors.Is(err, transport.ErrEmptyUploadPackRequest) {
		return moved, nil
	}
	if err != nil {
		return moved, explainedHTTP(err)
	}
	defer res.Close()
	begun()
	return res.ShallowUpdate, wrapped("pack", s.keep(ctx, demuxed(req.Capabilities, res)))
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

// keep writes a pack: whole, or a small one as its objects. Of one that does not come to its end nothing is left.
func (s *store) keep(ctx context.Context, from io.Reader) error {
	dir, fresh, file, err := s.fresh()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &receiving{ctx: ctx, file: file, here: s.objects, small: bufio.NewWriter(nil)}
	r.dir = dir
	if err := errors.Join(r.receive(from), file.Close()); err != nil || len(r.all) == 0 {
		return err
	}
	if len(r.all) > unpackLimit || r.largest > files.MaxFile {
		return s.install(fresh, r)
	}
	if err := r.index(fresh); err != nil {
		return err
	}
	return s.single(fresh, r.all, dir)
}

// fresh is a pack that is to be written, in a directory that is to be removed after that.
func (s *store) fresh() (dir string, p *pack, file *os.File, err error) {
	if dir, err = os.MkdirTemp(s.dir, "new-"); err != nil {
		return "", nil, nil, err
	}
	p = &pack{path: filepath.Join(dir, "fresh")}
	if file, err = os.Create(p.path + ".pack"); err != nil {
		_ = os.RemoveAll(dir)
	}
	return dir, p, file, err
}

// install writes the index of a pack, and puts both where packs are.
func (s *store) install(fresh *pack, r *receiving) error {
	if err := r.index(fresh); err != nil {
		return err
	}
	at := filepath.Join(s.dir, "objects", "pack", "pack-"+r.summed.String())
	if err := os.Rename(fresh.path+".pack", at+".pack"); err != nil {
		return err
	}
	return os.Rename(fresh.path+".idx", at+".idx") // last: a pack is there when its index is
}

// index writes it beside a pack.
func (r *receiving) index(of *pack) error {
	idx, err := os.Create(of.path + ".idx")
	if err != nil {
		return err
	}
	return errors.Join(writeIndex(idx, r.all, r.summed), idx.Close())
}

// single writes the objects of a small pack one by one.
func (s *store) single(from *pack, all []packed, dir string) error {
	if err := from.open(); err != nil {
		return err
	}
	defer from.close()
	u := &unpacker{recent: files.NewCache[placed, found](objectCache)}
	u.dir = dir
	for _, o := range all {
		f, err := u.extract(from, o.offset, files.MaxFile)
		if err != nil {
			return err
		}
		name := o.hash.String()
		err = writeSingle(filepath.Join(dir, name), f)
		f.content.free()
		if err != nil {
			return err
		}
		into := filepath.Join(s.dir, "objects", name[:2])
		if err := os.MkdirAll(into, 0o700); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(into, name[2:])); err != nil {
			return err
		}
	}
	return nil
}

// writeSingle writes a file with one object, as Git has it.
func writeSingle(path string, f found) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	z := zlib.NewWriter(file)
	_, err = fmt.Fprintf(z, "%s %d\x00", f.kind, f.size)
	if err == nil {
		_, err = io.Copy(z, f.content.reader())
	}
	return cmp.Or(err, z.Close(), file.Close())
}

func wrapped(what string, err error) error {
	if err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}
