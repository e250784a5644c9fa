package plan

import (
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Forms finds what pods of a revision are made of, for those who show it: in the commits that live pods and receipts name, those too from which
// HEAD does not descend, in HEAD, and at last in what lies on the nodes. With it comes as much of the content of its config as
// Git still has. ok is false when the revision is nowhere to be found.
func Forms(want manifest.History, have live.Snapshot) func(app manifest.ID, rev string) (r manifest.Revision, config []manifest.File, ok bool) {
	w := facts(want, have, want.Head.Time)
	return func(app manifest.ID, rev string) (manifest.Revision, []manifest.File, bool) {
		f, ok := form{}, false
		for _, commit := range sorted(w.h.At) {
			if !ok {
				f, ok = formIn(w.h.At[commit], app, rev)
			}
		}
		if !ok {
			f, ok = w.form(app, rev)
		}
		var config []manifest.File
		for _, name := range sorted(f.config) {
			config = append(config, f.config[name])
		}
		return f.Revision, config, ok
	}
}
