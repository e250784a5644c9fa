package door

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/podkeep/podkeep/node/route"
)

// load asks from so many clients until it is told to end, and is what went wrong.
type load struct {
	stop   atomic.Bool
	all    sync.WaitGroup
	asked  atomic.Int64
	failed chan string
}

func (s *stage) load(clients int, url string, second bool) *load {
	l := &load{failed: make(chan string, 100)}
	for range clients {
		client := s.client(second)
		l.all.Go(func() {
			for !l.stop.Load() {
				if why := once(client, url); why != "" {
					select {
					case l.failed <- why:
					default:
					}
				}
				l.asked.Add(1)
			}
			client.CloseIdleConnections()
		})
	}
	return l
}

func once(client *http.Client, url string) string {
	a, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = a.Body.Close() }()
	if text, err := io.ReadAll(a.Body); err != nil || a.StatusCode != 200 {
		return fmt.Sprint(a.StatusCode, string(text), err)
	}
	return ""
}

// end waits for all, and fails where a request did.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop.Store(true)
	l.all.Wait()
	close(l.failed)
	for why := range l.failed {
		t.Errorf("of %d requests one failed: %s", l.asked.Load(), why)
	}
}

// more waits until that many more requests were answered.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	from := l.asked.Load()
	until(t, "requests are answered", func() bool { return l.asked.Load() >= from+n })
}

func TestNoRequestFailsWhilePodsComeAndGo(t *testing.T) {
	s := newStage(t)
	s.rules(to("a"))
	begin := func() *httptest.Server { return httptest.NewServer(http.HandlerFunc(echo)) }
	a, b := begin(), begin()
	s.service("a", a.Listener.Addr().String(), b.Listener.Addr().String())
	plain, secure := s.load(6, "http://a.test/", false), s.load(2, "https://a.test/", true)
	for range 15 {
		next := begin()
		s.service("a", b.Listener.Addr().String(), next.Listener.Addr().String()) // a table without it comes first, then its end
		if err := a.Config.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		a, b = b, next
		plain.more(t, 50)
		secure.more(t, 20)
	}
	plain.end(t)
	secure.end(t)
	a.Close()
	b.Close()
}

func TestNoRequestFailsWhileOneDoorFollowsAnother(t *testing.T) {
	s := newStage(t, func(l *limits) { l.settle = 200 * time.Millisecond })
	s.service("a", s.pod(echo))
	s.rules(to("a"))
	plainAt, secureAt := handed(t), handed(t)
	door := s.follow(t, plainAt, secureAt)
	s.http, s.https = plainAt.Addr().String(), secureAt.Addr().String()
	plain, secure := s.load(6, "http://a.test/", false), s.load(2, "https://a.test/", true)
	var before []*Door
	for range 4 {
		next := s.follow(t, plainAt, secureAt)
		door.Leave(t.Context())
		before = append(before, door)
		door = next
		plain.more(t, 100)
		secure.more(t, 40)
	}
	plain.end(t)
	secure.end(t)
	for _, d := range before {
		if n := len(d.open()); n > 0 {
			t.Errorf("%d connections are left", n)
		}
	}
	door.Leave(t.Context())
}

// handed is a listener of which each door has a copy, as by SCM_RIGHTS.
func handed(t *testing.T) *net.TCPListener {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// follow is a further door with the same table at the same sockets.
func (s *stage) follow(t *testing.T, plain, secure *net.TCPListener) *Door {
	d := newDoor(Options{Keys: s.keys}, s.Door.limits)
	d.Put(&s.table)
	for port, l := range map[uint16]*net.TCPListener{80: plain, 443: secure} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		copied, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		go func() {
			if err := d.Serve(copied, port, port == 443); err != nil {
				t.Error(err)
			}
		}()
	}
	until(t, "it serves", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.serving) == 2 })
	return d
}

func TestADoorThatLeavesAnswersWhatComesOnAnIdleConnection(t *testing.T) {
	s := newStage(t, func(l *limits) { l.settle = time.Hour })
	s.service("a", s.pod(echo))
	s.rules(to("a"))
	for _, url := range []string{"http://a.test/", "https://a.test/"} {
		client := s.client(false)
		if why := once(client, url); why != "" {
			t.Fatal(why)
		}
		defer func() {
			a, err := client.Get(url)
			if err != nil || a.StatusCode != 200 || !a.Close {
				t.Errorf("%s: %v, %v", url, a, err)
			}
			if err == nil {
				_, _ = io.Copy(io.Discard, a.Body)
				_ = a.Body.Close()
			}
		}()
	}
	go s.Leave(t.Context())
	until(t, "it leaves", s.leaving.Load)
}

