package job

import (
	"maps"
	"math/rand"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
)

// most is how many completions a Job may have.
const most = 100_000

func TestCountsAreWrittenInRuns(t *testing.T) {
	for _, c := range []struct {
		counts map[int]int
		want   string
	}{
		{nil, ""}, {map[int]int{0: 9}, "9"}, {map[int]int{0: 1, 4: 3, 5: 3}, "1,0*3,3*2"}, {map[int]int{2: 0}, ""},
	} {
		if got := formatCounts(c.counts); got != c.want {
			t.Errorf("%v became %q, want %q", c.counts, got, c.want)
		}
	}
	for _, bad := range []string{"a", "1,", "1*", "-1", "1**2", "0*999999999", "1*131073", "99999999999999999999", strings.Repeat("1,", never) + "1"} {
		if got, err := parseCounts(bad); err == nil {
			t.Errorf("%.20q is %d counts", bad, len(got))
		}
	}
}

func TestATallyOfAsManyIndexesAsThereMayBeFitsInALabel(t *testing.T) {
	dice := rand.New(rand.NewSource(1))
	for _, c := range []struct {
		name             string
		failures, passed func(i int) int
		under            int
	}{
		{"each failed once", func(int) int { return 1 }, func(int) int { return 0 }, 1 << 10},
		{"half of them failed once, at random", func(int) int { return dice.Intn(2) }, func(int) int { return 0 }, 64 << 10},
		{"each failed up to a thousand times, and as often did not count", func(int) int { return dice.Intn(1000) }, func(int) int { return dice.Intn(1000) }, 600 << 10},
		{"each failed up to a hundred thousand times, and as often did not count", func(int) int { return dice.Intn(most) }, func(int) int { return dice.Intn(most) }, 800 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTally()
			for i := range most {
				f, p := c.failures(i), c.passed(i)
				if f > 0 {
					s.Failures[i] = f
				}
				if f+p > 0 {
					s.Tries[i] = f + p
				}
				s.Failed += f
				if c.under > 1<<10 && dice.Intn(2) == 0 {
					s.ended[i] = true
				} else if c.under > 1<<10 && dice.Intn(2) == 0 {
					s.lost[i] = true
				}
			}
			text := s.encode()
			t.Logf("%d bytes", len(text))
			if len(text) >= c.under {
				t.Errorf("%d bytes, want less than %d", len(text), c.under)
			}
			back := decode(text)
			if !maps.Equal(back.Failures, s.Failures) || !maps.Equal(back.Tries, s.Tries) || !maps.Equal(back.ended, s.ended) || !maps.Equal(back.lost, s.lost) || back.Failed != s.Failed {
				t.Error("it came back as another")
			}
		})
	}
}

func TestATallyThatIsNoneCountsForNothing(t *testing.T) {
	huge := manifest.Pack([]byte(`{"succeeded":"` + strings.Repeat(" ", manifest.MaxUnpacked) + `"}`))
	for _, text := range []string{"x", "{", huge, manifest.Pack([]byte("{")), `{"succeeded":"0","of":"1,"}`, `{"succeeded":"0","uncounted":"a"}`} {
		if got := decode(text).encode(); got != "" {
			t.Errorf("%.40q counts for %s", text, got)
		}
	}
}
