package git

import (
	"fmt"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/podkeep/podkeep/sources/files"
)

// maxLink is the longest target of a symbolic link that is read, as in Linux.
const maxLink = 4096

// tree is a commit's files as a files.Tree.
type tree struct {
	objects *objects
	hashes  map[string]plumbing.Hash // of directories and links met so far, by path
}

func newTree(o *objects, root plumbing.Hash) *tree {
	return &tree{o, map[string]plumbing.Hash{".": root}}
}

// Entries reads one tree object.
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
	seen := map[string]bool{}
	for _, e := range obj.Entries {
		if seen[e.Name] {
			continue
		}
		seen[e.Name] = true
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

func kindOf(m filemode.FileMode) files.Kind {
	switch m {
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
		return files.Regular
	case filemode.Dir:
		return files.Dir
	case filemode.Symlink:
		return files.Link
	case filemode.Submodule:
		return files.Module
	}
	return files.Other
}

// ReadLink gives a link's target.
func (t *tree) ReadLink(p string) (string, error) {
	data, err := t.objects.read(t.hashes[path.Clean(p)], plumbing.BlobObject, maxLink)
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

func hasDir(entries []files.Entry, name string) bool {
	for _, e := range entries {
		if e.Name == name {
			return e.Kind == files.Dir
		}
	}
	return false
}
