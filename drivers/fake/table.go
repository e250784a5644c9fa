package fake

import (
	"net/netip"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// routing is what a host routes by. It outlives the node side, and goes with the disk.
type routing struct {
	table, told *route.Table // in force, and the newest that the node side heard of
	signer      string       // of the one in force, and
	teller      string       // of the other
	as          string       // what the host is called in it
	since       time.Time    // from when on they have been two
	late        bool         // what is told does not come into force
}

// Route tells the node side of a host by which table to route, if it is heard. It is a write where that is newer than what it knows.
func (w *World) Route(name, as, cluster string, t *route.Table, signer string) {
	w.on(name, func(h *host) {
		r := &h.routing
		if h.cut || h.down || h.isDeaf(h.side(cluster)) || r.told != nil && r.told.Number >= t.Number {
			return
		}
		w.writes++
		if r.told == r.table {
			r.since = w.now()
		}
		r.told, r.teller, r.as = t, signer, as
		r.settle()
	})
}

// Late keeps what a host is told from coming into force, until that is over.
func (w *World) Late(name string, late bool) {
	w.on(name, func(h *host) {
		h.routing.late = late
		h.routing.settle()
	})
}

func (r *routing) settle() {
	if !r.late {
		r.table, r.signer = r.told, r.teller
	}
}

// Table is what a host routes by, and for how long it has known of a newer one; nil where it routes nothing.
func (w *World) Table(name string) (t *route.Table, behind time.Duration) {
	w.on(name, func(h *host) {
		if !h.down {
			t, behind = h.routing.table, h.routing.behind(w.now())
		}
	})
	return t, behind
}

func (r routing) behind(now time.Time) time.Duration {
	if r.told == r.table {
		return 0
	}
	return max(now.Sub(r.since), time.Nanosecond)
}

// says lays over what its node side says what it says of routing.
func (r routing) says(s *live.Side, now time.Time) {
	if r.table == nil {
		return
	}
	s.Number, s.Serves, s.Signer, s.Behind = r.table.Number, r.table, r.signer, r.behind(now)
	if n, ok := r.table.Node(r.as); ok {
		s.Net = live.Net{Range: n.Range, Address: netip.MustParseAddr("192.0.2.1")}
	}
}
