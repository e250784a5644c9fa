package podman

import (
	"net/http"
	"sync"
	"time"
)

// clock knows how far the host's clock is ahead of ours. The Date of an answer counts whole seconds, so one answer
// gives a range, and several narrow it. The figure moves only when an answer contradicts it, which keeps corrected
// times still; a range that contradicts all before it is a clock that was set, and starts anew.
type clock struct {
	mu        sync.Mutex
	known     bool
	low, high time.Duration
	ahead     time.Duration
}

func (c *clock) saw(date string, sent, received time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	low, high := at.Sub(received), at.Add(time.Second).Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && low <= c.high && high >= c.low {
		low, high = max(low, c.low), min(high, c.high)
	}
	c.known, c.low, c.high = true, low, high
	if c.ahead < low || c.ahead > high {
		c.ahead = (low + high) / 2
	}
}

// skew is 0 below 1.5 s, where the Date cannot tell.
func (c *clock) skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ahead.Abs() < 1500*time.Millisecond {
		return 0
	}
	return c.ahead.Round(time.Millisecond)
}
