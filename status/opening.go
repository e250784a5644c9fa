package status

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// Opening is what becomes of an object that doors serve, or of doors.
type Opening struct {
	Object string `json:"object"` // kind/namespace/name; empty when doors are meant
	What   string `json:"what"`
	Change bool   `json:"change"` // it is otherwise now
}

// openings has one for the doors of hosts where other ones have other ports than by the newest table in force; and one for each object whose requests are led
// otherwise than by that, or that is not served as it asks.
func openings(w World, list []Entry) (all []Opening) {
	if w.Plan.Unrouted != "" {
		if len(list) > 0 {
			all = append(all, Opening{What: unrouted(w)})
		}
		return all
	}
	before, known := &route.Table{}, w.Plan.Before != nil
	if known {
		before = w.Plan.Before
	}
	for _, what := range openedAt(before.Doors, w.table().Doors) {
		all = append(all, Opening{What: what, Change: known})
	}
	had := leadsOf(before.Doors)
	for _, x := range list {
		what := otherwise(had[x.ID.String()], x.leads, x.Namespace)
		delete(had, x.ID.String())
		why := strings.Join(x.Doored.Why, "; ")
		switch {
		case what != "":
			all = append(all, Opening{x.ID.String(), strings.Join(notEmpty(what, why), "; "), known})
		case why != "":
			all = append(all, Opening{x.ID.String(), why, false})
		}
	}
	for _, from := range slices.Sorted(maps.Keys(had)) {
		if id, err := manifest.ParseID(from); err == nil {
			all = append(all, Opening{from, otherwise(had[from], nil, id.Namespace), true})
		}
	}
	return all
}

// openedAt says which ports open and close at doors, and on which nodes.
func openedAt(had, has *route.Doors) (all []string) {
	was, is := portsAt(had), portsAt(has)
	say := func(some, other map[string][]string, what string) {
		by := map[string][]string{}
		for node, ports := range some {
			if more := lessPorts(ports, other[node]); more != "" {
				by[more] = append(by[more], node)
			}
		}
		for _, ports := range slices.Sorted(maps.Keys(by)) {
			slices.Sort(by[ports])
			all = append(all, fmt.Sprintf("%s %s on %s", what, ports, fewOf(by[ports], "host")))
		}
	}
	say(is, was, "opens")
	say(was, is, "closes")
	return all
}

// portsAt are the ports that doors have, by node.
func portsAt(doors *route.Doors) map[string][]string {
	all := map[string][]string{}
	if doors == nil {
		return all
	}
	for _, n := range doors.Nodes {
		for _, p := range doors.Ports {
			all[n] = append(all[n], route.HostPort{Port: p.Port, Protocol: "tcp"}.String())
		}
	}
	return all
}

func lessPorts(some, other []string) string {
	return strings.Join(kept(some, func(p string) bool { return !slices.Contains(other, p) }), ", ")
}

func writeOpenings(w io.Writer, look Look, list []Opening) {
	var rows [][]cell
	for _, o := range list {
		name := "-"
		if id, err := manifest.ParseID(o.Object); err == nil {
			name = id.Short()
		}
		rows = append(rows, plain(name, o.What))
	}
	look.section(w, "doors", "NAME", rows)
}

// opening says how many of these are otherwise than now.
func opening(list []Opening) (n int) {
	for _, o := range list {
		if o.Change {
			n++
		}
	}
	return n
}
