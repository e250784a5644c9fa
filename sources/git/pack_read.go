package git

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/sources/files"
)

// found is an object. Its content is there only if it is not larger than who asked for it wanted.
type found struct {
	kind    plumbing.ObjectType
	size    int64
	content *content
}

// placed is a place in a pack.
type placed struct {
	pack   *pack
	offset int64
}

// pack is a pack on disk and its index. Nothing of them is held in memory but how many names begin with which byte.
type pack struct {
	path      string // without what it ends with
	data, idx *os.File
	fan       [256]uint32
	some      [20 * nearby]byte // names that were read last
}

// nearby is how many names are read at once.
const nearby = 256

const fanEnd = 8 + 256*4

// open opens the files, and compares what each says of the other.
func (p *pack) open() (err error) {
	if p.data != nil {
		return nil
	}
	if err := soundIndex(p.path + ".idx"); err != nil {
		return err
	}
	if p.idx, err = os.Open(p.path + ".idx"); err != nil {
		return err
	}
	if p.data, err = os.Open(p.path + ".pack"); err == nil {
		err = p.match()
	}
	if err != nil {
		p.close()
	}
	return err
}

func (p *pack) match() error {
	var head [fanEnd]byte
	if _, err := p.idx.ReadAt(head[:], 0); err != nil {
		return err
	}
	for i := range p.fan {
		p.fan[i] = binary.BigEndian.Uint32(head[8+4*i:])
	}
	ofPack, err := p.data.Stat()
	if err != nil {
		return err
	}
	ofIndex, err := p.idx.Stat()
	if err != nil {
		return err
	}
	var ends [2][20]byte
	_, err = p.data.ReadAt(ends[0][:], ofPack.Size()-20)
	_, also := p.idx.ReadAt(ends[1][:], ofIndex.Size()-40)
	if err = errors.Join(err, also); err == nil && ends[0] != ends[1] {
		err = errIndex
	}
	return err
}

func (p *pack) close() {
	for _, f := range []**os.File{&p.data, &p.idx} {
		if *f != nil {
			_ = (*f).Close()
			*f = nil
		}
	}
}

func (p *pack) count() int { return int(p.fan[255]) }

// names reads the names from i to before j, at most nearby of them. They are good until the next call.
func (p *pack) names(i, j int) ([]byte, error) {
	b := p.some[:20*(j-i)]
	_, err := p.idx.ReadAt(b, int64(fanEnd+20*i))
	return b, err
}

