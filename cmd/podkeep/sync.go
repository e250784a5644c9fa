package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler"
)

type syncOptions struct {
	settings
	timeout time.Duration
	prune   bool
}

func syncCommand() *cobra.Command {
	var o syncOptions
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Make the fleet as the repository says, wait until it is, and end",
		Long: paragraphs(`
Reads, looks, thinks and acts until every object that is not suspended is at its revision and available, and every
Job has finished, and every node that is heard sends requests to Services, holds NetworkPolicies, and has a door that serves
Ingresses and Gateways, as is planned.
On a terminal a table follows what happens; elsewhere each change is a line. With --log-format json each
action and each change is a JSON object on standard error instead, as run logs it.

With --timeout it waits so long for hosts that refuse to answer, too, and for a source that cannot be read, unless that
is for a reason that no time mends, such as a wrong password. Without, it ends at once when all hosts refuse or the
source cannot be read; a host that is only late is waited for in any case.

Exit codes
  0  converged
  1  refused or failed: a revision was rejected and the one before it is kept, a Job failed, manifests do not
     load or a node cannot route to Services, hold NetworkPolicies or have a door (once the rest has converged), or the source or every node is out of reach
  3  timed out: --timeout passed first
  4  only a person's decision is awaited; what decides is printed. Hosts that fell silent together are waited for`),
		Example: examples(`
podkeep sync
# in a pipeline, after a push
podkeep sync --source https://git.example.com/fleet.git --branch main --timeout 5m
# a commit that removes more than half of the workloads holds until someone says so
podkeep sync --allow-prune`),
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.bind(cmd)
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long to wait for the fleet to converge")
	cmd.Flags().BoolVar(&o.prune, "allow-prune", false, "let a commit delete more than half of the workloads")
	completed(cmd, free(nothing), "timeout")
	return cmd
}

func (o *syncOptions) run(cmd *cobra.Command) error {
	if o.timeout <= 0 {
		return fmt.Errorf("timeout %s: write a duration above zero, such as 10m", o.timeout)
	}
	key, err := o.acting(o.logger(cmd.ErrOrStderr(), logrus.InfoLevel))
	if err != nil {
		return err
	}
	source, err := o.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	interrupted, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, o.timeout)
	defer cancel()

	began, patient := time.Now(), cmd.Flags().Changed("timeout") // who says how long means it, whatever fails at first
	out, level := cmd.OutOrStdout(), logrus.ErrorLevel
	if o.logFormat == "json" {
		out, level = io.Discard, logrus.InfoLevel
	}
	show := newProgress(out, began, o.verbose)
	last := outcome{why: "nothing was seen yet"}
	options := o.options(source, key, o.logger(cmd.ErrOrStderr(), level))
	options.AllowPrune, options.Mirror = o.prune, o.mirrorOf(source)
	options.Tell = func(p reconciler.Pass) {
		if ctx.Err() != nil || last.done {
			return
		}
		w := world(p)
		last = judge(w, began, patient)
		switch why := cmp.Or(unfetched(w, began), unreachable(w)); {
		case why == nil:
			show.pass(w)
		case !last.done:
			show.unseen(w, why)
		}
		if last.done {
			cancel()
		}
	}
	err = reconciler.New(options).Run(ctx)
	switch {
	case last.done:
		return o.end(cmd, last, began)
	case interrupted.Err() != nil:
		return errors.New("interrupted; sync again goes on where this one ended")
	case ctx.Err() != nil:
		return exit{3, fmt.Errorf("timed out after %s: %s", o.timeout, last.why)}
	default:
		return err
	}
}

func (o *syncOptions) end(cmd *cobra.Command, last outcome, began time.Time) error {
	if last.code == 0 {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", live.Plain(last.why), time.Since(began).Round(100*time.Millisecond))
		return err
	}
	return exit{last.code, errors.New(last.why)}
}
