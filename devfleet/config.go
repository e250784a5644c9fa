package devfleet

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// configure writes the node's own /etc/containers and the other files its system reads. Its disk is made if missing.
func (f *Fleet) configure(ctx context.Context, n Node) error {
	containers := filepath.Join(n.Dir, "etc", "containers")
	for _, dir := range []string{filepath.Join(containers, "networks"), filepath.Join(n.Dir, "storage")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if n.Rootless {
		if err := n.settle(); err != nil {
			return err
		}
	}
	driver, err := storageDriver(ctx, n)
	if err != nil {
		return err
	}
	files := map[string]string{
		"etc/containers/containers.conf": containersConf(n),
		"etc/containers/storage.conf":    storageConf(n, driver),
		"etc/containers/registries.conf": registriesConf(f),
		"etc/containers/policy.json":     `{"default": [{"type": "insecureAcceptAnything"}]}` + "\n",
		"etc/shadow":                     "root:*:19000:0:99999:7:::\n" + keeper + ":*:19000:0:99999:7:::\n",
		"sshd_config":                    sshdConfig(f, n),
	}
	if n.Rootless {
		maps.Copy(files, accounts(f, n))
	}
	for name, content := range files {
		mode := fs.FileMode(0o644)
		if name == "etc/shadow" {
			mode = 0o600
		}
		// In place: the node has some of these mounted.
		if err := os.WriteFile(filepath.Join(n.Dir, name), []byte(content), mode); err != nil {
			return err
		}
	}
	return nil
}

// containersConf asks for nothing that this machine refuses. Soft and hard limits are the same, since Podman 4.3 takes
// one for the other.
func containersConf(n Node) string {
	return fmt.Sprintf(`[containers]
default_ulimits = ["nofile=%[1]d:%[1]d", "nproc=%[2]d:%[2]d"]
log_driver = "k8s-file"
%[5]s
[engine]
runtime = %[3]q
cgroup_manager = "cgroupfs"
events_logger = "file"
events_logfile_max_size = "32m"

[network]
network_backend = "netavark"
default_subnet = %[4]q
`, limit(unix.RLIMIT_NOFILE), limit(unix.RLIMIT_NPROC), n.runtime(), n.Subnet, uncounted())
}

func limit(resource int) uint64 {
	const enough = 1 << 20
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		return 1024
	}
	return min(l.Max, enough)
}

func storageConf(n Node, driver string) string {
	return fmt.Sprintf("[storage]\ndriver = %q\ngraphroot = %q\nrunroot = \"/run/containers/storage\"\n",
		driver, filepath.Join(n.Dir, "storage"))
}

func registriesConf(f *Fleet) string {
	return fmt.Sprintf("unqualified-search-registries = []\n\n[[registry]]\nlocation = %q\ninsecure = true\n", f.Registry())
}

// storageDriver is overlay where the kernel can mount it over the node's disk, for its user if there is one, else vfs, which works
// anywhere and copies much. The trial mount is in a namespace of its own, so nothing is left of it.
func storageDriver(ctx context.Context, n Node) (string, error) {
	probe := filepath.Join(n.Dir, "probe")
	defer os.RemoveAll(probe)
	for _, layer := range []string{"", "lower", "upper", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(probe, layer), 0o755); err != nil {
			return "", err
		}
		if err := os.Chown(filepath.Join(probe, layer), n.UID, n.UID); err != nil {
			return "", err
		}
	}
	trial := []string{"unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", "lowerdir=lower,upperdir=upper,workdir=work", "merged"}
	if n.Rootless {
		trial = n.login(slices.Insert(trial, 1, "--user", "--map-root-user")...)
	}
	cmd := exec.CommandContext(ctx, trial[0], trial[1:]...)
	cmd.Dir = probe
	if cmd.Run() != nil {
		return "vfs", ctx.Err()
	}
	return "overlay", nil
}
