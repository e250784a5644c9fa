package main

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/status"
)

// options are a reconciler's, as the settings have them.
func (s *settings) options(source sources.Source, key ed25519.PrivateKey, log *logrus.Logger) reconciler.Options {
	o := reconciler.Options{
		Source: source, Cluster: s.cluster, Key: key, Log: log,
		Open: s.openNode, Side: s.offer(), Image: s.image,
	}
	if o.Net, _ = s.net(); o.Side.Refused { // nobody else serves Services
		o.Net = manifest.Net{Domain: o.Net.Domain}
	}
	o.Doors, _ = s.doors()
	return o
}

// mirrorOf is the source as what receipts are mirrored to, nil where they are not.
func (s *settings) mirrorOf(source sources.Source) sources.Mirror {
	if m, ok := source.(sources.Mirror); ok && s.mirror {
		return m
	}
	return nil
}

// world is what a pass knew, for package status.
func world(p reconciler.Pass) status.World {
	return status.World{Now: p.Time, History: p.History, Snapshot: p.Snapshot, Plan: p.Plan, Err: p.Err}
}

type lookOptions struct{ prune, proposal bool }

// look reads, looks and thinks once, and does not act.
func (s *settings) look(cmd *cobra.Command, source sources.Source, with lookOptions) (status.World, error) {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	key, err := s.reading()
	if err != nil {
		return status.World{}, err
	}
	options := s.options(source, key, s.logger(cmd.ErrOrStderr(), logrus.ErrorLevel))
	options.Open, options.DryRun, options.Proposal = s.openWhole, true, with.proposal
	options.AllowPrune, options.LookTimeout = with.prune, 2*onceLook // with the dialling
	loop := reconciler.New(options)
	defer loop.Close()
	pass := loop.Pass(ctx)
	if ctx.Err() != nil {
		return status.World{}, errors.New("interrupted")
	}
	if pass.History.Head.Commit == "" && pass.Err != nil {
		return status.World{}, pass.Err
	}
	return world(pass), nil
}

// lost is why a pass says too little to go by: the source did not answer, or no node did.
func lost(w status.World) error { return cmp.Or(unread(w), unreachable(w)) }

// unread is why the source did not answer.
func unread(w status.World) error {
	if w.History.Err != "" {
		return errors.New(w.History.Err)
	}
	return w.Err
}

// unreachable is why no node answers, nil when one does, or there is none.
func unreachable(w status.World) error {
	why := ""
	for _, n := range w.Snapshot.Nodes {
		if n.Known || n.Why == "" {
			return nil
		}
		if why == "" {
			why = mended(n.Name+": "+n.Why, w.History.Head.Nodes)
		}
	}
	switch n := len(w.Snapshot.Nodes); n {
	case 0:
		return nil
	case 1:
		return errors.New(why)
	default:
		return fmt.Errorf("none of %d nodes answers; %s", n, why)
	}
}

// mended adds to why a node does not answer what to do about it, where this machine's Podman is what is missing.
func mended(why string, declared []manifest.Node) string {
	missing := strings.Contains(why, "no such file") || strings.Contains(why, "connection refused")
	if !missing || !strings.Contains(why, ".sock") {
		return why
	}
	why += `
Podman's service is not there. With systemd, start it with
  systemctl enable --now podman.socket           as root
  systemctl --user enable --now podman.socket    as a user
and without, with
  podman system service --time 0 &`
	if len(declared) == 0 {
		why += `
The manifests declare no Node, so this machine is the fleet; a Node's spec.providerID names another.`
	}
	return why
}
