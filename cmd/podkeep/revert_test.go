package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/sources/sourcetest"
)

const lostNode = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {providerID: \"podman+unix:///nonexistent/podman.sock\"}\n"

// A fleet that cannot be looked at keeps nobody from reverting.
func TestRevertPushesOverSSHFromATemporaryCloneOrTheOneAtHand(t *testing.T) {
	work, hub := sourcetest.NewRepository(t), sourcetest.NewBare(t)
	work.Git(t, "remote", "add", "origin", hub.Dir)
	server := sourcetest.ServeSSH(t, hub)
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "XDG_CACHE_HOME": t.TempDir(), "TMPDIR": t.TempDir(), "GIT_CONFIG_NOSYSTEM": "1",
		"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com", "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com",
	} {
		t.Setenv(name, value)
	}
	push := func(value string) {
		work.Commit(t, map[string]string{"node.yaml": lostNode, "fleet/a.yaml": sourcetest.ConfigMap("a", value)})
		work.Git(t, "push", "-q", "origin", "HEAD")
	}
	push("one")
	for _, c := range []struct{ name, dir string }{{"a temporary one", t.TempDir()}, {"the one at hand", work.Dir}} {
		t.Run(c.name, func(t *testing.T) {
			if c.dir == work.Dir {
				work.Git(t, "pull", "-q", "--rebase", "origin", "main")
				work.Git(t, "remote", "set-url", "origin", server.URL)
				work.Git(t, "remote", "set-url", "--push", "origin", hub.Dir)
			}
			push("two")
			before := work.Git(t, "rev-parse", "HEAD")
			t.Chdir(c.dir)
			var out, errOut bytes.Buffer
			code := execute([]string{"revert", "--yes", "--source", server.URL, "--branch", "main", "--ssh-key", server.KeyFile,
				"--known-hosts", server.KnownHosts}, &out, &errOut)
			if code != 0 || !strings.Contains(errOut.String(), "what the fleet would do is not known: n1: ") {
				t.Fatalf("%d\n%s\n%s", code, &out, &errOut)
			}
			if said := hub.Git(t, "log", "-1", "--format=%s, %an", "main"); said != `Revert "as written", Ann` {
				t.Error(said)
			}
			if now := work.Git(t, "rev-parse", "HEAD"); now != before {
				t.Errorf("the clone went from %s to %s", before, now)
			}
			if left, _ := filepath.Glob(os.Getenv("TMPDIR") + "/podkeep-*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// The token that the source is read with lets git push, and stands among nobody's arguments.
func TestRevertPushesWithTheTokenAndShowsItToNobody(t *testing.T) {
	const token = "s3cret-token"
	work, hub := sourcetest.NewRepository(t), sourcetest.NewBare(t)
	work.Git(t, "remote", "add", "origin", hub.Dir)
	hub.Git(t, "config", "http.receivepack", "true")
	server := sourcetest.ServeHTTPS(t, hub)
	server.Basic.Store(&[2]string{"", token})
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	spied, args := t.TempDir(), filepath.Join(t.TempDir(), "args")
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$*\" >>%s\nexec %s \"$@\"\n", args, real)
	if err := os.WriteFile(filepath.Join(spied, "git"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"one", "two"} {
		work.Commit(t, map[string]string{"node.yaml": lostNode, "a.yaml": sourcetest.ConfigMap("a", value)})
		work.Git(t, "push", "-q", "origin", "HEAD")
	}
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "XDG_CACHE_HOME": t.TempDir(), "GIT_CONFIG_NOSYSTEM": "1", "PODKEEP_GIT_TOKEN": token, "GIT_SSL_CAINFO": "",
		"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com", "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com",
		"PATH": spied + ":" + os.Getenv("PATH"),
	} {
		t.Setenv(name, value)
	}
	t.Chdir(t.TempDir())
	var out, errOut bytes.Buffer
	if code := execute([]string{"revert", "--yes", "--source", server.URL, "--branch", "main", "--ca-file", server.CAFile}, &out, &errOut); code != 0 {
		t.Fatalf("%d\n%s\n%s", code, &out, &errOut)
	}
	if said := hub.Git(t, "log", "-1", "--format=%s", "main"); said != `Revert "as written"` {
		t.Error(said)
	}
	ran, err := os.ReadFile(args)
	if err != nil || !bytes.Contains(ran, []byte("push")) {
		t.Fatalf("no push was seen: %v\n%s", err, ran)
	}
	if all := string(ran) + out.String() + errOut.String(); strings.Contains(all, token) {
		t.Errorf("the token is shown:\n%s", all)
	}
}
