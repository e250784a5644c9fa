package doorman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// engine answers each request with the number of its table and the kind of the port.
type engine struct {
	number  atomic.Uint64
	leaving atomic.Bool
	conns   atomic.Int64
	served  atomic.Int64
	holds   chan struct{} // until it is closed, a request to /slow is under way
}

func (e *engine) Put(t *route.Table) { e.number.Store(t.Number) }

func (e *engine) Serve(l net.Listener, port uint16, tls bool) error {
	server := http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-e.holds
			}
			if e.leaving.Load() {
				w.Header().Set("Connection", "close")
			}
			e.served.Add(1)
			_, _ = fmt.Fprintf(w, "table %d, port %d, tls %t", e.number.Load(), port, tls)
		}),
		ConnState: func(_ net.Conn, is http.ConnState) {
			switch is {
			case http.StateNew:
				e.conns.Add(1)
			case http.StateClosed:
				e.conns.Add(-1)
			}
		},
	}
	return server.Serve(l)
}

func (e *engine) Leave(ctx context.Context) {
	e.leaving.Store(true)
	for e.conns.Load() > 0 && ctx.Err() == nil {
		pause(ctx, 5*time.Millisecond)
	}
}

func (e *engine) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "podkeep_door_requests_total 0\n")
	})
}

// ring is a keyring that writes down what it is given.
type ring struct {
	mu      sync.Mutex
	turns   []string
	lacks   []string
	changed func(wire.Kept)
}

func (r *ring) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turns = append(r.turns, text)
}

func (r *ring) Put(t *route.Table, node string) {
	r.note(fmt.Sprintf("table %d on %s", t.Number, node))
}
func (r *ring) Take(k wire.Keys) { r.note("keys " + k.Mark) }
func (r *ring) Keep(k wire.Kept) { r.note(fmt.Sprintf("kept %d", len(k.Entries))) }
func (r *ring) Close()           { r.note("closed") }

func (r *ring) Lacks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lacks)
}

func (r *ring) noted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.turns)
}

// aDoor is one that runs.
type aDoor struct {
	engine *engine
	ring   *ring
	end    context.CancelFunc
	ended  chan struct{}
}

func (s *aSide) door(pod, version string) *aDoor {
	s.t.Helper()
	d := &aDoor{engine: &engine{holds: make(chan struct{})}, ring: &ring{}, ended: make(chan struct{})}
	ctx, end := context.WithCancel(s.t.Context())
	d.end = end
	go func() {
		defer close(d.ended)
		_ = Run(ctx, options(s.dir, pod, version, d))
	}()
	s.t.Cleanup(func() { end(); <-d.ended })
	return d
}

func options(dir, pod, version string, d *aDoor) Options {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return Options{Dir: dir, Pod: pod, Version: version, Grace: 30 * time.Second, Log: log, addresses: []string{"127.0.0.1"}, Make: func(changed func(wire.Kept)) (Engine, Keyring) {
		d.ring.changed = changed
		return d.engine, d.ring
	}}
}

// aSide is a node side.
type aSide struct {
	t   *testing.T
	dir string
	l   net.Listener

	mu    sync.Mutex
	gives wire.DoorDown
	conns map[net.Conn]bool
	said  map[string]wire.DoorUp // the newest, by pod
	kept  []wire.Kept
}

func newSide(t *testing.T) *aSide {
	t.Helper()
	dir, err := os.MkdirTemp("", "pk") // whose path a socket's address has room for
	if err != nil {
		t.Fatal(err)
	}
	s := &aSide{t: t, dir: dir, conns: map[net.Conn]bool{}, said: map[string]wire.DoorUp{}}
	t.Cleanup(func() { s.ends(); _ = os.RemoveAll(dir) })
	s.begins()
	return s
}

func (s *aSide) begins() {
	at := filepath.Join(s.dir, live.DoorSocket)
	_ = os.Remove(at)
	l, err := net.Listen("unix", at)
	if err != nil {
		s.t.Fatal(err)
	}
	s.l = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(c)
		}
	}()
}

func (s *aSide) ends() {
	_ = s.l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
	clear(s.said)
}

func (s *aSide) talk(c net.Conn) {
	s.mu.Lock()
	s.conns[c] = true
	s.write(c)
	s.mu.Unlock()
	defer func() { _ = c.Close() }()
	go func() {
		for wire.Write(c, wire.DoorDown{}) == nil {
			time.Sleep(wire.Beat)
		}
	}()
	lines, pod := wire.NewReader(c), ""
	for {
		var up wire.DoorUp
		err := lines.Read(&up)
		s.mu.Lock()
		if err != nil {
			delete(s.conns, c)
			delete(s.said, pod)
			s.mu.Unlock()
			return
		}
		if up.Door != nil {
			pod = up.Door.Pod
			s.said[pod] = up
		}
		if up.Kept != nil {
			s.kept = append(s.kept, *up.Kept)
		}
		s.mu.Unlock()
	}
}

func (s *aSide) write(c net.Conn) {
	for _, down := range []wire.DoorDown{{Keys: s.gives.Keys}, {Kept: s.gives.Kept}, {Table: s.gives.Table}} {
		_ = wire.Write(c, down)
	}
}

// tells gives all doors, and those to come, a table with these ports.
func (s *aSide) tells(number uint64, metrics uint16, ports ...route.DoorPort) {
	s.t.Helper()
	key := make([]byte, 64)
	sealed, err := wire.Seal(key, "c", &route.Table{Number: number, Doors: &route.Doors{Ports: ports, Metrics: metrics}})
	if err != nil {
		s.t.Fatal(err)
	}
	sealed.Node = "n1"
	s.gave(wire.DoorDown{Keys: &wire.Keys{Mark: fmt.Sprint(number)}, Table: &sealed})
}

func (s *aSide) gave(down wire.DoorDown) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gives = down
	for c := range s.conns {
		s.write(c)
	}
}

func (s *aSide) of(pod string) live.Door {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is := s.said[pod]; is.Door != nil {
		return *is.Door
	}
	return live.Door{}
}

// until waits for a door to say that something is so.
func (s *aSide) until(pod, claim string, so func(live.Door) bool) {
	s.t.Helper()
	eventually(s.t, pod+" "+claim, func() error {
		if is := s.of(pod); !so(is) {
			return fmt.Errorf("%+v", is)
		}
		return nil
	})
}

func (s *aSide) listens(pod string, number uint64, ports ...uint16) {
	s.t.Helper()
	s.until(pod, fmt.Sprintf("serves by table %d at %v", number, ports), func(d live.Door) bool {
		return d.Number == number && slices.Equal(d.Ports, ports) && len(d.Troubles) == 0 && !d.Leaving
	})
}

func leaves(d live.Door) bool { return d.Leaving && len(d.Ports) == 0 }

func hasTrouble(text string) func(live.Door) bool {
	return func(d live.Door) bool { return strings.Contains(strings.Join(d.Troubles, "\n"), text) }
}

func eventually(t *testing.T, claim string, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", claim, err)
		}
	}
}

// free are ports that nobody has.
func free(t *testing.T, n int) (all []uint16) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		all = append(all, uint16(l.Addr().(*net.TCPAddr).Port))
	}
	slices.Sort(all)
	return all
}

func ask(client *http.Client, port uint16, path string) (string, error) {
	answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), errors.Join(err, answer.Body.Close())
}

func fresh() *http.Client { return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }

func answers(t *testing.T, port uint16, want string) {
	t.Helper()
	if got, err := ask(fresh(), port, "/"); err != nil || !strings.Contains(got, want) {
		t.Errorf("port %d: %q, %v: not %q", port, got, err, want)
	}
}
