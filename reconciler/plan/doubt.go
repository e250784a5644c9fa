package plan

import (
	"fmt"
	"slices"
	"sort"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// A pod whose birth no trusted key signed is doubtful: its host, or whoever had a key that is trusted no more, may have made it and
// may have it say anything. It gives a workload no generation, no success and no availability. It takes room where it is, and it goes,
// once others keep the floor.

// unsigned is why a doubtful pod goes.
const unsigned = "no trusted key signed its birth"

// doubt sorts the workload's doubtful pods into those that the floor needs until others are available, and those that go now. A real
// one takes room, as any other; where old ones have to go first, until it is gone. One that may be real does while it stays.
func (k *work) doubt() {
	k.doubts = slices.Clone(k.world.doubts[k.wl.ID])
	if len(k.doubts) == 0 {
		return
	}
	sort.SliceStable(k.doubts, func(i, j int) bool { return k.missed(k.doubts[i], k.doubts[j]) })
	first := k.first || k.wl.Strategy.Type == manifest.Recreate
	need, real := k.floor(), 0
	if first {
		need = min(need, k.wl.Replicas-max(1, k.wl.Strategy.MaxUnavailable))
	}
	for _, p := range k.kept {
		if k.counts(p) {
			need--
		}
	}
	for _, p := range k.doubts {
		stays := k.counts(p) && need > 0
		if k.real(p) && (first || !p.Stopping) || stays && p.Signer != "" {
			real++
		}
		switch {
		case stays:
			need--
			k.waits("%s on %s stays until others are available: %s", p.Name, p.node.Name, unsigned)
		case p.seen():
			k.waits("%s on %s goes: %s", p.Name, p.node.Name, unsigned)
			k.halt(p, unsigned)
		}
	}
	if k.room -= real; first && real > 0 {
		k.room -= k.wl.Strategy.MaxSurge
	}
}

// missed says whether a is to stay sooner than b.
func (k *work) missed(a, b *pod) bool {
	if real := k.real(a); real != k.real(b) {
		return real
	}
	if signed := a.Signer != ""; signed != (b.Signer != "") {
		return signed
	}
	if head := a.Rev == k.wl.Revision.Rev; head != (b.Rev == k.wl.Revision.Rev) {
		return head
	}
	return before(a, b)
}

// real says whether a doubtful pod may be one that a controller started, under a key that is trusted no more. A key that one host of
// several shows may be that host's own, and a stop that it does not heed must hold up nobody.
func (w *world) real(p *pod) bool {
	return p.Signer != "" && !p.node.borrowed(p.Pod) && (w.shown[p.Signer] > 1 || len(w.nodes) == 1)
}

// doubtJob says which doubtful pod may be running the Job, so that it does not run twice.
func (k *work) doubtJob() string {
	k.doubts = k.world.doubts[k.wl.ID]
	for _, p := range k.doubts {
		if k.real(p) && !live.Over(p.Restart, p.Init, p.Containers) {
			return fmt.Sprintf("%s on %s has to go first: %s", p.Name, p.node.Name, unsigned)
		}
	}
	return ""
}

// keepUp is all that is done for a workload while its fleet is held: what runs is restarted, and what HEAD's revision lost comes back
// if no other has pods.
func (k *work) keepUp() {
	head := k.wl.Revision.Rev
	k.hidden, k.doubts = k.unread(), k.world.doubts[k.wl.ID]
	k.room = k.wl.Replicas + k.wl.Strategy.MaxSurge - len(k.kept)
	k.step.Target, k.step.Gen, k.step.Want = head, 1, map[string]int{}
	of := 0
	for _, p := range k.kept {
		if p.Rev == head {
			of++
			k.step.Gen = max(k.step.Gen, p.Gen)
		}
	}
	k.mend()
	if of > 0 && of == len(k.kept) {
		k.step.Want[head] = k.wl.Replicas
		k.grow()
	}
}

// everyPod are all of a workload's pods, doubtful ones too.
func (w *world) everyPod(app manifest.ID) []*pod { return slices.Concat(w.pods[app], w.doubts[app]) }
