package git

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/podkeep/podkeep/sources/files"
)

// objectCache bounds what is kept of objects read: mostly the bases of deltas.
const objectCache = cache.MiByte

// maxMeta bounds a commit and a tree. Larger objects are not even read by go-git until they are asked for.
const maxMeta = files.MaxFile

// objects reads a repository's objects, and goes on reading while somebody else repacks it. It is safe for
// concurrent use.
type objects struct {
	dir string // the common directory: objects/ is below

	mu      sync.Mutex
	stores  []*filesystem.ObjectStorage // the repository's own, then its alternates'
	packs   string                      // which packs there were when the stores were opened
	large   map[plumbing.Hash]bool      // what a server has left out
	unsound error                       // why none of them is to be read
}

func openObjects(dir string) *objects { return &objects{dir: dir} }

// close forgets everything; the next read opens anew.
func (o *objects) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut()
}

func (o *objects) shut() {
	for _, s := range o.stores {
		_ = s.Close()
	}
	o.stores = nil
}

// reopens is how often one read follows a repository that is repacked again and again.
const reopens = 5

// get gives one object, at any size. What is not there is plumbing.ErrObjectNotFound. Every error is damage.
func (o *objects) get(h plumbing.Hash, t plumbing.ObjectType) (plumbing.EncodedObject, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stores == nil {
		o.open()
	}
	obj, err := o.find(h, t)
	for range reopens {
		if err == nil || errors.Is(err, plumbing.ErrObjectNotFound) && o.packs == packsOf(o.dirs()) {
			break
		}
		o.shut()
		o.open()
		obj, err = o.find(h, t)
	}
	if err != nil {
		return nil, damaged{h, err}
	}
	return obj, nil
}

func (o *objects) find(h plumbing.Hash, t plumbing.ObjectType) (found plumbing.EncodedObject, err error) {
	defer func() {
		if broken := recover(); broken != nil { // go-git believes some of what a pack says
			found, err = nil, fmt.Errorf("%v", broken)
		}
	}()
	if o.unsound != nil {
		return nil, o.unsound
	}
	err = plumbing.ErrObjectNotFound
	for _, s := range o.stores {
		obj, why := s.EncodedObject(t, h)
		if why == nil {
			return obj, nil
		}
		if !errors.Is(why, plumbing.ErrObjectNotFound) {
			err = why
		}
	}
	return nil, err
}

func (o *objects) open() {
	dirs := o.dirs()
	o.packs = packsOf(dirs)
	o.unsound = nil
	shared := cache.NewObjectLRU(objectCache)
	for _, d := range dirs {
		o.unsound = cmp.Or(o.unsound, soundPacks(d))
		fs := dotgit.New(osfs.New(filepath.Dir(d)))
		s := filesystem.NewObjectStorageWithOptions(fs, shared, filesystem.Options{
			LargeObjectThreshold: files.MaxFile,
			MaxOpenDescriptors:   8,
		})
		o.stores = append(o.stores, s)
	}
}

// dirs are the object directories: the repository's own and, through objects/info/alternates, those it borrows from.
func (o *objects) dirs() []string {
	dirs := []string{filepath.Join(o.dir, "objects")}
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
	_, err := o.get(h, plumbing.AnyObject)
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
	obj, err := o.get(h, t)
	if err != nil && o.omitted(h) {
		return nil, files.ErrTooLarge
	}
	if err != nil {
		return nil, err
	}
	if obj.Size() > limit {
		return nil, files.ErrTooLarge
	}
	data, err := content(obj, limit)
	if err == nil && plumbing.ComputeHash(obj.Type(), data) != h {
		err = errors.New("its content is another one's")
	}
	if err != nil {
		return nil, damaged{h, err}
	}
	return data, nil
}

func content(obj plumbing.EncodedObject, limit int64) (data []byte, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("%v", broken)
		}
	}()
	r, err := obj.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, limit+1))
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
		obj, err := o.get(h, plumbing.AnyObject)
		if err != nil {
			return h, fmt.Errorf("%s: %w", h, err)
		}
		if obj.Type() == plumbing.CommitObject {
			return h, nil
		}
		if obj.Type() != plumbing.TagObject {
			return h, fmt.Errorf("%s is a %s, not a commit", h, obj.Type())
		}
		tag := &object.Tag{}
		if err := tag.Decode(obj); err != nil {
			return h, fmt.Errorf("tag %s: %w", h, err)
		}
		h = tag.Target
	}
	return h, fmt.Errorf("%s: too many tags of tags", h)
}

// complete expands an abbreviated hash of a commit. It fails when none or several begin so.
func (o *objects) complete(prefix string) (plumbing.Hash, error) {
	var found []plumbing.Hash
	for _, d := range o.dirs() {
		s := filesystem.NewObjectStorage(dotgit.New(osfs.New(filepath.Dir(d))), cache.NewObjectLRU(objectCache))
		all, err := s.HashesWithPrefix(evenPrefix(prefix))
		if err != nil {
			return plumbing.ZeroHash, err
		}
		found = append(found, all...)
	}
	commits := map[plumbing.Hash]bool{}
	for _, h := range found {
		if !strings.HasPrefix(h.String(), prefix) {
			continue
		}
		if _, err := o.get(h, plumbing.CommitObject); err == nil {
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

// evenPrefix is the whole bytes of an abbreviated hash.
func evenPrefix(s string) []byte {
	padded := plumbing.NewHash(s[:len(s)/2*2] + strings.Repeat("0", 40-len(s)/2*2))
	return bytes.Clone(padded[:len(s)/2])
}
