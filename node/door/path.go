package door

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/podkeep/podkeep/node/route"
)

// clean is a decoded path as rules match it: slashes in a row are one, "." and ".." are resolved. ok is false for one that climbs above the root, or that
// holds what a pod may take for its end.
func clean(path string) (is string, ok bool) {
	if path == "" || path[0] != '/' || strings.IndexByte(path, 0) >= 0 {
		return "", false
	}
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path, true
	}
	out := make([]byte, 0, len(path))
	for rest := path[1:]; ; {
		part, after, more := strings.Cut(rest, "/")
		switch part {
		case "", ".":
		case "..":
			if len(out) == 0 {
				return "", false
			}
			out = out[:strings.LastIndexByte(string(out), '/')]
		default:
			out = append(append(out, '/'), part...)
		}
		if !more {
			if part == "" || part == "." || part == ".." {
				out = append(out, '/')
			}
			return string(out), true
		}
		rest = after
	}
}

// target is the request's own path and query as they came; ok is false where they hold what no request line may.
func target(uri string, u *url.URL) (is string, ok bool) {
	if is = uri; is == "" || is[0] != '/' { // a whole URL
		is = u.RequestURI()
	}
	for i := range len(is) {
		if is[i] <= ' ' || is[i] == 0x7f || is[i] == '#' {
			return "", false
		}
	}
	return is, true
}

// changed is the path that a pod sees in place of a cleaned one.
func (r *rule) changed(w *route.DoorRewrite, path string) string {
	to := w.Path
	switch w.Kind {
	case route.Prefix:
		rest := ""
		if r.Match.Kind == route.Prefix || r.Match.Kind == "" {
			rest = path[len(r.prefix):]
		}
		if rest != "" {
			to = strings.TrimSuffix(to, "/") + rest
		}
	case route.Regexp:
		if r.path == nil {
			break
		}
		if at := r.path.FindStringSubmatchIndex(path); at != nil {
			to = string(r.path.ExpandString(nil, r.to, path, at))
		}
	}
	if !strings.HasPrefix(to, "/") {
		to = "/" + to
	}
	return to
}

// moved is the path that a pod sees in place of the request's, as a request line has it. What follows a prefix stays as it came, where that can be.
func (x *exchange) moved(w *route.DoorRewrite) string {
	if w.Kind == route.Prefix && (x.rule.Match.Kind == route.Prefix || x.rule.Match.Kind == "") {
		came, _, _ := strings.Cut(x.target, "?")
		head := strings.TrimSuffix(escaped(x.rule.changed(w, x.rule.prefix)), "/")
		rest, ok := x.rule.rest(came, x.path)
		is, err := url.PathUnescape(head + rest)
		if ok && err == nil && !strings.HasPrefix(is, "//") && !strings.HasPrefix(is, `/\`) { // which some take for another host
			return head + rest
		}
	}
	return escaped(x.rule.changed(w, x.path))
}

// rest is what follows the rule's prefix in a path as it came; path is that one cleaned. ok is false where nothing follows, where it holds dots that a pod may
// resolve, and where the prefix came in another way than in whole elements, with slashes in a row and elements of one dot between them.
func (r *rule) rest(came, path string) (rest string, ok bool) {
	rest = came
	for left := r.prefix; left != ""; {
		if rest == "" || rest[0] != '/' {
			return "", false
		}
		end := len(rest)
		if i := strings.IndexByte(rest[1:], '/'); i >= 0 {
			end = 1 + i
		}
		one, err := url.PathUnescape(rest[:end])
		if rest = rest[end:]; one == "/" || one == "/." {
			continue
		}
		if left, ok = strings.CutPrefix(left, one); err != nil || !ok || left != "" && left[0] != '/' {
			return "", false
		}
	}
	is, err := url.PathUnescape(rest)
	if !strings.HasPrefix(rest, "/") || err != nil || dotted(is) {
		return "", false
	}
	is, ok = clean(r.prefix + is)
	return rest, ok && is == path
}

// dotted says whether a path has elements that stand for other ones.
func dotted(path string) bool {
	for one := range strings.SplitSeq(path, "/") {
		if one == "." || one == ".." {
			return true
		}
	}
	return false
}

// escaped is a path as a request line has it.
func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// name is a Host header's host in lower case, without port and last dot.
func name(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// address is a text's, the zero address of one that is none; some write a port to it.
func address(text string) netip.Addr {
	if a, err := netip.ParseAddr(strings.Trim(text, "[] ")); err == nil {
		return a.Unmap()
	}
	if p, err := netip.ParseAddrPort(strings.TrimSpace(text)); err == nil {
		return p.Addr().Unmap()
	}
	return netip.Addr{}
}
