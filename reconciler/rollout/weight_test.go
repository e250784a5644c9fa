package rollout

import (
	"fmt"
	"math/big"
	"testing"
)

func TestCountsFollowTheWeight(t *testing.T) {
	weights := []int{1, 10, 20, 25, 33, 50, 60, 75, 80, 90, 99, 100}
	for _, row := range []struct {
		n      int
		surges []int
		want   []string
	}{
		{1, []int{0}, []string{"0/1", "0/1", "0/1", "0/1", "0/1", "1/0", "1/0", "1/0", "1/0", "1/0", "1/0", "1/0"}},
		{1, []int{1, 2, 10}, []string{"1/1", "1/1", "1/1", "1/1", "1/1", "1/1", "1/1", "1/1", "1/1", "1/1", "1/1", "1/0"}},
		{3, []int{1, 2, 10}, []string{"1/3", "1/3", "1/3", "1/3", "1/2", "2/2", "2/1", "3/1", "3/1", "3/1", "3/1", "3/0"}},
		{5, []int{0}, []string{"1/4", "1/4", "1/4", "1/4", "2/3", "3/2", "3/2", "4/1", "4/1", "4/1", "4/1", "5/0"}},
		{5, []int{1, 2, 10}, []string{"1/5", "1/5", "1/4", "1/4", "2/4", "3/3", "3/2", "4/1", "4/1", "5/1", "5/1", "5/0"}},
		{10, []int{0}, []string{"1/9", "1/9", "2/8", "3/7", "3/7", "5/5", "6/4", "8/2", "8/2", "9/1", "9/1", "10/0"}},
		{10, []int{1, 2, 10}, []string{"1/10", "1/9", "2/8", "3/8", "3/7", "5/5", "6/4", "8/3", "8/2", "9/1", "10/1", "10/0"}},
	} {
		for _, surge := range row.surges {
			for i, want := range row.want {
				canary, stable := counts(row.n, weights[i], surge)
				if got := fmt.Sprintf("%d/%d", canary, stable); got != want {
					t.Errorf("%d replicas, surge %d, weight %d: %s, want %s", row.n, surge, weights[i], got, want)
				}
			}
		}
	}
}

func TestNoShareSuitsButAllPodsButOne(t *testing.T) {
	for _, c := range [][2]int{{2, 75}, {5, 90}, {10, 95}, {25, 98}, {50, 99}} {
		if canary, stable := counts(c[0], c[1], 0); canary != c[0]-1 || stable != 1 {
			t.Errorf("%d replicas, weight %d: %d/%d", c[0], c[1], canary, stable)
		}
	}
}

func TestCountsAreThoseOfTheRuleAtEveryWeight(t *testing.T) {
	for n := range 14 {
		for weight := range 101 {
			for surge := range 11 {
				canary, stable := counts(n, weight, surge)
				if c, s := ruled(n, weight, surge); canary != c || stable != s {
					t.Errorf("%d replicas, weight %d, surge %d: %d/%d, and the rule gives %d/%d", n, weight, surge, canary, stable, c, s)
				}
				if err := sound(n, weight, surge); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// ruled is the rule of Argo Rollouts in its own order, in fractions: a list of what may be had, of which the first that is closest is taken.
func ruled(n, weight, surge int) (canary, stable int) {
	type split struct{ canary, total int }
	share := func(total int) *big.Rat { return big.NewRat(int64(total)*int64(weight), 100) }
	halfway := func(total int) bool { return share(total).Denom().Int64() == 2 }
	whole := new(big.Int).Quo(share(n).Num(), share(n).Denom())
	down, up := int(whole.Int64()), int(whole.Int64())
	if !share(n).IsInt() {
		up++
	}
	zero := weight == 0 || weight == 100 || n == 1 && surge == 0
	var splits []split
	if n == 0 {
		return 0, 0
	}
	if up < n || zero {
		splits = append(splits, split{up, n})
	}
	if !halfway(n) && (down != 0 || zero) {
		splits = append(splits, split{down, n})
	}
	if surge > 0 {
		splits = append(splits, split{up, n + 1})
		if !halfway(n+1) && (down != 0 || zero) {
			splits = append(splits, split{down, n + 1})
		}
	}
	if len(splits) == 0 {
		return n - 1, 1
	}
	var best *big.Rat
	for _, s := range splits {
		off := new(big.Rat).Sub(big.NewRat(int64(s.canary), int64(s.total)), big.NewRat(int64(weight), 100))
		if off.Abs(off); best == nil || off.Cmp(best) < 0 {
			best, canary, stable = off, s.canary, s.total-s.canary
		}
	}
	return canary, stable
}

// sound holds what must be true of any way to count: no more pods than are allowed and no fewer than asked for, both revisions run
// in mid-way, and a higher weight never takes a pod from the canary.
func sound(n, weight, surge int) error {
	canary, stable := counts(n, weight, surge)
	what := fmt.Sprintf("%d replicas, weight %d, surge %d: %d/%d", n, weight, surge, canary, stable)
	if total := canary + stable; total < n || total > n+min(surge, 1) || canary < 0 || stable < 0 {
		return fmt.Errorf("%s: not as many pods as asked for", what)
	}
	switch {
	case n == 0:
		return nil
	case weight == 0 && canary != 0, weight == 100 && stable != 0:
		return fmt.Errorf("%s: no pod of the other revision may be there", what)
	case 0 < weight && weight < 100 && n+surge > 1 && (canary == 0 || stable == 0):
		return fmt.Errorf("%s: both must have a pod", what)
	}
	if weight > 0 {
		if c, s := counts(n, weight-1, surge); c > canary {
			return fmt.Errorf("%s: less than %d/%d at one weight less", what, c, s)
		}
	}
	return nil
}
