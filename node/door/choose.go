package door

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/podkeep/podkeep/node/route"
)

const mostAttempts = 3 // of a request, each at another pod

// backend is a route.DoorBackend with the pods behind it.
type backend struct {
	*route.DoorBackend
	request, answer headers
	stat            *stat
	pods            []*pod
	sums            []int // of their weights, up to and with each; nil where all are alike
	next            atomic.Uint32
}

// backend finds the pods of a Service's port.
func (d *Door) backend(n *table, t *route.Table, _ *rule, from *route.DoorBackend) *backend {
	b := &backend{DoorBackend: from, request: headersOf(from.Request), answer: headersOf(from.Answer)}
	s := t.Service(from.Namespace, from.Service)
	if s == nil {
		return b
	}
	port := slices.IndexFunc(s.Ports, func(p route.Port) bool { return p.Port == from.Port && p.Protocol == "tcp" })
	if port < 0 {
		return b
	}
	sum, alike := 0, true
	for _, target := range s.Targets(port) {
		key := podKey{target.AddrPort, from.Protocol}
		if d.pods[key] == nil {
			d.pods[key] = newPod(d, key)
		}
		n.pods[key] = true
		b.pods = append(b.pods, d.pods[key])
		sum += target.Weight
		b.sums = append(b.sums, sum)
		alike = alike && target.Weight == b.sums[0]
	}
	if alike {
		b.sums = nil
	}
	b.next.Store(rand.Uint32()) // doors do not all begin with the same pod
	return b
}

// backendKey tells backends apart by whom they lead to.
type backendKey struct {
	namespace, service, protocol string
	port                         uint16
}

func (b *backend) key() backendKey { return backendKey{b.Namespace, b.Service, b.Protocol, b.Port} }

// now is a backend as this table has it; where it has none, as it was.
func (n *table) now(b *backend) *backend {
	if is := n.backends[b.key()]; is != nil && len(is.pods) > 0 {
		return is
	}
	return b
}

// choose is one of the rule's backends by weight; nil where none has any.
func (r *rule) choose() *backend {
	if r.weight <= 0 {
		return nil
	}
	if len(r.backends) == 1 {
		return r.backends[0]
	}
	n := rand.IntN(r.weight)
	for _, b := range r.backends {
		if n -= b.Weight; n < 0 {
			return b
		}
	}
	return nil
}

// failing is the status where there is nobody to ask.
func (b *backend) failing() int {
	if b == nil {
		return http.StatusServiceUnavailable
	}
	return b.Status
}

// pick is the pod to ask next: of two that are drawn by weight the one with fewer requests under way for its share. One that could not be reached a moment ago
// is taken only where there is no other. nil means that all were tried.
func (b *backend) pick(tried []*pod) *pod {
	now := time.Now().UnixNano()
	one, two := b.draw()
	if usable(one, tried, now) && usable(two, tried, now) {
		if two.busy.Load() < one.busy.Load() {
			return two
		}
		return one
	}
	var last *pod
	for i := range b.pods {
		p := b.pods[(i+int(b.next.Load()))%len(b.pods)]
		if usable(p, tried, now) {
			return p
		}
		if !slices.Contains(tried, p) {
			last = p
		}
	}
	return last
}

func usable(p *pod, tried []*pod, now int64) bool {
	return p != nil && p.badUntil.Load() < now && !slices.Contains(tried, p)
}

// draw is two pods by weight, in turn where all weigh the same; nil where there are none.
func (b *backend) draw() (one, two *pod) {
	switch {
	case len(b.pods) == 0:
		return nil, nil
	case b.sums == nil:
		i := int(b.next.Add(1)) % len(b.pods)
		return b.pods[i], b.pods[(i+1)%len(b.pods)]
	}
	return b.heavy(), b.heavy()
}

func (b *backend) heavy() *pod {
	i, _ := slices.BinarySearch(b.sums, rand.IntN(b.sums[len(b.sums)-1])+1)
	return b.pods[i]
}
