package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/status"
)

// crew is the fleet in the hands of a command that talks to its pods: what one look saw, and a driver for each node.
type crew struct {
	world   status.World
	nodes   []manifest.Node
	drivers map[string]drivers.Driver // by the node's name
}

// crew looks once and opens a driver for each node. Nodes that do not answer are said on stderr, unless none does.
func (s *settings) crew(ctx context.Context, cmd *cobra.Command) (*crew, error) {
	c := &crew{drivers: map[string]drivers.Driver{}}
	if err := c.again(ctx, cmd, s); err != nil {
		if ctx.Err() != nil {
			return nil, exit{130, errors.New("interrupted")}
		}
		return nil, err
	}
	c.nodes = c.world.History.Head.Nodes
	if len(c.nodes) == 0 {
		c.nodes = []manifest.Node{reconciler.LocalNode()}
	}
	for _, n := range c.nodes {
		d, err := s.openNode(ctx, n)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.drivers[n.Name] = d
	}
	for _, n := range c.world.Snapshot.Nodes {
		if n.Why != "" {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "podkeep: %s does not answer, so its pods are left out: %s\n", n.Name, live.Plain(n.Why))
		}
	}
	return c, nil
}

// again looks once more.
func (c *crew) again(ctx context.Context, cmd *cobra.Command, s *settings) error {
	source, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	world, err := s.look(cmd, source, lookOptions{})
	if err == nil {
		err = lost(world)
	}
	if err == nil {
		c.world = world
	}
	return err
}

func (c *crew) close() error {
	var all []error
	for _, d := range c.drivers {
		all = append(all, d.Close())
	}
	return errors.Join(all...)
}

// member is one pod and where it is.
type member struct {
	live.Pod
	node string
}

// members are the pods that a target means, sorted by name.
func (c *crew) members(t target) (all []member) {
	for _, n := range c.world.Snapshot.Nodes {
		if n.Why != "" {
			continue
		}
		for _, p := range n.Pods {
			if t.means(p) {
				all = append(all, member{p, n.Name})
			}
		}
	}
	slices.SortFunc(all, func(a, b member) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.node, b.node)) })
	return all
}

// target is what KIND/NAME or NAME means: one pod by its own name, or all pods of a workload.
type target struct {
	pod string
	app manifest.ID
}

func (t target) means(p live.Pod) bool {
	if t.pod != "" {
		return p.Name == t.pod
	}
	return p.App == t.app
}

// one says whether the target is one pod, not what makes pods.
func (t target) one() bool { return t.pod != "" || t.app.Kind == "Pod" }

func (t target) String() string {
	if t.pod != "" {
		return "pod " + t.pod
	}
	return strings.ToLower(t.app.Kind) + " " + t.app.Name
}

// find says what an argument means. A pod's own name is known in every namespace.
func (c *crew) find(arg, namespace string) (target, error) {
	kind, name, hasKind := strings.Cut(arg, "/")
	if k, ok := kindOf(kind); hasKind && ok && !k.runs {
		_, err := workloadID(arg, namespace)
		return target{}, err
	} else if !hasKind || k.kind == "Pod" {
		if name = cmp.Or(name, arg); c.isPod(name) {
			return target{pod: name}, nil
		}
	}
	here, err := meaning(arg, namespace, c.apps())
	switch {
	case err != nil:
		return target{}, err
	case len(here) > 1:
		return target{}, fmt.Errorf("%s is the name of several: write %s", arg, orOf(here))
	}
	return target{app: here[0]}, nil
}

func (c *crew) isPod(name string) bool {
	for _, n := range c.world.Snapshot.Nodes {
		if slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return p.Name == name }) {
			return true
		}
	}
	return false
}

// apps are the workloads that the manifests ask for or of which there are pods, sorted.
func (c *crew) apps() []manifest.ID {
	seen := map[manifest.ID]bool{}
	for _, a := range c.world.Plan.Apps {
		seen[a.ID] = true
	}
	for _, n := range c.world.Snapshot.Nodes {
		for _, p := range n.Pods {
			seen[p.App] = true
		}
	}
	var all []manifest.ID
	for id := range seen {
		all = append(all, id)
	}
	slices.SortFunc(all, byWords)
	return all
}

// podless is why a target has no pod that could be talked to.
func (c *crew) podless(t target) error {
	for _, a := range c.world.Plan.Apps {
		if a.ID != t.app {
			continue
		}
		why := a.Why
		if len(a.Waits) > 0 {
			why = a.Waits[0]
		}
		if why == "" {
			why = "nothing has been asked of the fleet yet; `podkeep sync` starts it"
		}
		return fmt.Errorf("no pod of %s: %s: %s", t, a.State, why)
	}
	return fmt.Errorf("no pod of %s", t)
}

// inOrder are a pod's containers as they run: init containers in their order, then the others by name.
func inOrder(p live.Pod) []live.Container {
	at := map[string]int{}
	for i, first := range p.Init {
		at[first.Name] = i - len(p.Init)
	}
	all := slices.Clone(p.Containers)
	slices.SortStableFunc(all, func(a, b live.Container) int {
		return cmp.Or(cmp.Compare(at[a.Name], at[b.Name]), cmp.Compare(a.Name, b.Name))
	})
	return all
}
