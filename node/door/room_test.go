package door

import (
	"net/http"
	"testing"
)

func TestAnIdleConnectionMakesRoomWhateverIsSpoken(t *testing.T) {
	for _, second := range []bool{false, true} {
		s := newStage(t, func(l *limits) { l.conns = 2 })
		came, end := make(chan struct{}), make(chan struct{})
		s.service("slow", s.pod(func(http.ResponseWriter, *http.Request) { came <- struct{}{}; <-end }))
		s.service("echo", s.pod(echo))
		s.rules(to("slow", at("/slow")), to("echo"))
		for range 2 {
			if why := once(s.client(second), "https://a.test/"); why != "" {
				t.Fatal(why)
			}
		}
		said := make(chan string)
		for range 2 { // both take the place of one that is idle
			go func() { said <- once(s.client(second), "https://a.test/slow") }()
			<-came
		}
		for _, c := range s.open() {
			if c.idle.Load() != 0 {
				t.Errorf("HTTP/2: %v: one that is asked something counts as idle", second)
			}
		}
		go func() { said <- once(s.client(second), "https://a.test/") }() // waits until one of them is idle
		close(end)
		for range 3 {
			if why := <-said; why != "" {
				t.Errorf("HTTP/2: %v: %s", second, why)
			}
		}
	}
}
