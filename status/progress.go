package status

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/podkeep/podkeep/reconciler/plan"
)

// Progress writes a table that fits into so many lines: what moves, then what is settled as far as there is room, and
// how many were left out.
func (r Report) Progress(w io.Writer, look Look, elapsed time.Duration, lines int) {
	list := slices.Clone(r.Workloads)
	slices.SortStableFunc(list, func(a, b Workload) int { return rank(a.State) - rank(b.State) })
	head := fmt.Sprintf("%s, cluster %s, commit %s", Age(elapsed), r.Cluster, ShortCommit(r.Head.Commit))
	for show := len(list); ; show-- {
		var b bytes.Buffer
		look.lines(&b, "", head, Bold)
		look.progressTable(&b, list[:show], r.Now)
		if left := len(list) - show; left > 0 {
			look.lines(&b, "", fmt.Sprintf("and %d more, %s", left, counts(list[show:])), Dim)
		}
		r.nodeTroubles(&b, look)
		if show == 0 || bytes.Count(b.Bytes(), []byte("\n")) <= lines {
			_, _ = w.Write(top(b.Bytes(), lines))
			return
		}
	}
}

// top is as many lines of text as there is room for.
func top(text []byte, lines int) []byte {
	all := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(all[:min(len(all), max(lines, 1))], nil)
}

func rank(s plan.State) int {
	if s == plan.Converged || s == plan.Suspended {
		return 1
	}
	return 0
}

func (l Look) progressTable(w io.Writer, list []Workload, now time.Time) {
	if len(list) == 0 {
		return
	}
	var rows [][]cell
	for _, app := range list {
		row := plain(app.ID.Short(), app.progress(), strconv.Itoa(app.Updated),
			string(app.State), Revs(app.App), app.whys(now, false))
		row[3].paint = paintOf(app.State)
		rows = append(rows, row)
	}
	l.table(w, []string{"NAME", "READY", "UP-TO-DATE", "STATE", "REV", "WHY"}, rows)
}

// counts says how many of each state there are.
func counts(list []Workload) string {
	states := map[plan.State]int{}
	for _, w := range list {
		states[w.State]++
	}
	text := ""
	for _, s := range allStates {
		if states[s] == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", states[s], s)
	}
	return text
}
