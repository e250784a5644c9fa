package git

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/podkeep/podkeep/sources/files"
)

// objectCache bounds what is kept of objects read: mostly the bases of deltas.
const objectCache = 1 << 20

// maxMeta bounds a commit and a tree.
const maxMeta = files.MaxFile

// maxOpen is how many packs are held open.
const maxOpen = 64

// objects reads a repository's objects, and goes on reading while somebody else repacks it. It is safe for
// concurrent use.
type objects struct {
	dir string // the common directory: objects/ is below

	mu       sync.Mutex
	opened   bool
	dirs     []string // the repository's own, then its alternates'
	packs    []*pack
	ready    int                    // packs that are open
	names    string                 // which packs there were when they were listed
	unpacker                        // what is read from packs
	large    map[plumbing.Hash]bool // what a server has left out
	unsound  error                  // why none of them is to be read
}

func openObjects(dir string) *objects { return &objects{dir: dir} }

// close forgets everything; the next read opens anew.
func (o *objects) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut()
}

func (o *objects) shut() {
	for _, p := range o.packs {
		p.close()
	}
	o.packs, o.ready, o.opened = nil, 0, false
	o.recent, o.inflater = nil, inflater{}
}

// reopens is how often one read follows a repository that is repacked again and again.
const reopens = 5

// get gives one object, and its content if that has at most limit bytes. What is not there is plumbing.ErrObjectNotFound. Every error is damage.
func (o *objects) get(h plumbing.Hash, t plumbing.ObjectType, limit int64) (found, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open()
	got, err := o.find(h, t, limit)
	for range reopens {
		if err == nil || errors.Is(err, plumbing.ErrObjectNotFound) && o.names == packsOf(directories(o.dir)) {
			break
		}
		o.shut()
		o.open()
		got, err = o.find(h, t, limit)
	}
	if err != nil {
		return found{}, damaged{h, err}
	}
	return got, nil
}

// find looks into every pack, then among the single objects. What cannot be read in one place may be in another.
func (o *objects) find(h plumbing.Hash, t plumbing.ObjectType, limit int64) (found, error) {
	if o.unsound != nil {
		return found{}, o.unsound
	}
	wrong := error(plumbing.ErrObjectNotFound)
	take := func(got found, err error) bool {
		switch {
		case err == nil && (t == plumbing.AnyObject || t == got.kind):
			return true
		case err == nil:
			got.content.free()
		case !errors.Is(err, plumbing.ErrObjectNotFound):
			wrong = err
		}
		return false
	}
	for _, p := range o.packs {
		if got, err := o.packed(p, h, limit); take(got, err) {
			return got, nil
		}
	}
	for _, d := range o.dirs {
		if got, err := o.single(d, h, limit); take(got, err) {
			return got, nil
		}
	}
	return found{}, wrong
}

// packed reads an object of a pack.
func (o *objects) packed(p *pack, h plumbing.Hash, limit int64) (found, error) {
	if err := o.enter(p); err != nil {
		return found{}, err
	}
	at, ok, err := p.lookup(h)
	if err == nil && !ok {
		err = plumbing.ErrObjectNotFound
	}
	if err != nil {
		return found{}, err
	}
	return o.extract(p, at, limit)
}

// enter opens a pack, and closes the others when too many are.
func (o *objects) enter(p *pack) error {
	if p.data != nil {
		return nil
	}
	if o.ready == maxOpen {
		for _, other := range o.packs {
			other.close()
		}
		o.ready = 0
	}
	err := p.open()
	if err == nil {
		o.ready++
	}
	return err
}

// single reads an object that is a file: its type, its size and a NUL before its content, all of it deflated.
func (u *unpacker) single(dir string, h plumbing.Hash, limit int64) (found, error) {
	name := h.String()
	f, err := os.Open(filepath.Join(dir, name[:2], name[2:]))
	if errors.Is(err, fs.ErrNotExist) {
		return found{}, plumbing.ErrObjectNotFound
	}
	if err != nil {
		return found{}, err
	}
	defer f.Close()
	z, err := zlib.NewReader(bufio.NewReader(f))
	if err != nil {
		return found{}, err
	}
	r := bufio.NewReader(z)
	head, _ := r.Peek(maxHead)
	text, _, ok := bytes.Cut(head, []byte{0})
	kind, digits, _ := strings.Cut(string(text), " ")
	size, err := strconv.ParseInt(digits, 10, 64)
	t, also := plumbing.ParseObjectType(kind)
	if !ok || err != nil || also != nil || size < 0 {
		return found{}, errors.New("does not begin as an object")
	}
	got := found{kind: t, size: size}
	if size > limit {
		return got, nil
	}
	_, _ = r.Discard(len(text) + 1)
	got.content, err = u.inflated(&exact{r, size}, size)
	return got, err
}

// maxHead is more than the beginning of a single object takes.
const maxHead = 32

// open lists what there is, unless that is known.
func (o *objects) open() {
	if o.opened {
		return
	}
	o.opened, o.unsound = true, nil
	o.dirs = directories(o.dir)
	o.names = packsOf(o.dirs)
	o.recent = files.NewCache[placed, found](objectCache)
	for _, d := range o.dirs {
		o.unsound = cmp.Or(o.unsound, soundPacks(d))
		all, _ := filepath.Glob(filepath.Join(d, "pack", "*.idx"))
		for _, idx := range all {
			o.packs = append(o.packs, &pack{path: strings.TrimSuffix(idx, ".idx")})
		}
	}
}

