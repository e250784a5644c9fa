package status

import (
	"bytes"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func TestWhatRestsOnTrustedKeysIsShownWhereGitNamesAny(t *testing.T) {
	own, old, unused := manifest.KeyText([]byte("own")), manifest.KeyText([]byte("old")), manifest.KeyText([]byte("unused"))
	w := fleet()
	w.History.Key = own
	show := func() string {
		var b bytes.Buffer
		Of(w).Text(&b, Look{}, false)
		_, table, _ := strings.Cut(b.String(), "\nKEY")
		table, _, _ = strings.Cut(table, "\n\n")
		return table
	}
	if got := show(); got != "" {
		t.Errorf("none is named:\n%s", got)
	}
	w.History.Head.Signers = []string{old, unused}
	w.Snapshot.Nodes[0].Pods[0].Source, w.Snapshot.Nodes[0].Pods[0].Signer = w.History.Source, old
	got := show()
	for _, line := range []string{
		live.ShortKey(own) + "  0         0      0     this controller's",
		live.ShortKey(old) + "  0         0      1     in podkeep.signers",
		live.ShortKey(unused) + "  0         0      0     unused: its line in podkeep.signers can be removed",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not in\n%s", line, got)
		}
	}
}
