package reconciler

import "time"

// lagSlack is how much later than planned a pass may come and still count as on time.
const lagSlack = 5 * time.Second

// stopwatch counts the time for which the controller was awake. A node's silence is counted on it, so that a controller
// that was stopped, suspended or starved does not take its own absence for the nodes'.
type stopwatch struct {
	most time.Duration // the longest that counts between two ticks
	ran  time.Duration
	last time.Time
}

func (s *stopwatch) tick(now time.Time) {
	if !s.last.IsZero() {
		s.ran += max(0, min(now.Sub(s.last), s.most))
	}
	s.last = now
}

// backoff is the delay after so many failures in a row: first, doubling, at most most.
func backoff(failures int, first, most time.Duration) time.Duration {
	d := first
	for range failures - 1 {
		if d >= most {
			break
		}
		d *= 2
	}
	return min(d, most)
}
