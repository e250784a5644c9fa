package door

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/node/route"
)

func TestAPodSeesWhoAsksAndWhatTheRuleChanges(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	h := route.DoorHeaders{Set: []route.DoorValue{{Name: "x-set", Value: "1"}}, Add: []route.DoorValue{{Name: "X-Add", Value: "2"}}, Remove: []string{"x-gone"}}
	s.rules(
		to("echo", at("/prefix"), func(r *route.DoorRule) { r.Rewrite = &route.DoorRewrite{Kind: route.Prefix, Path: "/new/"} }),
		to("echo", at("/root"), func(r *route.DoorRule) { r.Rewrite = &route.DoorRewrite{Kind: route.Prefix, Path: "/"} }),
		to("echo", at("/whole"), func(r *route.DoorRule) {
			r.Rewrite = &route.DoorRewrite{Kind: route.Exact, Path: "/x", Host: "inner.test"}
		}),
		to("echo", at("/some(/|$)(.*)"), func(r *route.DoorRule) {
			r.Match.Kind, r.Rewrite = route.Regexp, &route.DoorRewrite{Kind: route.Regexp, Path: "/$2"}
		}),
		to("echo", func(r *route.DoorRule) { r.Request = h }),
	)
	for _, c := range []struct {
		claim, url string
		headers    []string
		want       []string
		not        []string
	}{
		{"the path and query stay as they are", "http://a.test/a%2Fb/%7Ec//d?x=1%20&y", nil, []string{"GET a.test /a%2Fb/%7Ec//d?x=1%20&y\n"}, nil},
		{"what is said from outside is not believed", "http://a.test/", []string{"X-Forwarded-For", "6.6.6.6", "X_Forwarded_For", "6.6.6.6", "X-Real-Ip", "6.6.6.6", "Forwarded", "for=6.6.6.6", "X-Forwarded-Proto", "https"},
			[]string{"X-Forwarded-For: 127.0.0.1\n", "X-Real-Ip: 127.0.0.1\n", "X-Forwarded-Proto: http\n", "X-Forwarded-Host: a.test\n", "X-Forwarded-Port: 80\n", "Forwarded: for=127.0.0.1;host=\"a.test\";proto=http\n"}, []string{"6.6.6.6"}},
		{"headers are changed", "http://a.test/", []string{"X-Set", "0", "X-Add", "1", "X-Gone", "1"}, []string{"X-Set: 1\n", "X-Add: 1|2\n"}, []string{"X-Gone"}},
		{"headers of one connection go no further", "http://a.test/", []string{"Connection", "x-hop, close", "X-Hop", "1"}, nil, []string{"X-Hop", "Connection"}},
		{"a prefix is replaced", "http://a.test/prefix/b?q", nil, []string{"GET a.test /new/b?q\n"}, nil},
		{"and it alone", "http://a.test/prefix", nil, []string{"GET a.test /new/\n"}, nil},
		{"by the root", "http://a.test/root/b%20c", nil, []string{"GET a.test /b%20c\n"}, nil},
		{"by the root alone", "http://a.test/root", nil, []string{"GET a.test /\n"}, nil},
		{"all of it, and the host", "http://a.test/whole/b", nil, []string{"GET inner.test /x\n"}, nil},
		{"by groups", "http://a.test/some/b/c", nil, []string{"GET a.test /b/c\n"}, nil},
		{"by groups that are empty", "http://a.test/some", nil, []string{"GET a.test /\n"}, nil},
	} {
		got := s.get(c.url, c.headers...).text
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", c.claim, want, got)
			}
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: %q in\n%s", c.claim, not, got)
			}
		}
	}
	if got := s.get("https://a.test/").text; !strings.Contains(got, "X-Forwarded-Proto: https\n") || !strings.Contains(got, "X-Forwarded-Port: 443\n") {
		t.Error(got)
	}
}

