package git

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
)

// packed is an object of a pack that is being received. 40 bytes are held of each.
type packed struct {
	offset int64
	crc    uint32
	base   int32 // of an offset delta: which object
	hash   plumbing.Hash
	kind   plumbing.ObjectType // a delta's until it is resolved
	delta  bool
}

// reference is a delta on an object that is named by its hash.
type reference struct {
	base  plumbing.Hash
	delta int32
}

// receiving is a pack on its way into a file, and what its index is to say.
type receiving struct {
	ctx  context.Context
	file *os.File
	here *objects // for what the pack builds on without holding it

	unpacker
	small   *bufio.Writer // before what names an object
	all     []packed      // by offset; by name once all are resolved
	onto    []int32       // offset deltas, by base
	refs    []reference
	end     int64 // where the pack's own checksum stands
	summed  plumbing.Hash
	unknown int   // deltas that are not resolved
	largest int64 // bytes of an object
}

// receive writes a pack to the file, and resolves everything in it.
func (r *receiving) receive(pack io.Reader) error {
	if err := r.scan(&packStream{from: pack, to: r.file, sum: sha1.New()}); err != nil {
		return eof(err)
	}
	r.order()
	if err := r.resolve(); err != nil {
		return eof(err)
	}
	if r.unknown > 0 {
		if err := r.thin(); err != nil {
			return eof(err)
		}
	}
	if r.unknown > 0 {
		return badPack("%d deltas build on each other, or on what is not there", r.unknown)
	}
	r.byName()
	return nil
}

// byName orders the objects as an index has them.
func (r *receiving) byName() {
	slices.SortFunc(r.all, func(a, b packed) int {
		return cmp.Or(bytes.Compare(a.hash[:], b.hash[:]), cmp.Compare(a.offset, b.offset))
	})
	r.all = slices.CompactFunc(r.all, func(a, b packed) bool { return a.hash == b.hash })
}

// packStream reads a pack from a server once, and writes what was used of it to a file.
type packStream struct {
	from io.Reader
	to   io.Writer
	sum  hash.Hash
	crc  uint32 // since it was last set to zero

	buf            [64 << 10]byte
	done, pos, end int   // in buf: what was written, what was used, what was read
	before         int64 // bytes before buf
	err            error // of from
}

func (s *packStream) offset() int64 { return s.before + int64(s.pos) }

// settle takes account of what was used since the last time.
func (s *packStream) settle() error {
	used := s.buf[s.done:s.pos]
	s.done = s.pos
	_, _ = s.sum.Write(used)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, used)
	_, err := s.to.Write(used)
	return err
}

func (s *packStream) fill() error {
	if err := s.settle(); err != nil {
		return err
	}
	s.before += int64(s.pos)
	s.done, s.pos, s.end = 0, 0, 0
	for s.end == 0 {
		if s.err != nil {
			return s.err
		}
		s.end, s.err = s.from.Read(s.buf[:])
	}
	if s.before+int64(s.end) > maxPack {
		return fmt.Errorf("more than %d GiB: give the manifests a repository of their own", maxPack>>30)
	}
	return nil
}

func (s *packStream) ReadByte() (byte, error) {
	if s.pos == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	s.pos++
	return s.buf[s.pos-1], nil
}

func (s *packStream) Read(p []byte) (int, error) {
	if s.pos == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.buf[s.pos:s.end])
	s.pos += n
	return n, nil
}

// scan goes through a pack from its beginning to its end. What is no delta has its name then.
func (r *receiving) scan(s *packStream) error {
	var head [12]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		return err
	}
	version, count := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != "PACK" || version != 2 && version != 3 {
		return badPack("it begins with %q", head[:8])
	}
	if count > maxObjects {
		return fmt.Errorf("%d objects, which is more than %d: give the manifests a repository of their own", count, maxObjects)
	}
	var inflated io.ReadCloser
	for range count {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := s.settle(); err != nil {
			return err
		}
		s.crc = 0
		o := packed{offset: s.offset()}
		e, err := readEntry(s)
		if err != nil {
			return err
		}
		if inflated, err = inflating(inflated, s); err != nil {
			return err
		}
		if err := r.entered(&o, e, inflated); err != nil {
			return err
		}
		if err := s.settle(); err != nil {
			return err
		}
		o.crc = s.crc
		r.all = append(r.all, o)
	}
	return r.ended(s)
}

