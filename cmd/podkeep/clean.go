package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/sources"
)

type cleanOptions struct {
	settings
	yes, all bool
}

func cleanCommand() *cobra.Command {
	var o cleanOptions
	cmd := &cobra.Command{
		Use:   "clean PROVIDERID",
		Short: "Take everything of the fleet's off a host that left Git",
		Long: paragraphs(`
The controller drains a Node that left Git, and takes off it what it wrote there. This command does so where no controller
does any more: shows what is there of this cluster, asks, and removes pods, Files, receipts, and podkeep's node
side with its volumes and its images. The volumes of claims stay: they are data, and their names are shown.

PROVIDERID is the Node's spec.providerID, as it stood in the manifests. While HEAD declares it nothing is done, nor while a
manifest does not load that may declare it.

Exit codes: 0 removed, or nothing was there; 1 an error; 4 not agreed to.`),
		Example: examples(`
# the Node was taken out of the repository, and it has been drained
podkeep clean podman+ssh://root@192.0.2.14
# another fleet on the same host, without being asked
podkeep clean podman+ssh://root@192.0.2.14 --cluster staging --yes`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which host? write the spec.providerID that its Node had: podkeep clean podman+ssh://root@192.0.2.14")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.bind(cmd)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.all, "all-sources", false, "also what other sources made under this cluster's name")
	return cmd
}

func (o *cleanOptions) run(cmd *cobra.Command, providerID string) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	source, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	n := manifest.Node{ProviderID: providerID}
	n.Name = providerID
	head, err := undeclared(ctx, source, n)
	if err != nil {
		return err
	}
	d, err := o.openNode(ctx, n)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	l, err := o.leftovers(ctx, d, source.Name())
	if err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	if err := l.refuse(head, o.all); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if l.write(out); l.none() {
		return nil
	}
	if err := agreed(ctx, cmd, o.yes, "remove this from "+providerID+"?"); err != nil {
		return err
	}
	if err := l.remove(ctx, d, out); err != nil {
		return fmt.Errorf("%s: %w; what is left goes with another podkeep clean", n.Name, err)
	}
	_, err = fmt.Fprintf(out, "removed\n")
	return err
}

// undeclared is HEAD, if it does not declare the host.
func undeclared(ctx context.Context, source sources.Source, host manifest.Node) (manifest.Set, error) {
	commit, _, err := source.Head(ctx)
	if err != nil {
		return manifest.Set{}, err
	}
	head, err := source.Load(ctx, commit)
	if err != nil {
		return head, err
	}
	for _, p := range head.Problems {
		if !p.Notice {
			return head, fmt.Errorf("%w: mend that first, since what does not load may declare the host", p)
		}
	}
	if err := declares(head, host.Way()); err != nil {
		return head, err
	}
	had, err := pastNodes(ctx, source, commit)
	if err != nil {
		return head, err
	}
	for _, n := range had {
		if p := head.Foreign(n.File); p != nil && n.Way() == host.Way() {
			return head, fmt.Errorf("%w: it held Node %s, which is the host: mend it, or remove the file", p, n.Name)
		}
	}
	if len(head.Nodes)+len(had) == 0 && host.Way() == reconciler.LocalNode().Way() {
		return head, errors.New("no Node is declared and none ever was, so this machine is the fleet: declare the Nodes that are to be")
	}
	return head, nil
}

// pastNodes are those that were ever declared, of a source that has a past.
func pastNodes(ctx context.Context, source sources.Source, head string) ([]manifest.Node, error) {
	past, ok := source.(sources.Historian)
	if !ok {
		return nil, nil
	}
	return past.Nodes(ctx, head)
}

func declares(head manifest.Set, way string) error {
	for _, n := range head.Nodes {
		if n.Way() == way {
			return fmt.Errorf("%s declares the host as Node %s: take it out and push that; podkeep then drains it", n.Origin, n.Name)
		}
	}
	return nil
}

// leftovers is what is on a host.
type leftovers struct {
	cluster, source string
	node            live.Node   // its pods, Files and receipts go
	extra           []string    // what else the driver knows of: it goes last
	claims          []string    // whose volumes stay, as namespace/name
	hosts           []live.Host // who it says it is
	others          []string    // sources beside this one that have something there
}

func (o *cleanOptions) leftovers(ctx context.Context, d drivers.Driver, source string) (leftovers, error) {
	l := leftovers{cluster: o.cluster, source: source}
	n, err := d.Observe(ctx)
	if err != nil {
		return l, err
	}
	l.claims = slices.DeleteFunc(n.Volumes, func(claim string) bool { return strings.HasPrefix(claim, live.SideApp.Namespace+"/") })
	for _, p := range n.Pods {
		l.see(p.Source)
	}
	for _, r := range n.Receipts {
		l.see(r.Source)
	}
	n.Files = slices.DeleteFunc(n.Files, func(f live.File) bool {
		l.see(f.Labels[live.LabelSource])
		h, ok := live.ParseHost(f)
		if ok {
			l.hosts = append(l.hosts, h)
		}
		return ok && len(l.claims) > 0 // without it a claim would not find its data when the host comes back
	})
	l.node = n
	if c, ok := d.(drivers.Cleaner); ok {
		l.extra, err = c.Remains(ctx)
	}
	return l, err
}

func (l *leftovers) see(source string) {
	if source != l.source && !slices.Contains(l.others, source) {
		l.others = append(l.others, source)
	}
}

// refuse says why nothing may be removed: HEAD declares the host in another way, or it is others' too.
func (l leftovers) refuse(head manifest.Set, all bool) error {
	for _, h := range l.hosts {
		if err := declares(head, h.Way); err != nil {
			return fmt.Errorf("the host says that it was reached as %s: %w", h.Way, err)
		}
	}
	if len(l.others) > 0 && !all {
		return fmt.Errorf("what source %s made under this cluster's name is there too: --all-sources takes that off as well", strings.Join(l.others, ", "))
	}
	return nil
}

func (l leftovers) none() bool {
	return len(l.node.Pods)+len(l.node.Files)+len(l.node.Receipts)+len(l.extra) == 0
}

func (l leftovers) write(out io.Writer) {
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintln(out, live.Plain(fmt.Sprintf(format, args...)))
	}
	if l.none() {
		say("nothing of cluster %s is there", l.cluster)
	} else {
		say("of cluster %s there are:", l.cluster)
	}
	for _, p := range l.node.Pods {
		what := " of " + p.App.Short()
		switch p.App {
		case live.SideApp:
			what = ", the node side"
		case live.DoorApp:
			what = ", a door"
		}
		if p.Source != l.source {
			what += ", of source " + p.Source
		}
		say("  pod %s%s", p.Name, what)
	}
	if n, m := len(l.node.Files), len(l.node.Receipts); n+m > 0 {
		say("  files %d, receipts %d", n, m)
	}
	for _, what := range l.extra {
		say("  %s", what)
	}
	for _, claim := range l.claims {
		namespace, name, _ := strings.Cut(claim, "/")
		say("the data of claim %s stays, in volume %s, and so does which host this is", claim, live.ClaimVolume(l.cluster, namespace, name))
	}
}

