package git_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// line makes n commits in one go: commit i has a=i, and Node ni in place of the one before.
func line(t testing.TB, r sourcetest.Repository, n int) []string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "commit refs/heads/main\ncommitter Ada <ada@example.com> %d +0000\ndata 1\nc\n", 1_700_000_000+i)
		node := sourcetest.Node(fmt.Sprintf("n%d", i/10), fmt.Sprintf("192.0.2.%d", i%10))
		held := files{"a.yaml": sourcetest.ConfigMap("a", fmt.Sprint(i)), "nodes/n.yaml": node}
		for name, text := range held {
			fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", name, len(text), text)
		}
	}
	r.Import(t, b.String())
	return strings.Fields(r.Git(t, "rev-list", "--reverse", "main"))
}

func nodes(t *testing.T, s *git.Source, head string) []string {
	t.Helper()
	all, err := s.Nodes(t.Context(), head)
	must(t, err)
	var out []string
	for _, n := range all {
		out = append(out, n.Name+" "+n.ProviderID)
	}
	return out
}

func TestNodesAreAllThatWereEverHeldInTheirNewestFormForEachWay(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	r.Commit(t, files{"n.yaml": sourcetest.Node("n1", "192.0.2.1"), "m.yaml": sourcetest.Node("n2", "192.0.2.2")})
	r.Commit(t, files{"n.yaml": sourcetest.Node("n1", "192.0.2.9")})
	head := r.Commit(t, one("1"))
	s := open(t, git.Options{URL: r.Dir})
	old := "n1 podman+ssh://root@192.0.2.1:22"
	n1, n2, n3 := "n1 podman+ssh://root@192.0.2.9:22", "n2 podman+ssh://root@192.0.2.2:22", "n3 podman+ssh://root@192.0.2.3:22"
	equal(t, []string{n1, old, n2}, nodes(t, s, head))
	next := r.Commit(t, files{"three.yaml": sourcetest.Node("n3", "192.0.2.3")})
	equal(t, []string{n3, n1, old, n2}, nodes(t, s, next))
	r.Commit(t, files{"n.yaml": sourcetest.Node("n1", "192.0.2.1")})
	back := r.Commit(t, nil)
	equal(t, []string{old, n3, n1, n2}, nodes(t, s, back))
	equal(t, []string{n1, old, n2}, nodes(t, s, head))
	r.Git(t, "reset", "-q", "--hard", head)
	pushed := r.Commit(t, one("2"))
	equal(t, []string{n1, old, n2}, nodes(t, s, pushed))
}

// A receipt names the commit that held a Node last, so it must not be that of an earlier time at which the file was the same.
func TestANodeIsOfTheNewestCommitThatHeldIt(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	node := files{"n.yaml": sourcetest.Node("n1", "192.0.2.1")}
	s := open(t, git.Options{URL: r.Dir})
	var heads []string
	for _, held := range []files{node, {"n.yaml": ""}, node, {"n.yaml": ""}} {
		heads = append(heads, r.Commit(t, held))
		all, err := s.Nodes(t.Context(), heads[len(heads)-1])
		must(t, err)
		equal(t, heads[(len(heads)-1)/2*2], all[0].Commit)
	}
	fresh, err := open(t, git.Options{URL: r.Dir}).Nodes(t.Context(), heads[3])
	must(t, err)
	equal(t, heads[2], fresh[0].Commit)
}

func TestNodesOfASideBranchAreNone(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	r.Commit(t, one("1"))
	r.Git(t, "checkout", "-q", "-b", "side")
	side := r.Commit(t, files{"n.yaml": sourcetest.Node("n1", "192.0.2.1")})
	r.Git(t, "checkout", "-q", "main")
	r.Commit(t, one("2"))
	r.Git(t, "merge", "-q", "-s", "ours", "-m", "merge", "side")
	s := open(t, git.Options{URL: r.Dir})
	head := sourcetest.Head(t, s)
	equal(t, 0, len(nodes(t, s, head)))
	descends(t, s, side, head, true)
	descends(t, s, head, side, false)
}

func TestAThousandCommitsAreReadInOneGo(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	commits := line(t, a.Repository, 1000)
	a.Git(t, "push", "-q", "origin", "main")
	s := open(t, a.options)
	head := sourcetest.Head(t, s)
	equal(t, commits[999], head)
	equal(t, 1000, len(nodes(t, s, head)))
	descends(t, s, commits[0], head, true)
	descends(t, s, strings.Repeat("3", 40), head, false)
	for i := 999; i >= 0; i-- {
		set := sourcetest.Load(t, s, head)
		equal(t, []string{fmt.Sprintf("a=%d", i)}, sourcetest.Values(set))
		head = set.Parent
	}
	equal(t, "", head)
}

func TestReadingGoesOnWhileTheRepositoryIsRepacked(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	commits := line(t, r, 300)
	s := open(t, git.Options{URL: r.Dir})
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		for i := range 8 {
			r.Git(t, "repack", "-q", "-a", "-d", "-F", fmt.Sprintf("--depth=%d", i+1))
			r.Git(t, "pack-refs", "--all")
		}
	}()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		equal(t, commits[299], sourcetest.Head(t, s))
		for i, c := range commits[200:210] {
			equal(t, []string{fmt.Sprintf("a=%d", 200+i)}, sourcetest.Values(sourcetest.Load(t, s, c)))
		}
		equal(t, 300, len(nodes(t, open(t, git.Options{URL: r.Dir}), commits[299])))
	}
}

