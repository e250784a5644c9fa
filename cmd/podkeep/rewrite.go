package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// rewrite gives a file another text, whole or not at all, and makes it if it is not there. Of a link it is the file that the link leads to.
func rewrite(path string, text []byte) error {
	mode := fs.FileMode(0o644)
	if file, err := filepath.EvalSymlinks(path); err == nil {
		path = file
	}
	switch info, err := os.Stat(path); {
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".podkeep-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.Write(text)
	if err = errors.Join(err, draft.Chmod(mode), draft.Sync(), draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}
