package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node"
	"github.com/podkeep/podkeep/node/kernel"
	"github.com/podkeep/podkeep/node/network"
)

// nodeCommand is what runs in the node side's container. Help does not list it: nobody types it.
func nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "node",
		Hidden: true,
		Short:  "The node side: what runs on every host",
		Long: paragraphs(`
What runs in the container that podkeep puts on every host. It runs the probes of the pods that it was
told to tend, ends what a probe gives up, and starts again what ended, whether a controller is there or
not. Nobody has to type it.`),
		Example: examples(`
podkeep node run --help
podkeep node attach --help`),
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var dir string
	cmd.PersistentFlags().StringVar(&dir, "dir", live.SideDir, "where it keeps what it was told, and its socket")
	completed(cmd, free(aFolder), "dir")
	cmd.AddCommand(nodeRunCommand(&dir), nodeAttachCommand(&dir), nodeKillCommand(), nodeReachCommand(), nodeUseCommand(&dir))
	return cmd
}

// nodeOptions are what the node side is told when it begins.
type nodeOptions struct{ cluster, podman, name, address string }

func nodeRunCommand(dir *string) *cobra.Command {
	var o nodeOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep this host's pods well, until told to stop",
		Long: paragraphs(`
Looks at this host's Podman, and keeps the pods that a controller has told it to tend: it knows them
again after a restart. SIGINT and SIGTERM end it; pods stay as they are.`),
		Example: examples(`podkeep node run --cluster production --podman /run/podman/podman.sock`),
		Args:    takes(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return unhurried(o.run(cmd, *dir)) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.cluster, "cluster", "default", "whose pods these are")
	flags.StringVar(&o.podman, "podman", "", "Podman's socket (default: "+live.SidePodman+"'s, else /run/podman/podman.sock)")
	flags.StringVar(&o.name, "name", "", "what the Node is called, for pods that ask (default: "+live.SideNode+"'s)")
	flags.StringVar(&o.address, "address", "", "the host's address, for pods that ask (default: "+live.SideAddress+"'s, else Podman's gateway)")
	completed(cmd, free(nothing), "cluster", "name", "address")
	completed(cmd, free(aFile), "podman")
	cmd.ValidArgsFunction = free(nothing)
	return cmd
}

// unhurried holds an error back where Podman begins the node side again: it does that at once, seven times a second, and without end.
func unhurried(err error) error {
	if err != nil && os.Getenv(live.SidePodman) != "" {
		time.Sleep(10 * time.Second)
	}
	return err
}

func (o nodeOptions) run(cmd *cobra.Command, dir string) error {
	if !label(o.cluster) {
		return fmt.Errorf("cluster %q: write lower-case letters, digits and dashes, at most 63", o.cluster)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	frugal()
	log := (&settings{}).logger(cmd.ErrOrStderr(), logrus.InfoLevel)
	socket := cmp.Or(o.podman, os.Getenv(live.SidePodman), "/run/podman/podman.sock")
	address := cmp.Or(o.address, os.Getenv(live.SideAddress))
	is := manifest.Node{ProviderID: "podman+unix://" + socket}
	is.Name = cmp.Or(o.name, os.Getenv(live.SideNode))
	if address != "" {
		is.Annotations = map[string]string{"podkeep.io/address": address}
	}
	opened, err := openDriver(ctx, is, drivers.Options{Cluster: o.cluster})
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	driver, ok := opened.(node.Driver)
	if !ok {
		return fmt.Errorf("%s: a host of that kind has no node side", is.ProviderID)
	}
	log.WithFields(logrus.Fields{"cluster": o.cluster, "podman": socket, "version": sideVersion()}).Info("begins")
	root := asRoot("/proc/self/uid_map")
	var routes node.Router
	var stirs chan struct{}
	if podman, ok := opened.(network.Podman); ok && root {
		var join func()
		routes, stirs, join = router(ctx, o.cluster, podman, log)
		defer join()
	}
	err = node.Run(ctx, node.Options{
		Driver: driver, Router: routes, Stirs: stirs, Prober: prober(), HostIP: own(address), Inside: !root, Dir: dir, Socket: filepath.Join(dir, live.SideSocket), Doors: mounted(live.DoorDir), Version: sideVersion(), Machine: machine("/sys/class/dmi/id/product_uuid", "/proc/device-tree/serial-number"), Log: log,
	})
	log.Info("ends, as it was told to")
	return err
}

// mounted is a directory, if it is there.
func mounted(dir string) string {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

func prober() node.Asker {
	p := node.NewProber()
	p.Crowded = func() bool { return kernel.CrowdOf().Full() }
	return p
}

// machine is what the firmware calls it, "" where it does not say: a copy of its disk is in another one.
func machine(files ...string) string {
	for _, file := range files {
		if id, err := os.ReadFile(file); err == nil {
			return strings.Trim(string(id), " \n\x00")
		}
	}
	return ""
}

// frugal has the process take less memory, for a little more work: it is on every host, and idle for the most part.
func frugal() {
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	debug.SetGCPercent(25)
	debug.FreeOSMemory()
}

// own is the address, if it is one of this host's; else the one that every host has.
func own(address string) string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.String() == address {
			return address
		}
	}
	return "127.0.0.1"
}

func nodeAttachCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "attach",
		Short: "Join input and output to the node side's socket",
		Long: paragraphs(`
The way to the node side where its socket cannot be reached from outside: a controller runs it in the
container. It ends when either side does.`),
		Example:           examples(`podkeep node attach --dir /var/lib/podkeep`),
		Args:              takes(0, 0),
		ValidArgsFunction: free(nothing),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return node.Attach(cmd.Context(), filepath.Join(*dir, live.SideSocket), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

func nodeReachCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reach ADDRESS",
		Short: "Join input and output to a TCP connection from here",
		Long: paragraphs(`
The way to pods of a user's own Podman, which their host does not reach: podkeep runs it in the container. It says a dot once it is
connected.`),
		Example:           examples(`podkeep node reach 10.88.0.2:8080`),
		Args:              takes(1, 1),
		ValidArgsFunction: free(nothing),
		RunE: func(cmd *cobra.Command, args []string) error {
			return node.Reach(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

func nodeKillCommand() *cobra.Command {
	var container string
	cmd := &cobra.Command{
		Use:   "kill PID --container ID",
		Short: "End a process of a container, and all that descends from it",
		Long: paragraphs(`
Ends by force what podkeep exec began, when that is interrupted. A process that is none of the container's is left alone.`),
		Example:           examples(`podkeep node kill --help`),
		Args:              takes(1, 1),
		ValidArgsFunction: free(nothing),
		RunE: func(_ *cobra.Command, args []string) error {
			pid, err := strconv.Atoi(args[0])
			if err != nil || pid < 2 {
				return fmt.Errorf("%q: write the number of a process", args[0])
			}
			return node.Kill(container, pid)
		},
	}
	cmd.Flags().StringVar(&container, "container", "", "the container's whole ID")
	completed(cmd, free(nothing), "container")
	return cmd
}

func nodeUseCommand(dir *string) *cobra.Command {
	var window time.Duration
	cmd := &cobra.Command{
		Use:               "use",
		Short:             "Print what this host uses of its processors, memory and disk, as JSON",
		Long:              "Measures the host for podkeep top.",
		Example:           examples(`podkeep node use --for 1s`),
		Args:              takes(0, 0),
		ValidArgsFunction: free(nothing),
		RunE: func(cmd *cobra.Command, _ []string) error {
			u, err := node.Use(*dir, window)
			if err != nil {
				return err
			}
			return encode(cmd.OutOrStdout(), "json", u)
		},
	}
	cmd.Flags().DurationVar(&window, "for", time.Second, "for how long it measures")
	completed(cmd, free(nothing), "for")
	return cmd
}
