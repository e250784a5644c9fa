package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/status"
)

type diffOptions struct {
	settings
	namespace string
	rev       string
	output    string
}

func diffCommand() *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff [KIND/NAME] [DIRECTORY]",
		Short: "Show how what runs differs from what is asked for, object by object",
		Long: paragraphs(`
Compares what the repository asks for with what the fleet runs, and prints what would be added and removed,
and a unified diff of each object: on the one side what its pods were made of, on the other what new ones
would be. Both are shown rendered, with defaults set; the content of ConfigMaps is part of it. Of a secret
only whether it is another one is shown, never its value or a digest of it.

With --rev it compares with another commit, branch or tag; with a directory, with the files as they lie there.

plan says what would be done next; diff says where it leads.

Exit codes: 0 no difference, 1 there are differences, 2 an error, also when manifests do not load.`),
		Example: examples(`
# what is different
podkeep diff
# of one workload
podkeep diff deployment/web -n shop
# what going back one commit would change
podkeep diff --rev HEAD~1
# these files, before they are pushed
podkeep diff --source https://git.example.com/fleet.git ./fleet`),
		Args: func(cmd *cobra.Command, args []string) error { return graver(takes(0, 2)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd)
	configure := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error { return graver(configure(cmd, args)) }
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return graver(flagError(cmd, err)) })
	o.namespaceFlag(cmd, &o.namespace)
	cmd.ValidArgsFunction = o.targets(&o.namespace, 1, aFile)
	cmd.Flags().StringVar(&o.rev, "rev", "", "commit, branch or tag to compare with (default: what --branch names)")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, json or yaml")
	complete(cmd, "output", "text", "json", "yaml")
	completed(cmd, o.revisions(false), "rev")
	return cmd
}

// graver is an error with the exit code that diff has for one, since 1 is a difference.
func graver(err error) error {
	var e exit
	if err == nil || errors.As(err, &e) {
		return err
	}
	return exit{code: 2, err: err}
}

func (o *diffOptions) run(cmd *cobra.Command, args []string) error {
	app, dir, err := o.what(args)
	if err != nil {
		return graver(err)
	}
	world, err := o.world(cmd, dir)
	if err != nil {
		return graver(err)
	}
	d := status.DiffOf(world)
	if app != nil {
		if !isKnown(world, *app) {
			return graver(fmt.Errorf("%s/%s in namespace %s is neither in the manifests nor in the fleet", app.Kind, app.Name, app.Namespace))
		}
		d = d.Only(*app)
	}
	if err := o.print(cmd.OutOrStdout(), d); err != nil {
		return graver(err)
	}
	switch {
	case len(d.Report.Problems) > 0:
		return exit{code: 2, err: errors.New("what does not load is compared in its last good form")}
	case d.Any():
		return exit{code: 1}
	}
	return nil
}

// what reads the arguments: KIND/NAME, then a directory.
func (o *diffOptions) what(args []string) (app *manifest.ID, dir string, err error) {
	if o.output != "text" && o.output != "json" && o.output != "yaml" {
		return nil, "", fmt.Errorf("output %q: write text, json or yaml", o.output)
	}
	if len(args) > 0 && (namesWorkload(args[0]) || len(args) > 1) {
		id, err := workloadID(args[0], o.namespace)
		if err != nil {
			return nil, "", err
		}
		app, args = &id, args[1:]
	}
	if len(args) > 0 {
		dir = args[0]
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, "", fmt.Errorf("%q: is no directory; an object is KIND/NAME, such as deployment/web", dir)
		}
	}
	if o.rev != "" && dir != "" {
		return nil, "", errors.New("a directory has no revisions: give --rev or a directory, not both")
	}
	return app, dir, nil
}

// world looks at the fleet with another version of the source in mind, if one was asked for.
func (o *diffOptions) world(cmd *cobra.Command, dir string) (status.World, error) {
	source, err := o.openFor(cmd.Context(), o.rev, dir, o.names(cmd.Flags()))
	if err != nil {
		return status.World{}, err
	}
	defer func() { _ = source.Close() }()
	world, err := o.look(cmd, source, lookOptions{proposal: o.rev != "" || dir != ""})
	if err != nil {
		return status.World{}, err
	}
	status.Of(world).WriteProblems(cmd.ErrOrStderr(), look(cmd.ErrOrStderr()))
	return world, lost(world)
}

func (o *diffOptions) print(w io.Writer, d status.Differences) error {
	if o.output != "text" {
		return encode(w, o.output, d.Document())
	}
	d.Text(w, look(w))
	return written(w)
}

// isKnown says whether a workload is asked for or runs.
func isKnown(w status.World, app manifest.ID) bool {
	for _, a := range w.Plan.Apps {
		if a.ID == app {
			return true
		}
	}
	return false
}
