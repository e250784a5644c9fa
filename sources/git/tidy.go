package git

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/sources/files"
)

// Bounds on how a cache lies on disk, beyond which it is tidied.
const (
	crowd     = 27  // single objects in one of the 256 directories they are spread over: about 7,000 in all
	manyPacks = 100 // what is in the last of them is looked for in all
)

func (s *store) packs() []string {
	all, _ := filepath.Glob(filepath.Join(s.dir, "objects", "pack", "*.pack"))
	return all
}

// crowded says whether the cache holds many single objects, or many packs.
func (s *store) crowded() bool {
	some, _ := os.ReadDir(filepath.Join(s.dir, "objects", "17"))
	return len(some) > crowd || len(s.packs()) > manyPacks
}

// tidy makes one pack of the single objects, and of the packs if there are many. What is damaged of them goes. It asks no server.
func (s *store) tidy(ctx context.Context) error {
	dir, fresh, file, err := s.fresh()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &receiving{ctx: ctx, file: file}
	r.dir = dir
	was, err := s.gather(r)
	if err == nil && len(r.all) > 0 {
		err = r.sumAgain()
	}
	if err = errors.Join(err, file.Close()); err != nil || len(r.all) == 0 {
		return err
	}
	r.byName()
	if err := s.install(fresh, r); err != nil {
		return err
	}
	for _, path := range was {
		_ = os.Remove(path)
	}
	return nil
}

// gather writes everything into one pack, and gives the files it was in, the indexes before their packs.
func (s *store) gather(r *receiving) (was []string, err error) {
	n, err := r.file.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x00")
	if err != nil {
		return nil, err
	}
	r.end = int64(n)
	if packs := s.packs(); len(packs) > manyPacks {
		for _, path := range packs {
			p := &pack{path: path[:len(path)-len(".pack")]}
			if took, err := r.takePack(p); err != nil {
				return nil, err
			} else if took {
				was = append(was, p.path+".idx", path)
			}
		}
	}
	single, err := filepath.Glob(filepath.Join(s.dir, "objects", "??", "*"))
	for _, path := range single {
		if name := filepath.Base(filepath.Dir(path)) + filepath.Base(path); plumbing.IsHash(name) {
			if took, err := r.takeSingle(s, plumbing.NewHash(name)); err != nil {
				return nil, err
			} else if took {
				was = append(was, path)
			}
		}
	}
	return was, err
}

// takePack adds what a pack holds, as it is: a delta's base is as far away there as it was. One that is damaged stays where it is.
func (r *receiving) takePack(p *pack) (took bool, err error) {
	if err := r.ctx.Err(); err != nil {
		return false, err
	}
	if !soundSum(p.path+".pack") || !soundSum(p.path+".idx") || p.open() != nil {
		return false, nil
	}
	defer p.close()
	info, err := p.data.Stat()
	if err != nil || r.end+info.Size() > maxPack {
		return false, err
	}
	var head [12]byte
	if _, err := p.data.ReadAt(head[:], 0); err != nil || int(binary.BigEndian.Uint32(head[8:])) != p.count() {
		return false, err
	}
	moved := r.end - 12
	n, err := io.Copy(r.file, io.NewSectionReader(p.data, 12, info.Size()-12-20))
	if err != nil {
		return false, err
	}
	r.end += n
	for i := range p.count() {
		o, err := p.at(i)
		if err != nil {
			return false, err
		}
		o.offset += moved
		r.all = append(r.all, o)
	}
	return true, nil
}

// takeSingle adds an object that is a file. Large ones stay what they are; one that is damaged is gone.
func (r *receiving) takeSingle(s *store, h plumbing.Hash) (took bool, err error) {
	if err := r.ctx.Err(); err != nil {
		return false, err
	}
	f, err := r.single(filepath.Join(s.dir, "objects"), h, files.MaxFile)
	var file *fs.PathError
	if err != nil {
		return !errors.As(err, &file), nil
	}
	if f.content == nil {
		return false, nil
	}
	defer f.content.free()
	named := plumbing.NewHasher(f.kind, f.size)
	if _, err := io.Copy(named, f.content.reader()); err != nil || named.Sum() != h {
		return err == nil, err
	}
	return true, r.add(h, f)
}
