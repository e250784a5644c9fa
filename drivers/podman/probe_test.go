package podman_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	nodeside "github.com/podkeep/podkeep/node"
)

// How the node side runs commands in containers that this driver has made.

var up = nodeside.Answer{OK: true}

// oci is the runtime of the service's containers.
func oci(t *testing.T) nodeside.Runtime {
	t.Helper()
	path, err := exec.LookPath("runc")
	if err != nil {
		t.Fatal(err)
	}
	return nodeside.Runtime{Path: path, Root: "/run/runc"}
}

// probe is one that runs testapp.
func probe(seconds int32, steps ...string) *corev1.Probe {
	return &corev1.Probe{TimeoutSeconds: seconds, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: append([]string{"/testapp"}, steps...)}}}
}

// up runs a pod and gives the ID of its first container.
func (b *bench) up(pod manifest.Pod) string {
	b.Helper()
	b.ok(b.Driver.Run(b.Context(), pod))
	return b.until(pod.Name, func(p live.Pod) bool { return p.Containers[0].State == live.Running }).Containers[0].ID
}

func (b *bench) expect(want, got nodeside.Answer) {
	b.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.Error(diff)
	}
}

func TestWhatAProbesCommandComesTo(t *testing.T) {
	b := newBench(t)
	target := nodeside.Target{ID: b.up(b.pod("probed", "term"))}
	p := nodeside.NewProber(oci(t))
	const secret = "hunter2"
	for _, c := range []struct {
		name  string
		probe *corev1.Probe
		want  nodeside.Answer
	}{
		{"0", probe(10, "exit", "0"), up},
		{"another code", probe(10, "say", secret, "err", secret, "exit", "3"), nodeside.Answer{Why: "exited with 3"}},
		{"the code of a runtime's own failure", probe(10, "exit", "255"), nodeside.Answer{Why: "exited with 255"}},
		{"more output than anybody wants", probe(30, "count", "1000000", "100000000"), up},
		{"a command that looks like a flag", &corev1.Probe{TimeoutSeconds: 10, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"--help"}}}},
			nodeside.Answer{Why: "cannot be started: no such file"}},
		{"no such file", &corev1.Probe{TimeoutSeconds: 10, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/" + secret}}}},
			nodeside.Answer{Why: "cannot be started: no such file"}},
		{"no program", &corev1.Probe{TimeoutSeconds: 10, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/etc/hosts"}}}},
			nodeside.Answer{Why: "cannot be started: permission denied"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			(&bench{T: t}).expect(c.want, p.Run(t.Context(), target, c.probe))
		})
	}
}

func TestWhatTheHostFailsToRunSaysNothingOfTheContainer(t *testing.T) {
	b := newBench(t)
	target := nodeside.Target{ID: b.up(b.pod("unprobed", "term"))}
	none := oci(t)
	none.Path = "/nowhere/runc"
	b.expect(nodeside.Answer{Void: true, Why: "the host's OCI runtime does not have the container"}, nodeside.NewProber(none).Run(t.Context(), target, probe(10, "exit", "0")))
	gone := nodeside.Target{ID: strings.Repeat("0", 64)}
	b.expect(nodeside.Answer{Void: true, Why: "the host's OCI runtime does not have the container"}, nodeside.NewProber(oci(t)).Run(t.Context(), gone, probe(10, "exit", "0")))
}

// sees are testapp's steps that print what a process is and may.
var sees = []string{"id", "cwd", "hostname", "caps", "cat", "/proc/self/environ", "cat", "/proc/self/limits", "cat", "/proc/self/cgroup",
	"cat", "/proc/self/oom_score_adj", "ns", "mnt", "ns", "pid", "ns", "net", "ns", "ipc", "ns", "uts"}

func TestAProbesCommandSeesWhatItsContainerDoes(t *testing.T) {
	user, group, no := int64(1234), int64(5678), false
	for name, security := range map[string]*corev1.SecurityContext{
		"root": nil,
		"nobody in particular": {RunAsUser: &user, RunAsGroup: &group, AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{
			Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_BIND_SERVICE"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			pod := b.pod("seen", slices.Concat([]string{"to", "/tmp/own"}, sees, []string{"write", "/tmp/done", "x", "term"})...)
			pod.Spec.SecurityContext = &corev1.PodSecurityContext{SupplementalGroups: []int64{99}}
			c := &pod.Spec.Containers[0]
			c.SecurityContext, c.WorkingDir, c.Env = security, "/tmp", []corev1.EnvVar{{Name: "TOKEN", Value: "a b$(c)"}}
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
			id := b.up(pod)
			b.expect(up, nodeside.NewProber(oci(t)).Run(t.Context(), nodeside.Target{ID: id}, probe(30, slices.Concat([]string{"await", "/tmp/done", "to", "/tmp/probe"}, sees, []string{"exit", "0"})...)))
			own, probed := b.exec(id, "cat", "/tmp/own"), b.exec(id, "cat", "/tmp/probe")
			if diff := cmp.Diff(body(own), body(probed)); diff != "" {
				t.Errorf("its container sees, and the probe does:\n%s", diff)
			}
			if diff := cmp.Diff(common(body(b.exec(id, sees...))), common(body(probed))); diff != "" {
				t.Errorf("Podman's exec sees, and the probe does:\n%s", diff)
			}
		})
	}
}

