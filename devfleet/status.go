package devfleet

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Status is how one node is, as looked at just now.
type Status struct {
	Node
	On      bool // its init runs
	Service bool // its Podman service runs
	Frozen  bool // it runs but is stopped
	Linked  bool // its cable is plugged in
	SSHD    bool // its SSH server runs; false on nodes that have none
}

// Status looks at every node.
func (f *Fleet) Status() []Status {
	all := make([]Status, len(f.Nodes))
	for i, n := range f.Nodes {
		all[i] = f.status(n)
	}
	return all
}

func (f *Fleet) status(n Node) Status {
	s := Status{Node: n, Linked: f.linked(n)}
	pid, on := initOf(n.Dir)
	if s.On = on; !on {
		return s
	}
	for _, p := range n.services(pid) {
		s.Service, s.Frozen = true, p.State == 'T'
	}
	s.SSHD = n.SSH && len(n.sshds(pid)) > 0
	return s
}

// String says what ails the node, or "up".
func (s Status) String() string {
	if !s.On {
		return "off"
	}
	var ails []string
	if !s.Service {
		ails = append(ails, "podman killed")
	}
	if s.Frozen {
		ails = append(ails, "podman frozen")
	}
	if s.SSH && !s.SSHD {
		ails = append(ails, "sshd killed")
	}
	if !s.Linked {
		ails = append(ails, "cable pulled")
	}
	if len(ails) == 0 {
		return "up"
	}
	return strings.Join(ails, ", ")
}

// Command is a program to be run on a node, in all its namespaces, as `podkeep dev exec` does: by root, or by the user whose
// Podman the node has.
func (f *Fleet) Command(ctx context.Context, node string, args ...string) (*exec.Cmd, error) {
	n, pid, err := f.running(node)
	if err != nil {
		return nil, err
	}
	return n.enter(ctx, pid, n.login(args...)...), nil
}

// Output is what such a program printed.
func (f *Fleet) Output(ctx context.Context, node string, args ...string) (string, error) {
	cmd, err := f.Command(ctx, node, args...)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w: %s", node, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