func TestPathsOfRoutesAreThoseOfRequestsHoweverTheyAreWritten(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	for _, c := range []struct{ rule, url, want string }{
		{"matches: [{path: {value: /caf%C3%A9}}]", "/caf%C3%A9/x", "/caf%C3%A9/x"},
		{"matches: [{path: {value: /caf%c3%a9}}]", "/caf%C3%A9", "/caf%C3%A9"},
		{"matches: [{path: {value: /caf%C3%A9}}]", "/caf", ""},
		{"matches: [{path: {type: Exact, value: /a%20b}}]", "/a%20b", "/a%20b"},
		{"matches: [{path: {type: Exact, value: /%7Ea%3Fb%25}}]", "/~a%3fb%25", "/~a%3fb%25"},
		{"matches: [{path: {type: Exact, value: /a%20b}}]", "/a%2520b", ""},
		{"matches: [{path: {type: RegularExpression, value: '/caf.$'}}]", "/caf%C3%A9", "/caf%C3%A9"},
		{"filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /x%20y%3F%25}}}]", "/a?b", "/x%20y%3F%25?b"},
		{"filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /ä y}}}]", "/a", "/%C3%A4%20y"},
		{"matches: [{path: {value: /%C3%A9}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /x%20y/}}}]", "/%c3%a9/a?b", "/x%20y/a?b"},
	} {
		s.rules(madeOf(t, routed(c.rule+", backendRefs: [{name: echo, port: 80}]"))...)
		got := s.get("http://a.test" + c.url)
		if want := "GET a.test " + c.want + "\n"; c.want == "" && got.StatusCode != 404 || c.want != "" && !strings.HasPrefix(got.text, want) {
			t.Errorf("%s: %s: %d %.60q, not %q", c.rule, c.url, got.StatusCode, got.text, c.want)
		}
	}
	s.rules(madeOf(t, routed("filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /x%20y}}}]"))...)
	if got := s.get("http://a.test/a?b").Header.Get("Location"); got != "http://a.test/x%20y?b" {
		t.Error(got)
	}
}

