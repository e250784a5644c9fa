package rollout

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// BenchmarkNext1000 thinks about 1,000 replicas that are half way to another revision.
func BenchmarkNext1000(b *testing.B) {
	const n = 1000
	half := 50
	for _, way := range []struct {
		name   string
		fresh  int
		stable int
		how    manifest.Strategy
	}{
		{"canary", n / 2, n / 2, manifest.Strategy{
			Type: manifest.Canary, MaxSurge: n / 4, MaxUnavailable: n / 4, Deadline: time.Hour,
			Rollout: &manifest.Rollout{CanaryService: "next", StableService: "web", Steps: []manifest.Step{{Weight: &half}, {Pause: &manifest.Pause{}}}},
		}},
		{"blue-green", n, n, manifest.Strategy{
			Type: manifest.BlueGreen, MaxSurge: 1, MaxUnavailable: n / 4, Deadline: time.Hour,
			Rollout: &manifest.Rollout{ActiveService: "web", PreviewService: "next", Delay: time.Minute},
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			w := workload("b", n, 0, 0)
			w.Strategy = way.how
			var fleet []Pod
			for i := range way.stable + way.fresh {
				p := Pod{Rev: "a", Slot: i, Gen: 1, Ready: true, Available: true, Since: noon}
				if i >= way.stable {
					p.Rev, p.Slot, p.Gen = "b", i-way.stable, 2
				}
				fleet = append(fleet, p)
			}
			done := receipt(live.Stepped, "b", 2, noon)
			done.Step, done.Steps = 1, "1@"+w.Strategy.StepsDigest()
			l := Ledger{Receipts: append(begunB[:3:3], done), Watched: time.Hour}
			for b.Loop() {
				if step := Next(w, fleet, l, noon.Add(time.Minute)); step.Phase != Paused || step.Want["b"] != way.fresh {
					b.Fatalf("%+v", step)
				}
			}
		})
	}
}
