package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/status"
)

// peer is a port of one pod, and from which node it is reached. Of an address that is nobody's pod's, pod is empty.
type peer struct {
	pod, node string
	at        netip.AddrPort
}

func (e peer) String() string {
	if e.pod == "" {
		return e.at.Addr().String() + " from " + e.node
	}
	return e.pod + " on " + e.node
}

// dial connects to an address from a node.
func (c *crew) dial(ctx context.Context, node, address string) (net.Conn, error) {
	dialer, ok := c.drivers[node].(drivers.Dialer)
	if !ok {
		return nil, fmt.Errorf("%s: connections cannot be made from there", node)
	}
	conn, err := dialer.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", node, err)
	}
	return conn, nil
}

// peers are where connections to a port of a target can go, best first. The port is a number or a name; empty means the only one that there is.
func (c *crew) peers(arg, namespace, port string) ([]peer, error) {
	if namesService(arg) {
		s, err := c.service(arg, namespace)
		if err != nil {
			return nil, err
		}
		i, err := servicePort(s, port)
		if err != nil {
			return nil, err
		}
		return c.behind(s, i)
	}
	t, err := c.find(arg, namespace)
	if err != nil {
		return nil, err
	}
	return c.podEnds(t, port)
}

// namesService says whether an argument is KIND/NAME of a Service.
func namesService(arg string) bool {
	kind, _, has := strings.Cut(arg, "/")
	k, known := kindOf(kind)
	return has && known && k.kind == "Service"
}

// service is the one that an argument means, as it is served.
func (c *crew) service(arg, namespace string) (status.Service, error) {
	all := status.Of(c.world).Services
	var ids []manifest.ID
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	here, err := meaning(arg, namespace, ids)
	if err != nil {
		return status.Service{}, err
	}
	s := all[slices.IndexFunc(all, func(s status.Service) bool { return s.ID == here[0] })]
	if s.External != "" {
		return s, fmt.Errorf("%s is a name for %s, which is outside", words(s.ID), s.External)
	}
	if s.Made == nil {
		return s, fmt.Errorf("%s: %s", words(s.ID), cmp.Or(s.Why, "no node serves it yet"))
	}
	return s, nil
}

// servicePort is the index of a Service's port.
func servicePort(s status.Service, port string) (int, error) {
	var there []string
	for i, p := range s.Made.Ports {
		if p.Protocol == "tcp" && (port == strconv.Itoa(int(p.Port)) || port == p.Name && port != "") {
			return i, nil
		}
		there = append(there, strings.TrimSuffix(fmt.Sprintf("%d/%s %s", p.Port, p.Protocol, p.Name), " "))
	}
	if port == "" && len(there) == 1 && s.Made.Ports[0].Protocol == "tcp" {
		return 0, nil
	}
	return 0, which(words(s.ID), port, there)
}

// which says that a port is not there, or that one has to be named.
func which(of, port string, there []string) error {
	have := "there are none"
	if len(there) > 0 {
		have = "there are " + strings.Join(there, ", ")
	}
	if port == "" {
		return fmt.Errorf("%s: which port? %s", of, have)
	}
	return fmt.Errorf("%s has no TCP port %s: %s", of, port, have)
}

// behind are the pods behind a Service's port of that index, or the addresses that somebody wrote down, which are reached as pods reach them.
func (c *crew) behind(s status.Service, port int) (all []peer, err error) {
	for _, e := range s.Made.Endpoints {
		if port >= len(e.Ports) || e.Ports[port] == 0 {
			continue
		}
		if e.Pod == "" {
			if e.Node, err = c.nearest(s); err != nil {
				return nil, err
			}
		}
		all = append(all, peer{e.Pod, e.Node, netip.AddrPortFrom(e.IP, e.Ports[port])})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %s", words(s.ID), cmp.Or(s.Why, "no pod is behind it"))
	}
	return all, nil
}

