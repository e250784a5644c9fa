package door

import (
	"io"
	"net"
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

func TestAConnectionOwesWhatItsClientHasNotTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := &conn{tcp: raw.(*net.TCPConn)}
	if c.owes() {
		t.Error("nothing was written, and it owes")
	}
	go func() { _, _ = raw.Write(make([]byte, 64<<20)) }() // more than both ends keep
	until(t, "it owes", c.owes)
	if _, err := io.CopyN(io.Discard, client, 64<<20); err != nil {
		t.Fatal(err)
	}
	until(t, "it owes nothing", func() bool { return !c.owes() })
}
