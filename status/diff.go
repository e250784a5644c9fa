package status

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// What becomes of an object.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Difference is one workload that runs otherwise than it is asked for. State and Why are the plan's.
type Difference struct {
	App        manifest.ID
	Change     string
	State, Why string
	From, To   string // revisions
	Note       string // what is not known, or is on its way
	Diff       string // unified; a secret's value is "(secret)", and "(secret, changed)" where it is another
}

// Differences are those of one look: what is added, then what is removed, then what is changed, each sorted by ID.
type Differences struct {
	Report  Report
	List    []Difference
	Moves   []Move   // of requests to Services
	Rulings []Ruling // of NetworkPolicies
}

// DiffOf compares what a World's HEAD asks for with what its fleet runs, workload by workload. What has no pods to show it, such as a
// rollout's pace, is not compared.
func DiffOf(w World) Differences {
	d := Differences{Report: Of(w), Moves: moves(w), Rulings: rulings(w)}
	c := comparison{World: w, forms: plan.Forms(w.History, w.Snapshot), pods: ours(w)}
	for _, n := range w.Snapshot.Nodes {
		if quiet(n) {
			c.silent = append(c.silent, n.Name)
		}
	}
	asked := map[manifest.ID]bool{}
	for _, wl := range w.History.Want().Workloads {
		asked[wl.ID] = true
		d.add(c.asked(wl))
	}
	for app := range c.pods {
		if !asked[app] {
			d.add(c.left(app), true)
		}
	}
	order := map[string]int{Added: 0, Removed: 1, Changed: 2}
	slices.SortFunc(d.List, func(a, b Difference) int {
		switch {
		case order[a.Change] != order[b.Change]:
			return order[a.Change] - order[b.Change]
		case a.App.Less(b.App):
			return -1
		}
		return 1
	})
	return d
}

func (d *Differences) add(one Difference, differs bool) {
	if differs {
		d.List = append(d.List, one)
	}
}

// Only keeps what concerns one workload.
func (d Differences) Only(app manifest.ID) Differences {
	d.List, d.Moves, d.Rulings = kept(d.List, func(x Difference) bool { return x.App == app }), nil, nil
	return d
}

// Any says whether anything differs.
func (d Differences) Any() bool { return len(d.List)+changing(d.Moves)+ruling(d.Rulings) > 0 }

// comparison is a World made ready to be compared.
type comparison struct {
	World
	forms  func(manifest.ID, string) (manifest.Revision, []manifest.File, bool)
	pods   map[manifest.ID][]live.Pod
	silent []string // nodes of which is not known what they run
}

// ours are the pods that are there to stay, by workload. The node side is in no commit, and in no comparison.
func ours(w World) map[manifest.ID][]live.Pod {
	pods, adopted := map[manifest.ID][]live.Pod{}, plan.Adopted(w.History, w.Snapshot)
	for _, n := range w.Snapshot.Nodes {
		for _, p := range n.Pods {
			if !live.IsOwn(p.App) && !p.Stopping && (p.Source == w.History.Source || adopted[p.Source]) {
				pods[p.App] = append(pods[p.App], p)
			}
		}
	}
	return pods
}

// asked compares a workload that is asked for.
func (c *comparison) asked(wl manifest.Workload) (Difference, bool) {
	to := shape{wl.Revision, wl.Replicas}
	d := c.difference(wl.ID)
	d.To = to.Rev
	from, note := c.running(wl)
	d.From, d.Note = from.Rev, note
	if wl.Job != nil || wl.ID.Kind == "Pod" {
		from.replicas, to.replicas = -1, -1
	}
	switch {
	case from.Rev == "" && to.replicas == 0:
		return d, false
	case from.Rev == "":
		d.Change = Added
	case from.Rev == to.Rev && from.replicas == to.replicas:
		return d, false
	default:
		d.Change = Changed
	}
	d.Diff = c.diff(from, to)
	return d, true
}

// left compares a workload that HEAD lacks.
func (c *comparison) left(app manifest.ID) Difference {
	d := c.difference(app)
	d.Change, d.From = Removed, c.pods[app][0].Rev
	from, ok := c.form(app, d.From, slots(c.pods[app]))
	if app.Kind == "Pod" || app.Kind == "Job" {
		from.replicas = -1
	}
	if !ok {
		d.Note = "what its pods are made of is not known any more"
		return d
	}
	d.Diff = c.diff(from, shape{})
	return d
}

func (c *comparison) difference(app manifest.ID) Difference {
	for _, a := range c.Plan.Apps {
		if a.ID == app {
			return Difference{App: app, State: string(a.State), Why: a.Why}
		}
	}
	return Difference{App: app}
}