// atOnce is how many things are removed side by side.
const atOnce = 8

// remove begins with the node side, which would start again what ends. One that is heard is told to look after nothing, and goes once it has taken
// away what its host routes by.
func (l leftovers) remove(ctx context.Context, d drivers.Driver, out io.Writer) error {
	var sides, others, files []string
	for _, p := range l.node.Pods {
		if p.App == live.SideApp {
			sides = append(sides, p.Name)
		} else {
			others = append(others, p.Name)
		}
	}
	for _, f := range l.node.Files {
		files = append(files, f.Name)
	}
	for _, r := range l.node.Receipts {
		files = append(files, r.File)
	}
	var deaf error
	if len(sides) > 0 {
		if deaf = tendNothing(ctx, d); deaf != nil {
			if err := each(ctx, sides, d.Stop); err != nil {
				return err
			}
		}
	}
	if err := each(ctx, others, d.Stop); err != nil {
		return err
	}
	if len(sides) > 0 && deaf == nil {
		deaf = routeNothing(ctx, d, l.cluster)
	}
	if deaf != nil {
		_, _ = fmt.Fprintln(out, live.Plain(fmt.Sprintf("the node side did not take away what the host routes by: %v; docs/commands/clean.md says how to see what stays, and to remove it", deaf)))
	}
	if err := each(ctx, sides, d.Stop); err != nil {
		return err
	}
	if err := each(ctx, files, d.Delete); err != nil {
		return err
	}
	if c, ok := d.(drivers.Cleaner); ok {
		return c.Clean(ctx)
	}
	return nil
}

func each(ctx context.Context, names []string, do func(context.Context, string) error) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, name := range names {
		group.Go(func() error { return do(ctx, name) })
	}
	return group.Wait()
}
