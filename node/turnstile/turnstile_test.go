package turnstile

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// door lets in whoever asks, each from an address of his own, but for a hundred from the first.
type door struct {
	let    int
	crowds bool
}

// guest is one who came.
type guest struct {
	net.Conn
	from net.TCPAddr
}

func (g *guest) RemoteAddr() net.Addr { return &g.from }

func (d *door) Accept() (net.Conn, error) {
	d.let++
	conn, _ := net.Pipe()
	last := byte(d.let)
	if d.crowds && d.let <= 100 {
		last = 0
	}
	return &guest{conn, net.TCPAddr{IP: net.IPv4(192, 0, 2, last)}}, nil
}

func (d *door) Close() error   { return nil }
func (d *door) Addr() net.Addr { return nil }

func TestAConnectionIsTakenWhenAnotherHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{}
		b := New(d, 2, 1, time.Minute)
		conns, ended := make(chan net.Conn, 10), make(chan error)
		go func() {
			for {
				conn, err := b.Accept()
				if err != nil {
					ended <- err
					return
				}
				conns <- conn
			}
		}()
		synctest.Wait()
		if d.let != 2 {
			t.Errorf("%d are let in", d.let)
		}
		first := <-conns
		_, _ = first.Close(), first.Close()
		synctest.Wait()
		if d.let != 3 {
			t.Errorf("%d are let in when one has ended", d.let)
		}
		_ = b.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestNobodyHasMoreThanHisShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{crowds: true}
		b := New(d, 8, 2, time.Minute)
		conns := make(chan net.Conn, 10)
		go func() {
			for {
				conn, err := b.Accept()
				if err != nil {
					close(conns)
					return
				}
				conns <- conn
			}
		}()
		synctest.Wait()
		first := <-conns
		if d.let != 106 || len(conns) != 7 { // two of the first, and six others
			t.Errorf("%d came, %d are in", d.let, len(conns))
		}
		_ = first.Close()
		synctest.Wait()
		if d.let != 107 || len(conns) != 8 || len(b.shares.of) != 8 {
			t.Errorf("%d came, %d are in", d.let, len(conns))
		}
		_ = b.Close()
		for conn := range conns {
			_ = conn.Close()
		}
		if len(b.shares.of) != 0 {
			t.Errorf("they are remembered: %v", b.shares.of)
		}
	})
}
