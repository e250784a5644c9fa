package plan

import (
	"fmt"
	"time"
)

// unheardGrace is how long nodes that this controller never heard count as there at least, when they are many. After a power cut hosts
// take minutes to be back, and the controller may be back first.
const unheardGrace = 5 * time.Minute

// judgeSilence says of each silent node whether its pods still count as there. They do until its grace ends; and when two or
// more nodes and more than a third of the fleet fell silent within one grace, they do until the nodes are back or
// somebody cordons them: that is a fault of the network or of this controller sooner than of so many nodes. Of nodes that this controller
// never heard nobody knows whether they fell silent together: if they are so many, they have a longer grace and no more. One that is late
// has not fallen silent yet, and is not given up, however short its grace; it counts among the many, for it may be about to. Nor is one that
// answers pings, unless somebody cordons it: it is there, and so is what it runs.
func (w *world) judgeSilence() {
	var quiet []*node
	for _, n := range w.nodes {
		if n.Silent > 0 || !n.Known {
			n.reach = silent
			quiet = append(quiet, n)
		}
	}
	for _, n := range quiet {
		since, grace := n.silentSince(w.now), w.patience(n, quiet)
		switch {
		case n.Late:
			w.wake(w.now.Add(grace))
			w.silent(n, "")
		case w.inMass(n, quiet), n.Pings && n.counts() && n.Silent >= grace:
			w.together = append(w.together, n.Name)
			w.silent(n, "")
		case n.Silent >= grace:
			n.reach = lost
			w.silent(n, fmt.Sprintf("longer than its grace of %s", grace))
		default:
			w.wake(since.Add(grace))
			w.silent(n, "its pods count as there until "+since.Add(grace).UTC().Format(time.TimeOnly))
		}
	}
	if len(w.together) > 0 {
		w.note(w.blackout(w.together) + ": nothing is moved until they are back or cordoned")
	}
}

// silent says that the node is, and what comes of it.
func (w *world) silent(n *node, then string) {
	said := n.Name + " " + n.silence()
	if then != "" {
		said += ", " + then
	}
	said += ": " + n.why()
	w.note(said)
	if w.plan.Silent == nil {
		w.plan.Silent = map[string]Silence{}
	}
	w.plan.Silent[n.Name] = Silence{Note: said, Then: then}
}

// inMass says whether a node is one of too many that were heard and fell silent within one grace. A cordoned one is not: somebody took charge.
func (w *world) inMass(n *node, quiet []*node) bool {
	return n.Known && n.counts() && w.many(quiet, func(other *node) bool {
		apart := other.Silent - n.Silent
		return other.Known && apart.Abs() <= n.grace()
	})
}

// patience is how long the pods of a silent node count as there: its grace, or longer if it is one of many that were never heard.
func (w *world) patience(n *node, quiet []*node) time.Duration {
	if !n.Known && n.counts() && w.many(quiet, func(other *node) bool { return !other.Known }) {
		return max(n.grace(), unheardGrace)
	}
	return n.grace()
}

// many says whether two or more of those nodes and more than a third of the fleet are so.
func (w *world) many(nodes []*node, so func(*node) bool) bool {
	n, fleet := 0, 0
	for _, other := range nodes {
		if other.counts() && so(other) {
			n++
		}
	}
	for _, other := range w.nodes {
		if !other.gone {
			fleet++
		}
	}
	return n >= 2 && n*3 > fleet
}

// counts says whether a node that is silent may be one of many: it is in HEAD, and nobody has cordoned it.
func (n *node) counts() bool { return !n.gone && !n.want.Unschedulable }

func (n *node) grace() time.Duration {
	if n.want.Grace > 0 {
		return n.want.Grace
	}
	return defaultGrace
}

// silence says for how long the node has not answered, and whether that is a silence already.
func (n *node) silence() string {
	if n.Late {
		return fmt.Sprintf("late for %s", round(n.Silent))
	}
	return fmt.Sprintf("silent for %s", round(n.Silent))
}

func (n *node) why() string {
	if n.Why == "" {
		return "no answer yet"
	}
	return n.Why
}

// round is a duration as people say it.
func round(d time.Duration) time.Duration { return d.Round(time.Second) }

// tellGone says what holds up the nodes that left HEAD.
func (w *world) tellGone() {
	for _, n := range w.nodes {
		if !n.gone {
			continue
		}
		switch left := len(n.Pods); {
		case n.hidden != "":
			w.note(fmt.Sprintf("%s may be in %s, which does not load: what runs there stays", n.Name, n.hidden))
		case n.unsure != "":
			w.note(n.Name + " left Git, and " + n.unsure)
		case n.reach != answers:
			w.note(n.Name + " left Git and does not answer: held until it can be drained")
		case left > 0 && n.maybe != "":
			w.note(fmt.Sprintf("%s left Git, and may be %s, which has not answered yet: what runs there stays", n.Name, n.maybe))
		case left > 0:
			w.note(fmt.Sprintf("%s left Git: draining, %d pods left", n.Name, left))
		}
	}
}
