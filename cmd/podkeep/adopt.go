package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

type adoptOptions struct {
	settings
	yes bool
}

func adoptCommand() *cobra.Command {
	var o adoptOptions
	cmd := &cobra.Command{
		Use:   "adopt SOURCE",
		Short: "Take over what another source made: a repository that moved, or a second one",
		Long: paragraphs(`
What was made for another source under the same cluster name is left alone. When a repository moves to another address,
its source is another one, and this command says on the hosts that the new one takes over: shows what the old source has
there, and what the fleet would do then, asks, and writes an adoption, signed with the controller's key, on every node that
answers. From then on pods, receipts and claims of the old source count as this one's.

SOURCE is the name that podkeep status shows, such as git.example.com/fleet. No controller of the old source may run
any more. What it had signed has to be trusted here: with the same key it is.

Exit codes: 0 written, or done before; 1 an error; 4 not agreed to.`),
		Example: examples(`
# the repository moved
podkeep adopt git.example.com/old-fleet --source https://git.example.com/fleet.git
# without being asked
podkeep adopt git.example.com/old-fleet --yes`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which source? write its name, as podkeep status shows it: podkeep adopt git.example.com/fleet")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.bind(cmd)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (o *adoptOptions) run(cmd *cobra.Command, of string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	key, err := o.acting(o.logger(cmd.ErrOrStderr(), logrus.InfoLevel))
	if err != nil {
		return err
	}
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	out := cmd.OutOrStdout()
	switch w := c.world; {
	case of == w.History.Source:
		return fmt.Errorf("%s is this source", of)
	case plan.Adopted(w.History, w.Snapshot)[of]:
		_, err := fmt.Fprintf(out, "%s was taken over before\n", live.Plain(of))
		return err
	}
	had, err := possessions(c.world, of)
	if err != nil {
		return err
	}
	had.write(out, c.world)
	r := live.Receipt{
		App: plan.SourceID, Verb: live.Adopted, Gen: 1, Of: of, Source: c.world.History.Source, Commit: c.world.History.Head.Commit,
		Time: time.Now(), Why: "podkeep adopt",
	}
	status.PreviewOf(adopted(c.world, r)).Text(out, look(out))
	if err := agreed(ctx, cmd, o.yes, fmt.Sprintf("take over what %s made?", live.Plain(of))); err != nil {
		return err
	}
	on, err := c.note(ctx, o.cluster, key, r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is taken over: written on %s\n", live.Plain(of), strings.Join(on, ", "))
	return err
}

// adopted is the world as it would be with the receipt in it, and this source's commit newer than all that the other one was at.
func adopted(w status.World, r live.Receipt) status.World {
	r.Signer, w.History.Proposal = w.History.Key, true
	w.Snapshot.Nodes = slices.Clone(w.Snapshot.Nodes)
	for i := range w.Snapshot.Nodes {
		n := &w.Snapshot.Nodes[i]
		n.Receipts = append(slices.Clone(n.Receipts), r)
	}
	w.Plan = plan.Make(w.History, w.Snapshot, w.Now)
	return w
}

// note writes a receipt on every node that answers, and says which those are.
func (c *crew) note(ctx context.Context, cluster string, key ed25519.PrivateKey, r live.Receipt) (on []string, err error) {
	name := r.Name(publicKey(key))
	labels := r.Labels(cluster)
	file := manifest.File{Name: name, Labels: live.Sign(key, labels, live.FileMessage(name, labels)), Data: manifest.Bytes(r.Verb)}
	for _, n := range c.world.Snapshot.Nodes {
		if d := c.drivers[n.Name]; d != nil && n.Why == "" {
			if err := d.Put(ctx, file); err != nil {
				return on, fmt.Errorf("%s: %w", n.Name, err)
			}
			on = append(on, n.Name)
		}
	}
	if len(on) == 0 {
		return nil, errors.New("no node answers, so nothing was written")
	}
	return on, nil
}

// possession is what a source has on the hosts: pods by workload, and claims with the nodes that they are on.
type possession struct {
	of     string
	pods   map[manifest.ID]int
	claims map[manifest.ID]string
}

// possessions is what a source has. An error says which others have anything, if this one has not.
func possessions(w status.World, of string) (possession, error) {
	p := possession{of: of, pods: map[manifest.ID]int{}, claims: map[manifest.ID]string{}}
	others, any := map[string]bool{}, false
	see := func(source string) bool {
		any = any || source == of
		others[source] = true
		return source == of
	}
	for _, n := range w.Snapshot.Nodes {
		for _, pod := range n.Pods {
			if see(pod.Source) {
				p.pods[pod.App]++
			}
		}
		for _, r := range n.Receipts {
			if see(r.Source) && (r.Verb == live.Bound || r.Verb == live.Made) {
				p.claims[r.App] = r.Node
			}
		}
	}
	delete(others, w.History.Source)
	delete(others, "")
	switch names := slices.Sorted(maps.Keys(others)); {
	case any:
		return p, nil
	case len(names) == 0:
		return p, fmt.Errorf("no node that answers shows anything of source %s, nor of any other than %s", of, w.History.Source)
	default:
		return p, fmt.Errorf("no node that answers shows anything of source %s: there is %s", of, strings.Join(names, ", "))
	}
}

func (p possession) write(out io.Writer, w status.World) {
	_, _ = fmt.Fprintf(out, "%s has under cluster %s:\n", live.Plain(p.of), w.History.Cluster)
	line := func(id manifest.ID, what string) {
		if !w.History.Want().Holds(id) {
			what += ", not in " + w.History.Source
		}
		_, _ = fmt.Fprintln(out, live.Plain(fmt.Sprintf("  %s: %s", id.Short(), what)))
	}
	byID := func(a, b manifest.ID) int { return strings.Compare(a.String(), b.String()) }
	for _, id := range slices.SortedFunc(maps.Keys(p.pods), byID) {
		line(id, fmt.Sprintf("%d pods", p.pods[id]))
	}
	for _, id := range slices.SortedFunc(maps.Keys(p.claims), byID) {
		line(id, "data on "+p.claims[id])
	}
}
