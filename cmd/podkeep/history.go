package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/status"
)

// mostCommits is how many commits are read at most to find those of one workload.
const mostCommits = 1000

type historyOptions struct {
	settings
	namespace string
	limit     int
	output    string
}

func historyCommand() *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use:   "history [KIND/NAME | NAME]",
		Short: "Show the commits and what each did to the fleet",
		Long: paragraphs(`
Lists the commits that the branch descends from by first parents, newest first, and below each what was
done about it: which workloads began to roll, were promoted, failed or were done, when and why. It is told from
the receipts that lie on the nodes and from the pods that are there; a star marks what runs now. What people decided,
in refs/notes/podkeep, stands below the commit that it is written on.

Receipts of the last three rollouts of a workload are kept. Of an older one is told what the controller mirrored to refs/notes/podkeep-fleet, marked
as such; else the commit shows what it asked for.

Exit codes: 0, or 1 when the source could not be read or no node answers; what is known is shown all the same.`),
		Example: examples(`
podkeep history
# of one workload
podkeep history deployment/web -n shop
# the last commit at which something failed
podkeep history -o json | jq -r '[.commits[] | select(.rollouts[].events[].verb == "failed")][0].commit'`),
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd)
	o.namespaceFlag(cmd, &o.namespace)
	cmd.ValidArgsFunction = o.targets(&o.namespace, 1, nothing)
	cmd.Flags().IntVar(&o.limit, "limit", 20, "how many commits to show")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, json or yaml")
	complete(cmd, "output", "text", "json", "yaml")
	completed(cmd, free(nothing), "limit")
	return cmd
}

func (o *historyOptions) run(cmd *cobra.Command, args []string) error {
	if o.output != "text" && o.output != "json" && o.output != "yaml" {
		return fmt.Errorf("output %q: write text, json or yaml", o.output)
	}
	if o.limit < 1 {
		return fmt.Errorf("limit %d: write a number above zero", o.limit)
	}
	app, err := o.app(args)
	if err != nil {
		return err
	}
	source, err := o.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	world, err := o.look(cmd, source, lookOptions{})
	if err != nil {
		return err
	}
	if app != nil && app.Kind == "" {
		if app, err = theOne(world, app.Name, o.namespace); err != nil {
			return err
		}
	}
	past, err := o.past(cmd.Context(), source, world, app)
	if err != nil {
		return err
	}
	if err := o.print(cmd.OutOrStdout(), past); err != nil {
		return err
	}
	return lost(world)
}

// app is what the arguments name, if they do; of a name alone the kind is yet to be found.
func (o *historyOptions) app(args []string) (*manifest.ID, error) {
	if len(args) == 0 {
		return nil, nil
	}
	if !strings.Contains(args[0], "/") {
		return &manifest.ID{Namespace: o.namespace, Name: args[0]}, nil
	}
	id, err := workloadID(args[0], o.namespace)
	return &id, err
}

// theOne is the one workload of that name that is asked for or is still there.
func theOne(w status.World, name, namespace string) (*manifest.ID, error) {
	var all []manifest.ID
	for _, a := range w.Plan.Apps {
		all = append(all, a.ID)
	}
	found, err := meaning(name, namespace, all)
	if err == nil && len(found) > 1 {
		err = fmt.Errorf("%s is the name of several: write %s", name, orOf(found))
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// past reads as many commits as are to be shown, and one more, since what a commit changed is known from the one before.
func (o *historyOptions) past(ctx context.Context, source sources.Source, w status.World, app *manifest.ID) (status.Past, error) {
	line := []manifest.Set{w.History.Head}
	most := o.limit + 1
	if app != nil {
		most = mostCommits
	}
	for at := w.History.Head.Parent; at != "" && len(line) < most; {
		set, err := source.Load(ctx, at)
		if errors.Is(err, sources.ErrGone) { // a shallow clone ends here
			break
		}
		if err != nil {
			return status.Past{}, err
		}
		line = append(line, set)
		at = set.Parent
	}
	var mirrored []live.Receipt
	if m, ok := source.(sources.Mirror); ok {
		mirrored, _ = m.Mirrored(ctx, o.cluster, w.History.Head.Commit) // where it cannot be read, hosts tell what they have
	}
	past := status.PastOf(w, line, mirrored)
	if app != nil {
		past = past.Only(*app)
	}
	return past.First(o.limit), nil
}

func (o *historyOptions) print(w io.Writer, p status.Past) error {
	if o.output != "text" {
		return encode(w, o.output, p.Document())
	}
	p.Text(w, look(w))
	return nil
}
