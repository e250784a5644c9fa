package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// Policy is the policy of that name; nil when there is none.
func (t *Table) Policy(namespace, name string) *Policy {
	if t == nil || t.Policies == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(t.Policies.Each, [2]string{namespace, name}, func(p Policy, key [2]string) int {
		return cmp.Or(strings.Compare(p.Namespace, key[0]), strings.Compare(p.Name, key[1]))
	})
	if !ok {
		return nil
	}
	return &t.Policies.Each[i]
}

// Holds says whether both tables say the same of the policy, and of the pods that it is about.
func (t *Table) Holds(o *Table, namespace, name string) bool {
	a, b := t.Policy(namespace, name), o.Policy(namespace, name)
	return a == nil && b == nil || a != nil && b != nil && a.spelled(t.Policies.Groups) == b.spelled(o.Policies.Groups)
}

// spelled has the groups themselves in place of their indexes.
func (p Policy) spelled(groups []Group) string {
	var b strings.Builder
	_, _ = fmt.Fprintln(&b, groups[p.Pods], p.Ingress, p.Egress)
	for side, rules := range [][]Allow{p.In, p.Out} {
		for _, a := range rules {
			_, _ = fmt.Fprintln(&b, side, groups[a.Pods], a.Anyone, a.Blocks, a.Ports)
			for _, peer := range a.Peers {
				_, _ = fmt.Fprintln(&b, groups[peer])
			}
		}
	}
	return b.String()
}

// allowed are what rules allow the pods of a policy, in words, one for each peer: from pods app=web of shop at 80/tcp.
func allowed(way, namespace string, rules []manifest.PolicyRule) (all []string) {
	for _, r := range rules {
		peers := []string{"everybody"}
		if len(r.Peers) > 0 {
			peers = nil
		}
		for _, p := range r.Peers {
			peers = append(peers, worded(namespace, p))
		}
		for _, who := range peers {
			all = append(all, way+" "+who+" at "+portsOf(r.Ports))
		}
	}
	return all
}

// worded is a peer, seen from a namespace.
func worded(namespace string, p manifest.PolicyPeer) string {
	if p.Pods == nil {
		if len(p.Except) > 0 {
			return fmt.Sprintf("%s but %s", p.Block, strings.Trim(fmt.Sprint(p.Except), "[]"))
		}
		return p.Block.String()
	}
	of := namespace
	switch {
	case p.Namespaces != nil && p.Namespaces.Empty():
		of = "all namespaces"
	case p.Namespaces != nil:
		of = "namespaces " + p.Namespaces.String()
	}
	if p.Pods.Empty() {
		return "all pods of " + of
	}
	return "pods " + p.Pods.String() + " of " + of
}

func portsOf(ports []manifest.PolicyPort) string {
	var all []string
	for _, p := range ports {
		switch {
		case p.Name != "":
			all = append(all, p.Name+"/"+p.Protocol)
		case p.First == 0 && p.Last == 65535:
			all = append(all, "all of "+p.Protocol)
		case p.First == p.Last:
			all = append(all, fmt.Sprintf("%d/%s", p.First, p.Protocol))
		default:
			all = append(all, fmt.Sprintf("%d-%d/%s", p.First, p.Last, p.Protocol))
		}
	}
	return cmp.Or(strings.Join(all, ", "), "all ports")
}
