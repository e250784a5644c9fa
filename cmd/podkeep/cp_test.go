package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// packed is one of an archive: a file, unless it says another type.
type packed struct {
	name, text string
	kind       byte
	link       string
	mode       int64
}

func tarOf(t *testing.T, entries ...packed) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.text)), Devmajor: 1, Devminor: 3}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// aTarget is a directory with a copy's target `to`, in it a link that was there before, and what must stay as it is around it.
func aTarget(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"beside": "kept", "away/file": "kept", "to/old": "old"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"to/file": "../beside", "to/dir": "../away"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// unpacksAt unpacks below a directory under the name `to`.
func unpacksAt(t *testing.T, dir string, archive io.Reader) (said string, err error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	var errOut bytes.Buffer
	err = unpack(t.Context(), archive, &copied{above: root, name: "to"}, &errOut)
	return errOut.String(), err
}

// below is all below a directory: files with what is in them, links with where they lead.
func below(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, at)
		switch {
		case err != nil:
		case d.Type() == fs.ModeSymlink:
			var to string
			to, err = os.Readlink(at)
			all = append(all, name+" -> "+to)
		case d.IsDir():
			all = append(all, name+"/")
		case d.Type().IsRegular():
			var text []byte
			text, err = os.ReadFile(at)
			all = append(all, name+": "+string(text))
		default:
			all = append(all, name+" is "+d.Type().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNothingOutsideOfItsTargetIsWrittenWhateverAContainerGives(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries []packed
		fails   bool
		adds    []string // to what was there
	}{
		{"a name that climbs", []packed{{name: "x/../../beside", text: "evil"}}, true, nil},
		{"a name that climbs and goes down again", []packed{{name: "x/../../a/beside", text: "evil"}}, false, []string{"to/beside: evil"}},
		{"a name that begins by climbing", []packed{{name: "../../../x/climbed", text: "evil"}}, false, []string{"to/climbed: evil"}},
		{"an absolute name", []packed{{name: "/etc/motd", text: "evil"}}, false, []string{"to/motd: evil"}},
		{"a link, and a file through it", []packed{{name: "x/out", kind: tar.TypeSymlink, link: "../away"}, {name: "x/out/file", text: "evil"}}, true, nil},
		{"a file through a link that was here", []packed{{name: "x/file", text: "evil"}}, true, nil},
		{"a file below a link that was here", []packed{{name: "x/dir/file", text: "evil"}}, true, nil},
		{"a directory below a link that was here", []packed{{name: "x/dir/new", kind: tar.TypeDir}}, true, nil},
		{"a further name for what is outside", []packed{{name: "x/hard", kind: tar.TypeLink, link: "x/../../beside"}}, true, nil},
		{"one for a link, and a file through that", []packed{{name: "x/hard", kind: tar.TypeLink, link: "x/file"}, {name: "x/hard", text: "evil"}}, true, []string{"to/hard -> ../beside"}},
		{"one for the target itself", []packed{{name: "x", kind: tar.TypeLink, link: "x/old"}}, true, nil},
		{"a device that is the target", []packed{{name: "x", kind: tar.TypeChar}}, true, nil},
		{"a device, a pipe and a link", []packed{{name: "x/null", kind: tar.TypeChar}, {name: "x/disk", kind: tar.TypeBlock}, {name: "x/pipe", kind: tar.TypeFifo}, {name: "x/l", kind: tar.TypeSymlink, link: "/etc"}}, false, nil},
		{"a file where a directory is", []packed{{name: "x", text: "evil"}}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := aTarget(t)
			before := below(t, dir)
			said, err := unpacksAt(t, dir, bytes.NewReader(tarOf(t, c.entries...)))
			if (err != nil) != c.fails {
				t.Errorf("it ended with %v", err)
			}
			after := slices.DeleteFunc(below(t, dir), func(s string) bool { return slices.Contains(c.adds, s) || s == "to/out/" })
			if !slices.Equal(before, after) {
				t.Errorf("before\n%s\nafter\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
			if n := strings.Count(said, "left out"); !c.fails && n != len(slices.DeleteFunc(c.entries, func(e packed) bool { return e.kind == 0 || e.kind == tar.TypeLink || e.kind == tar.TypeDir })) {
				t.Errorf("left out are %d: %s", n, said)
			}
		})
	}
}

func TestWhatComesOutOfAContainerHasItsNamesAndPermissions(t *testing.T) {
	dir := t.TempDir()
	if _, err := unpacksAt(t, dir, bytes.NewReader(tarOf(t,
		packed{name: "x/", kind: tar.TypeDir, mode: 0o700}, packed{name: "x/run", text: "sh", mode: 0o4755}, packed{name: "x/key", text: "k", mode: 0o400},
		packed{name: "x/again", kind: tar.TypeLink, link: "x/key"},
	))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"to": 0o700 | fs.ModeDir, "to/run": 0o755, "to/key": 0o600, "to/again": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if got := strings.Join(below(t, dir), " "); got != "./ to/ to/again: k to/key: k to/run: sh" {
		t.Error(got)
	}
}

func TestWhatHasNoNameOfItsOwnIsTheTarget(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	archive := tarOf(t, packed{name: "/", kind: tar.TypeDir, mode: 0o555}, packed{name: "/bin", kind: tar.TypeDir, mode: 0o755}, packed{name: "/bin/sh", text: "sh"}, packed{name: "../../x", text: "x"})
	if err := unpack(t.Context(), bytes.NewReader(archive), &copied{above: root, name: "to", bare: true}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(below(t, dir), " "); got != "./ to/ to/bin/ to/bin/sh: sh to/x: x" {
		t.Error(got)
	}
}

func TestASizeThatIsNotTrueTakesNoRoom(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "x", Size: 1 << 60, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if _, err := unpacksAt(t, dir, io.MultiReader(&b, strings.NewReader("short"))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it ended with %v", err)
	}
	if got := strings.Join(below(t, dir), " "); got != "./ to: short" {
		t.Error(got)
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestACopyThatNeverEndsIsInterrupted(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if err := unpackFile(ctx, zeros{}, root, "to", 0o600); !errors.Is(err, os.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
}

func TestNamesInAnArchiveDoNothingToATerminal(t *testing.T) {
	said, err := unpacksAt(t, t.TempDir(), bytes.NewReader(tarOf(t, packed{name: "x/\x1b]0;owned\x07\x1b[31mred", kind: tar.TypeSymlink, link: "/"})))
	if err != nil || said != "podkeep: left out, for it is no file and no directory: x/red\n" {
		t.Errorf("%q, %v", said, err)
	}
}
