package devfleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The Podman of a rootless node is a user's own. The node has that user in account files of its own, which lie over this
// machine's, with a home, a runtime directory and sub-ids.

// keeper is what the user is called.
const keeper = "keeper"

// subIDs is how many a user has.
const subIDs = 1 << 16

// ids are a rootless node's user and the first of his sub-ids. The kernel counts processes, keys and more for each user of the machine,
// so no two nodes share one.
func ids(index, number int) (uid, first int) {
	return 20_000 + 100*index + number, 1<<29 + (64*index+number)*subIDs
}

// His home on the node. It is not below /var/lib, as the node's disk is: Podman 4 does not find its networks there.
const home = "/home/" + keeper

// uid is the user's in words, empty on root's nodes.
func (n Node) uid() string {
	if !n.Rootless {
		return ""
	}
	return strconv.Itoa(n.UID)
}

// runtimeDir is where the user finds his Podman on the node.
func (n Node) runtimeDir() string { return "/run/user/" + n.uid() }

// accounts are the files that say who there is on a rootless node, by name below the node's directory.
func accounts(f *Fleet, n Node) map[string]string {
	_, first := ids(f.Index, n.Number)
	sub := fmt.Sprintf("%s:%d:%d\n", keeper, first, subIDs)
	return map[string]string{
		"etc/passwd": fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n%s:x:%d:%[2]d::%[3]s:/bin/sh\n"+
			"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", keeper, n.UID, home),
		"etc/group":  fmt.Sprintf("root:x:0:\ntty:x:5:\n%s:x:%d:\nnogroup:x:65534:\n", keeper, n.UID),
		"etc/subuid": sub,
		"etc/subgid": sub,
	}
}

// settle gives the user what is his on the node's disk.
func (n Node) settle() error {
	dirs := []string{filepath.Join(n.Dir, "storage"), filepath.Dir(n.Socket)}
	at := filepath.Join(n.Dir, home)
	for _, below := range []string{"", ".local", "share", "containers", "storage"} {
		at = filepath.Join(at, below)
		dirs = append(dirs, at)
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chown(dir, n.UID, n.UID); err != nil {
			return err
		}
	}
	return nil
}

// login makes a command one of him whose Podman the node has.
func (n Node) login(args ...string) []string {
	if !n.Rootless {
		return args
	}
	return append([]string{"setpriv", "--reuid", n.uid(), "--regid", n.uid(), "--clear-groups", "--inh-caps=-all", "env",
		"HOME=" + home, "USER=" + keeper, "XDG_RUNTIME_DIR=" + n.runtimeDir()}, args...)
}

// reachable refuses a directory through which a user cannot get to what is his.
func reachable(dir string) error {
	if strings.HasPrefix(dir, "/home/") {
		return fmt.Errorf("fleet directory %s: rootless nodes have their own /home; choose another place", dir)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode()&0o001 == 0 {
			return fmt.Errorf("fleet directory: %s is closed to users other than its owner, and rootless nodes need to get through: chmod o+x %[1]s, or choose another place", dir)
		}
	}
	return nil
}
