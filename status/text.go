package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// Text writes the report for people: what was read, then workloads, Services, NetworkPolicies, what doors serve, nodes, notes and problems. Wide adds the pods,
// every line that is waited for and every notice.
func (r Report) Text(w io.Writer, look Look, wide bool) {
	r.headline(w, look)
	r.workloads(w, look, wide)
	r.pods(w, look, wide)
	r.services(w, look, wide)
	r.policies(w, look, wide)
	r.entries(w, look, wide)
	r.claims(w, look)
	r.nodes(w, look, wide)
	r.keys(w, look)
	r.events(w, look)
	r.notes(w, look)
	r.problems(w, look, wide)
}

func (r Report) headline(w io.Writer, look Look) {
	line := fmt.Sprintf("cluster %s from %s", r.Cluster, r.Source)
	if r.Head.Commit != "" {
		line += ", at " + r.commit()
	}
	if r.Fetched.IsZero() {
		line += ", never fetched"
	} else {
		line += ", fetched " + Age(r.Now.Sub(r.Fetched)) + " ago"
	}
	look.lines(w, "", line, "")
	for _, e := range r.Errors {
		look.lines(w, "", "error: "+e, Red)
	}
}

// commit is the commit, its subject, who wrote it and how long ago.
func (r Report) commit() string {
	s := ShortCommit(r.Head.Commit)
	if r.Head.Subject != "" {
		s += fmt.Sprintf(" %q", r.Head.Subject)
	}
	if r.Head.Author != "" {
		name, _, _ := strings.Cut(r.Head.Author, " <")
		s += " by " + name
	}
	if !r.Head.Time.IsZero() {
		s += ", " + Age(r.Now.Sub(r.Head.Time)) + " ago"
	}
	return s
}

func (r Report) workloads(w io.Writer, look Look, wide bool) {
	var rows [][]cell
	for _, app := range r.Workloads {
		if !app.partial {
			rows = append(rows, r.workload(app, wide))
		}
	}
	switch {
	case r.selected && len(r.Workloads)+len(r.Nodes)+len(r.Claims)+len(r.Services)+len(r.Policies)+len(r.Entries)+len(r.Problems) == 0:
		look.lines(w, "", "nothing like that is there", Dim)
	case len(rows) == 0 && !r.selected && r.Head.Commit != "":
		look.lines(w, "", "no workloads", Dim)
	}
	if len(rows) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"NAME", "READY", "UP-TO-DATE", "STATE", "REV", "COMMIT", "AGE", "WHY"}, rows)
}

func (r Report) workload(app Workload, wide bool) []cell {
	row := plain(
		app.ID.Short(), app.progress(), strconv.Itoa(app.Updated), string(app.State),
		Revs(app.App), ShortCommit(app.Commit), r.age(app.Since), app.whys(r.Now, wide))
	row[3].paint = paintOf(app.State)
	return row
}

// shown is how many waits and held actions a row, and how many notices a line, has before it says how many more there are.
const shown = 3

func (w Workload) whys(now time.Time, wide bool) string {
	var lines []string
	switch took := w.took(now); {
	case w.Why != "" && took != "":
		lines = append(lines, w.Why+", "+took)
	case w.Why != "":
		lines = append(lines, w.Why)
	}
	lines = append(lines, w.lines(now)...)
	if wide && w.Intended > 0 {
		lines = append(lines, fmt.Sprintf("wants %s, %d now", plural(w.Intended, "change"), w.Admitted))
	}
	if wide && w.Lost > 0 {
		lines = append(lines, fmt.Sprintf("%d on nodes that are given up", w.Lost))
	}
	rest := append([]string{}, w.Waits...)
	for _, a := range w.Suspended {
		rest = append(rest, "held: "+Line(a))
	}
	if extra := len(rest) - shown; extra > 0 && !wide {
		rest = append(rest[:shown], fmt.Sprintf("and %d more, -o wide lists them", extra))
	}
	return strings.Join(append(lines, rest...), "\n")
}

