package devfleet_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/live"
)

// stage is a real fleet, a repository and a controller between them.
type stage struct {
	*testing.T
	fleet    *devfleet.Fleet
	binary   string
	listen   string
	nodeSide string    // --node-side: never, but where a test is about it
	source   []string  // flags that say what the controller follows
	folder   string    // of the clone, where the manifests are
	run      *exec.Cmd // the controller, nil while there is none
	log      *os.File
	forge    *forge // where the tests of faults keep the repository
}

// patience is far above what any machine needs for what a test waits for.
const patience = 10 * time.Minute

// raise makes a fleet of three nodes, n3 over SSH, a bare repository to push to, and a clone of it that holds the example.
// The controller is not started yet.
func raise(t *testing.T, name string) *stage {
	t.Helper()
	s := build(t, name)
	s.populate()
	s.source = []string{"--source", s.path("fleet.git"), "--branch", "main"}
	return s
}

// build makes the fleet, and the repository with a clone, which are empty.
func build(t *testing.T, name string) *stage {
	t.Helper()
	s := &stage{T: t, binary: podkeep(t), listen: freeAddress(t)}
	if err := devfleet.Down(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.lower(name) })
	var err error
	if s.fleet, err = devfleet.Up(t.Context(), devfleet.Options{Name: name, Nodes: 3, SSH: []string{"n3"}, Podman: os.Getenv("PODKEEP_TEST_PODMAN")}); err != nil {
		t.Fatal(err)
	}
	if s.log, err = os.Create(s.path("controller.log")); err != nil {
		t.Fatal(err)
	}
	s.command(s.fleet.Dir, "git", "init", "--quiet", "--bare", "--initial-branch=main", "fleet.git")
	s.command(s.fleet.Dir, "git", "clone", "--quiet", "fleet.git", "work")
	s.command(s.path("work"), "git", "checkout", "--quiet", "-B", "main")
	return s
}

// populate writes the example and the nodes into the clone, and gives all nodes the example's images. A node is waited for longer than a
// busy machine takes to answer, and a rollout for longer than it takes to start a pod: a scene that is about the end of either says so itself.
func (s *stage) populate() {
	s.Helper()
	s.load("localhost/hello:v1", "v1")
	s.load("localhost/hello:v2", "v2")
	if err := os.MkdirAll(s.path("work", s.folder), 0o755); err != nil {
		s.Fatal(err)
	}
	for _, file := range []string{"deployment.yaml", "config.yaml"} {
		s.write(file, s.read("../examples/hello/"+file))
	}
	s.hurries("600")
	nodes := strings.ReplaceAll(string(s.fleet.Manifests()), "  annotations:\n", "  annotations:\n    podkeep.io/silence-grace: 15m\n")
	s.write("nodes.yaml", nodes)
}

var (
	deadlineLine = regexp.MustCompile(`progressDeadlineSeconds: \d+`)
	graceLine    = regexp.MustCompile(`(silence-grace:) \S+`)
)

// hurries gives hello so many seconds to make progress.
func (s *stage) hurries(seconds string) {
	s.Helper()
	s.replace("deployment.yaml", deadlineLine, "progressDeadlineSeconds: "+seconds)
}

// graces gives every node this long to answer.
func (s *stage) graces(grace string) {
	s.Helper()
	s.replace("nodes.yaml", graceLine, "$1 "+grace)
}

// replace replaces what is found in a file of the clone. Something must be.
func (s *stage) replace(file string, old *regexp.Regexp, with string) {
	s.Helper()
	text := s.read(s.path("work", s.folder, file))
	if !old.MatchString(text) {
		s.Fatalf("%s: no %s in it", file, old)
	}
	s.write(file, old.ReplaceAllString(text, with))
}

// lower stops everything. The controller's log is shown when the test failed.
func (s *stage) lower(name string) {
	s.stop()
	if s.Failed() && s.fleet != nil {
		data, _ := os.ReadFile(s.path("controller.log"))
		s.Logf("the controller's log ends:\n%s", data[max(0, len(data)-12000):])
	}
	if err := devfleet.Down(context.Background(), name, ""); err != nil {
		s.Error(err)
	}
}

// with is the stage for a subtest.
func (s *stage) with(t *testing.T) *stage {
	sub := *s
	sub.T = t
	return &sub
}

