package git_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

func receipt(verb, commit string, gen, step int) live.Receipt {
	return live.Receipt{App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Verb: verb, Rev: "v1-abc", Gen: gen, Step: step,
		Commit: commit, Time: time.Date(2026, 1, 2, 3, 4, gen, 0, time.UTC), Why: "as told"}
}

// places are the ways in which a fleet's notes are written: each with the repository that has them then.
func places(t *testing.T, test func(t *testing.T, a away, s func() *git.Source, there sourcetest.Repository)) {
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		a, _ := newHTTPS(t)
		a.bare.Git(t, "config", "http.receivepack", "true")
		test(t, a, func() *git.Source { return open(t, a.options) }, a.bare)
	})
	t.Run("ssh", func(t *testing.T) {
		t.Parallel()
		a, _ := newSSH(t)
		test(t, a, func() *git.Source { return open(t, a.options) }, a.bare)
	})
	t.Run("bare", func(t *testing.T) {
		t.Parallel()
		a := newAway(t)
		test(t, a, func() *git.Source { return open(t, git.Options{URL: a.bare.Dir}) }, a.bare)
	})
}

func TestReceiptsAreMirroredBesideTheirCommits(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, a away, opened func() *git.Source, there sourcetest.Repository) {
		first := a.push(t, one("1"))
		head := a.push(t, one("2"))
		s := opened()
		sourcetest.Head(t, s)
		none, err := s.Mirrored(t.Context(), "default", head)
		must(t, err)
		equal(t, 0, len(none))
		began, stepped, over := receipt(live.Began, first, 1, 1), receipt(live.Stepped, head, 2, 7), receipt(live.Promoted, head, 2, 0)
		stepped.Steps, over.Time = "3@abcdef", over.Time.Add(time.Minute)
		adopted, plain := receipt(live.Done, first, 1, 0), receipt(live.Done, "dir-1234", 1, 0)
		adopted.Source = "elsewhere"
		must(t, s.Mirror(t.Context(), "default", []live.Receipt{began, stepped, adopted, plain}))
		must(t, s.Mirror(t.Context(), "default", []live.Receipt{began, stepped, over}))
		must(t, opened().Mirror(t.Context(), "other", []live.Receipt{began}))
		tip := there.Git(t, "rev-parse", string(git.FleetRef))
		must(t, s.Mirror(t.Context(), "default", []live.Receipt{began, over}))
		equal(t, tip, there.Git(t, "rev-parse", string(git.FleetRef)))

		equal(t, "2026-01-02T03:04:02Z\tstep\tDeployment/default/web\tv1-abc\t2/3\tdefault\tas told\n"+
			"2026-01-02T03:05:02Z\tpromoted\tDeployment/default/web\tv1-abc\t2/0\tdefault\tas told", there.Git(t, "notes", "--ref=podkeep-fleet", "show", head))
		equal(t, "3", there.Git(t, "rev-list", "--count", string(git.FleetRef)))
		there.Git(t, "fsck", "--strict")
		got, err := opened().Mirrored(t.Context(), "default", head)
		must(t, err)
		stepped.Step, stepped.Steps = 3, ""
		equal(t, []live.Receipt{began, stepped, over}, got)
		equal(t, head, sourcetest.Head(t, s))
	})
}