// exec gives what a command prints.
func (b *bench) exec(id string, steps ...string) string {
	b.Helper()
	var out bytes.Buffer
	_, err := b.Driver.(interface {
		Exec(context.Context, live.Exec) (int, error)
	}).Exec(b.Context(), live.Exec{Container: id, Command: append([]string{"/testapp"}, steps...), Out: &out})
	b.ok(err)
	return out.String()
}

// body is what testapp printed, without the name of a file that it was printed into.
func body(out string) string {
	return strings.TrimSpace(regexp.MustCompile(`^/tmp/(own|probe): `).ReplaceAllString(out, ""))
}

// common leaves out in what Podman's exec differs from a container's main process: its primary group is not among its groups, and HOSTNAME not in
// its environment, where variables stand in another order.
func common(out string) string {
	out = regexp.MustCompile(`groups \[.*\]`).ReplaceAllString(out, "groups")
	return regexp.MustCompile(`(?m)^/proc/self/environ: .*`).ReplaceAllStringFunc(out, func(line string) string {
		all := strings.Split(strings.TrimPrefix(line, "/proc/self/environ: "), "\x00")
		all = slices.DeleteFunc(all, func(v string) bool { return strings.HasPrefix(v, "HOSTNAME=") })
		slices.Sort(all)
		return strings.Join(all, "\n")
	})
}

func TestNothingIsLeftOfACommandThatTookTooLong(t *testing.T) {
	b := newBench(t)
	id := b.up(b.pod("hung", "term"))
	before := inside(t, id)
	b.expect(nodeside.Answer{Why: "no answer within 1s"}, nodeside.NewProber(oci(t)).Run(t.Context(), nodeside.Target{ID: id}, probe(1, "beget", "beget", "stubborn")))
	if diff := cmp.Diff(before, inside(t, id)); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsLeftOfACommandThatIsBrokenOff(t *testing.T) {
	b := newBench(t)
	id := b.up(b.pod("broken", "term"))
	before := inside(t, id)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan nodeside.Answer)
	go func() {
		done <- nodeside.NewProber(oci(t)).Run(ctx, nodeside.Target{ID: id}, probe(600, "beget", "write", "/tmp/begun", "x", "stubborn"))
	}()
	b.exec(id, "await", "/tmp/begun", "exit", "0")
	cancel()
	b.expect(nodeside.Answer{Void: true, Why: "broken off"}, <-done)
	if diff := cmp.Diff(before, inside(t, id)); diff != "" {
		t.Error(diff)
	}
}

func TestCommandsThatHangDoNotKeepOthersWaiting(t *testing.T) {
	b := newBench(t)
	target := nodeside.Target{ID: b.up(b.pod("crowd", "term"))}
	p := nodeside.NewProber(oci(t))
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 * max(2, runtime.GOMAXPROCS(0)) {
		all.Go(func() { p.Run(ctx, target, probe(600, "stubborn")) })
	}
	b.expect(up, p.Run(t.Context(), target, probe(60, "exit", "0")))
	cancel()
	all.Wait()
}

// inside are the processes that live in a container, as the host numbers them, and those outside that have to do with it, but for conmon: Podman's
// own exec leaves it for a while.
func inside(t *testing.T, id string) (all []string) {
	t.Helper()
	out, err := shared.podman("inspect", "--format", "{{.State.Pid}}", id).Output()
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Readlink(fmt.Sprintf("/proc/%s/ns/pid", strings.TrimSpace(string(out))))
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, path := range found {
		pid := filepath.Dir(filepath.Dir(path))
		its, _ := os.Readlink(path)
		line, _ := os.ReadFile(pid + "/cmdline")
		stat, _ := os.ReadFile(pid + "/stat")
		if (its == own || bytes.Contains(line, []byte(id)) && !bytes.Contains(line, []byte("conmon"))) && !bytes.Contains(stat, []byte(") Z ")) {
			all = append(all, fmt.Sprintf("%s %q", pid, line))
		}
	}
	return all
}

// inContainer is set in a process of this program that is to see other files than the host: it names the container in which to run a probe.
const inContainer = "PODKEEP_TEST_PROBE"

func TestAProbeIsRunFromInsideAContainer(t *testing.T) {
	b := newBench(t)
	id := b.up(b.pod("afar", "term"))
	own, err := os.Executable()
	b.ok(err)
	cmd := exec.Command(own)
	cmd.Env = append(os.Environ(), inContainer+"="+id)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	b.ok(err)
	var got nodeside.Answer
	b.ok(json.Unmarshal(out, &got))
	b.expect(up, got)
}

// probeFromInside hides what the runtime knows, runs a probe nevertheless, and prints what it came to.
func probeFromInside(id string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return err
	}
	path, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	p := nodeside.NewProber(nodeside.Runtime{Path: path, Root: "/run/runc"})
	return json.NewEncoder(os.Stdout).Encode(p.Run(context.Background(), nodeside.Target{ID: id}, probe(30, "exit", "0")))
}
