package door

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// exchange is a request and its answer.
type exchange struct {
	door  *Door
	port  *port
	table *table
	w     http.ResponseWriter
	r     *http.Request
	began time.Time

	client  netip.Addr // for whom it is
	peer    string     // who speaks
	trusted bool
	target  string // path and query as they came
	path    string // clean
	rule    *rule
	back    *backend
	end     time.Time // of all of it; the zero time is never
	crossed http.Header
	body    *body // of the request; nil where it has none

	pod      netip.AddrPort
	attempts int
	status   int
	sent     int64
	reading  <-chan struct{} // closed when what reads the body while it is answered has ended; nil where nothing does
}

// ServeHTTP answers a request.
func (p *port) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{door: p.door, port: p, table: p.door.table.Load(), w: w, r: r, began: time.Now()}
	x.rule = x.table.none
	defer x.done()
	if p.door.under.Add(1) > p.door.limits.requests {
		x.text(http.StatusServiceUnavailable)
		return
	}
	x.wrap()
	x.serve()
}

func (x *exchange) done() {
	x.door.under.Add(-1)
	x.leave()
	took := time.Since(x.began)
	x.rule.times.add(took)
	if x.back != nil {
		x.back.stat.add(x.status)
	} else {
		x.rule.stat.add(x.status)
	}
	if x.table.log && x.door.access != nil {
		x.write(took)
	}
}

// serve finds the rule, and does as it says.
func (x *exchange) serve() {
	if c, ok := x.r.Context().Value(connKey{}).(*conn); ok {
		x.client, x.peer = c.peer()
		x.trusted = within(x.table.trusted, x.client)
		x.client = x.asker(x.client)
	}
	if x.r.Method == http.MethodConnect {
		x.text(http.StatusMethodNotAllowed)
		return
	}
	var fine, whole bool
	if u := x.r.URL; u.Path == "" && u.Opaque == "" { // a whole URL of a host alone: RFC 9110, 4.2.3
		u.Path = "/"
	}
	x.target, fine = target(x.r.RequestURI, x.r.URL)
	if x.path, whole = clean(x.r.URL.Path); !fine || !whole {
		x.text(http.StatusBadRequest)
		return
	}
	if !x.port.secure && strings.HasPrefix(x.path, "/.well-known/acme-challenge/") && x.door.keys != nil && x.door.keys.Challenge(x.w, x.r) {
		x.status = http.StatusOK
		return
	}
	all := x.table.ports[x.port.number]
	host := name(x.r.Host)
	h := all.find(host)
	if h == nil {
		x.text(http.StatusNotFound)
		return
	}
	if x.misdirected(&all, h, host) {
		x.text(http.StatusMisdirectedRequest)
		return
	}
	r := h.find(x.r, x.path)
	if r == nil {
		x.text(http.StatusNotFound)
		return
	}
	x.rule = r
	x.follow()
}

// misdirected says whether the client came by the name of another certificate, so that he has to come anew.
func (x *exchange) misdirected(all *hosts, h *host, host string) bool {
	if x.r.TLS == nil || x.r.TLS.ServerName == "" || strings.EqualFold(x.r.TLS.ServerName, host) {
		return false
	}
	other := all.find(name(x.r.TLS.ServerName))
	return other != nil && other.key != h.key
}

// follow does as the rule says: who may ask comes first, whom to ask last.
func (x *exchange) follow() {
	r := x.rule
	if within(r.Deny, x.client) || len(r.Allow) > 0 && !within(r.Allow, x.client) {
		x.text(http.StatusForbidden)
		return
	}
	if r.Redirect != nil && !(r.Redirect.Plain && x.secured()) {
		x.redirect(r.Redirect)
		return
	}
	if r.CORS != nil && x.cors(r.CORS) {
		return
	}
	if r.Users != "" && !x.known() {
		x.w.Header().Set("WWW-Authenticate", `Basic realm="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(r.Realm)+`", charset="UTF-8"`)
		x.text(http.StatusUnauthorized)
		return
	}
	if r.Status != 0 {
		x.text(r.Status)
		return
	}
	if r.Body > 0 && x.r.ContentLength > r.Body {
		x.text(http.StatusRequestEntityTooLarge)
		return
	}
	if x.body != nil {
		x.body.most, x.body.quiet = r.Body, x.silence()
	}
	if x.back = r.choose(); x.back == nil || x.back.Status != 0 {
		x.text(x.back.failing())
		return
	}
	x.ask()
}

// secured says whether a trusted peer says that the request has come to it by TLS.
func (x *exchange) secured() bool {
	first, _, _ := strings.Cut(x.r.Header.Get("X-Forwarded-Proto"), ",")
	return x.trusted && strings.EqualFold(strings.TrimSpace(first), "https")
}

func (x *exchange) known() bool {
	name, password, given := x.r.BasicAuth()
	return given && x.door.keys != nil && x.door.keys.Allowed(x.rule.Users, name, password)
}

// text answers with a status and its words.
func (x *exchange) text(status int) {
	h := x.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusNoContent || status == http.StatusNotModified || status < 200 {
		h.Del("Content-Type")
		x.head(status)
		return
	}
	x.head(status)
	n, _ := x.w.Write([]byte(http.StatusText(status) + "\n"))
	x.sent += int64(n)
}

// head begins the answer, and says where it is the connection's last: a door leaves, or the request is not read to its end.
func (x *exchange) head(status int) {
	for name, v := range x.crossed {
		if name == "Vary" {
			v = append(x.w.Header()[name], v...)
		}
		x.w.Header()[name] = v
	}
	unread := x.r.ProtoMajor == 1 && x.unread()
	if unread {
		if c, ok := x.r.Context().Value(connKey{}).(*conn); ok {
			c.sends.Store(true)
		}
	}
	if unread || x.door.leaving.Load() {
		x.w.Header().Set("Connection", "close")
	}
	x.status = status
	x.w.WriteHeader(status)
}

// begun says whether an answer has begun.
func (x *exchange) begun() bool { return x.status != 0 }

// fail answers for a pod that did not.
func (x *exchange) fail(err error) {
	if x.begun() {
		panic(http.ErrAbortHandler) // closes the connection, or resets the stream: else half an answer would be taken for a whole one
	}
	status, bad := http.StatusBadGateway, x.body.trouble()
	switch {
	case bad != 0:
		status = bad
	case x.left():
		status = statusGone
	case isTimeout(err) || !x.end.IsZero() && !time.Now().Before(x.end):
		status = http.StatusGatewayTimeout
	}
	if status == statusGone {
		x.status = status
		panic(http.ErrAbortHandler)
	}
	x.door.log.WithField("rule", x.rule.From).WithField("pod", x.pod).Debugf("no answer: %s", err)
	x.text(status)
}

// left says whether the client went.
func (x *exchange) left() bool { return x.r.Context().Err() != nil }

// statusGone is what nginx counts where the client went before the answer.
const statusGone = 499

func isTimeout(err error) bool {
	for err != nil {
		if n, ok := err.(net.Error); ok && n.Timeout() {
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}