// entered reads the content of an entry: names it, or notes what it builds on.
func (r *receiving) entered(o *packed, e entry, from io.Reader) error {
	o.kind, o.delta = e.kind, e.delta()
	r.largest = max(r.largest, e.size)
	to := io.Discard
	var named plumbing.Hasher
	switch e.kind {
	case plumbing.OFSDeltaObject:
		i, ok := slices.BinarySearchFunc(r.all, o.offset-e.back, func(p packed, at int64) int { return cmp.Compare(p.offset, at) })
		if !ok {
			return badPack("a delta's base is not in the pack")
		}
		o.base = int32(i)
		r.onto = append(r.onto, int32(len(r.all)))
		r.unknown++
	case plumbing.REFDeltaObject:
		r.refs = append(r.refs, reference{e.base, int32(len(r.all))})
		r.unknown++
	default:
		named = plumbing.NewHasher(e.kind, e.size)
		to = named
	}
	if _, err := r.copy(to, &exact{from, e.size}); err != nil {
		return err
	}
	if !e.delta() {
		o.hash = named.Sum()
	}
	return nil
}

// ended compares the checksum, and sees that nothing comes after it.
func (r *receiving) ended(s *packStream) error {
	if err := s.settle(); err != nil {
		return err
	}
	r.end, r.summed = s.offset(), plumbing.Hash(s.sum.Sum(nil))
	var said plumbing.Hash
	if _, err := io.ReadFull(s, said[:]); err != nil {
		return err
	}
	if said != r.summed {
		return badPack("its checksum is another one's")
	}
	switch _, err := s.ReadByte(); {
	case err == nil:
		return badPack("it goes on after its end")
	case err != io.EOF:
		return err
	}
	return s.settle()
}

// order puts deltas by what they build on.
func (r *receiving) order() {
	slices.SortFunc(r.onto, func(a, b int32) int { return cmp.Or(cmp.Compare(r.all[a].base, r.all[b].base), cmp.Compare(a, b)) })
	slices.SortFunc(r.refs, func(a, b reference) int {
		return cmp.Or(bytes.Compare(a.base[:], b.base[:]), cmp.Compare(a.delta, b.delta))
	})
}

// above are the deltas that build on an object, by its place or by its name.
func (r *receiving) above(i int32) []int32 {
	n := sort.Search(len(r.onto), func(n int) bool { return r.all[r.onto[n]].base >= i })
	m := n
	for m < len(r.onto) && r.all[r.onto[m]].base == i {
		m++
	}
	return slices.Concat(r.onto[n:m], r.named(r.all[i].hash))
}

// named are the deltas that name an object as their base.
func (r *receiving) named(h plumbing.Hash) (all []int32) {
	n := sort.Search(len(r.refs), func(n int) bool { return bytes.Compare(r.refs[n].base[:], h[:]) >= 0 })
	for ; n < len(r.refs) && r.refs[n].base == h; n++ {
		all = append(all, r.refs[n].delta)
	}
	return all
}

// resolve names every delta that builds on an object of the pack.
func (r *receiving) resolve() error {
	for i := range r.all {
		if r.all[i].delta {
			continue
		}
		above := r.above(int32(i))
		if len(above) == 0 {
			continue
		}
		e, from, err := r.at(r.file, r.all[i].offset)
		if err != nil {
			return err
		}
		base, err := r.inflated(from, e.size)
		if err != nil {
			return err
		}
		if err := r.climb(above, r.all[i].kind, base, 1); err != nil {
			return err
		}
	}
	return nil
}

