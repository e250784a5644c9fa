package sources_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

func open(t *testing.T, o sources.Options) sources.Source {
	t.Helper()
	s, err := sources.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAPathInARepositoryIsThatRepository(t *testing.T) {
	r := sourcetest.NewRepository(t)
	head := r.Commit(t, map[string]string{"deploy/a.yaml": sourcetest.ConfigMap("a", "1"), "b.yaml": sourcetest.ConfigMap("b", "1")})
	for url, name := range map[string]string{
		r.Dir: r.Dir, "file://" + r.Dir: r.Dir, r.Dir + "/deploy": r.Dir + "//deploy", r.Dir + "/.git": r.Dir,
	} {
		s := open(t, sources.Options{URL: url})
		if s.Name() != name {
			t.Errorf("%s: name %s, want %s", url, s.Name(), name)
		}
		if got := sourcetest.Head(t, s); got != head {
			t.Errorf("%s: head %s, want %s", url, got, head)
		}
		if _, ok := s.(sources.Historian); !ok {
			t.Errorf("%s: has no history", url)
		}
	}
	t.Chdir(r.Dir)
	if s := open(t, sources.Options{}); s.Name() != r.Dir {
		t.Errorf("no URL: name %s, want where one stands, %s", s.Name(), r.Dir)
	}
}

func TestAPlainDirectoryIsADirectory(t *testing.T) {
	plain := t.TempDir()
	sourcetest.Fill(t, plain, map[string]string{"sub/a.yaml": sourcetest.ConfigMap("a", "1")})
	r := sourcetest.NewRepository(t)
	r.Commit(t, map[string]string{"a.yaml": sourcetest.ConfigMap("a", "1")})
	for _, o := range []sources.Options{{URL: plain}, {URL: plain, Path: "sub"}, {URL: "dir:" + r.Dir}} {
		s := open(t, o)
		if head := sourcetest.Head(t, s); !strings.HasPrefix(head, "dir-") {
			t.Errorf("%s: head %s", o.URL, head)
		}
		if _, ok := s.(sources.Historian); ok {
			t.Errorf("%s: has a history", o.URL)
		}
	}
}

func TestWhatCannotBeOpenedIsSaid(t *testing.T) {
	plain := t.TempDir()
	file := filepath.Join(plain, "a.yaml")
	sourcetest.WriteFile(t, file, nil)
	broken := filepath.Join(plain, "broken")
	if err := os.MkdirAll(broken+"/.git/objects", 0o755); err != nil {
		t.Fatal(err)
	}
	sourcetest.WriteFile(t, broken+"/.git/HEAD", []byte("ref: refs/heads/main\n"))
	sourcetest.WriteFile(t, broken+"/.git/config", []byte("[core]\nrepositoryformatversion = 1\n[extensions]\nobjectformat = sha256\n"))
	for says, o := range map[string]sources.Options{
		"no such file":                {URL: plain + "/nothing"},
		"is not a directory":          {URL: file},
		"has no branches":             {URL: plain, Branch: "main"},
		"leads out of the repository": {URL: plain, Path: "../.."},
		"is not spoken":               {URL: "git://127.0.0.1/x"},
		"SHA-256":                     {URL: broken},
	} {
		if _, err := sources.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v does not say %q", o, err, says)
		}
	}
}
