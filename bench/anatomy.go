package main

import (
	"fmt"
	"strings"
	"time"
)

// anatomy says where the time between a push and the last start went: until the first write, until the first pod, and how
// long questions were being answered meanwhile, which takes the machine's time from the starts.
func anatomy(calls []call, pushed, last time.Time) string {
	var firstWrite, firstPod time.Time
	var asked time.Duration
	questions := 0
	for _, c := range calls {
		switch {
		case c.began.After(last):
		case c.changes():
			firstWrite = earliest(firstWrite, c.began)
			if strings.HasSuffix(c.path, "/pods/create") {
				firstPod = earliest(firstPod, c.began)
			}
		case !c.ended.IsZero():
			questions++
			asked += c.ended.Sub(c.began)
		}
	}
	return fmt.Sprintf("first write after %s, first pod after %s, %d questions taking %s in all",
		short(firstWrite.Sub(pushed)), short(firstPod.Sub(pushed)), questions, short(asked))
}

// earliest of two moments, of which the first may not be known yet.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
