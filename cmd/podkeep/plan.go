package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/status"
)

type planOptions struct {
	settings
	rev    string
	output string
	prune  bool
}

func planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan [DIRECTORY]",
		Short: "Show what would be done next, and why; change nothing",
		Long: paragraphs(`
Reads the manifests, looks at the fleet and prints what would be done next, with a reason for each
line: deletions first, then the other actions, what becomes of requests to Services, of NetworkPolicies and at doors, and
the workloads that the actions are steps of. Nothing is changed, anywhere.

A rollout takes many passes, and each looks before it thinks; so the actions are those of the next pass,
and the table of workloads says where they lead.

With --rev it plans for another commit, branch or tag; with a directory, for the files as they
lie there, as if they were pushed to the source. Where no source is named, by the flag or in a
configuration file, that is the directory's own repository.

What is suspended or held is listed, and is not a change.

Exit codes: 0 nothing to do, 2 there are changes, 1 an error, also when manifests do not load.
Manifests that do not load are printed to stderr, one FILE:LINE: line each.`),
		Example: examples(`
# what would a controller do now
podkeep plan
# what would going back to a tag do
podkeep plan --rev v1.4
# what would these files do, were they pushed
podkeep plan --source https://git.example.com/fleet.git ./fleet
# in a pipeline: fail on errors, comment on changes
podkeep plan --rev "$COMMIT" -o json > plan.json; test $? -ne 1`),
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd)
	cmd.Flags().StringVar(&o.rev, "rev", "", "commit, branch or tag to plan for (default: what --branch names)")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, json or yaml")
	cmd.Flags().BoolVar(&o.prune, "allow-prune", false, "plan as if deleting more than half of the workloads were allowed")
	complete(cmd, "output", "text", "json", "yaml")
	completed(cmd, o.revisions(false), "rev")
	cmd.ValidArgsFunction = free(aFolder)
	return cmd
}

func (o *planOptions) run(cmd *cobra.Command, args []string) error {
	if o.output != "text" && o.output != "json" && o.output != "yaml" {
		return fmt.Errorf("output %q: write text, json or yaml", o.output)
	}
	if o.rev != "" && len(args) > 0 {
		return errors.New("a directory has no revisions: give --rev or a directory, not both")
	}
	dir := ""
	if len(args) > 0 {
		dir = args[0]
	}
	source, err := o.openFor(cmd.Context(), o.rev, dir, o.names(cmd.Flags()))
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	world, err := o.look(cmd, source, lookOptions{prune: o.prune, proposal: o.rev != "" || dir != ""})
	if err != nil {
		return err
	}
	preview := status.PreviewOf(world)
	preview.Report.WriteProblems(cmd.ErrOrStderr(), look(cmd.ErrOrStderr()))
	if err := lost(world); err != nil {
		return err
	}
	if err := o.print(cmd.OutOrStdout(), preview); err != nil {
		return err
	}
	return verdict(preview)
}

func (o *planOptions) print(w io.Writer, p status.Preview) error {
	if o.output != "text" {
		return encode(w, o.output, p.Document())
	}
	p.Text(w, look(w))
	return nil
}

// verdict is plan's exit code.
func verdict(p status.Preview) error {
	switch n := len(p.Report.Problems); {
	case n > 0:
		return exit{code: 1, err: errors.New(p.Refused())}
	case p.Changes():
		return exit{code: 2}
	default:
		return nil
	}
}
