package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one figure: ours, what it is held against, and how far it may be from it.
type row struct {
	figure string
	ours   string
	peer   string
	ratio  float64 // 0 where there is no peer
	bound  string  // empty where nothing is promised
	ok     bool
}

// within is a figure that may be no more than a limit.
func within(figure string, ours []time.Duration, limit time.Duration) row {
	ratio := quotient(median(ours), limit)
	return row{figure, spread(ours), "asked: " + short(limit), ratio, "<= 1.00", ratio <= 1}
}

// print writes the table and says whether every promise was kept.
func print(w io.Writer, rows []row) bool {
	all := true
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tOURS\tHELD AGAINST\tRATIO\tBOUND\tOK")
	for _, r := range rows {
		ratio := "-"
		if r.ratio > 0 {
			ratio = fmt.Sprintf("%.2f", r.ratio)
		}
		bound, ok := "-", "-"
		if r.bound != "" {
			bound, ok = r.bound, "yes"
			if !r.ok {
				ok, all = "NO", false
			}
		}
		fmt.Fprintln(t, strings.Join([]string{r.figure, r.ours, cmp.Or(r.peer, "-"), ratio, bound, ok}, "\t"))
	}
	_ = t.Flush()
	return all
}

// median of an odd number of samples is the middle one, of an even number the mean of the middle two. Of none it is 0.
func median[T time.Duration | float64](samples []T) T {
	s := slices.Sorted(slices.Values(samples))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// spread is the median with the smallest and the largest sample, as people read it.
func spread(samples []time.Duration) string {
	if len(samples) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s (%s to %s)", short(median(samples)), short(slices.Min(samples)), short(slices.Max(samples)))
}

func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	}
}

func quotient(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// thousands is a number with commas in it.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
