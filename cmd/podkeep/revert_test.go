package main

import (
	"bytes"
	"os"
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
