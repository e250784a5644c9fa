package devfleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// need is a program and the Debian package that brings it.
type need struct{ program, pkg string }

var needs = []need{
	{"podman", "podman"},
	{"conmon", "conmon"},
	{"catatonit", "catatonit"},
	{"iptables", "iptables"},
	{"nsenter", "util-linux"},
	{"unshare", "util-linux"},
	{"setsid", "util-linux"},
}

// usersNeeds are what a user's own Podman needs beside them.
var usersNeeds = []need{
	{"newuidmap", "uidmap"},
	{"slirp4netns", "slirp4netns"},
	{"setpriv", "util-linux"},
}

// Preflight says everything that keeps a fleet from working on this machine, with the command that mends it.
func Preflight(withSSH, rootless bool) error {
	if err := root(); err != nil {
		return err
	}
	packages := lacking(needs)
	if !there("netavark", "/usr/lib/podman", "/usr/libexec/podman") {
		packages = append(packages, "netavark")
	}
	if withSSH && !there("sshd", "/usr/sbin") {
		packages = append(packages, "openssh-server")
	}
	if rootless {
		packages = append(packages, lacking(usersNeeds)...)
	}
	if ociRuntime() == "" {
		packages = append(packages, "runc")
	}
	err := errors.Join(capable(), missing(packages), controlGroups())
	if rootless {
		err = errors.Join(err, letsUsers())
	}
	return err
}

// lacking are the packages whose programs are not there.
func lacking(needs []need) (packages []string) {
	for _, n := range needs {
		if !there(n.program) {
			packages = append(packages, n.pkg)
		}
	}
	return packages
}

// letsUsers says what keeps users from namespaces of their own.
func letsUsers() error {
	var all []error
	for _, f := range []struct{ path, make string }{{"/dev/net/tun", "modprobe tun"}, {"/etc/subuid", "touch /etc/subuid"}, {"/etc/subgid", "touch /etc/subgid"}} {
		if _, err := os.Stat(f.path); err != nil {
			all = append(all, fmt.Errorf("%s: rootless nodes need it; make it with: %s", f.path, f.make))
		}
	}
	for _, setting := range []string{"user/max_user_namespaces", "kernel/unprivileged_userns_clone"} {
		if said, err := os.ReadFile("/proc/sys/" + setting); err == nil && strings.TrimSpace(string(said)) == "0" {
			all = append(all, fmt.Errorf("users may have no namespaces here, which rootless nodes need: sysctl %s=1000", strings.ReplaceAll(setting, "/", ".")))
		}
	}
	return errors.Join(all...)
}

func missing(packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	return fmt.Errorf("a fleet needs programs that are missing here; install them with: apt-get install -y %s",
		strings.Join(unique(packages), " "))
}

func controlGroups() error {
	if mounted("/sys/fs/cgroup") {
		return nil
	}
	return errors.New("/sys/fs/cgroup: no control groups are mounted, so containers cannot be made; in a container, start it with --privileged")
}

// capable says whether this root may do what making namespaces and links takes. In a container it often may not.
func capable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	for number, name := range []string{unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN"} {
		if name != "" && data[0].Effective&(1<<number) == 0 {
			return fmt.Errorf("root lacks %s here, which namespaces and links take; in a container, start it with --privileged", name)
		}
	}
	return nil
}

func root() error {
	if os.Geteuid() != 0 {
		return errors.New("a fleet of nodes in namespaces takes root; run it with sudo")
	}
	return nil
}

// ociRuntime is the container runtime that works here: crun refuses the hybrid layout of control groups, in which
// version 2 is mounted beside version 1.
func ociRuntime() string {
	order := []string{"crun", "runc"}
	if hybrid() {
		order = []string{"runc"}
	}
	for _, name := range order {
		if there(name) {
			return name
		}
	}
	return ""
}

// runtime is the container runtime of the node. Beside a newer Podman it is runc, which takes what a newer one writes; the crun of
// Debian 12 says that of Podman 5.8 has an unknown version.
func (n Node) runtime() string {
	if n.Podman != "" && there("runc") {
		return "runc"
	}
	return ociRuntime()
}

// uncounted is a line of containers.conf, where the kernel cannot count a group's processes: without it Podman limits them.
func uncounted() string {
	controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	if err != nil || strings.Contains(string(controllers), "pids") {
		return ""
	}
	return "pids_limit = 0\n"
}

func hybrid() bool { return mounted("/sys/fs/cgroup/unified") || !unified() }

func unified() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// mounted says whether something other than sysfs or a plain directory is at path.
func mounted(path string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil {
		return false
	}
	return fs.Type == unix.CGROUP2_SUPER_MAGIC || fs.Type == unix.CGROUP_SUPER_MAGIC || fs.Type == unix.TMPFS_MAGIC && path == "/sys/fs/cgroup"
}

// there looks for a program on the path and in further places.
func there(program string, places ...string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	for _, dir := range append(places, "/usr/sbin", "/usr/libexec/podman", "/usr/lib/podman") {
		if _, err := os.Stat(dir + "/" + program); err == nil {
			return true
		}
	}
	return false
}

func unique(words []string) []string {
	var once []string
	seen := map[string]bool{}
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			once = append(once, w)
		}
	}
	return once
}
