package git_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// files are a repository's.
type files = map[string]string

func one(value string) files { return files{"a.yaml": sourcetest.ConfigMap("a", value)} }

// inPlace is a repository on this machine.
type inPlace struct{ sourcetest.Repository }

func (p inPlace) Write(t *testing.T, f map[string]string) { p.Commit(t, f) }

func (inPlace) Missing() string { return strings.Repeat("1", 40) }

// Open makes the source look of itself so rarely that only what the kernel tells can be in time.
func (p inPlace) Open(t *testing.T) sources.Source {
	return open(t, git.Options{URL: p.Dir, Interval: time.Hour})
}

func (p inPlace) Break(t *testing.T) func() {
	must(t, os.Rename(p.Dir+"/.git", p.Dir+"/away"))
	return func() { must(t, os.Rename(p.Dir+"/away", p.Dir+"/.git")) }
}

// away is a bare repository behind a server, pushed to from a work tree.
type away struct {
	sourcetest.Repository // the work tree
	bare                  sourcetest.Repository
	options               git.Options
	down                  func() (up func())
}

func newAway(t testing.TB) away {
	a := away{Repository: sourcetest.NewRepository(t), bare: sourcetest.NewBare(t)}
	a.Git(t, "remote", "add", "origin", a.bare.Dir)
	return a
}

func newHTTPS(t testing.TB) (away, *sourcetest.HTTPS) {
	a := newAway(t)
	h := sourcetest.ServeHTTPS(t, a.bare)
	a.options = git.Options{URL: h.URL, Cache: t.TempDir(), Interval: 50 * time.Millisecond, Credentials: git.Credentials{CAFile: h.CAFile}}
	a.down = func() func() {
		h.Down.Store(true)
		return func() { h.Down.Store(false) }
	}
	return a, h
}

func newSSH(t testing.TB) (away, *sourcetest.SSH) {
	a := newAway(t)
	s := sourcetest.ServeSSH(t, a.bare)
	a.options = git.Options{URL: s.URL, Cache: t.TempDir(), Interval: 50 * time.Millisecond,
		Credentials: git.Credentials{SSHKey: s.KeyFile, KnownHosts: s.KnownHosts}}
	a.down = func() func() {
		s.Down.Store(true)
		return func() { s.Down.Store(false) }
	}
	return a, s
}

func (a away) push(t testing.TB, f files) string {
	t.Helper()
	head := a.Commit(t, f)
	a.Git(t, "push", "-q", "-f", "origin", "HEAD:main")
	return head
}

func (a away) Write(t *testing.T, f map[string]string) { a.push(t, f) }
func (a away) Open(t *testing.T) sources.Source        { return open(t, a.options) }
func (away) Missing() string                           { return strings.Repeat("1", 40) }
func (a away) Break(*testing.T) func()                 { return a.down() }

func open(t testing.TB, o git.Options) *git.Source {
	t.Helper()
	s, err := git.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("want - got +\n%s", d)
	}
}

// refused wants an error that says all of these.
func refused(t *testing.T, err error, says ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Fatalf("%q does not say %q", err, s)
		}
	}
}

func headError(t *testing.T, s sources.Source) error {
	t.Helper()
	_, _, err := s.Head(t.Context())
	return err
}

func values(t *testing.T, s sources.Source) []string {
	t.Helper()
	return sourcetest.Values(sourcetest.Load(t, s, sourcetest.Head(t, s)))
}

func TestALocalRepositoryIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture { return inPlace{sourcetest.NewRepository(t)} })
}

func TestALocalRepositoryThatRepacksIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture { return packed{inPlace{sourcetest.NewRepository(t)}} })
}

// packed packs everything after each commit, refs too.
type packed struct{ inPlace }

func (p packed) Write(t *testing.T, f map[string]string) {
	p.Commit(t, f)
	p.Git(t, "gc", "-q", "--prune=now")
}

func TestALinkedWorkTreeIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		r := sourcetest.NewRepository(t)
		r.Commit(t, nil)
		linked := filepath.Join(t.TempDir(), "linked")
		r.Git(t, "worktree", "add", "-q", "--detach", linked)
		sourcetest.Repository{Dir: linked}.Git(t, "checkout", "-q", "--orphan", "other")
		return workTree{inPlace{sourcetest.Repository{Dir: linked}}, inPlace{r}}
	})
}

// workTree is linked to a repository that stands elsewhere.
type workTree struct {
	inPlace
	main inPlace
}

