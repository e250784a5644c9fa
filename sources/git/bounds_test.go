package git_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// fed runs git with an input.
func fed(t *testing.T, dir, in string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}

func TestNotesThatAreTheSameManyTimesOverAreNotReadForEver(t *testing.T) {
	t.Parallel()
	a := newAway(t)
	head := a.push(t, one("1"))
	dir := a.bare.Dir
	kind, hash := "100644 blob", fed(t, dir, "x", "hash-object", "-w", "--stdin")
	for range 20 { // 256 directories, each with the same 256, and so on
		var tree strings.Builder
		for i := range 256 {
			fmt.Fprintf(&tree, "%s %s\t%02x\n", kind, hash, i)
		}
		kind, hash = "040000 tree", fed(t, dir, tree.String(), "mktree")
	}
	commit := fed(t, dir, "", "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "notes", hash)
	fed(t, dir, "", "update-ref", string(git.NotesRef), commit)
	s := open(t, git.Options{URL: dir})
	sourcetest.Head(t, s)
	_, err := s.Decisions(t.Context(), head)
	refused(t, err, "refs/notes/podkeep", "there are more than 500000 notes")
}

func TestDecisionsHaveABound(t *testing.T) {
	t.Parallel()
	a := newAway(t)
	dir := a.bare.Dir
	const line = "2026-01-02T03:04:05Z\tpause\tDeployment/default/w\tv1-a\t%d\ta\t\n"
	var head string
	for n := range 12 {
		head = a.push(t, one(fmt.Sprint(n)))
		var note strings.Builder
		for i := range 9_000 {
			fmt.Fprintf(&note, line, i)
		}
		fed(t, dir, note.String(), "-c", "user.name=a", "-c", "user.email=a@b", "notes", "--ref=podkeep", "add", "-F", "-", head)
	}
	s := open(t, git.Options{URL: dir})
	sourcetest.Head(t, s)
	_, err := s.Decisions(t.Context(), head)
	refused(t, err, "refs/notes/podkeep: there are more than 100000 decisions: remove the notes of old commits")
}

func TestAFileOfWhoMayDecideIsReadSoFar(t *testing.T) {
	t.Parallel()
	r, signers, key := signing(t, "ed25519")
	head := r.Commit(t, one("1"))
	noted(t, r, key, "why", head)
	must(t, os.WriteFile(signers, []byte(strings.Repeat("# comment\n", 200_000)), 0o600))
	_, err := open(t, git.Options{URL: r.Dir, Signers: signers}).Decisions(t.Context(), head)
	refused(t, err, "signers of decisions: ", "is larger than 1024 KiB")
}

func TestANoteHasABound(t *testing.T) {
	t.Parallel()
	a := newAway(t)
	dir := a.bare.Dir
	head := a.push(t, one("1"))
	fed(t, dir, strings.Repeat("words\n", 200_000), "-c", "user.name=a", "-c", "user.email=a@b", "notes", "--ref=podkeep", "add", "-F", "-", head)
	s := open(t, git.Options{URL: dir})
	sourcetest.Head(t, s)
	_, err := s.Decisions(t.Context(), head)
	refused(t, err, "refs/notes/podkeep: note on "+head[:12]+": is larger than 1024 KiB")
}
