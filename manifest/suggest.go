package manifest

import (
	"fmt"
	"strings"
)

// didYouMean is `; did you mean "x"?` for the candidate nearest to the word, or empty when none is near.
func didYouMean(word string, candidates []string) string {
	if best := nearest(word, candidates); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// maxCandidates is among how many names one is looked for: what takes long is worth no hint.
const maxCandidates = 1000

// nearest is the candidate nearest to the word, the first on a tie, or empty when none is near.
func nearest(word string, candidates []string) string {
	if len(candidates) > maxCandidates {
		return ""
	}
	best, least := "", 1+min(3, max(1, len(word)/3))
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c), least); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is how many letters must be added, dropped, changed or swapped with their neighbour. Words whose lengths differ by limit
// or more are not compared, and are limit apart.
func distance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			next[j+1] = min(row[j+1]+1, next[j]+1, row[j]+differ(a[i], b[j]))
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}

func abs(n int) int { return max(n, -n) }
