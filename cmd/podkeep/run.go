package main

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/status"
)

type runOptions struct {
	settings settings
	listen   string
	// listenNames are those by which it may be asked.
	listenNames []string
}

// stale is how old the last pass may be before /healthz says so: four slow resyncs.
const stale = 2 * time.Minute

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep the fleet as the repository says, until told to stop",
		Long: paragraphs(`
Reads, looks, thinks and acts, again and again: at once when the repository or a node changes, and
every 30 seconds in any case. SIGINT and SIGTERM end it between two actions; pods stay as they are, and
the next run goes on where this one ended. It keeps no state of its own but the key that it signs with.

While it runs, --listen serves

  /healthz  200 while passes happen, and how old the last one is
  /metrics  Prometheus
  /status   as podkeep status -o json; text for "Accept: text/plain" or ?o=text, ?o=wide, ?o=yaml

The address has no authentication: keep it on loopback, or put something that has in front of it. What
environment variables are set to is not shown there. It is asked by address, as localhost, by the host's own
name, or by one of --listen-name.`),
		Example: examples(`
# this directory, on this machine
podkeep run
# a remote repository, fetched every minute
podkeep run --source https://git.example.com/fleet.git --branch main --interval 1m
# how does it stand
curl -s 'http://127.0.0.1:7077/status?o=text'`),
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.settings.bind(cmd)
	o.register(cmd.Flags())
	completed(cmd, free(nothing), "listen", "listen-name")
	return cmd
}

func (o *runOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.listen, "listen", "127.0.0.1:7077", "address for /healthz, /metrics and /status; empty serves nothing")
	flags.StringSliceVar(&o.listenNames, "listen-name", nil, "names by which that address may be asked, beside addresses, localhost and the host's own")
}

func (o *runOptions) run(cmd *cobra.Command) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log := o.settings.logger(cmd.ErrOrStderr(), logrus.InfoLevel)
	key, err := o.settings.acting(log)
	if err != nil {
		return err
	}
	source, err := o.settings.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()

	board := status.NewBoard(stale, time.Now)
	board.Metrics.Build(version, commit())
	closeServer, err := serve(o.listen, o.listenNames, board.Handler(), log, cmd.Flags().Changed("listen"))
	if err != nil {
		return err
	}
	defer closeServer()

	options := o.settings.options(fetching(source, board.Metrics.Fetched), key, log)
	options.Mirror = o.settings.mirrorOf(source)
	options.Open = func(ctx context.Context, n manifest.Node) (drivers.Driver, error) {
		d, err := o.settings.openNode(ctx, n)
		if err != nil {
			return nil, err
		}
		return counted(d, board.Metrics.Did), nil
	}
	options.Tell = func(p reconciler.Pass) { board.Show(world(p), time.Since(p.Time)) }
	log.WithFields(logrus.Fields{"source": source.Name(), "cluster": o.settings.cluster, "version": version}).Info("begins")
	err = reconciler.New(options).Run(ctx)
	if ctx.Err() != nil {
		log.Info("ends, as it was told to")
		return nil
	}
	return err
}
