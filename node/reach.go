package node

import (
	"context"
	"io"
	"net"

	"github.com/podkeep/podkeep/live"
)

// Reach joins a stream to a TCP connection that is made from here, and says SideReached on it first. It ends when who was reached has said all.
func Reach(ctx context.Context, address string, in io.Reader, out io.Writer) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(out, live.SideReached); err != nil {
		return err
	}
	go func() { // a read of in cannot be cut off: it ends with the process
		_, _ = io.Copy(conn, in)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(out, conn)
	return err
}