// podEnds are the pods of a target that run, those that are ready first.
func (c *crew) podEnds(t target, port string) ([]peer, error) {
	members := c.members(t)
	if len(members) == 0 {
		return nil, c.podless(t)
	}
	ready := c.ready()
	slices.SortStableFunc(members, func(a, b member) int { return cmp.Compare(btoi(ready[b.Name]), btoi(ready[a.Name])) })
	var all []peer
	var not []string
	for _, m := range members {
		ip, err := addressOf(m.Pod)
		if err != nil {
			not = append(not, fmt.Sprintf("%s on %s %v", m.Name, m.node, err))
			continue
		}
		number, err := c.podPort(m.Pod, port)
		if err != nil {
			return nil, err
		}
		all = append(all, peer{m.Name, m.node, netip.AddrPortFrom(ip, number)})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("nothing of %s can be reached: %s", t, strings.Join(not, "; "))
	}
	return all, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ready are the names of the pods that are.
func (c *crew) ready() map[string]bool {
	all := map[string]bool{}
	for _, w := range status.Of(c.world).Workloads {
		for _, p := range w.Pods {
			all[p.Name] = p.State == status.Ready
		}
	}
	return all
}

// addressOf is where its host reaches a pod: one on the host's network, at the host itself.
func addressOf(p live.Pod) (ip netip.Addr, err error) {
	runs := slices.ContainsFunc(p.Containers, func(k live.Container) bool { return k.State == live.Running })
	switch {
	case !runs:
		return ip, fmt.Errorf("does not run")
	case p.IP == "" && p.Birth.Network == 0:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	case p.IP == "":
		return ip, fmt.Errorf("has no address yet")
	}
	return netip.ParseAddr(p.IP)
}

// podPort is a pod's port by number or by name. Any number will do, for programs listen at ports that no manifest names.
func (c *crew) podPort(p live.Pod, port string) (uint16, error) {
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
		return uint16(n), nil
	}
	var there []string
	var numbers []uint16
	for _, has := range c.portsOf(p) {
		if port == has.name && port != "" {
			return has.number, nil
		}
		there, numbers = append(there, strings.TrimSuffix(fmt.Sprintf("%d/tcp %s", has.number, has.name), " ")), append(numbers, has.number)
	}
	if port == "" && len(numbers) == 1 {
		return numbers[0], nil
	}
	return 0, which(p.Name, port, there)
}

type containerPort struct {
	name   string
	number uint16
}

// portsOf are a pod's TCP ports: those with a name it was born with, and the others as its manifest has them now.
func (c *crew) portsOf(p live.Pod) (all []containerPort) {
	for name, port := range p.Birth.Ports {
		number, protocol, _ := strings.Cut(port, "/")
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && protocol == "tcp" {
			all = append(all, containerPort{name, uint16(n)})
		}
	}
	for _, w := range c.world.History.Head.Workloads {
		for _, k := range w.Revision.Spec.Containers {
			for _, port := range k.Ports {
				if w.ID == p.App && port.Name == "" && (port.Protocol == "" || port.Protocol == "TCP") {
					all = append(all, containerPort{"", uint16(port.ContainerPort)})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b containerPort) int { return cmp.Compare(a.number, b.number) })
	return all
}

// nearest is a node from which a Service is reached: this machine, else the first by name that serves it.
func (c *crew) nearest(s status.Service) (string, error) {
	best := ""
	for _, n := range c.world.Snapshot.Nodes {
		serves := n.Why == "" && n.Side.Serves.Service(s.Namespace, s.Name) != nil
		if serves && (best == "" || c.isLocal(n.Name) && !c.isLocal(best)) {
			best = n.Name
		}
	}
	if best == "" {
		return "", fmt.Errorf("%s: no node serves it yet", words(s.ID))
	}
	return best, nil
}

func (c *crew) isLocal(node string) bool {
	return slices.ContainsFunc(c.nodes, func(n manifest.Node) bool { return n.Name == node && strings.HasPrefix(n.ProviderID, "podman+unix:") })
}
