package door

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

var errUpgrade = errors.New("the pod changes to a protocol that nobody asked for")

// upgrade passes bytes both ways once a pod has changed the protocol, until one side ends.
func (x *exchange) upgrade(l *link, q *question, a *http.Response) error {
	if q.upgrade == "" || !strings.EqualFold(a.Header.Get("Upgrade"), q.upgrade) {
		return &failure{errUpgrade, answered}
	}
	h := a.Header.Clone()
	unhop(h)
	x.rule.answer.change(h)
	x.back.answer.change(h)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{a.Header.Get("Upgrade")}
	conn, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return &failure{err, answered}
	}
	defer func() { _ = conn.Close() }()
	x.status = a.StatusCode
	head := &http.Response{StatusCode: a.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: h}
	if head.Write(rw) != nil || rw.Flush() != nil {
		return nil // the client went
	}
	_ = conn.SetDeadline(time.Time{})
	_ = l.conn.SetDeadline(time.Time{})
	patience := longestStream
	if x.rule.Read > 0 {
		patience = x.rule.Read
	}
	l.read = patience
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		relay(l.conn, conn, rw.Reader, patience, &last)
		_, _ = conn.Close(), l.conn.Close()
	}()
	x.sent = relay(conn, l.conn, l.r, patience, &last)
	_, _ = conn.Close(), l.conn.Close()
	<-ended
	return nil
}

// relay copies from one connection, what is read ahead of it first, until it ends or both have said nothing for that long.
func relay(to, conn net.Conn, from io.Reader, patience time.Duration, last *atomic.Int64) (sent int64) {
	room := buffers.Get().(*[]byte)
	defer buffers.Put(room)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		n, err := from.Read(*room)
		if n > 0 {
			last.Store(time.Now().UnixNano())
			_ = to.SetWriteDeadline(time.Now().Add(longestSend))
			m, err := to.Write((*room)[:n])
			if sent += int64(m); err != nil {
				return sent
			}
		}
		if err != nil && !(isTimeout(err) && time.Since(time.Unix(0, last.Load())) < patience) {
			return sent
		}
	}
}