// climb resolves what builds on an object, and what builds on that. The object is let go of before the last of it goes on.
func (r *receiving) climb(above []int32, kind plumbing.ObjectType, base *content, depth int) error {
	defer func() { base.free() }()
	if depth > maxDepth {
		return badPack("more than %d deltas of deltas", maxDepth)
	}
	for n, i := range above {
		if !r.all[i].kind.IsDelta() {
			continue
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		made, next, err := r.apply(i, kind, base)
		if err != nil {
			return err
		}
		if n == len(above)-1 {
			base.free()
		}
		if len(next) == 0 {
			made.free()
			continue
		}
		if err := r.climb(next, kind, made, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// apply names the object that a delta makes, and holds it if more may build on that.
func (r *receiving) apply(i int32, kind plumbing.ObjectType, base *content) (made *content, next []int32, err error) {
	_, delta, err := r.at(r.file, r.all[i].offset)
	if err != nil {
		return nil, nil, err
	}
	hold := len(r.refs) > 0 || len(r.above(i)) > 0
	var named plumbing.Hasher
	err = r.patch(delta, base, func(size int64) (io.Writer, error) {
		r.largest = max(r.largest, size)
		named = plumbing.NewHasher(kind, size)
		r.small.Reset(named)
		if !hold {
			return r.small, nil
		}
		made, err = r.make(size)
		return io.MultiWriter(r.small, made), err
	})
	if err == nil {
		err = r.small.Flush()
	}
	if err == nil && made != nil {
		err = made.written()
	}
	if err != nil {
		made.free()
		return nil, nil, err
	}
	r.all[i].kind, r.all[i].hash = kind, named.Sum()
	r.unknown--
	if hold {
		next = r.above(i)
	}
	return made, next, nil
}

// thin adds to the pack what it builds on without holding it, as a pack on disk must.
func (r *receiving) thin() error {
	if _, err := r.file.Seek(r.end, io.SeekStart); err != nil {
		return err
	}
	added := len(r.all)
	for n := 0; n < len(r.refs); n++ {
		ref := r.refs[n]
		if !r.all[ref.delta].kind.IsDelta() {
			continue
		}
		base, err := r.here.get(ref.base, plumbing.AnyObject, maxBase)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue
		}
		if err == nil {
			err = r.add(ref.base, base)
		}
		if err == nil {
			err = r.climb(r.named(ref.base), base.kind, base.content, 1)
		}
		if err != nil {
			base.content.free()
			return err
		}
	}
	if len(r.all) == added {
		return nil
	}
	return r.sumAgain()
}

// add writes an object at the end of the file.
func (r *receiving) add(h plumbing.Hash, f found) error {
	crc := crc32.NewIEEE()
	n, err := writeEntry(io.MultiWriter(r.file, crc), f)
	r.all = append(r.all, packed{offset: r.end, crc: crc.Sum32(), hash: h, kind: f.kind})
	r.end += n
	return err
}

// sumAgain corrects the number of objects in the file, and its checksum.
func (r *receiving) sumAgain() error {
	if _, err := r.file.WriteAt(binary.BigEndian.AppendUint32(nil, uint32(len(r.all))), 8); err != nil {
		return err
	}
	sum := sha1.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r.file, 0, r.end)); err != nil {
		return err
	}
	r.summed = plumbing.Hash(sum.Sum(nil))
	_, err := r.file.WriteAt(r.summed[:], r.end)
	return err
}

// writeEntry writes an object as a pack has it, and says how many bytes that took.
func writeEntry(w io.Writer, f found) (int64, error) {
	n := &counted{Writer: w}
	c, size := byte(f.kind)<<4|byte(f.size&15), f.size>>4
	head := []byte{}
	for ; size > 0; size >>= 7 {
		head = append(head, c|0x80)
		c = byte(size & 0x7f)
	}
	if _, err := n.Write(append(head, c)); err != nil {
		return 0, err
	}
	z := zlib.NewWriter(n)
	_, err := io.Copy(z, f.content.reader())
	return n.n, cmp.Or(err, z.Close())
}

// counted counts what is written.
type counted struct {
	io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// writeIndex writes an index of version 2 for objects that are ordered by name.
func writeIndex(to io.Writer, all []packed, pack plumbing.Hash) error {
	sum := sha1.New()
	w := bufio.NewWriter(io.MultiWriter(to, sum))
	put := func(v uint32) { _, _ = w.Write(binary.BigEndian.AppendUint32(w.AvailableBuffer(), v)) }
	_, _ = w.WriteString("\xfftOc\x00\x00\x00\x02")
	n := 0
	for first := range 256 {
		for n < len(all) && int(all[n].hash[0]) == first {
			n++
		}
		put(uint32(n))
	}
	for _, o := range all {
		_, _ = w.Write(o.hash[:])
	}
	for _, o := range all {
		put(o.crc)
	}
	var beyond []byte
	for _, o := range all {
		if o.offset>>31 == 0 {
			put(uint32(o.offset))
			continue
		}
		put(1<<31 | uint32(len(beyond)/8))
		beyond = binary.BigEndian.AppendUint64(beyond, uint64(o.offset))
	}
	_, _ = w.Write(beyond)
	_, _ = w.Write(pack[:])
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}
