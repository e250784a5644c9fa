// Package devfleet makes local fleets of real Podman nodes on one Linux machine, for `podkeep dev`, the demo and
// the tests.
//
// A node is a small machine of its own: an init process in its own network, process, mount, host-name and IPC
// namespaces, with its own disk (a directory), its own Podman service, its own address on the fleet's bridge, and,
// where asked for, its own SSH server. Ending the init is cutting the power: whatever ran on the node is gone, and
// its disk is not.
//
// Nothing is remembered beyond fleet.json, which is written before anything is made. What is there is found by
// looking: a node's init carries the node's directory in its environment, the bridge and the cables carry the fleet's
// directory as their alias. So any process can take over a fleet, mend a half-made one, or remove it.
package devfleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Root is where fleets live unless Options.Dir says otherwise: Root/NAME.
const Root = "/var/lib/podkeep-dev"

// Options say what Up should make. The zero value is three nodes named n1 to n3, all by unix socket, in fleet "dev".
type Options struct {
	Name     string   // 1 to 20 of a-z, 0-9 and -; default "dev"
	Nodes    int      // how many, 1 to 50; 0 means 3, or as many as the fleet has
	SSH      []string // names of the nodes that are reached over SSH
	Rootless []string // names of the nodes whose Podman is a user's own
	Podman   string   // the program that is Podman on them; default this machine's
	Dir      string   // absolute; default Root/Name
}

// Fleet is a local fleet. It is what fleet.json holds.
type Fleet struct {
	Name  string
	Dir   string
	Index int // picks the addresses: pods in 10.Index.0.0/16, nodes in 10.(Index+100).0.0/24
	Nodes []Node
	Owner string `json:",omitempty"` // without which the fleet is removed; nothing on a person's, see Own
}

// Node is one node of a fleet. Its name is n1, n2 and so on.
type Node struct {
	Name     string
	Number   int
	SSH      bool
	Rootless bool   // its Podman is a user's own
	UID      int    // that user's, else 0
	Address  string // on the fleet's bridge
	PodCIDR  string // of its pods in the cluster's own network, which the node side makes
	Subnet   string // of its default Podman network
	Dir      string
	Socket   string // Podman's socket, reachable from this machine whatever the transport
	Podman   string `json:",omitempty"` // what stands for this machine's Podman, if anything does
}

