package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/status"
)

// patience is how long a node may take to be examined.
const patience = 20 * time.Second

type checkOptions struct {
	settings
	output string
}

func checkCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look before the flight: repository and nodes, and what to mend",
		Long: paragraphs(`
Looks at all that a fleet stands on, and says of each finding what to do: the repository (can it be reached
with these credentials, how old is what was read, do the manifests load) and every node (can it be reached, its
Podman's version and what is known to be wrong with that, cgroups, runtime, network, events, what happens at a
reboot, clock, storage, disk, sub-ids, low ports, locks, which host it is).

On nodes it runs nothing but Podman's API and, over SSH, systemctl is-enabled, cat and ls. Nothing is changed.

✓ is fine, ? cannot be known from here, ! is a warning, ✗ an error.

Exit codes: 0 fine, also with warnings; 1 errors.`),
		Example: examples(`
podkeep check
# before a node is added
podkeep check --source ./fleet-with-n4
# in a pipeline
podkeep check -o json | jq -r '.[] | select(.level == "error") | .where + ": " + .text'`),
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.bind(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, json or yaml")
	complete(cmd, "output", "text", "json", "yaml")
	return cmd
}

func (o *checkOptions) run(cmd *cobra.Command) error {
	if o.output != "text" && o.output != "json" && o.output != "yaml" {
		return fmt.Errorf("output %q: write text, json or yaml", o.output)
	}
	found, err := o.examine(cmd)
	if err != nil {
		return err
	}
	if err := o.print(cmd.OutOrStdout(), found); err != nil {
		return err
	}
	if found.Worst() == status.Bad {
		return exit{code: 1}
	}
	return nil
}

func (o *checkOptions) examine(cmd *cobra.Command) (status.Findings, error) {
	source, err := o.open(cmd.Context())
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	world, err := o.look(cmd, source, lookOptions{})
	if err != nil {
		return status.CheckRepository(status.World{History: manifest.History{Source: source.Name(), Err: err.Error()}}), nil
	}
	found := status.CheckRepository(world)
	want := world.History.Want()
	for i, up := range o.nodes(cmd.Context(), nodesOf(world)) {
		n := world.Snapshot.Nodes[i]
		up.Net, up.Doors = n.Side.Net, n.Side.Doors
		found = append(found, status.CheckNode(up, want)...)
		if n.Known {
			found = append(found, status.CheckIdentity(world, n))
		}
	}
	return found, nil
}

// nodesOf are those that were looked at: the declared ones, or this machine.
func nodesOf(w status.World) (nodes []manifest.Node) {
	for _, n := range w.Snapshot.Nodes {
		is := func(m manifest.Node) bool { return m.Name == n.Name }
		declared := slices.Concat(w.History.Head.Nodes, w.History.Gone)
		if i := slices.IndexFunc(declared, is); i >= 0 {
			nodes = append(nodes, declared[i])
		} else {
			nodes = append(nodes, reconciler.LocalNode())
		}
	}
	return nodes
}

// nodes asks all at once.
func (o *checkOptions) nodes(ctx context.Context, nodes []manifest.Node) []status.Examined {
	answers := make([]status.Examined, len(nodes))
	var asked sync.WaitGroup
	for i, n := range nodes {
		asked.Go(func() { answers[i] = o.node(ctx, n) })
	}
	asked.Wait()
	return answers
}

func (o *checkOptions) node(ctx context.Context, n manifest.Node) (up status.Examined) {
	up.Node = n.Name
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	driver, err := o.openNode(ctx, n)
	if err != nil {
		up.Err = err
		return up
	}
	defer func() { _ = driver.Close() }()
	asks, ok := driver.(drivers.Examiner)
	if !ok {
		up.Err = errors.New("its driver cannot examine hosts")
		return up
	}
	if up.Checkup, err = asks.Examine(ctx); err != nil {
		up.Err = errors.New(mended(err.Error(), []manifest.Node{n}))
	}
	return up
}

func (o *checkOptions) print(w io.Writer, found status.Findings) error {
	if o.output != "text" {
		return encode(w, o.output, found)
	}
	found.Text(w, look(w))
	return nil
}
