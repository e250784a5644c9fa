package git

import (
	"bufio"
	"cmp"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/sources/files"
)

// A pack is read as gitformat-pack(5) has it, from disk and piece by piece: what it takes of memory follows neither the size of an object, nor what is
// claimed of it. go-git's own reading holds each object whole, and the bases of a delta with it.

// Bounds on a pack. Beyond them it is refused, and nothing of it is kept.
const (
	maxPack    = 4 << 30 // bytes, and of one object that is inflated
	maxObjects = 4 << 20
	maxBase    = 512 << 20 // bytes of what a delta builds on: Git makes none of more than core.bigFileThreshold, which is that
	maxDepth   = 4095      // deltas of deltas, as in Git
)

// What is held of objects while others are made of them: in memory if it is small and while there is not much of it, else in files without a name.
const (
	heldEach = files.MaxFile
	heldAll  = 16 << 20
	heldDisk = maxPack
)

// errPack is a pack that is not as the format says.
var errPack = errors.New("is no sound pack")

func badPack(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errPack, fmt.Sprintf(format, args...))
}

// entry is what stands before the content of an object in a pack.
type entry struct {
	kind plumbing.ObjectType
	size int64         // of the content when inflated: an object's, or a delta's
	back int64         // how far before lies what an offset delta builds on
	base plumbing.Hash // what a reference delta builds on
}

func (e entry) delta() bool { return e.kind.IsDelta() }

type byteReader interface {
	io.Reader
	io.ByteReader
}

func readEntry(r byteReader) (e entry, err error) {
	c, err := r.ReadByte()
	e.kind, e.size = plumbing.ObjectType(c>>4&7), int64(c&15)
	for shift := 4; c&0x80 != 0 && err == nil; shift += 7 {
		if shift > 60-7 {
			return e, badPack("the size of an object has too many digits")
		}
		c, err = r.ReadByte()
		e.size |= int64(c&0x7f) << shift
	}
	if err != nil {
		return e, err
	}
	if e.size > maxPack {
		return e, fmt.Errorf("an object of %d bytes: more than %d GiB is not taken; give the manifests a repository of their own", e.size, maxPack>>30)
	}
	switch e.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.OFSDeltaObject:
		e.back, err = readBack(r)
	case plumbing.REFDeltaObject:
		_, err = io.ReadFull(r, e.base[:])
	default:
		err = badPack("an object of type %d", e.kind)
	}
	return e, err
}

// readBack reads an offset: seven bits a byte, the highest first, and one is added where another byte follows.
func readBack(r io.ByteReader) (int64, error) {
	c, err := r.ReadByte()
	back := int64(c & 0x7f)
	for c&0x80 != 0 && err == nil {
		if back > maxPack {
			return 0, badPack("a delta's base is too far away")
		}
		c, err = r.ReadByte()
		back = (back+1)<<7 | int64(c&0x7f)
	}
	return back, err
}

// readSize reads a size in a delta: seven bits a byte, the lowest first.
func readSize(r io.ByteReader) (int64, error) {
	size := int64(0)
	for shift := 0; shift <= 60-7; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		size |= int64(c&0x7f) << shift
		if c&0x80 == 0 {
			return size, nil
		}
	}
	return 0, badPack("a size in a delta has too many digits")
}

// exact reads as many bytes as were claimed; more or fewer are an error.
type exact struct {
	io.Reader
	left int64
}

