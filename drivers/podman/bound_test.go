package podman

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// babbler is a host that answers each request by head and then, without end, by more. It knows the most that it could write.
type babbler struct {
	head, more string

	mu   sync.Mutex
	most int
}

// slack is what lies between us and who writes: buffers of the socket and of the HTTP client.
const slack = 4 << 20

func (b *babbler) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 64<<10)); err != nil {
		return
	}
	wrote, text := 0, b.head
	for {
		n, err := io.WriteString(conn, text)
		wrote += n
		if err != nil || b.more == "" {
			break
		}
		text = b.more
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = max(b.most, wrote)
}

// host is a driver of the babbler.
func (b *babbler) host(t *testing.T) (d *Driver, end func() int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "pk-bound")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.serve(conn) })
		}
	})
	if d, err = New(node("podman+unix://"+socket), Options{Cluster: "c", Look: examination, Change: examination}); err != nil {
		t.Fatal(err)
	}
	return d, func() int {
		_ = d.Close()
		_ = listener.Close()
		all.Wait()
		return b.most
	}
}

const endlessBody = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1099511627776\r\n\r\n"

func TestAHostThatTalksWithoutEndIsCutShortWithTheReason(t *testing.T) {
	observe := func(d *Driver, ctx context.Context) error { _, err := d.Observe(ctx); return err }
	exec := func(d *Driver, ctx context.Context) error {
		conn, err := d.client.dialer.dial(ctx)
		if err != nil {
			return err
		}
		return d.attach(ctx, conn, "x", live.Exec{Container: "c", Command: []string{"true"}})
	}
	block := strings.Repeat("a", 64<<10)
	for _, c := range []struct {
		name string
		host *babbler
		call func(*Driver, context.Context) error
		want string
		most int
	}{
		{"a list of one long string", &babbler{head: endlessBody + `[{"Id":"`, more: block}, observe, "its answer is over 64 MiB: GET /", longestAnswer},
		{"a list of nothings", &babbler{head: endlessBody + "[", more: strings.Repeat("{},", 4096)}, observe, "its answer has over 1048576 values: GET /", 3 * mostValues},
		{"headers", &babbler{head: "HTTP/1.1 200 OK\r\nX: ", more: block}, observe, "server response headers exceeded 262144 bytes", longestHeader},
		{"a refusal", &babbler{head: strings.Replace(endlessBody, "200 OK", "500 No", 1), more: block}, observe, "500 Internal Server Error: aaa", longestRefusal},
		{"an inspection", &babbler{head: endlessBody + "{", more: block}, func(d *Driver, ctx context.Context) error { return d.Stop(ctx, "p") }, "over 64 MiB: GET /pods/p/json", longestAnswer},
		{"a creation", &babbler{head: strings.Replace(endlessBody, "200 OK", "201 Created", 1) + "{", more: block},
			func(d *Driver, ctx context.Context) error { return d.Put(ctx, manifest.File{Name: "f"}) }, "over 64 MiB: POST /secrets/create", longestAnswer},
		{"an event", &babbler{head: endlessBody + `{"Action":"`, more: block}, func(d *Driver, ctx context.Context) error { return d.Watch(ctx, make(chan struct{}, 1)) },
			"an event is over 1024 KiB", longestEvent},
		{"a log's frame", &babbler{head: strings.Replace(endlessBody, "json", "octets", 1) + "\x01\x00\x00\x00\xff\xff\xff\xff", more: block},
			func(d *Driver, ctx context.Context) error {
				return d.Logs(ctx, live.Log{Container: "c", Last: 1}, func(live.Line) error { return nil })
			}, "a frame that begins", 0},
		{"a pull's progress", &babbler{head: endlessBody + `{"stream":"`, more: block}, func(d *Driver, ctx context.Context) error { return d.Pull(ctx, "r.test/x:1", "Always") },
			"pull r.test/x:1: its answer is over 64 MiB: POST /images/pull", longestAnswer},
		{"the headers of a command's streams", &babbler{head: "HTTP/1.1 101 UPGRADED\r\nX: ", more: block}, exec, "unexpected EOF", longestHeader},
		{"a frame of a command's streams", &babbler{head: "HTTP/1.1 101 UPGRADED\r\n\r\n\x01\x00\x00\x00\xff\xff\xff\xff", more: block}, exec, "a frame that begins", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, end := c.host.host(t)
			err := c.call(d, t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if wrote := end(); wrote < c.most || wrote > c.most+slack {
				t.Errorf("the host could write %d bytes, the bound is %d", wrote, c.most)
			}
		})
	}
}