func (w workTree) Break(t *testing.T) func() { return w.main.Break(t) }

func TestHTTPSIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture { a, _ := newHTTPS(t); return a })
}

func TestSSHIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture { a, _ := newSSH(t); return a })
}

func TestABranchATagOrACommitCanBeAskedFor(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	first := a.push(t, one("1"))
	a.Git(t, "tag", "-a", "-m", "release", "v1")
	a.Git(t, "tag", "light")
	second := a.push(t, one("2"))
	a.Git(t, "branch", "other", first)
	a.Git(t, "push", "-q", "--all", "origin")
	a.Git(t, "push", "-q", "--tags", "origin")
	for name, want := range map[string]string{
		"": second, "main": second, "HEAD": second, "other": first, "v1": first, "light": first, first: first, first[:8]: first,
		strings.ToUpper(first): first, "refs/heads/other": first,
	} {
		for where, url := range map[string]string{"local": a.Dir, "bare": a.bare.Dir, "https": a.options.URL} {
			t.Run(where+" "+name, func(t *testing.T) {
				o := a.options
				o.URL, o.Branch, o.Cache = url, name, t.TempDir()
				s := open(t, o)
				equal(t, want, sourcetest.Head(t, s))
				equal(t, want, sourcetest.Head(t, s))
				sourcetest.Load(t, s, want)
			})
		}
	}
	o := a.options
	o.Branch = "nowhere"
	refused(t, headError(t, open(t, o)), `no branch, tag or commit "nowhere"; there are light, main, other, v1`)
	o.Branch = strings.Repeat("2", 40)
	refused(t, headError(t, open(t, o)), `no branch, tag or commit "2222`)
}

func TestOnlyThePathIsRead(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	r.Commit(t, files{"a.yaml": "kind: [", "deploy/b.yaml": sourcetest.ConfigMap("b", "1"), "deploy/up.yaml": "-> ../a.yaml"})
	s := open(t, git.Options{URL: r.Dir, Path: "/deploy/"})
	set := sourcetest.Load(t, s, sourcetest.Head(t, s))
	equal(t, []string{"b=1"}, sourcetest.Values(set))
	equal(t, 1, len(set.Problems))
	refused(t, set.Problems[0], "deploy/up.yaml:1: is a link that leads out of deploy")
	equal(t, r.Dir+"//deploy", s.Name())
	equal(t, s.Name(), open(t, git.Options{URL: r.Dir + "/deploy"}).Name())
	_, err := git.Open(t.Context(), git.Options{URL: r.Dir, Path: "../x"})
	refused(t, err, "leads out of the repository")
}

func TestAPathThatIsRenamedIsAProblemForEveryFileItHeld(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	first := r.Commit(t, files{"deploy/b.yaml": sourcetest.ConfigMap("b", "1"), "deploy/c.yaml": sourcetest.ConfigMap("c", "1")})
	r.Commit(t, files{"moved/b.yaml": sourcetest.ConfigMap("b", "1")})
	s := open(t, git.Options{URL: r.Dir, Path: "deploy"})
	head := r.Commit(t, files{"moved/b.yaml": sourcetest.ConfigMap("b", "2")})
	set := sourcetest.Load(t, s, sourcetest.Head(t, s))
	text := fmt.Sprintf(`path "deploy" is not in commit %s`, head[:12])
	var got []string
	for _, p := range set.Problems {
		got = append(got, p.Error())
	}
	equal(t, []string{"deploy:1: " + text, "deploy/b.yaml:1: " + text, "deploy/c.yaml:1: " + text}, got)
	equal(t, []string{"b=1", "c=1"}, sourcetest.Values(sourcetest.Load(t, s, first)))
}

func TestASubmoduleIsAProblem(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	head := r.Commit(t, one("1"))
	r.Git(t, "update-index", "--add", "--cacheinfo", "160000,"+head+",vendored")
	r.Git(t, "commit", "-q", "-m", "vendor")
	s := open(t, git.Options{URL: r.Dir})
	set := sourcetest.Load(t, s, sourcetest.Head(t, s))
	equal(t, []string{"a=1"}, sourcetest.Values(set))
	refused(t, set.Problems[0], "vendored:1: is a submodule")
}

func TestAnEmptyRepositoryHasNoCommitYet(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	b, _ := newSSH(t)
	for _, o := range []git.Options{a.options, b.options, {URL: a.Dir}} {
		refused(t, headError(t, open(t, o)), "has no commit yet")
	}
}

