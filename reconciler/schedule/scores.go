package schedule

import corev1 "k8s.io/api/core/v1"

// score compares hosts: the lower is the better, and none is below 0.
type score struct {
	of   func(*Request, *Host) int64
	slow bool // it looks the workload up on the host, which takes longer than all else
}

// scores are asked in turn, the weightiest first.
var scores = [...]score{{troubled, true}, {of: preferred}, {mixed, true}, {spread, true}, {crowd, true}, {of: load}, {of: count}}

// better says whether a is a better place than b. Ties go to the one that was there first: hosts come sorted by name.
func better(r *Request, a, b *Host) bool {
	for _, score := range scores {
		if x, y := score.of(r, a), score.of(r, b); x != y {
			return x < y
		}
	}
	return false
}

// rates are what the scores say of one host.
type rates [len(scores)]int64

func rate(r *Request, h *Host) (all rates) {
	for i, score := range scores {
		all[i] = score.of(r, h)
	}
	return all
}

// atBest are the rates of a host that the workload was never on: of any other, they are worse or the same.
func atBest(r *Request, h *Host) (all rates) {
	for i, score := range scores {
		if !score.slow {
			all[i] = score.of(r, h)
		}
	}
	return all
}

func troubled(r *Request, h *Host) int64 {
	if h.Troubled[r.Rev] {
		return 1
	}
	return 0
}

func preferred(r *Request, h *Host) int64 {
	n := int64(0)
	for i := range h.Taints {
		if h.Taints[i].Effect == corev1.TaintEffectPreferNoSchedule && !Tolerates(r.Spec.Tolerations, &h.Taints[i]) {
			n++
		}
	}
	return n
}

// mixed has the weight of antiAffinity where it is not required.
func mixed(r *Request, h *Host) int64 {
	if r.Apart != nil && !r.Apart.Required && h.others(r) {
		return int64(r.Apart.Weight)
	}
	return 0
}

// spread counts the revision's pods alone: those of an older one are on their way out.
func spread(r *Request, h *Host) int64 { return int64(h.Revs[r.Rev]) }

func crowd(r *Request, h *Host) int64 { return int64(h.Apps[r.App]) }

// load is how full the host would be, in thousandths, by its scarcer resource.
func load(r *Request, h *Host) int64 {
	return max(share(h.Used.MilliCPU+r.Room.MilliCPU, h.Room.MilliCPU), share(h.Used.Memory+r.Room.Memory, h.Room.Memory))
}

func share(used, room int64) int64 {
	if room <= 0 {
		return 0
	}
	return int64(float64(used) / float64(room) * 1000)
}

func count(_ *Request, h *Host) int64 { return int64(h.Pods) }
