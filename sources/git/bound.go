package git

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/podkeep/podkeep/sources/files"
)

// Bounds on what a server says, beside packs.
const (
	maxRefs    = 16 << 20 // bytes of refs: some 200,000 of them
	maxPrelude = 1 << 20  // bytes before a pack
	maxSaid    = 64 << 10 // bytes of an error, and of a report
	maxHeaders = 64 << 10 // bytes of an HTTP answer's headers
)

// errRefs is a server with so many refs that reading them is not worth it.
var errRefs = fmt.Errorf("the server advertises more than %d MiB of refs: remove some, or hide them there with transfer.hideRefs", maxRefs>>20)

var (
	errPrelude = fmt.Errorf("the server says more than %d MiB before the pack", maxPrelude>>20)
	errTalk    = fmt.Errorf("the server says more than %d GiB", maxPack>>30)
)

// upTo reads as many bytes as there is room for; more are an error.
type upTo struct {
	io.Reader
	room int64
	err  error
}

func (u *upTo) Read(p []byte) (int, error) {
	if u.room <= 0 {
		return 0, files.Lasting(u.err)
	}
	n, err := u.Reader.Read(p[:min(int64(len(p)), u.room)])
	u.room -= int64(n)
	return n, err
}

// bounded is what go-git speaks HTTP by: it reads the whole of refs and errors, however much that is.
type bounded struct{ *http.Transport }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.Transport.RoundTrip(req)
	if err != nil {
		return res, err
	}
	var r io.Reader = io.LimitReader(res.Body, maxSaid)
	switch service := "/" + transport.UploadPackServiceName; {
	case res.StatusCode/100 != 2:
	case req.Method == http.MethodGet:
		r = &upTo{res.Body, maxRefs, errRefs}
	case strings.HasSuffix(req.URL.Path, service):
		r = prelude(req.Context(), res.Body)
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{r, res.Body}
	return res, nil
}

type preludeKey struct{}

// withPrelude is a context in which a server may say only so much before it sends a pack; begun is called when the pack begins.
func withPrelude(ctx context.Context) (_ context.Context, begun func()) {
	u := &upTo{room: maxPrelude, err: errPrelude}
	return context.WithValue(ctx, preludeKey{}, u), func() { u.room, u.err = maxPack+maxPack/16, errTalk }
}

// prelude is the answer to a request for a pack, in a context as withPrelude makes it.
func prelude(ctx context.Context, r io.Reader) io.Reader {
	u, ok := ctx.Value(preludeKey{}).(*upTo)
	if !ok {
		return r
	}
	u.Reader = r
	return u
}
