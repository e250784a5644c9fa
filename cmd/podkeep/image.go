package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/manifest"
)

func imageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "image",
		Short:   "Give images to nodes, without a registry",
		Example: examples("podkeep image load localhost/web:1"),
		Args:    known,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(imageLoad())
	return cmd
}

type loadOptions struct {
	settings
	nodes    []string
	parallel int
	timeout  time.Duration
}

func imageLoad() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "load NAME | FILE | -",
		Short: "Put a local image into every node, without a registry",
		Long: paragraphs(`
Takes an image of this machine's own Podman, or a docker-archive or oci-archive (a tar file, or - for this
command's input), and loads it into the store of every node. Manifests then name it as the archive does, such as
localhost/web:1, with imagePullPolicy IfNotPresent or Never.

A node that joins later does not get it: load it again, or use a registry. The exit code is 1 when any node did not
take it; the others have it.`),
		Example: examples(`
podman build -t localhost/web:1 .
podkeep image load localhost/web:1
# two nodes only
podkeep image load localhost/web:1 --node n1,n2
# a large one, over a slow line
podkeep image load localhost/web:1 --timeout 1h
# from a pipe
podman save web:1 | podkeep image load -`),
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.bind(cmd)
	cmd.Flags().StringSliceVar(&o.nodes, "node", nil, "these nodes alone, as n1,n2 (default: all)")
	cmd.Flags().IntVar(&o.parallel, "parallel", 4, "how many nodes at a time")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long one node may take")
	cmd.ValidArgsFunction = free(aFile)
	completed(cmd, o.settings.nodes(), "node")
	completed(cmd, free(nothing), "parallel", "timeout")
	return cmd
}

func (o *loadOptions) run(cmd *cobra.Command, name string) error {
	if o.parallel < 1 {
		return fmt.Errorf("parallel %d: write how many nodes at a time", o.parallel)
	}
	if o.timeout <= 0 {
		return fmt.Errorf("timeout %s: write a duration above zero, such as 10m", o.timeout)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	a, err := openArchive(ctx, name, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer a.close()
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	nodes, err := pick(c.nodes, o.nodes)
	if err != nil {
		return err
	}
	return o.load(ctx, cmd.OutOrStdout(), c, nodes, a)
}

// pick are the nodes of these names; all without any.
func pick(all []manifest.Node, names []string) ([]manifest.Node, error) {
	if len(names) == 0 {
		return all, nil
	}
	var picked []manifest.Node
	var there []string
	for _, n := range all {
		there = append(there, n.Name)
		if slices.Contains(names, n.Name) {
			picked = append(picked, n)
		}
	}
	for _, name := range names {
		if !slices.Contains(there, name) {
			return nil, fmt.Errorf("no node %s: there are %s", name, strings.Join(there, ", "))
		}
	}
	return picked, nil
}

// freight is an archive on its way to one node.
type freight struct {
	node string
	sent atomic.Int64
	took time.Duration
	err  error
	over chan struct{}
}

func (o *loadOptions) load(ctx context.Context, out io.Writer, c *crew, nodes []manifest.Node, a *archive) error {
	var group errgroup.Group
	group.SetLimit(o.parallel)
	var all []*freight
	for _, n := range nodes {
		all = append(all, &freight{node: n.Name, over: make(chan struct{})})
	}
	go func() {
		for _, f := range all {
			group.Go(func() error {
				defer close(f.over)
				began := time.Now()
				f.err = o.ship(ctx, c.drivers[f.node], a, &f.sent)
				f.took = time.Since(began)
				return nil
			})
		}
	}()
	tell(out, all, a)
	var failed []string
	for _, f := range all {
		if f.err != nil {
			failed = append(failed, fmt.Sprintf("%s: load %s: %v", f.node, a.said(), f.err))
		}
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, "\n"))
	}
	return nil
}

// tell says of each node that it has the image, in the nodes' order, and on a terminal how far the others are. It ends when all
// have ended.
func tell(out io.Writer, all []*freight, a *archive) {
	_, _, live := terminal(out)
	clear := ""
	if live {
		clear = "\r\x1b[K"
	}
	for i, f := range all {
		for waiting := true; waiting; {
			select {
			case <-f.over:
				waiting = false
			case <-time.After(200 * time.Millisecond):
				if live {
					_, _ = io.WriteString(out, clear+progressOf(all[i:], a.size))
				}
			}
		}
		if f.err == nil {
			_, _ = fmt.Fprintf(out, "%s%s: loaded %s, %s in %s\n", clear, f.node, a.said(), bytesOf(a.size), f.took.Round(100*time.Millisecond))
		}
	}
}

func progressOf(all []*freight, size int64) string {
	var parts []string
	for _, f := range all {
		parts = append(parts, fmt.Sprintf("%s %d%%", f.node, f.sent.Load()*100/max(1, size)))
	}
	return strings.Join(parts, "  ")
}

func bytesOf(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)/1024)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// ship gives the archive to one node, which may take as long as --timeout.
func (o *loadOptions) ship(ctx context.Context, d drivers.Driver, a *archive, sent *atomic.Int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errLate)
	defer cancel()
	err := o.send(ctx, d, a, sent)
	if err != nil && context.Cause(ctx) == errLate {
		return fmt.Errorf("not done after %s, %d%% were sent; --timeout gives it more time", o.timeout, sent.Load()*100/max(1, a.size))
	}
	return err
}

var errLate = errors.New("the time is over")

func (o *loadOptions) send(ctx context.Context, d drivers.Driver, a *archive, sent *atomic.Int64) error {
	loader, ok := d.(drivers.Loader)
	if !ok {
		return errors.New("images cannot be loaded there")
	}
	f, err := os.Open(a.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return loader.Load(ctx, &meter{f, sent})
}

// meter counts what was read.
type meter struct {
	io.Reader
	n *atomic.Int64
}

func (c *meter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
