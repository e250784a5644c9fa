package sim

import (
	"flag"
	"fmt"
	"testing"
)

var days = flag.Int("days", 50, "days of pushes; a year is 365")

// Daily pushes, good ones, bad ones and pauses, leave on no node more of what was written down than five receipts a workload.
func TestDailyPushesLeaveFewReceipts(t *testing.T) {
	t.Parallel()
	const nodes, workloads, most = 20, 8, 5
	s := New()
	s.care = none
	do := func(line string) {
		t.Helper()
		if _, err := s.Do(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	fleet, first := "fleet", "commit c0 job/load image=once"
	for n := range nodes {
		fleet += fmt.Sprintf(" n%02d", n+1)
	}
	for w := range workloads - 1 {
		first += fmt.Sprintf("; w%d image=v0 replicas=3 deadline=60", w)
	}
	do(fleet)
	do(first)
	do("settle")
	fullest := 0
	for day := 1; day <= *days; day++ {
		image := fmt.Sprintf("v%d", day)
		w := fmt.Sprintf("w%d", day%(workloads-1))
		if day%9 == 0 {
			image = "bad"
		}
		do(fmt.Sprintf("commit c%d %s image=%s; job/load image=once-%d", day, w, image, day))
		if day%5 == 0 {
			do("settle 1s")
			do(fmt.Sprintf("commit p%d %s paused", day, w))
			do("settle 1s")
			do(fmt.Sprintf("commit q%d %s paused=", day, w))
		}
		do("settle 3m")
		for _, host := range s.world.Hosts() {
			fullest = max(fullest, len(s.world.Truth(host, cluster).Receipts))
		}
	}
	t.Logf("%d receipts at most on a node, of %d workloads", fullest, workloads)
	if fullest > most*workloads {
		t.Errorf("%d receipts on a node, want at most %d", fullest, most*workloads)
	}
}
