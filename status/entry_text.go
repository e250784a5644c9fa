package status

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// entries writes what doors serve; wide also which requests lead where, and the conditions of the Gateway API.
func (r Report) entries(w io.Writer, look Look, wide bool) {
	if len(r.Entries) == 0 {
		return
	}
	var rows, leads, conditions [][]cell
	for _, x := range r.Entries {
		rows = append(rows, x.row(wide))
		for _, line := range x.ledBy() {
			leads = append(leads, plain(x.ID.Short(), line))
		}
		conditions = append(conditions, x.conditionRows()...)
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"NAME", "HOSTS", "ADDRESS", "TLS", "WHY"}, rows)
	if wide && len(leads) > 0 {
		_, _ = fmt.Fprintln(w)
		look.table(w, []string{"NAME", "REQUESTS"}, leads)
	}
	if wide && len(conditions) > 0 {
		_, _ = fmt.Fprintln(w)
		look.table(w, []string{"NAME", "OF", "CONDITIONS"}, conditions)
	}
}

func (x *Entry) row(wide bool) []cell {
	whys := slices.Clone(x.Whys)
	if wide {
		whys = append(whys, x.Lags...)
	}
	hosts := few(x.Doored.Hosts)
	if more := len(x.Doored.Hosts) - 1; more > 0 && !wide {
		hosts = fmt.Sprintf("%s and %d more", x.Doored.Hosts[0], more)
	}
	row := plain(x.ID.Short(), dash(hosts), x.address(), x.secure(), strings.Join(whys, "\n"))
	switch {
	case !x.Doored.Ours || len(x.ports) == 0:
	case x.whole():
		row[2].paint = Green
	case x.InForce == 0:
		row[2].paint = Red
	default:
		row[2].paint = Yellow
	}
	return row
}

// address is where its requests are taken, or are to be.
func (x *Entry) address() string {
	var all []string
	for _, ip := range x.Reached {
		all = append(all, ip.String())
	}
	return dash(few(all))
}

// secure says which of its names are served by TLS.
func (x *Entry) secure() string {
	switch n := len(x.Doored.Secure); {
	case n == 0:
		return "-"
	case n == len(x.Doored.Hosts):
		return "yes"
	default:
		return fmt.Sprintf("%d of %d", n, len(x.Doored.Hosts))
	}
}

// ledBy are its requests, and what each is led to.
func (x *Entry) ledBy() (all []string) {
	for _, l := range x.leads {
		all = append(all, l.line(x.Namespace))
	}
	return all
}

// conditionRows has one for each thing that conditions are about: itself, its listeners, or those that it is attached to.
func (x *Entry) conditionRows() (rows [][]cell) {
	add := func(of string, all []route.DoorCondition) {
		if len(all) > 0 {
			rows = append(rows, plain(x.ID.Short(), of, strings.Join(append([]string{conditionWords(all)}, x.messages(all)...), "\n")))
		}
	}
	add("-", x.conditions())
	for _, l := range x.Doored.Listeners {
		add(fmt.Sprintf("listener %s, %s", l.Name, plural(l.Attached, "route")), x.listening(l))
	}
	for _, p := range x.Doored.Parents {
		of := "gateway " + p.Name
		if p.Namespace != x.Namespace {
			of = "gateway " + p.Namespace + "/" + p.Name
		}
		if p.Section != "" {
			of += ", listener " + p.Section
		}
		if p.Port != 0 {
			of += fmt.Sprintf(", port %d", p.Port)
		}
		add(of, p.Conditions)
	}
	return rows
}

// door is the version of the door that new connections go to, and its ports.
func (n Node) door() string {
	for _, d := range n.Side.Doors {
		if !d.Leaving {
			return strings.TrimSpace(live.Side{Version: d.Version}.Short() + " " + portList(d.Ports, ","))
		}
	}
	return "-"
}
