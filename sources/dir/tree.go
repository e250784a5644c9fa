package dir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podkeep/podkeep/sources/files"
)

// tree is a directory as a files.Tree. The root refuses to leave itself, even when links change under our hands.
type tree struct {
	root *os.Root
	most int // how many entries of a directory are read: a walk gives up before that
}

// Entries are sorted by name.
func (t tree) Entries(dir string) ([]files.Entry, error) {
	d, err := t.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.ReadDir(t.most)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	out := make([]files.Entry, len(all))
	for i, e := range all {
		out[i] = files.Entry{Name: e.Name(), Kind: kindOf(e.Type())}
	}
	slices.SortFunc(out, func(a, b files.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func kindOf(m fs.FileMode) files.Kind {
	switch {
	case m.IsRegular():
		return files.Regular
	case m.IsDir():
		return files.Dir
	case m&fs.ModeSymlink != 0:
		return files.Link
	}
	return files.Other
}

// ReadLink gives a link's target, which the file system does not let be longer than MaxLink.
func (t tree) ReadLink(p string) (string, error) {
	target, err := t.root.Readlink(filepath.FromSlash(p))
	return filepath.ToSlash(target), err
}

// read gives a file's content and the time of its last change. It never waits for what came in the file's place.
func read(root *os.Root, p string) ([]byte, time.Time, error) {
	f, err := root.OpenFile(filepath.FromSlash(p), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, time.Time{}, fs.ErrNotExist // no longer: the directory is read again
	}
	data, err := io.ReadAll(io.LimitReader(f, files.MaxFile+1))
	if err == nil && len(data) > files.MaxFile {
		err = files.ErrTooLarge
	}
	return data, info.ModTime(), err
}