// scene runs a subtest on the stage. Once one has failed, those after it would only repeat it.
func (s *stage) scene(claim string, play func(*stage)) {
	s.Helper()
	passed := s.T.Run(claim, func(t *testing.T) {
		sub := s.with(t)
		defer func() { s.run = sub.run }()
		play(sub)
	})
	if !passed {
		s.FailNow()
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// start starts the controller; stop kills it with -9.
func (s *stage) start(flags ...string) {
	s.Helper()
	if s.run != nil {
		s.Fatal("a controller runs already")
	}
	s.run = s.podkeep(append([]string{"run", "--listen", s.listen}, flags...)...)
	if err := s.run.Start(); err != nil {
		s.Fatal(err)
	}
}

// podkeep is a command that follows the stage's source. What it says goes to the controller's log.
func (s *stage) podkeep(args ...string) *exec.Cmd {
	args = append(args, "--cluster", "e2e", "--node-side", cmp.Or(s.nodeSide, "never"))
	if !slices.Contains(s.source, "--known-hosts") {
		args = append(args, "--known-hosts", s.fleet.KnownHosts())
	}
	cmd := exec.Command(s.binary, append(append(args, "--ssh-key", s.fleet.Identity()), s.source...)...)
	cmd.Env = s.environ()
	cmd.Stdout, cmd.Stderr = s.log, s.log
	return cmd
}

// environ has the stage's controllers keep what they keep on the stage.
func (s *stage) environ() []string {
	return append(os.Environ(), "XDG_CACHE_HOME="+s.path("cache"), "XDG_STATE_HOME="+s.path("state"))
}

// adopts has the stage's source take over what was made for the one that these flags follow.
func (s *stage) adopts(followed []string) {
	s.Helper()
	own := s.source
	s.source = followed
	status := s.podkeep("status")
	s.source = own
	status.Stdout = nil
	said, err := status.Output()
	s.ok(err)
	name := sourceName.FindSubmatch(said)
	if name == nil {
		s.Fatalf("no source in:\n%s", said)
	}
	s.ok(s.podkeep("adopt", string(name[1]), "--yes").Run())
}

var sourceName = regexp.MustCompile(`^cluster e2e from (\S+), at`)

func (s *stage) stop() {
	if s.run == nil {
		return
	}
	_ = s.run.Process.Kill()
	_ = s.run.Wait()
	s.run = nil
}

func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.fleet.Dir}, parts...)...)
}

func (s *stage) read(path string) string {
	s.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	return string(data)
}

func (s *stage) write(file, content string) {
	s.Helper()
	if err := os.WriteFile(s.path("work", s.folder, file), []byte(content), 0o644); err != nil {
		s.Fatal(err)
	}
}

// edit replaces text in a file of the clone. The text must be there.
func (s *stage) edit(file, old, with string) {
	s.Helper()
	text := s.read(s.path("work", s.folder, file))
	if !strings.Contains(text, old) {
		s.Fatalf("%s: no %q in it", file, old)
	}
	s.write(file, strings.Replace(text, old, with, 1))
}

func (s *stage) command(dir, program string, args ...string) string {
	s.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=e2e", "GIT_AUTHOR_EMAIL=e2e@example.com",
		"GIT_COMMITTER_NAME=e2e", "GIT_COMMITTER_EMAIL=e2e@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// push commits all of the clone, pushes it, and gives the commit.
func (s *stage) push(message string) string {
	s.Helper()
	s.command(s.path("work"), "git", "add", ".")
	s.command(s.path("work"), "git", "commit", "--quiet", "-m", message)
	return s.pushHead()
}

func (s *stage) pushHead() string {
	s.Helper()
	s.command(s.path("work"), "git", "push", "--quiet", "origin", "main")
	return s.command(s.path("work"), "git", "rev-parse", "HEAD")
}

// load builds the example and puts it into every node.
func (s *stage) load(ref, version string) {
	s.Helper()
	if err := s.fleet.LoadEverywhere(s.Context(), s.image(ref, version)); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) image(ref, version string) []byte {
	s.Helper()
	return image(s.T, ref, "../examples/hello/app", "main.version="+version)
}

// await asks until the error is nil.
func (s *stage) await(ask func() error) {
	s.Helper()
	ctx, cancel := patient(s.T)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatal(err)
		case <-tick.C:
		}
	}
}

// patient ends when patience does, or shortly before the test binary's time does, so that what was waited for is said.
func patient(t *testing.T) (context.Context, context.CancelFunc) {
	end := time.Now().Add(patience)
	if limit, ok := t.Deadline(); ok && limit.Add(-time.Minute).Before(end) {
		end = limit.Add(-time.Minute)
	}
	return context.WithDeadline(t.Context(), end)
}

// converges waits until the controller says that the commit's form of hello is there, and fails until it says that it
// was rejected.
func (s *stage) converges(commit string) { s.Helper(); s.reaches(commit, "NewReplicaSetAvailable") }
func (s *stage) rejects(commit string) string {
	s.Helper()
	return s.reaches(commit, "ProgressDeadlineExceeded")
}