// Revs is the revision asked for, after the stable one and an arrow when they differ.
func Revs(app plan.App) string {
	switch {
	case app.Rev == "":
		return live.ShortRev(app.Stable)
	case app.Stable == "" || app.Stable == app.Rev:
		return live.ShortRev(app.Rev)
	default:
		return live.ShortRev(app.Stable) + "→" + live.ShortRev(app.Rev)
	}
}

func paintOf(s plan.State) Paint {
	switch s {
	case plan.Converged:
		return Green
	case plan.Failed:
		return Red
	case plan.Progressing, plan.Pruning:
		return Blue
	default:
		return Yellow
	}
}

func (r Report) age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Age(r.Now.Sub(t))
}

// pods are shown when all is, or where they alone are asked for.
func (r Report) pods(w io.Writer, look Look, wide bool) {
	var rows [][]cell
	for _, app := range r.Workloads {
		for _, p := range app.Pods {
			if wide || app.partial {
				rows = append(rows, r.pod(p))
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"POD", "NODE", "READY", "STATE", "RESTARTS", "AGE", "REV", "IP", "WHY"}, rows)
}

func (r Report) pod(p Pod) []cell {
	ready := fmt.Sprintf("%d/%d", p.Ready, p.lasting())
	row := plain(p.Name, p.Node, ready, p.State, strconv.Itoa(p.Restarts), r.age(p.Created), live.ShortRev(p.Rev), dash(p.IP), p.Why)
	switch p.State {
	case string(health.Ready), string(health.Done):
		row[3].paint = Green
	case string(health.Crashed), string(health.Failed):
		row[3].paint = Red
	default:
		row[3].paint = Yellow
	}
	return row
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (r Report) nodes(w io.Writer, look Look, wide bool) {
	if len(r.Nodes) == 0 {
		return
	}
	var rows [][]cell
	head := []string{"NODE", "STATE", "PODS", "CPU", "MEMORY", "PODMAN", "OS", "WHY"}
	sided := wide && slices.ContainsFunc(r.Nodes, func(n Node) bool { return n.Side.Heard() })
	netted := wide && slices.ContainsFunc(r.Nodes, func(n Node) bool { return n.Side.Net.Range.IsValid() })
	doored := wide && slices.ContainsFunc(r.Nodes, func(n Node) bool { return len(n.Side.Doors) > 0 })
	if netted {
		head = slices.Insert(head, 7, "RANGE", "PATHS")
	}
	if doored {
		head = slices.Insert(head, 6, "DOOR")
	}
	if sided {
		head = slices.Insert(head, 6, "NODE SIDE")
	}
	for _, n := range r.Nodes {
		row := n.row()
		if netted {
			row = slices.Insert(row, 7, plain(n.rangeText(), dash(pathsOf(n.Side.Net)))...)
		}
		if doored {
			row = slices.Insert(row, 6, plain(n.door())...)
		}
		if sided {
			row = slices.Insert(row, 6, plain(dash(n.Side.Short()))...)
		}
		rows = append(rows, row)
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, head, rows)
}

func (n Node) row() []cell {
	row := plain(n.Name, strings.Join(append([]string{n.State}, n.Marks...), ","), "-", "-", "-", "-", "-", n.Why)
	row[1].paint = Green
	switch {
	case n.State == Silent:
		row[1].paint = Red
	case n.State == Late || len(n.Marks) > 0:
		row[1].paint = Yellow
	}
	if !n.Known {
		return row
	}
	row[2].text = strconv.Itoa(len(n.Pods))
	row[3].text, row[4].text = cpu(n.Used.MilliCPU)+"/?", memory(n.Used.Memory)+"/?"
	if n.Unsized == 0 {
		row[3].text = cpu(n.Used.MilliCPU) + "/" + cpu(n.Room.MilliCPU)
		row[4].text = memory(n.Used.Memory) + "/" + memory(n.Room.Memory)
	}
	row[5].text = live.Plain(dash(n.Facts.Podman))
	row[6].text = live.Plain(dash(strings.Trim(n.Facts.OS+" "+n.Facts.Arch, " ")))
	return row
}

// rangeText is the range of its pods, once that is there.
func (n Node) rangeText() string {
	if !n.Side.Net.Range.IsValid() {
		return "-"
	}
	return n.Side.Net.Range.String()
}

func cpu(milli int64) string { return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64) }

func memory(bytes int64) string {
	const mebi, gibi = 1 << 20, 1 << 30
	switch {
	case bytes == 0:
		return "0"
	case bytes < 10*gibi:
		return fmt.Sprintf("%dMi", bytes/mebi)
	default:
		return fmt.Sprintf("%dGi", bytes/gibi)
	}
}

func (r Report) notes(w io.Writer, look Look) {
	if len(r.untold()) > 0 {
		_, _ = fmt.Fprintln(w)
	}
	r.writeNotes(w, look)
}

func (r Report) writeNotes(w io.Writer, look Look) {
	for _, n := range r.untold() {
		look.lines(w, "", "note: "+n, Yellow)
	}
}

// untold are the notes that no line about a node has the words of.
func (r Report) untold() []string {
	return kept(r.Notes, func(note string) bool {
		return !slices.ContainsFunc(r.Nodes, func(n Node) bool { return n.note == note })
	})
}

// problems are what is refused, and as one line, unless all is shown or there is but one, what is not.
func (r Report) problems(w io.Writer, look Look, wide bool) {
	if len(r.Problems)+len(r.Notices) > 0 {
		_, _ = fmt.Fprintln(w)
	}
	if wide || len(r.Notices) < 2 {
		r.WriteProblems(w, look)
		return
	}
	folded := foldedNotices(r.Notices)
	r.Notices = nil
	r.WriteProblems(w, look)
	look.lines(w, "", folded, Yellow)
}

// foldedNotices says how many there are and what the first are about.
func foldedNotices(notices []manifest.Problem) string {
	var about []string
	for _, p := range notices[:min(len(notices), shown)] {
		about = append(about, aboutOf(p))
	}
	names := strings.Join(about, ", ")
	if more := len(notices) - shown; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%d notices (%s): podkeep status -o wide shows them", len(notices), names)
}

// aboutOf is the field by the last of its path; the object, or the file, where all of that is meant.
func aboutOf(p manifest.Problem) string {
	if !strings.Contains(p.Field, ".") {
		return cmp.Or(p.Object, p.File)
	}
	field := p.Field[strings.LastIndex(p.Field, "].")+1:]
	path, _, _ := strings.Cut(field, "[")
	return field[strings.LastIndex(path, ".")+1:]
}

// WriteProblems writes what is refused, and what is accepted and has no effect yet: one FILE:LINE: line each, never wrapped,
// so that editors find them.
func (r Report) WriteProblems(w io.Writer, look Look) {
	writeSome(w, look, Red, r.Problems)
	writeSome(w, look, Yellow, r.Notices)
}

// mostLines is how many problems are read by a person.
const mostLines = 100

func writeSome(w io.Writer, look Look, paint Paint, all []manifest.Problem) {
	for _, p := range all[:min(len(all), mostLines)] {
		_, _ = fmt.Fprintln(w, look.Paint(paint, oneLine(p)))
	}
	if more := len(all) - mostLines; more > 0 {
		_, _ = fmt.Fprintln(w, look.Paint(paint, fmt.Sprintf("and %d more; -o json has them all", more)))
	}
}

// oneLine is the problem, though the name of a file or an object may hold a line's end.
func oneLine(p manifest.Problem) string { return strings.ReplaceAll(p.Error(), "\n", " ") }

// lines writes text, wrapped, each line after indent.
func (l Look) lines(w io.Writer, indent, text string, paint Paint) {
	for i, line := range wrap(live.Plain(text), l.Width-len(indent)-gap, l.Width > 0) {
		if i > 0 {
			line = strings.Repeat(" ", gap) + line
		}
		_, _ = fmt.Fprintln(w, indent+l.Paint(paint, line))
	}
}
