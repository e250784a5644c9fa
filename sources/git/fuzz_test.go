package git

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/podkeep/podkeep/sources/files"
)

// FuzzTree reads a tree object of any bytes, whose entries name by their first hash byte a blob, a tree within it, or
// nothing. It must neither panic nor give a file that is not under the path.
func FuzzTree(f *testing.F) {
	hash := func(first byte) string { return string(first) + strings.Repeat("\x00", 19) }
	entry := func(mode, name string, first byte) string { return mode + " " + name + "\x00" + hash(first) }
	f.Add([]byte(entry("100644", "a.yaml", 0)), []byte(entry("120000", "up.yaml", 1)), []byte("../../a.yaml"), []byte("kind: ConfigMap"))
	f.Add([]byte(entry("120000", "up.yaml", 1)), []byte(""), []byte("../secret.yaml"), []byte("kind: ConfigMap"))
	f.Add([]byte(entry("40000", "..", 2)+entry("40000", "x/../..", 2)), []byte(entry("160000", "m", 0)), []byte("/etc/passwd"), []byte(""))
	f.Add([]byte(entry("120000", "a.yaml", 1)), []byte(entry("40000", "loop", 2)), []byte("a.yaml"), []byte("\xff\x00"))
	f.Add([]byte(entry("777", ".yaml", 9)+"100644 "), []byte("40000 \x00"), []byte("./././loop/../."), []byte("- "))
	dir := f.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, root, sub, target, blob []byte) {
		put := putter(t, dir)
		known := [][]byte{put(plumbing.BlobObject, blob), put(plumbing.BlobObject, target)}
		known = append(known, put(plumbing.TreeObject, pointed(sub, known)))
		inner := put(plumbing.TreeObject, pointed(root, known))
		outer := fmt.Sprintf("100644 secret.yaml\x00%s40000 deploy\x00%s", known[0], inner)
		top := plumbing.Hash(put(plumbing.TreeObject, []byte(outer)))
		o := openObjects(dir)
		defer o.close()
		tree := newTree(o, top)
		if _, ok, err := tree.sub("deploy"); err != nil || !ok {
			t.Fatalf("deploy is not found: %v", err)
		}
		found, err := files.Walk(tree, "deploy")
		if err != nil {
			return
		}
		for _, at := range found.Files {
			if !inside(at.Path) || !inside(at.From) {
				t.Fatalf("%+v is not under the path", at)
			}
			_, _ = o.read(plumbing.NewHash(at.Key), plumbing.BlobObject, files.MaxFile)
		}
	})
}

func inside(p string) bool {
	return strings.HasPrefix(p, "deploy/") && filepath.Clean(p) == p
}

func putter(t *testing.T, dir string) func(plumbing.ObjectType, []byte) []byte {
	s := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRU(0))
	return func(kind plumbing.ObjectType, data []byte) []byte {
		m := &plumbing.MemoryObject{}
		m.SetType(kind)
		_, _ = m.Write(data)
		h, err := s.SetEncodedObject(m)
		if err != nil {
			t.Fatal(err)
		}
		return h[:]
	}
}

// pointed replaces each 20 bytes after a NUL, where a tree has its hashes, by that of a known object.
func pointed(tree []byte, known [][]byte) []byte {
	out := bytes.Clone(tree)
	for i := 0; i < len(out); i++ {
		if out[i] == 0 && i+1+sha1.Size <= len(out) {
			if n := int(out[i+1]); n < len(known) {
				copy(out[i+1:], known[n])
			}
			i += sha1.Size
		}
	}
	return out
}
