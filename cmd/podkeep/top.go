package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

type topOptions struct {
	settings
	namespace, output, sortBy string
	all, containers           bool
	window                    time.Duration
}

func topCommand() *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top pods|nodes [NAME]...",
		Short: "Show what pods and nodes use",
		Long: paragraphs(`
Measures for a second what pods use of processors and memory, or what nodes use of processors, memory and disk.
Podman says the first, the node side the second. Nothing is kept between two calls.`),
		Example: examples(`
podkeep top pods --sort-by cpu
podkeep top pods -A --containers
podkeep top nodes -o json`),
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1:]) },
	}
	o.bind(cmd)
	o.namespaceFlag(cmd, &o.namespace)
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "pods of all namespaces")
	flags.BoolVar(&o.containers, "containers", false, "a line for each container")
	flags.StringVar(&o.sortBy, "sort-by", "", "cpu or memory, most first (default: by name)")
	flags.StringVarP(&o.output, "output", "o", "text", "text, wide or json")
	flags.DurationVar(&o.window, "window", time.Second, "for how long to measure")
	completed(cmd, offer(nothing, func(*cobra.Command, []string, string) []string { return []string{"cpu", "memory"} }), "sort-by")
	completed(cmd, offer(nothing, func(*cobra.Command, []string, string) []string { return []string{"text", "wide", "json"} }), "output")
	completed(cmd, free(nothing), "window")
	cmd.ValidArgsFunction = o.complete
	return cmd
}

// complete offers the two words, and after them names.
func (o *topOptions) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"nodes", "pods"}, nothing
	}
	if k, _ := kindOf(args[0]); k.kind == "Node" {
		return o.nodes()(cmd, args, begun)
	}
	return offer(nothing, func(cmd *cobra.Command, _ []string, _ string) (all []string) {
		for _, w := range o.manifests(cmd).Workloads {
			if o.all || w.ID.Namespace == o.namespace {
				all = append(all, w.ID.Name)
			}
		}
		return all
	})(cmd, args, begun)
}

// used is one line of what is shown.
type used struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
	Node      string `json:"node,omitempty"`
	MilliCPU  int64  `json:"milliCPU"`
	Memory    int64  `json:"memory"`
	CPUs      int64  `json:"cpus,omitempty"`
	MemoryAll int64  `json:"memoryAll,omitempty"`
	Disk      int64  `json:"disk,omitempty"`
	DiskAll   int64  `json:"diskAll,omitempty"`

	of string // the workload's name
}

func (o *topOptions) run(cmd *cobra.Command, of string, names []string) error {
	k, ok := kindOf(of)
	switch {
	case !ok || k.kind != "Pod" && k.kind != "Node":
		return fmt.Errorf("%q: write podkeep top pods or podkeep top nodes", of)
	case !slices.Contains([]string{"", "cpu", "memory"}, o.sortBy):
		return fmt.Errorf("sort-by %q: write cpu or memory", o.sortBy)
	case !slices.Contains([]string{"text", "wide", "json"}, o.output):
		return fmt.Errorf("output %q: write text, wide or json", o.output)
	case o.window <= 0:
		return fmt.Errorf("window %s: write how long to measure, such as 1s", o.window)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	uses := c.measure(ctx, cmd.ErrOrStderr(), o.window)
	if ctx.Err() != nil {
		return exit{130, errors.New("interrupted")}
	}
	lines := o.pods(c, uses, names)
	if k.kind == "Node" {
		lines = ofNodes(uses, names, cmd.ErrOrStderr())
	}
	if err := o.show(cmd.OutOrStdout(), k, lines); err != nil {
		return err
	}
	return unmeasured(lines, names)
}

// unmeasured says of which names there is no line.
func unmeasured(lines []used, names []string) error {
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(lines, func(l used) bool { return l.Name == name || l.of == name })
	})
	switch {
	case len(missing) > 0:
		return fmt.Errorf("nothing was measured of %s", strings.Join(missing, ", "))
	case len(lines) == 0:
		return errors.New("nothing was measured")
	}
	return nil
}

func (o *topOptions) show(w io.Writer, k word, lines []used) error {
	if len(lines) == 0 {
		return nil
	}
	slices.SortStableFunc(lines, func(a, b used) int {
		switch o.sortBy {
		case "cpu":
			return cmp.Compare(b.MilliCPU, a.MilliCPU)
		case "memory":
			return cmp.Compare(b.Memory, a.Memory)
		}
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Container, b.Container))
	})
	switch {
	case o.output == "json":
		return encode(w, "json", map[string]any{"window": o.window.String(), "items": lines})
	case k.kind == "Node":
		return showNodes(w, lines)
	}
	return o.showPods(w, lines)
}

