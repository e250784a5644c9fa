package reconciler

import (
	"context"
	"fmt"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
)

// renewed asks which commits that receipts name are from before their object was taken out and came anew. A source without a past has one
// commit. While it cannot be known, no receipt is taken for one of those.
func (r *reader) renewed(ctx context.Context, h *manifest.History, s live.Snapshot) map[manifest.ID][]string {
	past, ok := r.Source.(sources.Historian)
	named := older(s, r.of)
	if !ok || len(named) == 0 {
		return nil
	}
	all, err := past.Renewed(ctx, r.of, named)
	if err != nil {
		note(h, fmt.Errorf("what came anew up to %s: %w", r.of, err))
	}
	return all
}

// older are the commits, other than head, that the receipts of each object name.
func older(s live.Snapshot, head string) map[manifest.ID][]string {
	named := map[manifest.ID][]string{}
	for _, n := range s.Nodes {
		for _, r := range n.Receipts {
			if r.Commit != "" && r.Commit != head && !slices.Contains(named[r.App], r.Commit) {
				named[r.App] = append(named[r.App], r.Commit)
			}
		}
	}
	return named
}
