package status

import (
	"fmt"
	"io"
	"strconv"

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
