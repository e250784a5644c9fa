package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
)

// answer is who answered, and what the other side saw as the source.
type answer struct {
	pod  int
	from string
}

// serve answers as a pod until the test ends.
func (l *lab) serve(ns netns.NsHandle, number int) {
	at := netip.AddrPortFrom(podIP(number), 8080).String()
	for _, network := range []string{"tcp4", "udp4"} {
		e := l.echo(ns, network, at, number)
		l.t.Cleanup(func() { e.Close() })
	}
}

// hostself is the number of the host, when it answers itself.
const hostself = 1000

// listen has somebody listen who answers as the host.
func (l *lab) listen(ns netns.NsHandle, network, at string) io.Closer {
	return l.echo(ns, network, at, hostself)
}

// ended closes, and waits for what was begun.
type ended func()

func (e ended) Close() error { e(); return nil }

// echo answers each question with a line, "NUMBER SOURCE".
func (l *lab) echo(ns netns.NsHandle, network, at string, number int) io.Closer {
	var tcp net.Listener
	var udp net.PacketConn
	do(l.t, ns, func() (err error) {
		if strings.HasPrefix(network, "udp") {
			udp, err = net.ListenPacket(network, at)
		} else {
			tcp, err = net.Listen(network, at)
		}
		return err
	})
	var under sync.WaitGroup
	if udp != nil {
		under.Go(func() {
			b := make([]byte, 64)
			for n, from, err := udp.ReadFrom(b); err == nil; n, from, err = udp.ReadFrom(b) {
				_, _ = udp.WriteTo(fmt.Appendln(nil, number, from.(*net.UDPAddr).IP, string(b[:n])), from)
			}
		})
		return ended(func() { udp.Close(); under.Wait() })
	}
	under.Go(func() {
		for c, err := tcp.Accept(); err == nil; c, err = tcp.Accept() {
			under.Go(func() {
				defer c.Close()
				b := make([]byte, 1)
				for _, err := c.Read(b); err == nil; _, err = c.Read(b) {
					fmt.Fprintln(c, number, c.RemoteAddr().(*net.TCPAddr).IP)
				}
			})
		}
	})
	return ended(func() { tcp.Close(); under.Wait() })
}

// ask connects from the namespace of this thread.
func ask(network, to string) (a answer, err error) {
	c, err := net.DialTimeout(network+"4", to, soon)
	if err != nil {
		return a, err
	}
	defer hangUp(c)
	return say(c)
}

// hangUp leaves nothing behind of a connection. With so many, ports are used again before pods have forgotten them.
func hangUp(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// say asks by a connection that there is.
func say(c net.Conn) (a answer, err error) {
	_ = c.SetDeadline(time.Now().Add(soon))
	if _, err := c.Write([]byte("?")); err != nil {
		return a, err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return a, err
	}
	_, err = fmt.Sscan(line, &a.pod, &a.from)
	return a, err
}

// ask connects from a namespace, and must be answered.
func (l *lab) ask(ns netns.NsHandle, network, to string) (a answer) {
	l.t.Helper()
	do(l.t, ns, func() (err error) { a, err = ask(network, to); return err })
	return a
}

// refused says that the other side says no at once.
func (l *lab) refused(ns netns.NsHandle, network, to string) {
	l.t.Helper()
	err := inside(ns, func() error { _, err := ask(network, to); return err })
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EPERM) { // EPERM is what the host itself gets by UDP
		l.t.Errorf("%s to %s: want it refused, got %v", network, to, err)
	}
}

// client is a UDP client that keeps its port.
func (l *lab) client(ns netns.NsHandle, to string) net.Conn {
	var c net.Conn
	do(l.t, ns, func() (err error) { c, err = net.Dial("udp4", to); return err })
	l.t.Cleanup(func() { c.Close() })
	return c
}
