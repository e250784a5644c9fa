package fake

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// routing is by which tables a host routes for one cluster. They lie on its node side's volume, and outlive its pod.
type routing struct {
	has, taken table
	told       *route.Table // the newest that it was to have, whether or not it was there to take it
	since      time.Time    // from when on that has been another one than it has
	was        netip.Prefix // its range before
	refused    string       // why the newest that was sent is none; empty if it was taken
}

// table is one as it was sent. Nobody edits what it says.
type table struct {
	says         *route.Table
	signer, node string
}

func (t table) number() uint64 {
	if t.says == nil {
		return 0
	}
	return t.says.Number
}

// Route sends the node side of a host a table that a key has signed, and what the host is called in it. It takes one of a higher number than it has,
// or any anew, and has the host route by it, unless it is late. It is a write where it is taken. One that is older takes none with policies.
func (w *World) Route(name, cluster, node string, t *route.Table, signer string, anew bool) {
	w.on(name, func(h *host) {
		r := h.tables[cluster]
		if r.behind(w.now()) == 0 {
			r.since = w.now()
		}
		r.told = t
		h.routes(cluster, r)
		if h.cut || h.down || h.users || h.isDeaf(h.side(cluster)) || t == r.taken.says || !anew && t.Number <= r.taken.number() {
			return
		}
		if h.older && t.Policies != nil {
			r.refused = fmt.Sprintf("table %d cannot be read", t.Number)
			h.routes(cluster, r)
			return
		}
		r.refused = ""
		r.taken = table{t, signer, node}
		h.routes(cluster, r)
		h.serve(w.now())
		w.writes++
	})
}

// Late has a host route by what its node side was given only once it is not late any more.
func (w *World) Late(name string, late bool) {
	w.on(name, func(h *host) {
		if h.late = late; late {
			return
		}
		for cluster, r := range h.tables {
			r.refused = ""
			h.routes(cluster, r)
		}
		h.serve(w.now())
	})
}

// Older has a host's node side know nothing of policies, or a newer one in its place.
func (w *World) Older(name string, older bool) {
	w.on(name, func(h *host) { h.older = older })
}

// Users has a host's Podman be a user's own.
func (w *World) Users(name string) {
	w.on(name, func(h *host) { h.users = true })
}

// Listen has a host itself listen at these ports of its own, and at no others.
func (w *World) Listen(name string, ports ...route.HostPort) {
	w.on(name, func(h *host) { h.listens = ports })
}

// Keeps are the ports that the table by which a host routes asks of it, and at which it listens itself.
func (w *World) Keeps(name, cluster string) (ports []route.HostPort) {
	w.on(name, func(h *host) { ports = h.kept(cluster) })
	return ports
}

func (h *host) kept(cluster string) (ports []route.HostPort) {
	t := h.tables[cluster].has
	if t.says == nil || len(h.listens) == 0 {
		return nil
	}
	n, _ := t.says.Node(t.node)
	asked := map[route.HostPort]bool{}
	for _, s := range t.says.Services {
		asked[route.HostPort{Port: s.Health, Protocol: "tcp"}] = true
		for _, p := range s.Ports {
			asked[route.HostPort{Port: p.NodePort, Protocol: p.Protocol}] = true
			if p.Hosts && !n.Excluded || n.Address.IsValid() && slices.Contains(p.Outside, n.Address) {
				asked[route.HostPort{Port: p.Port, Protocol: p.Protocol}] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(h.listens), func(p route.HostPort) bool { return !asked[p] })
}

// Forget has a host route by no table, and its node side know of none, until it is sent one.
func (w *World) Forget(name, cluster string) {
	w.on(name, func(h *host) { h.routes(cluster, routing{}) })
}

// Routes is the table by which a host routes, whether or not anybody hears so; nil if there is none.
func (w *World) Routes(name, cluster string) *route.Table {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hosts[name]; h != nil {
		h.settle(w.now())
		return h.tables[cluster].has.says
	}
	return nil
}

// Behind is for how long a host has not routed by the table that its node side was to have last.
func (w *World) Behind(name, cluster string) (d time.Duration) {
	w.on(name, func(h *host) { d = h.tables[cluster].behind(w.now()) })
	return d
}

// Range is the range of a host's pods.
func (w *World) Range(name, cluster string) (r netip.Prefix) {
	w.on(name, func(h *host) { r = h.ranged(cluster) })
	return r
}

// ranged is that which its table says, once no pod has an address of the one before.
func (h *host) ranged(cluster string) netip.Prefix {
	r := h.tables[cluster]
	for _, p := range h.pods {
		if ip, err := netip.ParseAddr(p.labels[live.LabelIP]); err == nil && p.labels[live.LabelCluster] == cluster && r.was.Contains(ip) {
			return r.was
		}
	}
	if r.has.says == nil {
		return netip.Prefix{}
	}
	n, _ := r.has.says.Node(r.has.node)
	return n.Range
}

func (r routing) behind(now time.Time) time.Duration {
	if r.has == r.taken && (r.told == nil || r.told == r.has.says) {
		return 0
	}
	return max(now.Sub(r.since), time.Nanosecond)
}

// routes changes what a host routes by. Copies of the world share the map.
func (h *host) routes(cluster string, r routing) {
	r.was = h.ranged(cluster)
	h.tables = maps.Clone(h.tables)
	if h.tables == nil {
		h.tables = map[string]routing{}
	}
	h.tables[cluster] = r
}

// word is what was last said of tables to the controller of one driver. It stays so while the node side is not heard.
type word live.Side

// keeps lays what was said of tables over what a node side says, or what is remembered of that where it says nothing.
func (w *word) keeps(s *live.Side, r routing, in netip.Prefix, kept []route.HostPort, now time.Time) {
	if s.Heard() {
		*w = word{Serves: r.has.says, Signer: r.has.signer, Number: r.has.number(), Taken: r.taken.number()}
		if r.has.says != nil {
			n, _ := r.has.says.Node(r.has.node)
			w.Net.Range, w.Net.Address, w.Net.Keeps = in, n.Address, kept
		}
		if r.refused != "" {
			w.Net.Troubles = []string{r.refused}
		}
	}
	if s.Told = nil; r.taken.says != nil && r.taken.says != w.Serves {
		s.Told = []*route.Table{r.taken.says}
	}
	if r.told != nil && r.told != w.Serves && r.told != r.taken.says {
		s.Told = append(s.Told, r.told)
	}
	s.Serves, s.Signer, s.Number, s.Taken, s.Behind, s.Net = w.Serves, w.Signer, w.Number, w.Taken, r.behind(now), w.Net
}
