package node

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/podkeep/podkeep/live"
)

// longestAnswer is how long who was reached may go on once he has heard all: who asked may be gone, and nobody would say so here.
const longestAnswer = 10 * time.Minute

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
		_ = conn.SetReadDeadline(time.Now().Add(longestAnswer))
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(out, conn)
	return err
}