// directories are those of objects: the repository's own and, through objects/info/alternates, those it borrows from.
func directories(common string) []string {
	dirs := []string{filepath.Join(common, "objects")}
	for i := 0; i < len(dirs) && len(dirs) < 32; i++ {
		text, _ := os.ReadFile(filepath.Join(dirs[i], "info", "alternates"))
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if !filepath.IsAbs(line) {
				line = filepath.Join(dirs[i], line)
			}
			dirs = append(dirs, filepath.Clean(line))
		}
	}
	return dirs
}

func packsOf(dirs []string) string {
	var b strings.Builder
	for _, d := range dirs {
		entries, _ := os.ReadDir(filepath.Join(d, "pack"))
		for _, e := range entries {
			b.WriteString(e.Name())
		}
	}
	return b.String()
}

// has says whether the object is there.
func (o *objects) has(h plumbing.Hash) bool {
	_, err := o.get(h, plumbing.AnyObject, -1)
	return err == nil
}

// sound says whether the object is there, as its name says.
func (o *objects) sound(h plumbing.Hash) error {
	_, err := o.read(h, plumbing.AnyObject, maxMeta)
	if errors.Is(err, files.ErrTooLarge) {
		return nil
	}
	return err
}

// omit notes that a server leaves an object out because it is too large.
func (o *objects) omit(h plumbing.Hash) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.large == nil {
		o.large = map[plumbing.Hash]bool{}
	}
	o.large[h] = true
}

func (o *objects) omitted(h plumbing.Hash) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.large[h]
}

// read gives an object's content, or files.ErrTooLarge above limit. Beside that every error is damage.
func (o *objects) read(h plumbing.Hash, t plumbing.ObjectType, limit int64) ([]byte, error) {
	got, err := o.get(h, t, limit)
	if err != nil && o.omitted(h) {
		return nil, files.ErrTooLarge
	}
	if err != nil {
		return nil, err
	}
	if got.size > limit {
		return nil, files.ErrTooLarge
	}
	data, err := o.taken(got.content)
	if err == nil && plumbing.ComputeHash(got.kind, data) != h {
		err = errors.New("its content is another one's")
	}
	if err != nil {
		return nil, damaged{h, err}
	}
	return data, nil
}

// taken is what a content holds, which is let go of.
func (o *objects) taken(c *content) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer c.free()
	if c.file == nil {
		return c.data, nil
	}
	return io.ReadAll(c.reader())
}

func (o *objects) decode(h plumbing.Hash, t plumbing.ObjectType, into object.Object) error {
	data, err := o.read(h, t, maxMeta)
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	m := &plumbing.MemoryObject{}
	m.SetType(t)
	_, _ = m.Write(data)
	if err := into.Decode(m); err != nil {
		return fmt.Errorf("%s %s: %w", t, h, err)
	}
	return nil
}

func (o *objects) commit(h plumbing.Hash) (*object.Commit, error) {
	c := &object.Commit{}
	return c, o.decode(h, plumbing.CommitObject, c)
}

func (o *objects) tree(h plumbing.Hash) (*object.Tree, error) {
	t := &object.Tree{}
	return t, o.decode(h, plumbing.TreeObject, t)
}

// peel follows annotated tags to the commit they name.
func (o *objects) peel(h plumbing.Hash) (plumbing.Hash, error) {
	for range 16 {
		got, err := o.get(h, plumbing.AnyObject, -1)
		if err != nil {
			return h, fmt.Errorf("%s: %w", h, err)
		}
		if got.kind == plumbing.CommitObject {
			return h, nil
		}
		if got.kind != plumbing.TagObject {
			return h, fmt.Errorf("%s is a %s, not a commit", h, got.kind)
		}
		tag := &object.Tag{}
		if err := o.decode(h, plumbing.TagObject, tag); err != nil {
			return h, err
		}
		h = tag.Target
	}
	return h, fmt.Errorf("%s: too many tags of tags", h)
}

// complete expands an abbreviated hash of a commit. It fails when none or several begin so.
func (o *objects) complete(prefix string) (plumbing.Hash, error) {
	all, err := o.beginning(prefix)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	commits := map[plumbing.Hash]bool{}
	for _, h := range all {
		if _, err := o.get(h, plumbing.CommitObject, -1); err == nil {
			commits[h] = true
		}
	}
	if len(commits) != 1 {
		return plumbing.ZeroHash, fmt.Errorf("%d commits begin with %s", len(commits), prefix)
	}
	for h := range commits {
		return h, nil
	}
	panic("unreachable")
}

// beginning are the objects whose names begin with a prefix.
func (o *objects) beginning(prefix string) ([]plumbing.Hash, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut()
	o.open()
	var all []plumbing.Hash
	for _, p := range o.packs {
		if err := o.enter(p); err != nil {
			return nil, err
		}
		some, err := p.beginning(prefix)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	for _, d := range o.dirs {
		single, _ := filepath.Glob(filepath.Join(d, prefix[:2], prefix[2:]+"*"))
		for _, path := range single {
			if name := prefix[:2] + filepath.Base(path); plumbing.IsHash(name) {
				all = append(all, plumbing.NewHash(name))
			}
		}
	}
	return all, nil
}
