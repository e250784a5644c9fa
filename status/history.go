package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Past is what commits did to a fleet, newest first.
type Past struct {
	Report    Report
	Commits   []Commit
	Elsewhere []Rollout // of commits that HEAD does not descend from
	Silent    []string  // nodes of which is not known what they run
	More      bool      // there are older commits
}

// Commit is one commit, what it asks for otherwise than the one before, and what was done about it.
type Commit struct {
	manifest.Set
	Asks      []Ask
	Rollouts  []Rollout
	Decisions []manifest.Decision // that are written on it, the oldest first
}

// Ask is a workload that a commit changed.
type Ask struct {
	App  manifest.ID
	What string // added, removed, changed, scaled 2 to 3
	Rev  string // that it asks for; that it asked for, when it was removed
}

// Rollout is one way from a revision to another, and how many pods of it run now.
type Rollout struct {
	App      manifest.ID
	Rev      string
	Gen      int
	Commit   string
	Receipts []live.Receipt // oldest first
	Pods     []string       // that are there now, with their nodes
	Mirrored bool           // no host keeps receipts of it any more: these are what the mirror in Git has
}

// PastOf tells of the commits in line, newest first, each of them the one after the next. The last one is told of only if it is the
// oldest there is, since what it changed is not known. What of a rollout is written down nowhere else is told of as it was mirrored.
func PastOf(w World, line []manifest.Set, mirrored []live.Receipt) Past {
	p := Past{Report: Of(w)}
	for _, n := range w.Snapshot.Nodes {
		if quiet(n) {
			p.Silent = append(p.Silent, n.Name)
		}
	}
	done := rollouts(w)
	done = append(done, gone(done, mirrored)...)
	told := map[string]bool{}
	for i, set := range line {
		c := Commit{Set: set}
		switch {
		case i+1 < len(line):
			c.Asks = asks(set, line[i+1])
		case set.Parent != "":
			p.More = true
			continue
		default:
			c.Asks = asks(set, manifest.Set{})
		}
		for _, r := range done {
			if r.Commit == set.Commit {
				c.Rollouts = append(c.Rollouts, r)
			}
		}
		for _, d := range w.History.Decisions {
			if d.Note == set.Commit {
				c.Decisions = append(c.Decisions, d)
			}
		}
		told[set.Commit] = true
		p.Commits = append(p.Commits, c)
	}
	for _, r := range done {
		if !told[r.Commit] && !w.History.Ancestor[r.Commit] {
			p.Elsewhere = append(p.Elsewhere, r)
		}
	}
	return p
}

// Only keeps what concerns one workload, and the commits that do.
func (p Past) Only(app manifest.ID) Past {
	ofApp := func(r Rollout) bool { return r.App != app }
	commits := p.Commits
	p.Commits = nil
	for _, c := range commits {
		c.Asks = slices.DeleteFunc(slices.Clone(c.Asks), func(a Ask) bool { return a.App != app })
		c.Rollouts = slices.DeleteFunc(slices.Clone(c.Rollouts), ofApp)
		c.Decisions = slices.DeleteFunc(slices.Clone(c.Decisions), func(d manifest.Decision) bool { return d.App != app })
		if len(c.Asks)+len(c.Rollouts)+len(c.Decisions) > 0 {
			p.Commits = append(p.Commits, c)
		}
	}
	p.Elsewhere = slices.DeleteFunc(slices.Clone(p.Elsewhere), ofApp)
	return p
}

// First keeps the newest n commits.
func (p Past) First(n int) Past {
	if len(p.Commits) > n {
		p.Commits, p.More = p.Commits[:n], true
	}
	return p
}

// asks lists the workloads that differ between a commit and the one before.
func asks(now, before manifest.Set) (list []Ask) {
	was := map[manifest.ID]manifest.Workload{}
	for _, wl := range before.Workloads {
		was[wl.ID] = wl
	}
	for _, wl := range now.Workloads {
		old, ok := was[wl.ID]
		delete(was, wl.ID)
		switch {
		case !ok:
			list = append(list, Ask{wl.ID, Added, wl.Revision.Rev})
		case old.Revision.Rev != wl.Revision.Rev:
			list = append(list, Ask{wl.ID, Changed, wl.Revision.Rev})
		case old.Replicas != wl.Replicas:
			list = append(list, Ask{wl.ID, fmt.Sprintf("scaled %d to %d", old.Replicas, wl.Replicas), wl.Revision.Rev})
		}
	}
	for _, wl := range was {
		if now.Foreign(wl.File) == nil && !slices.ContainsFunc(now.Problems, func(p manifest.Problem) bool { return p.File == wl.File }) {
			list = append(list, Ask{wl.ID, Removed, wl.Revision.Rev})
		}
	}
	slices.SortFunc(list, func(a, b Ask) int { return byID(a.App, b.App) })
	return list
}

func byID(a, b manifest.ID) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}

// rollouts joins receipts and pods, which carry the same generation. The commit is that at which it began: a receipt written later
// may name a later commit, which asked for the same.
func rollouts(w World) []Rollout {
	type key struct {
		app manifest.ID
		gen int
	}
	found := map[key]*Rollout{}
	at := func(app manifest.ID, gen int, rev string) *Rollout {
		k := key{app, gen}
		if found[k] == nil {
			found[k] = &Rollout{App: app, Gen: gen, Rev: rev}
		}
		return found[k]
	}
	for app, l := range w.Plan.Ledgers {
		for _, r := range l {
			x := at(app, r.Gen, r.Rev)
			x.Receipts = append(x.Receipts, r)
		}
	}
	for _, n := range w.Snapshot.Nodes {
		for _, p := range n.Pods {
			x := at(p.App, p.Gen, p.Rev)
			x.Pods = append(x.Pods, p.Name+" on "+n.Name)
			x.Commit = cmp.Or(x.Commit, p.Commit)
		}
	}
	var list []Rollout
	for _, x := range found {
		slices.SortStableFunc(x.Receipts, func(a, b live.Receipt) int { return a.Time.Compare(b.Time) })
		slices.Sort(x.Pods)
		if len(x.Receipts) > 0 {
			x.Commit = x.Receipts[0].Commit
		}
		list = append(list, *x)
	}
	slices.SortFunc(list, func(a, b Rollout) int { return cmp.Or(byID(a.App, b.App), cmp.Compare(b.Gen, a.Gen)) })
	return list
}