func TestTwoThatMirrorAtOnceBothLand(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, a away, opened func() *git.Source, there sourcetest.Repository) {
		head := a.push(t, one("1"))
		must(t, opened().Mirror(t.Context(), "c", []live.Receipt{receipt(live.Began, head, 1, 0)}))
		var both sync.WaitGroup
		for n := range 2 {
			s := opened()
			both.Go(func() {
				for i := range 3 {
					if err := s.Mirror(context.Background(), "c", []live.Receipt{receipt(live.Began, head, 10*n+i+2, 0)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		both.Wait()
		equal(t, 7, strings.Count(there.Git(t, "notes", "--ref=podkeep-fleet", "show", head), "began"))
	})
}

func TestWhoMayNotPushIsTold(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t) // which gives and does not take
	head := a.push(t, one("1"))
	s := open(t, a.options)
	refused(t, s.Mirror(t.Context(), "c", []live.Receipt{receipt(live.Began, head, 1, 0)}), "refs/notes/podkeep-fleet", "may not push")
}

func TestAMirroredReceiptDoesNotPoke(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	head := r.Commit(t, one("1"))
	s := open(t, git.Options{URL: r.Dir, Interval: time.Hour})
	sourcetest.Head(t, s)
	poke := sourcetest.Watching(t, s, 1)
	must(t, s.Mirror(t.Context(), "c", []live.Receipt{receipt(live.Began, head, 1, 0)}))
	r.Git(t, "notes", "--ref=podkeep", "add", "-m", "x", head)
	sourcetest.Until(t, s, poke, "")
	select {
	case <-poke:
		t.Error("poked twice for one note")
	default:
	}
}

// signing is a repository whose notes are signed with a key, and a file that names it.
func signing(t *testing.T, kind string) (r sourcetest.Repository, signers string, key string) {
	r = sourcetest.NewRepository(t)
	dir := t.TempDir()
	key = filepath.Join(dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%s: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	must(t, err)
	signers = filepath.Join(dir, "signers")
	sourcetest.WriteFile(t, signers, fmt.Appendf(nil, "# who decides\n\nann@example.com namespaces=\"git,file\" %s", public))
	return r, signers, key
}

// noted writes a decision, signed or not, and gives it as it is read.
func noted(t *testing.T, r sourcetest.Repository, key, why, on string) manifest.Decision {
	t.Helper()
	d := decision("promote", why, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	d.Who = "ann@example.com"
	r.Git(t, "notes", "--ref=podkeep", "append", "-m", git.FormatDecision(d), on)
	if key != "" {
		args := []string{"-c", "gpg.format=ssh", "-c", "user.signingKey=" + key, "commit-tree", "-S", "-m", "signed", "refs/notes/podkeep^{tree}"}
		if before := r.Git(t, "rev-list", "-1", "--skip=1", "refs/notes/podkeep"); before != "" {
			args = append(args, "-p", before)
		}
		r.Git(t, "update-ref", "refs/notes/podkeep", r.Git(t, args...))
	}
	d.Note = on
	return d
}

func TestOnlyDecisionsOfNamedSignersCountWhereTheyAreNamed(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r, signers, key := signing(t, kind)
			other := filepath.Join(t.TempDir(), "other")
			sourcetest.WriteFile(t, other+".pub", ssh.MarshalAuthorizedKey(sourcetest.NewKey(t, other, "")))
			head := r.Commit(t, one("1"))
			s := open(t, git.Options{URL: r.Dir, Signers: signers})
			got := func(s *git.Source) (whys []string) {
				all, err := s.Decisions(t.Context(), head)
				must(t, err)
				for _, d := range all {
					whys = append(whys, d.Why)
				}
				return whys
			}
			noted(t, r, key, "a, signed first", head)
			equal(t, []string{"a, signed first"}, got(s))
			noted(t, r, "", "b, unsigned", head)
			noted(t, r, key, "c, signed after that", head)
			noted(t, r, other, "d, signed by another", head)
			want := []string{"a, signed first", "c, signed after that"}
			equal(t, want, got(s))
			equal(t, want, got(open(t, git.Options{URL: r.Dir, Signers: signers})))

			r.Git(t, "update-ref", "refs/notes/aside", "refs/notes/podkeep~2")
			r.Git(t, "notes", "--ref=aside", "append", "-m", "x", head)
			r.Git(t, "notes", "--ref=podkeep", "merge", "-q", "-s", "cat_sort_uniq", "refs/notes/aside")
			equal(t, want, got(s))
			equal(t, 4, len(got(open(t, git.Options{URL: r.Dir}))))

			sourcetest.WriteFile(t, signers, []byte("# nobody any more\n"))
			equal(t, 0, len(got(s)))
		})
	}
}

func TestASignatureIsOfThatCommitAlone(t *testing.T) {
	t.Parallel()
	r, signers, key := signing(t, "ed25519")
	head := r.Commit(t, one("1"))
	noted(t, r, key, "signed", head)
	raw := r.Git(t, "cat-file", "commit", "refs/notes/podkeep") + "\n"
	file := filepath.Join(t.TempDir(), "commit")
	sourcetest.WriteFile(t, file, []byte(strings.Replace(raw, "signed\n", "signet\n", 1)))
	r.Git(t, "update-ref", "refs/notes/podkeep", r.Git(t, "hash-object", "-t", "commit", "-w", file))
	all, err := open(t, git.Options{URL: r.Dir, Signers: signers}).Decisions(t.Context(), head)
	must(t, err)
	equal(t, 0, len(all))
}

func TestAFileOfSignersThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	r, signers, key := signing(t, "ed25519")
	head := r.Commit(t, one("1"))
	noted(t, r, key, "signed", head)
	public, err := os.ReadFile(key + ".pub")
	must(t, err)
	for text, says := range map[string]string{
		"ann\n": "signers:1: write who, and their public key", "\n\nann ssh-rsa nokey\n": "signers:3: write who",
		"ann cert-authority " + string(public):            "option cert-authority is not understood here",
		"ann valid-before=\"20300101\" " + string(public): `option valid-before="20300101" is not understood here`,
	} {
		sourcetest.WriteFile(t, signers, []byte(text))
		_, err := open(t, git.Options{URL: r.Dir, Signers: signers}).Decisions(t.Context(), head)
		refused(t, err, says)
	}
	must(t, os.Remove(signers))
	_, err = open(t, git.Options{URL: r.Dir, Signers: signers}).Decisions(t.Context(), head)
	refused(t, err, "signers of decisions: open")
}
