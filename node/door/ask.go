package door

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// How far a request got that a pod did not answer.
const (
	unsent     = iota // nothing of it was sent: any may be sent to another pod
	unanswered        // no byte of an answer came: what may be repeated may be
	answered
)

// failure is why a pod did not answer.
type failure struct {
	error
	far int
}

func (f *failure) Unwrap() error { return f.error }

var errNobody = errors.New("no pod is left to ask")

// question is a request as a pod sees it.
type question struct {
	target  string
	host    string
	upgrade string // the protocol that it asks to change to
	small   []byte // its whole body, and
	body    io.Reader
	again   bool // it may be sent twice
}

// ask sends the request to a pod, and to another where that is safe.
func (x *exchange) ask() {
	if len(x.back.pods) == 0 {
		x.text(http.StatusServiceUnavailable)
		return
	}
	if x.rule.Whole > 0 {
		x.end = x.began.Add(x.rule.Whole)
	}
	q, err := x.question()
	if err != nil {
		x.fail(err)
		return
	}
	var room [mostAttempts]*pod
	err = errNobody
	for tried := room[:0]; len(tried) < mostAttempts; {
		back := x.back
		if len(tried) > 0 { // those of the table that it came by may be gone by now
			back = x.door.table.Load().now(back)
		}
		p := back.pick(tried)
		if p == nil {
			break
		}
		if len(tried) > 0 {
			x.door.metrics.retries.Add(1)
		}
		tried = append(tried, p)
		x.pod, x.attempts = p.addr, len(tried)
		if err = x.attempt(p, q); err == nil || !x.repeats(q, err) {
			break
		}
	}
	if err != nil {
		x.fail(err)
	}
}

// attempt asks one pod.
func (x *exchange) attempt(p *pod, q *question) error {
	p.busy.Add(1)
	defer p.busy.Add(-1)
	end := x.end
	if a := x.rule.Attempt; a > 0 {
		if by := time.Now().Add(a); end.IsZero() || by.Before(end) {
			end = by
		}
	}
	if p.h2 != nil {
		return x.second(p, q, end)
	}
	return x.first(p, q, end)
}

// repeats says whether another pod may be asked after that.
func (x *exchange) repeats(q *question, err error) bool {
	var f *failure
	if x.begun() || x.rule.Once || !errors.As(err, &f) || x.body.trouble() != 0 || x.left() || !x.end.IsZero() && !time.Now().Before(x.end) {
		return false
	}
	return f.far == unsent || f.far == unanswered && q.again && !isTimeout(err)
}

// question changes the request as the rule says.
func (x *exchange) question() (*question, error) {
	h := x.r.Header
	q := &question{target: x.target, host: x.r.Host}
	if x.r.ProtoMajor == 1 {
		q.upgrade = upgradeOf(h)
	}
	trailers := lists(h["Te"], "trailers")
	unhop(h)
	delete(h, "Expect") // what is waited for, we say ourselves
	delete(h, "Http2-Settings")
	delete(h, "Proxy")
	if trailers && strings.HasPrefix(x.back.Protocol, "h2") {
		h["Te"] = []string{"trailers"}
	}
	x.tell(x.peer)
	x.rule.request.change(h)
	x.back.request.change(h)
	if x.back.Host != "" {
		q.host = x.back.Host
	}
	if w := x.rule.Rewrite; w != nil {
		q.host = or(w.Host, q.host)
		if w.Kind != "" {
			q.target = x.with(x.moved(w))
		}
	}
	small, whole, err := x.whole()
	if err != nil {
		return nil, err
	}
	q.small, q.again = small, whole && repeatable(x.r.Method)
	if !whole {
		q.body = x.r.Body
	}
	return q, nil
}

func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// upgradeOf is the protocol that a request asks to change to: never another HTTP, by which it would go past the rules.
func upgradeOf(h http.Header) string {
	to := h["Upgrade"]
	if len(to) != 1 || !lists(h["Connection"], "upgrade") {
		return ""
	}
	if l := strings.ToLower(to[0]); strings.HasPrefix(l, "h2c") || strings.HasPrefix(l, "http") || strings.HasPrefix(l, "tls") || strings.Contains(l, ",") {
		return ""
	}
	return to[0]
}

// lists says whether the values of a header name it, without case.
func lists(values []string, token string) bool {
	for _, line := range values {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(one), token) {
				return true
			}
		}
	}
	return false
}

// patience is what the rule says of reads from pods and writes to them, or the door. Where it only says how long all of a request may take, or an attempt, one
// read or write may take as long.
func (x *exchange) patience() (connect, read, send time.Duration) {
	l, all := x.door.limits, max(x.rule.Whole, x.rule.Attempt)
	connect, read, send = l.connect, max(l.read, all), max(l.send, all)
	if x.rule.Connect > 0 {
		connect = x.rule.Connect
	}
	if x.rule.Read > 0 {
		read = x.rule.Read
	}
	if x.rule.Send > 0 {
		send = x.rule.Send
	}
	return connect, read, send
}

// streams says whether nothing may be said for long.
func streams(h http.Header) bool {
	kind := h["Content-Type"]
	return len(kind) > 0 && (strings.HasPrefix(kind[0], "text/event-stream") || strings.HasPrefix(kind[0], "application/grpc"))
}

// pass begins the answer with a pod's status and headers.
func (x *exchange) pass(a *http.Response) {
	h := x.w.Header()
	unhop(a.Header)
	for name, v := range a.Header {
		h[name] = v
	}
	x.rule.answer.change(h)
	x.back.answer.change(h)
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // else net/http guesses one
	}
	x.head(a.StatusCode)
}

// stream copies the pod's answer. Where nobody knows how long it is each part is sent on as it comes.
func (x *exchange) stream(a *http.Response) error {
	if a.Body == http.NoBody || a.ContentLength == 0 {
		return nil // headers that end the stream, as gRPC's may, stay its end
	}
	ctl := http.NewResponseController(x.w)
	parts := a.ContentLength < 0 || streams(a.Header)
	if parts {
		if err := ctl.Flush(); err != nil {
			return err
		}
	}
	room := buffers.Get().(*[]byte)
	defer buffers.Put(room)
	for {
		n, err := a.Body.Read(*room)
		x.writing(ctl, true)
		if n > 0 {
			m, werr := x.w.Write((*room)[:n])
			if x.sent += int64(m); werr == nil && parts && err == nil {
				werr = ctl.Flush()
			}
			if werr != nil {
				return werr
			}
		}
		switch {
		case err == io.EOF:
			x.trail(a)
			return nil
		case err != nil:
			return err
		}
		x.writing(ctl, false)
	}
}

// writing bounds what is written of one stream of HTTP/2, of which a client may take nothing whatever its connection does. While the pod is waited for there is
// no bound: it would reset a stream by which nothing is written.
func (x *exchange) writing(ctl *http.ResponseController, is bool) {
	if x.r.ProtoMajor != 2 {
		return
	}
	var by time.Time
	if is {
		by = time.Now().Add(x.door.limits.quiet)
	}
	_ = ctl.SetWriteDeadline(by)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// trail passes on what follows an answer.
func (x *exchange) trail(a *http.Response) {
	for name, v := range a.Trailer {
		x.w.Header()[http.TrailerPrefix+textproto.CanonicalMIMEHeaderKey(name)] = v
	}
}
