package plan

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/health"
)

// Doors are in no commit either. One is placed on each node that the table has one on, once its node side is heard. A higher version is started beside the one that
// is there, on one host first; that one goes once the other has its ports, so that no connection is turned away.

// doorsWanted is what doors are to serve, nil where nothing is.
func (w *world) doorsWanted() *route.DoorWant {
	s := w.want
	if len(s.Ingresses)+len(s.GatewayClasses)+len(s.Gateways)+len(s.HTTPRoutes) == 0 {
		return nil
	}
	return &route.DoorWant{
		Offer: w.h.Doors, Nodes: w.doorNodes(), Ingresses: s.Ingresses, Classes: s.IngressClasses, GatewayClasses: s.GatewayClasses, Gateways: s.Gateways,
		Routes: s.HTTPRoutes, Grants: s.ReferenceGrants, Namespaces: s.Namespaces, Secrets: s.Secrets, Shares: w.shares,
	}
}

// doorNodes are the nodes that are to have a door and can. One that is lost has none: others have its certificates issued.
func (w *world) doorNodes() (names []string) {
	var all []manifest.Node
	for _, n := range w.nodes {
		if !n.gone || n.hidden != "" || n.maybe != "" {
			all = append(all, n.want)
		}
	}
	asked := route.DoorNodes(all)
	for _, n := range w.nodes {
		n.doorAsked = slices.Contains(asked, n.Name)
		if n.doorAsked && !n.users() && n.reach != lost {
			names = append(names, n.Name)
		}
	}
	return names
}

// users says whether the node's Podman is a user's own.
func (n *node) users() bool { return n.Facts.Rootless || n.Side.Net.None != "" }

// placeDoors says what is to be done about doors, and what stands between a node and its own.
func (w *world) placeDoors() {
	if w.plan.Table == nil {
		return
	}
	w.plan.Doors = map[string]string{}
	served, first := w.plan.Table.Doors, w.firstDoorToRise()
	for _, n := range w.nodes {
		if n.reach != answers {
			continue
		}
		why := ""
		switch {
		case served != nil && slices.Contains(served.Nodes, n.Name):
			why = w.placeDoor(n, first)
		case served != nil && n.doorAsked && n.users():
			why = "its Podman is a user's own, which gives no door ports that others reach: use root's"
			fallthrough
		default:
			w.closeDoors(n, "no door is wanted here")
		}
		if why != "" {
			w.plan.Doors[n.Name] = why
		}
	}
	if w.h.Side.Refused && w.doorsWanted() != nil {
		for _, n := range w.nodes {
			if n.doorAsked {
				w.plan.Doors[n.Name] = n.unserved
			}
		}
	}
}

// firstDoorToRise is the node on which a door of a higher version is to be tried before others have it: none once one serves somewhere, or where there is nothing lower.
// It is one whose door serves, if there is one: where another process has the ports nothing can be tried.
func (w *world) firstDoorToRise() string {
	version, first, second := w.h.Side.Version, "", ""
	for _, n := range w.nodes {
		if slices.ContainsFunc(n.Side.Doors, func(d live.Door) bool { return d.Version == version && opened(d) }) {
			return ""
		}
		if n.reach != answers || n.gone || len(n.doors) == 0 || len(n.otherDoors) > 0 || w.h.Side.Images[n.Facts.Arch] == "" {
			continue
		}
		if n.doors[0].Side == version && len(n.doors) > 1 { // it is being tried
			return n.Name
		}
		if n.doors[0].Side < version && n.Side.Version == version {
			if second = cmp.Or(second, n.Name); slices.ContainsFunc(n.Side.Doors, opened) {
				first = cmp.Or(first, n.Name)
			}
		}
	}
	return cmp.Or(first, second)
}

// opened says whether a door serves at some port.
func opened(d live.Door) bool { return d.Number > 0 && !d.Leaving && len(d.Ports) > 0 }

