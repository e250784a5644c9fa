package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/devfleet"
)

// devOptions name a fleet.
type devOptions struct{ name, dir string }

func devCommand() *cobra.Command {
	o := &devOptions{}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Local fleets of real Podman nodes, to try and to test with",
		Long: paragraphs(`
Makes small machines on this one, out of namespaces: each has its own disk, processes, address and
Podman, and SSH where asked for. They are to podkeep what kind is to Kubernetes. Several fleets can
stand side by side under different names.

It needs Linux and root, and says what else is missing. Pods of all nodes reach each other, and this
machine reaches them. Nothing leaves the machine.`),
		Example: examples(`
# three nodes, the third over SSH
podkeep dev up --ssh n3
# their Node manifests
cat /var/lib/podkeep-dev/dev/nodes.yaml
# lose one, get it back
podkeep dev kill n2
podkeep dev heal n2
# leave no trace
podkeep dev down`),
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.name, "name", "dev", "which fleet")
	flags.StringVar(&o.dir, "dir", "", "where the fleet lives (default: "+devfleet.Root+"/NAME)")
	completed(cmd, offer(nothing, devFleets), "name")
	completed(cmd, free(aFolder), "dir")
	cmd.AddCommand(devUp(o), devDown(o), devStatus(o), devList(), devKill(o), devHeal(o), devExec(o), devLoad(o), devBuild(o), devDemo(o))
	return cmd
}

func (o *devOptions) open() (*devfleet.Fleet, error) { return devfleet.Open(o.name, o.dir) }

// interruptible is the command's context, ended by SIGINT and SIGTERM.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
}

func devUp(o *devOptions) *cobra.Command {
	var nodes int
	var ssh, rootless []string
	var podman string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make a fleet, or mend one",
		Long: paragraphs(`
Makes what is missing of the fleet and returns once every node answers; done twice it changes nothing.
It mends a fleet that was left half made, that was hurt by kill, or that a reboot of this machine ended.

It writes nodes.yaml, the Node manifests to put into your repository, into the fleet's directory.`),
		Example: examples(`
podkeep dev up
podkeep dev up --name big --nodes 8 --ssh n7,n8
podkeep dev up --rootless n2,n3 --ssh n3`),
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			f, err := devfleet.Up(ctx, devfleet.Options{Name: o.name, Dir: o.dir, Nodes: nodes, SSH: ssh, Rootless: rootless, Podman: podman})
			if err != nil {
				return err
			}
			return printFleet(cmd, f)
		},
	}
	cmd.Flags().IntVar(&nodes, "nodes", 0, "how many nodes: n1, n2, ... (default: 3)")
	cmd.Flags().StringSliceVar(&ssh, "ssh", nil, "the nodes to be reached over SSH, as n2,n3; others have a unix socket")
	cmd.Flags().StringSliceVar(&rootless, "rootless", nil, "the nodes whose Podman is a user's own, as n2,n3; others have root's")
	completed(cmd, free(nothing), "nodes", "ssh", "rootless")
	cmd.Flags().StringVar(&podman, "podman", "", "the program that is Podman on the nodes (default: this machine's)")
	completed(cmd, free(aFile), "podman")
	cmd.ValidArgsFunction = free(nothing)
	return cmd
}

func printFleet(cmd *cobra.Command, f *devfleet.Fleet) error {
	if err := printNodes(cmd.OutOrStdout(), f); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "\nNode manifests: %s\n", f.NodesFile())
	for _, n := range f.Nodes {
		if n.SSH {
			fmt.Fprintf(out, "Over SSH:       --ssh-key %s --known-hosts %s\n", f.Identity(), f.KnownHosts())
			break
		}
	}
	return nil
}

func printNodes(out io.Writer, f *devfleet.Fleet) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSTATE\tADDRESS\tPODS\tUSER\tPODMAN")
	for _, s := range f.Status() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s, s.Address, s.PodCIDR, s.User(), s.ProviderID())
	}
	return w.Flush()
}

func devDown(o *devOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "down",
		ValidArgsFunction: free(nothing),
		Short:             "Remove a fleet and every trace of it",
		Long: paragraphs(`
Ends everything that runs on the fleet's nodes and removes their disks, links and files. A fleet that is
not there, or only half, is fine.`),
		Example: examples(`
podkeep dev down
podkeep dev down --name big`),
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			return devfleet.Down(ctx, o.name, o.dir)
		},
	}
}

func devStatus(o *devOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "status",
		ValidArgsFunction: free(nothing),
		Short:             "Show a fleet's nodes and what ails them",
		Example:           examples("podkeep dev status"),
		Args:              takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := o.open()
			if err != nil {
				return err
			}
			return printNodes(cmd.OutOrStdout(), f)
		},
	}
}

func devList() *cobra.Command {
	return &cobra.Command{
		Use:               "list",
		ValidArgsFunction: free(nothing),
		Short:             "List the fleets on this machine",
		Example:           examples("podkeep dev list"),
		Args:              takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			fleets, err := devfleet.List()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tNODES\tDIRECTORY")
			for _, f := range fleets {
				fmt.Fprintf(w, "%s\t%d\t%s\n", f.Name, len(f.Nodes), f.Dir)
			}
			return w.Flush()
		},
	}
}