func TestAForcePushMovesTheHeadAndKeepsWhatWasFetched(t *testing.T) {
	t.Parallel()
	for _, make := range []func(testing.TB) away{
		func(t testing.TB) away { a, _ := newHTTPS(t); return a }, func(t testing.TB) away { a, _ := newSSH(t); return a },
	} {
		a := make(t)
		root := a.push(t, one("1"))
		dropped := a.push(t, one("2"))
		s := open(t, a.options)
		equal(t, dropped, sourcetest.Head(t, s))
		a.Git(t, "reset", "-q", "--hard", root)
		head := a.push(t, one("3"))
		equal(t, head, sourcetest.Head(t, s))
		equal(t, []string{"a=3"}, sourcetest.Values(sourcetest.Load(t, s, head)))
		equal(t, []string{"a=2"}, sourcetest.Values(sourcetest.Load(t, s, dropped)))
		descends(t, s, root, head, true)
		descends(t, s, dropped, head, false)
		descends(t, s, dropped, dropped, true)
	}
}

func descends(t *testing.T, s *git.Source, commit, head string, want bool) {
	t.Helper()
	got, err := s.Ancestor(t.Context(), commit, head)
	must(t, err)
	equal(t, want, got)
}

func TestADroppedCommitIsGoneForWhoComesLater(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	root := a.push(t, one("1"))
	dropped := a.push(t, one("2"))
	a.Git(t, "reset", "-q", "--hard", root)
	a.push(t, one("3"))
	s := open(t, a.options)
	sourcetest.Head(t, s)
	_, err := s.Load(t.Context(), dropped)
	if !errors.Is(err, sources.ErrGone) {
		t.Fatal(err)
	}
	a.bare.Git(t, "config", "uploadpack.allowAnySHA1InWant", "true")
	o := a.options
	o.Cache = t.TempDir()
	s = open(t, o)
	sourcetest.Head(t, s)
	equal(t, []string{"a=2"}, sourcetest.Values(sourcetest.Load(t, s, dropped)))
}

func TestADeletedBranchIsSaidAndTheLastHeadStays(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	a.push(t, one("1"))
	a.Git(t, "push", "-q", "origin", "HEAD:side")
	o := a.options
	o.Branch = "side"
	s := open(t, o)
	head := sourcetest.Head(t, s)
	a.Git(t, "push", "-q", "origin", ":side")
	last, _, err := s.Head(t.Context())
	refused(t, err, `no branch, tag or commit "side"; there are main`)
	equal(t, head, last)
	equal(t, []string{"a=1"}, sourcetest.Values(sourcetest.Load(t, s, last)))
}

func TestARestartWhileTheForgeIsDownKnowsTheLastHead(t *testing.T) {
	t.Parallel()
	a, h := newHTTPS(t)
	head := a.push(t, one("1"))
	first := open(t, a.options)
	_, fetched, err := first.Head(t.Context())
	must(t, err)
	h.Down.Store(true)
	s := open(t, a.options)
	last, at, err := s.Head(t.Context())
	refused(t, err, "503")
	equal(t, head, last)
	if !at.Equal(fetched) {
		t.Fatalf("%s is not %s", at, fetched)
	}
	equal(t, []string{"a=1"}, sourcetest.Values(sourcetest.Load(t, s, last)))
}

func TestACacheThatIsDeletedIsFetchedAgain(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	head := a.push(t, one("1"))
	s := open(t, a.options)
	sourcetest.Head(t, s)
	must(t, os.RemoveAll(a.options.Cache))
	equal(t, head, sourcetest.Head(t, s))
	equal(t, []string{"a=1"}, sourcetest.Values(sourcetest.Load(t, s, head)))
}

func TestACacheThatLostAnObjectHealsItself(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	head := a.push(t, one("1"))
	blob := a.Git(t, "rev-parse", "HEAD:a.yaml")
	first := open(t, a.options)
	sourcetest.Head(t, first)
	found, err := filepath.Glob(a.options.Cache + "/*/objects/" + blob[:2] + "/" + blob[2:])
	must(t, err)
	must(t, os.Remove(found[0]))
	s := open(t, a.options)
	sourcetest.Head(t, s)
	equal(t, []string{"a=1"}, sourcetest.Values(sourcetest.Load(t, s, head)))
}

