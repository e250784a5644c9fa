package door

import (
	"net/http"
	"testing"

	"github.com/podkeep/podkeep/node/route"
)

// fixed is a rule that answers with a status of its own, by which a test knows it.
func fixed(status int, m route.DoorMatch) route.DoorRule {
	return route.DoorRule{From: "HTTPRoute/shop/a", Match: m, Status: status}
}

func TestARequestFindsTheMostSpecificHostAndTheFirstRule(t *testing.T) {
	s := newStage(t)
	all := route.DoorMatch{Kind: route.Prefix, Path: "/"}
	s.hosts(
		route.DoorHost{Name: "shop.test", Rules: []route.DoorRule{
			fixed(201, route.DoorMatch{Kind: route.Exact, Path: "/exact"}),
			fixed(202, route.DoorMatch{Kind: route.Regexp, Path: `/item/\d+`}),
			fixed(203, route.DoorMatch{Kind: route.Prefix, Path: "/m", Method: "POST"}),
			fixed(205, route.DoorMatch{Kind: route.Prefix, Path: "/m", Headers: []route.DoorValue{{Name: "x-version", Value: "2"}}}),
			fixed(206, route.DoorMatch{Kind: route.Prefix, Path: "/m", Headers: []route.DoorValue{{Name: "X-Version", Value: "[34]", Kind: route.Regexp}}}),
			fixed(207, route.DoorMatch{Kind: route.Prefix, Path: "/m", Query: []route.DoorValue{{Name: "q", Value: "a b"}}}),
			fixed(208, route.DoorMatch{Kind: route.Prefix, Path: "/m/"}),
		}},
		route.DoorHost{Name: "*.shop.test", Rules: []route.DoorRule{fixed(226, all)}},
		route.DoorHost{Name: "*.deep.test", Deep: true, Rules: []route.DoorRule{fixed(227, all)}},
		route.DoorHost{Name: "*.very.deep.test", Deep: true, Rules: []route.DoorRule{fixed(228, all)}},
	)
	for _, c := range []struct {
		claim, method, url string
		headers            []string
		want               int
	}{
		{"a host is found without case, port and last dot", "GET", "http://shop.test/exact", []string{"Host", "SHOP.test.:80"}, 201},
		{"exact is exact", "GET", "http://shop.test/exact/", nil, 404},
		{"an expression matches at the begin, without case", "GET", "http://shop.test/ITEM/12/more", nil, 202},
		{"and nowhere else", "GET", "http://shop.test/an/item/12", nil, 404},
		{"a method", "POST", "http://shop.test/m", nil, 203},
		{"a header", "GET", "http://shop.test/m", []string{"X-Version", "2"}, 205},
		{"a header by expression, whole", "GET", "http://shop.test/m", []string{"X-Version", "4"}, 206},
		{"not in part", "GET", "http://shop.test/m", []string{"X-Version", "44"}, 208},
		{"a parameter", "GET", "http://shop.test/m?q=a+b", nil, 207},
		{"a prefix is of whole elements, and its last slash counts for nothing", "GET", "http://shop.test/m", nil, 208},
		{"below it", "GET", "http://shop.test/m/x", nil, 208},
		{"not beside it", "GET", "http://shop.test/mx", nil, 404},
		{"slashes in a row are one", "GET", "http://shop.test//m///x", nil, 208},
		{"dots are resolved", "GET", "http://shop.test/a/../m/./x", nil, 208},
		{"escaped dots and slashes too", "GET", "http://shop.test/a/%2e%2e%2fm", nil, 208},
		{"a wildcard has one label", "GET", "http://a.shop.test/", nil, 226},
		{"not two", "GET", "http://a.b.shop.test/", nil, 404},
		{"a deep one has several", "GET", "http://a.b.deep.test/", nil, 227},
		{"the longer wildcard wins", "GET", "http://a.very.deep.test/", nil, 228},
		{"a name that nobody has", "GET", "http://other.test/", nil, 404},
	} {
		if got := s.send(c.method, c.url, nil, c.headers...).StatusCode; got != c.want {
			t.Errorf("%s: %s %s: %d, not %d", c.claim, c.method, c.url, got, c.want)
		}
	}
}

func TestAPathThatClimbsOrIsNoneIsRefused(t *testing.T) {
	s := newStage(t)
	s.rules(fixed(200, route.DoorMatch{Kind: route.Prefix, Path: "/"}))
	for _, path := range []string{"/..", "/../etc/passwd", "/a/../../b", "/%2e%2e/b", "/a%2f..%2f..%2fb", "/a%00b", "/..%2f", "/a#b", "a", "/a\x7fb", "*"} {
		if got := s.say("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); len(got) < 12 || got[9:12] != "400" {
			t.Errorf("%q: %.60q", path, got)
		}
	}
	for path, want := range map[string]string{"/": "/", "/a/": "/a/", "/a/..": "/", "/a/.": "/a/", "//": "/", "/.a/..b": "/.a/..b", "/a/b/../c//": "/a/c/"} {
		if got, ok := clean(path); !ok || got != want {
			t.Errorf("%s is %s, not %s", path, got, want)
		}
	}
}

func TestAnExpressionThatIsNoneMatchesNothing(t *testing.T) {
	s := newStage(t)
	s.rules(fixed(200, route.DoorMatch{Kind: route.Regexp, Path: "/(a"}), fixed(201, route.DoorMatch{Kind: route.Prefix, Path: "/"}))
	if got := s.get("http://a.test/(a").StatusCode; got != 201 {
		t.Error(got)
	}
}

func TestAnotherCertificatesHostIsMisdirected(t *testing.T) {
	s := newStage(t)
	all := []route.DoorRule{fixed(200, route.DoorMatch{Kind: route.Prefix, Path: "/"})}
	s.hosts(route.DoorHost{Name: "a.test", Key: "one", Rules: all}, route.DoorHost{Name: "b.test", Key: "one", Rules: all}, route.DoorHost{Name: "c.test", Key: "two", Rules: all})
	for host, want := range map[string]int{"a.test": 200, "b.test": 200, "c.test": http.StatusMisdirectedRequest, "d.test": 404} {
		if got := s.get("https://a.test/", "Host", host).StatusCode; got != want {
			t.Errorf("%s by a.test's name: %d, not %d", host, got, want)
		}
	}
}