func (s *stage) reaches(commit, reason string) (why string) {
	s.Helper()
	s.await(func() error {
		hello, err := s.hello()
		if err != nil {
			return err
		}
		if at := hello.Annotations[live.LabelCommit]; at != commit {
			return fmt.Errorf("at %s, want %s", at, commit)
		}
		for _, c := range hello.Status.Conditions {
			if c.Type == appsv1.DeploymentProgressing {
				why = c.Message
				if c.Reason == reason {
					return nil
				}
				return fmt.Errorf("is %s, want %s: %s", c.Reason, reason, c.Message)
			}
		}
		return fmt.Errorf("no condition %s", appsv1.DeploymentProgressing)
	})
	return why
}

// hello is the Deployment as the controller's status has it.
func (s *stage) hello() (*appsv1.Deployment, error) {
	var list struct{ Items []json.RawMessage }
	if err := ask(http.DefaultClient, "http://"+s.listen+"/status", &list); err != nil {
		return nil, err
	}
	for _, item := range list.Items {
		d := &appsv1.Deployment{}
		if err := json.Unmarshal(item, d); err == nil && d.Kind == "Deployment" {
			return d, nil
		}
	}
	return nil, fmt.Errorf("no Deployment in the status")
}

func ask(client *http.Client, address string, into any) error {
	copied := *client
	copied.Timeout = 2 * time.Minute
	response, err := copied.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(body))
	}
	return json.Unmarshal(body, into)
}

// container is one of hello's, as Podman itself lists it. Infra containers are left out.
type container struct {
	ID        string
	PodName   string
	Names     []string
	State     string
	StartedAt int64
	Labels    map[string]string
	node      string
}

func (c container) attempt() string { return c.Labels[live.LabelAttempt] }
func (c container) rev() string     { return c.Labels[live.LabelRev] }
func (c container) slot() string    { return c.Labels[live.LabelSlot] }

// containers asks each node's Podman, or only those named.
func (s *stage) containers(nodes ...string) (all []container, err error) {
	for _, n := range s.fleet.Nodes {
		if len(nodes) > 0 && !slices.Contains(nodes, n.Name) {
			continue
		}
		found, err := list(n)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// list is hello's containers, without those that a later attempt replaced and that are kept for their logs.
func list(n devfleet.Node) ([]container, error) {
	found, err := listed(n, `{"label":["`+live.LabelApp+`=Deployment/default/hello","`+live.LabelContainer+`"]}`)
	return slices.DeleteFunc(found, func(c container) bool {
		return slices.ContainsFunc(c.Names, func(name string) bool { return strings.HasSuffix(name, ".previous") })
	}), err
}

func listed(n devfleet.Node, filters string) (found []container, err error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", n.Socket)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	err = ask(client, "http://podman/v4.0.0/libpod/containers/json?all=true&filters="+url.QueryEscape(filters), &found)
	for i := range found {
		found[i].node = n.Name
	}
	return found, err
}

// three checks that exactly three containers exist on these nodes, running, of one revision and three slots; and gives
// their ids, sorted.
func (s *stage) three(nodes ...string) []string {
	s.Helper()
	var ids []string
	s.await(func() error {
		all, err := s.containers(nodes...)
		if err != nil {
			return err
		}
		ids = nil
		slots, revs := map[string]bool{}, map[string]bool{}
		for _, c := range all {
			if c.State != "running" {
				return fmt.Errorf("%s on %s is %s", c.PodName, c.node, c.State)
			}
			ids = append(ids, c.ID)
			slots[c.slot()], revs[c.rev()] = true, true
		}
		if len(ids) != 3 || len(slots) != 3 || len(revs) != 1 {
			return fmt.Errorf("%d containers in %d slots of %d revisions, want 3, 3, 1", len(ids), len(slots), len(revs))
		}
		return nil
	})
	slices.Sort(ids)
	return ids
}

// answers are what the running pods say, sorted.
func (s *stage) answers() (all []string) {
	s.Helper()
	for _, n := range s.fleet.Nodes {
		out, err := s.fleet.Output(s.Context(), n.Name, "sh", "-c",
			`for p in $(podman pod ps --quiet --filter label=`+live.LabelCluster+`=e2e); do
				podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' $(podman pod inspect --format '{{.InfraContainerID}}' $p); done`)
		if err != nil {
			s.Fatal(err)
		}
		for _, ip := range strings.Fields(out) {
			all = append(all, s.get("http://"+ip+":8080"))
		}
	}
	slices.Sort(all)
	return all
}

func (s *stage) get(address string) (body string) {
	s.Helper()
	s.await(func() error {
		client := http.Client{Timeout: time.Minute}
		response, err := client.Get(address)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		body = string(data)
		return err
	})
	return body
}

// on runs a program on a node.
func (s *stage) on(node string, args ...string) string {
	s.Helper()
	out, err := s.fleet.Output(s.Context(), node, args...)
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// ok fails the test on an error.
func (s *stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}
