package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/podkeep/podkeep/devfleet"
)

func devDemo(o *devOptions) *cobra.Command {
	d := &demo{}
	cmd := &cobra.Command{
		Use:               "demo",
		ValidArgsFunction: free(nothing),
		Short:             "Show what podkeep does, on three real nodes, in two or three minutes",
		Long: paragraphs(`
Makes a fleet of three nodes, one of them over SSH, a Git repository from the example, and a controller that keeps the one as the other says. Then it pushes: a first version, a changed
configuration, a mistake, and the mistake's revert; then a canary, one that is aborted, a blue-green switch, and its revert; and shows each time what
became of it. All the while it asks the example's Service, and fails if one request does.

It runs from podkeep's own source tree and needs Go, which builds the example's image. It leaves the
fleet and the controller running for you to try; podkeep dev down --name demo removes all of it.`),
		Example: examples(`
podkeep dev demo
podkeep dev down --name demo`),
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if d.name = "demo"; cmd.Flags().Changed("name") {
				d.name = o.name
			}
			d.out, d.color, d.began = cmd.OutOrStdout(), look(cmd.OutOrStdout()).Colour, time.Now()
			return d.run(ctx)
		},
	}
	cmd.Flags().StringVar(&d.example, "example", "examples/hello", "the folder of the example")
	cmd.Flags().StringVar(&d.listen, "listen", "127.0.0.1:7077", "where the controller serves its status")
	completed(cmd, free(aFolder), "example")
	completed(cmd, free(nothing), "listen")
	return cmd
}

// demo is one showing.
type demo struct {
	name, example, listen string
	out                   io.Writer
	color                 bool
	began                 time.Time
	fleet                 *devfleet.Fleet
	self                  string
	doors                 []string // where each node answers for the example's Service
}

// scene is one part of the demo: what it is about, and what is done.
type scene struct {
	title, text string
	play        func(context.Context) error
}

func (d *demo) run(ctx context.Context) error {
	scenes := []scene{
		{"Three machines", "Each is a real Podman host in namespaces of its own. n3 is reached over SSH.", d.machines},
		{"An image, without a registry", "The example's server is built here and loaded into each node.", d.images},
		{"A repository, and a controller that keeps the fleet as it says", "A bare repository to push to, a clone to work in. The controller reads the one and has no state of its own.", d.controller},
		{"The first push becomes pods, and a Service", "", d.firstPush},
		{"A changed ConfigMap rolls out", "Configuration is part of the revision. On a branch first: `plan` says what it would do, and does nothing. From here on the Service is asked all the while, on each node.", d.asked(d.configChange)},
		{"A mistake is held", "The next commit asks for an image that does not exist, and is not patient. The old pods go on serving; after 10 s without progress the revision is rejected, and not tried again.", d.asked(d.mistake)},
		{"git revert undoes it", "", d.asked(d.revert)},
		{"A name of its own, by HTTPS", "An Ingress and a certificate: each host gets a door at ports 80 and 443. The certificate is our own here; where an issuer can reach the hosts, one is asked for.", d.door},
		{"A canary waits for a person", "A Rollout puts steps over the Deployment: one pod of the new version, and no more until somebody promotes it. That is a line in Git notes.", d.asked(d.canary)},
		{"One is aborted", "The old pods are back at once. Git still asks for the new ones, until it is told.", d.asked(d.aborted)},
		{"Blue-green is switched", "All new pods come beside the old ones. Promoted, the Service leads to them on every node in one change of its table.", d.asked(d.sides)},
		{"git revert switches it back", "The old pods were still there: nothing is started, and nobody is asked.", d.asked(d.switchedBack)},
	}
	for i, s := range scenes {
		d.say("\n%s  %s\n", d.bold(fmt.Sprintf("%d/%d  %s", i+1, len(scenes), s.title)), d.dim(d.elapsed()))
		if s.text != "" {
			d.say("%s\n", s.text)
		}
		d.say("\n")
		if err := s.play(ctx); err != nil {
			return fmt.Errorf("demo: %s: %w\n%s", s.title, err, d.whatRemains())
		}
	}
	d.farewell()
	return nil
}

func (d *demo) machines(ctx context.Context) error {
	var err error
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.example, "deployment.yaml")); err != nil {
		return fmt.Errorf("%w; run the demo from podkeep's source tree, or name the example with --example", err)
	}
	for _, program := range []string{"git", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the demo needs %s: %w", program, err)
		}
	}
	if _, err := os.Stat(filepath.Join(devfleet.Root, d.name)); err == nil {
		d.say("%s\n", d.dim("(what an earlier demo left is removed first)"))
	}
	if err := devfleet.Down(ctx, d.name, ""); err != nil {
		return err
	}
	if err := d.portIsFree(); err != nil {
		return err
	}
	d.shown("podkeep dev up --name " + d.name + " --nodes 3 --ssh n3")
	d.fleet, err = devfleet.Up(ctx, devfleet.Options{Name: d.name, Nodes: 3, SSH: []string{"n3"}})
	if err != nil {
		return err
	}
	return printNodes(d.out, d.fleet)
}

