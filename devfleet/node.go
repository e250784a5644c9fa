package devfleet

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed boot.sh
var bootScript string

// patience bounds each wait for a part of a node. It is far above what any machine needs: what will never be is found out by
// looking, where it can be.
const patience = 5 * time.Minute

// heal brings a node to what it should be, whatever state it is in: on, plugged in, thawed, answering.
func (f *Fleet) heal(ctx context.Context, n Node) error {
	keep()
	if err := f.configure(ctx, n); err != nil {
		return err
	}
	pid, err := boot(ctx, n)
	if err != nil {
		return err
	}
	if err := f.plug(n, pid); err != nil {
		return err
	}
	if err := serve(ctx, n, pid); err != nil {
		return err
	}
	if n.SSH {
		return serveSSH(ctx, n, pid)
	}
	return nil
}

// boot starts the node's init unless it runs, and returns its process id on this machine. The init is nobody's
// child that would have to wait for it: it outlives the process that booted it.
func boot(ctx context.Context, n Node) (int, error) {
	if pid, on := initOf(n.Dir); on {
		return pid, booted(ctx, n, pid)
	}
	logPath := filepath.Join(n.Dir, "boot.log")
	log, err := os.Create(logPath)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, "setsid", "--fork", "unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork",
		"sh", "-c", bootScript, "boot", n.Dir, n.Name, n.Podman, n.uid())
	cmd.Env, cmd.Stdout, cmd.Stderr = n.environ(), log, log
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	pid, on := 0, false
	ended := gone(n.Dir)
	err = until(ctx, patience, "boot", func() bool { pid, on = initOf(n.Dir); return on || ended() })
	if err == nil && on {
		err = booted(ctx, n, pid)
	}
	if said, _ := os.ReadFile(logPath); err != nil || !on {
		return 0, fmt.Errorf("boot: %s (%v)", bytes.TrimSpace(said), err)
	}
	return pid, nil
}

// booted waits until the boot script has become the init.
func booted(ctx context.Context, n Node, pid int) error {
	dead := false
	err := until(ctx, patience, "boot", func() bool {
		p, ok := read(pid)
		dead = !ok || p.State == 'Z'
		return dead || filepath.Base(p.Args[0]) == "catatonit"
	})
	if err == nil && dead {
		said, _ := os.ReadFile(filepath.Join(n.Dir, "boot.log"))
		return fmt.Errorf("boot: %s", bytes.TrimSpace(said))
	}
	return err
}

// powerOff ends everything that runs on the node whose directory this is, at once, as a power cut does.
func powerOff(ctx context.Context, nodeDir string) error {
	if pid, on := initOf(nodeDir); on {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	ended := gone(nodeDir)
	err := until(ctx, patience, nodeDir+": power off", func() bool {
		for _, pid := range marked(nodeDir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return ended()
	})
	if err != nil {
		return err
	}
	return removeCgroups(ctx, nodeDir)
}

// serve starts the node's Podman service unless it runs, and waits until it answers.
func serve(ctx context.Context, n Node, pid int) error {
	services := n.services(pid)
	for _, p := range services {
		_ = syscall.Kill(p.PID, syscall.SIGCONT)
	}
	if len(services) == 0 {
		err := n.daemon(ctx, pid, "service.log", n.login("podman", "system", "service", "--time", "0", "unix://"+n.Socket)...)
		if err != nil {
			return err
		}
	}
	err := answer(ctx, "podman", n.pings, func() bool { return len(n.services(pid)) > 0 })
	if err != nil {
		return fmt.Errorf("%w\n%s", err, n.tail("service.log"))
	}
	return nil
}

func serveSSH(ctx context.Context, n Node, pid int) error {
	if len(n.sshds(pid)) == 0 {
		config := filepath.Join(n.Dir, "sshd_config")
		if err := n.daemon(ctx, pid, "sshd.log", "/usr/sbin/sshd", "-D", "-e", "-f", config); err != nil {
			return err
		}
	}
	err := answer(ctx, "sshd", n.greets, func() bool { return len(n.sshds(pid)) > 0 })
	if err != nil {
		return fmt.Errorf("%w\n%s", err, n.tail("sshd.log"))
	}
	return nil
}

// answer waits until a program that was started answers, or was seen to run and does so no more.
func answer(ctx context.Context, program string, answers func(context.Context) bool, runs func() bool) error {
	seen, missed, answered := false, 0, false
	err := until(ctx, patience, program+" does not answer", func() bool {
		if runs() {
			seen, missed = true, 0
		} else if seen {
			missed++
		}
		answered = answers(ctx)
		return answered || missed >= 5 // see gone
	})
	if err == nil && !answered {
		return fmt.Errorf("%s ended before it answered", program)
	}
	return err
}

// daemon starts a program on the node, as a child of its init.
func (n Node) daemon(ctx context.Context, pid int, log string, args ...string) error {
	script := `log=$1; shift; setsid "$@" >>"$log" 2>&1 </dev/null &`
	all := append([]string{"sh", "-c", script, "daemon", filepath.Join(n.Dir, log)}, args...)
	return n.enter(ctx, pid, all...).Run()
}

// enter is a command to be run on the node.
func (n Node) enter(ctx context.Context, pid int, args ...string) *exec.Cmd {
	all := append([]string{"--target", strconv.Itoa(pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--"}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", all...)
	cmd.Env = n.environ()
	return cmd
}

func (n Node) environ() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
		"PODMAN_IGNORE_CGROUPSV1_WARNING=1", mark + "=" + n.Dir}
}

func (n Node) services(pid int) []process { return filter(beside(pid), process.service) }
func (n Node) sshds(pid int) []process    { return filter(beside(pid), process.sshd) }

func filter(all []process, wanted func(process) bool) []process {
	var found []process
	for _, p := range all {
		if wanted(p) {
			found = append(found, p)
		}
	}
	return found
}

// client speaks to the node's Podman over its socket. It keeps no connection.
func (n Node) client() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", n.Socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

func (n Node) pings(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://podman/_ping", nil)
	if err != nil {
		return false
	}
	response, err := n.client().Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (n Node) greets(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(n.Address, "22"))
	if err != nil {
		return false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	greeting := make([]byte, 4)
	read, _ := conn.Read(greeting)
	return strings.HasPrefix(string(greeting[:read]), "SSH-")
}

// tail is the end of one of the node's logs.
func (n Node) tail(log string) string {
	data, _ := os.ReadFile(filepath.Join(n.Dir, log))
	return string(data[max(0, len(data)-2000):])
}
