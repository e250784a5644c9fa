package plan

import (
	"net/netip"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

func TestWhyThereIsNoTableIsSaid(t *testing.T) {
	for _, c := range []struct {
		claim  string
		change func(h *manifest.History, have *live.Snapshot)
		why    string
	}{
		{"there is one", func(*manifest.History, *live.Snapshot) {}, ""},
		{"the cluster has no addresses", func(h *manifest.History, _ *live.Snapshot) { h.Net = manifest.Net{} }, "the cluster has no range of addresses"},
		{"nor has it a node side", func(h *manifest.History, _ *live.Snapshot) { h.Net, h.Side = manifest.Net{}, manifest.SideOffer{} }, "there is no node side"},
		{"no node side is wanted", func(h *manifest.History, _ *live.Snapshot) { h.Side.Refused = true }, "no node side is wanted on hosts (--node-side=never)"},
		{"one has not said which it serves", func(_ *manifest.History, have *live.Snapshot) { have.Watched, have.Nodes[0].Side.Version = 0, "" },
			"hosts are still to say by which table they route"},
	} {
		h, have := sideful(commit(t, "a1", nodes("n1")), "1"), sides("n1=1+")
		h.Net, have.Watched = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}, time.Hour
		served := &route.Table{Number: 3}
		have.Nodes[0].Side.Serves, have.Nodes[0].Side.Number, have.Nodes[0].Side.Signer = served, 3, h.Key
		c.change(&h, &have)
		p := Make(h, have, noon)
		if p.Unrouted != c.why || (p.Table == nil || len(p.Table.Nodes) == 0) != (c.why != "") {
			t.Errorf("%s: %q, table %v", c.claim, p.Unrouted, p.Table)
		}
		if on := h.Net.Pods.IsValid() && !h.Side.Refused; on != (p.Before == served) {
			t.Errorf("%s: in force is %v", c.claim, p.Before)
		}
	}
}
