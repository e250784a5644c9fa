package devfleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/podkeep/podkeep/node/dump"
)

// upInChild makes the test binary bring up the fleet it names, to be killed while it does.
const upInChild = "DEVFLEET_TEST_UP"

func TestMain(m *testing.M) {
	if name := os.Getenv(upInChild); name != "" {
		if _, err := Up(context.Background(), Options{Name: name, Nodes: 2, SSH: []string{"n2"}}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := Own(); err != nil {
		log.Fatal(err)
	}
	os.Exit(m.Run())
}

// up makes a fleet that the test's end removes.
func up(t *testing.T, o Options) *Fleet {
	t.Helper()
	t.Cleanup(func() {
		if err := Down(context.Background(), o.Name, o.Dir); err != nil {
			t.Error(err)
		}
	})
	o.Podman = os.Getenv("PODKEEP_TEST_PODMAN")
	f, err := Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// state is what Status says of all nodes, on one line.
func state(f *Fleet) string {
	var all []string
	for _, s := range f.Status() {
		all = append(all, s.String())
	}
	return strings.Join(all, "; ")
}

func inits(f *Fleet) (pids []int) {
	for _, n := range f.Nodes {
		pid, _ := initOf(n.Dir)
		pids = append(pids, pid)
	}
	return pids
}

// echo is an image whose program answers on :8080.
func echo(t *testing.T) []byte {
	t.Helper()
	program, err := Build(t.Context(), "../examples/hello/app", "main.version=test")
	if err != nil {
		t.Fatal(err)
	}
	archive, err := Image("localhost/echo:1", program, ImageOptions{Env: []string{"MOOD=testy"}})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func (f *Fleet) mustRun(t *testing.T, node string, args ...string) string {
	t.Helper()
	out, err := f.Output(t.Context(), node, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// eventually asks until the error is nil, for ten minutes.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	var err error
	if until(t.Context(), 10*time.Minute, "", func() bool { err = ask(); return err == nil }) != nil {
		t.Fatal(err)
	}
}

func TestAFleetWorksAndLeavesNoTrace(t *testing.T) {
	f := up(t, Options{Name: "fl-whole", Nodes: 3, SSH: []string{"n3"}})
	if got := state(f); got != "up; up; up" {
		t.Fatal(got)
	}

	t.Run("up again changes nothing", func(t *testing.T) {
		first := inits(f)
		if _, err := Up(t.Context(), Options{Name: "fl-whole"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, inits(f)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("up as another fleet is refused", func(t *testing.T) {
		if _, err := Up(t.Context(), Options{Name: "fl-whole", Nodes: 4}); err == nil || !strings.Contains(err.Error(), "it has 3 nodes") {
			t.Error(err)
		}
	})
	t.Run("up with another Podman is refused, and so is one that is not there", func(t *testing.T) {
		for program, want := range map[string]string{"/bin/true": "take it down before giving it another", "/none": "no such file"} {
			if _, err := Up(t.Context(), Options{Name: "fl-whole", Podman: program}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", program, err)
			}
		}
	})
	t.Run("another process finds it", func(t *testing.T) {
		again, err := Open("fl-whole", "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, again); diff != "" {
			t.Error(diff)
		}
	})

	image := echo(t)
	if err := f.LoadEverywhere(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	for _, n := range f.Nodes {
		f.mustRun(t, n.Name, "podman", "run", "-d", "--name", "echo", "--pod", "new:web", "--memory", "64m", "localhost/echo:1")
	}
	t.Run("pods have addresses of their node's subnet, and this machine reaches them", func(t *testing.T) {
		for _, n := range f.Nodes {
			if ip := podIP(t, f, n); !inside(n.Subnet, ip) {
				t.Errorf("%s: %s is not in %s", n.Name, ip, n.Subnet)
			}
			eventually(t, func() error { return answers(podIP(t, f, n)) })
		}
	})
	t.Run("pods of different nodes reach each other", func(t *testing.T) {
		to := podIP(t, f, f.Nodes[2])
		pid := f.mustRun(t, "n1", "podman", "inspect", "--format", "{{.State.Pid}}", "echo")
		ask := fmt.Sprintf(`exec 3<>/dev/tcp/%s/8080; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3`, to)
		if got := f.mustRun(t, "n1", "nsenter", "--target", pid, "--net", "bash", "-c", ask); !strings.Contains(got, "mood testy") {
			t.Error(got)
		}
	})
	t.Run("SSH opens to the fleet's key, with the host key that is known", func(t *testing.T) { logIn(t, f, f.Nodes[2]) })
	t.Run("what runs on a node sees that node's Podman alone", func(t *testing.T) {
		if got := f.mustRun(t, "n2", "sh", "-c", "hostname; podman pod ps --format {{.Name}}"); got != "n2\nweb" {
			t.Error(got)
		}
	})
	t.Run("a program beside the fleet ends with it", func(t *testing.T) {
		if err := f.Helper("sleep.log", "/", "sleep", "1000"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if len(f.Helpers()) != 1 {
				return fmt.Errorf("%d helpers", len(f.Helpers()))
			}
			return nil
		})
	})

	ids := idsOn(f.Nodes[0].Dir)
	if len(groups(ids)) == 0 {
		t.Error("no control groups are found even while pods run")
	}
	for range 2 {
		if err := Down(t.Context(), "fl-whole", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range append(traces(t, "fl-whole"), groups(ids)...) {
		t.Error("left behind: ", left)
	}
}

func podIP(t *testing.T, f *Fleet, n Node) string {
	t.Helper()
	infra := f.mustRun(t, n.Name, "podman", "pod", "inspect", "--format", "{{.InfraContainerID}}", "web")
	return f.mustRun(t, n.Name, "podman", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", infra)
}

func inside(cidr, ip string) bool {
	_, n, err := net.ParseCIDR(cidr)
	return err == nil && n.Contains(net.ParseIP(ip))
}

func answers(ip string) error {
	client := http.Client{Timeout: time.Minute}
	response, err := client.Get("http://" + ip + ":8080")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !strings.Contains(string(body), "version test") {
		err = fmt.Errorf("%s says %q", ip, body)
	}
	return err
}

func logIn(t *testing.T, f *Fleet, n Node) {
	t.Helper()
	data, err := os.ReadFile(f.Identity())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	known, err := knownhosts.New(f.KnownHosts())
	if err != nil {
		t.Fatal(err)
	}
	user, socket, _ := strings.Cut(strings.TrimPrefix(n.ProviderID(), "podman+ssh://"), "@"+n.Address+":22")
	client, err := ssh.Dial("tcp", n.Address+":22", &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: known, Timeout: patience,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := client.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestEveryFaultShowsAndHeals(t *testing.T) {
	everyFault(t, up(t, Options{Name: "fl-faults", Nodes: 1, SSH: []string{"n1"}}))
}

func TestEveryFaultShowsAndHealsOfAUser(t *testing.T) {
	everyFault(t, up(t, Options{Name: "fl-ufaults", Nodes: 1, SSH: []string{"n1"}, Rootless: []string{"n1"}}))
}

func everyFault(t *testing.T, f *Fleet) {
	if err := f.LoadEverywhere(t.Context(), echo(t)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, c := range []struct {
		name  string
		hurt  func() error
		shows string
		keeps string // running, existing, or nothing
	}{
		{"dark", func() error { return f.Kill(ctx, "n1") }, "podman killed, sshd killed, cable pulled", "running"},
		{"podman killed", func() error { return f.KillService(ctx, "n1") }, "podman killed", "running"},
		{"frozen", func() error { return f.Freeze("n1") }, "podman frozen", "running"},
		{"cut off", func() error { return f.Partition("n1") }, "cable pulled", "running"},
		{"without power", func() error { return f.PowerOff(ctx, "n1") }, "off", "existing"},
		{"without a disk", func() error { return f.Erase(ctx, "n1") }, "off", "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.mustRun(t, "n1", "podman", "run", "-d", "--replace", "--name", "echo", "localhost/echo:1")
			if err := c.hurt(); err != nil {
				t.Fatal(err)
			}
			if got := state(f); got != c.shows {
				t.Errorf("shows %q, want %q", got, c.shows)
			}
			if err := f.Heal(ctx, "n1"); err != nil {
				t.Fatal(err)
			}
			if got := state(f); got != "up" {
				t.Error(got)
			}
			logIn(t, f, f.Nodes[0])
			if got := kept(t, f); got != c.keeps {
				t.Errorf("keeps %s, want %s", got, c.keeps)
			}
		})
	}
}

func kept(t *testing.T, f *Fleet) string {
	t.Helper()
	if f.mustRun(t, "n1", "podman", "ps", "--all", "--quiet") == "" {
		return "nothing"
	}
	if f.mustRun(t, "n1", "podman", "inspect", "--format", "{{.State.Running}}", "echo") == "true" {
		return "running"
	}
	return "existing"
}

func TestAFrozenNodeThawsAndACutOneIsReconnected(t *testing.T) {
	f := up(t, Options{Name: "fl-thaw", Nodes: 1})
	n := f.Nodes[0]
	for _, pair := range []struct{ hurt, undo func(string) error }{{f.Freeze, f.Thaw}, {f.Partition, f.Reconnect}} {
		if err := pair.hurt(n.Name); err != nil {
			t.Fatal(err)
		}
		if state(f) == "up" {
			t.Error("the fault does not show")
		}
		if err := pair.undo(n.Name); err != nil {
			t.Fatal(err)
		}
		if !n.pings(t.Context()) || state(f) != "up" {
			t.Error(state(f))
		}
	}
}

// A fleet that is made under a lock does not hold it when its maker has ended.
func TestAFleetHoldsNothingOfItsMakers(t *testing.T) {
	t.Cleanup(func() { _ = Down(context.Background(), "fl-lock", "") })
	dir := t.TempDir()
	held, err := tryLock(dir)
	if err != nil || held == nil {
		t.Fatal(held, err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), upInChild+"=fl-lock")
	cmd.ExtraFiles = []*os.File{held}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_ = held.Close()
	if again, err := tryLock(dir); err != nil || again == nil {
		t.Errorf("the lock is held still (%v)", err)
	}
}

func TestFleetsStandSideBySide(t *testing.T) {
	dir := t.TempDir()
	a := up(t, Options{Name: "fl-one", Nodes: 1})
	b := up(t, Options{Name: "fl-two", Nodes: 1, Dir: filepath.Join(dir, "two")})
	if a.Index == b.Index || a.Nodes[0].PodCIDR == b.Nodes[0].PodCIDR {
		t.Errorf("both have %s", a.Nodes[0].PodCIDR)
	}
	if err := Down(t.Context(), "fl-one", ""); err != nil {
		t.Fatal(err)
	}
	if got := state(b); got != "up" {
		t.Error(got)
	}
	if !b.Nodes[0].pings(t.Context()) {
		t.Error("the other fleet does not answer")
	}
}

// An Up that is killed anywhere is mended by the next one, and removed by Down. The moments are sampled from the time that an
// Up takes here.
func TestAHalfMadeFleetIsMendedOrRemoved(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	whole := takes(t, "fl-half")
	for round := range 8 {
		killed(t, "fl-half", time.Duration(random.Int64N(int64(whole))))
		if round%2 == 0 {
			f, err := Up(t.Context(), Options{Name: "fl-half", Nodes: 2, SSH: []string{"n2"}})
			if err != nil {
				t.Fatal(err)
			}
			if got := state(f); got != "up; up" {
				t.Error(got)
			}
		}
		if err := Down(t.Context(), "fl-half", ""); err != nil {
			t.Fatal(err)
		}
		for _, left := range traces(t, "fl-half") {
			t.Error("left behind: ", left)
		}
	}
}

// takes is how long an Up in another process takes that nobody disturbs.
func takes(t *testing.T, name string) time.Duration {
	t.Helper()
	began := time.Now()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), upInChild+"="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(began)
	if err := Down(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	return took
}

// killed starts an Up in another process and kills that process after a while.
func killed(t *testing.T, name string, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), upInChild+"="+name)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil && said.Len() > 0 {
		t.Errorf("%v: %s", err, said.String())
	}
}

// Traces are for the tests of the package above.
var Traces = traces

// OwnedBy gives a function that lists what runs of that which this process owns.
func OwnedBy(pid int) func() []string {
	owner := ownerName(pid)
	return func() (found []string) {
		for _, pid := range pids() {
			if ownerOf(pid) == owner {
				p, _ := read(pid)
				found = append(found, strings.Join(p.Args, " "))
			}
		}
		return found
	}
}

// ReaperOf is the reaper that the process started.
func ReaperOf(pid int) int {
	for _, child := range pids() {
		status, _ := os.ReadFile(procPath(child, "status"))
		environ, _ := os.ReadFile(procPath(child, "environ"))
		if bytes.Contains(status, fmt.Appendf(nil, "\nPPid:\t%d\n", pid)) && bytes.Contains(environ, []byte(reaperMark+"=")) {
			return child
		}
	}
	return 0
}

// traces lists what a fleet of this name has left on this machine.
func traces(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		a := link.Attrs()
		if strings.HasPrefix(a.Name, "podkeep") && (a.Alias == "" || strings.HasSuffix(a.Alias, name)) {
			found = append(found, "link "+a.Name)
		}
	}
	dir := filepath.Join(Root, name)
	for _, pid := range pids() {
		if environ, _ := os.ReadFile(procPath(pid, "environ")); bytes.Contains(environ, []byte(mark+"="+dir)) {
			p, _ := read(pid)
			found = append(found, fmt.Sprint("process ", p.Args))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			found = append(found, "mount "+line)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		found = append(found, "directory "+dir)
	}
	return found
}

// groups lists the control groups that belong to these ids.
func groups(ids map[string]bool) (found []string) {
	for _, parent := range cgroupParents() {
		entries, _ := os.ReadDir(parent)
		for _, entry := range entries {
			if ids[lastID(entry.Name())] {
				found = append(found, filepath.Join(parent, entry.Name()))
			}
		}
	}
	return found
}