// harm does to a file, or a directory, what power cuts, full disks and people do.
func harm(t *testing.T, rng *rand.Rand, cache string) string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != cache && filepath.Dir(path) != cache {
			all = append(all, path)
		}
		return err
	}))
	if len(all) == 0 {
		return "nothing"
	}
	path, other := all[rng.Intn(len(all))], all[rng.Intn(len(all))]
	info, err := os.Stat(path)
	must(t, err)
	deed := []string{"remove", "empty", "cut", "scribble", "another's", "directory"}[rng.Intn(6)]
	content, _ := os.ReadFile(path)
	switch {
	case deed == "remove" || info.IsDir():
		must(t, os.RemoveAll(path))
		if info.IsDir() && rng.Intn(2) == 0 {
			deed = "a file"
			must(t, os.WriteFile(path, []byte("x"), 0o600))
		}
		return deed + " " + path
	case deed == "empty" || len(content) == 0:
		content = nil
	case deed == "cut":
		content = content[:rng.Intn(len(content))]
	case deed == "scribble":
		rng.Read(content[rng.Intn(len(content)):])
	case deed == "another's":
		content, _ = os.ReadFile(other)
	case deed == "directory":
		must(t, os.Remove(path))
		must(t, os.Mkdir(path, 0o700))
		return deed + " " + path
	}
	must(t, os.Remove(path)) // objects are links at times
	must(t, os.WriteFile(path, content, 0o600))
	return deed + " " + path
}

func TestACacheThatIsDamagedHealsItself(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	all := line(t, a.Repository, 300) // a pack, and single objects beside it
	a.Git(t, "reset", "-q", "--hard")
	a.Git(t, "push", "-q", "-f", "origin", "HEAD:main")
	sourcetest.Head(t, open(t, a.options))
	for i := range 5 {
		all = append(all, a.push(t, one(strconv.Itoa(300+i))))
		sourcetest.Head(t, open(t, a.options))
	}
	head := all[len(all)-1]
	nodes, err := open(t, a.options).Nodes(t.Context(), head)
	must(t, err)
	lives := open(t, a.options)
	seed := time.Now().UnixNano()
	rng := rand.New(rand.NewSource(seed))
	var deeds []string
	for round := range 25 {
		for range 1 + rng.Intn(3) {
			deeds = append(deeds, harm(t, rng, a.options.Cache))
		}
		at := rng.Intn(len(all))
		for who, s := range map[string]*git.Source{"one that runs": lives, "one that starts": open(t, a.options)} {
			got, _, err := s.Head(t.Context())
			set, loadErr := s.Load(t.Context(), all[at])
			found, nodesErr := s.Nodes(t.Context(), head)
			if err := errors.Join(err, loadErr, nodesErr); err != nil || got != head ||
				!slices.Equal(sourcetest.Values(set), []string{"a=" + strconv.Itoa(at)}) || len(found) != len(nodes) {
				t.Fatalf("seed %d, round %d, %s: head %s, %v at %d, %d nodes: %v, after %s", seed, round, who, got, sourcetest.Values(set), at, len(found), err, deeds[max(0, len(deeds)-4):])
			}
		}
	}
}

func TestWhatIsTooLargeToBeReadIsNotFetched(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	a.bare.Git(t, "config", "uploadpack.allowFilter", "true")
	large := make([]byte, 5<<20)
	rand.New(rand.NewSource(1)).Read(large)
	f := one("1")
	f["video.bin"], f["large.yaml"] = string(large), "# "+strings.Repeat("x", 5<<20)
	head := a.push(t, f)
	s := open(t, a.options)
	sourcetest.Head(t, s)
	set := sourcetest.Load(t, s, head)
	equal(t, []string{"a=1"}, sourcetest.Values(set))
	if len(set.Problems) != 1 || set.Problems[0].File != "large.yaml" || !strings.Contains(set.Problems[0].Text, "is larger than 4 MiB") {
		t.Error(set.Problems)
	}
	size := int64(0)
	must(t, filepath.WalkDir(a.options.Cache, func(path string, d fs.DirEntry, err error) error {
		if info, e := d.Info(); e == nil {
			size += info.Size()
		}
		return err
	}))
	if size > 1<<20 {
		t.Errorf("%d bytes were fetched", size)
	}
}

func TestARepositoryThatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	t.Run("objects of SHA-256, here", func(t *testing.T) {
		dir := t.TempDir()
		r := sourcetest.Repository{Dir: dir}
		r.Git(t, "init", "-q", "-b", "main", "--object-format=sha256")
		r.Commit(t, one("1"))
		_, err := git.Open(t.Context(), git.Options{URL: dir})
		refused(t, err, "its objects are named by SHA-256")
	})
	t.Run("objects of SHA-256, at a server", func(t *testing.T) {
		a, _ := newHTTPS(t)
		must(t, os.RemoveAll(a.bare.Dir))
		must(t, os.MkdirAll(a.bare.Dir, 0o755))
		a.bare.Git(t, "init", "-q", "--bare", "-b", "main", "--object-format=sha256")
		r := sourcetest.Repository{Dir: t.TempDir()}
		r.Git(t, "init", "-q", "-b", "main", "--object-format=sha256")
		r.Commit(t, one("1"))
		r.Git(t, "push", "-q", a.bare.Dir, "main")
		refused(t, headError(t, open(t, a.options)), "its objects are named by SHA-256")
	})
	t.Run("a partial clone", func(t *testing.T) {
		a := newAway(t)
		head := a.push(t, one("1"))
		a.bare.Git(t, "config", "uploadpack.allowFilter", "true")
		dir := t.TempDir()
		r := sourcetest.Repository{Dir: dir}
		r.Git(t, "clone", "-q", "--no-checkout", "--filter=blob:none", "file://"+a.bare.Dir, ".")
		s := open(t, git.Options{URL: dir})
		equal(t, head, sourcetest.Head(t, s))
		_, err := s.Load(t.Context(), head)
		refused(t, err, "an object is not here: the clone is partial; run git -C "+dir+" fetch --refetch --filter=blob:limit=4m")
	})
	t.Run("a clone that is sparse is read whole", func(t *testing.T) {
		a := newAway(t)
		head := a.push(t, files{"a.yaml": sourcetest.ConfigMap("a", "1"), "sub/b.yaml": sourcetest.ConfigMap("b", "2")})
		dir := t.TempDir()
		r := sourcetest.Repository{Dir: dir}
		r.Git(t, "clone", "-q", "--sparse", a.bare.Dir, ".")
		equal(t, []string{"a=1", "b=2"}, sourcetest.Values(sourcetest.Load(t, open(t, git.Options{URL: dir}), head)))
	})
}

func TestAPollWithoutNewsFetchesNoPack(t *testing.T) {
	t.Parallel()
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	s := open(t, a.options)
	for range 3 {
		sourcetest.Head(t, s)
	}
	equal(t, int64(1), h.Packs.Load())
	again := open(t, a.options)
	sourcetest.Head(t, again)
	equal(t, int64(1), h.Packs.Load())
}

func TestAlternatesAreRead(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	r.Commit(t, one("1"))
	clone := filepath.Join(t.TempDir(), "clone")
	r.Git(t, "clone", "-q", "--shared", r.Dir, clone)
	s := open(t, git.Options{URL: clone})
	equal(t, []string{"a=1"}, values(t, s))
}

func TestAShallowCloneEndsWhereItEnds(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	r.Commit(t, files{"n.yaml": sourcetest.Node("n1", "192.0.2.1")})
	first := r.Commit(t, one("1"))
	r.Commit(t, one("2"))
	clone := filepath.Join(t.TempDir(), "clone")
	r.Git(t, "clone", "-q", "--depth=2", "file://"+r.Dir, clone)
	s := open(t, git.Options{URL: clone})
	head := sourcetest.Head(t, s)
	equal(t, first, sourcetest.Load(t, s, head).Parent)
	equal(t, "", sourcetest.Load(t, s, first).Parent)
	_, err := s.Nodes(t.Context(), head)
	if !errors.Is(err, git.ErrShallow) {
		t.Fatal(err)
	}
	descends(t, s, first, head, true)
}

func TestNamesAreTheSameHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://user:secret@Git.example.com/acme/fleet.git": "git.example.com/acme/fleet",
		"https://git.example.com:443/acme/fleet/":            "git.example.com/acme/fleet",
		"ssh://git@git.example.com:22/acme/fleet.git":        "git.example.com/acme/fleet",
		"git@git.example.com:acme/fleet.git":                 "git.example.com/acme/fleet",
		"https://git.example.com:8443/acme/fleet":            "git.example.com:8443/acme/fleet",
		"git+ssh://[git@git.example.com]:22/acme/fleet":      "git.example.com/acme/fleet",
		"[git@git.example.com:22]:acme/fleet.git":            "git.example.com/acme/fleet",
		"ssh://git.example.com/~ada/fleet":                   "git.example.com/~ada/fleet",
		"git.example.com:~ada/fleet":                         "git.example.com/~ada/fleet",
		"https://git.example.com/a%20fleet":                  "git.example.com/a fleet",
		"git@[::1]:acme/fleet":                               "::1/acme/fleet",
	} {
		equal(t, want, open(t, git.Options{URL: url, Cache: t.TempDir()}).Name())
		equal(t, want+"//deploy", open(t, git.Options{URL: url, Path: "deploy", Cache: t.TempDir()}).Name())
	}
	for _, bad := range []string{"git://host/x", "https:///x", "https://a:secret%zz@host/"} {
		_, err := git.Open(t.Context(), git.Options{URL: bad, Cache: t.TempDir()})
		refused(t, err)
		if strings.Contains(err.Error(), "secret") {
			t.Fatalf("%q shows a password", err)
		}
	}
}

func TestAYearOfPushesStaysFewFiles(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	line(t, a.Repository, 100)
	a.Git(t, "push", "-q", "origin", "main")
	s := open(t, a.options)
	sourcetest.Head(t, s)
	loose, err := filepath.Glob(a.options.Cache + "/*/objects/??/*")
	must(t, err)
	equal(t, 0, len(loose))
	a.Git(t, "reset", "-q", "--hard")
	a.push(t, one("single"))
	sourcetest.Head(t, s)
	count := func() int {
		loose, err := filepath.Glob(a.options.Cache + "/*/objects/??/*")
		must(t, err)
		return len(loose)
	}
	if n := count(); n == 0 || n > 10 {
		t.Fatalf("a small push is %d files", n)
	}
	dirs, err := filepath.Glob(a.options.Cache + "/*/objects")
	must(t, err)
	must(t, os.MkdirAll(dirs[0]+"/17", 0o700))
	for i := range 30 {
		sourcetest.WriteFile(t, fmt.Sprintf("%s/17/%038x", dirs[0], i), nil)
	}
	head := a.push(t, one("crowded"))
	equal(t, head, sourcetest.Head(t, s))
	equal(t, 0, count())
	equal(t, []string{"a=crowded"}, sourcetest.Values(sourcetest.Load(t, s, head)))
}

// A cache that is on a disk without room is said, what was known stays, and it goes on once there is some.
func TestAFullDiskIsSaidAndSurvived(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("making a small disk takes root")
	}
	a, _ := newHTTPS(t)
	a.options.Cache = t.TempDir()
	must(t, syscall.Mount("small", a.options.Cache, "tmpfs", 0, "size=512k"))
	t.Cleanup(func() { _ = syscall.Unmount(a.options.Cache, syscall.MNT_DETACH) })
	first := a.push(t, one("1"))
	s := open(t, a.options)
	equal(t, first, sourcetest.Head(t, s))
	equal(t, []string{"a=1"}, sourcetest.Values(sourcetest.Load(t, s, first)))
	noise := make([]byte, 2<<20)
	rand.New(rand.NewSource(1)).Read(noise)
	must(t, os.WriteFile(a.options.Cache+"/others", noise[:400<<10], 0o600))
	f := one("2")
	f["noise.bin"] = string(noise)
	second := a.push(t, f)
	for range 3 {
		known, _, err := s.Head(t.Context())
		refused(t, err, "no space left on device")
		equal(t, first, known)
		left, err := filepath.Glob(a.options.Cache + "/*/objects/pack/tmp_*")
		must(t, err)
		more, err := filepath.Glob(a.options.Cache + "/*/*new-*")
		must(t, err)
		if left = append(left, more...); len(left) > 0 {
			t.Errorf("what did not fit is left there: %s", left)
		}
	}
	equal(t, []string{"a=1"}, sourcetest.Values(sourcetest.Load(t, s, first)))
	must(t, os.Remove(a.options.Cache+"/others"))
	must(t, syscall.Mount("small", a.options.Cache, "tmpfs", syscall.MS_REMOUNT, "size=16m"))
	equal(t, second, sourcetest.Head(t, s))
	equal(t, []string{"a=2"}, sourcetest.Values(sourcetest.Load(t, s, second)))
	equal(t, []string{"a=2"}, sourcetest.Values(sourcetest.Load(t, open(t, a.options), second)))
}
