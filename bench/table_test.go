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
		within("asked", []time.Duration{time.Second}, 4*time.Second),
		within("missed", []time.Duration{time.Second}, 500*time.Millisecond),
		{figure: "told only", ours: "3 s"},
	})
	want := "FIGURE     OURS                       HELD AGAINST   RATIO  BOUND    OK\n" +
		"fast       1 s                        2 s            0.50   <= 1     yes\n" +
		"slow       3 s                        2 s            1.50   <= 1     NO\n" +
		"asked      1.00 s (1.00 s to 1.00 s)  asked: 4.00 s  0.25   <= 1.00  yes\n" +
		"missed     1.00 s (1.00 s to 1.00 s)  asked: 500 ms  2.00   <= 1.00  NO\n" +
		"told only  3 s                        -              -      -        -\n"
	if kept || out.String() != want {
		t.Errorf("kept %v\n%s", kept, out.String())
	}
}

func TestATableWithoutABrokenPromiseSaysSo(t *testing.T) {
	var out strings.Builder
	if !print(&out, []row{{figure: "fast", bound: "<= 1", ok: true}, {figure: "told only"}}) {
		t.Error(out.String())
	}
}

func TestAFigureIsTheMiddleWithBothEnds(t *testing.T) {
	if got := spread([]time.Duration{3 * time.Second, 999 * time.Millisecond, 40 * time.Millisecond}); got != "999 ms (40 ms to 3.00 s)" {
		t.Error(got)
	}
	if got := spread([]time.Duration{1500 * time.Microsecond}); got != "1.50 ms (1.50 ms to 1.50 ms)" {
		t.Error(got)
	}
	if got := quotient(3*time.Second, 2*time.Second); got != 1.5 {
		t.Error(got)
	}
}

func TestARateIsHeldAgainstThoseOfItsRound(t *testing.T) {
	ours, a, b := came{rates: []float64{10, 5, 1}}, came{rates: []float64{9, 4, 1}}, came{rates: []float64{11, 6, 7}}
	if got := ours.against(a, b); got != 1 {
		t.Errorf("it is %v of theirs, want 1", got)
	}
}

func TestThousandsHaveCommas(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
