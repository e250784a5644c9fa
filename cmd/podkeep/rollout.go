package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/status"
)

type rolloutOptions struct {
	settings
	namespace  string
	once, wait bool
	timeout    time.Duration
}

func rolloutCommand() *cobra.Command {
	var o rolloutOptions
	cmd := &cobra.Command{
		Use:   "rollout [KIND/]NAME",
		Short: "Follow the rollout of a workload, step by step",
		Long: paragraphs(`
Shows how far a workload is on its way from one revision to the next: why it stands as it does, until when it waits
and what decides, the steps of a canary or the stages of a blue-green switch with the current one marked, the pods
of each revision with their nodes, the Services that lead to one revision alone, and what was decided and done
lately. It needs no controller and changes nothing: "podkeep run" or "podkeep sync" does the work.

On a terminal that is drawn over itself until the rollout is over, though a person's decision is awaited meanwhile.
Elsewhere it is one line for each change, and it ends where only a person can go on, unless --wait is given.

Exit codes
  0  the revision asked for is the stable one, and available; with --once, however it stands
  1  it was rejected, or its pods fail; or the source or every node is out of reach, or nothing has that name
  3  timed out: --timeout passed first
  4  only a person's decision is awaited; what decides is printed`),
		Example: examples(`
# the way of a Rollout, or of a Deployment, until it is over
podkeep rollout rollout/web -n shop
# how it stands now
podkeep rollout web --once
# in a pipeline: go on through pauses that a person ends, for an hour at most
podkeep rollout web --wait --timeout 1h`),
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd)
	o.namespaceFlag(cmd, &o.namespace)
	flags := cmd.Flags()
	flags.BoolVar(&o.once, "once", false, "show how it stands, and end")
	flags.BoolVar(&o.wait, "wait", false, "go on where a person's decision is awaited, as on a terminal")
	flags.DurationVar(&o.timeout, "timeout", 0, "how long to follow it at most (default: as long as it takes)")
	completed(cmd, free(nothing), "timeout")
	cmd.ValidArgsFunction = o.rollouts()
	cmd.AddCommand(strangersAfter("rollout")...)
	return cmd
}

// rollouts offers all that can be followed.
func (o *rolloutOptions) rollouts() cobra.CompletionFunc {
	return offer(nothing, func(cmd *cobra.Command, args []string, begun string) (all []string) {
		if len(args) > 0 {
			return nil
		}
		for _, w := range o.manifests(cmd).Workloads {
			if w.ID.Namespace != o.namespace {
				continue
			}
			all = append(all, typed(w.ID, begun))
			if w.By != nil {
				all = append(all, typed(w.By.ID, begun))
			}
		}
		return all
	})
}

func (o *rolloutOptions) run(cmd *cobra.Command, args []string) error {
	name, err := rolloutName(args)
	if err != nil {
		return err
	}
	if o.timeout < 0 {
		return fmt.Errorf("timeout %s: write a duration above zero, such as 1h", o.timeout)
	}
	source, err := o.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	f := &following{rolloutOptions: o, name: name, out: cmd.OutOrStdout(), began: time.Now()}
	if !o.once {
		return o.follow(cmd, source, f)
	}
	world, err := o.look(cmd, source, lookOptions{})
	if err != nil {
		return err
	}
	if err := f.find(world); err != nil {
		return err
	}
	status.Of(world).Only(f.chosen).Rollout(f.out, look(f.out))
	return lost(world)
}

// rolloutName is what is to be followed.
func rolloutName(args []string) (string, error) {
	if args[0] == "status" && len(args) > 1 { // kubectl's rollout status
		args = args[1:]
	}
	if args = joined(args); len(args) > 1 {
		return "", fmt.Errorf("%q is one argument too many: write podkeep rollout [KIND/]NAME", args[1])
	}
	return args[0], nil
}

// follow shows one pass after the other, and counts down between them, until the rollout is over.
func (o *rolloutOptions) follow(cmd *cobra.Command, source sources.Source, f *following) error {
	interrupted, stop := interruptible(cmd)
	defer stop()
	key, err := o.reading()
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(interrupted)
	options := o.options(source, key, o.logger(cmd.ErrOrStderr(), logrus.ErrorLevel))
	options.DryRun = true
	worlds := make(chan status.World, 1)
	options.Tell = func(p reconciler.Pass) {
		select {
		case <-worlds: // an older one that nobody has seen
		default:
		}
		worlds <- world(p)
	}
	ran := make(chan error, 1)
	go func() { ran <- reconciler.New(options).Run(ctx) }()
	err = f.each(ctx, worlds)
	end()
	return cmp.Or(err, <-ran)
}

// each shows worlds as they come, until the rollout is over, somebody interrupts it, or the time is up.
func (f *following) each(ctx context.Context, worlds <-chan status.World) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	var late <-chan time.Time
	if f.timeout > 0 {
		timer := time.NewTimer(f.timeout)
		defer timer.Stop()
		late = timer.C
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-late:
			return exit{3, fmt.Errorf("timed out after %s: %s", f.timeout, cmp.Or(f.last.why, "nothing was seen yet"))}
		case w := <-worlds:
			err = f.pass(w)
		case <-second.C:
			err = f.tick(time.Now())
		}
		if err != nil || f.last.done {
			return cmp.Or(err, f.end())
		}
	}
}

func (f *following) end() error {
	if f.last.code != 0 {
		return exit{f.last.code, errors.New(f.last.why)}
	}
	return nil
}

// find says which workload is meant, once it is known which there are.
func (f *following) find(w status.World) error {
	of := map[manifest.ID]manifest.ID{} // the workload by each of its names
	for _, app := range w.Plan.Apps {
		of[app.ID] = app.ID
	}
	for _, want := range w.History.Want().Workloads {
		if _, there := of[want.ID]; there && want.By != nil {
			of[want.By.ID] = want.ID
		}
	}
	var all []manifest.ID
	for name := range of {
		all = append(all, name)
	}
	slices.SortFunc(all, byWords)
	if err := noPod(f.name); err != nil {
		return err
	}
	here, err := meaning(f.name, f.namespace, all)
	if err != nil {
		return err
	}
	for i := range here {
		here[i] = of[here[i]]
	}
	if here = slices.Compact(here); len(here) > 1 {
		return fmt.Errorf("%s is the name of several: write %s", f.name, orOf(here))
	}
	f.app, f.chosen = here[0], status.Selection{Namespace: f.namespace, Objects: here}
	return nil
}

// noPod refuses a kind that has no rollouts.
func noPod(arg string) error {
	kind, _, named := strings.Cut(arg, "/")
	if k, ok := kindOf(kind); named && ok && !k.runs {
		return fmt.Errorf("%s: a %s has no rollout; write the workload, such as deployment/web", arg, k.kind)
	}
	return nil
}