func TestARootThatIsElsewhereIsLedToAsItIsWritten(t *testing.T) {
	s := newStage(t)
	for value, want := range map[string]string{"/app": "/app", "/login?next=/a": "/login?next=/a", "/a%2Fb#c": "/a%2Fb#c", "/ä b": "/%C3%A4%20b"} {
		s.rules(madeOf(t, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {nginx.ingress.kubernetes.io/app-root: "`+value+`"}}
spec: {rules: [{host: a.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}}]}
`)...)
		if got := s.get("http://a.test/?q=1"); got.StatusCode != 302 || got.Header.Get("Location") != "http://a.test"+want {
			t.Errorf("%s: %d %s", value, got.StatusCode, got.Header.Get("Location"))
		}
	}
}

func TestWhatFollowsAPrefixStaysAsItCame(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	for _, c := range []struct{ prefix, by, path, want string }{
		{"/npm", "/", "/npm/@babel%2Fcore", "/@babel%2Fcore"},
		{"/npm", "/", "/npm/a//b/", "/a//b/"},
		{"/npm", "", "/npm/a%20b;c=d", "/a%20b;c=d"},
		{"/npm", "/new/", "/npm/a?b=/x/../y", "/new/a?b=/x/../y"},
		{"/npm", "/new", "/npm/", "/new/"},
		{"/npm", "/new", "/npm", "/new"},
		{"/npm", "/", "/npm", "/"},
		{"/npm", "/new", "/npm//a", "/new//a"},
		{"/", "/new", "/a%2Fb//c", "/new/a%2Fb//c"},
		{"/a/b", "/x", "//a/.//b/c%2Fd", "/x/c%2Fd"},
		{"/a/b", "/x", "/%61%2Fb/c%2Fd", "/x/c%2Fd"},
		{"/a/b", "/x", "/a/b%2Fc%2Fd/e%2Ff", "/x/c/d/e/f"}, // the prefix is no whole element: as it is matched, and so what follows, which a pod may take for a way out
		{"/npm", "/x", "/npm/a%2F..%2Fb", "/x/b"},
		{"/npm", "/x", "/npm/a/../b%2Fc", "/x/b/c"},
		{"/npm", "/x", "/npm/a/%2e%2E/b%2Fc", "/x/b/c"},
		{"/npm", "/x", "/npm/./b%2Fc", "/x/b/c"},
		{"/npm", "/x", "/npm/%2e/b%2Fc", "/x/b/c"},
		{"/npm", "/x", "/npm/b%2Fc/.", "/x/b/c/"},
		{"/npm", "/x", "/npm/../npm/b%2Fc", "/x/b/c"},
		{"/npm", "/x", "/a/../npm/b%2Fc", "/x/b/c"},
		{"/npm", "/x", "/npm/...//b%2Fc", "/x/...//b%2Fc"}, // a name
		{"/npm", "/", "/npm//evil.test", "/evil.test"},
		{"/npm", "", "/npm/%2Fevil.test", "/evil.test"}, // no other host
		{"/", "/", "//evil.test", "/evil.test"},
		{"/npm", "/", `/npm/\evil.test`, "/%5Cevil.test"},
		{"/npm", "/x", "/npm/../b", ""}, // the rule is not for these
		{"/npm", "/x", "/npm/%2e%2e/b", ""},
		{"/npm", "/x", "/npm%2F..%2Fb", ""},
		{"/npm", "/x", "/npmb", ""},
	} {
		path := "path: {type: ReplacePrefixMatch, replacePrefixMatch: '" + c.by + "'}"
		match := "matches: [{path: {value: " + c.prefix + "}}], "
		s.rules(madeOf(t, routed(match+"filters: [{type: URLRewrite, urlRewrite: {"+path+"}}], backendRefs: [{name: echo, port: 80}]"))...)
		got := s.say("GET " + c.path + " HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		if want := "GET a.test " + c.want + "\n"; c.want == "" && !strings.HasPrefix(got, "HTTP/1.1 404") || c.want != "" && !strings.Contains(got, want) {
			t.Errorf("%s by %q: %s: %q, not %q", c.prefix, c.by, c.path, got, c.want)
		}
		s.rules(madeOf(t, routed(match+"filters: [{type: RequestRedirect, requestRedirect: {"+path+"}}]"))...)
		got = s.say("GET " + c.path + " HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		if c.want != "" && !strings.Contains(got, "\r\nLocation: http://a.test"+c.want+"\r\n") {
			t.Errorf("%s by %q: %s is led to %q, not %q", c.prefix, c.by, c.path, got, c.want)
		}
	}
}

func FuzzAPrefixIsReplacedByWhatIsMatched(f *testing.F) {
	for _, path := range []string{"/a/b", "/a//%2e%2e/b", "/%61/.%2Fb", "/a%2f..%2fa/b%2Fc", "/./a/b//c", "//a//"} {
		f.Add("/a", path)
		f.Add("", path[1:])
		f.Add("", path)
	}
	f.Fuzz(func(t *testing.T, prefix, came string) {
		is, err := url.PathUnescape(came)
		path, ok := clean(is)
		r := &rule{DoorRule: &route.DoorRule{}, prefix: prefix}
		if err != nil || !ok || strings.HasSuffix(prefix, "/") || !r.leads(path) {
			return
		}
		rest, ok := r.rest(came, path)
		if !ok {
			return
		}
		is, _ = url.PathUnescape(rest)
		if cleaned, fine := clean(prefix + is); !fine || cleaned != path || !strings.HasSuffix(came, rest) || rest[0] != '/' || dotted(is) {
			t.Errorf("%q of %q leaves %q", came, prefix, rest)
		}
	})
}

func TestWhoIsTrustedSaysForWhomHeAsks(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	s.rules(to("echo", func(r *route.DoorRule) { r.Allow = []netip.Prefix{netip.MustParsePrefix("5.5.5.5/32")} }))
	if got := s.get("http://a.test/", "X-Forwarded-For", "5.5.5.5").StatusCode; got != http.StatusForbidden {
		t.Errorf("somebody says that he is somebody else, and it is believed: %d", got)
	}
	s.change(func(t *route.Table) { t.Doors.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	got := s.get("http://a.test/", "X-Forwarded-For", "6.6.6.6, 5.5.5.5", "X-Forwarded-Proto", "https").text
	for _, want := range []string{"X-Forwarded-For: 6.6.6.6, 5.5.5.5, 127.0.0.1\n", "X-Real-Ip: 5.5.5.5\n", "X-Forwarded-Proto: https\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := s.get("http://a.test/", "X-Forwarded-For", "5.5.5.5, 6.6.6.6").StatusCode; got != http.StatusForbidden {
		t.Errorf("the last that is not trusted is who asks: %d", got)
	}
}

func TestARedirectIsMadeOfTheRequest(t *testing.T) {
	s := newStage(t)
	redirect := func(path string, d route.DoorRedirect) route.DoorRule {
		d.Code = 308
		return route.DoorRule{From: "Ingress/shop/a", Match: route.DoorMatch{Kind: route.Prefix, Path: path}, Redirect: &d}
	}
	s.rules(
		redirect("/whole", route.DoorRedirect{Whole: "https://else.test/"}),
		redirect("/host", route.DoorRedirect{Host: "b.test", Port: 8080}),
		redirect("/path", route.DoorRedirect{Path: &route.DoorRewrite{Kind: route.Prefix, Path: "/to"}}),
		redirect("/", route.DoorRedirect{Scheme: "https"}),
	)
	for url, want := range map[string]string{
		"http://a.test/x?q=1": "https://a.test/x?q=1", "http://a.test/whole": "https://else.test/", "http://a.test/host/x": "http://b.test:8080/host/x",
		"http://a.test/path/x?q": "http://a.test/to/x?q", "http://a.test//evil.test": "https://a.test//evil.test",
	} {
		if got := s.get(url); got.StatusCode != 308 || got.Header.Get("Location") != want {
			t.Errorf("%s: %d to %s, not %s", url, got.StatusCode, got.Header.Get("Location"), want)
		}
	}
}

func TestWhatCameByTLSToATrustedPeerIsNotLedThereAgain(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	plain := func(r *route.DoorRule) { r.Redirect = &route.DoorRedirect{Scheme: "https", Code: 308, Plain: true} }
	own := func(r *route.DoorRule) {
		r.Redirect = &route.DoorRedirect{Path: &route.DoorRewrite{Kind: route.Exact, Path: "/app"}, Code: 302}
	}
	s.rules(to("echo", at("/own"), own), to("echo", plain))
	for _, c := range []struct {
		trusted    bool
		path, said string
		want       int
		location   string
	}{
		{false, "/x", "https", 308, "https://a.test/x"},
		{true, "/x", "https", 200, ""},
		{true, "/x", "HTTPS, http", 200, ""},
		{true, "/x", "http, https", 308, "https://a.test/x"},
		{true, "/x", "", 308, "https://a.test/x"},
		{true, "/own", "https", 302, "https://a.test/app"},
		{false, "/own", "https", 302, "http://a.test/app"},
	} {
		s.change(func(t *route.Table) {
			if t.Doors.Trusted = nil; c.trusted {
				t.Doors.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
		})
		if got := s.get("http://a.test"+c.path, "X-Forwarded-Proto", c.said); got.StatusCode != c.want || got.Header.Get("Location") != c.location {
			t.Errorf("%+v: %d %s", c, got.StatusCode, got.Header.Get("Location"))
		}
	}
}

func TestWhoMayAskIsAskedFor(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	s.rules(
		to("echo", at("/deny"), func(r *route.DoorRule) { r.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }),
		to("echo", at("/users"), func(r *route.DoorRule) { r.Users, r.Realm = "shop/users@1", `the "shop"` }),
	)
	if got := s.get("http://a.test/deny").StatusCode; got != 403 {
		t.Error(got)
	}
	if got := s.get("http://a.test/users"); got.StatusCode != 401 || got.Header.Get("WWW-Authenticate") != `Basic realm="the \"shop\"", charset="UTF-8"` {
		t.Error(got.StatusCode, got.Header)
	}
	for password, want := range map[string]int{"secret": 200, "wrong": 401} {
		r, _ := http.NewRequest("GET", "http://a.test/users", nil)
		r.SetBasicAuth("ann", password)
		if got := s.do(s.client(false), r).StatusCode; got != want {
			t.Errorf("%s: %d", password, got)
		}
	}
}

func TestWhatAnACMEServerAsksComesFirstWithoutTLS(t *testing.T) {
	s := newStage(t)
	s.rules(route.DoorRule{Match: route.DoorMatch{Path: "/"}, Redirect: &route.DoorRedirect{Scheme: "https", Code: 308}})
	if got := s.get("http://a.test/.well-known/acme-challenge/known"); got.text != "token" {
		t.Error(got.StatusCode, got.text)
	}
	if got := s.get("http://a.test/.well-known/acme-challenge/other").StatusCode; got != 308 {
		t.Error(got)
	}
}

func TestOtherOriginsAreToldWhatTheyMayDo(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	cors := &route.DoorCORS{Origins: []string{"https://*.shop.test"}, Methods: []string{"GET", "PUT"}, Headers: []string{"X-A"}, Exposed: []string{"X-B"}, Credentials: true, MaxAge: 60}
	s.rules(to("echo", func(r *route.DoorRule) { r.CORS, r.Users = cors, "shop/users@1" }))
	got := s.send("OPTIONS", "http://a.test/", nil, "Origin", "https://a.shop.test", "Access-Control-Request-Method", "PUT")
	for name, want := range map[string]string{"Access-Control-Allow-Origin": "https://a.shop.test", "Access-Control-Allow-Methods": "GET, PUT", "Access-Control-Allow-Headers": "X-A", "Access-Control-Max-Age": "60", "Access-Control-Allow-Credentials": "true", "Vary": "Origin"} {
		if got.StatusCode != 204 || got.Header.Get(name) != want {
			t.Errorf("%d: %s: %q, not %q", got.StatusCode, name, got.Header.Get(name), want)
		}
	}
	if got := s.get("http://a.test/", "Origin", "https://a.shop.test"); got.StatusCode != 401 || got.Header.Get("Access-Control-Expose-Headers") != "X-B" {
		t.Error(got.StatusCode, got.Header)
	}
	for origin, want := range map[string]bool{
		"https://a.shop.test": true, "HTTPS://A-1.Shop.Test": true, "https://a.b.shop.test": false, "https://shop.test": false, "https://.shop.test": false, "https://shop.test.evil.test": false,
		"http://a.shop.test": false, "https://a.shop.test:8443": false, "https://evil.test/.shop.test": false, "https://evil.test@a.shop.test": false, "https://a_b.shop.test": false, "null": false,
	} {
		if got := s.get("http://a.test/", "Origin", origin).Header.Get("Access-Control-Allow-Origin"); got != "" != want {
			t.Errorf("%s: %q", origin, got)
		}
	}
}

func TestWhereAnyOriginMayAskNoCookiesComeAlong(t *testing.T) {
	s := newStage(t)
	s.service("echo", s.pod(echo))
	s.rules(madeOf(t, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {nginx.ingress.kubernetes.io/enable-cors: "true"}}
spec: {defaultBackend: {service: {name: echo, port: {number: 80}}}}
`)...)
	for claim, got := range map[string]answer{
		"before": s.send("OPTIONS", "http://a.test/", nil, "Origin", "https://evil.test", "Access-Control-Request-Method", "PUT"),
		"then":   s.get("http://a.test/", "Origin", "https://evil.test"),
	} {
		if h := got.Header; h.Get("Access-Control-Allow-Origin") != "*" || h["Access-Control-Allow-Credentials"] != nil {
			t.Errorf("%s: %d %v", claim, got.StatusCode, h)
		}
	}
}
