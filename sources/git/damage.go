package git

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/sources/files"
)

// A cache is on a disk, and what is on disks is damaged at times: cut off by a power cut, full, overwritten. What is read is the object that was asked
// for, or damaged; and what is damaged is fetched anew, beside the old, which stays until the new is there.

// damaged is an object that is not there, or not as its name says; without a name it is all of them that cannot be added to.
type damaged struct {
	hash plumbing.Hash
	err  error
}

func (d damaged) Error() string {
	if d.hash.IsZero() {
		return d.err.Error()
	}
	return fmt.Sprintf("object %s: %v", d.hash, d.err)
}

func (d damaged) Unwrap() error { return d.err }

// isDamage says whether an error is of an object, or of how the cache lies on disk. That there is no room is none of it, nor what is lasting: other files.
func isDamage(err error) bool {
	var file *fs.PathError
	var link *os.LinkError
	if errors.Is(err, files.ErrLasting) {
		return false
	}
	return errors.As(err, &damaged{}) || (errors.As(err, &file) || errors.As(err, &link)) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT)
}

// whole runs what reads objects. If one is damaged, all are fetched anew, and it runs once more. An object that is still so after that is left alone for a while.
func (s *Source) whole(ctx context.Context, read func() error) error {
	err := read()
	var d damaged
	if !errors.As(err, &d) {
		return err
	}
	if s.origin.heal(ctx, d.hash) {
		err = read()
	}
	return s.origin.explained(err)
}

// heal fetches the branch anew, because an object that must be here is damaged.
func (r *remote) heal(ctx context.Context, h plumbing.Hash) bool {
	r.mu.Lock()
	hopeless := time.Since(r.healed[h]) < goneFor
	if len(r.healed) > 1000 {
		clear(r.healed)
	}
	r.mu.Unlock()
	if hopeless && r.cache.objects.sound(h) != nil {
		return false
	}
	_, _, err := r.look(ctx, r.options.Branch, true)
	if still := r.cache.objects.sound(h); err == nil && still != nil {
		if errors.Is(still, plumbing.ErrObjectNotFound) && r.filters() {
			r.cache.objects.omit(h)
		}
		r.mu.Lock()
		r.healed[h] = time.Now()
		r.mu.Unlock()
	}
	return err == nil
}

// filters says whether the server leaves out what is too large.
func (r *remote) filters() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.filtering
}

// complete says whether every commit that head descends from is here: a server that is told so gives none of them again.
func (r *remote) complete(ctx context.Context) bool {
	have, _, _ := r.known(nil)
	return r.descends(ctx, have.head)
}

// descends says whether a commit and every one that it descends from is here.
func (r *remote) descends(ctx context.Context, head plumbing.Hash) bool {
	seen := map[plumbing.Hash]bool{}
	for todo := []plumbing.Hash{head}; len(todo) > 0 && ctx.Err() == nil; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[at] || at.IsZero() {
			continue
		}
		seen[at] = true
		c, err := r.cache.objects.commit(at)
		if err != nil {
			return false
		}
		todo = append(todo, c.ParentHashes...)
	}
	return true
}

// beside is an empty store in the same directory, whose objects are to take the place of those that are there.
func (s *store) beside() (*store, error) {
	dir, err := os.MkdirTemp(s.dir, "anew-")
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	fresh := &store{dir: dir, temporary: true}
	if err := fresh.make(); err != nil {
		return nil, errors.Join(fmt.Errorf("cache: %w", err), fresh.close())
	}
	fresh.objects = openObjects(dir)
	return fresh, nil
}

// salvage takes over what is here alone, if it is sound: commits that were pushed away, other branches.
func (s *store) salvage(into *store) {
	all, _ := filepath.Glob(filepath.Join(s.dir, "objects", "??", "*"))
	for _, path := range all {
		name := filepath.Base(filepath.Dir(path)) + filepath.Base(path)
		there := filepath.Join(into.dir, "objects", name[:2], name[2:])
		h := plumbing.NewHash(name)
		if plumbing.IsHash(name) && !into.objects.has(h) && soundObject(path, h) && os.MkdirAll(filepath.Dir(there), 0o700) == nil {
			_ = os.Link(path, there)
		}
	}
	all, _ = filepath.Glob(filepath.Join(s.dir, "objects", "pack", "*.pack"))
	for _, pack := range all {
		idx := strings.TrimSuffix(pack, ".pack") + ".idx"
		if soundIndex(idx) == nil && soundSum(idx) && soundSum(pack) && into.lacks(idx) {
			there := filepath.Join(into.dir, "objects", "pack")
			_ = cmp.Or(os.Link(pack, filepath.Join(there, filepath.Base(pack))), os.Link(idx, filepath.Join(there, filepath.Base(idx))))
		}
	}
}

