package door

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

// mostInterim are answers that only say that another comes.
const mostInterim = 8

// first asks a pod by HTTP/1.1. A connection that the pod closed meanwhile is no attempt where the request may be sent again.
func (x *exchange) first(p *pod, q *question, end time.Time) error {
	for {
		l, err := x.link(p, q, end)
		if err != nil {
			return &failure{err, unsent}
		}
		err = x.over(p, l, q, end)
		if errors.Is(err, errStale) {
			continue
		}
		var f *failure
		if err != nil && l.used && q.again && errors.As(err, &f) && f.far == unanswered && !isTimeout(err) && !x.left() {
			continue
		}
		return err
	}
}

func (x *exchange) link(p *pod, q *question, end time.Time) (*link, error) {
	if l := p.take(q.body == nil); l != nil {
		return l, nil
	}
	connect, _, _ := x.patience()
	if !end.IsZero() {
		connect = max(min(connect, time.Until(end)), 1)
	}
	return p.connect(x.r.Context(), name(q.host), connect)
}

// over asks by that connection, and keeps it if it can be used again.
func (x *exchange) over(p *pod, l *link, q *question, end time.Time) (err error) {
	_, read, send := x.patience()
	l.begin(read, send, x.door.limits.slack, end)
	away := context.AfterFunc(x.r.Context(), func() { _ = l.conn.Close() }) // a client that goes needs no answer
	keep := false
	defer func() {
		if away() && keep {
			p.give(l)
			return
		}
		_ = l.conn.Close()
	}()
	sending, err := x.send(l, q)
	if err != nil {
		return err
	}
	a, err := x.receive(l)
	if err != nil {
		if bad := sending.stop(x, l); isTimeout(bad) {
			err = bad
		} else if l.late.Load() {
			err = errLate{}
		}
		return &failure{err, l.far()}
	}
	l.unbounded()
	if a.StatusCode == http.StatusSwitchingProtocols {
		if sending.stop(x, l) != nil {
			return &failure{errUpgrade, answered}
		}
		away() // relay sees that he goes; that he says nothing for long looks the same to net/http
		return x.upgrade(l, q, a)
	}
	if streams(a.Header) && x.rule.Read == 0 {
		l.read = max(read, longestStream)
	}
	x.pass(a)
	if err = x.stream(a); err != nil {
		sending.stop(x, l)
		return &failure{err, answered}
	}
	keep = sending.stop(x, l) == nil && !a.Close && l.r.Buffered() == 0
	return nil
}

// far is how far a request got whose answer did not come.
func (l *link) far() int {
	if l.left < mostAnswered {
		return answered
	}
	return unanswered
}

// sending is a body that is sent while the answer comes.
type sending struct {
	done chan struct{} // nil where all of it is sent
	err  error
}

// send writes the request. What is small is sent when it returns.
func (x *exchange) send(l *link, q *question) (*sending, error) {
	x.lead(l.w, q)
	_, _ = l.w.Write(q.small)
	s := &sending{}
	l.hold = q.body == nil && l.direct && l.w.Buffered() > 0
	if err := l.w.Flush(); err != nil {
		return s, &failure{err, unanswered}
	}
	if q.body != nil {
		s.done = make(chan struct{})
		x.both(s.done)
		l.asked.Store(math.MaxInt64)
		go func() {
			defer close(s.done)
			s.err = x.upload(l, q)
			l.asked.Store(time.Now().UnixNano())
		}()
	}
	return s, nil
}

// lead writes the line and the headers. bufio remembers errors until Flush.
func (x *exchange) lead(w *bufio.Writer, q *question) {
	put := func(name, value string) {
		_, _ = w.WriteString(name)
		_, _ = w.WriteString(": ")
		_, _ = w.WriteString(value)
		_, _ = w.WriteString("\r\n")
	}
	_, _ = w.WriteString(x.r.Method)
	_ = w.WriteByte(' ')
	_, _ = w.WriteString(q.target)
	_, _ = w.WriteString(" HTTP/1.1\r\n")
	put("Host", q.host)
	for name, values := range x.r.Header {
		if name == "Content-Length" || name == "Host" {
			continue
		}
		for _, v := range values {
			put(name, v)
		}
	}
	if q.upgrade != "" {
		put("Connection", "Upgrade")
		put("Upgrade", q.upgrade)
	}
	switch n := x.r.ContentLength; {
	case n > 0:
		put("Content-Length", strconv.FormatInt(n, 10))
	case n < 0:
		for name := range x.r.Trailer {
			put("Trailer", name)
		}
		put("Transfer-Encoding", "chunked")
	case x.r.Method == http.MethodPost || x.r.Method == http.MethodPut || x.r.Method == http.MethodPatch:
		put("Content-Length", "0")
	}
	_, _ = w.WriteString("\r\n")
}

// upload sends a body that is not small, as it comes.
func (x *exchange) upload(l *link, q *question) error {
	room := buffers.Get().(*[]byte)
	defer buffers.Put(room)
	if x.r.ContentLength >= 0 {
		n, err := io.CopyBuffer(struct{ io.Writer }{l}, struct{ io.Reader }{q.body}, *room)
		if err == nil && n != x.r.ContentLength {
			err = io.ErrUnexpectedEOF
		}
		return x.unfinished(l, err)
	}
	chunks := httputil.NewChunkedWriter(struct{ io.Writer }{l})
	if _, err := io.CopyBuffer(chunks, struct{ io.Reader }{q.body}, *room); err != nil {
		return x.unfinished(l, err)
	}
	_ = chunks.Close()
	_ = x.r.Trailer.Write(l)
	_, err := io.WriteString(l, "\r\n")
	return err
}

// unfinished closes the connection where the client did not send all, else the pod waits for the rest, and where the pod took nothing for too long. Where it takes
// no more its answer may be there.
func (x *exchange) unfinished(l *link, err error) error {
	late := isTimeout(err) && x.body.trouble() == 0
	l.late.Store(late)
	if late || x.body.trouble() != 0 || errors.Is(err, io.ErrUnexpectedEOF) {
		_ = l.conn.Close()
	}
	return err
}

var errUnsent = errors.New("the answer came before all of the request was sent")

// stop has nothing sent any more, and is nil where all was. A read from the client goes on until the exchange leaves: to break it off looks to net/http as if he
// had gone. If he has, it ends at once and says why.
func (s *sending) stop(x *exchange, l *link) error {
	if s.done == nil {
		return nil
	}
	select {
	case <-s.done:
		return s.err
	default:
	}
	_ = l.conn.Close()
	if x.left() {
		<-s.done
	}
	return errUnsent
}

// receive reads the head of an answer.
func (x *exchange) receive(l *link) (*http.Response, error) {
	for range mostInterim {
		a, err := http.ReadResponse(l.r, x.r)
		switch {
		case err != nil:
			return nil, err
		case a.StatusCode >= 200 && a.StatusCode <= 999 || a.StatusCode == http.StatusSwitchingProtocols:
			return a, nil
		case a.StatusCode < 100:
			return nil, fmt.Errorf("status %d", a.StatusCode)
		case a.StatusCode == http.StatusEarlyHints && x.r.ProtoAtLeast(1, 1):
			x.hint(a.Header)
		}
	}
	return nil, errors.New("the pod's answer does not come")
}

// hint passes on what the pod says before its answer.
func (x *exchange) hint(h http.Header) {
	x.w.Header()["Link"] = h["Link"]
	x.w.WriteHeader(http.StatusEarlyHints)
	delete(x.w.Header(), "Link")
}
