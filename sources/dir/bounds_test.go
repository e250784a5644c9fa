package dir

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

func TestOfADirectoryNoMoreIsReadThanMayBe(t *testing.T) {
	path := t.TempDir()
	text := append(bytes.Repeat([]byte("#"), files.MaxFile-1), '\n')
	first := filepath.Join(path, "00.yaml")
	if err := os.WriteFile(first, text, 0o600); err != nil {
		t.Fatal(err)
	}
	const many = 4 * files.MaxBytes / files.MaxFile
	for i := 1; i < many; i++ {
		if err := os.Link(first, filepath.Join(path, fmt.Sprintf("%02d.yaml", i))); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(path, time.Hour, manifest.Admission{})
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := s.contents[head]
	if c.size != files.MaxBytes || len(c.found.Files) != many/4 || len(c.found.Problems) != many*3/4 || !strings.Contains(c.found.Problems[0].Text, "have 64 MiB together") {
		t.Errorf("%d bytes of %d files, and %d problems", c.size, len(c.found.Files), len(c.found.Problems))
	}
}

func TestContentsAreKeptAsFarAsThereIsRoom(t *testing.T) {
	s := &Source{contents: map[string]*content{}}
	data := make([]byte, files.MaxBytes)
	for i := range 20 {
		s.keep(&content{digest: fmt.Sprint(i), data: map[string][]byte{fmt.Sprint("file ", i): data, "shared": data[:100]}})
	}
	if n := s.bytes(); n > mostBytes || len(s.contents) != mostBytes/files.MaxBytes-1 || s.contents["19"] == nil {
		t.Errorf("%d contents of %d bytes", len(s.contents), n)
	}
	s.keep(&content{digest: "huge", data: map[string][]byte{"a": make([]byte, mostBytes+1)}})
	if len(s.contents) != 1 || s.contents["huge"] == nil {
		t.Errorf("%d contents", len(s.contents))
	}
}

func TestADirectoryOfTooManyFilesIsNotReadToItsEnd(t *testing.T) {
	path := t.TempDir()
	for i := range 20 {
		if err := os.Symlink("x", filepath.Join(path, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for most, want := range map[int]int{11: 11, 20: 20, 21: 20} {
		if all, err := (tree{root, most}).Entries("."); err != nil || len(all) != want {
			t.Errorf("%d of at most %d: %v", len(all), most, err)
		}
	}
}