// running is the form that runs, and what is to be said of it. Its Rev is empty when the workload never ran.
func (c *comparison) running(wl manifest.Workload) (shape, string) {
	pods := c.pods[wl.ID]
	rev, note := c.rev(wl)
	if rev == "" {
		if len(c.silent) > 0 {
			note = "may run on " + strings.Join(c.silent, ", ") + ", of which is not known what runs there"
		}
		return shape{}, note
	}
	n := slots(pods)
	if n < wl.Replicas && len(c.silent) > 0 {
		n, note = wl.Replicas, fmt.Sprintf("%d of %d pods are seen; the others may run on %s", n, wl.Replicas, strings.Join(c.silent, ", "))
	}
	from, ok := c.form(wl.ID, rev, n)
	if !ok {
		note = "what its pods are made of is not known any more"
	}
	return from, note
}

// rev is the revision to compare with: of several that run the stable one, or the one of most pods. Without pods it is what
// was promoted or done last.
func (c *comparison) rev(wl manifest.Workload) (rev, note string) {
	counts, most := map[string]int{}, 0
	for _, p := range c.pods[wl.ID] {
		counts[p.Rev]++
	}
	arrived := counts[wl.Revision.Rev]
	if len(counts) > 1 {
		delete(counts, wl.Revision.Rev)
		note = fmt.Sprintf("%d of %d pods are at %s already", arrived, len(c.pods[wl.ID]), live.ShortRev(wl.Revision.Rev))
	}
	for r, n := range counts {
		if n > most || n == most && r < rev {
			rev, most = r, n
		}
	}
	if stable := c.stable(wl.ID); counts[stable] > 0 || rev == "" {
		rev = stable
	}
	return rev, note
}

// stable is what receipts say was promoted, or done, last.
func (c *comparison) stable(app manifest.ID) (rev string) {
	gen := -1
	for _, verb := range []string{live.Promoted, live.Done} {
		if r := c.Plan.Ledgers[app].Newest(verb); r != nil && r.Gen > gen {
			rev, gen = r.Rev, r.Gen
		}
	}
	return rev
}

// form finds a revision's form. One that is nowhere to be found has its name alone.
func (c *comparison) form(app manifest.ID, rev string, replicas int) (shape, bool) {
	r, _, ok := c.forms(app, rev)
	if !ok {
		r = manifest.Revision{App: app, Rev: rev}
	}
	return shape{r, replicas}, ok
}

// slots is how many places of the workload are taken.
func slots(pods []live.Pod) int {
	taken := map[int]bool{}
	for _, p := range pods {
		taken[p.Slot] = true
	}
	return len(taken)
}

// diff compares two forms; a Rev that is empty is one that is not there.
func (c *comparison) diff(from, to shape) string {
	p := printer{config: map[string][]byte{}}
	for _, f := range []shape{from, to} {
		_, config, _ := c.forms(f.App, f.Rev)
		for _, file := range config {
			p.config[file.Name] = file.Data
		}
	}
	name := func(f shape, whose string) string {
		if f.Rev == "" {
			return "/dev/null"
		}
		return fmt.Sprintf("%s/%s (%s)", whose, f.App, live.ShortRev(f.Rev))
	}
	write := func(f shape) []byte {
		if f.Rev == "" {
			return nil
		}
		return []byte(p.yaml(f))
	}
	out := diff.Diff(name(from, "fleet"), write(from), name(to, ShortCommit(c.History.Head.Commit)), write(to))
	_, text, _ := strings.Cut(string(out), "\n") // the line above --- repeats the names
	return text
}

// Text writes the list of what differs, what becomes of requests to Services, and a unified diff of each object.
func (d Differences) Text(w io.Writer, look Look) {
	d.Report.headline(w, look)
	d.Report.nodeTroubles(w, look)
	if !d.Any() {
		look.lines(w, "", "no difference", Bold)
	}
	d.objects(w, look)
	writeMoves(w, look, d.Moves)
	writeRulings(w, look, d.Rulings)
	for _, x := range d.List {
		if x.Diff != "" {
			_, _ = fmt.Fprintln(w)
			look.Diff(w, x.Diff)
		}
	}
}

func (d Differences) objects(w io.Writer, look Look) {
	if len(d.List) == 0 {
		return
	}
	paints := map[string]Paint{Added: Green, Removed: Red, Changed: Yellow}
	var rows [][]cell
	for _, x := range d.List {
		row := plain(x.App.Kind+"/"+x.App.Name, x.App.Namespace, x.Change, x.State, strings.Join(notEmpty(x.Why, x.Note), "; "))
		row[2].paint = paints[x.Change]
		row[3].paint = paintOf(plan.State(x.State))
		rows = append(rows, row)
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"OBJECT", "NAMESPACE", "CHANGE", "STATE", "WHY"}, rows)
}

func notEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// Diff writes a unified diff in the colours that Git has for it.
func (l Look) Diff(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		paint := Paint("")
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			paint = Bold
		case strings.HasPrefix(line, "@@"):
			paint = Blue
		case strings.HasPrefix(line, "-"):
			paint = Red
		case strings.HasPrefix(line, "+"):
			paint = Green
		}
		_, _ = fmt.Fprintln(w, l.Paint(paint, line))
	}
}
