package sourcetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Repository is a Git repository made with the git binary.
type Repository struct {
	Dir string // the work tree, or the bare repository
}

// NewRepository makes an empty repository with a work tree, on branch main.
func NewRepository(t testing.TB) Repository {
	r := Repository{filepath.Join(t.TempDir(), "fleet")}
	begin(t, filepath.Join(r.Dir, ".git"), false)
	return r
}

// NewBare makes an empty bare repository, whose HEAD is main.
func NewBare(t testing.TB) Repository {
	r := Repository{filepath.Join(t.TempDir(), "fleet.git")}
	begin(t, r.Dir, true)
	return r
}

// begin does what git init would, without a process for each of a hundred repositories.
func begin(t testing.TB, dir string, bare bool) {
	t.Helper()
	for _, d := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	WriteFile(t, filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/main\n"))
	WriteFile(t, filepath.Join(dir, "config"), fmt.Appendf(nil, "[core]\n\trepositoryformatversion = 0\n\tbare = %v\n", bare))
}

// Git runs git in the repository and gives its output without the last line end.
func (r Repository) Git(t testing.TB, args ...string) string {
	t.Helper()
	c := exec.Command("git", append([]string{"-c", "gc.auto=0"}, args...)...)
	c.Dir = r.Dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Commit makes the work tree hold exactly these files and commits that. It gives the commit.
func (r Repository) Commit(t testing.TB, files map[string]string) string {
	t.Helper()
	Fill(t, r.Dir, files)
	r.Git(t, "add", "-A")
	said := r.Git(t, "-c", "core.abbrev=40", "commit", "--allow-empty", "-m", "as written")
	branch, _, _ := strings.Cut(said, "]") // [main COMMIT] as written
	return branch[strings.LastIndexByte(branch, ' ')+1:]
}

// Fill makes a directory hold exactly these files, beside what begins with .git.
func Fill(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	clear, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range clear {
		if e.Name() == ".git" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		if err := put(filepath.Join(dir, name), content); err != nil {
			t.Fatal(err)
		}
	}
}

func put(file, content string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if target, ok := strings.CutPrefix(content, "-> "); ok {
		return os.Symlink(target, file)
	}
	return os.WriteFile(file, []byte(content), 0o644)
}

// Import feeds git fast-import, and leaves the work tree alone.
func (r Repository) Import(t testing.TB, stream string) {
	t.Helper()
	c := exec.Command("git", "fast-import", "--quiet")
	c.Dir, c.Stdin = r.Dir, strings.NewReader(stream)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
}
