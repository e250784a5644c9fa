package dir_test

import (
	"github.com/podkeep/podkeep/manifest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/dir"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

type place struct{ path string }

func (p place) Write(t *testing.T, files map[string]string) { sourcetest.Fill(t, p.path, files) }

func (p place) Open(t *testing.T) sources.Source { return open(t, p.path) }

func (place) Missing() string { return "dir-000000000000" }

func (p place) Break(t *testing.T) func() {
	must(t, os.Rename(p.path, p.path+".away"))
	return func() { must(t, os.Rename(p.path+".away", p.path)) }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newPlace(t *testing.T) sourcetest.Fixture {
	p := place{filepath.Join(t.TempDir(), "fleet")}
	must(t, os.Mkdir(p.path, 0o755))
	return p
}

// open looks of itself so rarely that only what the kernel tells can be in time.
func open(t *testing.T, path string) sources.Source {
	s, err := dir.Open(path, time.Hour, manifest.Admission{})
	must(t, err)
	return s
}

func TestADirectoryIsASource(t *testing.T) { sourcetest.Run(t, newPlace) }

func TestContentThatComesBackKeepsItsParent(t *testing.T) {
	p := newPlace(t)
	one, two := map[string]string{"a.yaml": sourcetest.ConfigMap("a", "1")}, map[string]string{"a.yaml": sourcetest.ConfigMap("a", "2")}
	s := p.Open(t)
	var heads []string
	for _, files := range []map[string]string{one, two, one, two} {
		p.Write(t, files)
		heads = append(heads, sourcetest.Head(t, s))
	}
	equal(t, heads[:2], heads[2:])
	equal(t, "", sourcetest.Load(t, s, heads[2]).Parent)
	equal(t, heads[0], sourcetest.Load(t, s, heads[3]).Parent)
}

func TestAProblemAloneIsANewContent(t *testing.T) {
	p := newPlace(t)
	p.Write(t, map[string]string{"a.yaml": sourcetest.ConfigMap("a", "1")})
	s := p.Open(t)
	sound := sourcetest.Head(t, s)
	p.Write(t, map[string]string{"a.yaml": sourcetest.ConfigMap("a", "1"), "out.yaml": "-> ../secret.yaml"})
	wrong := sourcetest.Head(t, s)
	if wrong == sound {
		t.Fatal("a link that leads out leaves the content as it was")
	}
	equal(t, 1, len(sourcetest.Load(t, s, wrong).Problems))
}

func TestAFileThatIsReplacedByRenameIsSeen(t *testing.T) {
	p := place{newPlace(t).(place).path}
	p.Write(t, map[string]string{"sub/a.yaml": sourcetest.ConfigMap("a", "1")})
	s := p.Open(t)
	head := sourcetest.Head(t, s)
	poke := sourcetest.Watching(t, s, 1)
	beside := filepath.Join(p.path, "sub", "4913")
	must(t, os.WriteFile(beside, []byte(sourcetest.ConfigMap("a", "2")), 0o644))
	must(t, os.Rename(beside, filepath.Join(p.path, "sub", "a.yaml")))
	head = sourcetest.Until(t, s, poke, head)
	equal(t, []string{"a=2"}, sourcetest.Values(sourcetest.Load(t, s, head)))
}

func TestALinkThatIsTurnedIsSeen(t *testing.T) {
	base := t.TempDir()
	for _, v := range []string{"1", "2"} {
		must(t, os.Mkdir(filepath.Join(base, v), 0o755))
		sourcetest.Fill(t, filepath.Join(base, v), map[string]string{"a.yaml": sourcetest.ConfigMap("a", v)})
	}
	link := filepath.Join(base, "now")
	must(t, os.Symlink("1", link))
	s := open(t, link)
	head := sourcetest.Head(t, s)
	poke := sourcetest.Watching(t, s, 1)
	must(t, os.Symlink("2", link+".new"))
	must(t, os.Rename(link+".new", link))
	head = sourcetest.Until(t, s, poke, head)
	equal(t, []string{"a=2"}, sourcetest.Values(sourcetest.Load(t, s, head)))
}

func TestADirectoryThatVanishesPokes(t *testing.T) {
	p := newPlace(t)
	p.Write(t, map[string]string{"a.yaml": sourcetest.ConfigMap("a", "1")})
	s := p.Open(t)
	sourcetest.Head(t, s)
	poke := sourcetest.Watching(t, s, 1)
	mend := p.Break(t)
	taken(t, poke)
	if _, _, err := s.Head(t.Context()); err == nil {
		t.Fatal("a directory that vanished is no error")
	}
	mend()
	taken(t, poke)
	sourcetest.Head(t, s)
}

func TestMemoryHoldsTheNewestContents(t *testing.T) {
	p := newPlace(t)
	s := p.Open(t)
	var heads []string
	for i := range 100 {
		p.Write(t, map[string]string{"a.yaml": sourcetest.ConfigMap("a", time.Duration(i).String())})
		heads = append(heads, sourcetest.Head(t, s))
	}
	for _, h := range heads[len(heads)-64:] {
		sourcetest.Load(t, s, h)
	}
	if _, err := s.Load(t.Context(), heads[0]); err == nil {
		t.Fatal("the oldest of 100 contents is still there")
	}
}

func taken(t *testing.T, poke <-chan struct{}) {
	t.Helper()
	select {
	case <-poke:
	case <-time.After(sourcetest.Patience):
		t.Fatal("no poke")
	}
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("want - got +\n%s", d)
	}
}
