package status

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// keys shows what rests on each trusted key, so that a line can be removed when nothing does.
func (r Report) keys(w io.Writer, look Look) {
	if len(r.Keys) == 0 {
		return
	}
	var rows [][]cell
	for _, k := range r.Keys {
		rows = append(rows, keyRow(k))
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"KEY", "RECEIPTS", "FORMS", "PODS", "WHY"}, rows)
}

func keyRow(k plan.Key) []cell {
	row := plain(live.ShortKey(k.Text), strconv.Itoa(k.Receipts), strconv.Itoa(k.Forms), strconv.Itoa(k.Pods), "in "+manifest.SignersFile)
	switch {
	case k.Own:
		row[4].text = "this controller's"
	case k.Unused():
		row[4].text, row[4].paint = "unused: its line in "+manifest.SignersFile+" can be removed", Yellow
	}
	return row
}

// WriteKeys shows whose keys are on the hosts, and whether each is trusted.
func WriteKeys(w io.Writer, look Look, keys []plan.Key) {
	var rows [][]cell
	for _, k := range keys {
		since, name := "-", manifest.Fingerprint(k.Text)
		if !k.Since.IsZero() {
			since = k.Since.UTC().Format("2006-01-02 15:04")
		}
		if k.Text == "" {
			name = "nobody"
		}
		row := plain(name, trusted(k), strconv.Itoa(k.Receipts), strconv.Itoa(k.Forms), strconv.Itoa(k.Pods), since, dash(strings.Join(k.Nodes, ", ")))
		if !k.Trusted {
			row[1].paint = Red
		}
		rows = append(rows, row)
	}
	look.table(w, []string{"KEY", "TRUSTED", "RECEIPTS", "FORMS", "PODS", "SINCE", "ON"}, rows)
}

func trusted(k plan.Key) string {
	switch {
	case k.Own:
		return "own"
	case k.Trusted:
		return "yes"
	}
	return "no"
}