// faults are what can be done to a node, by the name that --how gives them.
var faults = map[string]func(context.Context, *devfleet.Fleet, string) error{
	"dark":   func(ctx context.Context, f *devfleet.Fleet, n string) error { return f.Kill(ctx, n) },
	"podman": func(ctx context.Context, f *devfleet.Fleet, n string) error { return f.KillService(ctx, n) },
	"freeze": func(_ context.Context, f *devfleet.Fleet, n string) error { return f.Freeze(n) },
	"cable":  func(_ context.Context, f *devfleet.Fleet, n string) error { return f.Partition(n) },
	"power":  func(ctx context.Context, f *devfleet.Fleet, n string) error { return f.PowerOff(ctx, n) },
	"disk":   func(ctx context.Context, f *devfleet.Fleet, n string) error { return f.Erase(ctx, n) },
}

func devKill(o *devOptions) *cobra.Command {
	var how string
	cmd := &cobra.Command{
		Use:   "kill NODE",
		Short: "Hurt a node",
		Long: paragraphs(`
Takes a node away, in one of these ways, until heal:

  dark    Podman and SSH are killed and the cable is pulled; containers run on, unseen (the default)
  podman  Podman's service is killed; containers run on
  freeze  Podman's service is stopped: it accepts connections and never answers
  cable   the network cable is pulled; a node with a unix socket still answers
  power   the power is cut: nothing runs, the disk is kept
  disk    the power is cut and the disk is erased`),
		Example: examples(`
podkeep dev kill n2
podkeep dev kill n2 --how power`),
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fault, known := faults[how]
			if !known {
				return fmt.Errorf("how %q: write dark, podman, freeze, cable, power or disk", how)
			}
			f, err := o.open()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			return fault(ctx, f, args[0])
		},
	}
	cmd.ValidArgsFunction = devNodes(o)
	cmd.Flags().StringVar(&how, "how", "dark", "dark, podman, freeze, cable, power or disk")
	complete(cmd, "how", "dark", "podman", "freeze", "cable", "power", "disk")
	return cmd
}

func devHeal(o *devOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "heal NODE",
		ValidArgsFunction: devNodes(o),
		Short:             "Undo whatever was done to a node",
		Long:              "Turns the node on, plugs it in and waits until its Podman answers. Containers that a power cut ended stay ended.",
		Example:           examples("podkeep dev heal n2"),
		Args:              takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.open()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			return f.Heal(ctx, args[0])
		},
	}
}

func devExec(o *devOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "exec NODE -- COMMAND...",
		ValidArgsFunction: devNodes(o),
		Short:             "Run a command on a node",
		Example: examples(`
podkeep dev exec n1 -- podman pod ps
podkeep dev exec n1 -- ip route`),
		Args: takes(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.open()
			if err != nil {
				return err
			}
			inside, err := f.Command(cmd.Context(), args[0], args[1:]...)
			if err != nil {
				return err
			}
			inside.Stdin, inside.Stdout, inside.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return sameCode(inside.Run())
		},
	}
}

// sameCode makes podkeep exit as the command did, which has said the rest itself.
func sameCode(err error) error {
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Exited() {
		return exit{code: ended.ExitCode()}
	}
	return err
}

func devLoad(o *devOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "load ARCHIVE...",
		ValidArgsFunction: free(aFile),
		Short:             "Put image archives into every node, without a registry",
		Example:           examples("podkeep dev load app.tar"),
		Args:              takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.open()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			for _, path := range args {
				archive, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				if err := f.LoadEverywhere(ctx, archive); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func devBuild(o *devOptions) *cobra.Command {
	var variables []string
	cmd := &cobra.Command{
		Use:   "build IMAGE DIR",
		Short: "Build a Go program into an image and put it into every node",
		Long:  "Builds the Go program in DIR, statically, as the only file of an image, and loads that into every node.",
		Example: examples(`
podkeep dev build localhost/hello:v2 examples/hello/app -X main.version=v2`),
		Args: takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.open()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			return buildAndLoad(ctx, f, args[0], args[1], variables...)
		},
	}
	cmd.Flags().StringArrayVarP(&variables, "set", "X", nil, "set a string variable of the program, as main.version=v2")
	completed(cmd, free(nothing), "set")
	cmd.ValidArgsFunction = free(aFolder)
	return cmd
}

func buildAndLoad(ctx context.Context, f *devfleet.Fleet, image, dir string, variables ...string) error {
	if !strings.Contains(image, "/") {
		return fmt.Errorf("image %s: write localhost/%[1]s, or Podman takes it for one of docker.io's", image)
	}
	program, err := devfleet.Build(ctx, dir, variables...)
	if err != nil {
		return err
	}
	archive, err := devfleet.Image(image, program, devfleet.ImageOptions{})
	if err != nil {
		return err
	}
	return f.LoadEverywhere(ctx, archive)
}
