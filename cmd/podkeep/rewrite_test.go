package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What stood in a file stays whole where there is no room for what is to stand in it.
func TestAFileIsRewrittenWholeOrNotAtAll(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("making a small disk takes root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("small", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	file, link := filepath.Join(dir, "web.yaml"), filepath.Join(dir, "link.yaml")
	if err := errors.Join(rewrite(file, []byte("first")), os.Chmod(file, 0o640), os.Symlink("web.yaml", link)); err != nil {
		t.Fatal(err)
	}
	err := rewrite(file, bytes.Repeat([]byte("x"), 1<<20))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v, want no space", err)
	}
	same := func(want string) {
		t.Helper()
		text, err := os.ReadFile(file)
		info, also := os.Lstat(link)
		mine, third := os.Stat(file)
		if err := errors.Join(err, also, third); err != nil || string(text) != want || info.Mode()&os.ModeSymlink == 0 || mine.Mode().Perm() != 0o640 {
			t.Errorf("%q, %v, %v: %v", text, info.Mode(), mine.Mode(), err)
		}
	}
	same("first")
	if err := rewrite(link, []byte("second")); err != nil {
		t.Fatal(err)
	}
	same("second")
	if left, _ := filepath.Glob(filepath.Join(dir, ".podkeep-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
