package devfleet

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatCannotBeAFleetIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"a name with a slash", Options{Name: "a/b"}, `fleet name "a/b": want 1 to 20 of a-z, 0-9 and -`},
		{"too many nodes", Options{Nodes: 51}, "fleet dev: 51 nodes: want 1 to 50"},
		{"a relative directory", Options{Dir: "fleet"}, "fleet directory fleet: want an absolute path"},
		{"a directory that nodes hide", Options{Dir: "/run/fleet"}, "fleet directory /run/fleet: nodes have their own /run; choose another place"},
		{"a directory too deep for sockets", Options{Dir: "/" + strings.Repeat("x", 99)},
			"fleet directory /" + strings.Repeat("x", 99) + ": 100 bytes long, sockets in it need it to have at most 87"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.o.filled()
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAnUnknownNodeOverSSHIsRefused(t *testing.T) {
	if _, err := (Options{Name: "fl-x", Nodes: 2, SSH: []string{"n3"}}).filled(); err == nil || !strings.Contains(err.Error(), "n3") {
		t.Error(err)
	}
	if _, err := (Options{Name: "fl-x", Nodes: 2, Rootless: []string{"n3"}}).filled(); err == nil || !strings.Contains(err.Error(), `rootless node "n3"`) {
		t.Error(err)
	}
}

// A user has to get through to what is his, and to find it on his node.
func TestRootlessNodesAreWithinReach(t *testing.T) {
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{filepath.Join(closed, "fleet"): "chmod o+x", "/home/me/fleet": "own /home"} {
		if _, err := (Options{Dir: dir}).filled(); err != nil {
			t.Error(err)
		}
		if _, err := (Options{Dir: dir, Rootless: []string{"n1"}}).filled(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// Users of two nodes share neither an id nor a sub-id, whatever their fleets.
func TestEveryRootlessNodeHasAUserOfItsOwn(t *testing.T) {
	users, subs := map[int]bool{}, map[int]bool{}
	for index := firstIndex; index <= lastIndex; index += 2 {
		for number := 1; number <= 50; number++ {
			uid, first := ids(index, number)
			if users[uid] || subs[first] || first%subIDs != 0 || uid >= 60_000 || first+subIDs > 1<<31 {
				t.Fatal(index, number, uid, first)
			}
			users[uid], subs[first] = true, true
		}
	}
}

func TestWhatIsMissingComesWithTheCommandThatMendsIt(t *testing.T) {
	err := missing([]string{"runc", "netavark", "runc"})
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y runc netavark") {
		t.Error(err)
	}
}

func TestNodesAreWrittenAsManifests(t *testing.T) {
	o := Options{Name: "fl-x", Nodes: 3, SSH: []string{"n2", "n3"}, Rootless: []string{"n1", "n3"}, Dir: "/fleets/x"}
	f := &Fleet{Name: o.Name, Dir: o.Dir, Nodes: o.nodes()}
	f.at(42)
	want := "# The nodes of local fleet fl-x, written by `podkeep dev up`." + `
# Its Podman is a user's own: keeper (24201).
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations:
    podkeep.io/address: 10.142.0.11
spec:
  providerID: podman+unix:///fleets/x/n1/run/podman.sock
  podCIDR: 10.42.1.0/24
---
apiVersion: v1
kind: Node
metadata:
  name: n2
  annotations:
    podkeep.io/address: 10.142.0.12
spec:
  providerID: podman+ssh://root@10.142.0.12:22/run/podman/podman.sock
  podCIDR: 10.42.2.0/24
---
# Its Podman is a user's own: keeper (24203).
apiVersion: v1
kind: Node
metadata:
  name: n3
  annotations:
    podkeep.io/address: 10.142.0.13
spec:
  providerID: podman+ssh://keeper@10.142.0.13:22/run/user/24203/podman/podman.sock
  podCIDR: 10.42.3.0/24
`
	if diff := cmp.Diff(want, string(f.Manifests())); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameProgramMakesTheSameImage(t *testing.T) {
	options := ImageOptions{Args: []string{"-v"}, Files: map[string][]byte{"/etc/b": []byte("b"), "/etc/a": []byte("a")}}
	first, err := Image("localhost/x:1", []byte("program"), options)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Image("localhost/x:1", []byte("program"), options)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two archives differ")
	}
	if _, err := Image("localhost/x", nil, options); err == nil {
		t.Error("an image without a tag is taken")
	}
}