// gone are the rollouts that only the mirror has something of.
func gone(done []Rollout, mirrored []live.Receipt) (list []Rollout) {
	for _, r := range mirrored {
		same := func(x Rollout) bool { return x.App == r.App && x.Gen == r.Gen && x.Rev == r.Rev }
		if slices.ContainsFunc(done, func(x Rollout) bool { return same(x) && len(x.Receipts) > 0 }) {
			continue
		}
		if i := slices.IndexFunc(list, same); i >= 0 {
			list[i].Receipts = append(list[i].Receipts, r)
		} else {
			list = append(list, Rollout{App: r.App, Rev: r.Rev, Gen: r.Gen, Commit: r.Commit, Receipts: []live.Receipt{r}, Mirrored: true})
		}
	}
	slices.SortStableFunc(list, func(a, b Rollout) int { return cmp.Or(byID(a.App, b.App), cmp.Compare(b.Gen, a.Gen)) })
	return list
}

// Text writes a line for each commit and below it one for each thing that was done about it. Revisions of which pods are
// there are marked with a star.
func (p Past) Text(w io.Writer, look Look) {
	p.Report.headline(w, look)
	p.Report.nodeTroubles(w, look)
	if n := len(p.Silent); n > 0 && n < len(p.Report.Nodes) {
		look.lines(w, "", "what runs on "+strings.Join(p.Silent, ", ")+" now is not known", Yellow)
	}
	var rows [][]cell
	for _, c := range p.Commits {
		who, _, _ := strings.Cut(c.Author, " <")
		said := strings.Join(notEmpty(c.Subject, who), ", ")
		row := plain(ShortCommit(c.Commit), p.ago(c.Time), "", "", "", said)
		for i := range row {
			row[i].paint = Bold
		}
		rows = append(rows, row)
		rows = append(rows, p.deeds(c)...)
	}
	for i, r := range p.Elsewhere {
		if i == 0 {
			rows = append(rows, plain("elsewhere", "", "", "", "", "commits that HEAD does not descend from"))
		}
		rows = append(rows, p.rollout(r)...)
	}
	if len(rows) == 0 {
		look.lines(w, "", "nothing", Dim)
		return
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"COMMIT", "AGE", "OBJECT", "REV", "EVENT", "WHY"}, rows)
	if p.More {
		look.lines(w, "", "there are older commits; --limit shows more", Dim)
	}
}

// deeds are the lines below a commit.
func (p Past) deeds(c Commit) (rows [][]cell) {
	for _, a := range c.Asks {
		begun := func(r Rollout) bool { return r.App == a.App }
		if !slices.ContainsFunc(c.Rollouts, begun) {
			row := plain("", "", "  "+a.App.Short(), live.ShortRev(a.Rev), a.What, p.unbegun(c, a))
			rows = append(rows, row)
		}
	}
	for _, r := range c.Rollouts {
		rows = append(rows, p.rollout(r)...)
	}
	for _, d := range c.Decisions {
		rows = append(rows, plain("", p.ago(d.Time), "  "+d.App.Short(), live.ShortRev(d.Rev), d.Verb, strings.Join(notEmpty("decided by "+d.Who, d.Why), ": ")))
	}
	return rows
}

// unbegun says why nothing is written down about a change.
func (p Past) unbegun(c Commit, a Ask) string {
	for _, wl := range p.Report.Workloads {
		if c.Commit == p.Report.Head.Commit && wl.ID == a.App {
			return wl.Why
		}
	}
	if a.What == Added || a.What == Changed {
		return "no receipt of it: it never began, or newer ones have taken their place"
	}
	return ""
}

func (p Past) rollout(r Rollout) (rows [][]cell) {
	name := plain("", "", "  "+r.App.Short(), live.ShortRev(r.Rev), "", "")
	if len(r.Pods) > 0 {
		name[2].text = "* " + r.App.Short()
		name[2].paint = Green
	}
	if len(r.Receipts) == 0 {
		name[5].text = pods(r.Pods)
		return [][]cell{name}
	}
	for i, x := range r.Receipts {
		row := slices.Clone(name)
		if i > 0 {
			row = plain("", "", "", "", "", "")
		}
		row[1].text, row[4].text, row[5].text = p.ago(x.Time), x.Verb, x.Why
		row[4].paint = paintOfEvent(x.Verb)
		if r.Mirrored {
			row[5].text = strings.Join(notEmpty("mirrored", x.Why), ": ")
		}
		if i == len(r.Receipts)-1 && len(r.Pods) > 0 {
			row[5].text = strings.Join(notEmpty(x.Why, pods(r.Pods)), "; ")
		}
		rows = append(rows, row)
	}
	return rows
}

func pods(names []string) string {
	if len(names) > 3 {
		return plural(len(names), "pod")
	}
	return strings.Join(names, ", ")
}

func (p Past) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Age(p.Report.Now.Sub(t))
}