func (x *exact) Read(p []byte) (int, error) {
	if x.left == 0 {
		var more [1]byte
		n, err := io.ReadFull(x.Reader, more[:])
		if n > 0 {
			err = badPack("an object is larger than it says")
		}
		return 0, err
	}
	n, err := x.Reader.Read(p[:min(int64(len(p)), x.left)])
	x.left -= int64(n)
	if err == io.EOF && x.left > 0 {
		err = badPack("an object is smaller than it says, by %d bytes", x.left)
	} else if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

// inflater reads objects of a pack on disk, one at a time.
type inflater struct {
	packed *bufio.Reader
	zlib   io.ReadCloser
	delta  *bufio.Reader
	buf    []byte
}

// copy is io.Copy, which would make room to copy by each time.
func (i *inflater) copy(to io.Writer, from io.Reader) (int64, error) {
	if i.buf == nil {
		i.buf = make([]byte, 16<<10)
	}
	return io.CopyBuffer(to, from, i.buf)
}

// at reads the entry at an offset; the content is to be read before the next call.
func (i *inflater) at(pack io.ReaderAt, offset int64) (entry, *exact, error) {
	section := io.NewSectionReader(pack, offset, math.MaxInt64-offset)
	if i.packed == nil {
		i.packed, i.delta = bufio.NewReader(nil), bufio.NewReader(nil)
	}
	i.packed.Reset(section)
	e, err := readEntry(i.packed)
	if err == nil {
		i.zlib, err = inflating(i.zlib, i.packed)
	}
	return e, &exact{i.zlib, e.size}, eof(err)
}

// eof is an error where something was still to come.
func eof(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// inflating begins to inflate what r holds, with what was used before if there is something.
func inflating(used io.ReadCloser, r io.Reader) (io.ReadCloser, error) {
	if used == nil {
		return zlib.NewReader(r)
	}
	return used, used.(zlib.Resetter).Reset(r, nil)
}

// patch makes an object of the one it builds on, and writes it to what begin gives for its size.
func (i *inflater) patch(delta io.Reader, base *content, begin func(size int64) (io.Writer, error)) error {
	d := i.delta
	d.Reset(delta)
	size, left, err := deltaSizes(d)
	if err != nil {
		return eof(err)
	}
	if size != base.size {
		return badPack("a delta is for a base of %d bytes, which has %d", size, base.size)
	}
	w, err := begin(left)
	if err != nil {
		return err
	}
	for left > 0 {
		op, err := d.ReadByte()
		if err != nil {
			return eof(err)
		}
		from, n := io.Reader(d), int64(op)
		if op == 0 {
			return badPack("a delta has an instruction that is reserved")
		}
		if op&0x80 != 0 {
			var at int64
			if at, n, err = readCopy(d, op); err != nil {
				return eof(err)
			}
			if at+n > size {
				return badPack("a delta copies what is beyond its base")
			}
			from = io.NewSectionReader(base, at, n)
		}
		if left -= n; left < 0 {
			return badPack("a delta makes more than it says")
		}
		if did, err := i.copy(w, io.LimitReader(from, n)); err != nil || did < n {
			return cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
	if _, err := d.ReadByte(); err != io.EOF {
		return errors.Join(err, badPack("a delta goes on after its end"))
	}
	return nil
}

// deltaSizes are those of the base and of what a delta makes of it.
func deltaSizes(r io.ByteReader) (base, made int64, err error) {
	if base, err = readSize(r); err != nil {
		return 0, 0, err
	}
	made, err = readSize(r)
	if err == nil && made > maxPack {
		err = fmt.Errorf("an object of %d bytes: more than %d GiB is not taken; give the manifests a repository of their own", made, maxPack>>30)
	}
	return base, made, err
}

// readCopy reads the operands of an instruction to copy: four bytes of the offset and three of the size, without those that are zero.
func readCopy(r io.ByteReader, op byte) (at, n int64, err error) {
	for bit := range 7 {
		if op>>bit&1 == 0 {
			continue
		}
		c, err := r.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		if bit < 4 {
			at |= int64(c) << (8 * bit)
		} else {
			n |= int64(c) << (8 * (bit - 4))
		}
	}
	if n == 0 {
		n = 0x10000
	}
	return at, n, nil
}

// content is an object, inflated. It is written once, and then read at any place.
type content struct {
	size int64
	data []byte
	file *os.File
	buf  *bufio.Writer // before file
	of   *holding
}

// holding makes contents, and counts what they take.
type holding struct {
	dir          string // for files; the system's for temporary ones if it is empty
	memory, disk atomic.Int64
}

func (h *holding) make(size int64) (*content, error) {
	c := &content{size: size, of: h}
	if size <= heldEach && h.memory.Load()+size <= heldAll {
		h.memory.Add(size)
		c.data = make([]byte, 0, size)
		return c, nil
	}
	if size > maxBase || h.disk.Load()+size > heldDisk {
		return nil, fmt.Errorf("deltas on objects of %d bytes, %d GiB together: set core.bigFileThreshold in the repository to less than 512m, and run git repack -adF there",
			size, (h.disk.Load()+size)>>30)
	}
	f, err := os.CreateTemp(h.dir, "tmp_base_")
	if err != nil {
		return nil, err
	}
	h.disk.Add(size)
	c.file, c.buf = f, bufio.NewWriter(f)
	return c, os.Remove(f.Name())
}

func (c *content) Write(p []byte) (int, error) {
	if c.buf != nil {
		return c.buf.Write(p)
	}
	c.data = append(c.data, p...)
	return len(p), nil
}

// written ends the writing.
func (c *content) written() error {
	if c.buf == nil {
		return nil
	}
	err := c.buf.Flush()
	c.buf = nil
	return err
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if c.file != nil {
		return c.file.ReadAt(p, off)
	}
	if off > int64(len(c.data)) {
		return 0, io.EOF
	}
	n := copy(p, c.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *content) reader() io.Reader { return io.NewSectionReader(c, 0, c.size) }

// free gives back what the content takes. Who reads data after that may.
func (c *content) free() {
	switch {
	case c == nil || c.of == nil:
		return
	case c.file != nil:
		_ = c.file.Close()
		c.of.disk.Add(-c.size)
	default:
		c.of.memory.Add(-c.size)
	}
	c.of = nil
}
