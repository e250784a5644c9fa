package schedule

import (
	"container/heap"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Queue places pods on the same hosts one after another, and answers each time what Place would. It keeps the hosts in
// order for as long as it is asked for pods that differ in nothing but their name: then only the host that was just used is
// looked at again. Nobody else may book on its hosts meanwhile; their Files may change.
type Queue struct {
	hosts []*Host
	like  *Request // what the order is for, without a name; nil when there is none
	order order
}

// NewQueue is a queue over hosts that are sorted by name.
func NewQueue(hosts []*Host) *Queue { return &Queue{hosts: hosts} }

// Place is what Place is among the queue's hosts.
func (q *Queue) Place(r Request) (*Host, string) {
	if len(r.Files) > 0 {
		q.like = nil
		return Place(r, q.hosts)
	}
	if q.like == nil || !alike(q.like, &r) {
		q.sort(r)
	}
	var named []candidate
	for q.rateFirst() && name(&r, q.order[0].Host) != "" {
		named = append(named, heap.Pop(&q.order).(candidate))
	}
	host, why := q.take(r)
	for _, c := range named {
		heap.Push(&q.order, c)
	}
	return host, why
}

// Reserve keeps a place for a pod that comes once others have left: later are the queue's hosts as they are then, the same ones where nothing
// changes. Until then what is there now and what comes both take room. It says why there is no place.
func (q *Queue) Reserve(r Request, later []*Host) (why string) {
	q.like = nil
	host, why := Place(r, later)
	for i, now := range q.hosts {
		if later[i] == host && host != now {
			now.cover(host)
		}
	}
	return why
}

// cover makes a host take as much as another state of it, where that takes more.
func (h *Host) cover(other *Host) {
	h.Used.MilliCPU, h.Used.Memory = max(h.Used.MilliCPU, other.Used.MilliCPU), max(h.Used.Memory, other.Used.Memory)
	h.Pods = max(h.Pods, other.Pods)
	for port, n := range other.Ports {
		h.Ports[port] = max(h.Ports[port], n)
	}
}

// take books the pod on the first host, and puts that one where it belongs then.
func (q *Queue) take(r Request) (*Host, string) {
	if len(q.order) == 0 || q.order[0].waited(r) != "" {
		return Place(r, q.hosts) // which finds none either, and says why
	}
	host := q.order[0].Host
	host.book(r)
	if refuse(q.like, host) == "" {
		q.order[0].rates = rate(q.like, host)
		heap.Fix(&q.order, 0)
	} else {
		heap.Pop(&q.order)
	}
	return host, ""
}

// sort puts the hosts that can take a pod like r in order, whatever its name.
func (q *Queue) sort(r Request) {
	r.Name = ""
	q.like, q.order = &r, slices.Grow(q.order[:0], len(q.hosts))
	for i, h := range q.hosts {
		if refuse(&r, h) == "" {
			q.order = append(q.order, candidate{h, atBest(&r, h), false, i})
		}
	}
	heap.Init(&q.order)
}

// rateFirst says whether there is a candidate, and makes the first the best: one that comes first as it is at best is rated, until that
// makes no other the first.
func (q *Queue) rateFirst() bool {
	for len(q.order) > 0 && !q.order[0].rated {
		q.order[0].rates, q.order[0].rated = rate(q.like, q.order[0].Host), true
		heap.Fix(&q.order, 0)
	}
	return len(q.order) > 0
}

// alike says whether two requests that need no Files are one to every filter and score, but for the name.
func alike(a, b *Request) bool {
	return a.App == b.App && a.Rev == b.Rev && a.Room == b.Room && a.Apart == b.Apart && slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Ties, b.Ties) &&
		a.Spec.NodeName == b.Spec.NodeName && maps.Equal(a.Spec.NodeSelector, b.Spec.NodeSelector) &&
		slices.EqualFunc(a.Spec.Tolerations, b.Spec.Tolerations, func(s, t corev1.Toleration) bool { return s.MatchToleration(&t) })
}

// candidate is a host that can take a pod, how good it is, at best unless it is rated, and where it stands among all.
type candidate struct {
	*Host
	rates
	rated bool
	at    int
}

// order is a heap of candidates, the best on top.
type order []candidate

func (o order) Len() int      { return len(o) }
func (o order) Swap(i, j int) { o[i], o[j] = o[j], o[i] }
func (o *order) Push(c any)   { *o = append(*o, c.(candidate)) }

func (o order) Less(i, j int) bool {
	for n, rate := range o[i].rates {
		if rate != o[j].rates[n] {
			return rate < o[j].rates[n]
		}
	}
	return o[i].at < o[j].at
}

func (o *order) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}