// measure asks all nodes that answer at a time, and gives what they say by their names.
func (c *crew) measure(ctx context.Context, errOut io.Writer, window time.Duration) map[string]live.Use {
	var mu sync.Mutex
	var join sync.WaitGroup
	uses := map[string]live.Use{}
	for _, n := range c.world.Snapshot.Nodes {
		meter, ok := c.drivers[n.Name].(drivers.Meter)
		if !ok || n.Why != "" {
			continue
		}
		join.Go(func() {
			use, err := meter.Measure(ctx, window)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				_, _ = fmt.Fprintf(errOut, "podkeep: %s: %s\n", n.Name, live.Plain(err.Error()))
				return
			}
			uses[n.Name] = use
		})
	}
	join.Wait()
	return uses
}

// pods are the lines of pods, or of their containers.
func (o *topOptions) pods(c *crew, uses map[string]live.Use, names []string) (all []used) {
	for _, n := range c.world.Snapshot.Nodes {
		for _, p := range n.Pods {
			asked := len(names) == 0 || slices.Contains(names, p.Name) || slices.Contains(names, p.App.Name)
			if !asked || p.Side != "" || !o.all && p.App.Namespace != o.namespace {
				continue
			}
			sum := used{Namespace: p.App.Namespace, Name: p.Name, Node: n.Name, of: p.App.Name}
			some := false
			for _, k := range p.Containers {
				load, measured := uses[n.Name].Containers[k.ID]
				if !measured {
					continue
				}
				some = true
				sum.MilliCPU, sum.Memory = sum.MilliCPU+load.MilliCPU, sum.Memory+load.Memory
				if o.containers {
					one := used{Namespace: p.App.Namespace, Name: p.Name, Container: k.Name, Node: n.Name, MilliCPU: load.MilliCPU, Memory: load.Memory, of: p.App.Name}
					all = append(all, one)
				}
			}
			if some && !o.containers {
				all = append(all, sum)
			}
		}
	}
	return all
}

func ofNodes(uses map[string]live.Use, names []string, errOut io.Writer) (all []used) {
	for name, use := range uses {
		switch h := use.Host; {
		case len(names) > 0 && !slices.Contains(names, name):
		case h == nil:
			_, _ = fmt.Fprintf(errOut, "podkeep: %s does not say what it uses: %s\n", name, live.Plain(use.Why))
		default:
			all = append(all, used{Name: name, MilliCPU: h.MilliCPU, Memory: h.Memory, CPUs: h.CPUs, MemoryAll: h.MemoryAll, Disk: h.Disk, DiskAll: h.DiskAll})
		}
	}
	return all
}

func mebi(n int64) string {
	if n>>20 == 0 && n > 0 {
		return fmt.Sprintf("%dKi", n>>10)
	}
	return fmt.Sprintf("%dMi", n>>20)
}

func share(n, of int64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", n*100/of)
}

func showNodes(w io.Writer, lines []used) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tCPU(cores)\tCPU%\tMEMORY(bytes)\tMEMORY%\tDISK(bytes)\tDISK%")
	for _, l := range lines {
		_, _ = fmt.Fprintf(t, "%s\t%dm\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.MilliCPU, share(l.MilliCPU, l.CPUs*1000), mebi(l.Memory), share(l.Memory, l.MemoryAll), mebi(l.Disk), share(l.Disk, l.DiskAll))
	}
	return t.Flush()
}

func (o *topOptions) showPods(w io.Writer, lines []used) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	row := func(namespace, name, container, cpu, memory, node string) {
		var cells []string
		if o.all {
			cells = append(cells, namespace)
		}
		cells = append(cells, name)
		if o.containers {
			cells = append(cells, container)
		}
		cells = append(cells, cpu, memory)
		if o.output == "wide" {
			cells = append(cells, node)
		}
		for i := range cells {
			cells[i] = live.Words(cells[i]) // hosts say what their pods are called
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	row("NAMESPACE", "NAME", "CONTAINER", "CPU(cores)", "MEMORY(bytes)", "NODE")
	for _, l := range lines {
		row(l.Namespace, l.Name, l.Container, fmt.Sprintf("%dm", l.MilliCPU), mebi(l.Memory), l.Node)
	}
	return t.Flush()
}
