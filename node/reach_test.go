package node

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
)

func TestWhoIsReachedHearsTheEndAndIsHeardToHis(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // says back what it heard, once it has heard all
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		all, _ := io.ReadAll(conn)
		_, _ = conn.Write(bytes.ToUpper(all))
	}()
	var out bytes.Buffer
	if err := Reach(t.Context(), listener.Addr().String(), strings.NewReader("hello"), &out); err != nil || out.String() != live.SideReached+"HELLO" {
		t.Errorf("%q, %v", out.String(), err)
	}
	_ = listener.Close()
	out.Reset()
	if err := Reach(t.Context(), listener.Addr().String(), strings.NewReader("hello"), &out); err == nil || out.Len() > 0 {
		t.Errorf("nobody is there: %q, %v", out.String(), err)
	}
}
