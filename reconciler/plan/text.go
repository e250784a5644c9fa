package plan

import (
	"fmt"
	"strings"
)

// String is the plan as people read it: a line for each action, with "*" for one that goes to several nodes, then what is
// waited for, then what concerns the whole fleet.
func (p Plan) String() string {
	var b strings.Builder
	type key struct{ verb, name, why string }
	nodes := map[key][]string{}
	for _, a := range p.Actions {
		k := key{string(a.Verb), a.Name, a.Why}
		nodes[k] = append(nodes[k], a.Node)
	}
	for _, a := range p.Actions {
		k := key{string(a.Verb), a.Name, a.Why}
		node := a.Node
		switch on := nodes[k]; {
		case on == nil:
			continue
		case len(on) > 1:
			node = "*"
		}
		nodes[k] = nil
		line(&b, node, string(a.Verb), a.Name, a.Why)
	}
	for _, app := range p.Apps {
		for _, wait := range app.Waits {
			line(&b, "", "wait", app.ID.Short(), wait)
		}
		for _, held := range app.Suspended {
			line(&b, held.Node, "held", held.Name, "suspended: "+string(held.Verb)+", "+held.Why)
		}
		if app.State == Held || app.State == Failed || app.State == Paused {
			line(&b, "", "hold", app.ID.Short(), app.Why)
		}
	}
	for _, note := range p.Notes {
		line(&b, "", "note", "", note)
	}
	return b.String()
}

func line(b *strings.Builder, node, verb, name, why string) {
	fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("%-6s %-6s %-28s %s", node, verb, name, why), " "))
}