func (d *demo) portIsFree() error {
	listener, err := net.Listen("tcp", d.listen)
	if err != nil {
		return fmt.Errorf("%w; give the controller another address with --listen", err)
	}
	return listener.Close()
}

func (d *demo) images(ctx context.Context) error {
	app := filepath.Join(d.example, "app")
	for _, version := range []string{"v1", "v2"} {
		d.shown(fmt.Sprintf("podkeep dev build --name %s localhost/hello:%s %s -X main.version=%[2]s", d.name, version, app))
		if err := buildAndLoad(ctx, d.fleet, "localhost/hello:"+version, app, "main.version="+version); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) controller(ctx context.Context) error {
	if err := d.repository(ctx); err != nil {
		return err
	}
	config := fmt.Sprintf("source: fleet.git\nbranch: main\ncluster: %s\nssh-key: %s\nknown-hosts: %s\n", d.name, d.fleet.Identity(), d.fleet.KnownHosts())
	if err := os.WriteFile(d.file("podkeep.yaml"), []byte(config), 0o644); err != nil {
		return err
	}
	d.say("%s\n", indent(config, "podkeep.yaml  "))
	d.shown("podkeep run --config podkeep.yaml --listen " + d.listen + " &")
	if err := d.fleet.Helper("controller.log", d.fleet.Dir, d.self, "run", "--config", "podkeep.yaml", "--listen", d.listen); err != nil {
		return err
	}
	return d.waitFor(ctx, "the controller to answer", func() (bool, string) {
		if len(d.fleet.Helpers()) == 0 {
			return false, "it ended: " + d.logTail()
		}
		_, err := d.get(ctx, "/healthz")
		return err == nil, fmt.Sprint(err)
	})
}

// repository makes fleet.git, and the clone work with the manifests of the example and of the nodes, not pushed yet.
func (d *demo) repository(ctx context.Context) error {
	if err := d.git(ctx, d.fleet.Dir, "init", "--quiet", "--bare", "--initial-branch=main", "fleet.git"); err != nil {
		return err
	}
	if err := d.git(ctx, d.fleet.Dir, "clone", "--quiet", "fleet.git", "work"); err != nil {
		return err
	}
	manifests, err := filepath.Glob(filepath.Join(d.example, "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range append(manifests, d.fleet.NodesFile()) {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.file("work", filepath.Base(path)), data, 0o644); err != nil {
			return err
		}
	}
	for _, pair := range [][2]string{{"user.name", "You"}, {"user.email", "you@example.com"}, {"push.default", "current"}, {"commit.gpgsign", "false"}} {
		for _, repository := range []string{"work", "fleet.git"} { // commits are made in the one, decisions in the other
			if err := d.git(ctx, d.file(repository), "config", pair[0], pair[1]); err != nil {
				return err
			}
		}
	}
	return d.git(ctx, d.file("work"), "checkout", "--quiet", "-B", "main")
}

func (d *demo) firstPush(ctx context.Context) error {
	commit, err := d.push(ctx, "hello, three times")
	if err != nil {
		return err
	}
	if err := d.converges(ctx, commit); err != nil {
		return err
	}
	if err := d.podkeep(ctx, "status", "-o", "wide"); err != nil {
		return err
	}
	for _, n := range d.fleet.Nodes {
		d.shown("podkeep dev exec --name " + d.name + " " + n.Name + " -- podman pod ps")
		out, err := d.fleet.Output(ctx, n.Name, "podman", "pod", "ps")
		if err != nil {
			return err
		}
		d.say("%s\n", out)
	}
	d.say("Whichever node is asked, the Service answers.\n\n")
	if err := d.opens(ctx); err != nil {
		return err
	}
	return d.curl(ctx)
}

func (d *demo) configChange(ctx context.Context) error {
	if err := d.edit("config.yaml", "greeting: hello", "greeting: good morning"); err != nil {
		return err
	}
	d.shown("sed -i 's/greeting: hello/greeting: good morning/' config.yaml")
	d.shown(`git commit -am "say good morning" && git push origin HEAD:proposal`)
	if err := d.commit(ctx, "say good morning"); err != nil {
		return err
	}
	if err := d.git(ctx, d.file("work"), "push", "--quiet", "origin", "HEAD:proposal"); err != nil {
		return err
	}
	if err := d.podkeep(ctx, "plan", "--rev", "proposal"); err != nil {
		return err
	}
	d.shown("git push")
	commit, err := d.pushed(ctx)
	if err != nil {
		return err
	}
	if err := d.converges(ctx, commit); err != nil {
		return err
	}
	if err := d.podkeep(ctx, "status"); err != nil {
		return err
	}
	return d.curl(ctx)
}

func (d *demo) mistake(ctx context.Context) error {
	if err := d.edit("deployment.yaml", "localhost/hello:v1", "localhost/hello:v9"); err != nil {
		return err
	}
	if err := d.edit("deployment.yaml", "progressDeadlineSeconds: 120", "progressDeadlineSeconds: 10"); err != nil {
		return err
	}
	d.shown("sed -i 's/hello:v1/hello:v9/; s/progressDeadlineSeconds: 120/progressDeadlineSeconds: 10/' deployment.yaml")
	commit, err := d.push(ctx, "hello v9")
	if err != nil {
		return err
	}
	if err := d.fails(ctx, commit); err != nil {
		return err
	}
	if err := d.podkeep(ctx, "status"); err != nil {
		return err
	}
	return d.curl(ctx)
}

func (d *demo) revert(ctx context.Context) error {
	d.shown("git revert --no-edit HEAD && git push")
	commit, err := d.reverts(ctx)
	if err != nil {
		return err
	}
	if err := d.converges(ctx, commit); err != nil {
		return err
	}
	if err := d.podkeep(ctx, "status"); err != nil {
		return err
	}
	d.shown("git log --oneline")
	log, err := d.gitOutput(ctx, "log", "--oneline")
	d.say("%s\n", log)
	return err
}

// converges waits until the controller has made the fleet as the commit says.
func (d *demo) converges(ctx context.Context, commit string) error {
	return d.reaches(ctx, commit, "NewReplicaSetAvailable")
}

// fails waits until the controller has rejected the commit's revision, with all replicas still available.
func (d *demo) fails(ctx context.Context, commit string) error {
	return d.reaches(ctx, commit, "ProgressDeadlineExceeded")
}

// reaches follows the Deployment until its Progressing condition has the reason, and prints each change of mind.
func (d *demo) reaches(ctx context.Context, commit, reason string) error {
	last := ""
	return d.waitFor(ctx, "hello to be "+reason, func() (bool, string) {
		hello, err := d.deployment(ctx)
		if err != nil {
			return false, err.Error()
		}
		is := standing(hello)
		if is.commit != commit {
			return false, "the controller is still at " + is.commit
		}
		if is.why != last {
			d.say("  %s  %s\n", d.dim(d.elapsed()), is.why)
			last = is.why
		}
		return is.reason == reason && is.available >= is.wanted, is.reason + ": " + is.why
	})
}

// condition is how a Deployment stands, taken from its status.
type condition struct {
	commit, reason, why string
	wanted, available   int32
}

func standing(d *appsv1.Deployment) condition {
	c := condition{commit: d.Annotations["podkeep.io/commit"], available: d.Status.AvailableReplicas}
	if d.Spec.Replicas != nil {
		c.wanted = *d.Spec.Replicas
	}
	for _, known := range d.Status.Conditions {
		if known.Type == appsv1.DeploymentProgressing {
			c.reason, c.why = known.Reason, known.Message
		}
	}
	return c
}

// waitFor asks five times a second. It fails, with what was last seen, after five minutes, which is far above what it takes.
func (d *demo) waitFor(ctx context.Context, what string, is func() (ok bool, seen string)) error {
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := is()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %s", limit, what, seen)
		case <-tick.C:
		}
	}
}

