package git_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

func pod(name string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec: {containers: [{name: c, image: i}]}\n"
}

func idOf(name string) manifest.ID { return manifest.ID{Kind: "Pod", Namespace: "default", Name: name} }

// renewed says of commits which are from before pod a came anew.
func renewed(t *testing.T, s *git.Source, head string, commits ...string) []string {
	t.Helper()
	got, err := s.Renewed(t.Context(), head, map[manifest.ID][]string{idOf("a"): commits})
	must(t, err)
	return got[idOf("a")]
}

func TestAnObjectThatWasTakenOutComesAnew(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	first := r.Commit(t, files{"all.yaml": pod("a") + "---\n" + pod("b")})
	second := r.Commit(t, files{"other.yaml": pod("a") + "---\n" + pod("b")})
	s := open(t, git.Options{URL: r.Dir})
	equal(t, []string(nil), renewed(t, s, second, first))
	gone := r.Commit(t, files{"other.yaml": pod("b")})
	equal(t, []string(nil), renewed(t, s, gone, first, second))
	back := r.Commit(t, files{"other.yaml": pod("b"), "all.yaml": pod("a")})
	all := []string{first, second, gone, back}
	equal(t, all[:3], renewed(t, s, back, all...))
	equal(t, all[1:3], renewed(t, open(t, git.Options{URL: r.Dir}), back, second, gone, back))
	equal(t, []string(nil), renewed(t, s, second, first))
	r.Git(t, "reset", "-q", "--hard", second)
	pushed := r.Commit(t, files{"other.yaml": pod("a")})
	equal(t, []string(nil), renewed(t, s, pushed, append(all, pushed)...))
	again := r.Commit(t, files{})
	r.Git(t, "revert", "--no-edit", again)
	equal(t, []string{first, second, pushed, again}, renewed(t, s, r.Git(t, "rev-parse", "HEAD"), append(all, pushed, again)...))
}

func TestWhatADamagedFileMayHoldWasNotTakenOut(t *testing.T) {
	t.Parallel()
	for claim, c := range map[string]struct {
		between []files
		out     bool
	}{
		"an LFS pointer":                         {[]files{{"a.yaml": "version https://git-lfs.github.com/spec/v1\n"}}, false},
		"half a file":                            {[]files{{"a.yaml": "kind: [Po"}}, false},
		"another name, and half a file":          {[]files{{"z.yaml": "kind: [Po"}}, false},
		"a path that is not there":               {[]files{{"../x.yaml": pod("x")}}, false},
		"damaged, and then deleted":              {[]files{{"a.yaml": ""}, {"b.yaml": pod("b")}}, true},
		"deleted, and then another damaged":      {[]files{{"b.yaml": pod("b")}, {"b.yaml": "kind: [Po"}}, true},
		"another file that never was any good":   {[]files{{"bad.yaml": "kind: [Po"}}, false},
		"a file of values that was always there": {[]files{{"values.yaml": "a: 1"}}, true},
	} {
		r := sourcetest.NewRepository(t)
		under := func(f files) string {
			all := files{}
			for name, text := range f {
				all[filepath.Join("deploy", name)] = text
			}
			return r.Commit(t, all)
		}
		whole := files{"a.yaml": pod("a"), "values.yaml": "a: 1"}
		if claim == "another file that never was any good" {
			whole["bad.yaml"] = "kind: [Po"
		}
		first := under(whole)
		for _, f := range c.between {
			under(f)
		}
		head := under(whole)
		got := renewed(t, open(t, git.Options{URL: r.Dir, Path: "deploy"}), head, first)
		if slices.Contains(got, first) != c.out {
			t.Errorf("%s: %v", claim, got)
		}
	}
}

func TestWhatWasMergedIsNotOnTheLine(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	first := r.Commit(t, files{"a.yaml": pod("a"), "b.yaml": pod("b")})
	r.Git(t, "checkout", "-q", "-b", "side")
	gone := r.Commit(t, files{"b.yaml": pod("b")})
	r.Git(t, "revert", "--no-edit", gone)
	back := r.Git(t, "rev-parse", "HEAD")
	r.Git(t, "checkout", "-q", "main")
	r.Git(t, "merge", "-q", "--no-ff", "-m", "merge", "side")
	s := open(t, git.Options{URL: r.Dir})
	equal(t, []string(nil), renewed(t, s, r.Git(t, "rev-parse", "HEAD"), first, gone, back))
}

func TestAShallowCloneKnowsWhatCameAnewInIt(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	first := r.Commit(t, files{"a.yaml": pod("a")})
	second := r.Commit(t, files{"a.yaml": pod("a"), "b.yaml": pod("b")})
	r.Commit(t, files{"b.yaml": pod("b")})
	head := r.Commit(t, files{"a.yaml": pod("a")})
	clone := filepath.Join(t.TempDir(), "clone")
	r.Git(t, "clone", "-q", "--depth=3", "file://"+r.Dir, clone)
	equal(t, []string{second}, renewed(t, open(t, git.Options{URL: clone}), head, first, second))
}

// busy makes n commits, each of which changes one of so many Deployments, and each hundredth of which takes one out or puts it back.
func busy(t testing.TB, r sourcetest.Repository, n, apps int) []string {
	t.Helper()
	var b strings.Builder
	begin := func(i int) {
		fmt.Fprintf(&b, "commit refs/heads/main\ncommitter Ada <ada@example.com> %d +0000\ndata 1\nc\n", 1_700_000_000+i)
	}
	write := func(app, version int) {
		text := deployment(fmt.Sprintf("app-%d", app), version)
		fmt.Fprintf(&b, "M 100644 inline apps/%d/app-%d.yaml\ndata %d\n%s\n", app%10, app, len(text), text)
	}
	begin(0)
	for app := range apps {
		write(app, 0)
	}
	for i := 1; i < n; i++ {
		begin(i)
		if app := 17 * (i / 200) % apps; i%200 == 100 {
			fmt.Fprintf(&b, "D apps/%d/app-%d.yaml\n", app%10, app)
		} else {
			write(i*7%apps, i)
		}
	}
	r.Import(t, b.String())
	return strings.Fields(r.Git(t, "rev-list", "--reverse", "main"))
}

func deployment(name string, version int) string {
	return strings.NewReplacer("NAME", name, "VERSION", fmt.Sprint(version)).Replace(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  labels: {app: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: main
        image: registry.example/NAME:vVERSION
        ports: [{containerPort: 8080}]
        env:
        - {name: LEVEL, value: info}
        - {name: PORT, value: "8080"}
        resources: {requests: {cpu: 100m, memory: 64Mi}}
`)
}
