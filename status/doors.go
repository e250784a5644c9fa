package status

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// atDoors is a world as one asks about what doors serve.
type atDoors struct {
	World
	want  *route.Doors // what they are to serve; nil is nothing
	leads map[string][]lead
	nodes []doorNode // those of want that answer
}

// doorNode is a node that is to have a door. Why says why that serves nothing; else has is what it serves.
type doorNode struct {
	name  string
	why   string
	door  live.Door
	same  bool // it serves all that it is to
	has   *route.Doors
	leads map[string][]lead // of has, where it is not the same
}

func doorsOf(w World) atDoors {
	at := atDoors{World: w, want: w.table().Doors}
	at.leads = leadsOf(at.want)
	for _, n := range w.Snapshot.Nodes {
		if !doorWanted(at.want, n.Name) || quiet(n) {
			continue
		}
		one := doorNode{name: n.Name}
		if one.door, one.why = w.door(n); one.why == "" {
			one.has = n.Side.Serves.Doors
			one.same = reflect.DeepEqual(one.has, at.want)
		}
		if one.has != nil && !one.same {
			one.leads = leadsOf(one.has)
		}
		at.nodes = append(at.nodes, one)
	}
	return at
}

func doorWanted(doors *route.Doors, node string) bool {
	return doors != nil && slices.Contains(doors.Nodes, node)
}

func hasPort(doors *route.Doors, port uint16) bool {
	return doors != nil && slices.ContainsFunc(doors.Ports, func(p route.DoorPort) bool { return p.Port == port })
}

// door is the one of a node that new connections go to, once it serves the table that is in force there; else why there is none.
func (w World) door(n live.Node) (live.Door, string) {
	if !n.Side.Heard() {
		return live.Door{}, cmp.Or(n.Unserved(w.History.Side), w.Plan.Sides[n.Name], "its node side is not heard")
	}
	var found *live.Door
	for i := range n.Side.Doors {
		if d := &n.Side.Doors[i]; !d.Leaving && (found == nil || d.Number > found.Number) {
			found = d
		}
	}
	switch why := w.Plan.Doors[n.Name]; {
	case found == nil:
		return live.Door{}, cmp.Or(why, "its door is not there yet")
	case n.Side.Serves == nil || found.Number < max(1, n.Side.Serves.Number):
		return live.Door{}, cmp.Or(why, "its door does not serve yet")
	}
	return *found, ""
}

// Doorless is why requests that come to a node are not taken as is planned, though it answers; empty where they are, or where none are to be.
func (w World) Doorless(n live.Node) string {
	if w.Plan.Unrouted != "" || !doorWanted(w.table().Doors, n.Name) || quiet(n) || !n.Side.Heard() {
		return ""
	}
	_, why := w.door(n)
	return why
}

// doorTroubles are what the doors of a host cannot do.
func doorTroubles(n live.Node) (all []string) {
	for _, d := range n.Side.Doors {
		for _, t := range d.Troubles {
			all = append(all, "door: "+inWords(t))
		}
	}
	return distinct(all)
}

// keyed is what a door calls a certificate, or passwords, before what it says of them.
var keyed = regexp.MustCompile(`^(?:acme/([^:]+)|([^@:]+)@[0-9a-f]+): `)

// inWords is a door's trouble as a person says it: of a host name, or of a Secret.
func inWords(trouble string) string {
	if of := keyed.FindStringSubmatch(trouble); of != nil && of[1] != "" {
		return of[1] + ": " + trouble[len(of[0]):]
	} else if of != nil {
		return "Secret " + of[2] + ": " + trouble[len(of[0]):]
	}
	return trouble
}
