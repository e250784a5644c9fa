package route

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
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
	Selects         string   // which pods, and
	Allows          []string `json:",omitempty"` // what they are allowed, in words, for people: the same for as long as the policy is, whichever pods there are
	Pods            int      // those that it selects: an index of Groups
	Ingress         bool     `json:",omitempty"` // they are spoken to as policies allow, and not otherwise
	Egress          bool     `json:",omitempty"` // they speak so
	In, Out         []Allow  `json:",omitempty"`
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

// Ruled is what is said of one policy.
type Ruled struct {
	ID   manifest.ID
	Whys []string // which of its rules allow nothing, though something is asked for; none while some pods are not known
}

// Build makes the policies of a table, which are nil where there is none, and says of each what came of it.
func (g Guard) Build(before *Table) (*Policies, []Ruled) {
	if len(g.Policies) == 0 {
		return nil, nil
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
	var ruled []Ruled
	for i, p := range g.Policies {
		said := Ruled{ID: p.ID}
		if len(g.Unseen) == 0 {
			said.Whys = drafts[i].whys
		}
		ruled = append(ruled, said)
	}
	return all, ruled
}

// draft is a policy whose groups have no numbers yet.
type draft struct {
	Policy
	pods    string
	in, out []allow
	whys    []string
}

type allow struct {
	Allow
	pods  string
	peers []string
}

func (r *resolver) draft(p manifest.NetworkPolicy) draft {
	d := draft{Policy: Policy{Namespace: p.Namespace, Name: p.Name, Ingress: p.Ingress, Egress: p.Egress}}
	selects := manifest.PolicyPeer{Pods: p.Pods}
	d.pods, d.Selects = r.group(p.Namespace, selects), worded(p.Namespace, selects)
	if p.Ingress {
		d.Allows = append(d.Allows, allowed("from", p.Namespace, p.In)...)
		for i, rule := range p.In {
			d.in = append(d.in, r.in(p.Namespace, d.pods, rule)...)
			d.whys = append(d.whys, r.nobody(p.Namespace, fmt.Sprintf("spec.ingress[%d].from", i), rule)...)
			d.whys = append(d.whys, r.nowhere("that it selects", rule, []string{d.pods})...)
		}
	}
	if p.Egress {
		d.Allows = append(d.Allows, allowed("to", p.Namespace, p.Out)...)
		for i, rule := range p.Out {
			d.out = append(d.out, r.out(p.Namespace, d.pods, rule)...)
			d.whys = append(d.whys, r.nobody(p.Namespace, fmt.Sprintf("spec.egress[%d].to", i), rule)...)
			d.whys = append(d.whys, r.nowhere(fmt.Sprintf("of spec.egress[%d].to", i), rule, r.targets(p.Namespace, rule))...)
		}
	}
	return d
}

// nobody says which peers of a rule mean no pod.
func (r *resolver) nobody(namespace, at string, rule manifest.PolicyRule) (whys []string) {
	for i, peer := range rule.Peers {
		switch {
		case peer.Pods == nil || len(r.groups[r.group(namespace, peer)]) > 0:
		case peer.Namespaces != nil && !r.anySpace(peer.Namespaces):
			whys = append(whys, fmt.Sprintf("%s[%d] means nobody: no namespace has the labels %s", at, i, peer.Namespaces))
		case peer.Pods.Empty():
			whys = append(whys, fmt.Sprintf("%s[%d] means nobody: no pod is there", at, i))
		default:
			whys = append(whys, fmt.Sprintf("%s[%d] means nobody: no pod there has the labels %s", at, i, peer.Pods))
		}
	}
	return whys
}

func (r *resolver) anySpace(s labels.Selector) bool {
	for _, all := range []iter.Seq[string]{maps.Keys(r.spaces), maps.Keys(r.Namespaces)} {
		for name := range all {
			if s.Matches(r.labelled(name)) {
				return true
			}
		}
	}
	return false
}

// nowhere says which ports no pod of these groups has, where there are pods.
func (r *resolver) nowhere(which string, rule manifest.PolicyRule, groups []string) (whys []string) {
	empty := func(group string) bool { return len(r.groups[group]) == 0 }
	for _, port := range names(rule) {
		has := func(group string) bool { return len(r.byPort(group, port)) > 0 }
		if !slices.ContainsFunc(groups, has) && slices.ContainsFunc(groups, func(g string) bool { return !empty(g) }) {
			whys = append(whys, fmt.Sprintf("no pod %s has a port called %s/%s", which, port.Name, port.Protocol))
		}
	}
	return whys
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
	for _, port := range names(rule) {
		for _, peer := range r.targets(namespace, rule) {
			for _, part := range r.byPort(peer, port) {
				all = append(all, allow{Allow: Allow{Ports: []Ports{part.Ports}}, pods: pods, peers: []string{part.key}})
			}
		}
	}
	return all
}

// targets are the keys of all pods that a rule means, where it has ports by name.
func (r *resolver) targets(namespace string, rule manifest.PolicyRule) []string {
	if len(names(rule)) == 0 {
		return nil
	}
	made := r.peers(namespace, rule)
	if made.Anyone {
		return []string{r.group("", manifest.PolicyPeer{Namespaces: labels.Everything(), Pods: labels.Everything()})}
	}
	all := made.peers
	for _, b := range made.Blocks {
		all = append(all, r.within(b))
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
