package names

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

// door lets in whoever asks.
type door struct{ let int }

func (d *door) Accept() (net.Conn, error) {
	d.let++
	conn, _ := net.Pipe()
	return conn, nil
}

func (d *door) Close() error   { return nil }
func (d *door) Addr() net.Addr { return nil }

func TestAConnectionIsTakenWhenAnotherHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{}
		b := newBounded(d, 2)
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
