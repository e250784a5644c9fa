package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

type execOptions struct {
	settings
	namespace, container string
	stdin, tty           bool
}

func execCommand() *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec KIND/NAME | POD [-c CONTAINER] -- COMMAND [ARGS]...",
		Short: "Run a command in a container",
		Long: paragraphs(`
Runs a command in a running container of a pod. Of a workload it takes the first pod by name whose container runs
and says which; of a pod with several containers, the first that the manifest names (init containers aside) unless -c says
another.

The exit code is the command's. When podkeep could not run it, it is 1 with a reason, and 130 when it was interrupted: then the
node side ends the command by force, with all that it began. Where there is none the command may run on, which is said.`),
		Example: examples(`
podkeep exec deployment/web -- env
# a shell
podkeep exec -it web-3fa9c1-0 -c app -- sh
# a file in, and out again
podkeep exec -i deployment/web -- sh -c 'cat > /tmp/x' < x
podkeep exec deployment/web -- cat /tmp/x > y`),
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash > 1 || len(args) < 2 {
				return errors.New("write what runs where: podkeep exec KIND/NAME -- COMMAND")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1:]) },
	}
	o.bind(cmd)
	cmd.ValidArgsFunction = o.targets(&o.namespace, 1, nothing)
	cmd.Flags().SetInterspersed(true)
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "default", "the object's namespace")
	cmd.Flags().StringVarP(&o.container, "container", "c", "", "the container (default: the pod's first)")
	cmd.Flags().BoolVarP(&o.stdin, "stdin", "i", false, "give it this command's input")
	cmd.Flags().BoolVarP(&o.tty, "tty", "t", false, "give it a terminal")
	completed(cmd, o.spaces(""), "namespace")
	completed(cmd, o.containers(&o.namespace), "container")
	return cmd
}

func (o *execOptions) run(cmd *cobra.Command, arg string, command []string) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	m, k, err := c.pick(arg, o.namespace, o.container, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	execer, ok := c.drivers[m.node].(drivers.Execer)
	if !ok {
		return fmt.Errorf("%s: commands cannot be run there", m.node)
	}
	ask := live.Exec{Container: k.ID, Command: command, TTY: o.tty, Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
	if o.stdin {
		ask.In = cmd.InOrStdin()
	}
	code, err := o.attached(ctx, execer, ask)
	switch {
	case errors.Is(err, live.ErrRunsOn):
		return exit{code: 130, err: fmt.Errorf("interrupted; %w", err)}
	case err != nil && ctx.Err() != nil:
		return exit{code: 130, err: errors.New("interrupted; the command was ended")}
	case err != nil:
		return fmt.Errorf("%s: %s/%s: %w", m.node, m.Name, k.Name, err)
	case code != 0:
		return exit{code: code}
	}
	return nil
}

// attached runs the command on this terminal, if it is one and was asked for.
func (o *execOptions) attached(ctx context.Context, e drivers.Execer, ask live.Exec) (int, error) {
	if !o.tty {
		return e.Exec(ctx, ask)
	}
	in, isFile := ask.In.(*os.File)
	if isFile && term.IsTerminal(int(in.Fd())) {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return 0, err
		}
		defer func() { _ = term.Restore(int(in.Fd()), before) }()
	}
	ctx, stop := context.WithCancel(ctx)
	sizes, done := sizesOf(ctx, ask.Out)
	defer done()
	defer stop()
	ask.Size = sizes
	return e.Exec(ctx, ask)
}

// sizesOf tells a terminal's size, at first and when it changes, until ctx ends. Done waits for its end.
func sizesOf(ctx context.Context, w io.Writer) (sizes chan live.Size, done func()) {
	sizes = make(chan live.Size, 1)
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer signal.Stop(changed)
		for {
			if width, height, ok := terminal(w); ok {
				select {
				case sizes <- live.Size{Width: width, Height: height}:
				case <-ctx.Done():
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return sizes, func() { <-ended }
}

// pick finds a container, and says which it is where that was left open.
func (c *crew) pick(arg, namespace, container string, says io.Writer) (member, live.Container, error) {
	t, err := c.find(arg, namespace)
	if err != nil {
		return member{}, live.Container{}, err
	}
	m, k, err := c.choose(t, container)
	if err == nil && !t.one() {
		_, _ = fmt.Fprintf(says, "podkeep: in %s/%s on %s\n", m.Name, k.Name, m.node)
	}
	return m, k, err
}

// choose is the container that a target means, by its name or, where that is empty, the pod's first.
func (c *crew) choose(t target, container string) (member, live.Container, error) {
	members := c.members(t)
	if len(members) == 0 {
		return member{}, live.Container{}, c.podless(t)
	}
	var not []string
	for _, m := range members {
		name := container
		if name == "" {
			name = mainOf(c, m.Pod)
		}
		if !slices.Contains(m.Expect, name) {
			return member{}, live.Container{}, fmt.Errorf("%s has no container %s: there are %s", m.Name, name, strings.Join(m.Expect, ", "))
		}
		for _, k := range m.Containers {
			if k.Name == name && k.State == live.Running {
				return m, k, nil
			}
			if k.Name == name {
				not = append(not, fmt.Sprintf("%s/%s on %s is %s", m.Name, name, m.node, k.State))
			}
		}
	}
	return member{}, live.Container{}, fmt.Errorf("nothing of %s runs: %s", t, strings.Join(not, "; "))
}

// mainOf is the container that the manifest names first, or, where the manifest is not there, the first by name that is no init
// container.
func mainOf(c *crew, p live.Pod) string {
	for _, w := range c.world.History.Head.Workloads {
		if spec := w.Revision.Spec; w.ID == p.App && len(spec.Containers) > 0 && slices.Contains(p.Expect, spec.Containers[0].Name) {
			return spec.Containers[0].Name
		}
	}
	for _, k := range inOrder(p) {
		if !slices.ContainsFunc(p.Init, func(i live.Init) bool { return i.Name == k.Name }) {
			return k.Name
		}
	}
	return ""
}
