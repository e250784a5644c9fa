package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
	"github.com/podkeep/podkeep/status"
)

// asAnn lets git know who decides, with more of its configuration.
func asAnn(t *testing.T, more string) {
	file := filepath.Join(t.TempDir(), "gitconfig")
	sourcetest.WriteFile(t, file, []byte("[user]\nname = Ann\nemail = ann@example.com\n"+more))
	t.Setenv("GIT_CONFIG_GLOBAL", file)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_SSL_CAINFO", "")
}

// hub is a bare repository of one commit.
func hub(t *testing.T) (bare sourcetest.Repository, head string) {
	work, bare := sourcetest.NewRepository(t), sourcetest.NewBare(t)
	head = work.Commit(t, map[string]string{"node.yaml": aNode})
	work.Git(t, "push", "-q", bare.Dir, "HEAD:main")
	return bare, head
}

func theDecision(verb, why string) manifest.Decision {
	return manifest.Decision{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Verb: verb, App: manifest.ID{Kind: "Rollout", Namespace: "default", Name: "web"},
		Rev: "v1-abc", Step: 1, Who: "ann@example.com", Why: why}
}

func TestTwoWhoDecideAtOnceBothLand(t *testing.T) {
	asAnn(t, "")
	for name, ways := range map[string]func(t *testing.T, bare sourcetest.Repository) *settings{
		"in place": func(_ *testing.T, bare sourcetest.Repository) *settings { return &settings{source: bare.Dir} },
		"ssh": func(t *testing.T, bare sourcetest.Repository) *settings {
			s := sourcetest.ServeSSH(t, bare)
			return &settings{source: s.URL, sshKey: s.KeyFile, knownHosts: s.KnownHosts}
		},
		"https, with a token in a file": func(t *testing.T, bare sourcetest.Repository) *settings {
			h := sourcetest.ServeHTTPS(t, bare)
			h.Basic.Store(&[2]string{"", "s3cret"})
			token := filepath.Join(t.TempDir(), "token")
			sourcetest.WriteFile(t, token, []byte("s3cret\n"))
			return &settings{source: h.URL, caFile: h.CAFile, tokenFile: token}
		},
		"https, with a password in the URL": func(t *testing.T, bare sourcetest.Repository) *settings {
			h := sourcetest.ServeHTTPS(t, bare)
			h.Basic.Store(&[2]string{"ann", "s3cret"})
			return &settings{source: strings.Replace(h.URL, "https://", "https://ann:s3cret@", 1), caFile: h.CAFile}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bare, head := hub(t)
			bare.Git(t, "config", "http.receivepack", "true")
			s := ways(t, bare)
			var all sync.WaitGroup
			for who := range 2 {
				all.Go(func() {
					o := &decideOptions{settings: s, verb: "promote"}
					d, err := o.desk(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					defer d.leave()
					if strings.Contains(d.remote, "s3cret") {
						t.Errorf("git is told %s as an argument", d.remote)
					}
					for i := range 2 {
						if err := d.write(t.Context(), head, git.FormatDecision(theDecision("promote", fmt.Sprint(who, i)))); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			if n := strings.Count(bare.Git(t, "notes", "--ref=podkeep", "show", head), "promote"); n != 4 {
				t.Errorf("%d of 4 landed", n)
			}
			if refs := bare.Git(t, "for-each-ref", "--format=%(refname)"); refs != "refs/heads/main\nrefs/notes/podkeep" {
				t.Errorf("what is there now: %s", refs)
			}
			if who := bare.Git(t, "log", "--format=%an %p", "refs/notes/podkeep"); strings.Count(who, "Ann ") != 4 {
				t.Errorf("by %s", who)
			}
		})
	}
}

func TestNotesThatWereNotPushedStayWhereTheyAre(t *testing.T) {
	asAnn(t, "")
	bare, head := hub(t)
	here := sourcetest.Repository{Dir: filepath.Join(t.TempDir(), "here")}
	bare.Git(t, "clone", "-q", bare.Dir, here.Dir)
	here.Git(t, "notes", "--ref=podkeep", "append", "-m", "mine alone", head)
	o := &decideOptions{settings: &settings{source: here.Dir}, verb: "abort"}
	d, err := o.desk(t.Context())
	if err == nil {
		err = d.write(t.Context(), head, git.FormatDecision(theDecision("abort", "5xx")))
	}
	if err != nil {
		t.Fatal(err)
	}
	there, mine := bare.Git(t, "notes", "--ref=podkeep", "show", head), here.Git(t, "notes", "--ref=podkeep", "show", head)
	if strings.Contains(there, "mine") || !strings.Contains(there, "abort") || !strings.Contains(mine, "mine alone") || !strings.Contains(mine, "abort") {
		t.Errorf("there %q, here %q", there, mine)
	}
}

func TestAPushThatIsRefusedDecidesNothing(t *testing.T) {
	asAnn(t, "")
	bare, head := hub(t)
	here := sourcetest.Repository{Dir: filepath.Join(t.TempDir(), "here")}
	bare.Git(t, "clone", "-q", bare.Dir, here.Dir)
	hook := filepath.Join(bare.Dir, "hooks", "update")
	if err := os.MkdirAll(filepath.Dir(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho not on a Friday\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := &decideOptions{settings: &settings{source: here.Dir}, verb: "abort"}
	d, err := o.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = d.write(t.Context(), head, git.FormatDecision(theDecision("abort", "5xx")))
	if err == nil || !strings.Contains(err.Error(), "nothing was decided: git push: ") || !strings.Contains(err.Error(), "not on a Friday") {
		t.Error(err)
	}
	if refs := here.Git(t, "for-each-ref", "refs/notes"); refs != "" {
		t.Errorf("left behind: %s", refs)
	}
}

func TestADecisionIsSignedWhereCommitsAre(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(t.TempDir(), "signers")
	sourcetest.WriteFile(t, signers, append([]byte("ann@example.com "), public...))
	bare, head := hub(t)
	for config, want := range map[string]int{"": 0, "signingKey = " + key + "\n[gpg]\nformat = ssh\n[commit]\ngpgSign = true\n": 1} {
		asAnn(t, config)
		o := &decideOptions{settings: &settings{source: bare.Dir, decisionSigners: signers}, verb: "promote"}
		d, err := o.desk(t.Context())
		if err == nil {
			err = d.write(t.Context(), head, git.FormatDecision(theDecision("promote", fmt.Sprint(want))))
		}
		if err != nil {
			t.Fatal(err)
		}
		source, err := sources.Open(t.Context(), o.where(bare.Dir, ""))
		if err != nil {
			t.Fatal(err)
		}
		err = o.counts(t.Context(), os.Stderr, source, head, []manifest.Decision{theDecision("promote", fmt.Sprint(want))})
		if counts := err == nil; counts != (want == 1) {
			t.Errorf("with %q: %v", config, err)
		}
		bare.Git(t, "update-ref", "-d", "refs/notes/podkeep")
		_ = source.Close()
	}
}

func TestWhatWouldDoNothingIsRefusedWithWhatIsSo(t *testing.T) {
	web := manifest.ID{Kind: "Rollout", Namespace: "default", Name: "web"}
	paused := plan.App{ID: web, State: plan.Paused, Why: "step 2 of 3", Rev: "v1-abc", Rollout: &plan.Rollout{
		Progress: rollout.Progress{Step: 1, Decide: []string{"promote", "abort"}}}}
	world := status.World{Plan: plan.Plan{Apps: []plan.App{paused}}}
	s := subject{web, "v1-abc", true}
	for _, c := range []struct {
		name   string
		known  footing
		verb   string
		refuse string
	}{
		{"what does something is not", footingOf(world, s), "promote", ""},
		{"what does nothing is", footingOf(world, s), "retry",
			"nothing was decided: retry rollout/web: would do nothing: Paused: step 2 of 3; what would do something: promote, abort (as the fleet says)"},
		{"to promote fully is to promote", footingOf(world, s), "promote-full", ""},
		{"to promote ends a pause", footing{from: "the fleet", rev: "v1-abc", decide: []string{"resume"}}, "promote", ""},
		{"nobody who knows refuses nothing", footing{}, "abort", ""},
		{"an older clone", footing{from: "the controller", rev: "v1-def"}, "abort",
			"nothing was decided: c0ffee0 asks for abc of rollout/web, and the controller has def: one of them is older; git pull, or try again when that is read"},
		{"another branch", footing{from: "the fleet", rev: "v1-abc", newer: strings.Repeat("badcafe0", 5)}, "abort",
			"nothing was decided: the newest rollout of rollout/web began at badcafe, which c0ffee0 does not descend from: this is an older clone, or another branch; git pull, or say which with --branch"},
		{"what was promoted, by the mirror", mirrored([]live.Receipt{{App: web, Rev: "v1-abc", Verb: live.Promoted, Gen: 2}}, s), "abort",
			"nothing was decided: abort rollout/web: there is nothing to abort: promoted 0001-01-01T00:00:00Z: ; what would do something: pause, resume (as refs/notes/podkeep-fleet says)"},
		{"what failed, by the mirror", mirrored([]live.Receipt{{App: web, Rev: "v1-abc", Verb: live.Failed, Gen: 2}}, s), "retry", ""},
		{"of another revision the mirror says nothing", mirrored([]live.Receipt{{App: web, Rev: "v1-def", Verb: live.Promoted, Gen: 2}}, s), "abort", ""},
	} {
		d := theDecision(c.verb, "")
		got := ""
		if err := c.known.refuses(d, strings.Repeat("c0ffee00", 5)); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.refuse, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
	if step := footingOf(world, s).step; step != 1 {
		t.Errorf("at step %d", step)
	}
	began := []live.Receipt{{App: web, Rev: "v1-abc", Verb: live.Began, Gen: 2}, {App: web, Rev: "v1-abc", Verb: live.Stepped, Gen: 2, Step: 3}}
	if step := mirrored(began, s).step; step != 3 {
		t.Errorf("by the mirror at step %d", step)
	}
}

func TestADeploymentGoesByItsRolloutsNameToo(t *testing.T) {
	id := func(kind string) manifest.ID { return manifest.ID{Kind: kind, Namespace: "default", Name: "web"} }
	set := manifest.Set{Workloads: []manifest.Workload{{Meta: manifest.Meta{ID: id("Deployment")}, By: &manifest.By{Meta: manifest.Meta{ID: id("Rollout")}}}}}
	for _, arg := range []string{"web", "rollout/web", "ro/web", "deploy/web"} {
		s, err := subjectOf(set, arg, "default")
		if err != nil || s.id != id("Deployment") {
			t.Errorf("%s is %v, %v", arg, s.id, err)
		}
	}
}

func TestACloneOfTheSourceThatOneStandsInIsWorkedIn(t *testing.T) {
	asAnn(t, "")
	bare, head := hub(t)
	server := sourcetest.ServeSSH(t, bare)
	here := sourcetest.NewRepository(t)
	here.Git(t, "remote", "add", "upstream", server.URL)
	t.Chdir(here.Dir)
	o := &decideOptions{settings: &settings{source: server.URL, sshKey: server.KeyFile, knownHosts: server.KnownHosts}, verb: "abort"}
	d, err := o.desk(t.Context())
	if err == nil {
		err = d.write(t.Context(), head, git.FormatDecision(theDecision("abort", "5xx")))
	}
	if err != nil || d.temporary || d.remote != "upstream" {
		t.Fatalf("%+v, %v", d, err)
	}
	if there, mine := bare.Git(t, "rev-parse", notesRef), here.Git(t, "rev-parse", notesRef); there != mine {
		t.Errorf("there %s, here %s", there, mine)
	}
}
