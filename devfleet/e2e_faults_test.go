package devfleet_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// What can go wrong does, on real nodes. Each scene checks what the user is told, and that what the fault did not touch
// runs on in the same containers since the same times; and it leaves the fleet well.
func TestAFaultIsSaidAndHarmsNothingElse(t *testing.T) {
	t.Parallel()
	s := build(t, "fl-harm")
	s.folder = "deploy"
	s.populate()
	s.serveForge()
	s.on("n1", "podman", "run", "-d", "--pod", "new:hello-of-others", "localhost/hello:v1")
	s.start()
	s.converges(s.push("hello, three times"))
	s.three()

	s.scene("Git: a forge that is away", forgeAway)
	s.scene("Git: a token that is revoked", tokenRevoked)
	s.scene("Git: an SSH key that is revoked", keyRevoked)
	s.scene("Git: a history that is rewritten", historyRewritten)
	s.scene("Git: a repository that is emptied", repositoryEmptied)
	s.scene("Git: a folder that is renamed", folderRenamed)

	s.scene("node: down and back within its grace", downAndBack)
	s.scene("node: rebooted, its containers are over", rebooted)
	s.scene("node: rebooted, its pods are gone", rebootedBare)
	s.scene("node: its Podman is started anew", serviceRestarted)
	s.scene("node: its Podman dies while it makes a pod", diesWhileMaking)
	s.scene("node: its Podman hangs while a rollout runs", hangsInRollout)
	s.scene("pod: removed by hand", podRemoved)
	s.scene("pod: its container is killed by hand", containerKilled)
	s.scene("pod: its name is taken by somebody else's", nameTaken)
	s.scene("host: its root writes what he likes", hostForges)
	s.scene("clock: a node's is wrong by a day", clockWrong)
	s.scene("image: a registry that refuses", registryRefuses)
	s.scene("image: a registry that is slow", registrySlow)
	s.scene("controllers: two, one of them behind", twoControllers)
	s.scene("disk: an empty one, then a full one", diskReplacedAndFull)
}

func forgeAway(s *stage) {
	before := s.census()
	s.forge.ends()
	s.says("error: ", s.forge.address, "connection refused")
	s.stop()
	s.start() // knows the last head from its cache
	s.says("connection refused", "3/3")
	commit := s.empty("while the forge is away")
	s.forge.begins()
	s.converges(commit)
	s.saysNoMore("connection refused")
	s.still(before)
}

func tokenRevoked(s *stage) {
	before := s.census()
	s.revokes("token")
	s.says("error: ", "401", "3/3")
	commit := s.empty("while the token is revoked")
	s.lets("token")
	s.converges(commit)
	s.still(before)
}

func keyRevoked(s *stage) {
	before := s.census()
	server := sourcetest.ServeSSH(s, sourcetest.Repository{Dir: s.path("fleet.git")})
	signer, err := ssh.ParsePrivateKey([]byte(s.read(s.fleet.Identity())))
	s.ok(err)
	fleets := signer.PublicKey()
	server.Authorize(s, fleets)
	known := s.read(server.KnownHosts) + s.read(s.fleet.KnownHosts())
	s.ok(os.WriteFile(s.path("known"), []byte(known), 0o600))
	https := s.source
	defer func() { s.source = https }()
	s.source = []string{"--source", server.URL, "--branch", "main", "--path", s.folder, "--interval", "1s", "--known-hosts", s.path("known")}
	s.stop()
	s.adopts(https) // another address is another source
	s.start()
	s.converges(s.head())

	server.Authorize(s, sourcetest.NewKey(s, s.path("another"), ""))
	s.says("error: ", "accepts none of our keys", "3/3")
	commit := s.empty("while the key is revoked")
	server.Authorize(s, fleets)
	s.converges(commit)
	s.stop()
	over := s.source
	s.source = https
	s.adopts(over)
	s.start()
	s.converges(commit)
	s.still(before)
}

// historyRewritten drops every commit that the pods were born of.
func historyRewritten(s *stage) {
	before := s.census()
	s.command(s.path("work"), "git", "checkout", "--quiet", "--orphan", "anew")
	s.command(s.path("work"), "git", "commit", "--quiet", "-m", "as if it had always been so")
	s.command(s.path("work"), "git", "branch", "--quiet", "-M", "anew", "main")
	s.command(s.path("work"), "git", "push", "--quiet", "--force", "origin", "main")
	s.converges(s.head())
	s.still(before)
}

func repositoryEmptied(s *stage) {
	before := s.census()
	s.command(s.path("work"), "git", "rm", "-r", "--quiet", ".")
	s.ok(os.MkdirAll(s.path("work", s.folder), 0o755))
	s.write("README.md", "Nothing to see here.\n")
	commit := s.push("a clean start")
	s.says(commit[:7], "nothing is pruned: commit "+commit[:7], "holds no object at all", "Allow-Prune: yes", "left Git and stays")
	s.plans("nothing is pruned", "left Git and stays")
	s.still(before)
	s.command(s.path("work"), "git", "revert", "--no-edit", "HEAD")
	s.converges(s.pushHead())
	s.still(before)
}

func folderRenamed(s *stage) {
	before := s.census()
	s.command(s.path("work"), "git", "mv", s.folder, "moved")
	commit := s.push("a better name")
	text := s.says(`path "`+s.folder+`" is not in commit `+commit[:12], "so its form of", "3/3")
	if strings.Contains(text, "Leaving") {
		s.Errorf("nodes are said to leave:\n%s", text)
	}
	s.still(before)
	s.command(s.path("work"), "git", "revert", "--no-edit", "HEAD")
	s.converges(s.pushHead())
	s.still(before)
}

// twoControllers lets a second one fall behind. It must not drag back what the first rolls out.
func twoControllers(s *stage) {
	second := s.with(s.T)
	second.listen, second.run = freeAddress(s.T), nil
	second.source = s.follows("other")
	s.lets("token", "other")
	s.converges(s.head())
	second.start()
	defer second.stop()
	second.converges(s.head())
	s.revokes("other")
	second.says("401")

	s.edit("config.yaml", "mood: calm", "mood: divided")
	commit := s.push("in another mood")
	s.converges(commit)
	ids, before := s.three(), s.census()
	second.says("no ancestor of HEAD", "waiting for a fetch")
	if again := s.three(); !slices.Equal(ids, again) {
		s.Error("the one behind changed something")
	}
	s.still(before)
	hello, err := s.hello()
	s.ok(err)
	if at := hello.Annotations[live.LabelCommit]; at != commit {
		s.Errorf("the first is at %s", at)
	}
	s.edit("config.yaml", "mood: divided", "mood: calm")
	s.converges(s.push("calm again"))
}
