// Package turnstiletest comes to a server in crowds, from whatever address, on the clock of a test.
package turnstiletest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Door is a listener to which guests come in memory.
type Door struct {
	come   chan net.Conn
	closed chan struct{}
	close  func()
}

// NewDoor is one at which nobody stands.
func NewDoor() *Door {
	d := &Door{come: make(chan net.Conn, 1024), closed: make(chan struct{})}
	d.close = sync.OnceFunc(func() { close(d.closed) })
	return d
}

// Accept lets in who came first.
func (d *Door) Accept() (net.Conn, error) {
	select {
	case c := <-d.come:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close has nobody let in any more.
func (d *Door) Close() error { d.close(); return nil }

// Addr is no address of this machine's loopback.
func (d *Door) Addr() net.Addr { return here }

var here = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 254), Port: 80}

// Guest is one who came.
type Guest struct {
	net.Conn
	mu    sync.Mutex
	ended bool
}

// end is the server's side of one.
type end struct {
	net.Conn
	from net.Addr
}

func (e end) RemoteAddr() net.Addr { return e.from }
func (e end) LocalAddr() net.Addr  { return here }

// From has somebody of the address 192.0.2.N come, who says each of the words a second after the one before, and nothing more.
func (d *Door) From(n byte, words ...string) *Guest {
	mine, its := net.Pipe()
	g := &Guest{Conn: mine}
	d.come <- end{its, &net.TCPAddr{IP: net.IPv4(192, 0, 2, n), Port: 4711}}
	go func() {
		_, _ = io.Copy(io.Discard, mine)
		g.mu.Lock()
		g.ended = true
		g.mu.Unlock()
		_ = mine.Close()
	}()
	go func() {
		for _, w := range words {
			if _, err := io.WriteString(mine, w); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	return g
}

// Served says whether somebody of the address is answered at once over HTTP.
func (d *Door) Served(n byte) bool {
	mine, its := net.Pipe()
	defer mine.Close()
	d.come <- end{its, &net.TCPAddr{IP: net.IPv4(192, 0, 2, n), Port: 4711}}
	_ = mine.SetDeadline(time.Now().Add(time.Millisecond))
	if _, err := io.WriteString(mine, "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	answer, err := http.ReadResponse(bufio.NewReader(mine), nil)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err == nil
}

// In is how many of them have a connection still.
func In(all []*Guest) (n int) {
	synctest.Wait()
	for _, g := range all {
		g.mu.Lock()
		if !g.ended {
			n++
		}
		g.mu.Unlock()
	}
	return n
}

// Flood has an HTTP server be come to by crowds: who says nothing, or says it very slowly, or has asked and stays, has his connection for so long and no
// longer; one address has so many at most, and all together most. begin has the server answer at the door, and gives what ends it.
func Flood(t *testing.T, begin func(*Door) func(), most, each int, patience, idle time.Duration) {
	slow := []string{"GET / HTTP/1.1\r\n"}
	for i := range int(patience/time.Second) + 5 {
		slow = append(slow, fmt.Sprintf("X-%d: a\r\n", i))
	}
	for name, words := range map[string][]string{"says nothing": nil, "is slow": slow} {
		t.Run("one address that "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDoor()
				defer begin(d)()
				var crowd []*Guest
				for range 2 * most {
					crowd = append(crowd, d.From(1, words...))
				}
				if n := In(crowd); n != each {
					t.Errorf("%d of one address are in", n)
				}
				if !d.Served(2) {
					t.Error("others are not answered")
				}
				time.Sleep(patience + time.Second)
				if n := In(crowd); n != 0 || !d.Served(1) {
					t.Errorf("%d are still in", n)
				}
				time.Sleep(time.Minute)
			})
		})
		t.Run("everybody, who "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDoor()
				defer begin(d)()
				var crowd []*Guest
				for n := range most + 2 {
					crowd = append(crowd, d.From(byte(n+1), words...))
				}
				synctest.Wait()
				if len(d.come) != 2 { // until there is room for them
					t.Errorf("%d wait", len(d.come))
				}
				time.Sleep(patience + time.Second)
				if n := In(crowd); n > 2 || !d.Served(1) {
					t.Errorf("%d are still in", n)
				}
				time.Sleep(time.Minute)
			})
		})
	}
	t.Run("who has asked and stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := NewDoor()
			defer begin(d)()
			var crowd []*Guest
			for range each {
				crowd = append(crowd, d.From(1, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			}
			if n := In(crowd); n != each || d.Served(1) || !d.Served(2) {
				t.Errorf("%d are in", n)
			}
			time.Sleep(idle + time.Second)
			if n := In(crowd); n != 0 || !d.Served(1) {
				t.Errorf("%d are still in", n)
			}
		})
	})
	t.Run("a header without end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := NewDoor()
			defer begin(d)()
			long := make([]byte, 1<<20)
			for i := range long {
				long[i] = 'a'
			}
			g := d.From(1, "GET / HTTP/1.1\r\nX: "+string(long))
			time.Sleep(time.Second)
			if In([]*Guest{g}) != 0 {
				t.Error("it is read on")
			}
			time.Sleep(time.Minute)
		})
	})
}
