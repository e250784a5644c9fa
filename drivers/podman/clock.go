package podman

import (
	"net/http"
	"sync"
	"time"
)

// clock knows how far the host's clock is ahead of ours. The Date of an answer counts whole seconds, so one answer
// gives a range; the figure moves only when an answer contradicts it, which keeps corrected times still.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) saw(date string, sent, received time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	low, high := at.Sub(received), at.Add(time.Second).Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
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
