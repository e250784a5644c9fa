// Package schedule puts pods on nodes. Filters say which nodes can take a pod and, by count, why the others cannot;
// scores say which of those is best. Nothing that runs is ever moved by it.
package schedule

import (
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// Request is one pod that needs a node.
type Request struct {
	App   manifest.ID
	Name  string // of the pod; a node never holds the same name twice
	Room  manifest.Resources
	Ports []string // host ports, "80/tcp" or "192.0.2.1:80/tcp"
	Spec  *corev1.PodSpec
	Rev   string
	// Apart keeps the pod from nodes that have one of another revision of its workload; nil where that does not matter.
	Apart *manifest.Apart
	// Ties are the nodes that hold the data of the pod's claims.
	Ties []Tie
	// Files that only a node that has them already can give; nil for what can be put anywhere.
	Files []string
}

// Tie binds a pod to the node that has the data of one of its claims.
type Tie struct{ Claim, Node string }

// Host is a node that answers, and what is taken on it. Place counts what it puts there.
type Host struct {
	Name          string
	Labels        map[string]string
	Taints        []corev1.Taint
	Unschedulable bool
	Netless       bool               // no pod can be joined to the cluster's network there yet
	Joining       bool               // it is Netless, and will not be soon
	Open          bool               // it is Netless because it does not hold NetworkPolicies yet
	Unsized       bool               // it has not said yet how big it is: Room means nothing
	Awaited       bool               // it is Unsized, and will say so soon
	Room          manifest.Resources // in all
	Used          manifest.Resources
	Ports         map[string]int
	Names         map[string]bool
	Files         map[string]bool
	Apps          map[manifest.ID]int // pods of each workload
	Revs          map[string]int      // pods of each revision
	Troubled      map[string]bool     // revisions that failed to start here
	Pods          int
}

// Place chooses a host for one pod and books it there. Among the hosts that pass every filter it takes one where the
// revision has not failed to start, then the one with the fewest pods of the revision, then of the workload, then the least
// used, then the first by name. When none passes, host is nil and why counts the reasons; it is nil too when that one is
// Joining, or Awaited and the pod asks for room.
func Place(r Request, hosts []*Host) (host *Host, why string) {
	refusals := map[string]int{}
	for _, h := range hosts {
		if reason := refuse(&r, h); reason != "" {
			refusals[reason]++
			continue
		}
		if host == nil || better(&r, h, host) {
			host = h
		}
	}
	switch {
	case host == nil:
		return nil, explain(refusals)
	case host.waited(r) != "":
		return nil, "no node is chosen yet: " + host.waited(r)
	}
	host.book(r)
	return host, ""
}

// waited is why the pod waits for the host, though it can take it.
func (h *Host) waited(r Request) string {
	switch {
	case h.Joining && h.joins(&r):
		if h.Open {
			return h.Name + " is about to hold NetworkPolicies"
		}
		return "the pod network of " + h.Name + " is about to come"
	case h.Awaited && r.asks():
		return h.Name + " is about to say how big it is"
	}
	return ""
}

// asks says whether the pod needs to know how big a node is.
func (r Request) asks() bool { return r.Room != (manifest.Resources{}) }

// Fits says whether any host would take the pod, booking nothing.
func Fits(r Request, hosts []*Host) (bool, string) {
	refusals := map[string]int{}
	for _, h := range hosts {
		reason := refuse(&r, h)
		if reason == "" {
			return true, ""
		}
		refusals[reason]++
	}
	return false, explain(refusals)
}

func (h *Host) book(r Request) {
	h.Used.MilliCPU += r.Room.MilliCPU
	h.Used.Memory += r.Room.Memory
	for _, p := range r.Ports {
		h.Ports[p]++
	}
	h.Names[r.Name] = true
	h.Apps[r.App]++
	h.Revs[r.Rev]++
	h.Pods++
}

// explain says why no node fits, the most frequent reason first.
func explain(refusals map[string]int) string {
	if len(refusals) == 0 {
		return "no node fits: none answers"
	}
	reasons := make([]string, 0, len(refusals))
	for reason := range refusals {
		reasons = append(reasons, reason)
	}
	sort.Slice(reasons, func(i, j int) bool {
		if refusals[reasons[i]] != refusals[reasons[j]] {
			return refusals[reasons[i]] > refusals[reasons[j]]
		}
		return reasons[i] < reasons[j]
	})
	parts := make([]string, len(reasons))
	for i, reason := range reasons {
		parts[i] = fmt.Sprintf("%d %s", refusals[reason], reason)
	}
	return "no node fits: " + strings.Join(parts, ", ")
}