func TestAnAnswerBelowTheBoundIsWholeAndWhatIsEndlessHasNone(t *testing.T) {
	const size = longestAnswer
	for _, ctx := range []context.Context{t.Context(), endless(t.Context())} {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://d/v4.3.1/libpod/x", nil)
		resp, err := bounded(req, &http.Response{StatusCode: 200, Body: io.NopCloser(io.LimitReader(zeros{}, size))})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	req, _ := http.NewRequestWithContext(endless(t.Context()), http.MethodGet, "http://d/x", nil)
	resp, _ := bounded(req, &http.Response{StatusCode: 200, Body: io.NopCloser(io.LimitReader(zeros{}, size+1))})
	if n, err := io.Copy(io.Discard, resp.Body); n != size+1 || err != nil {
		t.Errorf("of a stream: %d bytes, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAPullWhoseAnswerBreaksOffOrIsNoneEnds(t *testing.T) {
	for said, want := range map[string]string{
		`{"stream":"a"}{"images":["x"],"id":"x"}`: "",
		`{"id":"x"}`: "",
		`{"stream":"a"}{"error":"denied\n"}{"error":"no"}`: "denied; no",
		`{"stream":"a"}{"err`:                              "the host's answer broke off: unexpected EOF",
		`{"stream":"a"}<html>`:                             "the host's answer broke off: invalid character '<' looking for beginning of value",
		`{"stream":"a"}`:                                   "the host does not say what became of it",
		``:                                                 "the host does not say what became of it",
	} {
		err := pulled(strings.NewReader(said))
		if got := textOf(err); got != want {
			t.Errorf("%s: %s, want %s", said, got, want)
		}
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestARefusalsWordsPassTheGateAndItsCauseStays(t *testing.T) {
	gate := live.GateOver("correct-horse")
	for body, want := range map[string]string{
		`{"cause":"no such pod","message":"starting with correct-horse: \u001b[31mno such pod\n","response":404}`: "starting with …: no such pod",
		`<html>correct-horse</html>`: "404 Not Found: <html>…</html>",
		`{"message":"runc: runc create failed: unable to start container process: \"TOKEN=a\\x00b\": bad","cause":"no such pod"}`: `"TOKEN=…": bad`,
	} {
		d, end := (&babbler{head: "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n" + body}).host(t)
		err := d.do(guarded(t.Context(), gate), examination, func(ctx context.Context) error {
			_, err := d.inspectFile(ctx, "x")
			return err
		})
		end()
		if textOf(err) != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
		if strings.Contains(body, "cause") && !gone(err) {
			t.Errorf("%s: the cause is lost", body)
		}
	}
}

func TestAnAnswerThatCannotBeReadIsNotRepeated(t *testing.T) {
	for body, want := range map[string]string{
		`["correct-horse"]`:    "an answer that cannot be read: it is a array",
		`{"ID":"correct-horse`: "an answer that cannot be read: unexpected end of JSON input",
	} {
		d, end := (&babbler{head: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body}).host(t)
		err := d.do(t.Context(), examination, func(ctx context.Context) error {
			_, err := d.inspectFile(ctx, "x")
			return err
		})
		end()
		if textOf(err) != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestWhatARuntimeQuotesOfAPodIsNotInItsRunsError(t *testing.T) {
	pod := manifest.Pod{Name: "p", Secrets: []manifest.Bytes{manifest.Bytes("from-a-file-of-it\n")}}
	pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "r.test/x:1", Env: []corev1.EnvVar{
		{Name: "PLAIN", Value: "written-out"},
		{Name: "token", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{}}},
	}}}
	said := `{"message":"runc create failed: \"token=not known here\\x00tail\": found written-out and from-a-file-of-it: bad","response":500}`
	d, end := (&babbler{head: "HTTP/1.1 500 No\r\nConnection: close\r\n\r\n" + said}).host(t)
	err := d.Run(t.Context(), pod)
	end()
	if want := `"token=…": found … and …: bad`; textOf(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}