func TestAnIdleConnectionIsNotWaitedForForEver(t *testing.T) {
	s := newStage(t, func(l *limits) { l.settle = 50 * time.Millisecond })
	s.service("a", s.pod(echo))
	s.rules(to("a"))
	for _, second := range []bool{false, true} {
		if why := once(s.client(second), "https://a.test/"); why != "" {
			t.Fatal(why)
		}
	}
	c, err := net.Dial("tcp", s.http) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	until(t, "three are open", func() bool { return len(s.open()) == 3 })
	s.Leave(t.Context())
	if n := len(s.open()); n != 0 {
		t.Errorf("%d are left", n)
	}
	if err := s.Serve(handed(t), 80, false); err != nil {
		t.Errorf("a door that left serves nobody, which is no error: %v", err)
	}
}

func TestAWebSocketStaysUntilTheLeaveIsOver(t *testing.T) {
	s := newStage(t, func(l *limits) { l.settle = time.Millisecond })
	up := websocket.Upgrader{}
	s.service("a", s.pod(func(w http.ResponseWriter, r *http.Request) {
		if c, err := up.Upgrade(w, r, nil); err == nil {
			for {
				kind, text, err := c.ReadMessage()
				if err != nil || c.WriteMessage(kind, text) != nil {
					return
				}
			}
		}
	}))
	s.rules(to("a"))
	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.http+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, end := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() { s.Leave(ctx); close(left) }()
	until(t, "it leaves", s.leaving.Load)
	for range 5 {
		if err := c.WriteMessage(websocket.TextMessage, []byte("still")); err != nil {
			t.Fatal(err)
		}
		if _, text, err := c.ReadMessage(); err != nil || string(text) != "still" {
			t.Fatal(text, err)
		}
	}
	end()
	<-left
	if _, _, err := c.ReadMessage(); err == nil {
		t.Error("it is there still")
	}
}

func TestWhatWasDoneIsLoggedAndCounted(t *testing.T) {
	s := newStage(t)
	pod := s.pod(echo)
	s.service("a", pod)
	s.service("odd", s.pod(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(499 + len(r.URL.RawQuery)) }))
	s.rules(to("a", at("/a")), to("odd", at("/odd")))
	s.get("http://a.test/a/b?password=secret")
	s.get("http://a.test/none" + strings.Repeat("e", 2*longestLogged))
	s.get("http://a.test/odd?" + strings.Repeat("x", 100))
	if c := s.client(false); once(c, "https://lacking.test/") == "" {
		t.Error("a name without a certificate is served")
	}
	until(t, "there are three lines", func() bool { return strings.Count(s.access.String(), "\n") == 3 })
	log := s.access.String()
	for _, want := range []string{`"client":"127.0.0.1","host":"a.test","method":"GET","path":"/a/b","protocol":"HTTP/1.1","status":200,`, `"rule":"Ingress/shop/a","service":"shop/a","pod":"` + pod + `","attempts":1`, `"path":"/none` + strings.Repeat("e", longestLogged-5) + `","protocol":"HTTP/1.1","status":404`} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
	if strings.Contains(log, "secret") {
		t.Errorf("a query is logged: %s", log)
	}
	scrape := func() string {
		w := httptest.NewRecorder()
		s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	until(t, "the handshake that failed is counted", func() bool { return strings.Contains(scrape(), "podkeep_door_tls_errors_total 1\n") })
	got := scrape()
	for _, want := range []string{
		`podkeep_door_requests_total{code="200",rule="Ingress/shop/a",service="shop/a"} 1`, `podkeep_door_requests_total{code="404",rule="",service=""} 1`,
		`podkeep_door_requests_total{code="500",rule="Ingress/shop/odd",service="shop/odd"} 1`, // 599 is nobody's
		`podkeep_door_request_duration_seconds_count{rule="Ingress/shop/a"} 1`, `podkeep_door_retries_total 0`, "podkeep_door_connections ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	s.rules(to("a", at("/new")))
	if got := scrape(); !strings.Contains(got, `rule="Ingress/shop/a",service="shop/a"} 1`) || strings.Contains(got, "odd") {
		t.Errorf("what stays keeps its count, and what left is not told:\n%s", got)
	}
	s.change(func(t *route.Table) { t.Doors.Log = false })
	s.get("http://a.test/new")
	if strings.Count(s.access.String(), "\n") != 3 {
		t.Error("nobody wanted a log")
	}
}