// begins is the place of the first name that is not before h, among all of them in their order, and whether that is h.
func (p *pack) begins(h plumbing.Hash) (i int, is bool, err error) {
	low, high := 0, int(p.fan[h[0]])
	if h[0] > 0 {
		low = int(p.fan[h[0]-1])
	}
	for high-low > nearby {
		middle := (low + high) / 2
		name, err := p.names(middle, middle+1)
		if err != nil {
			return 0, false, err
		}
		if bytes.Compare(name, h[:]) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	some, err := p.names(low, high)
	n := sort.Search(high-low, func(i int) bool { return bytes.Compare(some[20*i:20*i+20], h[:]) >= 0 })
	return low + n, err == nil && n < high-low && bytes.Equal(some[20*n:20*n+20], h[:]), err
}

// lookup is where an object lies in the pack; ok is false where it does not.
func (p *pack) lookup(h plumbing.Hash) (offset int64, ok bool, err error) {
	i, ok, err := p.begins(h)
	if err == nil && ok {
		offset, err = p.offset(i)
	}
	return offset, ok, err
}

// offset is that of the object at a place in the index.
func (p *pack) offset(i int) (int64, error) {
	var b [8]byte
	_, err := p.idx.ReadAt(b[:4], int64(fanEnd+24*p.count()+4*i))
	offset := int64(binary.BigEndian.Uint32(b[:]))
	if err == nil && offset>>31 == 1 {
		_, err = p.idx.ReadAt(b[:], int64(fanEnd+28*p.count())+8*(offset&0x7fffffff))
		offset = int64(binary.BigEndian.Uint64(b[:]))
	}
	return offset, err
}

// at is what the index says of the object at a place in it.
func (p *pack) at(i int) (o packed, err error) {
	var b [4]byte
	_, err = p.idx.ReadAt(o.hash[:], int64(fanEnd+20*i))
	if err == nil {
		_, err = p.idx.ReadAt(b[:], int64(fanEnd+20*p.count()+4*i))
		o.crc = binary.BigEndian.Uint32(b[:])
	}
	if err == nil {
		o.offset, err = p.offset(i)
	}
	return o, err
}

// unpacker reads objects from packs. Those that others build on are kept for a while if they are small.
type unpacker struct {
	inflater
	holding
	recent *files.Cache[placed, found]
}

// base is where the object lies that a delta at an offset builds on.
func (p *pack) base(at int64, e entry) (int64, error) {
	if e.kind == plumbing.OFSDeltaObject {
		if e.back <= 0 || e.back >= at {
			return 0, badPack("a delta's base is not in the pack")
		}
		return at - e.back, nil
	}
	offset, ok, err := p.lookup(e.base)
	if err == nil && !ok {
		err = badPack("a delta's base is not in the pack")
	}
	return offset, err
}

// extract gives the object at an offset. Its content is there if it has at most limit bytes, whatever it is built on.
func (u *unpacker) extract(p *pack, offset, limit int64) (found, error) {
	var deltas []int64
	var got found
	size := int64(-1)
	for at := offset; ; {
		if kept, ok := u.recent.Get(placed{p, at}); ok {
			got = kept
			break
		}
		e, r, err := u.at(p.data, at)
		if err != nil {
			return found{}, err
		}
		if !e.delta() {
			if got = (found{kind: e.kind, size: e.size}); size < 0 {
				size = e.size
			}
			if size > limit {
				break
			}
			if got.content, err = u.inflated(r, e.size); err != nil {
				return found{}, err
			}
			if len(deltas) > 0 {
				u.keep(placed{p, at}, got)
			}
			break
		}
		if size < 0 {
			u.delta.Reset(r)
			if _, size, err = deltaSizes(u.delta); err != nil {
				return found{}, eof(err)
			}
		}
		if deltas = append(deltas, at); len(deltas) > maxDepth {
			return found{}, badPack("more than %d deltas of deltas", maxDepth)
		}
		if at, err = p.base(at, e); err != nil {
			return found{}, err
		}
	}
	if size < 0 {
		size = got.size
	}
	if size > limit {
		got.content.free()
		return found{kind: got.kind, size: size}, nil
	}
	return u.built(p, got, deltas)
}

// keepEach is how large an object may be to be kept because others build on it.
const keepEach = objectCache / 4

func (u *unpacker) keep(at placed, f found) {
	if f.size <= keepEach && f.content.file == nil {
		f.content = &content{size: f.size, data: f.content.data} // which nobody lets go of
		u.recent.Put(at, f, int(f.size))
	}
}

// inflated holds a content.
func (u *unpacker) inflated(r io.Reader, size int64) (*content, error) {
	c, err := u.make(size)
	if err == nil {
		if _, err = u.copy(c, r); err == nil {
			err = c.written()
		}
	}
	if err != nil {
		c.free()
		return nil, err
	}
	return c, nil
}

// built applies deltas to what they build on, the last one first.
func (u *unpacker) built(p *pack, got found, deltas []int64) (found, error) {
	for i := len(deltas) - 1; i >= 0; i-- {
		_, r, err := u.at(p.data, deltas[i])
		if err != nil {
			return found{}, err
		}
		var made *content
		err = u.patch(r, got.content, func(size int64) (io.Writer, error) {
			made, err = u.make(size)
			return made, err
		})
		if err == nil {
			err = made.written()
		}
		got.content.free()
		if err != nil {
			made.free()
			return found{}, err
		}
		got = found{got.kind, made.size, made}
		u.keep(placed{p, deltas[i]}, got)
	}
	return got, nil
}

// beginning are the names in the pack that begin with a prefix in hexadecimal.
func (p *pack) beginning(prefix string) (all []plumbing.Hash, err error) {
	i, _, err := p.begins(plumbing.NewHash(prefix + strings.Repeat("0", 40-len(prefix))))
	for ; err == nil && i < p.count(); i++ {
		name, err := p.names(i, i+1)
		if err != nil {
			return nil, err
		}
		h := plumbing.Hash(name)
		if !strings.HasPrefix(h.String(), prefix) {
			break
		}
		all = append(all, h)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", p.path, err)
	}
	return all, err
}
