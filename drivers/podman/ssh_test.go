package podman_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// sshd is a real SSH server on loopback with keys of its own.
type sshd struct {
	*testing.T
	dir, address string
	host         ssh.PublicKey
	cmd          *exec.Cmd
}

func newSSHD(t *testing.T) *sshd {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{T: t, dir: t.TempDir(), address: l.Addr().String()}
	_ = l.Close()
	s.host = s.key("host")
	s.write("authorized_keys", string(ssh.MarshalAuthorizedKey(s.key("user"))))
	s.trust("known_hosts", s.host)
	s.start()
	t.Cleanup(s.stop)
	return s
}

// key makes a private key file and gives its public half.
func (s *sshd) key(name string) ssh.PublicKey {
	s.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	s.ok(err)
	block, err := ssh.MarshalPrivateKey(private, "")
	s.ok(err)
	s.write(name, string(pem.EncodeToMemory(block)))
	key, err := ssh.NewPublicKey(public)
	s.ok(err)
	return key
}

func (s *sshd) trust(file string, key ssh.PublicKey) {
	s.Helper()
	s.write(file, knownhosts.Line([]string{s.address}, key)+"\n")
}

func (s *sshd) write(name, content string) {
	s.Helper()
	s.ok(os.WriteFile(s.dir+"/"+name, []byte(content), 0o600))
}

func (s *sshd) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *sshd) start() {
	s.Helper()
	host, port, _ := net.SplitHostPort(s.address)
	s.write("config", fmt.Sprintf(`ListenAddress %s
Port %s
HostKey %s/host
AuthorizedKeysFile %s/authorized_keys
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
`, host, port, s.dir, s.dir))
	_ = os.MkdirAll("/run/sshd", 0o755)
	s.cmd = exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", s.dir+"/config")
	log, err := os.Create(s.dir + "/log")
	s.ok(err)
	defer log.Close()
	s.cmd.Stderr = log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.ok(s.cmd.Start())
	for deadline := time.Now().Add(drivertest.Patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(s.dir + "/log")
			s.Fatalf("%v: %s", err, said)
		}
	}
}

// stop ends the server and the sessions that it forked, which live on without it.
func (s *sshd) stop() {
	for _, pid := range append(offspring(s.cmd.Process.Pid), s.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = s.cmd.Wait()
}

func offspring(pid int) (all []int) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(data)) {
		child, err := strconv.Atoi(f)
		if err == nil {
			all = append(append(all, offspring(child)...), child)
		}
	}
	return all
}

// open gives a driver through the server. path is the socket's.
func (s *sshd) open(cluster, path, knownHosts, key string, look time.Duration) drivers.Driver {
	s.Helper()
	me, err := user.Current()
	s.ok(err)
	var n manifest.Node
	n.Name, n.ProviderID = "n1", "podman+ssh://"+me.Username+"@"+s.address+path
	d, err := drivers.Open(s.Context(), n, drivers.Options{
		Cluster: cluster, KnownHosts: []string{s.dir + "/" + knownHosts}, Identity: []string{s.dir + "/" + key}, Look: look,
	})
	s.ok(err)
	s.Cleanup(func() { s.ok(d.Close()) })
	return d
}

func TestOverSSHAPodRunsAndStops(t *testing.T) {
	shared.load(t)
	s := newSSHD(t)
	d := s.open(drivertest.Cluster, shared.socket, "known_hosts", "user", drivertest.Patience)
	pod := drivertest.Pod("overssh", drivertest.Ref)
	if err := d.Run(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	n, err := d.Observe(t.Context())
	if err != nil || len(n.Pods) != 1 || n.Pods[0].Containers[0].State != live.Running {
		t.Errorf("%v: %+v", err, n.Pods)
	}
	if want := ssh.FingerprintSHA256(s.host); n.HostKey != want {
		t.Errorf("the host's key is %q, want %q", n.HostKey, want)
	}
	if err := d.Stop(t.Context(), pod.Name); err != nil {
		t.Fatal(err)
	}
}

func TestABrokenSSHConnectionIsMadeAgain(t *testing.T) {
	s := newSSHD(t)
	d := s.open("again", shared.socket, "known_hosts", "user", drivertest.Patience)
	if _, err := d.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if _, err := d.Observe(t.Context()); err == nil {
		t.Fatal("an unreachable host was observed")
	}
	s.start()
	if _, err := d.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnknownHostIsRefusedWithWhatToRun(t *testing.T) {
	s := newSSHD(t)
	_, port, _ := net.SplitHostPort(s.address)
	s.write("empty", "")
	_, err := s.open("u", shared.socket, "empty", "user", drivertest.Patience).Observe(t.Context())
	for _, want := range []string{"not known", ssh.FingerprintSHA256(s.host), "run: echo '[127.0.0.1]:" + port + " ssh-ed25519 ", "' >> " + s.dir + "/empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if data, _ := os.ReadFile(s.dir + "/empty"); len(data) > 0 {
		t.Errorf("it was written down: %s", data)
	}
	if _, err := s.open("u", shared.socket, "missing", "user", drivertest.Patience).Observe(t.Context()); err == nil {
		t.Error("without a known_hosts file every host is trusted")
	}
}

func TestAHostWhoseKeyChangedIsRefusedWithWhatToRun(t *testing.T) {
	s := newSSHD(t)
	s.trust("changed", s.key("other"))
	_, err := s.open("c", shared.socket, "changed", "user", drivertest.Patience).Observe(t.Context())
	for _, want := range []string{"has changed", s.dir + "/changed:1", "ssh-keygen -f " + s.dir + "/changed -R"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestAKeyThatIsNotAuthorizedIsSaidSo(t *testing.T) {
	s := newSSHD(t)
	s.key("stranger")
	_, err := s.open("k", shared.socket, "known_hosts", "stranger", drivertest.Patience).Observe(t.Context())
	if err == nil || !strings.Contains(err.Error(), "authorized_keys") {
		t.Errorf("%v", err)
	}
}

func TestARemoteSocketThatIsNotThereIsNamed(t *testing.T) {
	s := newSSHD(t)
	_, err := s.open("p", s.dir+"/none.sock", "known_hosts", "user", drivertest.Patience).Observe(t.Context())
	if err == nil || !strings.Contains(err.Error(), s.dir+"/none.sock") || !strings.Contains(err.Error(), "podman.socket") {
		t.Errorf("%v", err)
	}
}

func TestAnEmptyPathIsTheUsersDefaultSocket(t *testing.T) {
	s := newSSHD(t)
	want := "/run/podman/podman.sock"
	if uid := os.Getuid(); uid != 0 {
		want = fmt.Sprintf("/run/user/%d/podman/podman.sock", uid)
	}
	_, err := s.open("d", "", "known_hosts", "user", drivertest.Patience).Observe(t.Context())
	if err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

func TestDiallingEndsWithItsContext(t *testing.T) {
	s := newSSHD(t)
	d := s.open("h", shared.socket, "known_hosts", "user", 300*time.Millisecond)
	halt(t, s.cmd.Process)
	if _, err := d.Observe(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