// podkeep runs this program as a user would, in the demo's directory.
func (d *demo) podkeep(ctx context.Context, args ...string) error {
	args = append(args, "--config", "podkeep.yaml")
	d.shown("podkeep " + strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, d.self, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.fleet.Dir, d.out, d.out
	err := cmd.Run()
	var ended *exec.ExitError
	if changes := errors.As(err, &ended) && ended.ExitCode() == 2 && args[0] == "plan"; changes {
		err = nil
	}
	d.say("\n")
	return err
}

// push commits everything, and pushes it.
func (d *demo) push(ctx context.Context, message string) (commit string, err error) {
	d.shown(fmt.Sprintf("git commit -am %q && git push", message))
	if err := d.commit(ctx, message); err != nil {
		return "", err
	}
	return d.pushed(ctx)
}

func (d *demo) commit(ctx context.Context, message string) error {
	if err := d.git(ctx, d.file("work"), "add", "."); err != nil {
		return err
	}
	return d.git(ctx, d.file("work"), "commit", "--quiet", "-m", message)
}

func (d *demo) pushed(ctx context.Context) (commit string, err error) {
	if err := d.git(ctx, d.file("work"), "push", "--quiet", "origin", "main"); err != nil {
		return "", err
	}
	commit, err = d.gitOutput(ctx, "rev-parse", "HEAD")
	return strings.TrimSpace(commit), err
}

func (d *demo) git(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (d *demo) gitOutput(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = d.file("work")
	out, err := cmd.Output()
	return string(out), err
}

func (d *demo) edit(file, old, with string) error {
	path := d.file("work", file)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(old)) {
		return fmt.Errorf("%s: no %q in it", path, old)
	}
	return os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(with), 1), 0o644)
}

func (d *demo) get(ctx context.Context, path string) ([]byte, error) {
	return fetch(ctx, "http://"+d.listen+path)
}

func (d *demo) file(parts ...string) string {
	return filepath.Join(append([]string{d.fleet.Dir}, parts...)...)
}

func (d *demo) logTail() string {
	data, _ := os.ReadFile(d.file("controller.log"))
	return string(data[max(0, len(data)-2000):])
}