// placeDoor does one node, and says what it waits for.
func (w *world) placeDoor(n *node, first string) string {
	doors := slices.DeleteFunc(slices.Clone(n.doors), func(p live.Pod) bool { return p.Stopping })
	w.stopSucceeded(n, doors)
	if len(doors) == 0 || doors[0].Side < w.h.Side.Version {
		return w.startDoor(n, doors, first)
	}
	top := doors[0]
	for _, p := range doors {
		w.endMute(n, p)
	}
	ended := ""
	switch v := health.Of(top, w.now); {
	case v.State == health.Crashed: // Podman starts it again
		ended = "its door has ended: " + v.Why
		if due := endedAt(top).Add(restarting); w.now.Before(due) {
			w.wake(due)
		} else {
			w.stopDoor(n, top, "it ended, and Podman has not started it again")
		}
	case v.Run && top.Side == w.h.Side.Version:
		w.runDoor(n, top, v.Attempt, v.Why)
	}
	why := cmp.Or(n.doorTrouble(top.Name), ended, n.unopened(top.Name, w.plan.Table.Doors))
	if why != "" && len(doors) > 1 {
		why = fmt.Sprintf("version %s is to follow %s: %s", top.Side, doors[1].Side, why)
	}
	return why
}

// stopSucceeded stops the doors that the one of the highest version has followed.
func (w *world) stopSucceeded(n *node, doors []live.Pod) {
	for _, lower := range doors[min(1, len(doors)):] {
		if n.succeeds(doors[0], lower) {
			w.stopDoor(n, lower, "a door of a higher version has its ports")
		}
	}
}

// endMute stops a door that runs and has said nothing for long: it hangs. The next pass begins it anew.
func (w *world) endMute(n *node, p live.Pod) {
	mute, is := n.Side.Mute[p.Name]
	switch {
	case !is:
	case mute >= deaf:
		w.stopDoor(n, p, fmt.Sprintf("has not been heard for %s", mute.Round(time.Second)))
	default:
		w.wake(w.now.Add(deaf - mute))
	}
}

// startDoor gives a node a door, beside one of a lower version where there is one.
func (w *world) startDoor(n *node, lower []live.Pod, first string) string {
	pod := w.doorPod(n)
	served := "there is no door yet"
	switch {
	case len(lower) == 0 && len(n.otherDoors) > 0:
		served = ""
	case len(lower) > 0:
		served = n.unopened(lower[0].Name, w.plan.Table.Doors)
	}
	switch {
	case n.unserved != "":
		return cmp.Or(served, n.unserved)
	case len(n.otherDoors) > 0:
		return joined(served, n.othersDoor())
	case n.Side.Version < w.h.Side.Version:
		return joined(served, "the new one follows the new node side")
	case w.h.Side.Images[n.Facts.Arch] == "":
		return served
	case len(lower) > 0 && first != "" && first != n.Name:
		return joined(served, fmt.Sprintf("version %s follows %s once it serves on %s", w.h.Side.Version, lower[0].Side, first))
	case slices.ContainsFunc(n.doors, func(p live.Pod) bool { return p.Name == pod.Name }):
		return joined(served, "the one before is being stopped")
	case len(n.doors) > 1: // a host has two at the most
		return joined(served, w.makeRoom(n, lower, pod.Side))
	}
	why := "each host that has a door serves Ingresses and Gateways"
	if len(lower) > 0 {
		why = fmt.Sprintf("version %s follows %s", pod.Side, lower[0].Side)
	}
	w.runDoor(n, pod, nil, why)
	return joined(served, n.doorTrouble(pod.Name))
}

// makeRoom has one of two doors go so that another one may follow them: the higher, where it has come to nothing.
func (w *world) makeRoom(n *node, lower []live.Pod, version string) string {
	if len(lower) > 1 && !n.succeeds(lower[0], lower[1]) && !n.opens(lower[0]) {
		w.stopDoor(n, lower[0], fmt.Sprintf("it serves nothing, and version %s is to follow", version))
	}
	return fmt.Sprintf("version %s follows once one of the two that are here has ended", version)
}

// joined are reasons as one.
func joined(whys ...string) string {
	return strings.Join(slices.DeleteFunc(whys, func(why string) bool { return why == "" }), "; ")
}

// succeeds says whether a door has all ports of another one, as far as that one is heard. One that leaves has handed over all that it had, which is nothing where
// the host's own programs have the ports; so has one that does not run.
func (n *node) succeeds(next, last live.Pod) bool {
	has, had := n.says(next), n.says(last)
	runs := slices.ContainsFunc(last.Containers, func(c live.Container) bool { return c.State == live.Running })
	switch {
	case has == nil || has.Number == 0 || has.Leaving:
		return false
	case !runs, had != nil && had.Leaving:
		return true
	case !opened(*has):
		return false
	}
	return had == nil || !slices.ContainsFunc(had.Ports, func(port uint16) bool { return !slices.Contains(has.Ports, port) })
}

