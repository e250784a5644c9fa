package door

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// headers are route.DoorHeaders with the names that http.Header has.
type headers struct {
	set, add []route.DoorValue
	remove   []string
}

func headersOf(h route.DoorHeaders) (c headers) {
	for _, v := range h.Set {
		c.set = append(c.set, route.DoorValue{Name: http.CanonicalHeaderKey(v.Name), Value: v.Value})
	}
	for _, v := range h.Add {
		c.add = append(c.add, route.DoorValue{Name: http.CanonicalHeaderKey(v.Name), Value: v.Value})
	}
	for _, name := range h.Remove {
		c.remove = append(c.remove, http.CanonicalHeaderKey(name))
	}
	return c
}

func (c headers) change(h http.Header) {
	for _, v := range c.set {
		h[v.Name] = []string{v.Value}
	}
	for _, v := range c.add {
		h[v.Name] = append(h[v.Name], v.Value)
	}
	for _, name := range c.remove {
		delete(h, name)
	}
}

// unhop removes the headers of one connection, those that Connection names too.
func unhop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				delete(h, http.CanonicalHeaderKey(name))
			}
		}
	}
	for _, name := range manifest.HopHeaders {
		delete(h, name)
	}
}

// said are the headers by which we say for whom we ask.
var said = []string{
	"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server", "X-Real-Ip", "Forwarded", "X-Original-Forwarded-For",
}

// unsaid removes what somebody else says there, and headers that many pods read as the same ones: those with low lines in place of dashes.
func unsaid(h http.Header) {
	for _, name := range said {
		delete(h, name)
	}
	for name := range h {
		if !strings.Contains(name, "_") {
			continue
		}
		for _, s := range said {
			if strings.EqualFold(strings.ReplaceAll(name, "_", "-"), s) {
				delete(h, name)
			}
		}
	}
}

// asker is who asks: the peer, or whom the peers that are trusted speak for.
func (x *exchange) asker(peer netip.Addr) netip.Addr {
	if !x.trusted {
		return peer
	}
	all := strings.Split(strings.Join(x.r.Header["X-Forwarded-For"], ","), ",")
	for i := len(all) - 1; i >= 0; i-- {
		a := address(all[i])
		if !a.IsValid() {
			break
		}
		if peer = a; !within(x.table.trusted, a) {
			break
		}
	}
	return peer
}

// tell says to the pod for whom it is asked.
func (x *exchange) tell(peer string) {
	h, proto, host, port := x.r.Header, "http", x.r.Host, x.port.text
	if x.r.TLS != nil {
		proto = "https"
	}
	before, chain := "", ""
	if x.trusted {
		before, chain = strings.Join(h["X-Forwarded-For"], ", "), strings.Join(h["Forwarded"], ", ")
		proto, host, port = or(h.Get("X-Forwarded-Proto"), proto), or(h.Get("X-Forwarded-Host"), host), or(h.Get("X-Forwarded-Port"), port)
	}
	unsaid(h)
	v := make([]string, 0, 7)
	put := func(name, value string) {
		v = append(v, value)
		h[name] = v[len(v)-1 : len(v) : len(v)]
	}
	put("X-Forwarded-For", list(before, peer))
	put("X-Forwarded-Proto", proto)
	put("X-Forwarded-Host", host)
	put("X-Forwarded-Port", port)
	put("X-Real-Ip", x.client.String())
	if strings.Contains(peer, ":") {
		peer = `"[` + peer + `]"`
	}
	if strings.ContainsAny(host, `"\`) {
		host = ""
	}
	put("Forwarded", list(chain, `for=`+peer+`;host="`+host+`";proto=`+proto))
	if h["X-Request-Id"] == nil {
		put("X-Request-Id", newID())
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func list(before, one string) string {
	if before == "" {
		return one
	}
	return before + ", " + one
}

// newID is a request's, so that its lines in several logs are found.
func newID() string {
	var id [16]byte
	for i := 0; i < len(id); i += 8 {
		for j, n := 0, rand.Uint64(); j < 8; j, n = j+1, n>>8 {
			id[i+j] = byte(n)
		}
	}
	return hex.EncodeToString(id[:])
}

// redirect answers with another place.
func (x *exchange) redirect(to *route.DoorRedirect) {
	x.rule.answer.change(x.w.Header())
	x.w.Header().Set("Location", x.location(to))
	x.text(to.Code)
}

func (x *exchange) location(to *route.DoorRedirect) string {
	if to.Whole != "" {
		return to.Whole
	}
	scheme, port := to.Scheme, int(to.Port)
	if scheme == "" {
		if scheme = "http"; x.r.TLS != nil || x.secured() {
			scheme = "https"
		}
		if port == 0 && !x.secured() {
			port = int(x.port.number)
		}
	}
	host, path := to.Host, x.target
	if host == "" {
		host = strings.TrimSuffix(x.r.Host, portOf(x.r.Host))
	}
	if port != 0 && !(scheme == "http" && port == 80 || scheme == "https" && port == 443) {
		host += ":" + strconv.Itoa(port)
	}
	switch {
	case to.Path == nil || to.Path.Kind == "":
	case to.Path.Kind == route.Written:
		path = to.Path.Path
	default:
		path = x.with(x.moved(to.Path))
	}
	return scheme + "://" + host + path
}

// portOf is the end of a Host header from its port's colon on.
func portOf(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[i:]
	}
	return ""
}

// with is a path with the request's query.
func (x *exchange) with(path string) string {
	if x.r.URL.RawQuery == "" && !x.r.URL.ForceQuery {
		return path
	}
	return path + "?" + x.r.URL.RawQuery
}
