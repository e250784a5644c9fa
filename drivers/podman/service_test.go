package podman_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/manifest"
)

// service is a real Podman service with a store of its own.
type service struct {
	dir, socket string
	cmd         *exec.Cmd
	loaded      bool // the store has the test program's image
}

// shared is the service of all tests that leave it as they found it.
var shared *service

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if id := os.Getenv(inContainer); id != "" {
		if err := probeFromInside(id); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "pk-podman")
	if err != nil {
		panic(err)
	}
	shared = &service{dir: dir, socket: filepath.Join(dir, "podman.sock")}
	defer shared.destroy()
	if err := shared.start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// config makes Podman work in places with few rights: hybrid cgroups need runc, limits must not exceed our own, and where the kernel
// cannot count processes there is none for them. PODKEEP_TEST_RUNTIME names another runtime.
func (s *service) config() string {
	var files, procs syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)
	_ = syscall.Getrlimit(6, &procs) // RLIMIT_NPROC
	few := func(n uint64) uint64 { return min(n, 20_000) }
	uncounted := ""
	if v2, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil && !bytes.Contains(v2, []byte("pids")) {
		uncounted = "pids_limit = 0\n"
	}
	return fmt.Sprintf(`[containers]
default_ulimits = ["nofile=%d:%d", "nproc=%d:%d"]
%s[engine]
runtime = %q
cgroup_manager = "cgroupfs"
events_logger = "file"
`, few(files.Max), few(files.Max), few(procs.Max), few(procs.Max), uncounted, cmp.Or(os.Getenv("PODKEEP_TEST_RUNTIME"), "runc"))
}

// program is the Podman that is tried: the one that is installed, or another that PODKEEP_TEST_PODMAN names.
func program() string { return cmp.Or(os.Getenv("PODKEEP_TEST_PODMAN"), "podman") }

const registries = "unqualified-search-registries = []\n[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n"

// podman is a command on the service's store.
func (s *service) podman(args ...string) *exec.Cmd {
	base := []string{
		"--root", s.dir + "/root", "--runroot", s.dir + "/run", "--tmpdir", s.dir + "/tmp", "--network-config-dir", s.dir + "/net",
	}
	cmd := exec.Command(program(), append(base, args...)...)
	cmd.Env = append(os.Environ(), "PODMAN_IGNORE_CGROUPSV1_WARNING=1", "CONTAINERS_CONF="+s.dir+"/containers.conf", "CONTAINERS_REGISTRIES_CONF="+s.dir+"/registries.conf")
	return cmd
}

// start starts the service and waits until it answers.
func (s *service) start() error {
	if err := os.WriteFile(s.dir+"/containers.conf", []byte(s.config()), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(s.dir+"/registries.conf", []byte(registries), 0o600); err != nil {
		return err
	}
	s.cmd = s.podman("system", "service", "--time", "0", "unix://"+s.socket)
	log, err := os.Create(s.dir + "/log")
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	d := open(s.socket, "start")
	defer d.Close()
	for deadline := time.Now().Add(drivertest.Patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := d.Observe(context.Background()); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(s.dir + "/log")
			return fmt.Errorf("podman does not answer: %s", said)
		}
	}
}

// halt stops a process until the test ends. A signal that was sent has not arrived yet: halt returns when it has taken hold.
func halt(t testing.TB, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Signal(syscall.SIGCONT) })
	for deadline := time.Now().Add(drivertest.Patience); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid))
		if err == nil && bytes.Contains(stat, []byte(") T ")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not halt: %s (%v)", stat, err)
		}
	}
}

func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// destroy removes every trace.
func (s *service) destroy() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	s.kill()
	_ = s.podman("pod", "rm", "-f", "-t", "0", "-a").Run()
	_ = s.podman("rm", "-f", "-t", "0", "-a").Run()
	_ = s.podman("network", "prune", "-f").Run()
	_ = syscall.Unmount(s.dir+"/root/overlay", syscall.MNT_DETACH)
	_ = os.RemoveAll(s.dir)
}

func node(socket string) manifest.Node {
	n := manifest.Node{ProviderID: "podman+unix://" + socket}
	n.Name = "n1"
	return n
}

func open(socket, cluster string) drivers.Driver {
	d, err := drivers.Open(context.Background(), node(socket), drivers.Options{Cluster: cluster, Whole: true, Look: drivertest.Patience, Change: drivertest.Patience})
	if err != nil {
		panic(err)
	}
	return d
}

// load puts the test program's image on the host, where it stays.
func (s *service) load(t testing.TB) {
	t.Helper()
	if s.loaded {
		return
	}
	d := open(s.socket, "load")
	defer d.Close()
	if err := d.(drivers.Loader).Load(t.Context(), bytes.NewReader(drivertest.Archive(t))); err != nil {
		t.Fatal(err)
	}
	s.loaded = true
}