// Indexes tried: even ones, since the odd 10.43.0.0/16 is podkeep's default for services.
const firstIndex, lastIndex = 42, 98

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,19}$`)

// Up makes the fleet, or mends what is missing of it, and returns once every node answers. Done twice it changes
// nothing. When it fails, what it made stays for Up or Down to take from there.
func Up(ctx context.Context, o Options) (*Fleet, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if err := Preflight(len(o.SSH) > 0, len(o.Rootless) > 0); err != nil {
		return nil, err
	}
	_ = reap(ctx) // what is in the way of this fleet will say so itself
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	f, err := o.fleet()
	if err != nil {
		return nil, err
	}
	if err := f.claim(); err != nil {
		return nil, err
	}
	if err := f.makeKeys(); err != nil {
		return nil, err
	}
	if err := replaceFile(f.NodesFile(), f.Manifests(), 0o644); err != nil {
		return nil, err
	}
	return f, f.each(func(n Node) error { return f.heal(ctx, n) })
}

// Open finds a fleet that Up made. An empty dir means Root/NAME.
func Open(name, dir string) (*Fleet, error) {
	o, err := Options{Name: name, Dir: dir}.filled()
	if err != nil {
		return nil, err
	}
	f, err := load(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("fleet %s: not there; make it with: podkeep dev up --name %s", o.Name, o.Name)
	}
	return f, err
}

// Down removes every trace of the fleet, whole or half made. One that is not there is removed already.
func Down(ctx context.Context, name, dir string) error {
	o, err := Options{Name: name, Dir: dir}.filled()
	if err != nil {
		return err
	}
	if err := root(); err != nil {
		return err
	}
	if _, err := os.Stat(o.Dir); err == nil {
		unlock, err := lock(ctx, o.Dir)
		if err != nil {
			return err
		}
		defer unlock()
	}
	return remove(ctx, o.Dir)
}

// remove removes every trace of the fleet whose directory this is.
func remove(ctx context.Context, dir string) error {
	if err := endHelpers(ctx, dir); err != nil {
		return err
	}
	for _, dir := range nodeDirs(dir) {
		if err := powerOff(ctx, dir); err != nil {
			return err
		}
		if err := unmountDisk(dir); err != nil {
			return err
		}
	}
	if err := unplugAll(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Remove(Root); err == nil || errors.Is(err, fs.ErrNotExist) { // stays while other fleets are in it
		removeParentCgroups()
	}
	return nil
}

// List finds the fleets below Root, sorted by name.
func List() ([]*Fleet, error) {
	found, err := filepath.Glob(filepath.Join(Root, "*", "fleet.json"))
	if err != nil {
		return nil, err
	}
	var fleets []*Fleet
	for _, path := range found {
		f, err := load(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		fleets = append(fleets, f)
	}
	return fleets, nil
}

// Node finds a node by name.
func (f *Fleet) Node(name string) (Node, error) {
	for _, n := range f.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return Node{}, fmt.Errorf("fleet %s: no node %s; it has n1 to n%d", f.Name, name, len(f.Nodes))
}

// Gateway is this machine's own address on the fleet's bridge.
func (f *Fleet) Gateway() string { return fmt.Sprintf("10.%d.0.1", f.Index+100) }

// Registry is where a registry on this machine must listen for the nodes to pull from it without TLS.
func (f *Fleet) Registry() string { return f.Gateway() + ":5000" }

func (o Options) filled() (Options, error) {
	if o.Name == "" {
		o.Name = "dev"
	}
	if !nameRule.MatchString(o.Name) {
		return o, fmt.Errorf("fleet name %q: want 1 to 20 of a-z, 0-9 and -", o.Name)
	}
	if o.Nodes < 0 || o.Nodes > 50 {
		return o, fmt.Errorf("fleet %s: %d nodes: want 1 to 50", o.Name, o.Nodes)
	}
	for _, list := range []struct {
		kind  string
		names []string
	}{{"SSH", o.SSH}, {"rootless", o.Rootless}} {
		for _, name := range list.names {
			number, err := strconv.Atoi(strings.TrimPrefix(name, "n"))
			if count := cmp.Or(o.Nodes, 3); err != nil || number < 1 || number > count {
				return o, fmt.Errorf("fleet %s: %s node %q: want one of n1 to n%d", o.Name, list.kind, name, count)
			}
		}
	}
	if o.Podman != "" {
		path, err := exec.LookPath(o.Podman)
		if err != nil {
			return o, fmt.Errorf("fleet %s: its Podman: %w", o.Name, err)
		}
		if o.Podman, err = filepath.Abs(path); err != nil {
			return o, err
		}
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(Root, o.Name)
	}
	err := checkDir(o.Dir)
	if err == nil && len(o.Rootless) > 0 {
		err = reachable(o.Dir)
	}
	return o, err
}

// checkDir refuses what cannot hold a fleet: a node's own /run and /dev/shm would hide it, and a socket's path has at
// most 107 bytes.
func checkDir(dir string) error {
	const longest = len("/n50/run/podman.sock")
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("fleet directory %s: want an absolute path", dir)
	}
	if len(dir)+longest > 107 {
		return fmt.Errorf("fleet directory %s: %d bytes long, sockets in it need it to have at most %d", dir, len(dir), 107-longest)
	}
	for _, hidden := range []string{"/run", "/proc", "/dev", "/sys"} {
		if rel, err := filepath.Rel(hidden, dir); err == nil && filepath.IsLocal(rel) {
			return fmt.Errorf("fleet directory %s: nodes have their own %s; choose another place", dir, hidden)
		}
	}
	return nil
}

// fleet is the recorded fleet, which must be the one asked for, or a new one with its index still to be claimed.
func (o Options) fleet() (*Fleet, error) {
	f, err := load(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &Fleet{Name: o.Name, Dir: o.Dir, Nodes: o.nodes(), Owner: os.Getenv(ownerMark)}, nil
	}
	if err != nil {
		return nil, err
	}
	ssh := f.names(func(n Node) bool { return n.SSH })
	rootless := f.names(func(n Node) bool { return n.Rootless })
	other := func(asked, has []string) bool {
		return len(asked) != 0 && !slices.Equal(slices.Sorted(slices.Values(asked)), has)
	}
	if o.Nodes != 0 && o.Nodes != len(f.Nodes) || other(o.SSH, ssh) || other(o.Rootless, rootless) {
		return nil, fmt.Errorf("fleet %s: it has %d nodes, over SSH %v, rootless %v; take it down before making it otherwise", o.Name, len(f.Nodes), ssh, rootless)
	}
	if has := f.Nodes[0].Podman; o.Podman != "" && o.Podman != has {
		return nil, fmt.Errorf("fleet %s: its Podman is %s; take it down before giving it another", o.Name, cmp.Or(has, "this machine's"))
	}
	return f, nil
}

// names are those of the nodes that are so, sorted.
func (f *Fleet) names(so func(Node) bool) (names []string) {
	for _, n := range f.Nodes {
		if so(n) {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (o Options) nodes() []Node {
	nodes := make([]Node, cmp.Or(o.Nodes, 3))
	for i := range nodes {
		name := "n" + strconv.Itoa(i+1)
		nodes[i] = Node{
			Name: name, Number: i + 1, SSH: slices.Contains(o.SSH, name), Rootless: slices.Contains(o.Rootless, name), Podman: o.Podman,
		}
	}
	return nodes
}

// at gives every node what follows from the fleet's index and directory.
func (f *Fleet) at(index int) {
	f.Index = index
	for i := range f.Nodes {
		n := &f.Nodes[i]
		n.Address = fmt.Sprintf("10.%d.0.%d", index+100, 10+n.Number)
		n.PodCIDR = fmt.Sprintf("10.%d.%d.0/24", index, n.Number)
		n.Subnet = fmt.Sprintf("10.%d.%d.0/24", index, 128+n.Number)
		n.Dir = filepath.Join(f.Dir, n.Name)
		n.Socket = filepath.Join(n.Dir, "podman.sock")
		if n.Rootless {
			n.UID, _ = ids(index, n.Number)
			n.Socket = filepath.Join(n.Dir, "run", "podman.sock")
		}
	}
}

func load(dir string) (*Fleet, error) {
	data, err := os.ReadFile(filepath.Join(dir, "fleet.json"))
	if err != nil {
		return nil, err
	}
	f := &Fleet{}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("%s/fleet.json: %w", dir, err)
	}
	if f.Index != 0 {
		f.at(f.Index) // one that an older version made lacks some of it
	}
	return f, nil
}

func (f *Fleet) save() error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(f.Dir, "fleet.json"), append(data, '\n'), 0o644)
}

// each works on all nodes at once.
func (f *Fleet) each(do func(Node) error) error {
	var group errgroup.Group
	for _, n := range f.Nodes {
		group.Go(func() error {
			if err := do(n); err != nil {
				return fmt.Errorf("%s: %w", n.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// nodeDirs are the directories of nodes below a fleet's, also of those that fleet.json does not name.
func nodeDirs(dir string) []string {
	dirs, _ := filepath.Glob(filepath.Join(dir, "n[0-9]*"))
	return dirs
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	part := path + ".part"
	if err := os.WriteFile(part, data, mode); err != nil {
		return err
	}
	return os.Rename(part, path)
}
