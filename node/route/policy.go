package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podkeep/podkeep/manifest"
)

// Policies say which pods may be spoken to by whom, and speak to whom: by addresses, so that who does as they say knows nothing of labels.
type Policies struct {
	// Known are the pods of which they say so. Another one on a node is born after it, and speaks to nobody.
	Known  []Known
	Groups []Group  // sorted by key
	Each   []Policy // sorted by namespace and name
}

// Known is a pod with an address of its own.
type Known struct {
	Node, Pod string
	IP        netip.Addr
}

// Group are the pods that selectors mean. One key means the same in each table, though not the same pods.
type Group struct {
	Key string
	IPs []netip.Addr `json:",omitempty"` // sorted
}

// Policy is one that selects pods, and allows them something. A pod that none selects for a direction is as free in it as if there were no policies.
type Policy struct {
	Namespace, Name string
	Pods            int     // those that it selects: an index of Groups
	Ingress         bool    `json:",omitempty"` // they are spoken to as policies allow, and not otherwise
	Egress          bool    `json:",omitempty"` // they speak so
	In, Out         []Allow `json:",omitempty"`
}

// Allow are pods that may be spoken to by others, or may speak to them, at the ports of whom is spoken to.
type Allow struct {
	Pods   int     // of the policy's: an index of Groups
	Anyone bool    `json:",omitempty"`
	Peers  []int   `json:",omitempty"` // indexes of Groups
	Blocks []Block `json:",omitempty"`
	Ports  []Ports `json:",omitempty"` // none: all, of every protocol
}

// Block are the addresses of a range, but for some.
type Block struct {
	Range  netip.Prefix
	Except []netip.Prefix `json:",omitempty"`
}

// Ports are those of a protocol between two, with both.
type Ports struct {
	Protocol    string // "tcp", "udp" or "sctp"
	First, Last uint16
}

// Guard is what Policies are made of.
type Guard struct {
	Policies   []manifest.NetworkPolicy     // sorted by namespace and name
	Namespaces map[string]map[string]string // their labels, of those that are declared
	Pods       []Pod                        // all that have an address of their own, those too that stop, or are about to be born
	// Unseen are the ranges of nodes that nobody has looked at yet: their pods are in the groups in which the table before has them.
	Unseen []netip.Prefix
}

// resolver finds the pods that selectors mean, each pair of selectors once.
type resolver struct {
	Guard
	spaces map[string][]*Pod // by namespace
	groups map[string][]*Pod // by key
}

// policies are none where there is no policy.
func (g Guard) policies(before *Table) *Policies {
	if len(g.Policies) == 0 {
		return nil
	}
	r := resolver{Guard: g, spaces: map[string][]*Pod{}, groups: map[string][]*Pod{}}
	all := &Policies{}
	for i := range g.Pods {
		p := &g.Pods[i]
		r.spaces[p.Namespace] = append(r.spaces[p.Namespace], p)
		all.Known = append(all.Known, Known{p.Node, p.Name, p.IP})
	}
	var drafts []draft
	for _, p := range g.Policies {
		drafts = append(drafts, r.draft(p))
	}
	all.Groups = r.list()
	for _, d := range drafts {
		all.Each = append(all.Each, d.numbered(all.Groups))
	}
	all.carry(g.Unseen, before)
	slices.SortFunc(all.Known, func(a, b Known) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Pod, b.Pod)) })
	return all
}

// draft is a policy whose groups have no numbers yet.
type draft struct {
	Policy
	pods    string
	in, out []allow
}

type allow struct {
	Allow
	pods  string
	peers []string
}

func (r *resolver) draft(p manifest.NetworkPolicy) draft {
	d := draft{Policy: Policy{Namespace: p.Namespace, Name: p.Name, Ingress: p.Ingress, Egress: p.Egress}}
	d.pods = r.group(p.Namespace, manifest.PolicyPeer{Pods: p.Pods})
	if p.Ingress {
		for _, rule := range p.In {
			d.in = append(d.in, r.in(p.Namespace, d.pods, rule)...)
		}
	}
	if p.Egress {
		for _, rule := range p.Out {
			d.out = append(d.out, r.out(p.Namespace, d.pods, rule)...)
		}
	}
	return d
}

// in is what a rule allows to others. A port's name means another number in each of the policy's pods.
func (r *resolver) in(namespace, pods string, rule manifest.PolicyRule) (all []allow) {
	made := r.peers(namespace, rule)
	made.pods = pods
	if made.Ports = numbers(rule); len(made.Ports) > 0 || len(rule.Ports) == 0 {
		all = append(all, made)
	}
	for _, port := range names(rule) {
		for _, part := range r.byPort(pods, port) {
			named := made
			named.pods, named.Ports = part.key, []Ports{part.Ports}
			all = append(all, named)
		}
	}
	return all
}

// out is what a rule allows the policy's pods. A port's name means another number in each of the pods that they speak to, and none of who is no pod.
func (r *resolver) out(namespace, pods string, rule manifest.PolicyRule) (all []allow) {
	made := r.peers(namespace, rule)
	made.pods = pods
	if made.Ports = numbers(rule); len(made.Ports) > 0 || len(rule.Ports) == 0 {
		all = append(all, made)
	}
	peers := slices.Clone(made.peers)
	if len(names(rule)) > 0 {
		for _, b := range made.Blocks {
			peers = append(peers, r.within(b))
		}
	}
	if made.Anyone {
		peers = []string{r.group("", manifest.PolicyPeer{Namespaces: labels.Everything(), Pods: labels.Everything()})}
	}
	for _, port := range names(rule) {
		for _, peer := range peers {
			for _, part := range r.byPort(peer, port) {
				all = append(all, allow{Allow: Allow{Ports: []Ports{part.Ports}}, pods: pods, peers: []string{part.key}})
			}
		}
	}
	return all
}