// says is what a door is heard to say, nil where it is not heard.
func (n *node) says(p live.Pod) *live.Door {
	if at := slices.IndexFunc(n.Side.Doors, func(d live.Door) bool { return d.Pod == p.Name }); at >= 0 {
		return &n.Side.Doors[at]
	}
	return nil
}

// opens says whether a door is heard to serve at some port.
func (n *node) opens(p live.Pod) bool {
	d := n.says(p)
	return d != nil && opened(*d)
}

// unopened is why a door does not serve at all ports that it is to serve at.
func (n *node) unopened(pod string, want *route.Doors) string {
	d := n.says(live.Pod{Name: pod})
	switch {
	case d == nil:
		return cmp.Or(n.lacksSide(), "its door is not heard yet")
	case d.Number == 0:
		return "its door has no table to serve by yet"
	}
	var lacks []string
	for _, p := range want.Ports {
		if !slices.Contains(d.Ports, p.Port) {
			lacks = append(lacks, fmt.Sprint(p.Port))
		}
	}
	if len(lacks) > 0 {
		return "its door does not listen at " + strings.Join(lacks, ", ")
	}
	return ""
}

// doorTrouble is what keeps a door from starting, as far as that was tried.
func (n *node) doorTrouble(pod string) string {
	for _, t := range n.Troubles {
		if t.Name == pod {
			return "its door does not start: " + t.Why
		}
	}
	return ""
}

// closeDoors takes a node's doors off, once the table by which its host goes has none there. It is false when there are none.
func (w *world) closeDoors(n *node, why string) bool {
	if len(n.doors) == 0 {
		return false
	}
	if !w.opensStill(n) {
		for _, p := range n.doors {
			w.stopDoor(n, p, why)
		}
	}
	return true
}

// opensStill says whether a node's doors are still to hear that they serve nothing any more.
func (w *world) opensStill(n *node) bool {
	since := n.Side.Behind
	if !n.Side.Heard() {
		since = n.Side.Silent
	}
	t := n.Side.Serves
	switch {
	case len(n.sides) == 0, since >= n.grace(), n.Side.Heard() && n.Side.Number == 0 && n.Side.Taken == 0:
		return false
	case t != nil && (t.Doors == nil || !slices.Contains(t.Doors.Nodes, n.Name)):
		return false
	}
	w.wake(w.now.Add(n.grace() - since))
	return true
}

// doorPod is the pod that is to be born.
func (w *world) doorPod(n *node) live.Pod {
	rev := fmt.Sprintf("v1-%x", sha256.Sum256([]byte("door "+w.h.Side.Version+" "+w.h.Side.Images[n.Facts.Arch])))[:23]
	return live.Pod{
		Name: live.DoorName(w.h.Cluster, rev), Cluster: w.h.Cluster, Source: w.h.Source, App: live.DoorApp, Rev: rev, Gen: 1,
		Commit: w.h.Head.Commit, Expect: []string{live.DoorContainer}, Restart: "Always", Side: w.h.Side.Version,
	}
}

func (w *world) runDoor(n *node, p live.Pod, attempt map[string]int, why string) {
	r := manifest.Revision{App: live.DoorApp, Rev: p.Rev, Commit: p.Commit, Spec: live.DoorSpec(w.h.Side.Images[n.Facts.Arch], p.Name)}
	pod := r.Pod(p.Name, live.PodLabels(p), attempt)
	pod.Make = []string{live.DoorVolume}
	w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Run, Name: p.Name, App: live.DoorApp, Why: why, Pod: &pod})
}

func (w *world) stopDoor(n *node, p live.Pod, why string) {
	said := slices.ContainsFunc(w.plan.Actions, func(a Action) bool { return a.Verb == Stop && a.Node == n.Name && a.Name == p.Name })
	if !p.Stopping && !said {
		w.plan.Actions = append(w.plan.Actions, Action{Node: n.Name, Verb: Stop, Name: p.Name, App: live.DoorApp, Why: why})
	}
}
