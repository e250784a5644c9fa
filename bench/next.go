package main

import (
	"fmt"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

// nexts measures the next move of a rollout of 1,000 replicas that is half way: as a canary with half of them beside the other half, and as blue-green with all of them
// beside all others.
func nexts(runs int) []row {
	const n, moves = 1000, 100
	half := 50
	canary := manifest.Strategy{
		Type: manifest.Canary, MaxSurge: n / 4, MaxUnavailable: n / 4, Deadline: time.Hour,
		Rollout: &manifest.Rollout{Steps: []manifest.Step{{Weight: &half}, {Pause: &manifest.Pause{}}}},
	}
	beside := manifest.Strategy{
		Type: manifest.BlueGreen, MaxSurge: 1, MaxUnavailable: n / 4, Deadline: time.Hour,
		Rollout: &manifest.Rollout{ActiveService: "web", PreviewService: "next", Delay: time.Minute},
	}
	var rows []row
	for _, way := range []struct {
		name string
		how  manifest.Strategy
		each int
	}{{"a canary's next move, 1,000 replicas", canary, n / 2}, {"that of blue-green", beside, n}} {
		w, pods, l, now := halfWay(way.how, n, way.each)
		var took []time.Duration
		right := true
		for range runs {
			took = append(took, processor(func() {
				for range moves {
					step := rollout.Next(w, pods, l, now)
					right = right && step.Phase == rollout.Paused && step.Want["next"] == way.each
				}
			})/moves)
		}
		if !right {
			narrate("%s: not a pause at so many pods of each revision", way.name)
		}
		r := within(way.name, took, time.Millisecond)
		r.ok = r.ok && right
		rows = append(rows, r)
	}
	return rows
}

// halfWay is a rollout of n replicas at its pause, with so many pods of each revision.
func halfWay(how manifest.Strategy, n, each int) (manifest.Workload, []rollout.Pod, rollout.Ledger, time.Time) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	web := manifest.ID{Kind: "Rollout", Namespace: "default", Name: "web"}
	w := manifest.Workload{Meta: manifest.Meta{ID: web}, Replicas: n, Strategy: how, Revision: manifest.Revision{App: web, Rev: "next"}}
	var pods []rollout.Pod
	for i := range each {
		for gen, rev := range []string{"last", "next"} {
			pods = append(pods, rollout.Pod{Rev: rev, Slot: i, Gen: gen + 1, Ready: true, Available: true, Since: now})
		}
	}
	receipts := ledger.Ledger{
		{App: web, Verb: live.Began, Rev: "last", Gen: 1, Time: now}, {App: web, Verb: live.Promoted, Rev: "last", Gen: 1, Time: now},
		{App: web, Verb: live.Began, Rev: "next", Gen: 2, Time: now},
		{App: web, Verb: live.Stepped, Rev: "next", Gen: 2, Step: 1, Steps: fmt.Sprintf("1@%s", how.StepsDigest()), Time: now},
	}
	return w, pods, rollout.Ledger{Receipts: receipts, Watched: time.Hour}, now.Add(time.Minute)
}
