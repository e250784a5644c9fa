package status

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// Ruling is what becomes of a NetworkPolicy.
type Ruling struct {
	Policy string `json:"policy"` // namespace/name; empty when all are meant
	What   string `json:"what"`
	Change bool   `json:"change"` // it is otherwise now
}

// rulings has one for each NetworkPolicy that comes, goes, or says something else than the newest table in force has it say. That pods come and go
// which it is about is nothing to be said.
func rulings(w World) (all []Ruling) {
	want := w.History.Want()
	for _, id := range want.Unruled() {
		all = append(all, Ruling{id.Namespace + "/" + id.Name, "never loaded: it is to hold nobody", false})
	}
	if n := len(want.NetworkPolicies); w.Plan.Unrouted != "" {
		if n > 0 {
			all = append(all, Ruling{What: policiesOf(n) + " not in force: " + w.Plan.Unrouted})
		}
		return all
	}
	for _, p := range want.NetworkPolicies {
		if what := ruled(w.Plan.Before.Policy(p.Namespace, p.Name), w.Plan.Table.Policy(p.Namespace, p.Name)); what != "" {
			all = append(all, Ruling{p.Namespace + "/" + p.Name, what, w.Plan.Before != nil})
		}
	}
	if w.Plan.Before == nil || w.Plan.Before.Policies == nil {
		return all
	}
	for _, had := range w.Plan.Before.Policies.Each {
		if slices.ContainsFunc(want.NetworkPolicies, func(p manifest.NetworkPolicy) bool { return p.Namespace == had.Namespace && p.Name == had.Name }) {
			continue
		}
		what := "goes: holds " + had.Selects + " no more"
		if n := opened(had, w.Plan.Before, w.Plan.Table); n > 0 {
			what += fmt.Sprintf(", and %s no other one holds", plural(n, "pod"))
		}
		all = append(all, Ruling{had.Namespace + "/" + had.Name, what, true})
	}
	return all
}

// ruled is what becomes of one policy, empty when nothing does.
func ruled(had, has *route.Policy) string {
	switch {
	case has == nil:
		return ""
	case had == nil:
		return fmt.Sprintf("comes: %s of %s; allows %s", waysOf(has), has.Selects, cmp.Or(strings.Join(has.Allows, "; "), "nothing"))
	}
	var all []string
	if had.Selects != has.Selects {
		all = append(all, "holds "+has.Selects+" in place of "+had.Selects)
	}
	if waysOf(had) != waysOf(has) {
		all = append(all, "is about "+waysOf(has)+" in place of "+waysOf(had))
	}
	for _, what := range has.Allows {
		if !slices.Contains(had.Allows, what) {
			all = append(all, "allows "+what+" too")
		}
	}
	for _, what := range had.Allows {
		if !slices.Contains(has.Allows, what) {
			all = append(all, "allows "+what+" no more")
		}
	}
	return strings.Join(all, "; ")
}

func waysOf(p *route.Policy) string {
	switch {
	case p.Ingress && p.Egress:
		return "Ingress and Egress"
	case p.Egress:
		return "Egress"
	}
	return "Ingress"
}

// opened counts the pods of a policy that is gone which no policy holds any more in some direction in which it did.
func opened(had route.Policy, before, after *route.Table) (n int) {
	in, out := held(after)
	for _, ip := range before.Policies.Groups[had.Pods].IPs {
		if had.Ingress && !in[ip] || had.Egress && !out[ip] {
			n++
		}
	}
	return n
}

// held are the pods that some policy holds, by direction.
func held(t *route.Table) (in, out map[netip.Addr]bool) {
	in, out = map[netip.Addr]bool{}, map[netip.Addr]bool{}
	if t == nil || t.Policies == nil {
		return in, out
	}
	for _, p := range t.Policies.Each {
		for _, ip := range t.Policies.Groups[p.Pods].IPs {
			in[ip], out[ip] = in[ip] || p.Ingress, out[ip] || p.Egress
		}
	}
	return in, out
}

func policiesOf(n int) string {
	if n == 1 {
		return "1 NetworkPolicy"
	}
	return fmt.Sprintf("%d NetworkPolicies", n)
}

func writeRulings(w io.Writer, look Look, rulings []Ruling) {
	var rows [][]cell
	for _, r := range rulings {
		rows = append(rows, plain(dash(strings.TrimPrefix(r.Policy, "default/")), r.What))
	}
	look.section(w, "policies", "NETWORKPOLICY", rows)
}

// ruling says how many NetworkPolicies say something else than now.
func ruling(rulings []Ruling) (n int) {
	for _, r := range rulings {
		if r.Change {
			n++
		}
	}
	return n
}