// lacks says whether an object of the index of a pack is not here.
func (s *store) lacks(idx string) bool {
	p := &pack{path: strings.TrimSuffix(idx, ".idx")}
	if p.open() != nil {
		return false
	}
	defer p.close()
	for i := range p.count() {
		if o, err := p.at(i); err != nil || !s.objects.has(o.hash) {
			return err == nil
		}
	}
	return false
}

// soundObject reads a file with one object, as Git has it: header and content, by zlib.
func soundObject(path string, h plumbing.Hash) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	r, err := zlib.NewReader(f)
	if err != nil {
		return false
	}
	sum := sha1.New()
	_, err = io.Copy(sum, r)
	return err == nil && plumbing.Hash(sum.Sum(nil)) == h
}

// soundSum says whether a pack, or an index, ends with the checksum of what is before.
func soundSum(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < sha1.Size {
		return false
	}
	sum, end := sha1.New(), make([]byte, sha1.Size)
	if _, err := io.CopyN(sum, f, info.Size()-sha1.Size); err != nil {
		return false
	}
	_, err = io.ReadFull(f, end)
	return err == nil && bytes.Equal(end, sum.Sum(nil))
}

// replace puts the objects of a store that is beside in the place of those that are here. Others may do the same at the same time.
func (s *store) replace(fresh *store) error {
	s.salvage(fresh)
	fresh.objects.close()
	here := filepath.Join(s.dir, "objects")
	var err error
	for range reopens {
		old, mkErr := os.MkdirTemp(s.dir, "old-")
		if mkErr != nil {
			return fmt.Errorf("cache: %w", mkErr)
		}
		_ = os.Rename(here, filepath.Join(old, "objects"))
		err = os.Rename(filepath.Join(fresh.dir, "objects"), here)
		_ = os.RemoveAll(old)
		if err == nil {
			break
		}
	}
	s.objects.close()
	return wrapped("cache", err)
}

// sweep removes what a process left beside that was ended meanwhile.
func (s *store) sweep() {
	var left []string
	for _, pattern := range []string{"new-*", "anew-*", "old-*", "tmp_*", "objects/tmp_*", "objects/pack/tmp_*"} {
		dirs, _ := filepath.Glob(filepath.Join(s.dir, pattern))
		left = append(left, dirs...)
	}
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(path)
		}
	}
}

// errIndex is an index of a pack that would mislead who reads by it.
var errIndex = errors.New("a pack's index is damaged")

// soundPacks says whether the indexes of the packs in an object directory have the size that their own count of objects gives them: it is by that count
// that they are read.
func soundPacks(dir string) error {
	all, err := filepath.Glob(filepath.Join(dir, "pack", "*.idx"))
	for _, path := range all {
		if e := soundIndex(path); e != nil && !os.IsNotExist(e) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// soundIndex goes by gitformat-pack(5): version 2 has eight bytes, 256 counts that never fall, then 28 bytes for each object, eight for each that lies beyond 2 GiB,
// and two checksums. Version 1 is not written any more.
func soundIndex(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, 8+256*4)
	if _, err := io.ReadFull(f, head); err != nil || !bytes.Equal(head[:8], []byte{0xff, 't', 'O', 'c', 0, 0, 0, 2}) {
		return errIndex
	}
	count, size := uint32(0), info.Size()-int64(len(head))-40
	for at := 8; at < len(head); at += 4 {
		n := binary.BigEndian.Uint32(head[at:])
		if n < count {
			return errIndex
		}
		count = n
	}
	if beyond := size - 28*int64(count); beyond < 0 || beyond > 8*int64(count) || beyond%8 != 0 {
		return errIndex
	}
	return nil
}
