package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

type logsOptions struct {
	settings
	namespace, container         string
	follow, previous, timestamps bool
	since                        time.Duration
	tail                         int
}

func logsCommand() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs KIND/NAME | POD",
		Short: "Print what containers print",
		Long: paragraphs(`
Prints the log of a pod's containers, or of all pods of a workload, init containers first. Where there is
more than one container, each line begins with POD/CONTAINER.

With -f it goes on: pods of the workload that appear are followed too, a container that was restarted
goes on in its next attempt, and a node that does not answer for a while is taken up where it was left.
No line is lost or told twice for it. It ends when it is interrupted, and with a pod that was asked for by
name, when that ends.

Each container's log is kept as long as the container is; the one of the attempt before it, -p, until the next
restart. Times are those of the nodes, in whole seconds.`),
		Example: examples(`
# a whole workload, and on
podkeep logs -f deployment/web
# one container of one pod, its last lines
podkeep logs web-3fa9c1-0 -c app --tail 100
# why it was restarted
podkeep logs -p deployment/web
# what all pods printed in the last ten minutes
podkeep logs web --since 10m --timestamps`),
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.bind(cmd)
	cmd.ValidArgsFunction = o.targets(&o.namespace, 1, nothing)
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "default", "the object's namespace")
	cmd.Flags().StringVarP(&o.container, "container", "c", "", "this container alone (default: all)")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what will be printed")
	cmd.Flags().BoolVarP(&o.previous, "previous", "p", false, "the attempt before the last restart")
	cmd.Flags().DurationVar(&o.since, "since", 0, "only what was printed so long ago or later, such as 10m")
	cmd.Flags().IntVar(&o.tail, "tail", -1, "only so many lines of each container's end (default: all)")
	cmd.Flags().BoolVar(&o.timestamps, "timestamps", false, "begin each line with its time")
	completed(cmd, o.spaces(""), "namespace")
	completed(cmd, o.containers(&o.namespace), "container")
	completed(cmd, free(nothing), "since", "tail")
	return cmd
}

func (o *logsOptions) run(cmd *cobra.Command, arg string) error {
	switch {
	case o.previous && o.follow:
		return errors.New("-p is over, so it cannot be followed: leave out -p or -f")
	case o.tail < -1:
		return fmt.Errorf("tail %d: write how many lines", o.tail)
	case o.since < 0:
		return fmt.Errorf("since %s: write how long ago, such as 10m", o.since)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	t, err := c.find(arg, o.namespace)
	if err != nil {
		return err
	}
	members := c.members(t)
	if err := o.check(c, t, members); err != nil {
		return err
	}
	p := newPress(cmd.OutOrStdout(), o.timestamps, o.prefixed(t, members))
	if o.follow {
		err = o.pursue(ctx, cmd.ErrOrStderr(), c, t, p)
	} else {
		err = o.read(ctx, cmd.ErrOrStderr(), c, members, p)
	}
	return cmp.Or(p.close(), err)
}

// check says why there is nothing to print, and will not be. Of a workload that is followed, pods may yet come.
func (o *logsOptions) check(c *crew, t target, members []member) error {
	if len(members) == 0 {
		if o.follow {
			return nil
		}
		return c.podless(t)
	}
	if o.container == "" {
		return nil
	}
	var names []string
	for _, m := range members {
		names = append(names, m.Expect...)
	}
	if slices.Contains(names, o.container) {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("%s has no container %s: there are %s", t, o.container, strings.Join(slices.Compact(names), ", "))
}

// prefixed says whether lines need to say whose they are.
func (o *logsOptions) prefixed(t target, members []member) bool {
	return !t.one() && (o.follow || len(members) > 1) || len(members) == 1 && o.container == "" && len(members[0].Expect) > 1
}

// chosen are the containers of a pod that were asked for.
func (o *logsOptions) chosen(p live.Pod) (all []live.Container) {
	for _, c := range inOrder(p) {
		if o.container == "" || c.Name == o.container {
			all = append(all, c)
		}
	}
	return all
}

// lacking says of each container that was asked for, and that a pod has not yet, that it is not there.
func (o *logsOptions) lacking(p live.Pod) (all []string) {
	for _, name := range p.Expect {
		made := slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.Name == name })
		if !made && (o.container == "" || name == o.container) {
			all = append(all, p.Name+"/"+name+" is not made yet")
		}
	}
	return all
}

// read prints what is there, one container after the other.
func (o *logsOptions) read(ctx context.Context, errOut io.Writer, c *crew, members []member, p *press) error {
	none, some := []string{}, false
	for _, m := range members {
		none = append(none, o.lacking(m.Pod)...)
		for _, k := range o.chosen(m.Pod) {
			name := m.Name + "/" + k.Name
			logger, err := c.logger(m.node)
			if err != nil {
				return err
			}
			ask := live.Log{Container: k.ID, Previous: o.previous, Since: o.from(c, m.node), Last: o.tail}
			err = logger.Logs(ctx, ask, p.source(m.Name, k.Name))
			switch {
			case errors.Is(err, live.ErrNoLog):
				none = append(none, fmt.Sprintf("%s: %v", name, err))
			case ctx.Err() != nil:
				return errors.New("interrupted")
			case err != nil:
				return fmt.Errorf("%s: %s: %w", m.node, name, err)
			case k.State == live.Created:
				none = append(none, name+" has not started yet")
			default:
				some = true
			}
		}
	}
	if !some && len(none) > 0 {
		return errors.New(strings.Join(none, "\n"))
	}
	for _, why := range none {
		_, _ = fmt.Fprintln(errOut, "podkeep: "+live.Plain(why))
	}
	return nil
}

// from is --since as the node's clock has it.
func (o *logsOptions) from(c *crew, node string) time.Time {
	if o.since == 0 {
		return time.Time{}
	}
	return c.clock(node).Add(-o.since)
}

// clock is what time it is on a node.
func (c *crew) clock(node string) time.Time {
	now := time.Now()
	for _, n := range c.world.Snapshot.Nodes {
		if n.Name == node {
			now = now.Add(n.Facts.Skew)
		}
	}
	return now
}

func (c *crew) logger(node string) (drivers.Logger, error) {
	logger, ok := c.drivers[node].(drivers.Logger)
	if !ok {
		return nil, fmt.Errorf("%s: logs cannot be read there", node)
	}
	return logger, nil
}
