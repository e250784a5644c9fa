package main

import (
	"errors"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/doorman"
	"github.com/podkeep/podkeep/node/wire"
)

// doorGrace is how long what a door has begun may go on once it is told to end: a little less than its pod has.
const doorGrace = 55 * time.Second

// doorGarbage is at how many percent of what is in use memory is looked through: a door's is small, and what it does is measured in microseconds.
const doorGarbage = 400

// doorCommand is what runs in a door's container. Help does not list it: nobody types it.
func doorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "door",
		Hidden: true,
		Short:  "A door: what serves Ingresses and Gateways on a host",
		Long: paragraphs(`
What runs in the container that podkeep puts on hosts that are to serve Ingresses and Gateways. It is told
by the host's node side what to serve. Nobody has to type it.`),
		Example: examples(`podkeep door run --help`),
		Args:    known,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(doorRunCommand())
	return cmd
}

func doorRunCommand() *cobra.Command {
	var dir, pod string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve requests as the node side says, until told to stop",
		Long: paragraphs(`
Listens at the ports that the node side names, and leads requests to pods. Where a door of this host is
there already it takes that one's ports over, without the loss of a connection. SIGINT and SIGTERM end
it once what it has begun has ended, or after 55 seconds.`),
		Example: examples(`podkeep door run --pod door-1`),
		Args:    takes(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDoor(cmd, dir, pod) },
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "dir", live.DoorDir, "where it meets the node side, and other doors of its host")
	flags.StringVar(&pod, "pod", "", "what its pod is called")
	completed(cmd, free(aFolder), "dir")
	completed(cmd, free(nothing), "pod")
	cmd.ValidArgsFunction = free(nothing)
	return cmd
}

func runDoor(cmd *cobra.Command, dir, pod string) error {
	if pod == "" {
		return errors.New("write --pod NAME: what the door's pod is called")
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	debug.SetGCPercent(doorGarbage)
	log := (&settings{}).logger(cmd.ErrOrStderr(), logrus.InfoLevel)
	log.WithFields(logrus.Fields{"pod": pod, "version": sideVersion()}).Info("begins")
	err := doorman.Run(ctx, doorman.Options{
		Dir: dir, Pod: pod, Version: sideVersion(), Grace: doorGrace, Log: log,
		Make: func(changed func(wire.Kept)) (doorman.Engine, doorman.Keyring) { return doorParts(log, changed) },
	})
	log.Info("ends, as it was told to")
	return err
}
