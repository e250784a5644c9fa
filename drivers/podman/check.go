package podman

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings/images"
	"github.com/containers/podman/v4/pkg/bindings/system"
	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/live"
)

// examination is how long Examine may take.
const examination = 20 * time.Second

// Examine asks Podman for all that it says of its host, and the host for what Podman does not know: over SSH by plain commands that
// change nothing, on this machine by looking at files.
func (d *Driver) Examine(ctx context.Context) (live.Checkup, error) {
	var up live.Checkup
	err := d.do(ctx, examination, func(ctx context.Context) error {
		info, err := system.Info(ctx, nil)
		if err != nil {
			return err
		}
		up = checkup(info)
		up.Checked, err = checkedImages(ctx)
		return err
	})
	if err != nil {
		return up, err
	}
	up.Skew = d.client.clock.skew()
	switch way := d.client.dialer.(type) {
	case *remote:
		ctx, cancel := context.WithTimeout(ctx, examination)
		defer cancel()
		way.examine(ctx, &up)
	case local:
		examineHere(&up)
	}
	return up, nil
}

// checkedImages asks for each image by itself: lists do not say it. One that has gone meanwhile has none.
func checkedImages(ctx context.Context) (names []string, err error) {
	listed, err := images.List(ctx, nil)
	for _, i := range listed {
		report, err := images.GetImage(ctx, i.ID, nil)
		if err == nil && report.ImageData != nil && report.HealthCheck != nil && !slices.Contains(report.HealthCheck.Test, "NONE") {
			names = slices.Concat(names, i.RepoTags, i.RepoDigests)
		}
	}
	return names, err
}

// numbered is a version in what a program prints of itself: "crun version 1.8.1", "netavark 1.4.0".
var numbered = regexp.MustCompile(`\d+(\.\d+)+`)

// checkup is what Podman says. Servers leave out what they do not know.
func checkup(info *define.Info) live.Checkup {
	up := live.Checkup{Podman: info.Version.Version, Locks: -1, LowPort: -1, Size: -1, Free: -1, SubUIDs: -1, SubGIDs: -1}
	if h := info.Host; h != nil {
		up.OS, up.Kernel = strings.TrimSpace(h.Distribution.Distribution+" "+h.Distribution.Version), h.Kernel
		up.Cgroups, up.Controllers = h.CgroupsVersion, h.CgroupControllers
		up.Network, up.Events, up.Rootless = h.NetworkBackend, h.EventLogger, h.Security.Rootless
		if h.OCIRuntime != nil {
			up.Runtime, up.Runs = h.OCIRuntime.Name, numbered.FindString(h.OCIRuntime.Version)
		}
		if h.NetworkBackend == "netavark" {
			up.Netavark = numbered.FindString(h.NetworkBackendInfo.Version)
		}
		for _, program := range []string{h.Slirp4NetNS.Executable, h.Pasta.Executable} {
			if program != "" {
				up.Outside = append(up.Outside, path.Base(program))
			}
		}
		for _, m := range h.IDMappings.UIDMap { // of the first the user is root in containers
			up.SubUIDs += m.Size
		}
		for _, m := range h.IDMappings.GIDMap {
			up.SubGIDs += m.Size
		}
		if h.FreeLocks != nil {
			up.Locks = int(*h.FreeLocks)
		}
	}
	if s := info.Store; s != nil {
		up.Storage, up.Disk = s.GraphDriverName, s.GraphRoot
		if s.GraphRootAllocated > 0 {
			up.Size = int64(s.GraphRootAllocated)
			up.Free = up.Size - int64(s.GraphRootUsed)
		}
	}
	return up
}

// Where the answers lie on Linux.
const (
	portFile = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
	linger   = "/var/lib/systemd/linger/"
	socket   = "podman.socket"
	restart  = "podman-restart.service"
)

// examine asks the host. What it does not answer stays unknown.
func (r *remote) examine(ctx context.Context, up *live.Checkup) {
	systemctl := "systemctl "
	if up.Rootless {
		systemctl += "--user "
		up.User, _, _ = strings.Cut(r.name(), "@")
	}
	up.Socket, up.Restart = r.said(ctx, systemctl+"is-enabled "+socket), r.said(ctx, systemctl+"is-enabled "+restart)
	up.LowPort = number(r.said(ctx, "cat "+portFile))
	if up.Rootless {
		up.Lingers = yesNo(r.said(ctx, "ls "+linger+up.User) != "")
	}
}

// said is the first line that a command prints; what it ends with does not matter, since systemctl is-enabled fails for "disabled".
func (r *remote) said(ctx context.Context, command string) string {
	out, err := r.output(ctx, command)
	var ended *ssh.ExitError
	if err != nil && !errors.As(err, &ended) {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return first
}

func (r *remote) output(ctx context.Context, command string) (string, error) {
	client, _, err := r.connect(ctx)
	if err != nil {
		return "", err
	}
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	defer func() { _ = session.Close() }()
	return printed(session, command)
}

// examineHere looks at this machine's files. Without systemd nothing is known of what starts with it.
func examineHere(up *live.Checkup) {
	if data, err := os.ReadFile(portFile); err == nil {
		up.LowPort = number(string(data))
	}
	units := "/etc/systemd/system"
	if up.Rootless {
		me, err := user.Current()
		if err != nil {
			return
		}
		up.User = me.Username
		units = filepath.Join(cmp.Or(os.Getenv("XDG_CONFIG_HOME"), me.HomeDir+"/.config"), "systemd/user")
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return
	}
	up.Socket, up.Restart = enabled(units, socket), enabled(units, restart)
	if up.Rootless {
		_, err := os.Stat(linger + up.User)
		up.Lingers = yesNo(err == nil)
	}
}

// enabled says whether something wants the unit: that is what systemctl enable writes down.
func enabled(units, unit string) string {
	if links, _ := filepath.Glob(filepath.Join(units, "*.wants", unit)); len(links) > 0 {
		return "enabled"
	}
	return "disabled"
}

func number(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return -1
	}
	return n
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
