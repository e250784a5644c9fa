package git

import (
	"fmt"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/podkeep/podkeep/sources/files"
)

// tree is a commit's files as a files.Tree.
type tree struct {
	objects *objects
	hashes  map[string]plumbing.Hash // of directories and links met so far, by path
}

func newTree(o *objects, root plumbing.Hash) *tree {
	return &tree{o, map[string]plumbing.Hash{".": root}}
}

// Entries reads one tree object, as it is: in its order, with what stands in it twice.
func (t *tree) Entries(dir string) ([]files.Entry, error) {
	dir = path.Clean(dir)
	h, ok := t.hashes[dir]
	if !ok {
		return nil, fmt.Errorf("%s: is not a directory of this commit", dir)
	}
	obj, err := t.objects.tree(h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	out := make([]files.Entry, 0, len(obj.Entries))
	for _, e := range obj.Entries {
		out = append(out, t.entry(dir, e))
	}
	return out, nil
}

func (t *tree) entry(dir string, e object.TreeEntry) files.Entry {
	out := files.Entry{Name: e.Name, Kind: kindOf(e.Mode), Key: e.Hash.String()}
	if out.Kind == files.Dir || out.Kind == files.Link {
		t.hashes[dir+"/"+e.Name] = e.Hash
		if dir == "." {
			t.hashes[e.Name] = e.Hash
		}
	}
	return out
}

// kindOf goes by modes as go-git reads them, which is as git does: all of one type are one, and what has none is a submodule.
func kindOf(m filemode.FileMode) files.Kind {
	switch m {
	case filemode.Regular, filemode.Executable:
		return files.Regular
	case filemode.Dir:
		return files.Dir
	case filemode.Symlink:
		return files.Link
	}
	return files.Module
}

// ReadLink gives a link's target.
func (t *tree) ReadLink(p string) (string, error) {
	data, err := t.objects.read(t.hashes[path.Clean(p)], plumbing.BlobObject, files.MaxLink)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p, err)
	}
	return string(data), nil
}

// sub walks down to the tree at dir. ok is false when this commit has no such directory.
func (t *tree) sub(dir string) (h plumbing.Hash, ok bool, err error) {
	at := "."
	h = t.hashes["."]
	for _, name := range split(dir) {
		entries, err := t.Entries(at)
		if err != nil {
			return h, false, err
		}
		if !hasDir(entries, name) {
			return h, false, nil
		}
		at = path.Join(at, name)
		h = t.hashes[at]
	}
	return h, true, nil
}

// hasDir says whether the one entry of that name is a directory.
func hasDir(entries []files.Entry, name string) (is bool) {
	met := false
	for _, e := range entries {
		if e.Name == name {
			is, met = e.Kind == files.Dir && !met, true
		}
	}
	return is
}
