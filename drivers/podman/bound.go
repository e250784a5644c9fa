package podman

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/podkeep/podkeep/live"
)

// Bounds on what a host says, so that one which talks without end is silent, with the reason, and costs no memory. A full node
// lists some 2,000 containers in 10 MB.
const (
	longestAnswer  = 64 << 20
	mostValues     = 1 << 20 // commas: "[{},{},…" becomes a hundred times its size
	longestRefusal = 64 << 10
	longestHeader  = 256 << 10
	longestEvent   = 1 << 20
	longestOutput  = 64 << 10 // of a command that podkeep runs there
	mostLabels     = 64 << 20 // bytes of all Files' labels, and perFile for each: 1,000 workloads have some 20 MB
	perFile        = 256
)

type (
	endlessKey struct{}
	gateKey    struct{}
)

// endless marks a call whose answer is a stream: whoever reads that bounds its pieces.
func endless(ctx context.Context) context.Context { return context.WithValue(ctx, endlessKey{}, true) }

// guarded marks a call whose errors may quote what a pod holds.
func guarded(ctx context.Context, gate live.Gate) context.Context {
	return context.WithValue(ctx, gateKey{}, gate)
}

func gateOf(ctx context.Context) live.Gate {
	gate, _ := ctx.Value(gateKey{}).(live.Gate)
	return gate
}

// bounded is the answer with a bound on its body. A refusal's words have passed the gate.
func bounded(req *http.Request, resp *http.Response) (*http.Response, error) {
	ctx := req.Context()
	if resp.StatusCode >= http.StatusBadRequest {
		return refused(gateOf(ctx), resp)
	}
	if ctx.Value(endlessKey{}) != nil {
		return resp, nil
	}
	values := mostValues
	if strings.HasSuffix(req.URL.Path, "/archive") {
		values = longestAnswer // what files hold is no list
	}
	failed, _ := ctx.Value(failureKey{}).(*failure)
	resp.Body = &body{ReadCloser: resp.Body, what: req.Method + " " + version.ReplaceAllString(req.URL.Path, ""), left: longestAnswer, values: values, failed: failed}
	return resp, nil
}

var version = regexp.MustCompile(`^/v[0-9.]+(/libpod)?`)

// body is an answer's, up to its bound.
type body struct {
	io.ReadCloser
	what         string
	left, values int
	failed       *failure
}

// Read ends with an error behind the bound, which is the whole call's then.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	b.left -= n
	b.values -= bytes.Count(p[:n], []byte(","))
	switch {
	case b.left < 0:
		err = fmt.Errorf("its answer is over %d MiB: %s", longestAnswer>>20, b.what)
	case b.values < 0:
		err = fmt.Errorf("its answer has over %d values: %s", mostValues, b.what)
	default:
		return n, err
	}
	if b.failed != nil {
		b.failed.set(err)
	}
	return 0, err
}

// refused passes the words of a refusal through the gate, and keeps the cause, which is shown to nobody, for because.
func refused(gate live.Gate, resp *http.Response) (*http.Response, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, longestRefusal))
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		data = gentle(gate, data, resp.StatusCode)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	return resp, nil
}

// gentle is a refusal in the form that Podman gives it.
func gentle(gate live.Gate, data []byte, code int) []byte {
	var said map[string]any
	if json.Unmarshal(data, &said) != nil {
		said = map[string]any{"message": fmt.Sprintf("%d %s: %s", code, http.StatusText(code), data), "response": code}
	}
	for key, value := range said {
		switch v := value.(type) {
		case string:
			if key != "cause" {
				said[key] = gate.Words(plain(v))
			}
		case []any:
			for i := range v {
				v[i] = gate.Words(plain(fmt.Sprint(v[i])))
			}
		}
	}
	data, _ = json.Marshal(said)
	return data
}

// piecewise reads a stream of pieces, none longer than most: more than that is not read until the next is asked for.
type piecewise struct {
	io.Reader
	most, left int
}

func (p *piecewise) next() { p.left = p.most }

func (p *piecewise) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, fmt.Errorf("an event is over %d KiB", p.most>>10)
	}
	n, err := p.Reader.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}