func (r *resolver) peers(namespace string, rule manifest.PolicyRule) (made allow) {
	made.Anyone = len(rule.Peers) == 0
	for _, peer := range rule.Peers {
		switch {
		case peer.Pods != nil:
			made.peers = append(made.peers, r.group(namespace, peer))
		case peer.Block.Addr().Is4():
			made.Blocks = append(made.Blocks, Block{peer.Block, peer.Except})
		}
	}
	return made
}

func numbers(rule manifest.PolicyRule) (all []Ports) {
	for _, p := range rule.Ports {
		if p.Name == "" {
			all = append(all, Ports{p.Protocol, p.First, p.Last})
		}
	}
	return all
}

func names(rule manifest.PolicyRule) (all []manifest.PolicyPort) {
	for _, p := range rule.Ports {
		if p.Name != "" {
			all = append(all, p)
		}
	}
	return all
}

// group is the key of the pods that a peer means, seen from a namespace.
func (r *resolver) group(namespace string, peer manifest.PolicyPeer) string {
	key := namespace + " [" + peer.Pods.String() + "]"
	if peer.Namespaces != nil {
		key = "[" + peer.Namespaces.String() + "] [" + peer.Pods.String() + "]"
	}
	if _, known := r.groups[key]; known {
		return key
	}
	r.groups[key] = nil
	for name, pods := range r.spaces {
		if peer.Namespaces == nil && name != namespace || peer.Namespaces != nil && !peer.Namespaces.Matches(r.labelled(name)) {
			continue
		}
		for _, p := range pods {
			if peer.Pods.Matches(labels.Set(p.Labels)) {
				r.groups[key] = append(r.groups[key], p)
			}
		}
	}
	return key
}

// within is the key of the pods that have addresses of a block.
func (r *resolver) within(b Block) string {
	key := fmt.Sprintf("%s but %s", b.Range, b.Except)
	r.groups[key] = nil
	for i := range r.Pods {
		if p := &r.Pods[i]; b.Range.Contains(p.IP) && !slices.ContainsFunc(b.Except, func(e netip.Prefix) bool { return e.Contains(p.IP) }) {
			r.groups[key] = append(r.groups[key], p)
		}
	}
	return key
}

// labelled are a namespace's labels. Each has its own name among them.
func (r *resolver) labelled(namespace string) labels.Set {
	all := labels.Set{"kubernetes.io/metadata.name": namespace}
	for k, v := range r.Namespaces[namespace] {
		if k != "kubernetes.io/metadata.name" {
			all[k] = v
		}
	}
	return all
}

// part are the pods of a group in which a port's name means the same.
type part struct {
	Ports
	key string
}

func (r *resolver) byPort(group string, port manifest.PolicyPort) (all []part) {
	for _, p := range r.groups[group] {
		number, protocol, _ := strings.Cut(p.Ports[port.Name], "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || protocol != port.Protocol {
			continue
		}
		found := part{Ports{port.Protocol, uint16(n), uint16(n)}, group + " " + port.Name + "=" + number + "/" + protocol}
		if !slices.Contains(all, found) {
			all = append(all, found)
			r.groups[found.key] = nil
		}
		r.groups[found.key] = append(r.groups[found.key], p)
	}
	return all
}

// list are the groups by key.
func (r *resolver) list() []Group {
	all := make([]Group, 0, len(r.groups))
	for key, pods := range r.groups {
		g := Group{Key: key}
		for _, p := range pods {
			g.IPs = append(g.IPs, p.IP)
		}
		slices.SortFunc(g.IPs, netip.Addr.Compare)
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Group) int { return strings.Compare(a.Key, b.Key) })
	return all
}

func (d draft) numbered(groups []Group) Policy {
	index := func(key string) int {
		i, _ := slices.BinarySearchFunc(groups, key, func(g Group, key string) int { return strings.Compare(g.Key, key) })
		return i
	}
	number := func(from []allow) (all []Allow) {
		for _, a := range from {
			made := a.Allow
			made.Pods = index(a.pods)
			for _, key := range a.peers {
				made.Peers = append(made.Peers, index(key))
			}
			all = append(all, made)
		}
		return all
	}
	d.Policy.Pods, d.Policy.In, d.Policy.Out = index(d.pods), number(d.in), number(d.out)
	return d.Policy
}

// carry adds what the table before says of pods in ranges that nobody has looked at yet.
func (p *Policies) carry(ranges []netip.Prefix, before *Table) {
	if before == nil || before.Policies == nil {
		return
	}
	unseen := func(ip netip.Addr) bool {
		return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(ip) })
	}
	for _, k := range before.Policies.Known {
		if unseen(k.IP) {
			p.Known = append(p.Known, k)
		}
	}
	for _, old := range before.Policies.Groups {
		i, there := slices.BinarySearchFunc(p.Groups, old.Key, func(g Group, key string) int { return strings.Compare(g.Key, key) })
		if !there {
			continue
		}
		for _, ip := range old.IPs {
			if unseen(ip) {
				p.Groups[i].IPs = append(p.Groups[i].IPs, ip)
			}
		}
		slices.SortFunc(p.Groups[i].IPs, netip.Addr.Compare)
	}
}