func decision(verb, why string, at time.Time) manifest.Decision {
	return manifest.Decision{Time: at, Verb: verb, App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"},
		Rev: "v1-abc", Step: 2, Who: "Ada <ada@example.com>", Why: why}
}

func TestDecisionsAreTheNotesOfTheLine(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	early, late := decision("promote", "looks good", at), decision("abort", "", at.Add(time.Hour))
	first := a.push(t, one("1"))
	head := a.push(t, one("2"))
	s := open(t, a.options)
	sourcetest.Head(t, s)
	none, err := s.Decisions(t.Context(), head)
	must(t, err)
	equal(t, 0, len(none))
	a.Git(t, "notes", "--ref=podkeep", "add", "-m", git.FormatDecision(late)+"\nno decision at all", head)
	a.Git(t, "notes", "--ref=podkeep", "add", "-m", git.FormatDecision(early), first)
	a.Git(t, "push", "-q", "origin", "refs/notes/podkeep")
	equal(t, head, sourcetest.Head(t, s))
	got, err := s.Decisions(t.Context(), head)
	must(t, err)
	early.Note, late.Note = first, head
	equal(t, []manifest.Decision{early, late}, got)
	got, err = s.Decisions(t.Context(), first)
	must(t, err)
	equal(t, []manifest.Decision{early}, got)
}

func TestManyNotesAreReadThroughTheirDirectories(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	commits := line(t, r, 400)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var b strings.Builder
	fmt.Fprint(&b, "commit refs/notes/podkeep\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 1\nn\n")
	for i, c := range commits {
		text := git.FormatDecision(decision("retry", fmt.Sprint(i), at.Add(time.Duration(i)*time.Second)))
		fmt.Fprintf(&b, "N inline %s\ndata %d\n%s\n", c, len(text), text)
	}
	r.Import(t, b.String())
	s := open(t, git.Options{URL: r.Dir})
	got, err := s.Decisions(t.Context(), sourcetest.Head(t, s))
	must(t, err)
	equal(t, 400, len(got))
	for i, d := range got {
		equal(t, fmt.Sprint(i), d.Why)
		equal(t, commits[i], d.Note)
	}
}

func TestANewNotePokes(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	head := r.Commit(t, one("1"))
	s := open(t, git.Options{URL: r.Dir, Interval: time.Hour})
	sourcetest.Head(t, s)
	poke := sourcetest.Watching(t, s, 1)
	r.Git(t, "notes", "--ref=podkeep", "add", "-m", "x", head)
	select {
	case <-poke:
	case <-time.After(sourcetest.Patience):
		t.Fatal("no poke")
	}
}

func TestNotesThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	head := r.Commit(t, one("1"))
	r.Git(t, "update-ref", "refs/notes/podkeep", r.Git(t, "rev-parse", "HEAD^{tree}"))
	s := open(t, git.Options{URL: r.Dir})
	_, err := s.Decisions(t.Context(), head)
	refused(t, err, "refs/notes/podkeep")
}

func TestALineOfADecisionIsReadLeniently(t *testing.T) {
	t.Parallel()
	want := decision("promote", "all is well", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	got, ok := git.ParseDecision(git.FormatDecision(want))
	equal(t, true, ok)
	equal(t, want, got)
	want.Who = "ada@example.com"
	got, ok = git.ParseDecision("  2026-01-02T04:04:05+01:00 promote  Deployment/default/web v1-abc 2 ada@example.com all is  well\r\n")
	equal(t, true, ok)
	equal(t, want, got)
	for _, bad := range []string{
		"", "promote", "2026-01-02 promote Deployment/default/web v1-abc 2 ada", "2026-01-02T03:04:05Z explode Deployment/default/web v1-abc 2 ada",
		"2026-01-02T03:04:05Z promote web v1-abc 2 ada", "2026-01-02T03:04:05Z promote Deployment/default/web v1-abc two ada",
		"2026-01-02T03:04:05Z promote Deployment/default/web v1-abc -1 ada", "2026-01-02T03:04:05Z promote Deployment/default/web v1-abc 2",
	} {
		if d, ok := git.ParseDecision(bad); ok {
			t.Errorf("%q is %v", bad, d)
		}
	}
}

// A commit that is too much to be read holds up nothing once it has been taken back.
func TestNodesAreReadPastACommitThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	first := r.Commit(t, files{"n.yaml": sourcetest.Node("n1", "192.0.2.1")})
	s := open(t, git.Options{URL: r.Dir})
	n1 := "n1 podman+ssh://root@192.0.2.1:22"
	equal(t, []string{n1}, nodes(t, s, first))
	var b strings.Builder
	fmt.Fprintf(&b, "commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 1\nc\nfrom %s\nM 100644 inline more\ndata 1\nx\n", first)
	blob := r.Git(t, "hash-object", "-w", "n.yaml")
	for i := range 100_001 {
		fmt.Fprintf(&b, "M 100644 %s many/%d/%d\n", blob, i/500, i)
	}
	r.Import(t, b.String())
	_, err := s.Load(t.Context(), r.Git(t, "rev-parse", "main"))
	refused(t, err, "more than 100000 files")
	back := r.Git(t, "commit-tree", "-m", "back", "-p", "main", first+"^{tree}")
	r.Git(t, "update-ref", "refs/heads/main", back)
	equal(t, []string{n1}, nodes(t, s, back))
	equal(t, []string{n1}, nodes(t, open(t, git.Options{URL: r.Dir}), back))
}
