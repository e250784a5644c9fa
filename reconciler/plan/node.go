package plan

import (
	"fmt"
	"strings"
	"time"
)

// judgeSilence says of each silent node whether its pods still count as there. They do until its grace ends; and when two or
// more nodes and more than a third of the fleet fell silent within one grace, they do until the nodes are back or
// somebody cordons them: that is a fault of the network or of this controller sooner than of so many nodes.
func (w *world) judgeSilence() {
	var quiet []*node
	for _, n := range w.nodes {
		if n.Silent > 0 || !n.Known {
			n.reach = silent
			quiet = append(quiet, n)
		}
	}
	var held []string
	for _, n := range quiet {
		since, grace := n.silentSince(w.now), n.grace()
		switch {
		case w.inMass(n, quiet):
			held = append(held, n.Name)
			w.note(fmt.Sprintf("%s silent for %s: %s", n.Name, round(n.Silent), n.why()))
		case n.Silent >= grace:
			n.reach = lost
			w.note(fmt.Sprintf("%s silent for %s, longer than its grace of %s: %s", n.Name, round(n.Silent), grace, n.why()))
		default:
			w.wake(since.Add(grace))
			w.note(fmt.Sprintf("%s silent for %s, its pods count as there until %s: %s",
				n.Name, round(n.Silent), since.Add(grace).UTC().Format(time.TimeOnly), n.why()))
		}
	}
	for _, n := range w.nodes {
		if n.maybe = w.mayBe(n); n.unsure != "" && n.reach == answers {
			n.reach = silent
		}
	}
	if len(held) > 0 {
		w.note(fmt.Sprintf("%s fell silent together: nothing is moved until they are back or cordoned", strings.Join(held, ", ")))
	}
}

// inMass says whether a node is one of too many that fell silent within one grace. A cordoned one is not: somebody took charge.
func (w *world) inMass(n *node, quiet []*node) bool {
	if n.want.Unschedulable || n.gone {
		return false
	}
	together, fleet := 0, 0
	for _, other := range quiet {
		apart := other.Silent - n.Silent
		if !other.gone && !other.want.Unschedulable && apart.Abs() <= n.grace() {
			together++
		}
	}
	for _, other := range w.nodes {
		if !other.gone {
			fleet++
		}
	}
	return together >= 2 && together*3 > fleet
}

func (n *node) grace() time.Duration {
	if n.want.Grace > 0 {
		return n.want.Grace
	}
	return defaultGrace
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
