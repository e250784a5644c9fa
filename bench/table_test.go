package main

import (
	"strings"
	"testing"
	"time"
)

func TestTheMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		samples []time.Duration
		want    time.Duration
	}{
		{nil, 0},
		{[]time.Duration{3}, 3},
		{[]time.Duration{9, 1, 5}, 5},
		{[]time.Duration{9, 1, 5, 7}, 6},
	} {
		if got := median(c.samples); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.samples, got, c.want)
		}
	}
}

func TestTheTableSaysWhichPromiseIsBroken(t *testing.T) {
	var out strings.Builder
	kept := print(&out, []row{
		{figure: "fast", ours: "1 s", peer: "2 s", ratio: 0.5, bound: "<= 1", ok: true},
		{figure: "slow", ours: "3 s", peer: "2 s", ratio: 1.5, bound: "<= 1"},
		{figure: "told only", ours: "3 s", peer: "-"},
	})
	want := "FIGURE     OURS  PEER  RATIO  BOUND  OK\n" +
		"fast       1 s   2 s   0.50   <= 1   yes\n" +
		"slow       3 s   2 s   1.50   <= 1   NO\n" +
		"told only  3 s   -     -      -      -\n"
	if kept || out.String() != want {
		t.Errorf("kept %v\n%s", kept, out.String())
	}
}
